package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx", for the migrations
)

// An act that met a deadlock or serialisation failure is tried this often in all.
const postgresTries = 8

type postgresEngine struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, c Config) (*postgresEngine, error) {
	old, err := sql.Open("pgx", c.URL)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(migrate(ctx, old, "postgres"), old.Close()); err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(c.Conns)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
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
	conn, err := e.pool.Acquire(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &pipeline{conn: conn.Conn(), begin: `begin`}
	defer t.rollback()
	tx := &Tx{ctx: ctx, conn: t}
	if err := tx.run(act); err != nil {
		return err
	}
	if err := t.commit(); err != nil {
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
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &pipeline{conn: conn.Conn(), begin: `begin isolation level repeatable read read only`}
	defer t.rollback()
	return look(&Tx{ctx: ctx, conn: t})
}

// Peek needs no transaction of its own.
func (e *postgresEngine) Peek(ctx context.Context, look func(*Tx) error) error {
	return look(&Tx{ctx: ctx, conn: peeking{e.pool}})
}

// Ping asks the server.
func (e *postgresEngine) Ping(ctx context.Context) error { return e.pool.Ping(ctx) }

// Close closes the connections.
func (e *postgresEngine) Close() error {
	e.pool.Close()
	return nil
}

// peeking is a pool that is only asked.
type peeking struct{ pool *pgxpool.Pool }

func (peeking) exec(context.Context, string, ...any) (int64, error) {
	return 0, errors.New("a Peek cannot write")
}

func (p peeking) later(ctx context.Context, query string, args ...any) error {
	_, err := p.exec(ctx, query, args...)
	return err
}

func (p peeking) query(ctx context.Context, query string, args ...any) (rows, error) {
	r, err := p.pool.Query(ctx, query, args...)
	return &pgxRows{Rows: r}, err
}

// pipeline is a transaction that saves round trips: it sends BEGIN with the first
// statement, a statement whose result nobody needs with the next one, and the last
// of those with COMMIT.
type pipeline struct {
	conn    *pgx.Conn
	begin   string // "" once it was sent
	waiting pgx.Batch
}

// first puts the statement that opens the transaction before all others.
func (t *pipeline) first() {
	if t.begin != "" {
		t.waiting.Queue(t.begin)
		t.begin = ""
	}
}

// send sends what waits, with the newest statement last, and reads the results of all but that one.
func (t *pipeline) send(ctx context.Context) (pgx.BatchResults, error) {
	batch := t.waiting
	t.waiting = pgx.Batch{}
	results := t.conn.SendBatch(ctx, &batch)
	for _, before := range batch.QueuedQueries[:len(batch.QueuedQueries)-1] {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same
			return nil, fmt.Errorf("%s: %w", firstLine(before.SQL), err)
		}
	}
	return results, nil
}

func (t *pipeline) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := t.run(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (t *pipeline) run(ctx context.Context, query string, args ...any) (tag pgconn.CommandTag, err error) {
	if t.first(); t.waiting.Len() == 0 {
		return t.conn.Exec(ctx, query, args...)
	}
	t.waiting.Queue(query, args...)
	results, err := t.send(ctx)
	if err != nil {
		return tag, err
	}
	if tag, err = results.Exec(); err != nil {
		_ = results.Close() // says the same
		return tag, err
	}
	return tag, results.Close()
}

func (t *pipeline) query(ctx context.Context, query string, args ...any) (rows, error) {
	if t.first(); t.waiting.Len() == 0 {
		r, err := t.conn.Query(ctx, query, args...)
		return &pgxRows{Rows: r}, err
	}
	t.waiting.Queue(query, args...)
	results, err := t.send(ctx)
	if err != nil {
		return nil, err
	}
	r, err := results.Query()
	if err != nil {
		_ = results.Close() // says the same
		return nil, err
	}
	return &pgxRows{r, results}, nil
}

func (t *pipeline) later(_ context.Context, query string, args ...any) error {
	t.first()
	t.waiting.Queue(query, args...)
	return nil
}

// commit has nothing to do when there was no statement.
func (t *pipeline) commit() error {
	if t.begin != "" {
		return nil
	}
	tag, err := t.run(context.Background(), `commit`)
	switch {
	case err != nil:
		return err
	case tag.String() != "COMMIT": // a statement failed and the act went on (PostgreSQL, COMMIT)
		return pgx.ErrTxCommitRollback
	}
	t.begin = committed
	return nil
}

// committed in the place of a pipeline's BEGIN: there is nothing to end.
const committed = "committed"

// rollback ends what was not committed; what still waits is never sent.
func (t *pipeline) rollback() {
	if t.begin == "" {
		t.waiting = pgx.Batch{}
		_, _ = t.conn.Exec(context.Background(), `rollback`) // a connection that cannot is closed by its pool
	}
}

// pgxRows are the rows of a statement and of the batch it came with, if any.
type pgxRows struct {
	pgx.Rows
	batch pgx.BatchResults
}

func (r *pgxRows) Columns() ([]string, error) {
	fields := r.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names, r.Rows.Err()
}

func (r *pgxRows) Close() error {
	r.Rows.Close()
	if r.batch != nil {
		return r.batch.Close()
	}
	return nil
}
