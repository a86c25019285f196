package webhook

import (
	"context"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// DeliveryFilter selects deliveries; what is empty selects nothing.
type DeliveryFilter struct {
	State   string // waiting, delivered, failed
	Event   string // PACKAGE_COMPLETE …
	Package string // its id outside
	Origin  string // of the callback, a connector's name; the account's own is Own
	From    time.Time
	Before  time.Time // when it was raised
}

// Own is the account's own callback in a filter.
const Own = "-"

// maxBrowse is how many deliveries a page has at most.
const maxBrowse = 200

// Browse lists deliveries of the caller's account, the newest first, at most limit and 200, those behind a delivery's ID when
// after is one; next is empty when there are no more. It is for who connects programs to the account
// (directory.MayConnect). Invalid "callback.state"; Denied "account.not_manager", "user.inactive".
func (w *Webhook) Browse(ctx context.Context, p authz.Principal, f DeliveryFilter, after string, limit int) (out []Delivery, next string, err error) {
	switch f.State {
	case "", "waiting", "delivered", "failed":
	default:
		return nil, "", errs.New(errs.Invalid, "callback.state", "A delivery is waiting, delivered or failed.").On("state")
	}
	limit = max(1, min(limit, maxBrowse))
	query, args := `c.account_id = $1`, []any{p.Account}
	where := func(condition string, value any) {
		args = append(args, value)
		query += ` and ` + condition + ` $` + strconv.Itoa(len(args))
	}
	for _, c := range []struct{ condition, value string }{{`d.state =`, f.State}, {`d.name =`, f.Event}, {`l.package =`, f.Package}, {`d.id <`, innerID(after)}} {
		if c.value != "" {
			where(c.condition, c.value)
		}
	}
	if f.Origin == Own {
		where(`c.origin =`, "")
	} else if f.Origin != "" {
		where(`c.origin =`, f.Origin)
	}
	if !f.From.IsZero() {
		where(`d.raised_ms >=`, f.From.UnixMilli())
	}
	if !f.Before.IsZero() {
		where(`d.raised_ms <`, f.Before.UnixMilli())
	}
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		if err := directory.MayConnect(tx, p); err != nil {
			return err
		}
		rows, err := db.All[deliveryRow](tx, `select `+deliveryColumns+` where `+query+` order by d.id desc limit `+strconv.Itoa(limit+1), args...)
		for _, r := range rows {
			out = append(out, r.delivery())
		}
		return err
	})
	if len(out) > limit {
		out = out[:limit]
		next = out[limit-1].ID
	}
	return out, next, err
}

// Sent is a delivery with what is sent.
type Sent struct {
	Delivery
	URL  string // where it goes, or went
	Body string // byte for byte, at every try
	// Again tells that SendAgain would have it sent.
	Again bool
}

// Delivery is one of the caller's account, by the id that receivers see. NotFound "delivery.unknown"; and those of Browse.
func (w *Webhook) Delivery(ctx context.Context, p authz.Principal, id string) (out Sent, err error) {
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		if err := directory.MayConnect(tx, p); err != nil {
			return err
		}
		head, err := db.One[deliveryRow](tx, `select `+deliveryColumns+` where c.account_id = $1 and d.id = $2`, p.Account, innerID(id))
		if errors.Is(err, db.ErrNone) {
			return errs.New(errs.NotFound, "delivery.unknown", "There is no delivery %q.", clip(id, 64)).With("id", clip(id, 64))
		}
		if err != nil {
			return err
		}
		rest, err := db.One[struct {
			Body []byte
			URL  string `db:"url"`
		}](tx, `select d.body, c.url from deliveries d join lanes l on l.id = d.lane_id join callbacks c on c.id = l.callback_id where d.id = $1`, head.ID)
		out = Sent{Delivery: head.delivery(), URL: rest.URL, Body: string(rest.Body)}
		out.Again = rest.URL != "" && (head.State == "failed" || head.State == "waiting" && head.LastError != "")
		return err
	})
	return out, err
}

// Resend is SendAgain for those who may browse the deliveries. Errors as both.
func (w *Webhook) Resend(ctx context.Context, p authz.Principal, id string) (n int, err error) {
	err = w.DB.Read(ctx, func(tx *db.Tx) error { return directory.MayConnect(tx, p) })
	if err != nil {
		return 0, err
	}
	return w.SendAgain(ctx, p, id)
}

// Callback is a registration as people read it, without what proves who calls.
type Callback struct {
	Origin, URL, Host string // Origin is empty for the account's own; URL is empty when it is switched off
	Style             Style
	Events            []string
	All               bool
	Created, Changed  time.Time
	// Overlap is until when the former secret signs beside the present one; zero: it does not.
	Overlap time.Time
	// Waiting are the deliveries under way, Failed those given up.
	Waiting, Failed int
}

// Callbacks are the registrations of the caller's account, its own first. Errors as Browse.
func (w *Webhook) Callbacks(ctx context.Context, p authz.Principal) (out []Callback, err error) {
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		if err := directory.MayConnect(tx, p); err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		rows, err := db.All[callback](tx, `select `+columns+` from callbacks where account_id = $1 order by origin`, p.Account)
		if err != nil {
			return err
		}
		for _, r := range rows {
			c := Callback{Origin: r.Origin, URL: r.URL, Host: r.Host, Style: r.Style, Events: r.names(), All: r.Events == "*",
				Created: db.Time(r.CreatedMs), Changed: db.Time(r.UpdatedMs)}
			if r.Former != nil && r.FormerUntilMs > now.UnixMilli() {
				c.Overlap = db.Time(r.FormerUntilMs)
			}
			if c.Waiting, c.Failed, err = underWay(tx, r.ID); err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// underWay counts what waits for a callback and what was given up.
func underWay(tx *db.Tx, callback string) (waiting, failed int, err error) {
	type row struct {
		State string
		N     int
	}
	rows, err := db.All[row](tx, `select d.state, count(*) as n from deliveries d join lanes l on l.id = d.lane_id
		where l.callback_id = $1 and d.state in ('waiting', 'failed') group by d.state`, callback)
	for _, r := range rows {
		if r.State == "failed" {
			failed = r.N
		} else {
			waiting = r.N
		}
	}
	return waiting, failed, err
}
