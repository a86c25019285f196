package authn

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestClientToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, p := h.client(authz.Sign, authz.ManageUsers)
		if !guid.MatchString(id) || len(sec) != 43 {
			t.Errorf("client id %q, secret of %d characters", id, len(sec))
		}
		if p.Client != id || p.Account != h.home.ID || p.Organisation != h.home.Organisation || !p.Has(authz.Sign) || !p.Has(authz.ManageUsers) {
			t.Errorf("principal %+v", p)
		}
		for scope, want := range map[string]string{"": "sign users.manage", "sign": "sign", " sign  sign ": "sign", "users.manage sign": "users.manage sign"} {
			token, err := h.ClientToken(t.Context(), id, sec, scope)
			if err != nil || token.Scope != want || token.ExpiresIn.Seconds() != 3600 {
				t.Errorf("scope %q: %q, %v", scope, token.Scope, err)
			}
			p, err := h.Authenticate(t.Context(), token.Access)
			if err != nil || len(p.Rights) != len(strings.Fields(want)) {
				t.Errorf("scope %q: rights %q, %v", scope, p.Rights, err)
			}
		}
		for _, scope := range []string{"operator", "sign operator", "Sign", "sign,users.manage", "sign\x00", "\xff"} {
			_, err := h.ClientToken(t.Context(), id, sec, scope)
			refused(t, err, errs.Invalid, "scope.unknown")
		}
	})
}

// T15: an unknown client and a wrong secret get the same answer.
func TestT15WrongCredentialsLookAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		_, _, admin := h.client(authz.ManageUsers)
		u, err := h.CreatePlatformUser(t.Context(), admin, NewPlatformUser{FirstName: "No", LastName: "Secret", Email: "no.secret@example.com",
			UserType: "Integration", RoleName: Roles[0].Name})
		if err != nil {
			t.Fatal(err)
		}
		bare, err := h.ClientIDOf(t.Context(), admin, u.PlatformID)
		if err != nil {
			t.Fatal(err)
		}
		answers := map[string]bool{}
		for _, c := range [][2]string{{id, ""}, {id, sec[:42]}, {id, sec + "A"}, {id, strings.ToUpper(sec)}, {secret.NewGUID(), sec}, {"", ""}, {"", sec},
			{"\x00", sec}, {"\xff", sec}, {"' or 1=1 --", sec}, {*bare, ""}, {*bare, sec}, {strings.ToUpper(id), sec}} {
			_, err := h.ClientToken(t.Context(), c[0], c[1], "nonsense")
			refused(t, err, errs.Unauthenticated, "client.credentials")
			answers[fmt.Sprint(err)] = true
		}
		if len(answers) != 1 {
			t.Errorf("T15: %d different answers: %v", len(answers), answers)
		}
	})
}

func TestDisabledClient(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, p := h.client(authz.Sign)
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, p.User); return err })
		h.hear()
		_, err := h.ClientToken(t.Context(), id, sec, "")
		refused(t, err, errs.Denied, "client.disabled")
		_, err = h.ClientToken(t.Context(), id, "wrong", "")
		refused(t, err, errs.Unauthenticated, "client.credentials")
		h.write(func(tx *db.Tx) error { _, err := directory.Restore(tx, p.User); return err })
		if _, err = h.Authenticate(t.Context(), h.token(id, sec)); err != nil {
			t.Error(err)
		}
	})
}

// T7: a secret is kept as a hash, and in no file and no log.
func TestT7SecretsAreNotKept(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, &dbtest.DB{DB: d})
	var log bytes.Buffer
	h.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	id, sec, p := h.client(authz.Sign)
	token := h.token(id, sec)
	key, err := h.NewAPIKey(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	_, keySecret, _ := strings.Cut(string(plain), ":")
	mary := h.person("mary@example.com", "Mary Doe")
	cookie := h.enter("", mary, "package")
	h.send(cookie, mary, "package")
	opaque := h.appToken(id, sec, As{})
	in := signerSession("")
	in.Single = true
	sessionToken, err := h.NewSessionToken(t.Context(), p, in)
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := h.OpenSession(t.Context(), SignerSession, sessionToken)
	if err != nil {
		t.Fatal(err)
	}
	_, _, again := h.OpenSession(t.Context(), SignerSession, sessionToken)
	_, wrong := h.ClientToken(t.Context(), id, sec+"x", "")
	_, worse := h.Authenticate(t.Context(), token+"x")
	_, worst := h.AuthenticateSession(t.Context(), session+"x")
	log.WriteString(fmt.Sprint(again, wrong, worse, worst, h.bearer(opaque[1:]+"0")()))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	secrets := []string{opaque, sessionToken, session, sec, key, keySecret, token, cookie, string(h.news.Load().keys[0].private.(ed25519.PrivateKey).Seed())}
	greps := 0
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files to search", err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(id)) {
			continue
		}
		for i, s := range secrets {
			greps++
			if bytes.Contains(content, []byte(s)) || bytes.Contains(log.Bytes(), []byte(s)) {
				t.Errorf("secret %d is in %s or the log", i, filepath.Base(f))
			}
		}
	}
	if greps == 0 {
		t.Error("nothing was searched")
	}
	t.Logf("T7: %d greps, found 0", greps)
}

func TestPlatformUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.ManageUsers)
		in := NewPlatformUser{FirstName: "integrationuser144", LastName: "test01", Email: "IntegrationUser144@example.com",
			UserType: "Integration", RoleName: "CongaSign Integration Role"}
		u, err := h.CreatePlatformUser(t.Context(), p, in)
		if err != nil {
			t.Fatal(err)
		}
		if !guid.MatchString(u.PlatformID) || u.Email != "integrationuser144@example.com" || u.Status != directory.Active || !u.Sender || u.Role != in.RoleName {
			t.Errorf("user %+v", u)
		}
		id, err := h.ClientIDOf(t.Context(), p, u.PlatformID)
		if err != nil || id == nil || !guid.MatchString(*id) {
			t.Fatalf("client id %v, %v", id, err)
		}
		same, first, err := h.NewSecret(t.Context(), p, u.PlatformID)
		if err != nil || same != *id {
			t.Errorf("client id %q, %v", same, err)
		}
		_, second, err := h.NewSecret(t.Context(), p, u.PlatformID)
		if err != nil || first == second {
			t.Errorf("the second secret: %v", err)
		}
		_, err = h.ClientToken(t.Context(), *id, first, "sign")
		refused(t, err, errs.Unauthenticated, "client.credentials")
		if token, err := h.ClientToken(t.Context(), *id, second, ""); err != nil || token.Scope != "sign" {
			t.Errorf("token %q, %v", token.Scope, err)
		}
		_, err = h.CreatePlatformUser(t.Context(), p, in)
		refused(t, err, errs.Conflict, "email.taken")
		for _, kind := range []string{"External", "Guest", "Community", "Contact"} {
			u, err := h.CreatePlatformUser(t.Context(), p, NewPlatformUser{FirstName: "Ann", LastName: kind, Email: kind + "@example.com", UserType: kind, RoleID: Roles[1].ID})
			if err != nil || u.Sender {
				t.Errorf("%s: %+v, %v", kind, u, err)
			}
			if id, err := h.ClientIDOf(t.Context(), p, u.PlatformID); id != nil || err != nil {
				t.Errorf("%s has client %v, %v", kind, id, err)
			}
			_, _, err = h.NewSecret(t.Context(), p, u.PlatformID)
			refused(t, err, errs.Invalid, "client.none")
		}
		all, count, err := h.PlatformUsers(t.Context(), p, nil, directory.Query{Search: "example.com"})
		if err != nil || count != 5 || len(all) != 5 {
			t.Errorf("%d users, %v", count, err)
		}
	})
}

func TestPlatformUserRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.ManageUsers)
		good := NewPlatformUser{FirstName: "Ann", LastName: "Lee", Email: "ann@example.com", UserType: "Integration", RoleName: Roles[0].Name}
		for what, change := range map[string]func(*NewPlatformUser){
			"name.missing":      func(u *NewPlatformUser) { u.FirstName = " " },
			"name.malformed":    func(u *NewPlatformUser) { u.LastName = "\x00" },
			"email.malformed":   func(u *NewPlatformUser) { u.Email = "" },
			"user_type.unknown": func(u *NewPlatformUser) { u.UserType = "integration" },
			"role.unknown":      func(u *NewPlatformUser) { u.RoleName = "Emperor" },
			"text.malformed":    func(u *NewPlatformUser) { u.Phone = "1\n2" },
		} {
			in := good
			change(&in)
			_, err := h.CreatePlatformUser(t.Context(), p, in)
			refused(t, err, errs.Invalid, what)
		}
		for _, in := range []NewPlatformUser{
			{FirstName: "A", LastName: "B", Email: "a@example.com", UserType: "Guest"},
			{FirstName: "A", LastName: "B", Email: "a@example.com", UserType: "Guest", RoleID: Roles[1].ID, RoleName: Roles[0].Name},
		} {
			_, err := h.CreatePlatformUser(t.Context(), p, in)
			refused(t, err, errs.Invalid, "role.unknown")
		}
	})
}

