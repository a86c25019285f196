package authn

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// The first RSA key signs at once, so a replica that does not know the key of a token looks, and not too often.
func TestKeyOfAnotherReplica(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		at := h.sinceStart()
		replica, second := h.replica(d.DB, h.post), h.replica(d.DB, h.post)
		replica.sinceStart = func() time.Duration { return at }
		v := h.vendor(RS256)
		token := v.actor()
		before := replica.news.Load()
		for range 3 {
			if _, err := replica.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		}
		in, err := second.Inspect(t.Context(), v.tech.ClientID, v.tech.ClientSecret, token)
		if err != nil || !in.Valid || in.Claims == nil {
			t.Errorf("%+v, %v", in, err)
		}
		heard := replica.news.Load()
		if heard == before {
			t.Error("nothing was read")
		}
		for _, forged := range []string{"x.y.z", "." + token, token[:40] + "x" + token[40:], b64([]byte(`{"alg":"RS256","kid":"`)) + token[40:]} {
			_, err := replica.Authenticate(t.Context(), forged)
			refused(t, err, errs.Unauthenticated, "token.invalid")
		}
		if replica.news.Load() != heard {
			t.Error("read again at the same moment")
		}
		at += followEvery
		if _, err := replica.Authenticate(t.Context(), "x.y.z"); err == nil || replica.news.Load() != heard {
			t.Errorf("read for what is no token of ours: %v", err)
		}
	})
}

// Of two keys that two replicas make at once under one number one is made, and the other is tried again.
func TestKeyLosesItsNumber(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		tech := h.technical(RS256)
		if err := h.replica(d.DB, h.post).renewKey(t.Context(), EdDSA); err != nil {
			t.Fatal(err)
		}
		if _, err := h.TechnicalToken(t.Context(), tech.ClientID, tech.ClientSecret, nil); err != nil {
			t.Error(err)
		}
	})
}

// The log names no token that was never made.
func TestNoKeyNoToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(RS256)
		in := v.request("ann@partnerdomain.com")
		if _, err := h.Authenticate(t.Context(), in.ActorToken); err != nil {
			t.Fatal(err)
		}
		without := *h.news.Load()
		without.keys = without.keys[:1]
		h.news.Store(&without)
		h.write(func(tx *db.Tx) error { _, err := tx.Exec(`alter table token_keys rename to lost`); return err })
		if _, err := h.Exchange(t.Context(), in); err == nil {
			t.Error("a token without a key")
		}
		if told := h.told("token.exchanged"); len(told) != 0 {
			t.Errorf("told %q", told)
		}
		h.write(func(tx *db.Tx) error { _, err := tx.Exec(`alter table lost rename to token_keys`); return err })
	})
}

// A client that was ended gets no secret: it could never work.
func TestRevokedClientGetsNoSecret(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		if err := h.RevokeClient(t.Context(), v.tech.ClientID); err != nil {
			t.Fatal(err)
		}
		for _, overlap := range []time.Duration{0, time.Hour} {
			_, err := h.RotateSecret(t.Context(), v.tech.ClientID, overlap)
			refused(t, err, errs.Denied, "client.disabled")
		}
		if told := h.told("client.secret_rotated"); len(told) != 0 {
			t.Errorf("told %q", told)
		}
	})
}

// T5: a user who was given another address by his account is nobody's subject, unless it is in the partner's domains.
func TestT5MovedUserInTheExchange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		p, err := h.Authenticate(t.Context(), v.actor())
		if err != nil {
			t.Fatal(err)
		}
		u, err := h.dir.CreatePartnerUser(t.Context(), p, directory.NewPartnerUser{Email: "john@partnerdomain.com", FirstName: "John", LastName: "Doe",
			Account: v.account.OuterID})
		if err != nil {
			t.Fatal(err)
		}
		manager := authz.Principal{Account: v.account.ID, Rights: []authz.Right{authz.ManageUsers}}
		email := "ceo@victim.example"
		if u, err = h.UpdatePlatformUser(t.Context(), manager, u.PlatformID, directory.UserChange{Email: &email}); err != nil || u.Status != directory.Invited {
			t.Errorf("T5: %s, %v", u.Status, err)
		}
		_, err = h.Exchange(t.Context(), v.request(email))
		refused(t, err, errs.Denied, "subject.unknown")
	})
}

