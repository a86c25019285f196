package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

func TestFailuresAndTries(t *testing.T) {
	always := errors.New("always")
	for name, c := range map[string]struct {
		policy Policy
		err    error
		ran    int
		state  string
		text   string
	}{
		"tries used up": {Policy{Tries: 3, First: 1}, always, 3, "failed", "always"},
		"final":         {Policy{Tries: 3, First: 1}, fmt.Errorf("wrapped: %w", Final(always)), 1, "failed", "wrapped: always"},
		"panic":         {Policy{Tries: 2, First: 1}, nil, 2, "failed", "panic: at the disco"},
		"time is up":    {Policy{Tries: 1, Timeout: time.Millisecond}, context.DeadlineExceeded, 1, "failed", "context deadline exceeded"},
		"hostile text":  {Policy{Tries: 1}, errors.New("a\x00\xff" + strings.Repeat("é", 5000)), 1, "failed", "aé"},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				q := New(d.DB, quiet())
				ran := 0
				q.Handle("work", c.policy, func(ctx context.Context, _ []byte) error {
					ran++
					switch c.err {
					case nil:
						panic("at the disco")
					case context.DeadlineExceeded:
						<-ctx.Done()
						return ctx.Err()
					}
					return c.err
				})
				add(t, d, "work", "k", nil, 0)
				for range 6 {
					work(t, q)
				}
				left := rows(t, d)
				if ran != c.ran || len(left) != 1 || left[0].State != c.state || !strings.HasPrefix(left[0].LastError, c.text) || len(left[0].LastError) > maxError {
					t.Errorf("ran %d times, left %+v", ran, left)
				}
				var failures int
				err := d.Read(t.Context(), func(tx *db.Tx) (err error) { failures, err = Failed(tx, "work"); return err })
				if err != nil || failures != 1 {
					t.Errorf("%d failed, %v", failures, err)
				}
				add(t, d, "work", "k", nil, 0) // a failed job is not in the way of the next
				if all := rows(t, d); len(all) != 2 {
					t.Errorf("%d rows, want 2", len(all))
				}
			})
		})
	}
}

// work does what is due, in the test's own goroutine.
func work(t *testing.T, q *Queue) {
	t.Helper()
	claimed, _, err := q.claim(t.Context(), workers)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range claimed {
		q.do(t.Context(), j)
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	p := Policy{First: time.Second, Max: 10 * time.Second}
	for n, want := range map[int64]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 500: 10 * time.Second} {
		for range 100 {
			if got := p.delay(n); got < want*8/10 || got > want*12/10 {
				t.Fatalf("after failure %d: %s, want about %s", n, got, want)
			}
		}
	}
}

func TestFailedJobWaitsItsTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		ran := 0
		q.Handle("work", Policy{First: time.Hour, Max: time.Hour}, func(context.Context, []byte) error { ran++; return errors.New("no") })
		add(t, d, "work", "k", nil, time.Minute)
		work(t, q)
		if ran != 0 {
			t.Error("done before it was due")
		}
		d.Shift(61 * time.Second)
		work(t, q)
		d.Shift(40 * time.Minute)
		work(t, q)
		if ran != 1 {
			t.Errorf("ran %d times, want 1", ran)
		}
		d.Shift(40 * time.Minute)
		work(t, q)
		if ran != 2 {
			t.Errorf("ran %d times, want 2", ran)
		}
	})
}

func TestJobThatKillsItsWorkersIsGivenUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		q := New(d.DB, quiet())
		ran := 0
		q.Handle("work", Policy{Tries: 2}, func(context.Context, []byte) error { ran++; return nil })
		add(t, d, "work", "k", nil, 0)
		for range 2 { // claimed and never heard of again
			if claimed, _, err := q.claim(t.Context(), 1); err != nil || len(claimed) != 1 {
				t.Fatalf("%d claimed, %v", len(claimed), err)
			}
			d.Shift(claimFor + time.Second)
		}
		work(t, q)
		if left := rows(t, d); ran != 0 || len(left) != 1 || left[0].State != "failed" {
			t.Errorf("ran %d times, left %+v", ran, left)
		}
	})
}
