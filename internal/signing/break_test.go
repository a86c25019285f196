package signing_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// breakable is a package whose group has a document with a field, with Mary signing and John waiting, and the group's manager.
func breakable(t *testing.T, d *dbtest.DB) (w *world, pkg string, chief, mary, john directory.User, marys, johns signing.Visit) {
	t.Helper()
	w = newWorld(t, d, directory.Link)
	w.work()
	users := w.senders("Mary Doe", "John Smith", "Ann Lee", "Carl Regular")
	g := w.group("Pharmacists", users[:3]...)
	_, err := w.dir.RetypeMember(t.Context(), w.client, g.OuterID, users[2].SenderID, directory.Manager)
	check(t, err)
	in := w.pack(true, groupRole("role1", g))
	in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields,
		signing.Field{OuterID: "licence", Type: "INPUT", Subtype: "TEXTFIELD", Left: 100, Top: 500, Width: 100, Height: 20})
	pkg, err = w.signing.Create(t.Context(), w.client, in)
	check(t, err)
	return w, pkg, users[2], users[0], users[1], w.enter(users[0].Email), w.enter(users[1].Email)
}

// Rule 7: a manager of the group breaks a lease: what was entered stays, the holder's next act is refused with who and why,
// those who watch are told, the log and the callbacks hear of it.
func TestRule7BreakLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, chief, mary, john, marys, johns := breakable(t, d)
		l, ctx := w.listens(), t.Context()
		wants(t, w.signing.BreakLease(ctx, w.as(chief), pkg, "role1", "Too early"), "lease.none")
		lease := w.take(marys)
		c, err := w.signing.Ceremony(ctx, marys)
		check(t, err)
		field := c.Documents[0].ID + "/approval0/licence"
		check(t, w.signing.Consent(ctx, marys, lease.Epoch))
		check(t, w.signing.Fill(ctx, marys, lease.Epoch, field, "AB 123"))
		check(t, w.signing.Watch(ctx, johns))
		for _, bad := range []string{"", " \n ", strings.Repeat("ä", 501), "a\x00b"} {
			if err := w.signing.BreakLease(ctx, w.as(chief), pkg, "role1", bad); errs.KindOf(err) != errs.Invalid {
				t.Errorf("the reason %.10q: %v", bad, err)
			}
		}
		check(t, w.signing.BreakLease(ctx, w.as(chief), pkg, "role1", "The patient waits"))
		wants(t, w.signing.BreakLease(ctx, w.as(chief), pkg, "role1", "Again"), "lease.none")

		err = w.signing.Fill(ctx, marys, lease.Epoch, field, "overwritten")
		wants(t, err, "lease.stale")
		refusal, _ := errors.AsType[*errs.Error](err)
		if refusal == nil || !strings.Contains(refusal.Detail, "Ann Lee") || !strings.Contains(refusal.Detail, "The patient waits") {
			t.Errorf("she is told %v", err)
		}
		_, err = w.signing.Beat(ctx, marys, lease.Epoch)
		wants(t, err, "lease.stale")
		st, err := w.signing.Standing(ctx, marys)
		check(t, err)
		if st.Phase != "free" || st.Broken == nil || st.Broken.By != "Ann Lee" || st.Broken.Epoch != lease.Epoch {
			t.Errorf("her page sees %+v", st)
		}
		if st, err = w.signing.Standing(ctx, johns); err != nil || st.Broken != nil {
			t.Errorf("john's page sees %+v, %v", st.Broken, err)
		}
		w.settle()
		messages, err := w.post.Mailbox(ctx, john.Email)
		check(t, err)
		if messages[0].Subject != "“Prescription” is free to be signed again" {
			t.Errorf("john was last told %q", messages[0].Subject)
		}
		l.once(called{Name: "LEASE_BROKEN", SessionUser: chief.SenderID, PackageID: pkg})
		trail, err := w.signing.Trail(ctx, w.client, pkg)
		check(t, err)
		n := 0
		for _, r := range trail {
			if r.Type == "lease.broken" {
				n++
				if r.Actor.User != chief.ID || r.Actor.Name != "Ann Lee" || r.Personal["holder"] != mary.Name() || r.Personal["reason"] != "The patient waits" {
					t.Errorf("the log says %+v", r)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d events", n)
		}
		johnsLease := w.take(johns)
		if c, err = w.signing.Ceremony(ctx, johns); err != nil || *c.Documents[0].Approvals[0].Fields[1].Value != "AB 123" || !c.Consent.Accepted.IsZero() {
			t.Errorf("john finds %+v, consent of %v: %v", c.Documents[0].Approvals[0].Fields[1], c.Consent.Accepted, err)
		}
		check(t, w.signing.Leave(ctx, johns, johnsLease.Epoch))
		w.take(marys) // she may take it again
		if st, err = w.signing.Standing(ctx, marys); err != nil || st.Broken != nil {
			t.Errorf("then her page sees %+v, %v", st.Broken, err)
		}
	})
}

