package authn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// active is a sender who has accepted.
func (h *house) active(email, name string) directory.User {
	h.t.Helper()
	p := h.person(email, name)
	h.write(func(tx *db.Tx) error { return directory.MailboxProven(tx, p.User) })
	return h.user(p.User)
}

func (h *house) lock(id string) {
	h.t.Helper()
	locked := directory.Locked
	h.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, id, directory.UserChange{Status: &locked})
		return err
	})
	h.hear()
}

func (h *house) appToken(id, secret string, as As) string {
	h.t.Helper()
	token, _, err := h.AppToken(context.Background(), id, secret, as)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func (h *house) dead(name string, check func() error) {
	h.t.Helper()
	if err := check(); !errs.Is(err, "token.invalid") {
		h.t.Errorf("%s: %v", name, err)
	}
}

func (h *house) bearer(token string) func() error {
	return func() error { _, err := h.Authenticate(context.Background(), token); return err }
}

func (h *house) cookie(cookie string) func() error {
	return func() error { _, err := h.AuthenticateSession(context.Background(), cookie); return err }
}

func TestT6AppToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, p := h.client(authz.Sign, authz.ManageUsers)
		mary := h.active("mary@example.com", "Mary Doe")
		token, expires, err := h.AppToken(t.Context(), id, sec, As{})
		if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(token) {
			t.Fatal(token, err)
		}
		_, now, _ := h.current()
		if left := expires.Sub(now); left <= 30*time.Minute-time.Second || left > 30*time.Minute || expires.Nanosecond() != 0 {
			t.Errorf("good for %s", left)
		}
		got, err := h.Authenticate(t.Context(), token)
		if err != nil || got.User != p.User || got.Client != id || got.Account != h.home.ID || !got.Has(authz.ManageUsers) {
			t.Fatalf("%+v, %v", got, err)
		}
		hers := h.appToken(id, sec, As{Email: "Mary@Example.com"})
		got, err = h.Authenticate(t.Context(), hers)
		if err != nil || got.User != mary.ID || !slices.Equal(got.Rights, []authz.Right{authz.Sign}) {
			t.Fatalf("%+v, %v", got, err)
		}
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, mary.ID); return err })
		h.hear()
		h.dead("deactivated sender", h.bearer(hers))
		if _, err := h.Authenticate(t.Context(), token); err != nil {
			t.Error("the client's own died too", err)
		}
		replica := h.replica(d.DB, h.post)
		if _, err := replica.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		if _, err := h.RotateSecret(t.Context(), id, 0); err != nil {
			t.Fatal(err)
		}
		h.dead("rotated", h.bearer(token))
		_, err = replica.Authenticate(t.Context(), token)
		if err == nil && replica.follow(t.Context()) == nil {
			_, err = replica.Authenticate(t.Context(), token)
		}
		refused(t, err, errs.Unauthenticated, "token.invalid")
		id, sec, _ = h.client(authz.Sign)
		token = h.appToken(id, sec, As{})
		if err := h.RevokeClient(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		h.dead("revoked", h.bearer(token))
		for _, other := range []string{strings.Repeat("0", 64), strings.Repeat("0", 63), strings.ToUpper(token), token + "0"} {
			h.dead(other, h.bearer(other))
		}
		_, _, err = h.AppToken(t.Context(), id, "x", As{})
		refused(t, err, errs.Unauthenticated, "client.credentials")
		_, _, err = h.AppToken(t.Context(), id, sec, As{})
		refused(t, err, errs.Denied, "client.disabled")
	})
}

func TestAppTokenExpires(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token, unseen := h.appToken(id, sec, As{}), h.appToken(id, sec, As{})
		d.Shift(29 * time.Minute)
		h.hear()
		if err := h.bearer(token)(); err != nil {
			t.Error(err)
		}
		d.Shift(time.Minute)
		h.hear()
		h.dead("after 30 minutes", h.bearer(token))
		h.dead("after 30 minutes, unseen before", h.bearer(unseen))
		if err := h.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *db.Tx) error {
			n, err := db.One[int64](tx, `select count(*) from app_tokens`)
			if n != 0 {
				t.Errorf("%d tokens are kept", n)
			}
			return err
		})
	})
}

