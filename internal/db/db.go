package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNone is returned where a query had no row.
var ErrNone = errors.New("no row")

// Config says which database to open.
type Config struct {
	// URL is "sqlite:PATH" or "postgres://…".
	URL string
	// Conns is the number of connections, of readers on SQLite; 0 is 16.
	Conns int
	// Clock is where SQLite's time comes from; zero is the machine's. PostgreSQL brings its own.
	Clock Clock
}

// Clock is a source of time for an engine that has none of its own.
type Clock struct {
	// Wall is read once, when the database is opened.
	Wall func() time.Time
	// Elapsed is monotonic time since some fixed moment.
	Elapsed func() time.Duration
}

// DB is an open database of the newest schema.
type DB struct{ engine }

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	// Write runs act in one transaction and returns when it is durable, or its error when nothing was changed.
	Write(ctx context.Context, act func(*Tx) error) error
	// Read runs look on one snapshot.
	Read(ctx context.Context, look func(*Tx) error) error
	// Peek runs look, which makes a single statement unless it has to find out why that found nothing, and so needs
	// no snapshot: half the price of Read.
	Peek(ctx context.Context, look func(*Tx) error) error
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Close finishes running acts and closes.
	Close() error
}

// Open opens the database and brings its schema up to date.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Conns == 0 {
		c.Conns = 16
	}
	scheme, rest, _ := strings.Cut(c.URL, ":")
	var e engine
	var err error
	switch scheme {
	case "sqlite":
		e, err = openSQLite(ctx, rest, c)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, c)
	default:
		err = errors.New("the database URL begins with neither sqlite: nor postgres:, which are the two engines")
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &DB{e}, nil
}

// Tx is one transaction. It is not safe for use by several goroutines.
type Tx struct {
	ctx      context.Context
	conn     queryer
	clock    *sqliteClock // of an engine whose time is known without asking; else nil
	onCommit []func()
	last     []gathering // what is written just before the commit
}

// queryer runs statements of one transaction.
type queryer interface {
	exec(ctx context.Context, query string, args ...any) (changed int64, err error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	// later may wait for the next statement, or the commit, which then fails if this one does.
	later(ctx context.Context, query string, args ...any) error
}

// rows is what both drivers answer with.
type rows interface {
	Columns() ([]string, error)
	Next() bool
	Scan(into ...any) error
	Err() error
	Close() error
}

// Context is the act's context.
func (tx *Tx) Context() context.Context { return tx.ctx }

// OnCommit has f called once the act is durable, and never if it is not.
func (tx *Tx) OnCommit(f func()) { tx.onCommit = append(tx.onCommit, f) }

// gathering is what an act put off until just before its commit.
type gathering interface{ write(*Tx) error }

type gathered[T any] struct {
	items []T
	with  func(*Tx, []T) error
}

func (g *gathered[T]) write(tx *Tx) error { return g.with(tx, g.items) }

// BeforeCommit puts item off until act has returned nil: write is then called once, in the act's transaction, with all
// items of the type T in the order in which they were put off, and its error undoes the act. T belongs to one caller,
// whose first write is the one that is called. It is for rows that many acts change: they are locked for the commit
// alone, after all that the act locks for itself. Of a Read nothing is written.
func BeforeCommit[T any](tx *Tx, item T, write func(*Tx, []T) error) {
	for _, other := range tx.last {
		if g, same := other.(*gathered[T]); same {
			g.items = append(g.items, item)
			return
		}
	}
	tx.last = append(tx.last, &gathered[T]{[]T{item}, write})
}

// run is the act and what it put off; what that puts off in turn comes after it.
func (tx *Tx) run(act func(*Tx) error) error {
	if err := act(tx); err != nil {
		return err
	}
	for len(tx.last) > 0 {
		first := tx.last[0]
		tx.last = tx.last[1:]
		if err := first.write(tx); err != nil {
			return err
		}
	}
	return nil
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (changed int64, err error) {
	if err := tx.ctx.Err(); err != nil {
		return 0, err
	}
	// A statement is not interrupted half-way: on SQLite that would undo the acts it shares a commit with.
	changed, err = tx.conn.exec(context.WithoutCancel(tx.ctx), query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", firstLine(query), err)
	}
	return changed, nil
}

// Later runs a statement about which nobody asks how many rows it changed. It
// takes effect before the next statement or the commit, and its error may be
// theirs: on PostgreSQL it travels with them.
func (tx *Tx) Later(query string, args ...any) error {
	if err := tx.ctx.Err(); err != nil {
		return err
	}
	if err := tx.conn.later(context.WithoutCancel(tx.ctx), query, args...); err != nil {
		return fmt.Errorf("%s: %w", firstLine(query), err)
	}
	return nil
}

// Now is the database's time.
func (tx *Tx) Now() (time.Time, error) {
	if tx.clock != nil {
		return Time(tx.clock.now()), nil
	}
	ms, err := One[int64](tx, `select clock_ms()`)
	return Time(ms), err
}

// Time is the time of a column that holds epoch milliseconds.
func Time(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func (tx *Tx) committed() {
	for _, f := range tx.onCommit {
		f()
	}
}

// firstLine keeps errors short; statements hold no values, so it holds no secrets.
func firstLine(query string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(query), "\n")
	if len(line) > 80 {
		line = line[:80] + "…"
	}
	return line
}
