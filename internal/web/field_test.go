package web

import (
	"testing"

	"countersign.dev/internal/signing"
)

func TestFieldsInTheirPlaces(t *testing.T) {
	value := "X"
	got := sheets(signing.Ceremony{Documents: []signing.CeremonyDocument{{ID: "d", Name: "Paper", Pages: []signing.PageSize{{Width: 200, Height: 400}},
		Approvals: []signing.Approval{
			{OuterID: "a", Fields: []signing.Field{
				{OuterID: "low", Type: "INPUT", Subtype: "CHECKBOX", Top: 300, Left: 50, Width: 20, Height: 20, Value: &value, EnteredBy: "John Smith"},
				{OuterID: "right", Type: "SIGNATURE", Subtype: "INITIALS", Top: 101, Left: 100, Width: 50, Height: 40},
				{OuterID: "left", Type: "SIGNATURE", Subtype: "CAPTURE", Top: 102, Left: 20, Width: 50, Height: 40},
				{OuterID: "bound", Type: "INPUT", Subtype: "TEXTFIELD", Binding: "{signer.name}", Top: 200},
				{OuterID: "choice", Type: "INPUT", Subtype: "RADIO", Top: 350, Validation: []byte(`{"enum":["pets"],"required":true,"maxLength":7}`)},
				{OuterID: "elsewhere", Type: "INPUT", Subtype: "TEXTFIELD", Page: 1},
			}},
			{OuterID: "accept", Optional: true},
			{OuterID: "off", Disabled: true, Fields: []signing.Field{{OuterID: "x", Type: "SIGNATURE"}}},
		}}}})
	fields := got[0].Pages[0].Fields
	want := []struct {
		key, kind           string
		left, top           float64
		required            bool
		value, group, label string
	}{
		{"d/a/left", "signature", 10, 25.5, true, "", "", "Signature"},
		{"d/a/right", "initials", 50, 25.25, true, "", "", "Initials"},
		{"d/a/bound", "label", 0, 50, false, "", "", "Filled in for you"},
		{"d/a/low", "check", 25, 75, false, "X", "", "Checkbox"},
		{"d/a/choice", "radio", 0, 87.5, true, "", "pets", "Choice"},
	}
	if len(fields) != len(want) {
		t.Fatalf("%d fields: %+v", len(fields), fields)
	}
	for i, w := range want {
		f := fields[i]
		if f.Key != w.key || f.Kind != w.kind || f.Left != w.left || f.Top != w.top || f.Required != w.required || f.Value != w.value || f.Group != w.group || f.Label != w.label {
			t.Errorf("field %d is %+v, want %+v", i, f, w)
		}
	}
	if a := got[0].Acceptances; len(a) != 1 || a[0].Key != "d/accept" || !a[0].Optional {
		t.Errorf("acceptances: %+v", a)
	}
}

// A field that a condition may switch stands as signing says, and is drawn so that it can be switched.
func TestConditionsAreTheServers(t *testing.T) {
	field := func(id, rules, conditions string) signing.Field {
		return signing.Field{OuterID: id, Type: "INPUT", Subtype: "TEXTFIELD", Width: 50, Height: 20, Validation: []byte(rules), Conditions: []byte(conditions)}
	}
	got := sheets(signing.Ceremony{Switched: []signing.SwitchedField{{Field: "d/a/locked", Disabled: true}}, Documents: []signing.CeremonyDocument{{ID: "d", Pages: []signing.PageSize{{Width: 100, Height: 100}},
		Approvals: []signing.Approval{{OuterID: "a", Fields: []signing.Field{
			field("asked", "", `[{"condition":"document['d'].field['asked'].value == 'X'","action":"document['d'].field['locked'].disabled = false"}]`),
			field("locked", `{"disabled":true,"required":true,"maxLength":7}`, ""), field("fixed", `{"disabled":true}`, "")}}}}}})
	kinds := map[string]fieldView{}
	for _, f := range got[0].Pages[0].Fields {
		kinds[f.Key] = f
	}
	if f := kinds["d/a/locked"]; f.Kind != "text" || f.Required || !f.Disabled || f.MaxLength != 7 {
		t.Errorf("a field that a condition may unlock: %+v", f)
	}
	if f := kinds["d/a/fixed"]; f.Kind != "label" {
		t.Errorf("a field that is read only: %+v", f)
	}
}
