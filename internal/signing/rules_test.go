package signing_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// form is a package of Mary's with the given fields in its one approval, and her lease on it.
func form(t *testing.T, d *dbtest.DB, fields ...signing.Field) (w *world, pkg string, mary signing.Visit, l signing.Lease, doc string) {
	t.Helper()
	w = newWorld(t, d, directory.Link)
	w.work()
	in := w.pack(true, personRole("r", "Mary", "Doe", "mary@example.org", 0))
	for i, f := range fields {
		f.Type, f.Left, f.Top, f.Width, f.Height = "INPUT", 20, 20+float64(i)*22, 200, 20
		if f.Subtype == "QRCODE" {
			f.Type = "IMAGE"
		}
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, f)
	}
	pkg, err := w.signing.Create(t.Context(), w.client, in)
	check(t, err)
	mary = w.enter("mary@example.org")
	l = w.take(mary)
	c, err := w.signing.Ceremony(t.Context(), mary)
	check(t, err)
	return w, pkg, mary, l, c.Documents[0].ID
}

func input(id, subtype, validation string) signing.Field {
	return signing.Field{OuterID: id, Subtype: subtype, Validation: []byte(validation)}
}

// Values are judged when they are entered, by what the field demands.
func TestFieldRules(t *testing.T) {
	long := strings.Repeat("x", 21)
	cases := []struct {
		field    signing.Field
		good     []string
		bad      []string
		readOnly bool
	}{
		{field: input("t", "TEXTFIELD", `{"minLength":3,"maxLength":20}`), good: []string{"", "abc", strings.Repeat("ü", 20)}, bad: []string{"ab", long}},
		{field: input("t", "TEXTFIELD", `{"pattern":"^[0-9]{5}$"}`), good: []string{"12345"}, bad: []string{"1234", "123456", "12345 "}},
		{field: input("t", "TEXTFIELD", `{"pattern":"[a-z]+|x"}`), good: []string{"abc"}, bad: []string{"abc1", "1abc"}},
		{field: input("t", "TEXTFIELD", `{"pattern":"(?=.*\\d)[a-z]+"}`), good: []string{"for the browser to check"}},
		{field: input("t", "TEXTFIELD", `{"maxLength":2147483647}`), good: []string{"abc"}},
		{field: input("t", "TEXTAREA", `{"maxLength":9}`), good: []string{"one\ntwo"}, bad: []string{"one\ntwo\nthree"}},
		{field: input("t", "CHECKBOX", `{}`), good: []string{"X", "", "true", "false"}, bad: []string{"yes"}},
		{field: input("t", "RADIO", `{"enum":["g"]}`), good: []string{"X", "false"}, bad: []string{"g"}},
		{field: input("t", "LIST", `{"enum":["red","green"]}`), good: []string{"red", ""}, bad: []string{"blue", "Red"}},
		{field: input("t", "DATEPICKER", `{}`), good: []string{"2026-02-28", ""}, bad: []string{"2026-02-30", "28.02.2026", "tomorrow"}},
		{field: input("t", "DATEPICKER", `{"enum":["dd/MM/yyyy"]}`), good: []string{"28/02/2026", "2026-02-28"}, bad: []string{"02/28/2026"}},
		{field: input("t", "TEXTFIELD", `{"disabled":true}`), readOnly: true},
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		var fields []signing.Field
		for i, c := range cases {
			c.field.OuterID = "f" + strconv.Itoa(i)
			fields = append(fields, c.field)
		}
		w, _, mary, l, doc := form(t, d, fields...)
		for i, c := range cases {
			path := doc + "/approval0/f" + strconv.Itoa(i)
			for _, value := range c.good {
				if err := w.signing.Fill(t.Context(), mary, l.Epoch, path, value); err != nil {
					t.Errorf("%s %s takes not %q: %v", c.field.Subtype, c.field.Validation, value, err)
				}
			}
			for _, value := range c.bad {
				wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, path, value), "field.value")
			}
			if c.readOnly {
				wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, path, "x"), "field.read_only")
			}
		}
		if n := w.count(`select count(*) from fields where value in ('yes', 'blue', 'tomorrow', 'abc1', 'ab')`); n != 0 {
			t.Errorf("%d refused values were kept", n)
		}
	})
}

