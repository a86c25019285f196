package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func add(t *testing.T, d *dbtest.DB, kind, key string, payload any, after time.Duration) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return Add(tx, kind, key, payload, after) }); err != nil {
		t.Fatal(err)
	}
}

type row struct {
	State, LastError string
	Tries, Claim     int64
}

func rows(t *testing.T, d *dbtest.DB) (out []row) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		out, err = db.All[row](tx, `select state, last_error, tries, claim from jobs order by created_ms, id`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// start runs a queue until the test ends or stop is called.
func start(t *testing.T, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

func idle(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := q.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

// again is the same database as another process sees it.
func again(t *testing.T, d *dbtest.DB) *db.DB {
	t.Helper()
	if strings.HasPrefix(d.URL, "sqlite:") { // one process only
		return d.DB
	}
	other, err := db.Open(t.Context(), db.Config{URL: d.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

func TestTwoQueuesDoEachJobOnce(t *testing.T) {
	jobs := dbtest.Rounds(400, 2000)
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		var mu sync.Mutex
		done, failures := map[int]int{}, 0
		handler := func(_ context.Context, payload []byte) error {
			var n int
			if err := json.Unmarshal(payload, &n); err != nil {
				return Final(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if rand.IntN(4) == 0 {
				failures++
				return errors.New("bad luck")
			}
			done[n]++
			return nil
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range jobs {
				if err := Add(tx, "work", fmt.Sprint(i), i, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var last *Queue
		for _, database := range []*db.DB{d.DB, again(t, d)} {
			last = New(database, quiet())
			last.Handle("work", Policy{First: time.Millisecond, Max: 4 * time.Millisecond}, handler)
			start(t, last)
		}
		for pending := 1; pending > 0; { // a failed job may be due only later
			idle(t, last)
			pending = len(rows(t, d))
		}
		t.Logf("%d jobs, %d failures, %s", jobs, failures, time.Since(began).Round(time.Millisecond))
		mu.Lock()
		defer mu.Unlock()
		for i := range jobs {
			if done[i] != 1 {
				t.Errorf("job %d was done %d times", i, done[i])
			}
		}
	})
}

func TestClaimOfAKilledWorkerIsTakenOver(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		add(t, d, "work", "k", "p", 0)
		killed := New(d.DB, quiet())
		killed.Handle("work", Policy{}, nil)
		claimed, _, err := killed.claim(t.Context(), 4)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("%d claimed, %v", len(claimed), err)
		}
		heir := New(d.DB, quiet())
		ran := 0
		heir.Handle("work", Policy{}, func(context.Context, []byte) error { ran++; return nil })
		d.Shift(claimFor - 5*time.Second)
		if early, _, err := heir.claim(t.Context(), 4); err != nil || len(early) != 0 {
			t.Fatalf("claimed %d before the claim lapsed, %v", len(early), err)
		}
		d.Shift(6 * time.Second)
		taken, _, err := heir.claim(t.Context(), 4)
		if err != nil || len(taken) != 1 {
			t.Fatalf("%d taken over, %v", len(taken), err)
		}
		// The old worker wakes up: it can neither finish, fail nor keep the job.
		old := claimed[0]
		for name, act := range map[string]func(*db.Tx) error{
			"done":   func(tx *db.Tx) error { return done(tx, old) },
			"failed": func(tx *db.Tx) error { return failed(tx, old, Policy{}, errors.New("x")) },
		} {
			if err := d.Write(t.Context(), act); !errors.Is(err, errClaimLost) {
				t.Errorf("%s with a lapsed claim: %v", name, err)
			}
		}
		if kept, err := killed.renew(t.Context(), old); kept || err != nil {
			t.Errorf("renewed a lapsed claim: %v, %v", kept, err)
		}
		heir.do(t.Context(), taken[0])
		if left := rows(t, d); ran != 1 || len(left) != 0 {
			t.Errorf("ran %d times, %d rows left", ran, len(left))
		}
	})
}

// Two processes look at the same rows at once; each row goes to one of them.
func TestClaimsDoNotOverlap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		const jobs = 200
		for i := range jobs {
			add(t, d, "work", fmt.Sprint(i), i, 0)
		}
		var mu sync.Mutex
		owners := map[string]int{}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				q := New(d.DB, quiet())
				q.Handle("work", Policy{}, nil)
				for more := true; more; {
					var claimed []job
					var err error
					claimed, more, err = q.claim(t.Context(), workers)
					if err != nil {
						t.Error(err)
						return
					}
					if len(claimed) > workers {
						t.Errorf("claimed %d, more than asked for", len(claimed))
					}
					mu.Lock()
					for _, j := range claimed {
						owners[j.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(owners) != jobs {
			t.Errorf("%d of %d jobs claimed", len(owners), jobs)
		}
		for id, n := range owners {
			if n != 1 {
				t.Errorf("job %s claimed %d times", id, n)
			}
		}
	})
}

// clockwork lets a test decide when a queue's tickers tick.
func clockwork(q *Queue) (tick func(time.Duration)) {
	ticks := map[time.Duration]chan time.Time{}
	for _, every := range []time.Duration{pollEvery, claimFor / 3, pollEvery / 10} {
		ticks[every] = make(chan time.Time)
	}
	q.tick = func(every time.Duration) (<-chan time.Time, func()) { return ticks[every], func() {} }
	return func(every time.Duration) { ticks[every] <- time.Time{} }
}

func TestClaimIsRenewedWhileItsHandlerRuns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		tick := clockwork(q)
		begun, end := make(chan struct{}), make(chan struct{})
		q.Handle("work", Policy{}, func(context.Context, []byte) error { close(begun); <-end; return nil })
		add(t, d, "work", "k", nil, 0)
		stop := start(t, q)
		<-begun
		heir := New(d.DB, quiet())
		heir.Handle("work", Policy{}, nil)
		for range 4 { // 80 s in all, far beyond one claim
			d.Shift(20 * time.Second)
			tick(claimFor / 3)
			tick(claimFor / 3) // taken only when the first is worked off
			if taken, _, err := heir.claim(t.Context(), 1); err != nil || len(taken) != 0 {
				t.Fatalf("took %d running jobs over, %v", len(taken), err)
			}
		}
		close(end)
		stop()
		if left := rows(t, d); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestHandlerEndsWhenItsClaimIsLost(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		tick := clockwork(q)
		begun := make(chan struct{})
		var cause error
		q.Handle("work", Policy{}, func(ctx context.Context, _ []byte) error {
			close(begun)
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		})
		add(t, d, "work", "k", nil, 0)
		claimed, _, err := q.claim(t.Context(), 1)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("%d claimed, %v", len(claimed), err)
		}
		var running sync.WaitGroup
		running.Go(func() { q.do(t.Context(), claimed[0]) })
		<-begun
		d.Shift(claimFor + time.Second)
		heir := New(d.DB, quiet())
		heir.Handle("work", Policy{}, nil)
		if taken, _, err := heir.claim(t.Context(), 1); err != nil || len(taken) != 1 {
			t.Errorf("took %d over, %v", len(taken), err)
		}
		tick(claimFor / 3)
		running.Wait()
		if !errors.Is(cause, errClaimLost) {
			t.Errorf("ended because of %v", cause)
		}
		if left := rows(t, d); len(left) != 1 || left[0].State != "running" || left[0].Claim != 2 {
			t.Errorf("the heir's job is gone: %+v", left)
		}
	})
}

func TestRunWaitsForWhatItHasBegun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		begun, end := make(chan struct{}), make(chan struct{})
		finished := false
		q.Handle("work", Policy{}, func(ctx context.Context, _ []byte) error {
			close(begun)
			<-end
			finished = ctx.Err() == nil
			return nil
		})
		add(t, d, "work", "k", nil, 0)
		ctx, cancel := context.WithCancel(t.Context())
		returned := make(chan error)
		go func() { returned <- q.Run(ctx) }()
		<-begun
		cancel()
		select {
		case <-returned:
			t.Error("returned while a job was running")
		case end <- struct{}{}:
		}
		if err := <-returned; err != nil || !finished {
			t.Errorf("returned %v, handler finished undisturbed: %v", err, finished)
		}
		if left := rows(t, d); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestOneLiveJobForAKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		ran := 0
		q.Handle("work", Policy{}, func(context.Context, []byte) error {
			if ran++; ran == 1 {
				add(t, d, "work", "k", nil, 0) // what this run may have overlooked
				add(t, d, "work", "k", nil, 0)
			}
			return nil
		})
		add(t, d, "work", "k", nil, time.Hour)
		add(t, d, "work", "k", nil, 0) // sooner
		add(t, d, "work", "k", nil, time.Hour)
		add(t, d, "other", "k", nil, 0)
		add(t, d, "other", "", nil, 0)
		add(t, d, "other", "", nil, 0)
		if all := rows(t, d); len(all) != 4 {
			t.Fatalf("%d jobs, want 4", len(all))
		}
		for range 4 {
			work(t, q)
		}
		if ran != 2 {
			t.Errorf("ran %d times, want once and once more", ran)
		}
		if left := rows(t, d); len(left) != 3 { // other has no handler here
			t.Errorf("%d jobs left, want 3", len(left))
		}
	})
}

