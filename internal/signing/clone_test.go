package signing_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// template has a role that nobody plays yet, one that somebody plays, and a field that the sender filled.
func (w *world) template() string {
	w.t.Helper()
	in := w.pack(false, signing.NewRole{OuterID: "open", Name: "Patient"}, john("r2"))
	in.Name, in.Type, in.Settings = "Form", signing.Template, []byte(`{"ceremony":{"inPerson":false}}`)
	value := "as written"
	in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, signing.Field{OuterID: "note", Name: "note",
		Type: "INPUT", Subtype: "TEXTFIELD", Value: &value, Left: 100, Top: 500, Width: 100, Height: 20})
	in.Roles[1].Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
	id, err := w.signing.Create(w.t.Context(), w.client, in)
	check(w.t, err)
	return id
}

func TestCloneOfTemplate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		id := w.template()
		if got := w.events(id); strings.Join(got, " ") != "template.created" {
			t.Errorf("events %v", got)
		}
		// By its id, by its name in other letters, and one more.
		for _, given := range []signing.NewRole{{OuterID: "open"}, {OuterID: "mary", Name: "PATIENT"}} {
			given.Signer = signing.NewSigner{Email: "mary@example.org", FirstName: "Mary", LastName: "Doe"}
			copied, err := w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{Name: "For Mary", Roles: []signing.NewRole{given, john("r3")}})
			check(t, err)
			p, err := w.signing.Get(t.Context(), w.client, copied)
			check(t, err)
			if p.Name != "For Mary" || p.Type != signing.Transaction || p.Status != signing.Draft || !bytes.Contains(p.Settings, []byte("inPerson")) {
				t.Errorf("%+v", p)
			}
			if len(p.Roles) != 4 || p.Roles[1].OuterID != given.OuterID || p.Roles[1].Signer.Email != "mary@example.org" ||
				p.Roles[2].OuterID != "r2" || p.Roles[3].OuterID != "r3" {
				t.Errorf("roles %+v", p.Roles)
			}
			if a := p.Roles[2].Attachments; len(a) != 1 || a[0].Name != "Licence" || !a[0].Required {
				t.Errorf("attachments %+v", a)
			}
			approvals := p.Documents[0].Approvals
			if len(approvals) != 2 || approvals[0].Role != given.OuterID || len(approvals[0].Fields) != 2 || *approvals[0].Fields[1].Value != "as written" {
				t.Errorf("approvals %+v", approvals)
			}
			_, file, err := w.signing.Original(t.Context(), w.client, copied, "doc")
			if err != nil || !bytes.Equal(file, w.paper) || p.Documents[0].SHA256 == "" || p.Documents[0].Size != int64(len(w.paper)) {
				t.Errorf("%d bytes, %v, %+v", len(file), err, p.Documents[0])
			}
			if got := w.events(copied); got[0] != "package.cloned" {
				t.Errorf("events %v", got)
			}
		}
		// What it was made from may go.
		copied, err := w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{})
		check(t, err)
		check(t, w.signing.Delete(t.Context(), w.client, id))
		if _, file, err := w.signing.PDF(t.Context(), w.client, copied, "doc"); err != nil || !bytes.Equal(file, w.paper) {
			t.Errorf("%d bytes, %v", len(file), err)
		}
		if err := w.move(copied, signing.Sent); !errs.Is(err, "role.no_signer") {
			t.Errorf("sent to nobody: %v", err)
		}
		if n := w.miscounted(); n != 0 {
			t.Errorf("%d counters are wrong", n)
		}
	})
}

// A copy of a package has none of what was signed and entered in it, and nothing stays behind of one that was refused.
func TestCloneOfPackage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		id := w.send(john("r1"))
		w.sign(w.enter("r1@example.org"))
		w.settle()
		copied, err := w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{Send: true})
		check(t, err)
		p, err := w.signing.Get(t.Context(), w.client, copied)
		check(t, err)
		if p.Status != signing.Sent || !p.Roles[1].Signed.IsZero() || p.Documents[0].Sealed || !p.Documents[0].Approvals[0].Signed.IsZero() {
			t.Errorf("%+v", p)
		}
		files := w.files()
		_, err = w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{Roles: []signing.NewRole{{OuterID: "x", Signer: signing.NewSigner{Email: "nonsense", FirstName: "A"}}}})
		if errs.KindOf(err) != errs.Invalid {
			t.Error(err)
		}
		if _, err = w.signing.Clone(t.Context(), w.client, "unknown", signing.NewPackage{}); !errs.Is(err, "package.unknown") {
			t.Error(err)
		}
		if n := w.files(); n != files {
			t.Errorf("%d files, there were %d", n, files)
		}
		if n := w.count(`select count(*) from packages`); n != 2 {
			t.Errorf("%d packages", n)
		}
	})
}

