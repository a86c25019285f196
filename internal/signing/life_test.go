package signing_test

import (
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

var states = []signing.Status{"DRAFT", "SENT", "COMPLETED", "ARCHIVED", "DECLINED", "OPTED_OUT", "EXPIRED"}

// allowed are the changes of status that an application can make; the rest are signers', the clock's and the seal's.
var allowed = map[string]signing.Status{
	"DRAFT SENT": "SENT", "SENT DRAFT": "DRAFT", "SENT DECLINED": "DECLINED", "SENT OPTED_OUT": "OPTED_OUT", "COMPLETED ARCHIVED": "ARCHIVED",
}

// into makes a package and brings it into a state, behind the room's back where an application cannot.
func (w *world) into(state signing.Status, trashed bool) string {
	w.t.Helper()
	id := w.draft(john("r1"))
	if state != signing.Draft {
		check(w.t, w.move(id, signing.Sent))
	}
	if state != signing.Sent && state != signing.Draft {
		w.exec(`update packages set status = $2 where outer_id = $1`, id, state)
	}
	if trashed {
		w.exec(`update packages set trashed = true where outer_id = $1`, id)
	}
	return id
}

// Every change of status, from every state, in the trash and out of it, of a package and of a template: done, or refused
// in the vendor's words with nothing changed.
func TestEveryTransition(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		stranger := newWorldBeside(t, w)
		hidden := w.other()
		for _, from := range states {
			for _, trashed := range []bool{false, true} {
				for _, to := range append(states, "CANCELED", "sent") {
					id := w.into(from, trashed)
					before := w.snapshot(id)
					for who, p := range map[string]authz.Principal{"another account": stranger, "a signer of another package": {Kind: authz.Signer,
						Account: w.client.Account, Package: "other", Role: "other"}} {
						err := w.signing.Update(t.Context(), p, id, signing.Change{Status: to, DeclineRole: "r1", DeclineReason: "no"})
						if kind := errs.KindOf(err); kind != errs.NotFound && kind != errs.Denied {
							t.Errorf("%s → %s by %s: %v", from, to, who, err)
						}
					}
					if after := w.snapshot(id); after != before {
						t.Errorf("%s → %s by strangers changed %s to %s", from, to, before, after)
					}
					err := w.move(id, to)
					want, ok := allowed[string(from)+" "+string(to)]
					switch {
					case from == to:
						if err != nil || w.snapshot(id) != before {
							t.Errorf("%s → %s: %v", from, to, err)
						}
					case ok && !trashed:
						if err != nil || w.stands(id) != string(want) {
							t.Errorf("%s → %s: %v, it is %s", from, to, err, w.stands(id))
						}
					default:
						if !errs.Is(err, "package.transition") {
							t.Errorf("%s → %s (in the trash: %t): %v", from, to, trashed, err)
						}
						if after := w.snapshot(id); after != before {
							t.Errorf("%s → %s was refused and changed %s to %s", from, to, before, after)
						}
					}
				}
			}
		}
		in := w.pack(false, john("r1"))
		in.Type = signing.Template
		template, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		for _, to := range states[1:] {
			if err := w.move(template, to); !errs.Is(err, "package.transition") {
				t.Errorf("a template → %s: %v", to, err)
			}
		}
		in.Visibility, in.Type = signing.BySender, ""
		own, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		if err := w.signing.Update(t.Context(), hidden, own, signing.Change{Status: signing.Sent}); errs.KindOf(err) != errs.NotFound {
			t.Errorf("one who does not see it sent it: %v", err)
		}
	})
}

// newWorldBeside is the client of another account of the same server.
func newWorldBeside(t *testing.T, w *world) authz.Principal {
	t.Helper()
	a, err := w.dir.CreateAccount(t.Context(), directory.NewAccount{Organisation: "Example Stores", Name: "Example Store"})
	check(t, err)
	id, password, err := w.authn.CreateClient(t.Context(), a.ID, []authz.Right{authz.Sign}, "Integration")
	check(t, err)
	token, err := w.authn.ClientToken(t.Context(), id, password, "")
	check(t, err)
	p, err := w.authn.Authenticate(t.Context(), token.Access)
	check(t, err)
	return p
}

