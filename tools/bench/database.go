package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
	_ "modernc.org/sqlite"             // registers "sqlite"

	"countersign.dev/internal/secret"
)

// scratchPrefix begins the name of every PostgreSQL database made and dropped here.
const scratchPrefix = "countersign_test_"

// database is a scratch database.
type database struct {
	Engine string // sqlite or postgres
	// URL is as server.Config takes it.
	URL string
	// Name is the file on SQLite.
	Name string
}

// newDatabase makes an empty one; on SQLite it lies in dir.
func newDatabase(ctx context.Context, engine, dir, name string) (database, error) {
	if engine == "sqlite" {
		file := filepath.Join(dir, name+".db")
		return database{Engine: engine, URL: "sqlite:" + file, Name: file}, nil
	}
	return postgresDatabase(ctx, "")
}

// postgresDatabase makes a database, as a copy of another unless that is "".
func postgresDatabase(ctx context.Context, of string) (d database, err error) {
	server := postgresServer()
	u, err := url.Parse(server)
	if err != nil {
		return d, err
	}
	d = database{Engine: "postgres", Name: scratchPrefix + strings.ToLower(secret.Alphanumeric(16))}
	u.Path = "/" + d.Name
	d.URL = u.String()
	statement := "create database " + d.Name
	if of != "" {
		statement += " template " + of
	}
	return d, onServer(ctx, statement)
}

func postgresServer() string {
	if server := os.Getenv("COUNTERSIGN_TEST_POSTGRES"); server != "" {
		return server
	}
	return "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"
}

func onServer(ctx context.Context, statement string) error {
	pool, err := sql.Open("pgx", postgresServer())
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, statement)
	return errors.Join(err, pool.Close())
}

// copy makes another database with the same rows. Nobody may be using d.
func (d database) copy(ctx context.Context, name string) (to database, err error) {
	if d.Engine == "postgres" {
		return postgresDatabase(ctx, d.Name)
	}
	to = database{Engine: d.Engine, Name: filepath.Join(filepath.Dir(d.Name), name+".db")}
	to.URL = "sqlite:" + to.Name
	pool, err := d.open(1)
	if err != nil {
		return to, err
	}
	_, err = pool.ExecContext(ctx, "vacuum into '"+to.Name+"'")
	return to, errors.Join(err, pool.Close())
}

// drop removes it.
func (d database) drop() error {
	if d.Engine == "postgres" {
		return onServer(context.Background(), fmt.Sprintf("drop database if exists %s with (force)", d.Name))
	}
	return os.Remove(d.Name)
}

// open opens it by the driver alone, with the durability the server asks for.
func (d database) open(conns int) (*sql.DB, error) {
	driver, dsn := "pgx", d.URL
	if d.Engine == "sqlite" {
		driver = "sqlite"
		dsn = "file:" + (&url.URL{Path: d.Name}).EscapedPath() + "?_pragma=journal_mode(wal)&_pragma=synchronous(full)" +
			"&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_txlock=immediate"
	}
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// settle leaves a filled database as it is some time later: PostgreSQL would
// otherwise vacuum and analyse it in the middle of the measurement.
func (d database) settle(ctx context.Context, pool *sql.DB) error {
	statement := "vacuum analyze"
	if d.Engine == "sqlite" {
		statement = "pragma wal_checkpoint(truncate)"
	}
	_, err := pool.ExecContext(ctx, statement)
	return err
}

// commits counts durable commits since the file was made, on SQLite: iChange in
// the header of the WAL index (sqlite.org/walformat.html, offset 8), which every
// commit raises by one.
func (d database) commits() (uint32, error) {
	f, err := os.Open(d.Name + "-shm")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	header := make([]byte, 12)
	_, err = f.ReadAt(header, 0)
	return binary.NativeEndian.Uint32(header[8:]), err
}
