package signing

import (
	"context"
	"errors"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

const maxValue = 4000 // characters of a field's value

// Checked is the value of a check box or radio button that is chosen; one that is not has the empty value.
const Checked = "X"

// entered is the condition that field f is one that signers write into.
const entered = `f.type = 'INPUT' and f.subtype not in ('LABEL', 'CUSTOMFIELD', 'DATE')`

// Consent records that the visitor accepts to sign electronically; nobody signs before it.
func (s *Signing) Consent(ctx context.Context, v Visit, epoch int64) error {
	return s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error { return at.consent(tx) })
}

func (at spot) consent(tx *db.Tx) error {
	changed, err := tx.Exec(`update roles set consent_by = $2, consent_ms = clock_ms()
		where id = $1 and (consent_by is null or consent_by <> $2)`, at.role.ID, at.me.ID)
	if err != nil || changed == 0 {
		return err
	}
	_, err = record(tx, at.event("consent.accepted"))
	return err
}

// Fill keeps the value of an input field. field is "document/approval/field", the
// document by its id in the ceremony. Errors: NotFound "field.unknown", Invalid
// "field.value", "field.read_only", Unprocessable "name.glyphs", Conflict "lease.stale".
func (s *Signing) Fill(ctx context.Context, v Visit, epoch int64, field, value string) error {
	return s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error {
		row, err := fieldAt(tx, at.role, field)
		if err != nil {
			return err
		}
		return s.fill(tx, at, row, value)
	})
}

// enterValue writes a value $2 of an invitee $3 into field $1. What the sender had put there is kept beside it.
const enterValue = `update fields set preset = case when entered_by is null then value else preset end, value = $2, entered_by = $3 where id = $1`

// fill keeps a value of the visitor's. The chosen one of a group of radio buttons clears the others.
func (s *Signing) fill(tx *db.Tx, at spot, row fieldRow, value string) error {
	if err := s.checkValue(value); err != nil {
		return err
	}
	value, err := row.takes(value)
	if err != nil {
		return blame(err, row)
	}
	if row.rules().ReadOnly && !at.enables(tx, row) {
		if value == deref(row.Value) { // clients send back what they read
			return nil
		}
		return blame(errs.New(errs.Invalid, "field.read_only", "This field cannot be changed."), row)
	}
	if _, err = tx.Exec(enterValue, row.ID, value, at.me.ID); err != nil {
		return err
	}
	if value != deref(row.Value) {
		if err := voidAcceptances(tx, at.pkg, "filled", `a.role_id = $1
			and a.document_id = (select b.document_id from approvals b where b.id = $2)`, at.role.ID, row.ApprovalID); err != nil {
			return err
		}
	}
	if value != Checked {
		return nil
	}
	return at.chosen(tx, row)
}

// enables reports whether a condition makes a disabled field one that is written into.
func (at spot) enables(tx *db.Tx, row fieldRow) bool {
	t, err := conditionsOf(tx, at.pkg.ID)
	disabled, set := t.disabled[row.ID]
	return err == nil && set && !disabled
}

// chosen does what else follows from a choice: one radio button of a group, and no more check boxes than the group allows.
func (at spot) chosen(tx *db.Tx, row fieldRow) error {
	if row.Subtype != "RADIO" && row.Subtype != "CHECKBOX" || row.rules().Group == "" {
		return nil
	}
	group, err := at.groupOf(tx, row)
	if err != nil {
		return err
	}
	if row.Subtype == "CHECKBOX" {
		err := ticks(group, func(fieldRow) bool { return false })
		if errs.Is(err, "field.group") && tooFew(err) {
			return nil // more may be ticked yet
		}
		return err
	}
	for _, other := range group {
		if other.ID == row.ID || deref(other.Value) == "" {
			continue
		}
		if _, err := tx.Exec(enterValue, other.ID, "", at.me.ID); err != nil {
			return err
		}
	}
	return nil
}