// Nothing is read after acts that took nothing away.
func TestPlatformUsersAreFollowedWhenTakenAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, p := h.client(authz.ManageUsers)
		locked, name := directory.Locked, "Other"
		user := NewPlatformUser{FirstName: "A", LastName: "B", Email: "a@example.com", UserType: "External", RoleName: Roles[1].Name}
		u, err := h.CreatePlatformUser(t.Context(), p, user)
		act := func(what string, want bool, act func() error) {
			t.Helper()
			before := h.news.Load()
			if err := act(); err != nil || (h.news.Load() != before) != want {
				t.Errorf("%s: read %v, %v", what, !want, err)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		change := func(c directory.UserChange) func() error {
			return func() error { _, err := h.UpdatePlatformUser(t.Context(), p, u.PlatformID, c); return err }
		}
		user.Email = "b@example.com"
		act("created", false, func() error { _, err := h.CreatePlatformUser(t.Context(), p, user); return err })
		act("renamed", false, change(directory.UserChange{FirstName: &name}))
		act("locked", true, change(directory.UserChange{Status: &locked}))
		act("deactivated", true, func() error { _, err := h.DeactivatePlatformUser(t.Context(), p, u.PlatformID); return err })
		act("again", false, func() error { _, err := h.DeactivatePlatformUser(t.Context(), p, u.PlatformID); return err })
		act("restored", false, func() error { _, err := h.RestorePlatformUser(t.Context(), p, u.PlatformID); return err })
	})
}

// Deactivating a partner ends its tokens; the clients of its accounts go on.
func TestInactivePartnersClientsGoOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		id, sec, err := h.CreateClient(t.Context(), v.account.ID, []authz.Right{authz.Sign}, "Program")
		if err != nil {
			t.Fatal(err)
		}
		own, users := h.token(id, sec), v.userToken("ann@partnerdomain.com")
		if _, err = h.dir.SetPartnerStatus(t.Context(), v.partner.OuterID, directory.PartnerInactive); err != nil {
			t.Fatal(err)
		}
		h.hear()
		_, err = h.Authenticate(t.Context(), users)
		refused(t, err, errs.Unauthenticated, "token.invalid")
		_, err = h.Authenticate(t.Context(), own)
		if _, again := h.ClientToken(t.Context(), id, sec, ""); errors.Join(err, again) != nil {
			t.Error(err, again)
		}
	})
}

// Before technical accounts there were no RSA keys: going back drops them.
func TestMigrationDownDropsRSAKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	for engine, c := range map[string]struct {
		driver, dsn string
		dialect     goose.Dialect
	}{"sqlite": {"sqlite", "file:" + path, goose.DialectSQLite3}, "postgres": {"pgx", "", goose.DialectPostgres}} {
		t.Run(engine, func(t *testing.T) {
			if c.dsn == "" {
				c.dsn = dbtest.PostgresURL(t)
			}
			pool, err := sql.Open(c.driver, c.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			steps := stepsOf(t, c.dialect, pool)
			left := 0
			_, up := steps.UpTo(t.Context(), 10)
			_, err = pool.ExecContext(t.Context(), `insert into token_keys (number, kid, alg, seed, begins_ms, created_ms)
				values (1, 'a', 'EdDSA', 'x', 1, 1), (2, 'b', 'RS256', 'x', 1, 1)`)
			_, down := steps.DownTo(t.Context(), 9)
			if err = errors.Join(up, err, down); err == nil {
				err = pool.QueryRowContext(t.Context(), `select count(*) from token_keys`).Scan(&left)
			}
			if err != nil || left != 1 {
				t.Errorf("%d keys left, %v", left, err)
			}
		})
	}
}

func stepsOf(t *testing.T, dialect goose.Dialect, pool *sql.DB) *goose.Provider {
	t.Helper()
	p, err := goose.NewProvider(dialect, pool, os.DirFS("../db/schema"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