// The sender's own words are told for a value that is refused.
func TestFieldMessage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, mary, l, doc := form(t, d, input("zip", "TEXTFIELD", `{"pattern":"[0-9]{5}","errorMessage":"Five digits, please."}`))
		err := w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/zip", "abc")
		if err == nil || !strings.Contains(err.Error(), "Five digits, please.") {
			t.Errorf("the refusal is %v", err)
		}
	})
}

// Groups: one radio button clears the others; check boxes have a least and a most; what the signature needs is asked then.
func TestFieldGroups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		boxes := `{"group":"toppings","minimumRequired":1,"maximumRequired":2}`
		w, pkg, mary, l, doc := form(t, d,
			input("ra", "RADIO", `{"enum":["pay"],"required":true}`), input("rb", "RADIO", `{"enum":["pay"],"required":true}`), input("rc", "RADIO", `{"group":"other"}`),
			input("ca", "CHECKBOX", boxes), input("cb", "CHECKBOX", boxes), input("cc", "CHECKBOX", boxes))
		fill := func(field, value string) error {
			return w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/"+field, value)
		}
		sign := func() error { return w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}) }
		chosen := func() string {
			return strings.Join(w.column(`select outer_id from fields where value = 'X' order by outer_id`), " ")
		}
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		check(t, fill("ca", "X"))
		wants(t, sign(), "field.group") // none of the radio buttons
		check(t, fill("rc", "X"))
		check(t, fill("ra", "X"))
		check(t, fill("rb", "X"))
		if got := chosen(); got != "ca rb rc" {
			t.Errorf("chosen are %q", got)
		}
		check(t, fill("cb", "X"))
		wants(t, fill("cc", "X"), "field.group")
		check(t, fill("ca", ""))
		check(t, fill("cb", ""))
		wants(t, sign(), "field.group")
		check(t, fill("cc", "X"))
		if got := chosen(); got != "cc rb rc" {
			t.Errorf("chosen are %q", got)
		}
		check(t, sign())
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("it is %s: %s", st, w.jobError())
		}
	})
}

// A condition that holds makes a field one that must be filled, or needs not be.
func TestFieldConditions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		why := input("why", "TEXTFIELD", `{"disabled":true}`)
		why.Conditions = []byte(`[{"id":"1","condition":"document['doc'].field['box'].value == 'X'","action":"document['doc'].field['why'].disabled = false"},
			{"id":"2","condition":"document['doc'].field['box'].value == 'X'","action":"document['doc'].field['why'].required = true"},
			{"id":"3","condition":"something else","action":"nothing"}]`)
		w, _, mary, l, doc := form(t, d, input("box", "CHECKBOX", `{}`), why)
		w.exec(`update fields set conditions = $1 where outer_id = 'why'`, string(why.Conditions))
		fill := func(field, value string) error {
			return w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/"+field, value)
		}
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		switched := func() signing.SwitchedField {
			t.Helper()
			all, err := w.signing.Switched(t.Context(), mary)
			check(t, err)
			c, err := w.signing.Ceremony(t.Context(), mary)
			check(t, err)
			if len(all) != 1 || !slices.Equal(all, c.Switched) {
				t.Fatalf("switched are %v, on the page %v", all, c.Switched)
			}
			return all[0]
		}
		wants(t, fill("why", "because"), "field.read_only")
		if got := switched(); got != (signing.SwitchedField{Field: doc + "/approval0/why", Disabled: true}) {
			t.Errorf("before the box is ticked: %+v", got)
		}
		check(t, fill("box", "X"))
		if got := switched(); got.Disabled || !got.Required {
			t.Errorf("after it: %+v", got)
		}
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "field.required")
		check(t, fill("why", "because"))
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
	})
}

