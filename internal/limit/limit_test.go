package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// admin is the policy that is published for the access list.
var admin = Policy{Name: "admin", Quota: 100, Window: time.Minute}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shift moves the clock, which production cannot; what a process remembers by its own clock goes with it.
func shift(d *dbtest.DB, by time.Duration, all ...*Limiter) {
	d.Shift(by)
	for _, l := range all {
		l.mu.Lock()
		clear(l.full)
		l.mu.Unlock()
	}
}

// fill takes till it is refused and returns how many were accepted.
func fill(t testing.TB, l *Limiter, p Policy, key string) (accepted int) {
	t.Helper()
	for {
		d, err := l.Take(t.Context(), p, key)
		must(t, err)
		if !d.Allowed {
			return accepted
		}
		if accepted++; d.Remaining > p.Quota-accepted {
			t.Fatalf("after %d accepted calls %d remain", accepted, d.Remaining)
		}
	}
}

// call is one that was made, between two times of the database's clock, both included.
type call struct {
	after, before int64
	accepted      bool
}

// most is the largest number of calls that were accepted for certain in some window, if it is more than the quota; else the quota.
func most(calls []call, p Policy) int {
	var after, before []int64 // in order: the i-th call was made after the i-th of one and before the i-th of the other
	for _, c := range calls {
		if c.accepted {
			after, before = append(after, c.after), append(before, c.before)
		}
	}
	slices.Sort(after)
	slices.Sort(before)
	worst := p.Quota
	for i := range after {
		for i+worst < len(before) && before[i+worst]-after[i] < p.Window.Milliseconds() {
			worst++
		}
	}
	return worst
}

// wronged are those of the calls that were refused although fewer than the quota can have been accepted in the window before them.
func wronged(calls, recent []call, p Policy) (list []call) {
	for _, refused := range calls {
		n := 0
		for _, c := range recent {
			if c.accepted && c.before > refused.after-p.Window.Milliseconds() && c.after <= refused.before {
				n++
			}
		}
		if !refused.accepted && n < p.Quota {
			list = append(list, refused)
		}
	}
	return list
}

func now(t testing.TB, d *dbtest.DB) int64 {
	var at time.Time
	must(t, d.Peek(context.Background(), func(tx *db.Tx) (err error) { at, err = tx.Now(); return err }))
	return at.UnixMilli()
}

// Callers of two processes at once, while time passes in steps: no window of 60 seconds ever has a 101st, and nobody is
// refused who need not be.
func TestT14NeverOneMoreInAnyWindow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		replicas := []*Limiter{New(d.DB), New(d.DB)}
		if strings.HasPrefix(d.URL, "postgres") { // SQLite is one process's, with that process's clock
			second, err := db.Open(t.Context(), db.Config{URL: d.URL})
			must(t, err)
			defer second.Close()
			replicas[1] = New(second)
		}
		var recent []call
		made, refused := 0, 0
		for range dbtest.Rounds(15, 1000) {
			shift(d, time.Duration(rand.IntN(20_000))*time.Millisecond, replicas...)
			long := now(t, d) - 3*admin.Window.Milliseconds()
			recent = slices.DeleteFunc(recent, func(c call) bool { return c.before < long })
			calls := crowd(t, d, replicas)
			recent = append(recent, calls...)
			if n := most(recent, admin); n > admin.Quota {
				t.Fatalf("%d calls were accepted in a window of %s", n, admin.Window)
			}
			if list := wronged(calls, recent, admin); len(list) > 0 {
				t.Fatalf("%d of %d were refused without need: %v", len(list), len(calls), list[0])
			}
			for _, c := range calls {
				if made++; !c.accepted {
					refused++
				}
			}
		}
		t.Logf("%d calls, %d refused, never more than %d in %s", made, refused, admin.Quota, admin.Window)
		if refused == 0 || refused == made-admin.Quota {
			t.Error("nothing slid")
		}
	})
}