func tooFew(err error) bool {
	e, ok := errors.AsType[*errs.Error](err)
	return ok && e.Params["minimum"] != ""
}

// groupOf are the fields of the role on one document that are one group with row, itself included.
func (at spot) groupOf(tx *db.Tx, row fieldRow) ([]fieldRow, error) {
	all, err := db.All[fieldRow](tx, `select f.* from fields f join approvals a on a.id = f.approval_id
		where a.role_id = $1 and not a.disabled and f.subtype = $2
			and a.document_id = (select document_id from approvals where id = $3) order by f.position, f.id`, at.role.ID, row.Subtype, row.ApprovalID)
	var out []fieldRow
	for _, f := range all {
		if f.rules().Group == row.rules().Group {
			out = append(out, f)
		}
	}
	return out, err
}

// blame names the field of a refusal.
func blame(err error, f fieldRow) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Field == "" {
		return e.On(f.OuterID)
	}
	return err
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
		return fieldRow{}, unknownField()
	}
	row, err := db.One[fieldRow](tx, `select f.* from fields f join approvals a on a.id = f.approval_id
		where a.role_id = $1 and not a.disabled and a.document_id = $2 and a.outer_id = $3 and f.outer_id = $4 and `+entered,
		role.ID, parts[0], parts[1], parts[2])
	if errors.Is(err, db.ErrNone) {
		return row, unknownField()
	}
	return row, err
}

func unknownField() error {
	return errs.New(errs.NotFound, "field.unknown", "There is no such field.")
}

// checkInputs refuses approvals of the role that are about to be signed while what they ask for is
// not filled in as it must be, and dates those fields that bear the date of the signature.
func (at spot) checkInputs(tx *db.Tx, approvals []approvalRow) error {
	t, err := conditionsOf(tx, at.pkg.ID)
	if err != nil {
		return err
	}
	groups := map[[3]string][]fieldRow{}
	for _, a := range approvals {
		fields, err := db.All[fieldRow](tx, `select * from fields where approval_id = $1 order by position`, a.ID)
		if err != nil {
			return err
		}
		for _, f := range fields {
			if err := at.checkInput(tx, f, t); err != nil {
				if e, ok := errors.AsType[*errs.Error](err); ok {
					return e.On(a.DocumentID + "/" + a.OuterID + "/" + f.OuterID)
				}
				return err
			}
			if g := f.rules().Group; g != "" && (f.Subtype == "RADIO" || f.Subtype == "CHECKBOX") {
				key := [3]string{a.DocumentID, f.Subtype, g}
				groups[key] = append(groups[key], f)
			}
		}
	}
	for key, of := range groups {
		if err := ticks(of, t.demanded); err != nil {
			if e, ok := errors.AsType[*errs.Error](err); ok {
				return e.On(key[0] + "/" + approvalOf(approvals, of[0]) + "/" + of[0].OuterID)
			}
			return err
		}
	}
	return nil
}

func approvalOf(all []approvalRow, f fieldRow) string {
	for _, a := range all {
		if a.ID == f.ApprovalID {
			return a.OuterID
		}
	}
	return ""
}

func (at spot) checkInput(tx *db.Tx, f fieldRow, t turned) error {
	if f.Type != "INPUT" || f.Subtype == "LABEL" || f.Subtype == "CUSTOMFIELD" {
		return nil
	}
	r := f.rules()
	if f.Subtype == "DATE" {
		now, err := tx.Now()
		if err == nil {
			_, err = tx.Exec(`update fields set value = $2 where id = $1`, f.ID, r.written(now))
		}
		return err
	}
	if deref(f.Value) == "" {
		if t.demanded(f) && (f.Subtype != "RADIO" || r.Group == "") { // of a group of radio buttons any one will do
			return errs.New(errs.Invalid, "field.required", "A field that must be filled is empty.")
		}
		return nil
	}
	if r.ReadOnly { // the sender's own text
		return nil
	}
	_, err := f.takes(*f.Value)
	return err
}
