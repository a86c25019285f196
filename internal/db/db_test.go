package db_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

func exec(t *testing.T, d *dbtest.DB, sql string, args ...any) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(sql, args...); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func read[T any](t *testing.T, d *db.DB, sql string, args ...any) (v T) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) { v, err = db.One[T](tx, sql, args...); return err })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRefusedActLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (id bigint primary key, n bigint)`)
		refused := errors.New("refused")
		committed := false
		var wg sync.WaitGroup
		for i := range 50 { // odd ones are refused in the middle of batches of others
			wg.Go(func() {
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					if _, err := tx.Exec(`insert into t values ($1, 1)`, i); err != nil {
						return err
					}
					if i%2 == 1 {
						tx.OnCommit(func() { committed = true })
						return refused
					}
					return nil
				})
				if want := i%2 == 1; errors.Is(err, refused) != want {
					t.Errorf("act %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := read[int](t, d.DB, `select count(*) from t`); n != 25 {
			t.Errorf("%d rows, want 25", n)
		}
		if committed {
			t.Error("OnCommit of a refused act was called")
		}
	})
}

func TestPanicGivesTheConnectionBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (id bigint primary key)`)
		func() {
			defer func() { _ = recover() }()
			_ = d.Write(t.Context(), func(tx *db.Tx) error {
				_, _ = tx.Exec(`insert into t values (1)`)
				panic("act")
			})
		}()
		exec(t, d, `insert into t values (2)`)
		if n := read[int](t, d.DB, `select count(*) from t`); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

func TestCancelledCallerDoesNotHurtItsBatch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (id bigint primary key)`)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := d.Write(ctx, func(tx *db.Tx) error {
					if _, err := tx.Exec(`insert into t values ($1)`, i); err != nil {
						return err
					}
					if i%4 == 0 {
						cancel()
					}
					_, err := tx.Exec(`select 1`)
					return err
				})
				if (err != nil) != (i%4 == 0) {
					t.Errorf("act %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n := read[int](t, d.DB, `select count(*) from t`); n != 30 {
			t.Errorf("%d rows, want 30", n)
		}
	})
}

func TestReadCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		err := d.Read(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`delete from clock_mark`); return err })
		if err == nil {
			t.Error("a Read deleted rows")
		}
	})
}

func TestRowsMapsColumns(t *testing.T) {
	type row struct {
		ID      string `db:"id"`
		SentMs  *int64
		Trashed bool
		Data    db.JSON[map[string]int]
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (id text, sent_ms bigint, trashed boolean, data text)`)
		exec(t, d, `insert into t values ($1, $2, $3, $4)`, "a", nil, true, db.AsJSON(map[string]int{"n": 7}))
		r := read[row](t, d.DB, `select * from t`)
		if r.ID != "a" || r.SentMs != nil || !r.Trashed || r.Data.V["n"] != 7 {
			t.Errorf("got %+v", r)
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			if _, err := db.One[row](tx, `select id, 1 as unknown from t`); err == nil {
				t.Error("a column without a field went unnoticed")
			}
			_, err := db.One[string](tx, `select id from t where id = 'z'`)
			return err
		})
		if !errors.Is(err, db.ErrNone) {
			t.Errorf("no row: %v", err)
		}
	})
}

func TestClockShifts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		before := read[int64](t, d.DB, `select clock_ms()`)
		d.Shift(time.Hour)
		after := read[int64](t, d.DB, `select clock_ms()`)
		if moved := after - before; moved < time.Hour.Milliseconds() || moved > time.Hour.Milliseconds()+60_000 {
			t.Errorf("moved by %d ms", moved)
		}
	})
}

// G7: the wall clock is read once, and a restart with a clock set back does not turn time back.
func TestG7WallClockSetBackBeforeRestart(t *testing.T) {
	path := "sqlite:" + filepath.Join(t.TempDir(), "clock.db")
	wall := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	elapsed := time.Duration(0)
	start := func() *db.DB {
		d, err := db.Open(t.Context(), db.Config{URL: path, Clock: db.Clock{
			Wall:    func() time.Time { return wall },
			Elapsed: func() time.Duration { return elapsed },
		}})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := start()
	elapsed = 2 * time.Second
	wall = wall.Add(-time.Hour) // someone sets the clock while the server runs
	if now := read[int64](t, d, `select clock_ms()`); now != wall.Add(time.Hour+2*time.Second).UnixMilli() {
		t.Fatalf("the running clock moved to %s", db.Time(now))
	}
	write(t, d, `create table t (id bigint)`)
	was := read[int64](t, d, `select clock_ms()`)
	d.Close()
	d = start()
	defer d.Close()
	if now := read[int64](t, d, `select clock_ms()`); now < was {
		t.Errorf("time went back by %d ms over a restart", was-now)
	}
}

func write(t *testing.T, d *db.DB, sql string) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(sql); return err }); err != nil {
		t.Fatal(err)
	}
}

func TestReplicasMigrateTogether(t *testing.T) {
	url := dbtest.PostgresURL(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d, err := db.Open(t.Context(), db.Config{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			d.Close()
		})
	}
	wg.Wait()
}