// crowd has 16 callers call a few times each.
func crowd(t *testing.T, d *dbtest.DB, replicas []*Limiter) (calls []call) {
	var running sync.WaitGroup
	var mu sync.Mutex
	for caller := range 16 {
		running.Go(func() {
			for range rand.IntN(7) {
				after := now(t, d)
				got, err := replicas[caller%len(replicas)].Take(context.Background(), admin, "token")
				if err != nil {
					t.Error(err)
				}
				c := call{after, now(t, d), got.Allowed}
				mu.Lock()
				calls = append(calls, c)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return calls
}

// The times that were accepted leave the window one by one, each for one more.
func TestT14Sliding(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		p := Policy{Name: "few", Quota: 3, Window: time.Minute}
		for i := range 3 {
			got, err := l.Take(t.Context(), p, "k")
			must(t, err)
			if !got.Allowed || got.Remaining != 2-i {
				t.Fatalf("call %d: %+v", i, got)
			}
			shift(d, 10*time.Second, l)
		}
		refused, err := l.Take(t.Context(), p, "k") // 30 seconds after the first
		must(t, err)
		if refused.Allowed || refused.Remaining != 0 || refused.Retry > 30*time.Second || refused.Retry < 25*time.Second || refused.Reset != refused.Retry {
			t.Fatalf("the fourth: %+v", refused)
		}
		shift(d, 31*time.Second, l)
		if n := fill(t, l, p, "k"); n != 1 {
			t.Errorf("one call left the window, %d were accepted", n)
		}
		shift(d, 10*time.Second, l)
		if n := fill(t, l, p, "k"); n != 1 {
			t.Errorf("another left the window, %d were accepted", n)
		}
		shift(d, time.Hour, l)
		if n := fill(t, l, p, "k"); n != 3 {
			t.Errorf("an hour later %d were accepted", n)
		}
	})
}

// Who is refused and asks on waits no longer for it.
func TestT14RefusedCallsTakeNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		fill(t, l, admin, "k")
		for range 30 {
			shift(d, time.Second, l)
			got, err := l.Take(t.Context(), admin, "k")
			must(t, err)
			if got.Allowed {
				t.Fatal("accepted")
			}
		}
		shift(d, 30*time.Second, l)
		if n := fill(t, l, admin, "k"); n != admin.Quota {
			t.Errorf("%d were accepted after a minute", n)
		}
	})
}

// A process that begins anew, or another one, knows what was accepted; another key, and another policy, have their own windows.
func TestT14KeptOverANewLimiter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		if n := fill(t, New(d.DB), admin, "k"); n != admin.Quota {
			t.Fatalf("%d were accepted", n)
		}
		l := New(d.DB)
		if n := fill(t, l, admin, "k"); n != 0 {
			t.Errorf("%d more were accepted", n)
		}
		if n := fill(t, l, admin, "other"); n != admin.Quota {
			t.Errorf("another key: %d", n)
		}
		if n := fill(t, l, Policy{Name: "other", Quota: 5, Window: time.Minute}, "k"); n != 5 {
			t.Errorf("another policy: %d", n)
		}
	})
}

// A clock that is set back lets nobody through, and makes nobody wait for longer than a window.
func TestT14ClockSetBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		fill(t, l, admin, "full")
		if _, err := l.Take(t.Context(), admin, "begun"); err != nil {
			t.Fatal(err)
		}
		shift(d, -time.Hour, l)
		got, err := l.Take(t.Context(), admin, "full")
		must(t, err)
		if got.Allowed || got.Retry > admin.Window {
			t.Errorf("the full one: %+v", got)
		}
		if n := fill(t, l, admin, "begun"); n != admin.Quota-1 {
			t.Errorf("the one that was begun: %d more", n)
		}
		shift(d, 59*time.Second, l)
		if n := fill(t, l, admin, "full"); n != 0 {
			t.Errorf("%d were accepted after 59 seconds", n)
		}
		shift(d, time.Second, l)
		for _, key := range []string{"full", "begun"} {
			if n := fill(t, l, admin, key); n != admin.Quota {
				t.Errorf("%s: %d were accepted a minute later", key, n)
			}
		}
	})
}

// A process that was refused refuses by itself, also when the database cannot be asked.
func TestRefusalsFromMemory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		fill(t, l, admin, "k")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		got, err := l.Take(gone, admin, "k")
		if err != nil || got.Allowed || got.Retry <= 0 || got.Retry > admin.Window {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := l.Take(gone, admin, "other"); err == nil {
			t.Error("another key was not asked about")
		}
		for i := range maxRemembered + 10 {
			l.remember(admin, fmt.Sprint(i), time.Now().Add(time.Hour))
		}
		if len(l.full) > maxRemembered {
			t.Errorf("%d keys are remembered", len(l.full))
		}
	})
}