func TestPlatformUserOfAnotherAndDeactivated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.ManageUsers)
		_, _, signer := h.client(authz.Sign)
		good := NewPlatformUser{FirstName: "Ann", LastName: "Lee", Email: "ann@example.com", UserType: "Integration", RoleName: Roles[0].Name}
		u, err := h.CreatePlatformUser(t.Context(), p, good)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.CreatePlatformUser(t.Context(), signer, good)
		refused(t, err, errs.Denied, "right.missing")
		_, _, err = h.NewSecret(t.Context(), signer, u.PlatformID)
		refused(t, err, errs.Denied, "right.missing")
		_, err = h.PlatformUser(t.Context(), signer, u.PlatformID)
		refused(t, err, errs.Denied, "right.missing")
		stranger := p
		stranger.Account = "another"
		for _, c := range []struct {
			p  authz.Principal
			id string
		}{{p, secret.NewGUID()}, {p, "\x00"}, {stranger, u.PlatformID}} {
			_, err = h.ClientIDOf(t.Context(), c.p, c.id)
			refused(t, err, errs.NotFound, "user.unknown")
			_, _, err = h.NewSecret(t.Context(), c.p, c.id)
			refused(t, err, errs.NotFound, "user.unknown")
			_, err = h.DeactivatePlatformUser(t.Context(), c.p, c.id)
			refused(t, err, errs.NotFound, "user.unknown")
		}
		if gone, err := h.DeactivatePlatformUser(t.Context(), p, u.PlatformID); err != nil || gone.Status != directory.Inactive {
			t.Errorf("deactivated: %+v, %v", gone, err)
		}
		_, _, err = h.NewSecret(t.Context(), p, u.PlatformID)
		refused(t, err, errs.Denied, "user.inactive")
		alive := false
		if list, _, err := h.PlatformUsers(t.Context(), p, &alive, directory.Query{}); err != nil || len(list) != 1 || list[0].ID != u.ID {
			t.Errorf("deactivated users %+v, %v", list, err)
		}
		if back, err := h.RestorePlatformUser(t.Context(), p, u.PlatformID); err != nil || back.Status != directory.Active {
			t.Errorf("restored: %+v, %v", back, err)
		}
		name, role := "Anna", "Emperor"
		if u, err = h.UpdatePlatformUser(t.Context(), p, u.PlatformID, directory.UserChange{FirstName: &name}); err != nil || u.FirstName != name {
			t.Errorf("renamed: %+v, %v", u, err)
		}
		_, err = h.UpdatePlatformUser(t.Context(), p, u.PlatformID, directory.UserChange{Role: &role})
		refused(t, err, errs.Invalid, "role.unknown")
	})
}

func TestAPIKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.Sign)
		first, err := h.NewAPIKey(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.AuthenticateKey(t.Context(), first)
		if err != nil || got.User != p.User || got.Account != p.Account || !slices.Equal(got.Rights, []authz.Right{authz.Sign}) {
			t.Errorf("principal %+v, %v", got, err)
		}
		plain, _ := base64.StdEncoding.DecodeString(first)
		sender, _, _ := strings.Cut(string(plain), ":")
		if len(sender) != 12 {
			t.Errorf("the key begins with %q, want the sender id", sender)
		}
		second, err := h.NewAPIKey(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
		for _, key := range []string{first, "x", "!", encode(sender), encode(sender + ":"), encode(":"), encode("nobody:x"), encode("\x00:x"), encode("\xff:x")} {
			_, err := h.AuthenticateKey(t.Context(), key)
			refused(t, err, errs.Unauthenticated, "token.invalid")
		}
		_, err = h.AuthenticateKey(t.Context(), "")
		refused(t, err, errs.Unauthenticated, "token.missing")
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, p.User); return err })
		_, err = h.AuthenticateKey(t.Context(), second)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}