// T13: who may break a lease, and who may not, and who does not even see the package.
func TestT13WhoBreaks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, chief, _, _, marys, _ := breakable(t, d)
		other := w.group("Others", chief)
		_, err := w.dir.RetypeMember(t.Context(), w.client, other.OuterID, chief.SenderID, directory.Manager)
		check(t, err)
		boss, _, err := w.dir.InviteSender(t.Context(), w.client, directory.NewUser{Email: "boss@example.com", FirstName: "Bea", LastName: "Boss", Type: directory.Manager})
		check(t, err)
		stranger, err := w.dir.CreateAccount(t.Context(), directory.NewAccount{Organisation: "Rival", Name: "Rival"})
		check(t, err)
		operator := authz.Principal{Account: w.account.ID, Rights: []authz.Right{authz.Operate}}
		rival := operator
		rival.Account = stranger.ID
		for name, c := range map[string]struct {
			p    authz.Principal
			what string // "" may
		}{
			"owner": {w.client, ""}, "operator": {operator, ""}, "manager of the account": {w.as(boss), ""}, "manager of the group": {w.as(chief), ""},
			"another account": {rival, "package.unknown"},
			"partner's admin": {authz.Principal{Kind: authz.Staff, Account: w.account.ID, Rights: []authz.Right{authz.Administer}}, "package.unknown"},
			"nobody":          {authz.Principal{Account: w.account.ID}, "package.unknown"},
		} {
			w.take(marys)
			err := w.signing.BreakLease(t.Context(), c.p, pkg, "role1", "Because")
			if c.what == "" && err != nil || c.what != "" && !errs.Is(err, c.what) {
				t.Errorf("%s: %v", name, err)
			}
		}
		users := w.column(`select id from users where first_name in ('Mary', 'Carl') order by first_name`)
		for _, id := range users { // a sender who sees it, and a member who is no manager
			w.take(marys)
			wants(t, w.signing.BreakLease(t.Context(), authz.Principal{Account: w.account.ID, User: id}, pkg, "role1", "Because"), "lease.not_breaker")
		}
		wants(t, w.signing.BreakLease(t.Context(), w.client, pkg, "nothing", "Because"), "role.unknown")
		wants(t, w.signing.BreakLease(t.Context(), w.client, "nothing", "role1", "Because"), "package.unknown")
	})
}

// Of a break and a signature at once one happens: what is signed stays signed, what is broken was not.
func TestRule7BreakOrSign(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users...)
		var broken, signed int
		for range dbtest.Rounds(8, 60) {
			w.settle() // the copies of the last package have gone out
			pkg := w.send(groupRole("role1", g))
			mary := w.enter(users[0].Email)
			l := w.take(mary)
			check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
			var wg sync.WaitGroup
			var breaks, signs error
			wg.Go(func() { breaks = w.signing.BreakLease(t.Context(), w.client, pkg, "role1", "Now") })
			wg.Go(func() { signs = w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}) })
			wg.Wait()
			switch {
			case breaks == nil && errs.Is(signs, "lease.stale"):
				broken++
			case signs == nil && errs.Is(breaks, "lease.none"):
				signed++
			default:
				t.Fatalf("break: %v; sign: %v", breaks, signs)
			}
		}
		t.Logf("%d broken, %d signed", broken, signed)
	})
}