func TestRefusedActLeavesNoJob(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		refusal := errors.New("refused")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := Add(tx, "work", "k", nil, 0); err != nil {
				return err
			}
			return refusal
		})
		if left := rows(t, d); !errors.Is(err, refusal) || len(left) != 0 {
			t.Errorf("%v, %d jobs", err, len(left))
		}
	})
}

// A committed Add wakes a queue that has nothing else to wake it.
func TestAddWakesTheQueue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		tick := clockwork(q) // no polling but when the test says so
		ran := make(chan struct{})
		q.Handle("work", Policy{}, func(context.Context, []byte) error { ran <- struct{}{}; return nil })
		start(t, q)
		tick(pollEvery) // taken only by a queue that waits
		add(t, d, "work", "k", nil, 0)
		<-ran
	})
}

func TestPending(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		pending := func() (n int, oldest, now time.Time) {
			err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				if n, oldest, err = Pending(tx, "work"); err == nil {
					now, err = tx.Now()
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n, oldest, now
		}
		if n, oldest, _ := pending(); n != 0 || !oldest.IsZero() {
			t.Errorf("nothing: %d since %s", n, oldest)
		}
		add(t, d, "work", "a", nil, 0)
		d.Shift(time.Hour)
		add(t, d, "work", "b", nil, time.Hour)
		n, oldest, now := pending()
		if age := now.Sub(oldest); n != 2 || age < time.Hour || age > time.Hour+time.Minute {
			t.Errorf("%d pending, the oldest for %s", n, age)
		}
	})
}