// T11: a client acts as its own account's active senders, with the right to sign and no other.
func TestT11ActingAsASender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, p := h.client(authz.Sign, authz.ManageUsers)
		mary, john := h.active("mary@example.com", "Mary Doe"), h.active("john@example.com", "John Smith")
		invited := h.user(h.person("new@example.com", "New One").User)
		gone := h.active("gone@example.com", "Gone One")
		h.lock(gone.ID)
		other, err := h.dir.CreateAccount(t.Context(), directory.NewAccount{Name: "Other Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		strangerID, strangerSecret, err := h.CreateClient(t.Context(), other.ID, []authz.Right{authz.Sign}, "Stranger")
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := h.Authenticate(t.Context(), h.token(strangerID, strangerSecret))
		if err != nil {
			t.Fatal(err)
		}
		for _, as := range []As{{Sender: "nobody"}, {Sender: invited.SenderID}, {Sender: gone.SenderID}, {Sender: h.user(stranger.User).SenderID}, {Sender: "\xff"},
			{Sender: "a\x00"}, {Sender: mary.ID}, {Email: "nobody@example.com"}, {Email: "x"}, {Email: gone.Email}, {Delegator: "nobody"}, {Sender: mary.SenderID, Delegator: gone.SenderID}} {
			_, err := h.ClientTokenAs(t.Context(), id, sec, "", as)
			refused(t, err, errs.Invalid, "grant.sender")
			_, _, err = h.AppToken(t.Context(), id, sec, as)
			refused(t, err, errs.Invalid, "grant.sender")
		}
		hers, err := h.ClientTokenAs(t.Context(), id, sec, "", As{Sender: mary.SenderID})
		if err != nil || hers.Scope != "sign" {
			t.Fatal(hers, err)
		}
		got, err := h.Authenticate(t.Context(), hers.Access)
		if err != nil || got.User != mary.ID || got.By != "" || !slices.Equal(got.Rights, []authz.Right{authz.Sign}) {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = h.ClientTokenAs(t.Context(), id, sec, "users.manage", As{Sender: mary.SenderID})
		refused(t, err, errs.Invalid, "scope.unknown")
		_, err = h.ClientTokenAs(t.Context(), id, "x", "", As{Sender: mary.SenderID})
		refused(t, err, errs.Unauthenticated, "client.credentials")
		manager, managerSecret, _ := h.client(authz.ManageUsers)
		_, err = h.ClientTokenAs(t.Context(), manager, managerSecret, "", As{Sender: mary.SenderID})
		refused(t, err, errs.Denied, "right.missing")

		// In the place of another: the packages are his, the deeds are hers.
		placed, err := h.ClientTokenAs(t.Context(), id, sec, "", As{Sender: mary.SenderID, Delegator: john.SenderID})
		if err != nil {
			t.Fatal(err)
		}
		got, err = h.Authenticate(t.Context(), placed.Access)
		if err != nil || got.User != john.ID || got.By != mary.ID || audit.By(got).User != mary.ID {
			t.Errorf("%+v, %v", got, err)
		}
		var c struct {
			Sub string
			Act struct{ Sub string }
		}
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(placed.Access, ".")[1])
		if err := json.Unmarshal(payload, &c); err != nil || c.Sub != john.ID || c.Act.Sub != mary.ID {
			t.Errorf("%s", payload)
		}
		own, err := h.ClientTokenAs(t.Context(), id, sec, "", As{Delegator: john.SenderID})
		if err != nil {
			t.Fatal(err)
		}
		if got, err = h.Authenticate(t.Context(), own.Access); err != nil || got.By != p.User || got.User != john.ID {
			t.Errorf("%+v, %v", got, err)
		}
		opaque := h.appToken(id, sec, As{Sender: mary.SenderID, Delegator: john.SenderID})
		h.lock(mary.ID)
		h.dead("her own", h.bearer(hers.Access))
		h.dead("in his place", h.bearer(placed.Access))
		h.dead("in his place, opaque", h.bearer(opaque))
		if err := h.bearer(own.Access)(); err != nil {
			t.Error(err)
		}
		h.lock(john.ID)
		h.dead("whose place it was", h.bearer(own.Access))
	})
}

// session is a signer's session that the application p made, and whom it stands for.
func (h *house) session(p authz.Principal, user string) (cookie string) {
	h.t.Helper()
	cookie, err := h.StartSession(context.Background(), p, signerSession(user))
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie
}

func signerSession(user string) NewSession {
	return NewSession{Kind: SignerSession, As: authz.Principal{Kind: authz.Signer, User: user, Package: "package", Role: "role", Invitee: "invitee",
		Rights: []authz.Right{authz.SignOwn}}}
}

func TestSessionToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, _, p := h.client(authz.Sign, authz.ManageUsers)
		for kind, single := range map[SessionKind]bool{UserSession: true, SignerSession: false} {
			in := signerSession("")
			if in.Kind, in.Single = kind, single; kind == UserSession {
				in.As = p
			}
			in.Fields = map[string]string{"note": "é"}
			token, err := h.NewSessionToken(t.Context(), p, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range []SessionKind{UserSession, SenderSession, SignerSession} {
				if other != kind {
					_, _, err = h.OpenSession(t.Context(), other, token)
					refused(t, err, errs.Unauthenticated, "session_token.invalid")
				}
			}
			cookie, as, err := h.OpenSession(t.Context(), kind, token)
			if err != nil || as.Client != id || as.Account != h.home.ID {
				t.Fatalf("%+v, %v", as, err)
			}
			got, err := h.AuthenticateSession(t.Context(), cookie)
			want := []authz.Right{authz.SignOwn}
			if kind == UserSession {
				want = []authz.Right{authz.Sign}
			}
			if err != nil || got.Session == "" || !slices.Equal(got.Rights, want) || got.Kind != in.As.Kind || got.Package != in.As.Package || got.Role != in.As.Role {
				t.Errorf("%+v, %v", got, err)
			}
			_, err = h.NewSessionToken(t.Context(), got, in)
			if kind == UserSession {
				refused(t, err, errs.Denied, "session.maker")
			} else {
				refused(t, err, errs.Denied, "right.missing")
			}
			if _, _, err = h.OpenSession(t.Context(), kind, token); (err == nil) == single {
				t.Errorf("%s again: %v", kind, err)
			}
			refusedAs := h.cookie(token)
			h.dead("the token as a cookie", refusedAs)
			d.Shift(sessionTokenLife)
			_, _, err = h.OpenSession(t.Context(), kind, token)
			refused(t, err, errs.Unauthenticated, "session_token.invalid")
		}
		for _, bad := range []string{"", "x", "\xff", "a\x00", strings.Repeat("x", 10_000)} {
			_, _, err := h.OpenSession(t.Context(), SignerSession, bad)
			refused(t, err, errs.Unauthenticated, "session_token.invalid")
			if _, err = h.AuthenticateSession(t.Context(), bad); errs.KindOf(err) != errs.Unauthenticated {
				t.Error(err)
			}
		}
	})
}

// T6: what a credential makes dies with it, although this replica heard of its end too late to refuse, and also when it
// had not even heard of its beginning.
func TestT6SessionOfADeadCredential(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		replica := h.replica(d.DB, h.post)
		id, _, p := h.client(authz.Sign)
		if _, err := h.RotateSecret(t.Context(), id, 0); err != nil {
			t.Fatal(err)
		}
		token, err := replica.NewSessionToken(t.Context(), p, signerSession(""))
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := replica.StartSession(t.Context(), p, signerSession(""))
		if err != nil {
			t.Fatal(err)
		}
		if err := replica.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _, err = replica.OpenSession(t.Context(), SignerSession, token)
		refused(t, err, errs.Unauthenticated, "session_token.invalid")
		_, err = replica.AuthenticateSession(t.Context(), cookie)
		refused(t, err, errs.Unauthenticated, "token.invalid")
		_, _, young := h.client(authz.Sign)
		cookie = h.session(young, "")
		h.hear()
		if err := h.cookie(cookie)(); err != nil {
			t.Error(err)
		}
	})
}

// A token for one session gives one, whoever tries at the same moment.
func TestSingleSessionTokenRace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.Sign)
		for range dbtest.Rounds(3, 50) {
			in := signerSession("")
			in.Single = true
			token, err := h.NewSessionToken(t.Context(), p, in)
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			won := make(chan string, 16)
			for range 16 {
				group.Go(func() {
					cookie, _, err := h.OpenSession(context.Background(), SignerSession, token)
					if err == nil {
						won <- cookie
					} else if !errs.Is(err, "session_token.invalid") {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if len(won) != 1 {
				t.Errorf("%d sessions", len(won))
			}
		}
	})
}

func TestSessionLapses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.Sign)
		idle, busy := h.session(p, ""), h.session(p, "")
		for range 2 {
			d.Shift(20 * time.Minute)
			if err := h.cookie(busy)(); err != nil {
				t.Error(err)
			}
		}
		h.dead("idle", h.cookie(idle))
		for range 34 {
			d.Shift(20 * time.Minute)
			_ = h.cookie(busy)()
		}
		h.dead("after twelve hours", h.cookie(busy))
	})
}

