package authn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

var byCommand = authz.Principal{Rights: []authz.Right{authz.Operate}}

// byHim is a person in the console.
func byHim(u directory.User, rights ...authz.Right) authz.Principal {
	return authz.Principal{Organisation: u.Organisation, Account: u.Account, User: u.ID, Session: "here", Rights: rights}
}

func (h *house) accessToken(u directory.User) (id, token string) {
	h.t.Helper()
	id, token, _, err := h.NewAccessToken(bg, byCommand, h.home.OuterID, u.SenderID, "Report", 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return id, token
}

func (h *house) retype(u directory.User, kind string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Type: &kind})
		return err
	})
}

func TestAccessToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		id, token, expires, err := h.NewAccessToken(bg, byHim(boss, authz.ManageUsers, authz.ReadAccess), h.home.OuterID, boss.SenderID, " Report ", 0)
		if err != nil || !isAccessToken(token) || time.Until(expires) < 89*24*time.Hour || time.Until(expires) > 91*24*time.Hour {
			t.Fatalf("%s %s %v", token, expires, err)
		}
		for range 2 {
			p, err := h.Authenticate(bg, token)
			if err != nil || p.Client != id || p.Credential != id || p.User != boss.ID || p.Account != h.home.ID || !slices.Equal(p.Rights, []authz.Right{authz.ReadAccess}) {
				t.Fatalf("%+v, %v", p, err)
			}
		}
		list, err := h.AccessTokens(bg, byCommand, h.home.OuterID)
		if err != nil || len(list) != 1 || list[0].Name != "Report" || list[0].SenderID != boss.SenderID || list[0].MadeBy != boss.ID || !list[0].Revoked.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
		for _, bad := range []string{token + "x", strings.ToUpper(token), "cst_" + strings.Repeat("A", 43), "cst_", "cst_" + strings.Repeat("\x00", 43)} {
			h.dead(bad, h.bearer(bad))
		}
		if h.user(boss.ID).LastLogin != boss.LastLogin {
			t.Error("a program's token is no sign-in of a person")
		}
		d.Shift(90 * 24 * time.Hour)
		h.hear()
		h.dead("expired", h.bearer(token))
	})
}

// T7: the token's text is kept nowhere.
func TestT7AccessTokenIsAHash(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, token := h.accessToken(h.administrator("boss@example.com", "Boss Doe"))
		h.write(func(tx *db.Tx) error {
			kept, err := db.One[[]byte](tx, `select hash from access_tokens`)
			if len(kept) != 32 || strings.Contains(string(kept), token) {
				t.Errorf("kept as %q", kept)
			}
			return err
		})
	})
}

// T6: a token ends by revocation, with its user and with his account's right, on other replicas within a second.
func TestT6AccessTokensDie(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		id, token := h.accessToken(boss)
		_, stays := h.accessToken(boss)
		other := &house{Authn: h.replica(d.DB, h.post), t: t}
		for _, a := range []*house{h, other} {
			if err := a.bearer(token)(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := h.RevokeAccessToken(bg, byCommand, id); err != nil {
				t.Fatal(err)
			}
		}
		h.dead("revoked", h.bearer(token))
		other.hear()
		other.dead("revoked, elsewhere", other.bearer(token))
		if err := h.bearer(stays)(); err != nil {
			t.Errorf("another token: %v", err)
		}
		h.lock(boss.ID)
		h.dead("locked", h.bearer(stays))
		list, err := h.AccessTokens(bg, byCommand, h.home.OuterID)
		if err != nil || len(list) != 2 || list[0].Revoked.IsZero() == list[1].Revoked.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// Who is no administrator any more is still known by his token, and may nothing: within a second, and back again.
func TestAccessTokenFollowsTheRight(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		_, token := h.accessToken(boss)
		start := time.Now()
		var skipped time.Duration
		h.sinceStart = func() time.Duration { return time.Since(start) + skipped }
		h.hear()
		for _, c := range []struct {
			kind string
			may  bool
		}{{directory.Regular, false}, {directory.Manager, true}} {
			h.retype(boss, c.kind)
			skipped += rightsFor
			h.hear()
			p, err := h.Authenticate(bg, token)
			if err != nil || p.Has(authz.ReadAccess) != c.may {
				t.Errorf("%s: %+v, %v", c.kind, p, err)
			}
		}
	})
}

