package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/jobs"
)

// waiting is a queued message.
type waiting struct {
	ID, MessageID, Kind, Recipient, Account, Package string
	CreatedMs, NowMs                                 int64
	Sealed                                           []byte
}

func (w waiting) created() time.Time { return db.Time(w.CreatedMs) }

// deliver is the job: it takes one message on its way, once more if need be.
func (p *Post) deliver(ctx context.Context, payload []byte) error {
	var id string
	if err := json.Unmarshal(payload, &id); err != nil {
		return jobs.Final(err)
	}
	var w waiting
	err := p.db.Read(ctx, func(tx *db.Tx) (err error) {
		w, err = db.One[waiting](tx, `select id, message_id, kind, recipient, account, package, created_ms, clock_ms() as now_ms, sealed
			from mails where id = $1 and state = 'queued'`, id)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return nil // an earlier try got through and died before it could say so
	}
	if err != nil {
		return err
	}
	if err = p.try(ctx, w); err == nil {
		p.log.Info("mail: delivered", "mail", w.ID, "kind", w.Kind)
		return nil
	}
	if w.NowMs-w.CreatedMs >= tryFor.Milliseconds() {
		err = jobs.Final(err)
	}
	return errors.Join(err, p.failed(ctx, w, err))
}

// try sends the message and notes that it is delivered.
func (p *Post) try(ctx context.Context, w waiting) error {
	plain, err := p.box.Unseal(purpose, w.Sealed)
	if err != nil {
		return fmt.Errorf("the master key does not open this message: %w", err)
	}
	var e envelope
	if err := json.Unmarshal(plain, &e); err != nil {
		return err
	}
	if p.relay != nil {
		m, err := p.message(ctx, w, e)
		if err != nil {
			return err
		}
		if err := p.relay.send(ctx, m); err != nil {
			return err
		}
	}
	var kept []byte
	if p.mailbox {
		if kept, err = p.keep(ctx, e); err != nil {
			return err
		}
	}
	// What the relay took stays taken, whether or not somebody still waits for it to be noted.
	return p.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		return delivered(tx, w, kept)
	})
}

// delivered ends a message and puts it into the mailbox if there is one: in one
// transaction, and only for whoever ends it, so it lies there exactly once.
func delivered(tx *db.Tx, w waiting, kept []byte) error {
	changed, err := tx.Exec(`update mails set state = 'delivered', sealed = null, ended_ms = clock_ms(), last_error = ''
		where id = $1 and state = 'queued'`, w.ID)
	if err != nil || changed == 0 || kept == nil {
		return err
	}
	_, err = tx.Exec(`insert into mailbox (id, recipient, received_ms, sealed) values ($1, $2, clock_ms(), $3)`, w.ID, w.Recipient, kept)
	return err
}

// failed keeps the error with the message and, after the last try, ends it.
func (p *Post) failed(ctx context.Context, w waiting, cause error) error {
	text := strings.ReplaceAll(strings.ToValidUTF8(shorten(cause.Error(), 500), ""), "\x00", "")
	return p.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		if !jobs.IsFinal(cause) {
			_, err := tx.Exec(`update mails set last_error = $1 where id = $2 and state = 'queued'`, text, w.ID)
			return err
		}
		changed, err := tx.Exec(`update mails set state = 'failed', sealed = null, ended_ms = clock_ms(), last_error = $1
			where id = $2 and state = 'queued'`, text, w.ID)
		if err != nil || changed == 0 {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "mail.failed", Account: w.Account, Package: w.Package, Actor: audit.System,
			Detail: map[string]string{"kind": w.Kind}, Personal: map[string]string{"to": w.Recipient}})
		f := p.onFailed.Load()
		if err != nil || f == nil || w.Package == "" {
			return err
		}
		return (*f)(tx, w.Account, w.Package, w.Kind, w.Recipient)
	})
}
