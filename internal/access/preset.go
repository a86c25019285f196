package access

import (
	"cmp"
	"context"
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Preset is a bundle of permissions; Salesforce says permission set.
type Preset struct {
	Number      int64
	Name        string
	Licence     string // which whoever is given the preset gets; "" is none
	Description string
	BuiltIn     bool
	Contents    []Content // by number of the permission
}

// Content is a permission of a preset and what it applies to.
type Content struct {
	Permission int64
	Scope      Scope
}

// NewPreset is a preset to define.
type NewPreset struct {
	Number                     int64 // at least 1000; 0 is the next one that is free
	Name, Licence, Description string
	Contents                   []Content // nil: those of the preset that there is stay
}

// maxContents bounds the permissions of a preset.
const maxContents = 1000

// DefinePreset makes a preset of the account, or changes the one of that name: whoever holds it holds its new contents at
// once.
//
// Denied "right.missing", "grant.escalation"; Invalid "name.malformed", "name.missing", "licence.unknown", "preset.number",
// "preset.too_large", "permission.unknown", "permission.twice", "scope.empty", "entity.unknown"; Conflict "preset.taken",
// "preset.held" (another licence while somebody holds it), "define.outrun".
func (a *Access) DefinePreset(ctx context.Context, p authz.Principal, in NewPreset) (made Preset, err error) {
	if err = mayOne(p, authz.ManageUsers); err != nil {
		return Preset{}, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		var done outcome
		made, done, err = w.definePreset(tx, &places{tx: tx, account: p.Account}, in)
		if err != nil || done == unchanged {
			return err
		}
		return recordDefined(tx, p, w.actor, thing{OfPreset, made.Number}, made.Name)
	})
	return made, err
}

// definePreset makes a preset or changes the one of that name.
func (w *powers) definePreset(tx *db.Tx, at *places, in NewPreset) (Preset, outcome, error) {
	labels := NewPermission{in.Number, in.Name, in.Licence, in.Description}
	t, exists, err := w.named(tx, OfPreset, &labels)
	if err != nil {
		return Preset{}, unchanged, err
	}
	made := Preset{Number: t.number, Name: labels.Name, Licence: labels.Licence, Description: labels.Description}
	if made.Contents, err = w.contents(at, in.Contents); err != nil {
		return Preset{}, unchanged, err
	}
	done := created
	if exists {
		was := w.presets[t.number]
		if in.Contents == nil {
			made.Contents = was.Contents
		}
		if made.same(was) {
			return made, unchanged, nil
		}
		if done = changed; made.Licence != was.Licence {
			if err = w.heldByNobody(tx, t); err != nil {
				return Preset{}, unchanged, err
			}
		}
	}
	if err = w.writePreset(tx, made, exists); err == nil {
		w.addPreset(made)
		err = directory.Touch(tx, w.account)
	}
	return made, done, err
}

func (p Preset) same(q *Preset) bool {
	return p.Name == q.Name && p.Licence == q.Licence && p.Description == q.Description &&
		slices.EqualFunc(p.Contents, q.Contents, func(a, b Content) bool { return a.Permission == b.Permission && a.Scope.Equal(b.Scope) })
}

// contents cleans what a preset is to hold; each of it has to be the principal's to grant.
func (w *powers) contents(at *places, list []Content) (clean []Content, err error) {
	if len(list) > maxContents {
		return nil, errs.New(errs.Invalid, "preset.too_large", "A preset has at most %d permissions.", maxContents).On("permissions")
	}
	seen := map[int64]bool{}
	for _, c := range list {
		t, err := w.find(OfPermission, Ref{Number: c.Permission, Name: " "})
		if err != nil {
			return nil, onField(err, "permissions")
		}
		if seen[c.Permission] {
			return nil, errs.New(errs.Invalid, "permission.twice", "%s is named twice.", w.name(t)).On("permissions")
		}
		seen[c.Permission] = true
		if c.Scope, err = at.check(c.Scope); err != nil {
			return nil, err
		}
		if err = w.mayGrant(t, c.Scope); err != nil {
			return nil, err
		}
		clean = append(clean, c)
	}
	slices.SortFunc(clean, func(a, b Content) int { return cmp.Compare(a.Permission, b.Permission) })
	return clean, nil
}

// heldByNobody refuses (Conflict "preset.held") a thing that somebody has by grant.
func (b *book) heldByNobody(tx *db.Tx, t thing) error {
	held, err := db.One[bool](tx, `select exists (select 1 from grants where account_id = $1 and what = $2 and number = $3 and ended_ms is null)`,
		b.account, t.what, t.number)
	if err == nil && held {
		err = errs.New(errs.Conflict, "preset.held", "%s is held by somebody: its licence stays.", b.name(t)).On("licence")
	}
	return err
}

// writePreset writes the rows; of one that exists the first statement keeps others from changing it until the transaction ends.
func (b *book) writePreset(tx *db.Tx, p Preset, exists bool) error {
	query := `insert into presets (account_id, number, name, folded, licence, description, created_ms)
		values ($1, $2, $3, $4, $5, $6, clock_ms()) on conflict do nothing`
	if exists {
		query = `update presets set name = $3, folded = $4, licence = $5, description = $6 where account_id = $1 and number = $2`
	}
	n, err := tx.Exec(query, b.account, p.Number, p.Name, folded(p.Name), p.Licence, p.Description)
	if err == nil && n == 0 {
		err = outrun()
	}
	if err != nil {
		return err
	}
	if err = tx.Later(`delete from preset_permissions where account_id = $1 and preset = $2`, b.account, p.Number); err != nil {
		return err
	}
	for _, c := range p.Contents {
		if err = tx.Later(`insert into preset_permissions (account_id, preset, permission, scope) values ($1, $2, $3, $4)`,
			b.account, p.Number, c.Permission, db.AsJSON(c.Scope)); err != nil {
			return err
		}
	}
	return nil
}
