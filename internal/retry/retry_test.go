package retry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/retry"
)

// world counts effects: rows of a table of its own.
type world struct {
	t     *testing.T
	db    *dbtest.DB
	retry *retry.Retry
	queue *jobs.Queue
}

func newWorld(t *testing.T, d *dbtest.DB) *world {
	q := jobs.New(d.DB, slog.New(slog.DiscardHandler))
	w := &world{t, d, retry.New(d.DB, q), q}
	w.exec(`create table effects (id text primary key)`)
	return w
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	check(w.t, w.db.Write(w.t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err }))
}

func (w *world) count(query string) (n int) {
	w.t.Helper()
	check(w.t, w.db.Read(w.t.Context(), func(tx *db.Tx) (err error) { n, err = db.One[int](tx, query); return err }))
	return n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// act has an effect under an id, in the context of a claim.
func (w *world) act(ctx context.Context, id string) error {
	return w.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`insert into effects (id) values ($1)`, id); err != nil {
			return err
		}
		return retry.Made(tx, id)
	})
}

func call(key, body string) retry.Call {
	return retry.Call{Account: "acc", Caller: "ann", Operation: "POST /packages", Key: key, Body: []byte(body)}
}

func answer(body string) retry.Answer {
	return retry.Answer{Status: 201, Header: map[string]string{"X-Notice": "n"}, Body: json.RawMessage(body)}
}

func each(t *testing.T, test func(w *world)) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) { test(newWorld(t, d)) })
}

// mine claims a call that is nobody's yet.
func (w *world) mine(c retry.Call) context.Context {
	w.t.Helper()
	ctx, prior, err := w.retry.Begin(w.t.Context(), c)
	if err != nil || prior != nil {
		w.t.Fatalf("%+v, %v", prior, err)
	}
	return ctx
}

func (w *world) refused(c retry.Call, what string) {
	w.t.Helper()
	if _, prior, err := w.retry.Begin(w.t.Context(), c); !errs.Is(err, what) {
		w.t.Errorf("%+v, %v, want %s", prior, err, what)
	}
}

// Attack T10: the answer that was kept is given again, and a key does not stand for two calls.
func TestT10Replay(t *testing.T) {
	each(t, func(w *world) {
		c := call("k", "a")
		ctx := w.mine(c)
		w.refused(c, "idempotency_key.in_progress")
		check(w.t, w.act(ctx, "1"))
		if kept, err := w.retry.Keep(ctx, c, answer(`{"id":"1"}`)); err != nil || string(kept.Body) != `{"id":"1"}` {
			w.t.Errorf("%+v, %v", kept, err)
		}
		_, prior, err := w.retry.Begin(w.t.Context(), c)
		if err != nil || prior == nil || prior.Made != "1" || prior.Answer == nil || prior.Answer.Status != 201 ||
			string(prior.Answer.Body) != `{"id":"1"}` || prior.Answer.Header["X-Notice"] != "n" {
			w.t.Errorf("%+v, %v", prior, err)
		}
		w.refused(call("k", "b"), "idempotency_key.reused")
		if kept, err := w.retry.Keep(ctx, c, answer(`{"id":"other"}`)); err != nil || string(kept.Body) != `{"id":"1"}` {
			w.t.Errorf("a second answer was kept: %+v, %v", kept, err)
		}
		check(w.t, w.retry.Free(ctx))
		if _, prior, err := w.retry.Begin(w.t.Context(), c); err != nil || prior == nil {
			w.t.Errorf("what was made was freed: %v", err)
		}
	})
}

// Attack T10: a process that died before the act holds the key for a minute; if it comes back later its act does not happen.
func TestT10CrashBeforeTheAct(t *testing.T) {
	each(t, func(w *world) {
		c := call("k", "a")
		lost := w.mine(c)
		w.db.Shift(retry.Lapse - time.Second)
		w.refused(c, "idempotency_key.in_progress")
		w.db.Shift(2 * time.Second)
		again := w.mine(c)
		if err := w.act(lost, "lost"); !errs.Is(err, "idempotency_key.in_progress") {
			w.t.Errorf("a lapsed attempt acted: %v", err)
		}
		check(w.t, w.retry.Free(lost)) // of another attempt: nothing
		check(w.t, w.act(again, "2"))
		if n := w.count(`select count(*) from effects`); n != 1 {
			w.t.Errorf("%d effects", n)
		}
	})
}