// A copy has what the sender had put into a field, not what a signer wrote over it; the conditions, who sees which
// document, what is to be attached, and the schedule of reminders.
func TestCloneKeepsWhatTheSenderMade(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		r := john("r1")
		r.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
		in := w.pack(false, r, john("r2"))
		preset := "as I wrote it"
		conditions := `[{"id":"1","condition":"document['doc'].field['set'].value == 'X'","action":"document['doc'].field['free'].required = true"}]`
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields,
			signing.Field{OuterID: "set", Type: "INPUT", Subtype: "TEXTFIELD", Value: &preset, Left: 100, Top: 500, Width: 100, Height: 20},
			signing.Field{OuterID: "free", Type: "INPUT", Subtype: "TEXTFIELD", Conditions: []byte(conditions), Left: 100, Top: 530, Width: 100, Height: 20})
		hidden := in.Documents[0]
		hidden.OuterID, hidden.Name, hidden.Approvals = "second", "Second", []signing.Approval{block("s", "r2")}
		in.Documents = append(in.Documents, hidden)
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		check(t, w.signing.Restrict(t.Context(), w.client, id, []signing.Viewers{{Document: "second", Roles: []string{"r2"}}}))
		_, err = w.signing.SetReminders(t.Context(), w.client, id, signing.ReminderSchedule{StartDays: 3, EveryDays: 2, Most: 4})
		check(t, err)
		check(t, w.move(id, signing.Sent))
		v := w.enter("r1@example.org")
		l := w.take(v)
		c, err := w.signing.Ceremony(t.Context(), v)
		check(t, err)
		for _, value := range []string{"over it", "and again"} {
			for _, field := range []string{"set", "free"} {
				check(t, w.signing.Fill(t.Context(), v, l.Epoch, c.Documents[0].ID+"/approval0/"+field, value))
			}
		}
		copied, err := w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{})
		check(t, err)
		p, err := w.signing.Get(t.Context(), w.client, copied)
		check(t, err)
		fields := p.Documents[0].Approvals[0].Fields
		if len(fields) != 3 || fields[1].Value == nil || *fields[1].Value != preset || fields[2].Value != nil {
			t.Errorf("fields %+v", fields)
		}
		if !strings.Contains(string(fields[2].Conditions), "['set']") {
			t.Errorf("conditions %s", fields[2].Conditions)
		}
		if got := p.Documents[1]; !got.Restricted || len(got.Viewers) != 1 || got.Viewers[0] != "r2" || p.Documents[0].Restricted {
			t.Errorf("%+v", got)
		}
		if a := p.Roles[1].Attachments; len(a) != 1 || !a[0].Required {
			t.Errorf("attachments %+v", a)
		}
		schedule, err := w.signing.Reminders(t.Context(), w.client, copied)
		if err != nil || schedule == nil || schedule.StartDays != 3 || schedule.EveryDays != 2 || schedule.Most != 4 || len(schedule.Reminders) != 0 {
			t.Errorf("%+v, %v", schedule, err)
		}
	})
}

func TestBulkSend(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		id := w.template()
		row := func(email string) signing.NewPackage {
			return signing.NewPackage{Roles: []signing.NewRole{{OuterID: "open", Signer: signing.NewSigner{Email: email, FirstName: "Mary", LastName: "Doe"}}}}
		}
		_, err := w.signing.BulkSend(t.Context(), w.client, id, []signing.NewPackage{row("a@example.org"), row("nonsense"), row("b@example.org"), {}}, nil)
		refusal, ok := errors.AsType[*errs.Error](err)
		if !ok || refusal.What != "bulk.rows" || len(refusal.Params) != 2 || refusal.Params["row 2"] == "" || refusal.Params["row 4"] == "" {
			t.Errorf("%v %+v", err, refusal)
		}
		w.settle()
		if n, mails := w.count(`select count(*) from packages`), w.mailsTo("a@example.org"); n != 1 || mails != 0 {
			t.Errorf("%d packages, %d mails", n, mails)
		}
		out, err := w.signing.BulkSend(t.Context(), w.client, id, []signing.NewPackage{row("a@example.org"), row("b@example.org")}, nil)
		check(t, err)
		for i, r := range out {
			if r.Err != nil || w.stands(r.ID) != "SENT" {
				t.Errorf("row %d: %v", i, r.Err)
			}
		}
		if w.mailsTo("a@example.org") != 1 || w.mailsTo("b@example.org") != 1 {
			t.Error("who was to sign was not asked once")
		}
	})
}

func (w *world) mailsTo(address string) int {
	w.t.Helper()
	w.settle()
	messages, err := w.post.Mailbox(w.t.Context(), address)
	check(w.t, err)
	return len(messages)
}

