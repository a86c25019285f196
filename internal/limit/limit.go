// Package limit counts calls in exact sliding windows: a call at t is accepted
// iff fewer than the quota were accepted in (t − window, t]. Nothing is rounded
// to a minute and no bucket fills, so there is no moment at which twice the quota passes.
//
// A window is a row that holds when its last calls were accepted, as many as the
// quota, and it is changed by one conditional statement on the database's clock.
// Therefore it holds across replicas and restarts, and callers that come together
// wait for one another instead of counting past one another.
//
// A refused call takes nothing. That makes refusals cheap: until the oldest
// accepted call has left the window no replica can accept another one, so a
// process that was refused once refuses by itself till then. It believes that for
// the length of a window at most.
//
// Memory counts roughly, in one process and in bounded memory: for callers who
// are refused anyhow, about whom nothing is worth writing down.
//
// What it does not do: it does not know who is counted, what for, or how a
// refusal is worded.
package limit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign.dev/internal/db"
)

// What a policy may ask for.
const (
	maxQuota  = 1000
	maxWindow = 24 * time.Hour
)

// Policy is how often something may happen.
type Policy struct {
	// Name tells the windows of one policy from those of others.
	Name string
	// Quota is how many calls are accepted in a window, 1 to 1000.
	Quota int
	// Window is its length, in whole milliseconds, a day at most.
	Window time.Duration
}

// Decision is what became of a call.
type Decision struct {
	Allowed bool
	// Remaining is how many calls more would be accepted now.
	Remaining int
	// Reset is how long till the oldest accepted call leaves the window; 0 when there is none.
	Reset time.Duration
	// Retry is how long a refused call should wait; 0 when it was accepted.
	Retry time.Duration
}

// Limiter keeps windows in the database.
type Limiter struct {
	db *db.DB

	mu   sync.RWMutex
	full map[window]time.Time // until when nobody can be accepted
}

// window names one.
type window struct{ policy, key string }

// maxRemembered bounds what a process remembers; more only ask the database again.
const maxRemembered = 10_000

// New makes a limiter.
func New(d *db.DB) *Limiter { return &Limiter{db: d, full: map[window]time.Time{}} }

// row is a window as the database has it, and the database's time.
type row struct {
	Times string
	Now   int64
}

// Take counts one call of a key, if it is accepted.
func (l *Limiter) Take(ctx context.Context, p Policy, key string) (Decision, error) {
	if err := p.check(); err != nil {
		return Decision{}, err
	}
	asked := time.Now()
	if d, known := l.remembered(p, key, asked); known {
		return d, nil
	}
	var d Decision
	err := l.db.Write(ctx, func(tx *db.Tx) error {
		r, err := accept(tx, p, key)
		if err == nil {
			d = p.decide(r)
			d.Allowed = true // also with the last one of the quota
			return nil
		}
		if !errors.Is(err, db.ErrNone) {
			return err
		}
		if r, err = look(tx, p, key); err == nil {
			r, err = settle(tx, p, key, r)
		}
		d = p.refusal(r)
		return err
	})
	if err != nil {
		return Decision{}, err
	}
	if !d.Allowed {
		l.remember(p, key, asked.Add(d.Retry))
	}
	return d, nil
}

// Look tells what would become of a call of a key now. It takes nothing, and it always asks the database.
func (l *Limiter) Look(ctx context.Context, p Policy, key string) (Decision, error) {
	if err := p.check(); err != nil {
		return Decision{}, err
	}
	var r row
	asked := time.Now()
	err := l.db.Peek(ctx, func(tx *db.Tx) (err error) {
		r, err = look(tx, p, key)
		return err
	})
	switch {
	case errors.Is(err, db.ErrNone):
		l.forget(p, key)
		return Decision{Allowed: true, Remaining: p.Quota}, nil
	case err != nil:
		return Decision{}, err
	}
	d := p.decide(r)
	if !d.Allowed {
		d = p.refusal(r)
		l.remember(p, key, asked.Add(d.Retry))
		return d, nil
	}
	l.forget(p, key)
	return d, nil
}

