package db

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
)

// An act that met a deadlock or serialisation failure is tried this often in all.
const postgresTries = 8

type postgresEngine struct{ pool *sql.DB }

func openPostgres(ctx context.Context, c Config) (*postgresEngine, error) {
	pool, err := sql.Open("pgx", c.URL)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(c.Conns)
	pool.SetMaxIdleConns(c.Conns)
	if err := migrate(ctx, pool, "postgres"); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &postgresEngine{pool}, nil
}

// Write runs act at READ COMMITTED, again after a deadlock.
func (e *postgresEngine) Write(ctx context.Context, act func(*Tx) error) (err error) {
	for range postgresTries {
		if err = e.once(ctx, act); !passing(err) {
			return err
		}
	}
	return err
}

func (e *postgresEngine) once(ctx context.Context, act func(*Tx) error) error {
	// The transaction outlives a caller that went away: a cancelled commit may or may not have happened.
	t, err := e.pool.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer t.Rollback() //nolint:errcheck // does nothing after a commit
	tx := &Tx{ctx: ctx, conn: t}
	if err := act(tx); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return err
	}
	tx.committed()
	return nil
}

// passing reports a failure that another try may not meet: 40001 serialisation failure, 40P01 deadlock.
func passing(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "40001" || pg.Code == "40P01")
}

// Read runs look on one snapshot, as SQLite does.
func (e *postgresEngine) Read(ctx context.Context, look func(*Tx) error) error {
	t, err := e.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer t.Rollback() //nolint:errcheck // nothing to keep
	return look(&Tx{ctx: ctx, conn: t})
}

// Peek needs no transaction of its own.
func (e *postgresEngine) Peek(ctx context.Context, look func(*Tx) error) error {
	return look(&Tx{ctx: ctx, conn: peeking{e.pool}})
}

// peeking is a pool that is only asked.
type peeking struct{ queryer }

func (peeking) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errors.New("a Peek cannot write")
}

// Ping asks the server.
func (e *postgresEngine) Ping(ctx context.Context) error { return e.pool.PingContext(ctx) }

// Close closes the connections.
func (e *postgresEngine) Close() error { return e.pool.Close() }
