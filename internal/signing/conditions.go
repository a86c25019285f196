package signing

import (
	"context"
	"encoding/json"
	"regexp"

	"countersign.dev/internal/db"
)

// What is obeyed (OneSpan Sign, conditional fields): comparisons of values, joined by && and ||, and one switch.
var (
	comparison    = regexp.MustCompile(`^\s*document\['([^']+)'\]\.field\['([^']+)'\]\.value\s*(==|!=)\s*(?:'([^']*)'|null)\s*`)
	conditionJoin = regexp.MustCompile(`^(&&|\|\|)`)
	actionForm    = regexp.MustCompile(`^\s*document\['([^']+)'\]\.field\['([^']+)'\]\.(disabled|required)\s*=\s*(true|false)\s*$`)
)

// place is a document and a field of it, by the ids the client gave.
type place struct{ document, field string }

// compared is one comparison of a field's value. A field without a value has the empty one, which is also null.
type compared struct {
	place
	equal bool
	value string
}

// condition holds when all comparisons of one of its alternatives do: && binds closer than ||.
type condition [][]compared

// readCondition reads a condition; ok is false for one that is not of the form that is obeyed.
func readCondition(text string) (c condition, ok bool) {
	all := []compared{}
	for {
		m := comparison.FindStringSubmatch(text)
		if m == nil {
			return nil, false
		}
		all = append(all, compared{place{m[1], m[2]}, m[3] == "==", m[4]})
		text = text[len(m[0]):]
		if text == "" {
			return append(c, all), true
		}
		join := conditionJoin.FindString(text)
		if join == "" {
			return nil, false
		}
		if join == "||" {
			c, all = append(c, all), []compared{}
		}
		text = text[len(join):]
	}
}

// holds reports whether the condition holds. One that asks for a field that is not there does not.
func (c condition) holds(fields map[place]fieldRow) bool {
	held := false
	for _, all := range c {
		every := true
		for _, term := range all {
			f, known := fields[term.place]
			if !known {
				return false
			}
			every = every && (deref(f.Value) == term.value) == term.equal
		}
		held = held || every
	}
	return held
}

// ObeysCondition reports whether a condition and its action are of the form that is obeyed when signers fill in fields:
// comparisons document['D'].field['F'].value == 'X' (or !=, or null), joined by && and ||, of which && binds closer;
// and document['D'].field['F'].disabled = true (or required, or false).
func ObeysCondition(condition, action string) bool {
	_, ok := readCondition(condition)
	return ok && actionForm.MatchString(action)
}

// turned are the fields, by internal id, that conditions switched, and to what; about are all that one may switch.
type turned struct{ disabled, required, about map[string]bool }

// demanded reports whether a field must have a value, conditions considered.
func (t turned) demanded(f fieldRow) bool {
	required, set := t.required[f.ID]
	if !set {
		required = f.rules().Required
	}
	return required && !t.off(f)
}

// off reports whether nothing is entered into a field, conditions considered.
func (t turned) off(f fieldRow) bool {
	disabled, set := t.disabled[f.ID]
	if !set {
		disabled = f.rules().ReadOnly
	}
	return disabled
}

// conditionsOf carries out the conditions of a package's fields. A condition that does not hold leaves its field as the sender made it.
func conditionsOf(tx *db.Tx, pkg string) (turned, error) {
	t := turned{disabled: map[string]bool{}, required: map[string]bool{}, about: map[string]bool{}}
	withConditions, err := db.All[string](tx, `select conditions from fields where package_id = $1 and conditions <> 'null' order by position, id`, pkg)
	if err != nil || len(withConditions) == 0 {
		return t, err
	}
	fields, err := placesOf(tx, pkg)
	if err != nil {
		return t, err
	}
	for _, raw := range withConditions {
		var all []struct{ Condition, Action string }
		_ = json.Unmarshal([]byte(raw), &all)
		for _, c := range all {
			when, ok := readCondition(c.Condition)
			then := actionForm.FindStringSubmatch(c.Action)
			if !ok || then == nil {
				continue
			}
			target, known := fields[place{then[1], then[2]}]
			t.about[target.ID] = t.about[target.ID] || known
			if !when.holds(fields) {
				continue
			}
			if known && then[3] == "disabled" {
				t.disabled[target.ID] = then[4] == "true"
			} else if known {
				t.required[target.ID] = then[4] == "true"
			}
		}
	}
	return t, nil
}

// Switched are the visitor's fields that conditions are about, as they stand with what is filled in now.
func (s *Signing) Switched(ctx context.Context, v Visit) (out []SwitchedField, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		at, err := s.glance(tx, v)
		if err == nil {
			out, err = at.switched(tx)
		}
		return err
	})
	return out, err
}

func (at spot) switched(tx *db.Tx) (out []SwitchedField, err error) {
	t, err := conditionsOf(tx, at.pkg.ID)
	if err != nil || len(t.about) == 0 {
		return nil, err
	}
	type row struct{ ID, OuterID, Subtype, Validation, Document, Approval string }
	for r, err := range db.Rows[row](tx, `select f.id, f.outer_id, f.subtype, f.validation, a.document_id as document, a.outer_id as approval
		from fields f join approvals a on a.id = f.approval_id where a.role_id = $1 and not a.disabled and `+entered+` order by f.position, f.id`, at.role.ID) {
		if err != nil {
			return nil, err
		}
		if t.about[r.ID] {
			f := fieldRow{ID: r.ID, Subtype: r.Subtype, Validation: r.Validation}
			out = append(out, SwitchedField{Field: r.Document + "/" + r.Approval + "/" + r.OuterID, Disabled: t.off(f), Required: t.demanded(f)})
		}
	}
	return out, nil
}

// placesOf are a package's fields by document and field.
func placesOf(tx *db.Tx, pkg string) (map[place]fieldRow, error) {
	type at struct{ ApprovalID, Document string }
	documents := map[string]string{}
	for r, err := range db.Rows[at](tx, `select a.id as approval_id, d.outer_id as document from approvals a
		join documents d on d.id = a.document_id where a.package_id = $1`, pkg) {
		if err != nil {
			return nil, err
		}
		documents[r.ApprovalID] = r.Document
	}
	out := map[place]fieldRow{}
	for f, err := range db.Rows[fieldRow](tx, `select * from fields where package_id = $1 order by position`, pkg) {
		if err != nil {
			return nil, err
		}
		out[place{documents[f.ApprovalID], f.OuterID}] = f
	}
	return out, nil
}
