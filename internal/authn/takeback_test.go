package authn

import (
	"errors"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func (h *house) principal(token string) authz.Principal {
	h.t.Helper()
	p, err := h.Authenticate(h.t.Context(), token)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) userSession(p authz.Principal) (cookie string) {
	h.t.Helper()
	cookie, err := h.StartSession(h.t.Context(), p, NewSession{Kind: UserSession, As: p})
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie
}

func (h *house) alive(name string, checks ...func() error) {
	h.t.Helper()
	for _, check := range checks {
		if err := check(); err != nil {
			h.t.Errorf("%s: %v", name, err)
		}
	}
}

func (h *house) takeBack(id, secret, token string) {
	h.t.Helper()
	if err := h.Invalidate(h.t.Context(), id, secret, token); err != nil {
		h.t.Fatal(err)
	}
}

// also is the same house's tests at another replica, once that has heard the news.
func (h *house) also(replica *Authn) *house {
	h.t.Helper()
	if err := replica.follow(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	there := *h
	there.Authn = replica
	return &there
}

// T6: who takes back an opaque token of his own takes back that one, on every replica, and nothing of anybody else's.
func TestT6TakeBackOneAppToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		mine, second := h.appToken(id, sec, As{}), h.appToken(id, sec, As{})
		otherID, otherSec, other := h.client(authz.Sign)
		theirs, jwt := h.appToken(otherID, otherSec, As{}), h.token(otherID, otherSec)
		cookie, signer := h.userSession(h.principal(theirs)), h.session(other, "")
		rest := []func() error{h.bearer(second), h.bearer(theirs), h.bearer(jwt), h.cookie(cookie), h.cookie(signer)}
		replica := h.replica(d.DB, h.post)
		h.alive("before", append(rest, h.bearer(mine))...)
		h.takeBack(otherID, otherSec, mine) // not his
		h.alive("taken back by another client", h.bearer(mine))
		h.takeBack(id, sec, mine)
		h.dead("taken back", h.bearer(mine))
		h.alive("all others", append(rest, h.bearer(h.appToken(otherID, otherSec, As{})))...)
		there := h.also(replica) // saw none of them before
		there.dead("taken back, at the replica", there.bearer(mine))
		there.alive("all others, at the replica", there.bearer(second), there.bearer(theirs), there.cookie(cookie), there.cookie(signer))
		unseen := h.appToken(id, sec, As{})
		there.takeBack(id, sec, unseen)
		h.also(h.Authn).dead("taken back where nobody had seen it", h.bearer(unseen))
		h.takeBack(id, sec, mine) // again
		if told := h.told("token.invalidated"); len(told) != 2 {
			t.Errorf("%d events: %q", len(told), told)
		}
	})
}

// T6: what has no id is never taken back, though a database should say so.
func TestT6NoTokenWithoutID(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, p := h.client(authz.Sign)
		c, err := h.credentials(t.Context(), h.news.Load(), time.Now(), id, sec)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return takeBack(tx, c, &verified{principal: p}) }); err == nil {
			t.Error("nothing in particular was taken back")
		}
		h.write(func(tx *db.Tx) error {
			_, err := tx.Exec(`insert into revoked_tokens (id, client_id, expires_ms, seq) values ('', $1, clock_ms() + 1000000, 1)`, id)
			return errors.Join(err, func() error { _, err := tx.Exec(`update revocation_counter set seq = 1`); return err }())
		})
		h.hear()
		key, err := h.NewAPIKey(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		h.hear()
		by, err := h.AuthenticateKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		h.alive("all", h.bearer(h.appToken(id, sec, As{})), h.bearer(h.token(id, sec)), h.cookie(h.session(p, "")), h.cookie(h.session(by, "")))
		browser := h.sentBy(by, h.person("mary@example.com", "Mary Doe"))
		if how, err := h.proof(browser, h.person("mary@example.com", "Mary Doe"), "package", directory.NewBrowser); err != nil || how != BySession {
			t.Errorf("%s, %v", how, err)
		}
	})
}

// An opaque token is told to be good, or not, alike by every replica, whichever has seen it.
func TestInspectAppToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		other, _, _ := h.client(authz.Sign)
		seen, unseen := h.appToken(id, sec, As{}), h.appToken(id, sec, As{})
		h.alive("seen", h.bearer(seen))
		replica := h.replica(d.DB, h.post)
		want := func(name, client, token string, valid bool) {
			t.Helper()
			for _, a := range []*Authn{h.Authn, h.also(replica).Authn} {
				in, err := a.Inspect(t.Context(), client, sec, token)
				if err != nil || in.Valid != valid || in.Expires.IsZero() == valid || in.Claims != nil {
					t.Errorf("%s: %+v, %v", name, in, err)
				}
			}
		}
		want("seen", id, seen, true)
		want("unseen", id, unseen, true)
		want("another's", other, seen, false)
		h.takeBack(id, sec, unseen)
		want("taken back", id, unseen, false)
		d.Shift(appTokenLife)
		h.hear()
		want("expired", id, seen, false)
	})
}

