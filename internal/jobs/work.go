package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"countersign.dev/internal/db"
)

// maxError is how much of an error is kept with a job, in bytes.
const maxError = 2000

type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final wraps a handler's error that another try would only meet again: the job
// is not tried again and stays visible as failed.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return finalError{err}
}

// IsFinal reports whether err was wrapped by Final.
func IsFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

var errClaimLost = errors.New("the claim lapsed and another worker has the job")

// do runs a claimed job to its end and notes the outcome.
func (q *Queue) do(ctx context.Context, j job) {
	p := q.kinds[j.Kind].policy
	var err error
	if p.Tries > 0 && j.Tries > int64(p.Tries) {
		err = Final(errors.New("the worker died at every try")) // else a job that kills its process does so for ever
	} else {
		err = q.handle(ctx, j)
	}
	switch {
	case errors.Is(err, errClaimLost):
	case err == nil:
		err = q.note(ctx, func(tx *db.Tx) error { return done(tx, j) })
	default:
		q.log.Warn("jobs: failed", "kind", j.Kind, "job", j.ID, "try", j.Tries, "err", err)
		cause := err
		err = q.note(ctx, func(tx *db.Tx) error { return failed(tx, j, p, cause) })
	}
	if err != nil {
		q.log.Error("jobs: outcome not noted", "kind", j.Kind, "job", j.ID, "err", err)
	}
}

// handle calls the handler and renews the claim meanwhile.
func (q *Queue) handle(ctx context.Context, j job) error {
	k := q.kinds[j.Kind]
	ctx, timeout := context.WithTimeout(ctx, k.policy.Timeout)
	defer timeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	result := make(chan error, 1)
	go func() { result <- call(ctx, k.handle, j.Payload) }()
	renewal, stop := q.tick(claimFor / 3)
	defer stop()
	for {
		select {
		case err := <-result:
			if context.Cause(ctx) == errClaimLost {
				return errClaimLost
			}
			return err
		case <-renewal:
			kept, err := q.renew(context.WithoutCancel(ctx), j)
			if err != nil {
				q.log.Error("jobs: renew", "kind", j.Kind, "job", j.ID, "err", err)
			} else if !kept {
				cancel(errClaimLost)
			}
		}
	}
}

// call turns a handler's panic into an error.
func call(ctx context.Context, h Handler, payload []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return h(ctx, payload)
}

func (q *Queue) renew(ctx context.Context, j job) (kept bool, err error) {
	err = q.db.Write(ctx, func(tx *db.Tx) error {
		changed, err := tx.Exec(`update jobs set due_ms = clock_ms() + $1 where id = $2 and claim = $3 and state = 'running'`,
			claimFor.Milliseconds(), j.ID, j.Claim)
		kept = changed == 1
		return err
	})
	return kept, err
}

// note writes an outcome. It tries again for a while, because a lost outcome is a job done twice.
func (q *Queue) note(ctx context.Context, act func(*db.Tx) error) (err error) {
	wait, stop := q.tick(pollEvery)
	defer stop()
	for range 20 {
		if err = q.db.Write(ctx, act); err == nil || errors.Is(err, errClaimLost) {
			return err
		}
		<-wait
	}
	return err
}

func done(tx *db.Tx, j job) error {
	changed, err := tx.Exec(`delete from jobs where id = $1 and claim = $2 and state = 'running' and not again`, j.ID, j.Claim)
	if err != nil || changed == 1 {
		return err
	}
	changed, err = tx.Exec(`update jobs set state = 'ready', again = false, tries = 0, due_ms = clock_ms(), last_error = ''
		where id = $1 and claim = $2 and state = 'running'`, j.ID, j.Claim)
	if err == nil && changed == 0 {
		err = errClaimLost
	}
	return err
}

func failed(tx *db.Tx, j job, p Policy, cause error) error {
	state, delay := "ready", p.delay(j.Tries)
	if IsFinal(cause) || (p.Tries > 0 && j.Tries >= int64(p.Tries)) {
		state, delay = "failed", 0
	}
	// A job added again while this one failed for good starts afresh.
	changed, err := tx.Exec(`update jobs set
			state = case when again then 'ready' else $1 end, due_ms = clock_ms() + $2,
			tries = case when again then 0 else tries end, again = false, last_error = $3
		where id = $4 and claim = $5 and state = 'running'`,
		state, delay.Milliseconds(), clip(cause.Error()), j.ID, j.Claim)
	if err == nil && changed == 0 {
		err = errClaimLost
	}
	return err
}

// clip makes a text of an error that every engine can store: bounded, UTF-8, without NUL.
func clip(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s[:min(len(s), maxError)], ""), "\x00", "")
}
