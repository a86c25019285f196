package retry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
)

const (
	// Life is how long a key is remembered.
	Life = 24 * time.Hour
	// Lapse is how long a claim holds whose act has not committed.
	Lapse = time.Minute
	// sweepEvery is how exact the end of a key's life is in the table.
	sweepEvery = time.Hour
)

// Retry is the room's door.
type Retry struct{ db *db.DB }

// New makes the room and registers its job with the queue.
func New(d *db.DB, q *jobs.Queue) *Retry {
	r := &Retry{d}
	q.Handle("retry.sweep", jobs.Policy{}, r.sweep)
	return r
}

// Call is what is asked for and by whom.
type Call struct {
	// Account is the internal id, Caller who of the account calls, and in whose place: a key is his own.
	Account, Caller string
	// Operation names what is asked for and of what; its length does not matter.
	Operation string
	Key       string
	// Body is a digest of all that the call says beside the key.
	Body []byte
}

// Claim is the right to act on a call. It travels in the context that Begin returns.
type Claim struct {
	account, key string
	attempt      int64
}

type claimKey struct{}

// Prior is what became of an earlier call with the same key.
type Prior struct {
	// Made is the outer id of what it made.
	Made string
	// Answer was kept; nil: nobody got as far.
	Answer *Answer
}

// Answer is what a call was told.
type Answer struct {
	Status int               `json:"-"`
	Header map[string]string `json:"header,omitempty"`
	Body   json.RawMessage   `json:"body"`
}

type row struct {
	BodyHash  string
	Attempt   int64
	Made      string
	Status    int
	Answer    string
	LapsesMs  int64
	ExpiresMs int64
}

// Begin claims a call's key. With prior nil the caller acts, with the context
// returned; else that happened already and is to be answered again.
//
// Unprocessable "idempotency_key.reused": the key came with another call.
// Conflict "idempotency_key.in_progress".
func (r *Retry) Begin(ctx context.Context, c Call) (acting context.Context, prior *Prior, err error) {
	claim := Claim{account: c.Account, key: c.digest()}
	err = r.db.Write(ctx, func(tx *db.Tx) (err error) {
		prior = nil
		claim.attempt, prior, err = begin(tx, claim, hex.EncodeToString(c.Body))
		return err
	})
	if err != nil || prior != nil {
		return ctx, prior, err
	}
	return context.WithValue(ctx, claimKey{}, claim), nil, nil
}