// Sweep deletes the windows that nobody has touched for a day, which is as long as one can be.
func (l *Limiter) Sweep(ctx context.Context) error {
	return l.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from limit_windows where touched_ms < clock_ms() - $1`, maxWindow.Milliseconds())
		return err
	})
}

// sweepEvery is how often Run sweeps.
const sweepEvery = time.Hour

// Run sweeps until ctx ends.
func (l *Limiter) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = l.Sweep(ctx) // the next time will do
		}
	}
}

// digits is the width of one time in a row: milliseconds have so many until the year 2286.
const digits = 13

// accept is the whole rule: the newest Quota times, of which the oldest must have left the window, lose that one and gain now.
// A clock that went back appends no time older than the last. No row means that the call is refused.
func accept(tx *db.Tx, p Policy, key string) (row, error) {
	return db.One[row](tx, `insert into limit_windows (name, times, touched_ms) values ($1, cast(clock_ms() as text), clock_ms())
		on conflict (name) do update set
			times = case when length(limit_windows.times) < $2 then limit_windows.times
					else substr(limit_windows.times, length(limit_windows.times) - $3) end
				|| case when cast(substr(limit_windows.times, length(limit_windows.times) - 12) as bigint) > clock_ms()
					then substr(limit_windows.times, length(limit_windows.times) - 12) else cast(clock_ms() as text) end,
			touched_ms = clock_ms()
		where length(limit_windows.times) < $2
			or cast(substr(limit_windows.times, length(limit_windows.times) - $4, 13) as bigint) <= clock_ms() - $5
		returning times, touched_ms as now`,
		p.name(key), digits*p.Quota, digits*(p.Quota-1)-1, digits*p.Quota-1, p.Window.Milliseconds())
}

func look(tx *db.Tx, p Policy, key string) (row, error) {
	return db.One[row](tx, `select times, clock_ms() as now from limit_windows where name = $1`, p.name(key))
}

// settle brings times that are yet to come, because the database's clock was set back, down to now: later than
// now none of those calls was made. Else a clock set back by an hour would refuse for an hour.
func settle(tx *db.Tx, p Policy, key string, r row) (row, error) {
	times := r.list()
	if times[len(times)-1] <= r.Now {
		return r, nil
	}
	var b strings.Builder
	for _, t := range times {
		fmt.Fprintf(&b, "%013d", min(t, r.Now))
	}
	settled := row{b.String(), r.Now}
	changed, err := tx.Exec(`update limit_windows set times = $1 where name = $2 and times = $3`, settled.Times, p.name(key), r.Times)
	if err != nil || changed == 0 {
		return r, err
	}
	return settled, nil
}

func (r row) list() (times []int64) {
	for i := 0; i+digits <= len(r.Times); i += digits {
		t, _ := strconv.ParseInt(r.Times[i:i+digits], 10, 64) // we wrote it
		times = append(times, t)
	}
	return times
}

func (p Policy) check() error {
	if p.Quota < 1 || p.Quota > maxQuota || p.Window < time.Millisecond || p.Window > maxWindow {
		return fmt.Errorf("the policy %s cannot be kept: %d in %s", p.Name, p.Quota, p.Window)
	}
	return nil
}

func (p Policy) name(key string) string { return p.Name + ":" + key }

// decide reads a window.
func (p Policy) decide(r row) (d Decision) {
	start, taken := r.Now-p.Window.Milliseconds(), 0
	times := r.list()
	for _, t := range times[max(0, len(times)-p.Quota):] {
		if t <= start {
			continue
		}
		if taken++; taken == 1 {
			d.Reset = min(time.Duration(t-start)*time.Millisecond, p.Window)
		}
	}
	d.Remaining = p.Quota - taken
	d.Allowed = d.Remaining > 0
	return d
}

// refusal reads a window that has just refused. By now it might accept; the call was refused all the same.
func (p Policy) refusal(r row) Decision {
	d := p.decide(r)
	return Decision{Retry: max(d.Reset, time.Millisecond), Reset: max(d.Reset, time.Millisecond)}
}

// remembered refuses without the database while nobody can be accepted.
func (l *Limiter) remembered(p Policy, key string, now time.Time) (Decision, bool) {
	l.mu.RLock()
	until, known := l.full[window{p.Name, key}]
	l.mu.RUnlock()
	wait := until.Sub(now)
	if !known || wait <= 0 {
		return Decision{}, false
	}
	return Decision{Retry: wait, Reset: wait}, true
}

func (l *Limiter) remember(p Policy, key string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.full) >= maxRemembered {
		l.prune()
	}
	l.full[window{p.Name, key}] = until
}

// prune drops what is over, or all if nothing is.
func (l *Limiter) prune() {
	now := time.Now()
	for w, until := range l.full {
		if !until.After(now) {
			delete(l.full, w)
		}
	}
	if len(l.full) >= maxRemembered {
		clear(l.full)
	}
}

func (l *Limiter) forget(p Policy, key string) {
	l.mu.RLock()
	_, known := l.full[window{p.Name, key}]
	l.mu.RUnlock()
	if known {
		l.mu.Lock()
		delete(l.full, window{p.Name, key})
		l.mu.Unlock()
	}
}
