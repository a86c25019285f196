package signing_test

import (
	"log/slog"
	"slices"
	"testing"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// fresh is the room authn with the latest news: nobody follows them for w.authn, and they are stale after five seconds.
func (w *world) fresh() *authn.Authn {
	w.t.Helper()
	a, err := authn.New(w.t.Context(), w.db.DB, w.box, w.post, "https://sign.example.com", slog.New(slog.DiscardHandler))
	check(w.t, err)
	return a
}

// sentBy is the visit of a browser that the client sends to a package as the signer of a session.
func (w *world) sentBy(as authz.Principal, browser string) signing.Visit {
	w.t.Helper()
	fresh := w.fresh()
	token, err := fresh.NewSessionToken(w.t.Context(), w.client, authn.NewSession{Kind: authn.SignerSession, As: as})
	check(w.t, err)
	_, session, err := fresh.OpenSession(w.t.Context(), authn.SignerSession, token)
	check(w.t, err)
	v, err := w.signing.EnterBySession(w.t.Context(), session, browser)
	check(w.t, err)
	return v
}

// T1, L4: what merely follows the application's address, a mail scanner or the page itself, opens no invitation; the first
// act of the person does, once, and is told apart as the application's.
func TestG1NothingIsOpenedByLooking(t *testing.T) {
	for _, mode := range []string{directory.Link, directory.Always} {
		dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
			w := newWorld(t, d, mode)
			w.work()
			users := w.senders("Mary Doe")
			pkg := w.send(groupRole("g", w.group("Pharmacists", users...)))
			session, err := w.signing.SignerSession(t.Context(), w.client, pkg, "g", users[0].SenderID)
			check(t, err)
			v := w.sentBy(session, "")
			for range 2 {
				v = w.sentBy(session, v.Browser)
				_, err = w.signing.Ceremony(t.Context(), v)
				if mode == directory.Link {
					check(t, err)
				}
			}
			if slices.Contains(w.events(pkg), "invitation.opened") {
				t.Fatalf("%s: events %v", mode, w.events(pkg))
			}
			if mode == directory.Always {
				v = w.prove(v, users[0].Email)
			}
			w.sign(v)
			if w.many(pkg, "invitation.opened") != 1 {
				t.Errorf("%s: events %v", mode, w.events(pkg))
			}
			trail, err := w.signing.Trail(t.Context(), w.client, pkg)
			check(t, err)
			for _, r := range trail {
				if r.Type == "invitation.opened" && (r.Detail["by_client"] != w.client.Client || r.Actor.Identified != "session made by the sender's application") {
					t.Errorf("%s: %+v", mode, r)
				}
			}
			w.sentBy(session, "") // again, in another browser: nothing to open any more
			if w.many(pkg, "invitation.opened") != 1 {
				t.Errorf("%s: events %v", mode, w.events(pkg))
			}
		})
	}
}

// T6: the client's token is taken back: the signer whom it sent to the page is asked for a code.
func TestT6VisitOfATokenTakenBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe")
		pkg := w.send(groupRole("g", w.group("Pharmacists", users...)))
		a := w.fresh()
		id, password, err := a.CreateClient(t.Context(), w.account.ID, []authz.Right{authz.Sign}, "Other")
		check(t, err)
		token, err := a.ClientToken(t.Context(), id, password, "")
		check(t, err)
		first := w.client
		w.client, err = a.Authenticate(t.Context(), token.Access)
		check(t, err)
		session, err := w.signing.SignerSession(t.Context(), first, pkg, "g", users[0].SenderID)
		check(t, err)
		v := w.sentBy(session, "")
		w.take(v)
		w.client = first
		check(t, w.fresh().Invalidate(t.Context(), id, password, token.Access))
		wants(t, second(w.signing.Take(t.Context(), v)), "identify.code")
	})
}
