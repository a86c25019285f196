package signing

import (
	"encoding/json"
	"regexp"

	"countersign.dev/internal/db"
)

// The one form of condition and action that is obeyed (OneSpan Sign, conditional fields); others are only kept.
var (
	conditionForm = regexp.MustCompile(`^\s*document\['([^']*)'\]\.field\['([^']*)'\]\.value\s*(==|!=)\s*'([^']*)'\s*$`)
	actionForm    = regexp.MustCompile(`^\s*document\['([^']*)'\]\.field\['([^']*)'\]\.(disabled|required)\s*=\s*(true|false)\s*$`)
)

// place is a document and a field of it, by the ids the client gave.
type place struct{ document, field string }

// turned are the fields, by internal id, that conditions switched, and to what.
type turned struct{ disabled, required map[string]bool }

// demanded reports whether a field must have a value, conditions considered.
func (t turned) demanded(f fieldRow) bool {
	disabled, set := t.disabled[f.ID]
	if !set {
		disabled = f.rules().ReadOnly
	}
	required, set := t.required[f.ID]
	if !set {
		required = f.rules().Required
	}
	return required && !disabled
}

// conditionsOf carries out the conditions of a package's fields. A condition that does not hold leaves its field as the sender made it.
func conditionsOf(tx *db.Tx, pkg string) (turned, error) {
	t := turned{disabled: map[string]bool{}, required: map[string]bool{}}
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
			when, then := conditionForm.FindStringSubmatch(c.Condition), actionForm.FindStringSubmatch(c.Action)
			if when == nil || then == nil {
				continue
			}
			asked, known := fields[place{when[1], when[2]}]
			if !known || (deref(asked.Value) == when[4]) != (when[3] == "==") {
				continue
			}
			target, known := fields[place{then[1], then[2]}]
			if known && then[3] == "disabled" {
				t.disabled[target.ID] = then[4] == "true"
			} else if known {
				t.required[target.ID] = then[4] == "true"
			}
		}
	}
	return t, nil
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