// What the door takes for a condition is what is obeyed: && binds closer than ||, and null is no value.
func TestConditionsJoined(t *testing.T) {
	box := func(n, op, value string) string {
		return "document['doc'].field['" + n + "'].value " + op + " " + value
	}
	a, b, c := box("a", "==", "'X'"), box("b", "==", "'X'"), box("c", "!=", "null")
	action := "document['doc'].field['why'].required = true"
	for _, bad := range []string{"", a + " &&", "&& " + a, a + " & " + b, a + b, "(" + a + ")", "!" + a, a + " && something", box("a", "=", "'X'"), box("a", "==", "X"),
		"document[''].field['a'].value == 'X'"} {
		if signing.ObeysCondition(bad, action) {
			t.Errorf("%s is taken", bad)
		}
	}
	if signing.ObeysCondition(a, "document['doc'].field['why'].value = 'X'") {
		t.Error("an action that is none is taken")
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, mary, l, doc := form(t, d, input("a", "CHECKBOX", `{}`), input("b", "CHECKBOX", `{}`), input("c", "TEXTFIELD", `{}`), input("why", "TEXTFIELD", `{}`),
			input("last", "TEXTFIELD", `{"required":true}`))
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		for text, holds := range map[string]func(a, b, c bool) bool{
			a + " && " + b:                         func(a, b, _ bool) bool { return a && b },
			a + "||" + b:                           func(a, b, _ bool) bool { return a || b },
			a + " || " + b + " && " + c:            func(a, b, c bool) bool { return a || b && c },
			a + " && " + b + " || " + c:            func(a, b, c bool) bool { return a && b || c },
			a + " && " + box("c", "==", "'&& ||'"): func(_, _, _ bool) bool { return false },
			box("a", "!=", "'X'"):                  func(a, _, _ bool) bool { return !a },
			a + " || " + box("gone", "!=", "'X'"):  func(_, _, _ bool) bool { return false },
		} {
			if !signing.ObeysCondition(text, action) {
				t.Errorf("%s is not taken", text)
			}
			kept, err := json.Marshal([]map[string]string{{"condition": text, "action": action}})
			check(t, err)
			w.exec(`update fields set conditions = $1 where outer_id = 'why'`, string(kept))
			for n := range 8 {
				is := [3]bool{n&1 != 0, n&2 != 0, n&4 != 0}
				for i, name := range []string{"a", "b", "c"} {
					value := ""
					if is[i] {
						value = "X"
					}
					check(t, w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/"+name, value))
				}
				if demanded := w.demanded(mary, l, "why"); demanded != holds(is[0], is[1], is[2]) {
					t.Errorf("%s with %v: demanded %v", text, is, demanded)
				}
			}
		}
	})
}

// demanded tells whether the signature is refused for want of that field, or only of another.
func (w *world) demanded(v signing.Visit, l signing.Lease, field string) bool {
	w.t.Helper()
	err := w.signing.Sign(w.t.Context(), v, signing.Submission{Epoch: l.Epoch})
	wants(w.t, err, "field.required")
	refusal, _ := errors.AsType[*errs.Error](err)
	return refusal != nil && strings.HasSuffix(refusal.Field, "/"+field)
}

// A value that came another way than by Fill is judged at the signature; a date field bears the day of the signature.
func TestFieldsAtTheSignature(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, mary, l, doc := form(t, d, input("n", "TEXTFIELD", `{"pattern":"[0-9]+"}`), input("day", "DATE", `{}`))
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/day", "1999-01-01"), "field.unknown")
		w.exec(`update fields set value = 'abc' where outer_id = 'n'`)
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "field.value")
		w.exec(`update fields set value = '1' where outer_id = 'n'`)
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
		if got := w.column(`select value from fields where outer_id = 'day'`)[0]; len(got) != 10 || !strings.HasPrefix(got, "20") {
			t.Errorf("the date is %q", got)
		}
	})
}