// A Peek reads like a Read and cannot write either.
func TestPeek(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (n bigint)`)
		for n := range 3 { // the second time on a statement compiled before
			exec(t, d, `insert into t (n) values ($1)`, n)
			err := d.Peek(t.Context(), func(tx *db.Tx) error {
				seen, err := db.One[int](tx, `select count(*) from t`)
				if err == nil && seen != n+1 {
					t.Errorf("%d rows are seen, not %d", seen, n+1)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Peek(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`delete from t`); return err }); err == nil {
			t.Error("a Peek writes")
		}
	})
}

// As many readers as there are connections, each asking something new, do not wait for one more.
func TestColdReadersDoNotHang(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		const readers = 16
		var inside, wg sync.WaitGroup
		inside.Add(readers)
		for i := range readers {
			wg.Go(func() {
				err := d.Read(t.Context(), func(tx *db.Tx) error {
					inside.Done()
					inside.Wait()
					if n, err := db.One[int](tx, fmt.Sprintf(`select %d + 1`, i)); err != nil || n != i+1 {
						return fmt.Errorf("%d, %w", n, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func BenchmarkRead(b *testing.B) {
	for name, d := range map[string]*dbtest.DB{"sqlite": dbtest.SQLite(b), "postgres": dbtest.Postgres(b)} {
		err := d.Write(b.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`create table t (id text primary key)`)
			if err == nil {
				_, err = tx.Exec(`insert into t values ('a')`)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		for way, run := range map[string]func(context.Context, func(*db.Tx) error) error{"read": d.Read, "peek": d.Peek} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := run(b.Context(), func(tx *db.Tx) error { _, err := db.One[string](tx, `select id from t where id = $1`, "a"); return err }); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, d := range map[string]*dbtest.DB{"sqlite": dbtest.SQLite(b), "postgres": dbtest.Postgres(b)} {
		err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`create table t (id text primary key)`); return err })
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := d.Write(b.Context(), func(tx *db.Tx) error {
						_, err := tx.Exec(`insert into t values ($1)`, fmt.Sprint(time.Now().UnixNano(), b.N, new(int)))
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// Rows of several tables in one come apart at a column that a part has not, or has already.
func TestRowsOfSeveralTables(t *testing.T) {
	type left struct{ ID, Name string }
	type right struct {
		ID   string
		Size int
	}
	type both struct {
		Many  int
		Left  left  `db:"*"`
		Right right `db:"*"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table l (id text, name text)`)
		exec(t, d, `create table r (id text, size bigint)`)
		exec(t, d, `insert into l values ('a', 'one')`)
		exec(t, d, `insert into r values ('b', 2)`)
		if got, want := read[both](t, d.DB, `select 7 as many, l.*, r.* from l join r on true`), (both{7, left{"a", "one"}, right{"b", 2}}); got != want {
			t.Errorf("got %+v", got)
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			_, err := db.One[both](tx, `select 7 as many, r.*, l.* from l join r on true`)
			return err
		})
		if err == nil {
			t.Error("parts in another order went unnoticed")
		}
	})
}

// What is put off is written once, after the act and in its transaction; an error of it undoes the act, and what it puts
// off itself is written, too.
func TestBeforeCommit(t *testing.T) {
	type word string
	type number int
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		exec(t, d, `create table t (id bigint primary key, n bigint)`)
		refused := errors.New("refused")
		var order []string
		act := func(fail bool) error {
			return d.Write(t.Context(), func(tx *db.Tx) error {
				order = nil
				numbers := func(tx *db.Tx, all []number) error {
					order = append(order, fmt.Sprint(all))
					if fail {
						return refused
					}
					return nil
				}
				words := func(tx *db.Tx, all []word) error {
					order = append(order, fmt.Sprint(all))
					db.BeforeCommit(tx, number(len(all)), numbers)
					return tx.Later(`update t set n = n + $1`, len(all))
				}
				tx.OnCommit(func() { order = append(order, "committed") })
				db.BeforeCommit(tx, word("a"), words)
				if _, err := tx.Exec(`insert into t values (1, 1)`); err != nil {
					return err
				}
				db.BeforeCommit(tx, word("b"), words)
				order = append(order, "act")
				return nil
			})
		}
		if err := act(true); !errors.Is(err, refused) {
			t.Errorf("%v", err)
		}
		if n := read[int](t, d.DB, `select count(*) from t`); n != 0 || fmt.Sprint(order) != "[act [a b] [2]]" {
			t.Errorf("%d rows of what was refused: %v", n, order)
		}
		if err := act(false); err != nil {
			t.Error(err)
		}
		if n := read[int](t, d.DB, `select n from t`); n != 3 || fmt.Sprint(order) != "[act [a b] [2] committed]" {
			t.Errorf("n is %d: %v", n, order)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			db.BeforeCommit(tx, word("never"), func(*db.Tx, []word) error { t.Error("written for an act that failed"); return nil })
			return refused
		})
		if !errors.Is(err, refused) {
			t.Error(err)
		}
	})
}