// T6: what an application made with a token ends when that token is taken back, for as long as it may live, and so does
// what it made with a session that is taken back.
func TestT6SessionOfATokenTakenBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		mary := h.person("mary@example.com", "Mary Doe")
		keep := h.session(h.principal(h.token(id, sec)), "")
		for name, token := range map[string]string{"JWT": h.token(id, sec), "opaque": h.appToken(id, sec, As{})} {
			p := h.principal(token)
			waits, err := h.NewSessionToken(t.Context(), p, signerSession(""))
			if err != nil {
				t.Fatal(err)
			}
			user, signer, browser := h.userSession(p), h.session(p, mary.User), h.sentBy(p, mary)
			h.alive(name, h.cookie(user), h.cookie(signer))
			h.takeBack(id, sec, token)
			h.dead(name+", user session", h.cookie(user))
			h.dead(name+", signer session", h.cookie(signer))
			there := h.also(h.replica(d.DB, h.post))
			there.dead(name+", at a replica", there.cookie(user))
			_, _, err = h.OpenSession(t.Context(), SignerSession, waits)
			refused(t, err, errs.Unauthenticated, "session_token.invalid")
			_, err = h.proof(browser, mary, "package", directory.NewBrowser)
			refused(t, err, errs.Unauthenticated, "identify.code")
		}
		h.alive("with another token of the client", h.cookie(keep))
		h.takeBack(id, sec, keep)
		h.dead("a session", h.cookie(keep))

		// The token has long expired when the browser that it sent is still in use.
		token := h.token(id, sec)
		browser := h.sentBy(h.principal(token), mary)
		h.takeBack(id, sec, token)
		h.busy(browser, mary, 2*time.Hour)
		_, err := h.proof(browser, mary, "package", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

// busy lets time go by in which a browser is used for another package, and the house is swept.
func (h *house) busy(browser string, p Person, while time.Duration) {
	h.t.Helper()
	for ; while > 0; while -= 20 * time.Minute {
		h.enter(browser, p, "other")
		h.later(20 * time.Minute)
		if err := h.sweep(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
}

// The word of an application holds for twelve hours, as a proof does, however busy the browser is.
func TestL4TheWordOfAnApplicationLapses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.Sign)
		mary := h.person("mary@example.com", "Mary Doe")
		browser := h.sentBy(p, mary)
		h.busy(browser, mary, holdFor-20*time.Minute)
		if how, err := h.proof(browser, mary, "package", directory.NewBrowser); err != nil || how != BySession {
			t.Errorf("%s, %v", how, err)
		}
		h.busy(browser, mary, 20*time.Minute)
		_, err := h.proof(browser, mary, "package", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

// A session outlasts the expiry of the token that made it.
func TestSessionOutlastsItsToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token := h.appToken(id, sec, As{})
		cookie := h.userSession(h.principal(token))
		for range 3 {
			d.Shift(15 * time.Minute)
			h.hear()
			h.alive("in use", h.cookie(cookie))
		}
		h.dead("expired", h.bearer(token))
	})
}

// T6: a sender who acted in another's place leaves no session behind, and a browser is answered for no longer than by the
// maker, his account, the delegate, the signer and the session.
func TestT6SessionOfADelegate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		id, sec, _ := h.client(authz.Sign)
		boss := h.active("boss@example.com", "Bo Ss")
		for name, take := range map[string]func(delegate directory.User, p authz.Principal){
			"delegate locked":    func(delegate directory.User, _ authz.Principal) { h.lock(delegate.ID) },
			"account raised":     func(directory.User, authz.Principal) { h.raise(directory.OfAccount, h.home.ID) },
			"delegator raised":   func(directory.User, authz.Principal) { h.raise(directory.OfUser, boss.ID) },
			"client raised":      func(directory.User, authz.Principal) { h.raise(directory.OfClient, id) },
			"the signer himself": func(directory.User, authz.Principal) { h.raise(directory.OfUser, mary.User) },
		} {
			delegate := h.active(strings.ReplaceAll(name, " ", "-")+"@example.com", "De Legate")
			p := h.principal(h.appToken(id, sec, As{Sender: delegate.SenderID, Delegator: boss.SenderID}))
			cookie, browser := h.session(p, mary.User), h.sentBy(p, mary)
			h.alive(name, h.cookie(cookie))
			if how, err := h.proof(browser, mary, "package", directory.NewBrowser); err != nil || how != BySession {
				t.Fatalf("%s: %s, %v", name, how, err)
			}
			take(delegate, p)
			h.dead(name, h.cookie(cookie))
			_, err := h.proof(browser, mary, "package", directory.NewBrowser)
			refused(t, err, errs.Unauthenticated, "identify.code")
		}
	})
}

func (h *house) raise(kind, id string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) error { _, err := directory.Raise(tx, kind, id); return err })
	h.hear()
}
