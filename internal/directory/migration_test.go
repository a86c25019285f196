package directory_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers "sqlite"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// before is what a house kept before there were partners.
var before = []string{
	`insert into organisations (id, name, created_ms) values ('o1', 'Group PLC', 1), ('o2', 'Example Ltd', 2), ('o3', 'Example Ltd', 3)`,
	`insert into accounts (id, outer_id, organisation_id, name, member_identification, hard_lease_ms, created_ms, updated_ms) values
		('a1', 'outer1', 'o1', 'North', 'always', 60000, 1, 1), ('a2', 'outer2', 'o2', 'Example Ltd', '', 0, 2, 2)`,
	`insert into users (id, organisation_id, account_id, sender_id, platform_id, email, first_name, last_name, status, type, user_type, sender, folded,
		created_ms, updated_ms) values ('u1', 'o1', 'a1', 's1', 'p1', 'mary@example.com', 'Mary', 'Doe', 'ACTIVE', 'MANAGER', '', true, 'mary', 1, 1)`,
	`insert into user_addresses (organisation_id, email, user_id) values ('o1', 'mary@example.com', 'u1')`,
}

func TestMigrationKeepsWhatWasThere(t *testing.T) { eachEmpty(t, migration) }

// eachEmpty runs a test on a database of each engine that has no tables yet.
func eachEmpty(t *testing.T, test func(t *testing.T, pool *sql.DB, dialect goose.Dialect, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "old.db")
		pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)")
		if err != nil {
			t.Fatal(err)
		}
		test(t, pool, goose.DialectSQLite3, "sqlite:"+path)
	})
	t.Run("postgres", func(t *testing.T) {
		url := dbtest.PostgresURL(t)
		pool, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		test(t, pool, goose.DialectPostgres, url)
	})
}

// uncounted are the users of a house that did not count them.
var uncounted = append(before[:len(before):len(before)],
	`insert into users (id, organisation_id, account_id, sender_id, platform_id, email, first_name, last_name, status, type, user_type, sender, folded,
		created_ms, updated_ms) values ('u2', 'o1', 'a1', 's2', 'p2', 'b@example.com', '', '', 'INVITED', 'REGULAR', '', true, '', 1, 1),
		('u3', 'o1', 'a1', 's3', 'p3', 'c@example.com', '', '', 'LOCKED', 'REGULAR', '', true, '', 1, 1),
		('u4', 'o1', 'a1', 's4', 'p4', 'd@example.com', '', '', 'INACTIVE', 'REGULAR', 'External', false, '', 1, 1),
		('u5', 'o1', 'a1', 's5', 'p5', 'e@example.com', '', '', 'ACTIVE', 'REGULAR', 'External', false, '', 1, 1)`)

func TestMigrationCountsUsers(t *testing.T) {
	eachEmpty(t, func(t *testing.T, pool *sql.DB, dialect goose.Dialect, url string) {
		defer pool.Close()
		steps, err := goose.NewProvider(dialect, pool, os.DirFS("../db/schema"))
		if err != nil {
			t.Fatal(err)
		}
		to := func(version int64, move func(context.Context, int64) ([]*goose.MigrationResult, error)) {
			t.Helper()
			if _, err := move(t.Context(), version); err != nil {
				t.Fatal(err)
			}
		}
		to(16, steps.UpTo)
		for _, s := range uncounted {
			if _, err = pool.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		to(17, steps.UpTo)
		to(16, steps.DownTo) // and back, with rows
		d, err := db.Open(t.Context(), db.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		h := &house{Directory: directory.New(d, nil), t: t, db: &dbtest.DB{DB: d}}
		counted, real := h.recounted("a1", directory.LicenceSign)
		if !maps.Equal(counted, real) || counted[" all"] != 5 || counted[directory.LicenceSign+" inactive"] != 1 {
			t.Errorf("counted %v, are %v", counted, real)
		}
		h.write(func(tx *db.Tx) error {
			if v, err := directory.Version(tx, "a1"); v == 0 || err != nil {
				t.Errorf("version %d, %v", v, err)
			}
			if _, err := directory.Deactivate(tx, "u2"); err != nil {
				return err
			}
			_, err := directory.AddUser(tx, "a1", directory.NewUser{Email: "new@example.com"}, directory.Standing{Status: directory.Active})
			return err
		})
		counted, real = h.recounted("a1", directory.LicenceSign)
		if !maps.Equal(counted, real) || counted[" all"] != 6 || counted[directory.LicenceSign+" active"] != 1 {
			t.Errorf("then counted %v, are %v", counted, real)
		}
	})
}

func migration(t *testing.T, pool *sql.DB, dialect goose.Dialect, url string) {
	t.Helper()
	defer pool.Close()
	steps, err := goose.NewProvider(dialect, pool, os.DirFS("../db/schema"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = steps.UpTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	for _, s := range before {
		if _, err = pool.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = steps.UpTo(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	if _, err = steps.DownTo(t.Context(), 8); err != nil { // and back, with rows
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), db.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(context.Background(), survived); err != nil {
		t.Error(err)
	}
	registers(t, directory.New(d, nil))
}

// registers makes partners of an organisation of before: its GUID is made with the first, and is no inner id.
func registers(t *testing.T, h *directory.Directory) {
	t.Helper()
	if _, err := h.VouchDomain(t.Context(), "Group PLC", "partner.example"); err != nil {
		t.Fatal(err)
	}
	guids := map[string]bool{}
	for _, client := range []string{"c1", "c2"} {
		p := authz.Principal{Kind: authz.Technical, Client: client, TechnicalAccount: client, Organisation: "o1"}
		out, err := h.RegisterPartner(t.Context(), p, directory.NewPartner{Name: "Vendor"})
		if guids[out.OrganisationOuterID] = true; err != nil || len(out.OrganisationOuterID) != 36 || len(guids) != 1 {
			t.Errorf("%v, %v", guids, err)
		}
	}
}

// survived looks at what before put there, and goes on with it.
func survived(tx *db.Tx) error {
	a, err := directory.AccountByOuterID(tx, "outer1")
	if err != nil {
		return err
	}
	s := a.Effective()
	if a.ID != "a1" || a.Partner != "" || len(a.Consumables) != 0 || s.MemberIdentification != directory.Always || s.HardLease.Seconds() != 60 || s.RemindAtMost != directory.NoReminders {
		return fmt.Errorf("account %+v", a)
	}
	u, err := directory.UserByEmail(tx, "a1", "mary@example.com")
	if err != nil || u.ID != "u1" || u.Provisioned || u.PrivacyAdmin || u.EmailAlias != "" || u.AccountOuterID != "outer1" {
		return fmt.Errorf("user %+v, %w", u, err)
	}
	for name, want := range map[string]string{"Group PLC": "o1", "Example Ltd": "o2"} { // the first of a name
		if id, err := directory.OrganisationNamed(tx, name); err != nil || id != want {
			return fmt.Errorf("%s is %s, %w", name, id, err)
		}
	}
	if _, err = directory.AddUser(tx, "a1", directory.NewUser{Email: "new@example.com"}, directory.Standing{Status: directory.Active}); err != nil {
		return err
	}
	_, err = directory.Deactivate(tx, "u1")
	return err
}
