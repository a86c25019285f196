package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

const (
	pollEvery = 250 * time.Millisecond      // how often to look without being woken
	claimFor  = callWithin + 15*time.Second // a claim lapses after this: the longest call and a margin
	tryFor    = 72 * time.Hour              // a delivery that fails later than this after it was raised is given up
	waitFirst = 5 * time.Second             // after the first failure; it doubles with each further one
	waitMost  = time.Hour
	tellEvery = 24 * time.Hour // how often a person is told that deliveries of a callback are given up
	tidyEvery = time.Hour
	keepDone  = 7 * 24 * time.Hour  // how long what was delivered is kept
	keepLost  = 30 * 24 * time.Hour // how long what was given up is kept
)

// receiver is a callback for which something is due.
type receiver struct{ ID, AccountID, Host string }

// job is a claimed lane and the first delivery in it.
type job struct {
	Lane           string
	Claim          int64
	To             callback
	NowMs          int64
	ID, Name       string
	Body           []byte
	SinceMs, Tries int64
	Generation     int64
	receiver       receiver
}

// Run delivers until ctx ends, and returns nil when the calls it had begun are over.
func (w *Webhook) Run(ctx context.Context) error {
	defer wakeups.hang(w.look)()
	poll, stop := w.tick(pollEvery)
	defer stop()
	tidy, stopTidy := w.tick(tidyEvery)
	defer stopTidy()
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		if err := w.begin(ctx, &running); err != nil && ctx.Err() == nil {
			w.Log.Error("callbacks: claim", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-w.look:
		case <-poll:
		case <-tidy:
			if err := w.tidy(ctx); err != nil && ctx.Err() == nil {
				w.Log.Error("callbacks: tidy", "err", err)
			}
		}
	}
	return nil
}

// begin starts as many calls as are due and may run.
func (w *Webhook) begin(ctx context.Context, running *sync.WaitGroup) error {
	due, err := w.due(ctx)
	if err != nil {
		return err
	}
	rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	for _, r := range due {
		n := w.slots.free(r)
		if n == 0 {
			continue
		}
		lanes, err := w.lanes(ctx, r, n)
		if err != nil {
			return err
		}
		for _, lane := range lanes {
			if !w.slots.take(r) {
				break
			}
			j, ok, err := w.claim(ctx, r, lane)
			if err != nil || !ok {
				w.slots.leave(r)
				if err != nil {
					return err
				}
				continue // another process was faster
			}
			running.Go(func() {
				defer func() { w.slots.leave(r); poke(w.look); poke(w.change) }()
				w.do(context.WithoutCancel(ctx), j)
			})
		}
	}
	return nil
}

// due are the receivers for which something is due. Each is asked for by itself later, so that
// a long line at one does not hide the others.
func (w *Webhook) due(ctx context.Context) (out []receiver, err error) {
	err = w.DB.Peek(ctx, func(tx *db.Tx) (err error) {
		out, err = db.All[receiver](tx, `select id, account_id, host from callbacks c where url <> ''
			and exists (select 1 from lanes l where l.callback_id = c.id and l.due_ms <= (select clock_ms()))`)
		return err
	})
	return out, err
}

func (w *Webhook) lanes(ctx context.Context, r receiver, n int) (ids []string, err error) {
	err = w.DB.Peek(ctx, func(tx *db.Tx) (err error) {
		ids, err = db.All[string](tx, `select id from lanes where callback_id = $1 and due_ms <= (select clock_ms())
			order by due_ms limit $2`, r.ID, n)
		return err
	})
	return ids, err
}

// claim takes a lane and the delivery at its head; not ok when somebody else was faster.
func (w *Webhook) claim(ctx context.Context, r receiver, lane string) (j job, ok bool, err error) {
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		ok = false
		claim, err := db.One[int64](tx, `update lanes set held = true, claim = claim + 1, due_ms = clock_ms() + $2
			where id = $1 and due_ms <= clock_ms() returning claim`, lane, claimFor.Milliseconds())
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		j, err = db.One[job](tx, `update deliveries set tries = tries + 1 where state = 'waiting' and lane_id = $1
			and seq = (select min(seq) from deliveries where lane_id = $1 and state = 'waiting')
			returning id, name, body, since_ms, tries, generation, clock_ms() as now_ms`, lane)
		if errors.Is(err, db.ErrNone) {
			return quiet(tx, lane, claim)
		}
		if err != nil {
			return err
		}
		j.Lane, j.Claim, j.receiver = lane, claim, r
		if j.To, err = db.One[callback](tx, `select `+columns+` from callbacks where id = $1`, r.ID); err != nil {
			return err
		}
		if ok = j.Generation == j.To.Generation; !ok { // its act was committed after the address had changed
			return giveUpLane(tx, j.To, lane) // this one alone: whoever gives up the others locks them in another order
		}
		return nil
	})
	return j, ok && err == nil, err
}

