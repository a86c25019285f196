package jobs

import (
	"context"
	"time"

	"countersign.dev/internal/db"
)

// Pending tells how many jobs of a kind are waiting or running, and since when
// the oldest exists; the zero time when there is none.
func Pending(tx *db.Tx, kind string) (n int, oldest time.Time, err error) {
	c, err := db.One[count](tx, `select count(*) as n, coalesce(min(created_ms), 0) as oldest_ms
		from jobs where kind = $1 and state <> 'failed'`, kind)
	if err != nil || c.N == 0 {
		return 0, time.Time{}, err
	}
	return c.N, db.Time(c.OldestMs), nil
}

// Failed tells how many jobs of a kind were given up.
func Failed(tx *db.Tx, kind string) (n int, err error) {
	return db.One[int](tx, `select count(*) from jobs where kind = $1 and state = 'failed'`, kind)
}

// First reports whether a job waits for its first try, or is on it.
func First(tx *db.Tx, kind, key string) (bool, error) {
	return db.One[bool](tx, `select exists (select 1 from jobs where kind = $1 and key = $2
		and (state = 'running' and tries <= 1 or state = 'ready' and tries = 0))`, kind, key)
}

type count struct {
	N        int
	OldestMs int64
}

// Idle returns when no job of the queue's kinds is due or running, in whatever
// process; jobs that wait for a later time do not count. It needs a running
// queue, and is there for tests and for an orderly end.
func (q *Queue) Idle(ctx context.Context) error {
	if len(q.kinds) == 0 {
		return nil
	}
	kinds, args := q.known()
	look, stop := q.tick(pollEvery / 10)
	defer stop()
	for {
		poke(q.look)
		var busy bool
		err := q.db.Read(ctx, func(tx *db.Tx) (err error) {
			busy, err = db.One[bool](tx, `select exists (select 1 from jobs
				where (state = 'running' or (state = 'ready' and due_ms <= (select clock_ms()))) and kind in `+kinds+`)`, args...)
			return err
		})
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.change:
		case <-look:
		}
	}
}