// A drawn signature is demanded by the field's kind, the approval or the package.
func TestDrawnIsDemanded(t *testing.T) {
	drawn := signing.Mark{Kind: "drawn", Aspect: 3, Strokes: [][]signing.Point{{{X: 0.1, Y: 0.2}, {X: 0.8, Y: 0.7}}}}
	demand := map[string]func(*signing.NewPackage){
		"the field":    func(in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Subtype = "CAPTURE" },
		"the approval": func(in *signing.NewPackage) { in.Documents[0].Approvals[0].EnforceCaptureSignature = true },
		"the package": func(in *signing.NewPackage) {
			in.Settings = []byte(`{"ceremony":{"enforceCaptureSignature":true}}`)
		},
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		for name, by := range demand {
			in := w.pack(true, personRole("r", "Mary", "Doe", "mary@example.org", 0))
			by(&in)
			w.settle()
			_, err := w.signing.Create(t.Context(), w.client, in)
			check(t, err)
			mary := w.enter("mary@example.org")
			l := w.take(mary)
			check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
			if c, err := w.signing.Ceremony(t.Context(), mary); err != nil || !c.DrawnOnly {
				t.Errorf("%s: the page is not told: %v", name, err)
			}
			wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "mark.drawn_needed")
			check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch, Mark: drawn}))
		}
	})
}

// A file that must be attached is waited for.
func TestAttachmentIsDemanded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		r := personRole("r", "Mary", "Doe", "mary@example.org", 0)
		r.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Driver's licence", Required: true}}
		w.send(r)
		mary := w.enter("mary@example.org")
		l := w.take(mary)
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		c, err := w.signing.Ceremony(t.Context(), mary)
		check(t, err)
		if len(c.Attachments) != 1 || c.Attachments[0].Name != "Driver's licence" {
			t.Errorf("the page shows %+v", c.Attachments)
		}
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "attachment.missing")
		w.exec(`update attachments set status = 'REJECTED'`)
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "attachment.missing")
		w.exec(`update attachments set status = 'COMPLETE'`)
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
	})
}

// Documents that a role does not see are not on its page, not in its link, and not in its mail.
func TestHiddenDocuments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in := w.pack(false, personRole("r", "Mary", "Doe", "mary@example.org", 0), personRole("q", "John", "Smith", "john@example.org", 0))
		secret := in.Documents[0]
		secret.OuterID, secret.Name, secret.Approvals = "secret", "Secret", []signing.Approval{block("approval9", "q")}
		in.Documents = append(in.Documents, secret)
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		w.exec(`update documents set restricted = true where outer_id = 'secret'`)
		check(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Sent}))
		inv, err := w.signing.Look(t.Context(), w.token("mary@example.org"))
		check(t, err)
		mary := w.enter("mary@example.org")
		c, err := w.signing.Ceremony(t.Context(), mary)
		check(t, err)
		if len(c.Documents) != 1 || slices.Contains(inv.Documents, "Secret") {
			t.Errorf("Mary is shown %d documents, her link tells of %q", len(c.Documents), inv.Documents)
		}
		id := w.column(`select id from documents where outer_id = 'secret'`)[0]
		_, _, err = w.signing.PageImage(t.Context(), mary, id, 0, 100)
		wants(t, err, "document.unknown")
		w.sign(mary)
		w.sign(w.enter("john@example.org"))
		w.settle()
		for email, want := range map[string]int{"mary@example.org": 1, "john@example.org": 3} { // his are with the evidence summary, which tells of all
			mails, err := w.post.Mailbox(t.Context(), email)
			check(t, err)
			if got := len(mails[0].Attachments); got != want {
				t.Errorf("%s was mailed %d files, want %d", email, got, want)
			}
		}
	})
}