// Look takes nothing, and believes nobody but the database.
func TestLook(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		p := Policy{Name: "wrong", Quota: 2, Window: 15 * time.Minute}
		look := func() Decision {
			t.Helper()
			got, err := l.Look(t.Context(), p, "k")
			must(t, err)
			return got
		}
		if got := look(); got != (Decision{Allowed: true, Remaining: 2}) {
			t.Errorf("nothing was taken: %+v", got)
		}
		for range 5 {
			look()
		}
		_, err := l.Take(t.Context(), p, "k")
		must(t, err)
		if got := look(); !got.Allowed || got.Remaining != 1 || got.Reset <= 14*time.Minute || got.Reset > p.Window || got.Retry != 0 {
			t.Errorf("one was taken: %+v", got)
		}
		fill(t, l, p, "k")
		if got := look(); got.Allowed || got.Remaining != 0 || got.Retry <= 14*time.Minute {
			t.Errorf("all were taken: %+v", got)
		}
		d.Shift(p.Window) // and what the process remembers stays
		if got := look(); !got.Allowed || got.Remaining != 2 || got.Reset != 0 {
			t.Errorf("all left: %+v", got)
		}
		if got, err := l.Take(t.Context(), p, "k"); err != nil || !got.Allowed {
			t.Errorf("the look was not believed: %+v %v", got, err)
		}
	})
}

// A policy may change while its windows are kept.
func TestQuotaChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		small, large := Policy{Name: "p", Quota: 5, Window: time.Minute}, Policy{Name: "p", Quota: 8, Window: time.Minute}
		fill(t, l, small, "k")
		shift(d, 0, l)
		if n := fill(t, l, large, "k"); n != 3 {
			t.Errorf("three more: %d", n)
		}
		shift(d, 30*time.Second, l)
		got, err := l.Look(t.Context(), small, "k")
		if must(t, err); got.Allowed || got.Remaining != 0 {
			t.Errorf("eight of five: %+v", got)
		}
		if n := fill(t, l, small, "k"); n != 0 {
			t.Errorf("eight of five: %d", n)
		}
		shift(d, 31*time.Second, l)
		if n := fill(t, l, small, "k"); n != 5 {
			t.Errorf("a minute later: %d", n)
		}
		one := Policy{Name: "one", Quota: 1, Window: time.Minute}
		for range 2 {
			if n := fill(t, l, one, "k"); n != 1 {
				t.Errorf("one: %d", n)
			}
			shift(d, time.Minute, l)
		}
		for _, p := range []Policy{{"none", 0, time.Minute}, {"many", 1001, time.Minute}, {"short", 1, 0}, {"long", 1, 25 * time.Hour}} {
			if _, err := l.Take(t.Context(), p, "k"); err == nil {
				t.Errorf("%+v was kept", p)
			}
			if _, err := l.Look(t.Context(), p, "k"); err == nil {
				t.Errorf("%+v was looked at", p)
			}
		}
	})
}

func TestSweep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l := New(d.DB)
		fill(t, l, Policy{"old", 1, time.Minute}, "k")
		shift(d, 25*time.Hour, l)
		fill(t, l, Policy{"new", 1, time.Minute}, "k")
		must(t, l.Sweep(t.Context()))
		var names []string
		must(t, d.Peek(t.Context(), func(tx *db.Tx) (err error) {
			names, err = db.All[string](tx, `select name from limit_windows`)
			return err
		}))
		if !slices.Equal(names, []string{"new:k"}) {
			t.Errorf("left: %q", names)
		}
	})
}

// Memory slides roughly, keeps its bound, and counts whom it cannot remember together.
func TestMemory(t *testing.T) {
	at := time.Now()
	m := NewMemory(Policy{Name: "m", Quota: 10, Window: time.Minute}, 3)
	m.now = func() time.Time { return at }
	times := func(key string) (n int) {
		for m.Take(key).Allowed {
			n++
		}
		return n
	}
	if n := times("a"); n != 10 {
		t.Errorf("%d of ten", n)
	}
	at = at.Add(90 * time.Second) // half of the stretch before is still seen
	if n := times("a"); n != 5 {
		t.Errorf("%d of five", n)
	}
	if d := m.Take("a"); d.Retry <= 0 || d.Retry > time.Minute {
		t.Errorf("wait %s", d.Retry)
	}
	at = at.Add(time.Hour)
	for i := range 1000 {
		m.Take(fmt.Sprint(i))
	}
	if len(m.this) > 4 {
		t.Errorf("%d keys are remembered", len(m.this))
	}
	if m.Take("one more").Allowed {
		t.Error("whom there is no room for was counted apart")
	}
	if !m.Take("0").Allowed {
		t.Error("who is remembered paid for others")
	}
}

// What a refusal from memory costs.
func BenchmarkRefusal(b *testing.B) {
	l := New(dbtest.SQLite(b).DB)
	fill(b, l, admin, "k")
	for b.Loop() {
		if d, err := l.Take(b.Context(), admin, "k"); err != nil || d.Allowed {
			b.Fatal(d, err)
		}
	}
}
