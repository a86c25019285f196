package audit

import (
	"context"
	"fmt"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// Event is one thing that happened.
type Event struct {
	// Type names it: "package.sent", "lease.taken", "lease.refused".
	Type string
	// Account, Package, Role and Document are internal ids and may be empty.
	Account, Package, Role, Document string
	Actor                            Actor
	// Refused marks an attempt that was refused.
	Refused bool
	// Detail holds facts; never personal data, never secrets.
	Detail map[string]string
	// Personal holds personal data beside that of the actor and the origin.
	Personal map[string]string
}

// Append records e in the transaction of the act it tells of, with the database's
// time and the origin in the transaction's context, and returns the event's id.
// Its error must end the act.
func Append(tx *db.Tx, e Event) (id string, err error) {
	at, err := tx.Now()
	if err != nil {
		return "", fmt.Errorf("audit %s: %w", e.Type, err)
	}
	r := Record{ID: secret.NewID(), At: at, Event: e, Origin: OriginOf(tx.Context())}
	if err := insert(tx, r); err != nil {
		return "", fmt.Errorf("audit %s: %w", e.Type, err)
	}
	return r.ID, nil
}

// Refused records an attempt whose act was rolled back, in a transaction of its
// own that outlives a caller who went away, and does what else follows from the
// refusal in the same one.
func Refused(ctx context.Context, d *db.DB, e Event, also ...func(*db.Tx) error) error {
	e.Refused = true
	return d.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		for _, f := range also {
			if err := f(tx); err != nil {
				return err
			}
		}
		_, err := Append(tx, e)
		return err
	})
}

func insert(tx *db.Tx, r Record) error {
	personal, err := canonical(personalOf(r))
	if err != nil {
		return err
	}
	salt := secret.Bytes(saltBytes)
	leaf, err := canonical(leafOf(r, commitment(salt, personal)))
	if err != nil {
		return err
	}
	if err := tx.Later(`insert into audit_events (id, account, package, at_ms, canonical) values ($1, $2, $3, $4, $5)`,
		r.ID, r.Account, r.Package, r.At.UnixMilli(), leaf); err != nil {
		return err
	}
	return tx.Later(`insert into audit_personal (event_id, salt, data) values ($1, $2, $3)`, r.ID, salt, string(personal))
}

// Record is an event read back.
type Record struct {
	ID string
	// At is the database's time when it was appended, to the millisecond, UTC.
	At time.Time
	Event
	Origin Origin
	// Erased tells that the personal data was erased; its fields are empty then.
	Erased bool
}
