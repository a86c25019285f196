package directory

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// byTheOperator is the UpdatedBy of what the operator changed.
const byTheOperator = "operator"

// SetPartnerStatus activates a partner or deactivates it; deactivation kills
// within a second what was given out for its users. Nothing happens when it is
// so already. It is the operator's act. NotFound "partner.unknown"; Invalid
// "partner.status".
func (d *Directory) SetPartnerStatus(ctx context.Context, outerID string, s PartnerStatus) (out Partner, err error) {
	if s != PartnerActive && s != PartnerInactive {
		return Partner{}, errs.New(errs.Invalid, "partner.status", "A partner is ACTIVE or INACTIVE.").On("status")
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		if out, err = onePartner(tx, `where p.outer_id = $1`, outerID); err != nil {
			return err
		}
		changed, err := tx.Exec(`update partners set status = $2, updated_by = $3, updated_ms = clock_ms()
			where id = $1 and status <> $2`, out.ID, string(s), byTheOperator)
		if err != nil || changed == 0 {
			return err
		}
		event := "partner.activated"
		if s == PartnerInactive {
			event = "partner.deactivated"
			if _, err = Raise(tx, OfPartner, out.ID); err != nil {
				return err
			}
		}
		if err = recordPartner(tx, event, operator, out.ID, map[string]string{}); err != nil {
			return err
		}
		out, err = onePartner(tx, `where p.outer_id = $1`, outerID)
		return err
	})
	return out, err
}

// PartnerChange changes a partner.
type PartnerChange struct {
	Settings                  Settings // of the channel; what is zero stays
	Logo                      []byte   // PNG or JPEG; nil keeps, empty removes
	RequireSignedSubjectToken *bool    // nil keeps
	SubjectKeys               []byte   // JSON Web Key Set; nil keeps, empty removes
	Domains                   []string // of those that the organisation has proved; nil keeps, empty takes all
}

// SetPartner changes a partner and its channel. It is the operator's act.
// NotFound "partner.unknown", "domains.none"; Invalid "settings.range",
// "logo.malformed", "keys.malformed", "domain.malformed", "domain.not_eligible".
func (d *Directory) SetPartner(ctx context.Context, outerID string, c PartnerChange) error {
	set, err := c.clean()
	if err != nil {
		return err
	}
	if !storable(outerID) {
		return unknownPartner()
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		id, err := db.One[string](tx, `update partners set updated_by = $2, updated_ms = clock_ms()
			where outer_id = $1 returning id`, outerID, byTheOperator)
		if errors.Is(err, db.ErrNone) {
			return unknownPartner()
		}
		if err != nil {
			return err
		}
		what, err := set.store(tx, id)
		if err != nil {
			return err
		}
		return recordPartner(tx, "partner.changed", operator, id, map[string]string{"changed": strings.Join(what, ",")})
	})
}

// cleanChange is a PartnerChange in its stored form.
type cleanChange struct {
	PartnerChange
	logo *logo
}

func (c PartnerChange) clean() (set cleanChange, err error) {
	set.PartnerChange = c
	if err = set.Settings.clean(); err != nil {
		return set, err
	}
	if set.logo, err = cleanLogo(c.Logo); err != nil {
		return set, err
	}
	if c.Domains != nil {
		if set.Domains, err = canonicalDomains(c.Domains); err != nil {
			return set, err
		}
	}
	return set, goodKeys(c.SubjectKeys)
}

// goodKeys refuses what is no JSON Web Key Set (RFC 7517 §5) by its looks. Invalid "keys.malformed".
func goodKeys(text []byte) error {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) != 0 && (len(text) > maxJSON || json.Unmarshal(text, &set) != nil || len(set.Keys) == 0) {
		return errs.New(errs.Invalid, "keys.malformed", "The keys are a JSON Web Key Set of at most %d bytes.", maxJSON).On("subjectKeys")
	}
	return nil
}

// store writes what changes and names it. The caller holds the partner's row.
func (c cleanChange) store(tx *db.Tx, id string) (what []string, err error) {
	was, err := onePartner(tx, `where p.id = $1`, id)
	if err != nil {
		return nil, err
	}
	set := func(name, column string, value any) {
		if err == nil {
			what = append(what, name)
			_, err = tx.Exec(`update partners set `+column+` = $2 where id = $1`, id, value)
		}
	}
	if c.Settings != (Settings{}) {
		next := c.Settings.Or(was.Settings)
		if err = next.consistent(); err != nil {
			return nil, err
		}
		set("settings", "settings", db.AsJSON(next))
	}
	if c.logo != nil && err == nil {
		if err = c.logo.store(tx); err == nil {
			set("logo", "logo", c.logo.digest)
		}
	}
	if c.RequireSignedSubjectToken != nil {
		set("require_signed", "require_signed", *c.RequireSignedSubjectToken)
	}
	if c.SubjectKeys != nil {
		var keys *string
		if len(c.SubjectKeys) > 0 {
			text := string(c.SubjectKeys)
			keys = &text
		}
		set("subject_keys", "subject_keys", keys)
	}
	if c.Domains != nil && err == nil {
		domains, refusal := eligible(tx, was.Organisation, c.Domains)
		if refusal != nil {
			return nil, refusal
		}
		set("domains", "domains", db.AsJSON(domains))
	}
	return what, err
}