// snapshot is all of a package that a refused act must leave alone.
func (w *world) snapshot(id string) string {
	w.t.Helper()
	return strings.Join(w.column(`select status || ' ' || trashed || ' ' || coalesce(cast(sent_ms as text), '') || ' ' || coalesce(declined, '')
		from packages where outer_id = $1 union all select r.state || ' ' || coalesce(cast(r.invited_ms as text), '')
		from roles r join packages p on p.id = r.package_id where p.outer_id = $1`, id), "; ")
}

// A signer's session declines for its own role and does nothing else to the package.
func TestSignerSessionDeclinesOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		id := w.send(john("r1"), john("r2"))
		p, err := w.signing.SignerSession(t.Context(), w.client, id, "r2", "")
		check(t, err)
		name := "Mine now"
		if err := w.signing.Update(t.Context(), p, id, signing.Change{Name: &name}); errs.KindOf(err) != errs.Denied {
			t.Error(err)
		}
		if err := w.signing.Update(t.Context(), p, w.send(john("r1")), signing.Change{Status: "DECLINED", DeclineReason: "no"}); errs.KindOf(err) != errs.NotFound {
			t.Error(err)
		}
		check(t, w.signing.Update(t.Context(), p, id, signing.Change{Name: &name, Status: "DECLINED", DeclineRole: "r1", DeclineReason: "no"}))
		got, err := w.signing.Get(t.Context(), w.client, id)
		check(t, err)
		if got.Name == name || got.Declined == nil || got.Declined.Role != "r2" {
			t.Errorf("%q, %+v", got.Name, got.Declined)
		}
	})
}

// Visibility SENDER: nobody of the account but the owner reads, lists or touches the package.
func TestT13VisibilitySender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		olga := w.other()
		in := w.pack(true, john("r1"))
		in.Visibility = signing.BySender
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		yes := true
		for what, act := range map[string]func() error{
			"get":       func() error { _, err := w.signing.Get(t.Context(), olga, id); return err },
			"status":    func() error { _, err := w.signing.Status(t.Context(), olga, id, "", ""); return err },
			"trail":     func() error { _, err := w.signing.Trail(t.Context(), olga, id); return err },
			"pdf":       func() error { _, _, err := w.signing.PDF(t.Context(), olga, id, "doc"); return err },
			"update":    func() error { return w.signing.Update(t.Context(), olga, id, signing.Change{Trashed: &yes}) },
			"delete":    func() error { return w.signing.Delete(t.Context(), olga, id) },
			"clone":     func() error { _, err := w.signing.Clone(t.Context(), olga, id, signing.NewPackage{}); return err },
			"readiness": func() error { _, err := w.signing.Readiness(t.Context(), olga, id); return err },
			"notify":    func() error { return w.signing.Notify(t.Context(), olga, id, "r1", "") },
			"link":      func() error { _, err := w.signing.SigningURL(t.Context(), olga, id, "r1"); return err },
		} {
			if err := act(); !errs.Is(err, "package.unknown") {
				t.Errorf("%s: %v", what, err)
			}
		}
		for line, err := range w.signing.CompletionReport(t.Context(), olga, signing.ReportQuery{}) {
			t.Errorf("the report tells of %s, %v", line.Package.Name, err)
		}
		if page, err := w.signing.List(t.Context(), olga, signing.Query{}); err != nil || page.Count != 0 || len(page.Packages) != 0 {
			t.Errorf("she lists %d, %v", page.Count, err)
		}
		all := signing.ByAccount
		check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Visibility: &all}))
		if page, err := w.signing.List(t.Context(), olga, signing.Query{}); err != nil || page.Count != 1 {
			t.Errorf("she lists %d, %v", page.Count, err)
		}
	})
}