// do makes one call and notes what came of it.
func (w *Webhook) do(ctx context.Context, j job) {
	status, err := w.try(ctx, j)
	if err != nil {
		w.Log.Warn("callbacks: not delivered", "delivery", j.ID, "event", j.Name, "try", j.Tries, "err", err)
	}
	if err := w.note(ctx, j, status, err); err != nil {
		w.Log.Error("callbacks: outcome not noted", "delivery", j.ID, "err", err)
	}
}

func (w *Webhook) try(ctx context.Context, j job) (status int, err error) {
	if j.To.URL == "" {
		return 0, errors.New("the callback was switched off")
	}
	cred, err := w.open(j.To)
	if err != nil {
		return 0, errors.New("the master key does not open this callback's key")
	}
	secrets, err := w.secrets(j.To, j.NowMs)
	if err != nil {
		return 0, err
	}
	return w.send(ctx, call{ID: idOf(j.ID), At: db.Time(j.NowMs), URL: j.To.URL, Header: cred.header(j.To.Style), Secrets: secrets, Body: j.Body})
}

// idOf is a delivery's id as receivers see it.
func idOf(id string) string { return "msg_" + strings.ReplaceAll(id, "-", "") }

// secrets are those that sign now, the newest first.
func (w *Webhook) secrets(c callback, nowMs int64) (out []string, err error) {
	sealed := [][]byte{c.Secret}
	if c.Former != nil && nowMs < c.FormerUntilMs {
		sealed = append(sealed, c.Former)
	}
	for _, s := range sealed {
		plain, err := w.Box.Unseal(purpose(c.AccountID, c.Origin, "secret"), s)
		if err != nil {
			return nil, errors.New("the master key does not open this callback's secret")
		}
		out = append(out, string(plain))
	}
	return out, nil
}

// note writes an outcome, and tries again for a while: an outcome lost is an event told twice.
func (w *Webhook) note(ctx context.Context, j job, status int, cause error) (err error) {
	wait, stop := w.tick(pollEvery)
	defer stop()
	if cause == nil && j.Tries > 1 {
		if err := w.DB.Write(ctx, func(tx *db.Tx) error { return hurry(tx, j.To.ID) }); err != nil {
			w.Log.Warn("callbacks: what waits is tried later", "callback", j.To.ID, "err", err)
		}
	}
	for range 20 {
		if err = w.DB.Write(ctx, func(tx *db.Tx) error { return w.ended(tx, j, status, cause) }); err == nil {
			return nil
		}
		<-wait
	}
	return err
}

// ended notes one try. What was delivered stays so even when the claim has lapsed; the lane
// moves on only by who has it.
func (w *Webhook) ended(tx *db.Tx, j job, status int, cause error) error {
	mine, err := tx.Exec(`update lanes set held = false, touched_ms = clock_ms() where id = $1 and claim = $2`, j.Lane, j.Claim)
	if err != nil {
		return err
	}
	if cause == nil {
		_, err = tx.Exec(`update deliveries set state = 'delivered', ended_ms = clock_ms(), status = $2, last_error = ''
			where id = $1 and state = 'waiting'`, j.ID, status)
	} else if mine == 1 {
		return w.failed(tx, j, status, cause)
	}
	if err != nil || mine == 0 {
		return err
	}
	return quiet(tx, j.Lane, j.Claim)
}

// hurry has what failed before wait no longer: the receiver is back. It is an act of its own, for it locks many lanes;
// before the outcome is noted, so that the receiver's lanes are never all quiet in between.
func hurry(tx *db.Tx, callback string) error {
	lanes, err := lanesInOrder(tx, `callback_id = $1 and due_ms > clock_ms() and not held`, callback)
	for i := 0; i < len(lanes) && err == nil; i++ {
		err = tx.Later(`update lanes set due_ms = clock_ms() where id = $1 and due_ms > clock_ms() and not held`, lanes[i])
	}
	return err
}

