// Package dbtest gives tests real databases: SQLite always, PostgreSQL when
// there is one. Scratch databases are named countersign_test_… and dropped when
// the test ends.
//
// PostgreSQL is taken from COUNTERSIGN_TEST_POSTGRES, else from 127.0.0.1:5432
// if that answers. Without one the PostgreSQL half of a test is skipped and says
// so, or fails when COUNTERSIGN_TEST_STRICT is set, as it is in continuous
// integration.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// Each runs test on every engine.
func Each(t *testing.T, test func(t *testing.T, d *DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// DB is a scratch database whose clock the test can shift.
type DB struct {
	*db.DB
	// URL opens the same database again, on PostgreSQL also from another process.
	URL   string
	shift func(time.Duration)
}

// Shift moves the database's clock by d from now on.
func (d *DB) Shift(by time.Duration) { d.shift(by) }

// SQLite opens a scratch database in a folder of the test.
func SQLite(t testing.TB) *DB {
	t.Helper()
	var shifted atomic.Int64
	start := time.Now()
	clock := db.Clock{Wall: time.Now, Elapsed: func() time.Duration {
		return time.Since(start) + time.Duration(shifted.Load())
	}}
	file := filepath.Join(t.TempDir(), "test.db")
	migrated, err := migratedSQLite()
	if err == nil {
		err = os.WriteFile(file, migrated, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	url := "sqlite:" + file
	return open(t, db.Config{URL: url, Clock: clock}, func(by time.Duration) { shifted.Add(int64(by)) })
}

// Postgres makes a scratch database, or skips the test when there is no server.
func Postgres(t testing.TB) *DB {
	t.Helper()
	url := postgresURL(t, func(admin *sql.DB) (string, error) { return template(t.Context(), admin) })
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return open(t, db.Config{URL: url}, func(by time.Duration) {
		if _, err := pool.Exec(`update test_clock set shift = shift + $1`, by.Milliseconds()); err != nil {
			t.Fatal(err)
		}
	})
}

const shiftableClock = `create table test_clock (shift bigint not null);
insert into test_clock values (0);
create function clock_ms() returns bigint language sql volatile
	as 'select (extract(epoch from clock_timestamp()) * 1000)::bigint + (select shift from test_clock)'`

func open(t testing.TB, c db.Config, shift func(time.Duration)) *DB {
	t.Helper()
	d, err := db.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return &DB{DB: d, URL: c.URL, shift: shift}
}

// PostgresURL makes an empty scratch database and returns its URL.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return postgresURL(t, func(*sql.DB) (string, error) { return "template1", nil })
}

// postgresURL makes a scratch database as a copy of another.
func postgresURL(t testing.TB, of func(admin *sql.DB) (string, error)) string {
	t.Helper()
	server := postgresServer()
	if server == "" {
		Missing(t, "no PostgreSQL: set COUNTERSIGN_TEST_POSTGRES or start one on 127.0.0.1:5432")
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := "countersign_test_" + strings.ToLower(secret.Alphanumeric(16))
	for tries := 1; ; tries++ { // another run, of another schema, may drop the template just now
		original, err := of(admin)
		if err == nil {
			_, err = admin.Exec("create database " + name + " template " + original)
		}
		if err == nil { // tests kill servers of ours and never PostgreSQL: it need not wait for the disk
			_, err = admin.Exec("alter database " + name + " set synchronous_commit = off")
		}
		if err == nil {
			break
		}
		if tries == 5 {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(fmt.Sprintf("drop database if exists %s with (force)", name))
		admin.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// postgresServer is the URL of a server that answers, or "".
var postgresServer = sync.OnceValue(func() string {
	server := os.Getenv("COUNTERSIGN_TEST_POSTGRES")
	if server == "" {
		server = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"
	}
	pool, err := sql.Open("pgx", server)
	if err != nil {
		return ""
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if pool.PingContext(ctx) != nil {
		return ""
	}
	return server
})

// Rounds is how often a race, a kill or a property is tried: usual times, or as
// often as COUNTERSIGN_SOAK says and at most most times, under `make soak`.
func Rounds(usual, most int) int {
	if n, err := strconv.Atoi(os.Getenv("COUNTERSIGN_SOAK")); err == nil && n > 0 {
		return min(n, most)
	}
	return usual
}

// Missing skips a test for want of something on the machine, or fails it where nothing may be missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("COUNTERSIGN_TEST_STRICT") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