// A package expires at its time by the database's clock, and the lease in it is void; nothing else changes.
func TestExpiry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		due := func(after time.Duration) time.Time {
			return db.Time(int64(w.count(`select clock_ms()`))).Add(after)
		}
		in := w.pack(true, john("r1"))
		in.Due = due(time.Hour)
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		v := w.enter("r1@example.org")
		_, err = w.signing.Take(t.Context(), v)
		check(t, err)
		later := due(3 * time.Hour)
		check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Due: &later}))
		d.Shift(2 * time.Hour)
		w.settle()
		if got := w.stands(id); got != "SENT" {
			t.Fatalf("it was given more time and is %s", got)
		}
		past := due(-time.Second)
		if err := w.signing.Update(t.Context(), w.client, id, signing.Change{Due: &past}); !errs.Is(err, "package.due_past") {
			t.Error(err)
		}
		check(t, w.move(id, signing.Draft))
		d.Shift(2 * time.Hour)
		w.settle()
		if got := w.stands(id); got != "DRAFT" {
			t.Fatalf("a draft is %s", got)
		}
		if err := w.move(id, signing.Sent); !errs.Is(err, "package.due_past") {
			t.Errorf("sent after its time: %v", err)
		}
		later = due(time.Minute)
		check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Due: &later, Status: signing.Sent}))
		v = w.enter("r1@example.org")
		lease, err := w.signing.Take(t.Context(), v)
		check(t, err)
		signedBefore := w.count(`select count(*) from signatures`)
		d.Shift(time.Minute + time.Second)
		w.settle()
		if got := w.stands(id); got != "EXPIRED" {
			t.Fatalf("it is %s", got)
		}
		if _, err := w.signing.Beat(t.Context(), v, lease.Epoch); err == nil {
			t.Error("the lease lives on")
		}
		if inv, err := w.signing.Look(t.Context(), w.token("r1@example.org")); err != nil || inv.Closed != "EXPIRED" {
			t.Errorf("the link says %q, %v", inv.Closed, err)
		}
		if w.count(`select count(*) from roles where holder is not null`) != 0 || w.count(`select count(*) from signatures`) != signedBefore ||
			w.count(`select count(*) from roles where state = 'open'`) != 1 {
			t.Error("more than the status and the lease changed")
		}
		if got := strings.Join(w.events(id), " "); !strings.Contains(got, "lease.voided package.expired") {
			t.Errorf("events %s", got)
		}
	})
}

// What everybody has signed does not expire while its owner has yet to complete it; settings give a time where the sender gives none.
func TestExpiryOfWhatIsSigned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in, no := w.pack(true, john("r1")), false
		in.Autocomplete = &no
		in.Settings = []byte(`{"ceremony":{"defaultTimeBasedExpiry":true,"remainingDays":3}}`)
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		p, err := w.signing.Get(t.Context(), w.client, id)
		check(t, err)
		if left := p.Due.Sub(p.Sent); left < 71*time.Hour || left > 73*time.Hour {
			t.Errorf("it is due after %v", left)
		}
		w.sign(w.enter("r1@example.org"))
		if got, err := w.signing.Status(t.Context(), w.client, id, "", ""); err != nil || got != "SIGNING_COMPLETED" {
			t.Errorf("%s, %v", got, err)
		}
		d.Shift(100 * time.Hour)
		w.settle()
		if got := w.stands(id); got != "SENT" {
			t.Fatalf("it is %s", got)
		}
		check(t, w.move(id, signing.Completed))
		w.settle()
		if got := w.stands(id); got != "COMPLETED" {
			t.Errorf("it is %s", got)
		}
		if got := strings.Join(w.events(id), " "); !strings.Contains(got, "package.ready") {
			t.Errorf("events %s", got)
		}
	})
}
