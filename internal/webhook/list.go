package webhook

import (
	"context"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Delivery is one event on its way to one receiver.
type Delivery struct {
	ID        string // as receivers see it in webhook-id
	Account   string // internal id
	Origin    string // of the callback; empty for the account's own
	Host      string
	Package   string // its id outside
	Event     string
	State     string // waiting, delivered, failed
	Raised    time.Time
	Ended     time.Time // zero while it waits
	Next      time.Time // of the lane's next try; zero when it does not wait
	Tries     int
	Status    int    // of the last answer; 0 is none
	LastError string // one line
}

type deliveryRow struct {
	ID, AccountID, Origin, Host, Package, Name, State string
	RaisedMs                                          int64
	EndedMs, DueMs                                    *int64
	Tries, Status                                     int
	LastError                                         string
}

const deliveryColumns = `d.id, c.account_id, c.origin, c.host, l.package, d.name, d.state, d.raised_ms, d.ended_ms, l.due_ms,
	d.tries, d.status, d.last_error from deliveries d join lanes l on l.id = d.lane_id join callbacks c on c.id = l.callback_id`

// listed is how many deliveries a list has at most.
const listed = 1000

// Deliveries lists deliveries of an account, of every account when account is empty, that are
// in a state (waiting, delivered, failed; empty: those that wait after a failure, and the
// failed), the oldest first, at most 1000.
func (w *Webhook) Deliveries(ctx context.Context, account, state string) (out []Delivery, err error) {
	switch state {
	case "", "waiting", "delivered", "failed":
	default:
		return nil, errs.New(errs.Invalid, "callback.state", "A delivery is waiting, delivered or failed.").On("state")
	}
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[deliveryRow](tx, `select `+deliveryColumns+`
			where ($1 = '' or c.account_id = $1) and (d.state = $2 or $2 = '' and (d.state = 'failed' or d.state = 'waiting' and d.last_error <> ''))
			order by d.id limit $3`, account, state, listed)
		for _, r := range rows {
			out = append(out, r.delivery())
		}
		return err
	})
	return out, err
}

func (r deliveryRow) delivery() Delivery {
	d := Delivery{ID: idOf(r.ID), Account: r.AccountID, Origin: r.Origin, Host: r.Host, Package: r.Package, Event: r.Name, State: r.State,
		Raised: db.Time(r.RaisedMs), Tries: r.Tries, Status: r.Status, LastError: r.LastError}
	if r.EndedMs != nil {
		d.Ended = db.Time(*r.EndedMs)
	}
	if r.DueMs != nil && r.State == "waiting" {
		d.Next = db.Time(*r.DueMs)
	}
	return d
}

// SendAgain has failed deliveries of an account tried anew for three days, and those that wait
// after a failure at once: one, by the id that Deliveries lists, or all when id is empty. It
// keeps their ids, bodies and order. It returns how many there were; NotFound
// "delivery.unknown" when id names none of them. Those whose callback is switched off stay.
func (w *Webhook) SendAgain(ctx context.Context, p authz.Principal, id string) (n int, err error) {
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		n = 0
		lanes, err := lanesInOrder(tx, `callback_id in (select id from callbacks where account_id = $1 and url <> '')
			and exists (select 1 from deliveries d where d.lane_id = lanes.id and ($2 = '' or d.id = $2)
				and (d.state = 'failed' or d.state = 'waiting' and d.last_error <> ''))`, p.Account, innerID(id))
		if err != nil {
			return err
		}
		for _, lane := range lanes {
			if _, err := tx.Exec(`update lanes set touched_ms = clock_ms(),
				due_ms = case when held and due_ms > clock_ms() then due_ms else clock_ms() end where id = $1`, lane); err != nil {
				return err
			}
			changed, err := tx.Exec(`update deliveries set state = 'waiting', ended_ms = null, since_ms = clock_ms(), tries = 0,
					generation = (select c.generation from callbacks c join lanes l on l.callback_id = c.id where l.id = $1)
				where lane_id = $1 and ($2 = '' or id = $2) and (state = 'failed' or state = 'waiting' and last_error <> '')`, lane, innerID(id))
			if err != nil {
				return err
			}
			n += int(changed)
		}
		if n == 0 && id != "" {
			return errs.New(errs.NotFound, "delivery.unknown", "There is no failed delivery %q of a callback that is on.", clip(id, 64)).With("id", clip(id, 64))
		}
		tx.OnCommit(wakeups.ring)
		_, err = audit.Append(tx, audit.Event{Type: "callback.sent_again", Account: p.Account, Actor: audit.By(p),
			Detail: map[string]string{"delivery": id}})
		return err
	})
	return n, err
}

// innerID undoes idOf; an id that cannot be one is itself, and found nowhere.
func innerID(id string) string {
	hex, ok := strings.CutPrefix(id, "msg_")
	if !ok || len(hex) != 32 {
		return id
	}
	return hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:]
}