func (c Call) digest() string {
	h := sha256.New()
	for _, p := range []string{c.Operation, c.Caller, c.Key} {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func begin(tx *db.Tx, c Claim, body string) (attempt int64, prior *Prior, err error) {
	changed, err := tx.Exec(`insert into retries (account_id, key_hash, body_hash, attempt, lapses_ms, expires_ms)
		values ($1, $2, $3, 1, clock_ms() + $4, clock_ms() + $5) on conflict do nothing`,
		c.account, c.key, body, Lapse.Milliseconds(), Life.Milliseconds())
	if err != nil {
		return 0, nil, err
	}
	if changed == 1 {
		return 1, nil, planSweep(tx)
	}
	was, err := db.One[row](tx, `update retries set attempt = attempt where account_id = $1 and key_hash = $2
		returning body_hash, attempt, made, status, answer, lapses_ms, expires_ms`, c.account, c.key)
	if errors.Is(err, db.ErrNone) {
		return 0, nil, inProgress() // freed at this moment
	}
	if err != nil {
		return 0, nil, err
	}
	now, err := tx.Now()
	if err != nil {
		return 0, nil, err
	}
	if was.ExpiresMs <= now.UnixMilli() {
		return takeOver(tx, c, body, was)
	}
	switch {
	case was.BodyHash != body:
		return 0, nil, errs.New(errs.Unprocessable, "idempotency_key.reused", "This Idempotency-Key came with another request before.")
	case was.Made != "" || was.Status != 0:
		prior, err = was.prior()
		return 0, prior, err
	case was.LapsesMs > now.UnixMilli():
		return 0, nil, inProgress()
	}
	return takeOver(tx, c, body, was)
}

// takeOver gives the claim, whose row the caller has locked, to a new attempt.
func takeOver(tx *db.Tx, c Claim, body string, was row) (attempt int64, prior *Prior, err error) {
	_, err = tx.Exec(`update retries set body_hash = $3, attempt = $4, made = '', status = 0, answer = '',
			lapses_ms = clock_ms() + $5, expires_ms = clock_ms() + $6
		where account_id = $1 and key_hash = $2`,
		c.account, c.key, body, was.Attempt+1, Lapse.Milliseconds(), Life.Milliseconds())
	if err == nil {
		err = planSweep(tx)
	}
	return was.Attempt + 1, nil, err
}

func inProgress() error {
	return errs.New(errs.Conflict, "idempotency_key.in_progress", "A request with this Idempotency-Key is still in progress.")
}

func (w row) prior() (*Prior, error) {
	p := &Prior{Made: w.Made}
	if w.Status == 0 {
		return p, nil
	}
	p.Answer = &Answer{Status: w.Status}
	return p, json.Unmarshal([]byte(w.Answer), p.Answer)
}

// Made marks in the act's own transaction that the act of the call in the
// transaction's context made id, an outer id. Without a claim in it nothing
// happens. Conflict "idempotency_key.in_progress" when the claim has passed to
// another attempt: the act must not happen.
func Made(tx *db.Tx, id string) error {
	c, ok := tx.Context().Value(claimKey{}).(Claim)
	if !ok {
		return nil
	}
	changed, err := tx.Exec(`update retries set made = $4 where account_id = $1 and key_hash = $2 and attempt = $3
		and made = ''`, c.account, c.key, c.attempt, id)
	if err == nil && changed == 0 {
		err = inProgress()
	}
	return err
}

// Keep keeps the answer to a call whose act committed and returns the one that
// everybody gets: it, or another that was kept before. ctx is Begin's, of the
// caller that acted or of one that words anew what was made.
func (r *Retry) Keep(ctx context.Context, c Call, a Answer) (kept Answer, err error) {
	claim, _ := ctx.Value(claimKey{}).(Claim)
	text, err := json.Marshal(a)
	if err != nil {
		return a, err
	}
	kept = a
	err = r.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		changed, err := tx.Exec(`update retries set status = $3, answer = $4
			where account_id = $1 and key_hash = $2 and (made <> '' or attempt = $5) and status = 0`,
			c.Account, c.digest(), a.Status, string(text), claim.attempt)
		if err != nil || changed == 1 {
			return err
		}
		was, err := db.One[row](tx, `select body_hash, attempt, made, status, answer, lapses_ms, expires_ms from retries
			where account_id = $1 and key_hash = $2 and status <> 0`, c.Account, c.digest())
		if errors.Is(err, db.ErrNone) {
			return nil // long ago, or with another attempt
		}
		if err != nil {
			return err
		}
		prior, err := was.prior()
		if err == nil {
			kept = *prior.Answer
		}
		return err
	})
	return kept, err
}

// Free gives the key back after an act that did not happen: it may be used again,
// also for another call. An act that did commit keeps it.
func (r *Retry) Free(acting context.Context) error {
	c, ok := acting.Value(claimKey{}).(Claim)
	if !ok {
		return nil
	}
	return r.db.Write(context.WithoutCancel(acting), func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from retries where account_id = $1 and key_hash = $2 and attempt = $3 and made = '' and status = 0`,
			c.account, c.key, c.attempt)
		return err
	})
}

// planSweep queues the job that removes this hour's keys once they are expired.
func planSweep(tx *db.Tx) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	end := now.Add(Life).Truncate(sweepEvery).Add(sweepEvery)
	return jobs.Add(tx, "retry.sweep", strconv.FormatInt(end.UnixMilli(), 10), struct{}{}, end.Sub(now))
}

func (r *Retry) sweep(ctx context.Context, _ []byte) error {
	return r.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from retries where expires_ms <= (select clock_ms())`)
		return err
	})
}
