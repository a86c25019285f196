package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign.dev/internal/db"
)

const (
	workers   = 4                      // handlers that run at once in one process
	pollEvery = 250 * time.Millisecond // how often to look without being woken
	claimFor  = 30 * time.Second       // a claim lapses after this; it is renewed in a third of it
)

// Policy says how often and how long to try a kind of job.
type Policy struct {
	// Tries in all, the first included; 0 is without end.
	Tries int
	// First is the wait after the first failure, 0 is 1 second; it doubles with
	// each further one up to Max, 0 is 5 minutes. A fifth more or less is added
	// at random, so that jobs that failed together do not come back together.
	First, Max time.Duration
	// Timeout ends the handler's context; 0 is 5 minutes.
	Timeout time.Duration
}

// delay is the wait after the nth failure, n from 1.
func (p Policy) delay(n int64) time.Duration {
	d := p.First
	for i := int64(1); i < n && d < p.Max; i++ {
		d *= 2
	}
	d = min(d, p.Max)
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}

// Handler does one job. It may be called again for a job it has done. An error
// has it tried again, one wrapped by Final not.
type Handler func(ctx context.Context, payload []byte) error

type kind struct {
	policy Policy
	handle Handler
}

// Queue does the jobs of the kinds it has handlers for.
type Queue struct {
	db     *db.DB
	log    *slog.Logger
	kinds  map[string]kind
	look   chan struct{} // there may be something to claim
	change chan struct{} // a job ended
	tick   func(time.Duration) (<-chan time.Time, func())
}

// New returns a queue without handlers.
func New(d *db.DB, log *slog.Logger) *Queue {
	return &Queue{db: d, log: log, kinds: map[string]kind{}, tick: ticker,
		look: make(chan struct{}, 1), change: make(chan struct{}, 1)}
}

func ticker(every time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// Handle registers the handler of a kind. Call it before Run, once for each kind.
func (q *Queue) Handle(name string, p Policy, h func(ctx context.Context, payload []byte) error) {
	p.First = cmp.Or(p.First, time.Second)
	p.Max = cmp.Or(p.Max, 5*time.Minute)
	p.Timeout = cmp.Or(p.Timeout, 5*time.Minute)
	q.kinds[name] = kind{p, h}
}

// Run does jobs until ctx ends, and returns nil when those it had begun are
// finished. Handlers are not interrupted: their contexts end by the policy's
// timeout or when the claim is lost.
func (q *Queue) Run(ctx context.Context) error {
	defer wakeups.hang(q.look)()
	poll, stop := q.tick(pollEvery)
	defer stop()
	free := make(chan struct{}, workers) // one token for each running handler
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		claimed, more, err := q.claim(ctx, workers-len(free))
		if err != nil && ctx.Err() == nil {
			q.log.Error("jobs: claim", "err", err)
		}
		for _, j := range claimed {
			free <- struct{}{}
			running.Go(func() {
				defer func() { <-free; poke(q.look); poke(q.change) }()
				q.do(context.WithoutCancel(ctx), j)
			})
		}
		if more && len(free) < workers {
			continue
		}
		select {
		case <-ctx.Done():
		case <-q.look:
		case <-poll:
		}
	}
	return nil
}

// job is a claimed job.
type job struct {
	ID, Kind     string
	Payload      []byte
	Claim, Tries int64
}

// claim takes up to n of the jobs that have waited longest or whose claim has
// lapsed. more tells that there were others, or that somebody else was faster.
func (q *Queue) claim(ctx context.Context, n int) (out []job, more bool, err error) {
	if n == 0 || len(q.kinds) == 0 {
		return nil, false, nil
	}
	ids, err := q.due(ctx, n)
	if err != nil || len(ids) == 0 {
		return nil, false, err
	}
	err = q.db.Write(ctx, func(tx *db.Tx) error {
		out = out[:0]
		for _, id := range ids {
			j, err := db.One[job](tx, `update jobs set state = 'running', claim = claim + 1, tries = tries + 1, due_ms = clock_ms() + $1
				where id = $2 and state <> 'failed' and due_ms <= clock_ms()
				returning id, kind, payload, claim, tries`, claimFor.Milliseconds(), id)
			if errors.Is(err, db.ErrNone) {
				continue // somebody else was faster
			}
			if err != nil {
				return err
			}
			out = append(out, j)
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return out, true, nil
}

// due chooses up to n jobs to claim: at random among the first of the line, so
// that processes which look at the same time seldom want the same ones, and in
// the order of their ids, so that they never wait for each other in a circle.
func (q *Queue) due(ctx context.Context, n int) (ids []string, err error) {
	kinds, args := q.known(8 * workers)
	// (select clock_ms()) is asked once and so may bound a search of the index; clock_ms() is asked for every row.
	err = q.db.Read(ctx, func(tx *db.Tx) (err error) {
		ids, err = db.All[string](tx, `select id from jobs where state <> 'failed' and due_ms <= (select clock_ms())
			and kind in `+kinds+` order by due_ms limit $1`, args...)
		return err
	})
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:min(n, len(ids))]
	slices.Sort(ids)
	return ids, err
}

// known is the list of kinds with a handler as SQL, and args with the kinds added.
func (q *Queue) known(args ...any) (list string, all []any) {
	var marks []string
	for _, name := range slices.Sorted(maps.Keys(q.kinds)) {
		args = append(args, name)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	return "(" + strings.Join(marks, ", ") + ")", args
}