// T6: a session dies with what it stands on, within a second.
func TestT6SessionDies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		defer running(h.Authn)()
		mary := h.active("mary@example.com", "Mary Doe")
		for name, take := range map[string]func(client string, p authz.Principal) error{
			"client rotated": func(client string, _ authz.Principal) error {
				_, err := h.RotateSecret(t.Context(), client, 0)
				return err
			},
			"client revoked": func(client string, _ authz.Principal) error { return h.RevokeClient(t.Context(), client) },
			"maker deactivated": func(_ string, p authz.Principal) error {
				return d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Deactivate(tx, p.User); return err })
			},
			"account raised": func(string, authz.Principal) error {
				return d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Raise(tx, directory.OfAccount, h.home.ID); return err })
			},
			"signer deactivated": func(string, authz.Principal) error {
				return d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Deactivate(tx, mary.ID); return err })
			},
		} {
			if name == "signer deactivated" && !h.user(mary.ID).Alive() {
				t.Fatal("she is gone already")
			}
			id, _, p := h.client(authz.Sign)
			cookie := h.session(p, mary.ID)
			in := signerSession(mary.ID)
			token, err := h.NewSessionToken(t.Context(), p, in)
			if err == nil {
				err = take(id, p)
			}
			if err != nil {
				t.Fatal(name, err)
			}
			at := time.Now()
			for err = h.cookie(cookie)(); err == nil; err = h.cookie(cookie)() {
				if time.Since(at) > time.Second {
					t.Fatalf("%s: the session still lives", name)
				}
			}
			h.dead(name, h.cookie(cookie))
			_, _, err = h.OpenSession(t.Context(), SignerSession, token)
			refused(t, err, errs.Unauthenticated, "session_token.invalid")
		}
	})
}

func TestT6SessionOfAnAPIKeyDies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.Sign)
		key, err := h.NewAPIKey(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		h.hear()
		by, err := h.AuthenticateKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		cookie := h.session(by, "")
		if err := h.cookie(cookie)(); err != nil {
			t.Fatal(err)
		}
		if _, err = h.NewAPIKey(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		h.hear()
		h.dead("key replaced", h.cookie(cookie))
	})
}

// sentBy is a browser that the application p sent to "package" as a person.
func (h *house) sentBy(p authz.Principal, as Person) (browser string) {
	h.t.Helper()
	token, err := h.NewSessionToken(context.Background(), p, signerSession(as.User))
	if err != nil {
		h.t.Fatal(err)
	}
	_, session, err := h.OpenSession(context.Background(), SignerSession, token)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(func(tx *db.Tx) (err error) {
		browser, err = h.EnterBySession(tx, "", as, "package", session)
		return err
	})
	return browser
}

// Attack L4: an application may answer for a signer; that is told apart, holds for this browser, person and package, and
// ends with the client.
func TestL4EnterBySession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, _, p := h.client(authz.Sign)
		mary, john := h.person("mary@example.com", "Mary Doe"), h.person("john@example.com", "John Smith")
		browser := h.sentBy(p, mary)
		for _, mode := range []string{directory.Link, directory.NewBrowser, directory.Always} {
			how, err := h.proof(browser, mary, "package", mode)
			if mode == directory.Always { // the application's word is no code
				refused(t, err, errs.Unauthenticated, "identify.code")
			} else if err != nil || how != BySession {
				t.Errorf("%s: %s, %v", mode, how, err)
			}
			_, err = h.proof(browser, mary, "other", mode)
			refused(t, err, errs.Unauthenticated, "identify.link")
			_, err = h.proof(browser, john, "package", mode)
			refused(t, err, errs.Unauthenticated, "identify.link")
			_, err = h.proof("", mary, "package", mode)
			refused(t, err, errs.Unauthenticated, "identify.link")
		}
		if u := h.user(mary.User); u.Status != directory.Invited {
			t.Errorf("an application's word made her %s", u.Status)
		}
		for _, want := range []bool{true, false} { // his first act is told apart, and all are the application's
			h.write(func(tx *db.Tx) error {
				if by, first, err := h.Arrived(tx, browser, mary, "package"); err != nil || by != id || first != want {
					t.Errorf("made by %q, first %v, %v", by, first, err)
				}
				return nil
			})
		}
		if err := h.RevokeClient(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		_, err := h.proof(browser, mary, "package", directory.Link)
		refused(t, err, errs.Unauthenticated, "identify.code")
		h.enter(browser, mary, "package")
		if how, err := h.proof(browser, mary, "package", directory.Link); err != nil || how != ByLink {
			t.Errorf("her own link: %s, %v", how, err)
		}
	})
}