// A lapsed attempt that nobody has followed may still act.
func TestT10SlowAct(t *testing.T) {
	each(t, func(w *world) {
		ctx := w.mine(call("k", "a"))
		w.db.Shift(2 * retry.Lapse)
		check(w.t, w.act(ctx, "1"))
		if _, prior, err := w.retry.Begin(w.t.Context(), call("k", "a")); err != nil || prior == nil || prior.Made != "1" {
			w.t.Errorf("%+v, %v", prior, err)
		}
	})
}

// Attack T10: a process that died between the commit and the answer leaves what it made.
func TestT10CrashAfterTheAct(t *testing.T) {
	each(t, func(w *world) {
		c := call("k", "a")
		check(w.t, w.act(w.mine(c), "1"))
		ctx, prior, err := w.retry.Begin(w.t.Context(), c)
		if err != nil || prior == nil || prior.Made != "1" || prior.Answer != nil {
			w.t.Fatalf("%+v, %v", prior, err)
		}
		if _, err := w.retry.Keep(ctx, c, answer(`{"id":"1"}`)); err != nil {
			w.t.Fatal(err)
		}
		if _, prior, err = w.retry.Begin(w.t.Context(), c); err != nil || prior == nil || prior.Answer == nil {
			w.t.Errorf("the answer worded anew was not kept: %+v, %v", prior, err)
		}
	})
}

// A key is one caller's for one operation, and free again after an act that did not happen.
func TestT10KeysAreApart(t *testing.T) {
	each(t, func(w *world) {
		base := call("k", "a")
		for _, c := range []retry.Call{base,
			{Account: "other", Caller: base.Caller, Operation: base.Operation, Key: "k", Body: []byte("b")},
			{Account: base.Account, Caller: "bob", Operation: base.Operation, Key: "k", Body: []byte("b")},
			{Account: base.Account, Caller: base.Caller, Operation: "POST /groups", Key: "k", Body: []byte("b")},
			call("K", "b"),
		} {
			w.mine(c)
		}
		ctx := w.mine(call("free", "a"))
		check(w.t, w.retry.Free(ctx))
		w.mine(call("free", "b"))
	})
}

// Attack T10: of many callers at the same moment one acts.
func TestT10Concurrent(t *testing.T) {
	each(t, func(w *world) {
		for round := range dbtest.Rounds(5, 40) {
			c := call(fmt.Sprint("k", round), "a")
			var acting sync.WaitGroup
			for i := range 16 {
				acting.Go(func() {
					ctx, prior, err := w.retry.Begin(w.t.Context(), c)
					switch {
					case err == nil && prior == nil:
						id := fmt.Sprint(round, "-", i)
						if err := w.act(ctx, id); err != nil {
							w.t.Error(err)
						}
						if _, err := w.retry.Keep(ctx, c, answer(`{}`)); err != nil {
							w.t.Error(err)
						}
					case err != nil && !errs.Is(err, "idempotency_key.in_progress"):
						w.t.Error(err)
					}
				})
			}
			acting.Wait()
			if n := w.count(`select count(*) from effects`); n != round+1 {
				w.t.Fatalf("%d effects of %d keys", n, round+1)
			}
		}
	})
}

// After a day a key is forgotten, and its row removed.
func TestT10Expiry(t *testing.T) {
	each(t, func(w *world) {
		check(w.t, w.act(w.mine(call("old", "a")), "1"))
		w.db.Shift(retry.Life - time.Minute)
		w.refused(call("old", "b"), "idempotency_key.reused")
		w.db.Shift(2 * time.Minute)
		w.mine(call("old", "b"))
		w.mine(call("gone", "a"))
		ctx, stop := context.WithCancel(w.t.Context())
		done := make(chan error, 1)
		go func() { done <- w.queue.Run(ctx) }()
		w.db.Shift(retry.Life + time.Hour + time.Minute)
		check(w.t, w.queue.Idle(w.t.Context()))
		stop()
		check(w.t, <-done)
		if n := w.count(`select count(*) from retries`); n != 0 {
			w.t.Errorf("%d rows are left", n)
		}
	})
}

// Without a key nothing is remembered.
func TestMadeWithoutAKey(t *testing.T) {
	each(t, func(w *world) {
		check(w.t, w.act(w.t.Context(), "1"))
		if n := w.count(`select count(*) from retries`); n != 0 {
			w.t.Errorf("%d rows", n)
		}
	})
}
