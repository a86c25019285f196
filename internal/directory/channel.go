package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// byTheOperator is the UpdatedBy of what the operator changed.
const byTheOperator = "operator"

// SetPartnerStatus activates a partner or deactivates it; deactivation kills
// within a second what was given out for its users, and leaves its accounts and
// their own clients alone. Nothing happens when it is so already. It is the operator's act. NotFound "partner.unknown"; Invalid
// "partner.status".
func (d *Directory) SetPartnerStatus(ctx context.Context, outerID string, s PartnerStatus) (out Partner, err error) {
	return d.setPartnerStatus(ctx, byCommand, outerID, s)
}

func (d *Directory) setPartnerStatus(ctx context.Context, who asker, outerID string, s PartnerStatus) (out Partner, err error) {
	if s != PartnerActive && s != PartnerInactive {
		return Partner{}, errs.New(errs.Invalid, "partner.status", "A partner is ACTIVE or INACTIVE.").On("status")
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
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
		if err = recordPartner(tx, event, by, out.ID, map[string]string{}); err != nil {
			return err
		}
		out, err = onePartner(tx, `where p.outer_id = $1`, outerID)
		return err
	})
	return out, err
}

// PartnerChange changes a partner.
type PartnerChange struct {
	Settings                  Settings // of the channel; what is zero stays, what is Inherit is unset
	Logo                      []byte   // PNG or JPEG; nil keeps, empty removes
	RequireSignedSubjectToken *bool    // nil keeps
	SubjectKeys               []byte   // JSON Web Key Set of public keys; nil keeps, empty removes
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
		told, err := set.store(tx, id)
		if err != nil {
			return err
		}
		return recordPartner(tx, "partner.changed", operator, id, told)
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

// subjectKey is what of a JSON Web Key says whether a subject token can be checked with it.
type subjectKey struct {
	Type    string `json:"kty"`
	Curve   string `json:"crv"`
	Use     string `json:"use"`
	Modulus string `json:"n"`
	Private string `json:"d"` // of a private key
	Secret  string `json:"k"` // of a symmetric one
}

// serves reports a key for RS256 or ES256.
func (k subjectKey) serves() bool {
	const modulus = 2048 / 8
	strong := k.Type == "RSA" && base64.RawURLEncoding.DecodedLen(len(k.Modulus)) >= modulus
	return (strong || k.Type == "EC" && k.Curve == "P-256") && (k.Use == "" || k.Use == "sig")
}

// goodKeys refuses by its looks what is no JSON Web Key Set (RFC 7517 §5), has a
// secret in it, or no key that serves. Invalid "keys.malformed".
func goodKeys(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var set struct {
		Keys []subjectKey `json:"keys"`
	}
	secret := func(k subjectKey) bool { return k.Private != "" || k.Secret != "" }
	if len(text) > maxJSON || json.Unmarshal(text, &set) != nil || !slices.ContainsFunc(set.Keys, subjectKey.serves) || slices.ContainsFunc(set.Keys, secret) {
		return errs.New(errs.Invalid, "keys.malformed",
			"The keys are a JSON Web Key Set of at most %d bytes: public ones only, at least one for RS256 or ES256.", maxJSON).On("subjectKeys")
	}
	return nil
}

// column is one column of a partner's row that changes.
type column struct {
	name  string // also in audit events
	value any
	told  string // the value in audit events
}

// store writes what changes and tells it for the audit event. The caller holds the partner's row.
func (c cleanChange) store(tx *db.Tx, id string) (told map[string]string, err error) {
	was, err := onePartner(tx, `where p.id = $1`, id)
	if err != nil {
		return nil, err
	}
	columns, err := c.columns(tx, was)
	if err == nil && c.logo != nil {
		err = c.logo.store(tx)
	}
	told = map[string]string{}
	for _, set := range columns {
		if err == nil {
			_, err = tx.Exec(`update partners set `+set.name+` = $2 where id = $1`, id, set.value)
		}
		told[set.name] = set.told
	}
	return told, err
}

// columns are those that change. Invalid "settings.range", "domain.not_eligible"; NotFound "domains.none".
func (c cleanChange) columns(tx *db.Tx, was Partner) (list []column, err error) {
	if c.Settings != (Settings{}) {
		next := was.Settings.changedBy(c.Settings)
		if err = next.consistent(); err != nil {
			return nil, err
		}
		list = append(list, column{"settings", db.AsJSON(next), next.text()})
	}
	if c.logo != nil {
		list = append(list, column{"logo", c.logo.digest, cmp.Or(c.logo.digest, none)})
	}
	if c.RequireSignedSubjectToken != nil {
		list = append(list, column{"require_signed", *c.RequireSignedSubjectToken, strconv.FormatBool(*c.RequireSignedSubjectToken)})
	}
	if len(c.SubjectKeys) > 0 {
		sum := sha256.Sum256(c.SubjectKeys)
		list = append(list, column{"subject_keys", string(c.SubjectKeys), hex.EncodeToString(sum[:])})
	} else if c.SubjectKeys != nil {
		list = append(list, column{"subject_keys", nil, none})
	}
	if c.Domains != nil {
		domains, err := eligible(tx, was.Organisation, c.Domains)
		if err != nil {
			return nil, err
		}
		list = append(list, column{"domains", db.AsJSON(domains), strings.Join(domains, " ")})
	}
	return list, nil
}

// none is how audit events tell what was removed.
const none = "none"
