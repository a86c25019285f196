package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// A batch ends after this many acts or this long, so that the first caller is not kept waiting by the last.
const (
	batchActs = 256
	batchTime = 5 * time.Millisecond
	markEvery = time.Second
)

// sqliteEngine has one writing connection, lent to one act after the other,
// and a pool of readers.
type sqliteEngine struct {
	writer  *sql.Conn
	writing *prepared // the writer's statements
	pool    *sql.DB
	readers *sql.DB
	reading *prepared // the readers' statements
	clock   *sqliteClock
	turns   chan *turn
	closing chan struct{}
	idle    sync.WaitGroup
	once    sync.Once
}

// turn is one caller waiting for the writing connection.
type turn struct {
	lent chan queryer // the connection, yours until you close done
	done chan struct{}
	kept bool       // the act's changes stand; read after done
	lost error      // the shared transaction is gone; read after done
	end  chan error // the fate of the commit
}

func openSQLite(ctx context.Context, path string, c Config) (*sqliteEngine, error) {
	e := &sqliteEngine{clock: newSQLiteClock(c.Clock), turns: make(chan *turn), closing: make(chan struct{})}
	var drv sqlite.Driver // one driver a database, because each database has its own clock
	if err := drv.RegisterScalarFunction("clock_ms", 0, e.clock.sqlFunction); err != nil {
		return nil, err
	}
	e.pool = sql.OpenDB(connector{&drv, dsn(path, "_txlock=immediate")})
	if err := e.prepare(ctx); err != nil {
		return nil, errors.Join(err, e.pool.Close())
	}
	e.readers = sql.OpenDB(connector{&drv, dsn(path, "_pragma=query_only(1)")})
	e.readers.SetMaxOpenConns(c.Conns)
	e.readers.SetMaxIdleConns(c.Conns)
	e.writing, e.reading = prepare(e.writer), prepare(e.readers)
	e.idle.Go(e.run)
	return e, nil
}

// prepare migrates, moves the clock past its mark and takes the writing connection.
func (e *sqliteEngine) prepare(ctx context.Context) (err error) {
	if err = migrate(ctx, e.pool, "sqlite3"); err != nil {
		return err
	}
	if e.writer, err = e.pool.Conn(ctx); err != nil {
		return err
	}
	var mark int64
	if err = e.writer.QueryRowContext(ctx, `select coalesce(max(ms), 0) from clock_mark`).Scan(&mark); err != nil {
		return err
	}
	e.clock.atLeast(mark)
	return nil
}

func dsn(path, extra string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&" + extra
}

type connector struct {
	drv *sqlite.Driver
	dsn string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.drv }

// Write waits for the connection, runs act between savepoints, and waits for the commit it shares.
func (e *sqliteEngine) Write(ctx context.Context, act func(*Tx) error) error {
	t := &turn{lent: make(chan queryer, 1), done: make(chan struct{}), end: make(chan error, 1)}
	select {
	case e.turns <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.closing:
		return errors.New("the database is closed")
	}
	var err error
	tx := &Tx{ctx: ctx, clock: e.clock}
	if conn, ok := <-t.lent; ok {
		tx.conn = conn
		err = t.run(tx, act)
	}
	if fate := <-t.end; fate != nil {
		return errors.Join(err, fate)
	}
	if err == nil {
		tx.committed()
	}
	return err
}

// run gives the connection back whatever act does, panic included.
func (t *turn) run(tx *Tx, act func(*Tx) error) (err error) {
	defer close(t.done)
	if _, err = tx.conn.exec(context.Background(), `savepoint act`); err != nil {
		t.lost = err
		return err
	}
	defer func() {
		verb := `release act`
		if !t.kept {
			verb = `rollback to act; release act`
		}
		if _, e := tx.conn.exec(context.Background(), verb); e != nil {
			t.kept, t.lost = false, e
		}
	}()
	if err = tx.run(act); err == nil {
		t.kept = true
	}
	return err
}