// Who may make tokens, and for whom.
func TestT13AccessTokenMakers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss, ann := h.administrator("boss@example.com", "Boss Doe"), h.active("ann@example.com", "Ann Doe")
		other, err := h.dir.CreateAccount(bg, directory.NewAccount{Name: "Other Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := h.accessToken(boss)
		all := []authz.Right{authz.ManageUsers, authz.ReadAccess}
		elsewhere := byHim(boss, all...)
		elsewhere.Account = other.ID
		_, _, program := h.client(authz.ManageUsers, authz.Sign)
		program.Rights = append(slices.Clone(program.Rights), authz.ReadAccess)
		for name, c := range map[string]struct {
			p    authz.Principal
			what string
		}{
			"a sender":                    {byHim(ann, authz.Sign), "right.missing"},
			"a manager of users alone":    {byHim(ann, authz.ManageUsers, authz.Sign), "right.missing"},
			"a reader alone":              {byHim(ann, authz.ReadAccess), "right.missing"},
			"a program":                   {program, "right.missing"},
			"an administrator next door":  {elsewhere, "account.unknown"},
			"a developer of some partner": {authz.Principal{Kind: authz.Staff, By: "x"}, "right.missing"},
			"a partner's, of no partner":  {authz.Principal{Kind: authz.Staff, By: "x", Rights: []authz.Right{authz.Administer}}, "account.unknown"},
		} {
			_, _, _, err := h.NewAccessToken(bg, c.p, h.home.OuterID, boss.SenderID, "x", 0)
			if !errs.Is(err, c.what) {
				t.Errorf("%s makes: %v", name, err)
			}
			if _, err = h.AccessTokens(bg, c.p, h.home.OuterID); !errs.Is(err, c.what) {
				t.Errorf("%s lists: %v", name, err)
			}
			if err = h.RevokeAccessToken(bg, c.p, id); !errs.Is(err, c.what) && !errs.Is(err, "access_token.unknown") {
				t.Errorf("%s revokes: %v", name, err)
			}
		}
		for what, make := range map[string]func() error{
			"access_token.user": func() error {
				_, _, _, err := h.NewAccessToken(bg, byCommand, h.home.OuterID, ann.SenderID, "x", 0)
				return err
			},
			"user.unknown": func() error {
				_, _, _, err := h.NewAccessToken(bg, byCommand, h.home.OuterID, "none", "x", 0)
				return err
			},
			"account.unknown": func() error {
				_, _, _, err := h.NewAccessToken(bg, byCommand, "none", boss.SenderID, "x", 0)
				return err
			},
			"name.missing": func() error {
				_, _, _, err := h.NewAccessToken(bg, byCommand, h.home.OuterID, boss.SenderID, " ", 0)
				return err
			},
			"access_token.life": func() error {
				_, _, _, err := h.NewAccessToken(bg, byCommand, h.home.OuterID, boss.SenderID, "x", 367*24*time.Hour)
				return err
			},
			"access_token.unknown": func() error { return h.RevokeAccessToken(bg, byCommand, "none\x00") },
		} {
			if err := make(); !errs.Is(err, what) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestCallsAreCountedByTheCredential(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, secret, p := h.client(authz.ManageUsers, authz.Sign)
		if p.Credential != id {
			t.Errorf("JWT: %q", p.Credential)
		}
		if p, err := h.Authenticate(bg, h.appToken(id, secret, As{})); err != nil || p.Credential != id {
			t.Errorf("opaque: %q, %v", p.Credential, err)
		}
		key, err := h.NewAPIKey(bg, p)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := h.AuthenticateKey(bg, key); err != nil || p.Credential != p.Client || p.Client == "" {
			t.Errorf("API key: %+v, %v", p, err)
		}
		cookie, err := h.StartSession(bg, p, NewSession{Kind: UserSession, As: authz.Principal{User: p.User}})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := h.AuthenticateSession(bg, cookie); err != nil || p.Credential != id {
			t.Errorf("session: %+v, %v", p, err)
		}
		if h.user(p.User).LastLogin.IsZero() {
			t.Error("the session of an application is a sign-in of whom it acts as")
		}
	})
}