// failed keeps the error and waits, or after the last try gives the delivery up.
func (w *Webhook) failed(tx *db.Tx, j job, status int, cause error) error {
	text := clip(cause.Error(), 500)
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if now.Sub(db.Time(j.SinceMs)) < tryFor {
		if _, err := tx.Exec(`update deliveries set status = $2, last_error = $3 where id = $1 and state = 'waiting'`, j.ID, status, text); err != nil {
			return err
		}
		_, err = tx.Exec(`update lanes set due_ms = clock_ms() + $3 where id = $1 and claim = $2`, j.Lane, j.Claim, backoff(j.Tries).Milliseconds())
		return err
	}
	if _, err := tx.Exec(`update deliveries set state = 'failed', ended_ms = clock_ms(), status = $2, last_error = $3
		where id = $1 and state = 'waiting'`, j.ID, status, text); err != nil {
		return err
	}
	if _, err := audit.Append(tx, audit.Event{Type: "callback.failed", Account: j.To.AccountID, Actor: audit.System,
		Detail: map[string]string{"delivery": idOf(j.ID), "event": j.Name, "origin": j.To.Origin}}); err != nil {
		return err
	}
	if err := w.tellGivenUp(tx, j, text); err != nil {
		return err
	}
	return quiet(tx, j.Lane, j.Claim)
}

// tellGivenUp mails who registered the callback, or the account's managers when he is none of them any more, that a
// delivery was given up: once a day for each callback.
func (w *Webhook) tellGivenUp(tx *db.Tx, j job, why string) error {
	if w.Post == nil {
		return nil
	}
	first, err := tx.Exec(`update callbacks set told_ms = clock_ms() where id = $1 and told_ms <= clock_ms() - $2`, j.To.ID, tellEvery.Milliseconds())
	if err != nil || first == 0 {
		return err
	}
	account, err := directory.AccountByID(tx, j.To.AccountID)
	if err != nil {
		return err
	}
	managers, err := directory.ManagersOf(tx, j.To.AccountID, j.To.Registrant)
	if err != nil {
		return err
	}
	for _, u := range managers {
		if err := w.Post.Send(tx, mail.Message{To: mail.Address{Name: u.Name(), Email: u.Email}, Account: j.To.AccountID,
			Data: mail.CallbackFailed{Person: u.Name(), Account: account.Known(), Host: j.To.Host, Event: j.Name, Why: why}}); err != nil {
			return err
		}
	}
	return nil
}

// quiet has a lane wait for nothing, or at once for the next in it. Its row is locked already,
// so a delivery that is added meanwhile is either seen here or makes the lane due itself.
func quiet(tx *db.Tx, lane string, claim int64) error {
	_, err := tx.Exec(`update lanes set held = false, due_ms = case
		when exists (select 1 from deliveries d where d.lane_id = lanes.id and d.state = 'waiting') then clock_ms() else null end where id = $1 and claim = $2`, lane, claim)
	return err
}

// backoff is the wait after the nth failure, n from 1: a fifth more or less, at random.
func backoff(n int64) time.Duration {
	d := waitFirst
	for i := int64(1); i < n && d < waitMost; i++ {
		d *= 2
	}
	d = min(d, waitMost)
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}

// tidy deletes what was delivered or given up long ago, and lanes where nothing happens.
func (w *Webhook) tidy(ctx context.Context) error {
	return w.DB.Write(ctx, func(tx *db.Tx) error {
		for state, kept := range map[string]time.Duration{"delivered": keepDone, "failed": keepLost} {
			if _, err := tx.Exec(`delete from deliveries where ended_ms < (select clock_ms()) - $1 and state = $2`, kept.Milliseconds(), state); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`delete from lanes where due_ms is null and touched_ms < (select clock_ms()) - $1
			and not exists (select 1 from deliveries d where d.lane_id = lanes.id)`, keepLost.Milliseconds())
		return err
	})
}

// Idle returns when nothing is due or under way, in whatever process; what waits for a later
// try does not count. It needs a running room, and is there for tests and for an orderly end.
func (w *Webhook) Idle(ctx context.Context) error {
	look, stop := w.tick(pollEvery / 10)
	defer stop()
	for {
		poke(w.look)
		var busy bool
		err := w.DB.Peek(ctx, func(tx *db.Tx) (err error) {
			busy, err = db.One[bool](tx, `select exists (select 1 from lanes where due_ms is not null and (held or due_ms <= (select clock_ms())))`)
			return err
		})
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.change:
		case <-look:
		}
	}
}

// wakeups tells the workers of this process to look now. It decides nothing: who misses it looks soon anyway.
var wakeups bell

type bell struct {
	mu   sync.Mutex
	hung map[chan struct{}]bool
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.hung {
		poke(c)
	}
}

func (b *bell) hang(c chan struct{}) (remove func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hung == nil {
		b.hung = map[chan struct{}]bool{}
	}
	b.hung[c] = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.hung, c)
	}
}

// poke leaves one signal in a channel of capacity 1.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
