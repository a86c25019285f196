package signing

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

const maxValue = 4000 // characters of a field's value

// Checked is the value of a check box that is ticked; one that is not has the empty value.
const Checked = "X"

// validation is what a field demands of its value.
type validation struct {
	Required  bool `json:"required"`
	MaxLength int  `json:"maxLength"`
}

// Consent records that the visitor accepts to sign electronically; nobody signs before it.
func (s *Signing) Consent(ctx context.Context, v Visit, epoch int64) error {
	return s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error {
		changed, err := tx.Exec(`update roles set consent_by = $2, consent_ms = clock_ms()
			where id = $1 and (consent_by is null or consent_by <> $2)`, at.role.ID, at.me.ID)
		if err != nil || changed == 0 {
			return err
		}
		_, err = record(tx, at.event("consent.accepted"))
		return err
	})
}

// Fill keeps the value of an input field. field is "document/approval/field", the
// document by its id in the ceremony. Errors: NotFound "field.unknown", Invalid
// "field.value", Unprocessable "name.glyphs", Conflict "lease.stale".
func (s *Signing) Fill(ctx context.Context, v Visit, epoch int64, field, value string) error {
	if err := s.checkValue(value); err != nil {
		return err
	}
	return s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error {
		row, err := fieldAt(tx, at.role, field)
		if err != nil {
			return err
		}
		if err := row.accepts(value); err != nil {
			return err
		}
		_, err = tx.Exec(`update fields set value = $2, entered_by = $3 where id = $1`, row.ID, value, at.me.ID)
		return err
	})
}

func (s *Signing) checkValue(value string) error {
	if len([]rune(value)) > maxValue {
		return errs.New(errs.Invalid, "field.value", "A value has at most %d characters.", maxValue).On("value")
	}
	if err := plainText(value, "value"); err != nil {
		return err
	}
	return s.drawable(oneLine(value))
}

// oneLine is a text as it is drawn where there is one line.
func oneLine(text string) string {
	return strings.NewReplacer("\r", "", "\n", " ", "\t", " ").Replace(text)
}

// fieldAt finds an input field of a role.
func fieldAt(tx *db.Tx, role roleRow, path string) (fieldRow, error) {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) != 3 {
		return fieldRow{}, errs.New(errs.NotFound, "field.unknown", "There is no such field.")
	}
	row, err := db.One[fieldRow](tx, `select f.* from fields f join approvals a on a.id = f.approval_id
		where a.role_id = $1 and not a.disabled and a.document_id = $2 and a.outer_id = $3 and f.outer_id = $4 and f.type = 'INPUT' and f.subtype <> 'LABEL'`,
		role.ID, parts[0], parts[1], parts[2])
	if errors.Is(err, db.ErrNone) {
		return row, errs.New(errs.NotFound, "field.unknown", "There is no such field.")
	}
	return row, err
}

func (f fieldRow) validation() (v validation) {
	_ = json.Unmarshal([]byte(f.Validation), &v) // what the sender wrote beyond these members is his own
	return v
}

// accepts refuses a value the field does not take.
func (f fieldRow) accepts(value string) error {
	if f.Subtype == "CHECKBOX" && value != "" && value != Checked {
		return errs.New(errs.Invalid, "field.value", "A check box is %q or empty.", Checked).On(f.OuterID)
	}
	if limit := f.validation().MaxLength; limit > 0 && len([]rune(value)) > limit {
		return errs.New(errs.Invalid, "field.value", "This field takes at most %d characters.", limit).On(f.OuterID)
	}
	return nil
}