// Readiness says all that sending would refuse, and changes nothing.
func TestReadiness(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		in := w.pack(false, john("r1"))
		in.Documents[0].Approvals = nil
		in.Due = time.Now().Add(-time.Hour)
		half, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		for want, id := range map[string]string{
			"": w.draft(john("r1")), "role.no_approval package.due_past": half, "package.transition": w.send(john("r1")),
		} {
			before := w.snapshot(id)
			refusals, err := w.signing.Readiness(t.Context(), w.client, id)
			check(t, err)
			var got []string
			for _, r := range refusals {
				got = append(got, r.What)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q, want %q", got, want)
			}
			if after := w.snapshot(id); after != before {
				t.Errorf("%s became %s", before, after)
			}
		}
	})
}

// The report tells of every package once, in batches, and of how far each is.
func TestCompletionReport(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		olga := w.other()
		w.send(john("r1"))
		w.sign(w.enter("r1@example.org"))
		w.settle()
		for range 220 {
			_, err := w.signing.Create(t.Context(), w.client, signing.NewPackage{Name: "Draft"})
			check(t, err)
		}
		_, err := w.signing.Create(t.Context(), olga, signing.NewPackage{Name: "Hers"})
		check(t, err)
		_, err = w.signing.Create(t.Context(), olga, signing.NewPackage{Name: "Form", Type: signing.Template})
		check(t, err)
		seen, owners := map[string]int{}, 0
		last := ""
		for line, err := range w.signing.CompletionReport(t.Context(), w.client, signing.ReportQuery{}) {
			check(t, err)
			seen[line.Package.OuterID]++
			if line.Sender.ID != last {
				owners++
				last = line.Sender.ID
			}
			if line.Package.Status == signing.Completed {
				if len(line.Documents) != 1 || !line.Documents[0].Completed || len(line.Signers) != 1 || !line.Signers[0].Completed || line.Signers[0].First.IsZero() {
					t.Errorf("%+v", line)
				}
			}
		}
		if len(seen) != 222 || owners != 2 {
			t.Errorf("%d packages of %d senders", len(seen), owners)
		}
		n := 0
		for _, err := range w.signing.CompletionReport(t.Context(), w.client, signing.ReportQuery{Status: signing.Completed, Summary: true}) {
			check(t, err)
			n++
		}
		if n != 1 {
			t.Errorf("%d are completed", n)
		}
		for _, err := range w.signing.CompletionReport(t.Context(), w.client, signing.ReportQuery{Sender: "nobody"}) {
			if errs.KindOf(err) != errs.NotFound {
				t.Error(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		for _, err := range w.signing.CompletionReport(ctx, w.client, signing.ReportQuery{}) {
			if err == nil {
				t.Error("a report after the client went away")
			}
			break
		}
		usage, err := w.signing.UsageReport(t.Context(), w.client, signing.ReportQuery{})
		check(t, err)
		drafts := 0
		for _, u := range usage {
			drafts += u.Packages[signing.Draft]
		}
		if len(usage) != 2 || drafts != 221 {
			t.Errorf("%d senders, %d drafts", len(usage), drafts)
		}
	})
}

// A package sent back as it was read changes nothing, in any state; what is only stored comes back.
func TestPackageSentBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		in := w.pack(false, john("r1"))
		in.Settings = []byte(`{"ceremony":{"inPerson":false,"style":null},"x":[1,null]}`)
		in.Kept = []byte(`{"notarized":true,"limits":{"a":1}}`)
		in.Due = time.Now().Add(time.Hour)
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		for _, state := range states {
			w.exec(`update packages set status = $2 where outer_id = $1`, id, state)
			p, err := w.signing.Get(t.Context(), w.client, id)
			check(t, err)
			events := len(w.events(id))
			check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Name: &p.Name, Description: &p.Description, Visibility: &p.Visibility,
				Autocomplete: &p.Autocomplete, Trashed: &p.Trashed, Due: &p.Due, Settings: []byte(`{"x":[1,null],"ceremony":{"inPerson":false}}`),
				Kept: []byte(`{"limits":{"a":1}}`), Status: p.Status}))
			if n := len(w.events(id)); n != events {
				t.Errorf("%s: it was recorded as a change", state)
			}
		}
		w.exec(`update packages set status = 'DRAFT' where outer_id = $1`, id)
		check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Kept: []byte(`{"timezoneId":"GMT"}`)}))
		p, err := w.signing.Get(t.Context(), w.client, id)
		check(t, err)
		for _, member := range []string{`"notarized":true`, `"limits":{"a":1}`, `"timezoneId":"GMT"`} {
			if !strings.Contains(string(p.Kept), member) {
				t.Errorf("%s is not in %s", member, p.Kept)
			}
		}
	})
}