// run lends the connection until the database is closed.
func (e *sqliteEngine) run() {
	var marked time.Duration
	for {
		select {
		case t := <-e.turns:
			e.batch(t, &marked)
		case <-e.closing:
			return
		}
	}
}

// batch runs t and whoever comes meanwhile in one transaction.
func (e *sqliteEngine) batch(t *turn, marked *time.Duration) {
	acts := []*turn{t}
	_, err := e.writer.ExecContext(context.Background(), `begin immediate`)
	if err != nil {
		close(t.lent)
		t = nil
	}
	start, keep := time.Now(), false
	for t != nil {
		t.lent <- e.writing
		<-t.done
		keep = keep || t.kept
		// SQLite may end the whole transaction when a statement fails, on a full disk for one.
		if err = t.lost; err != nil {
			break
		}
		if t = e.next(len(acts), start); t != nil {
			acts = append(acts, t)
		}
	}
	err = e.commit(err, keep, marked)
	for _, a := range acts {
		a.end <- err
	}
}

// commit ends the transaction: it commits unless err is set or there is nothing to keep.
func (e *sqliteEngine) commit(err error, keep bool, marked *time.Duration) error {
	ctx := context.Background()
	if err == nil && keep && e.clock.elapsed()-*marked > markEvery {
		*marked = e.clock.elapsed()
		_, err = e.writer.ExecContext(ctx, `insert into clock_mark (id, ms) values (1, clock_ms())
			on conflict (id) do update set ms = max(ms, excluded.ms)`)
	}
	if err == nil && keep {
		_, err = e.writer.ExecContext(ctx, `commit`)
	}
	if err != nil || !keep {
		_, _ = e.writer.ExecContext(ctx, `rollback`)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// next is the next caller of this batch, or nil.
func (e *sqliteEngine) next(acts int, start time.Time) *turn {
	if acts >= batchActs || time.Since(start) > batchTime {
		return nil
	}
	select {
	case t := <-e.turns:
		return t
	default:
		return nil
	}
}

// Read runs look in a read transaction of its own connection.
func (e *sqliteEngine) Read(ctx context.Context, look func(*Tx) error) error {
	t, err := e.readers.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	l := &looking{prepared: e.reading, in: t}
	defer l.end()
	return look(&Tx{ctx: ctx, conn: l, clock: e.clock})
}

// Peek needs no transaction of its own.
func (e *sqliteEngine) Peek(ctx context.Context, look func(*Tx) error) error {
	return look(&Tx{ctx: ctx, conn: e.reading, clock: e.clock})
}

// Ping reads something.
func (e *sqliteEngine) Ping(ctx context.Context) error {
	_, err := e.readers.ExecContext(ctx, `select count(*) from goose_db_version`)
	return err
}

// Close waits for the running batch.
func (e *sqliteEngine) Close() error {
	e.once.Do(func() { close(e.closing) })
	e.idle.Wait()
	return errors.Join(e.writing.Close(), e.reading.Close(), e.writer.Close(), e.readers.Close(), e.pool.Close())
}

// sqliteClock is the wall clock at the start plus the time elapsed since.
type sqliteClock struct {
	base    int64
	elapsed func() time.Duration
}

func newSQLiteClock(c Clock) *sqliteClock {
	if c.Wall == nil {
		start := time.Now()
		c = Clock{Wall: time.Now, Elapsed: func() time.Duration { return time.Since(start) }}
	}
	return &sqliteClock{base: c.Wall().UnixMilli() - c.Elapsed().Milliseconds(), elapsed: c.Elapsed}
}

func (c *sqliteClock) now() int64 { return c.base + c.elapsed().Milliseconds() }

// atLeast moves the clock forward to mark; called before any other use.
func (c *sqliteClock) atLeast(mark int64) {
	if behind := mark - c.now(); behind > 0 {
		c.base += behind
	}
}

func (c *sqliteClock) sqlFunction(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
	return c.now(), nil
}
