package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"countersign.dev/internal/db"
)

// A database with the schema is made once and copied for each test: carrying out
// two dozen migrations takes longer than many a test.

// migratedSQLite is the file of a database that is empty but for the schema.
var migratedSQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "countersign-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "template.db")
	d, err := db.Open(context.Background(), db.Config{URL: "sqlite:" + file})
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// templatePrefix begins the names of PostgreSQL's templates; what follows is the hash of the schema.
const templatePrefix = "countersign_template_"

// making is the key of the advisory lock under which a template is made.
const making = 7_302_114_908

// template makes sure that there is a database with the present schema and the clock that tests shift, and returns its name.
// It stays for the next run; those of other schemas are dropped.
func template(ctx context.Context, admin *sql.DB) (string, error) {
	name := templatePrefix + schemaHash()
	conn, err := admin.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if found, err := has(ctx, conn, name); found || err != nil {
		return name, err
	}
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock($1)", making); err != nil {
		return "", err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", making) //nolint:errcheck // it goes with the connection
	if found, err := has(ctx, conn, name); found || err != nil {
		return name, err
	}
	if err := dropTemplates(ctx, conn); err != nil {
		return "", err
	}
	unfinished := templatePrefix + "unfinished"
	if _, err := conn.ExecContext(ctx, "create database "+unfinished); err != nil {
		return "", err
	}
	if err := migrate(ctx, unfinished); err != nil {
		return "", err
	}
	_, err = conn.ExecContext(ctx, "alter database "+unfinished+" rename to "+name)
	return name, err
}

func schemaHash() string {
	sum := sha256.Sum256([]byte(db.SchemaText() + shiftableClock))
	return hex.EncodeToString(sum[:8])
}

func has(ctx context.Context, conn *sql.Conn, name string) (found bool, err error) {
	err = conn.QueryRowContext(ctx, "select exists (select 1 from pg_database where datname = $1)", name).Scan(&found)
	return found, err
}

// dropTemplates removes those of other schemas. One that another run copies just now stays until the next time.
func dropTemplates(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "select datname from pg_database where datname like $1", templatePrefix+"%")
	if err != nil {
		return err
	}
	var old []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		old = append(old, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range old {
		_, _ = conn.ExecContext(ctx, "drop database if exists "+name)
	}
	return nil
}

// migrate opens the database once, which carries out the migrations.
func migrate(ctx context.Context, name string) error {
	u, err := url.Parse(postgresServer())
	if err != nil {
		return err
	}
	u.Path = "/" + name
	pool, err := sql.Open("pgx", u.String())
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, shiftableClock)
	if err = errors.Join(err, pool.Close()); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	d, err := db.Open(ctx, db.Config{URL: u.String()})
	if err != nil {
		return err
	}
	return d.Close()
}
