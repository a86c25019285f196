package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
)

// expiryJob is the payload of the job that looks at a package when its time is up. A package that was given another
// time has another job; the one that finds a later time, or the package no longer being signed, does nothing.
type expiryJob struct {
	Package string `json:"package"`
	DueMs   int64  `json:"due"`
}

// wholeSeconds is a time as surfaces show it: what a client reads and sends back is the same time.
func wholeSeconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.Truncate(time.Second).UnixMilli()
	return &ms
}

// planExpiry queues the end of a package that is being sent, or that was given another time while it is being signed.
// The package's own settings count before the account's usual time, and nothing goes beyond the account's most.
// Invalid "package.due_past", "package.due_far".
func planExpiry(tx *db.Tx, pkg packageRow) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	account, err := directory.ExpiryOf(tx, pkg.AccountID)
	if err != nil {
		return err
	}
	most := int64(account.Most)
	days := cmp.Or(pkg.ceremony().defaultDays(), int64(account.Usual), most)
	if most > 0 {
		days = min(days, most)
	}
	if pkg.DueMs == nil && days > 0 {
		pkg.DueMs = wholeSeconds(now.AddDate(0, 0, int(days)))
		if _, err := tx.Exec(`update packages set due_ms = $2 where id = $1`, pkg.ID, *pkg.DueMs); err != nil {
			return err
		}
	}
	if pkg.DueMs == nil {
		return nil
	}
	left := db.Time(*pkg.DueMs).Sub(now)
	if left <= 0 {
		return errs.New(errs.Invalid, "package.due_past", "A package cannot be due at a time that has passed.").On("due")
	}
	if most > 0 && left > time.Duration(most)*24*time.Hour {
		return errs.New(errs.Invalid, "package.due_far", "A package of this account is due after at most %d days.", most).On("due")
	}
	return jobs.Add(tx, "package.expire", fmt.Sprintf("%s/%d", pkg.ID, *pkg.DueMs), expiryJob{pkg.ID, *pkg.DueMs}, left)
}

// expire ends a package whose time is up, in the trash or not, and the leases in it. One that everybody has signed
// waits for nobody and does not expire.
func (s *Signing) expire(ctx context.Context, payload []byte) error {
	var in expiryJob
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	return s.write(ctx, func(tx *db.Tx) error {
		pkg, err := db.One[packageRow](tx, `update packages set seal_attempt = seal_attempt where id = $1 and status = 'SENT'
			and due_ms is not null returning *`, in.Package)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		changed, err := tx.Exec(`update packages set status = 'EXPIRED', ended_ms = clock_ms(), updated_ms = clock_ms()
			where id = $1 and due_ms <= clock_ms()
				and exists (select 1 from roles r where r.package_id = packages.id and r.state = 'open')`, pkg.ID)
		if err != nil || changed == 0 {
			return err
		}
		if err := moved(tx, pkg, Expired); err != nil {
			return err
		}
		if err := voidLeases(tx, pkg, "expired"); err != nil {
			return err
		}
		if _, err = record(tx, audit.Event{Type: "package.expired", Account: pkg.AccountID, Package: pkg.ID, Actor: audit.System}); err != nil {
			return err
		}
		return s.tellExpired(tx, pkg)
	})
}

// tellExpired mails the sender who has not signed in time. Those who were asked are not told: their links say it.
func (s *Signing) tellExpired(tx *db.Tx, pkg packageRow) error {
	sender, err := directory.UserByID(tx, pkg.OwnerID)
	if err != nil {
		return err
	}
	roles, err := db.All[roleRow](tx, `select * from roles where package_id = $1 and state = 'open' order by position`, pkg.ID)
	if err != nil {
		return err
	}
	notice := mail.ExpiredNotice{Person: sender.Name(), Package: pkg.Name, Due: db.Time(*pkg.DueMs)}
	for _, r := range roles {
		notice.Waiting = append(notice.Waiting, r.signerName())
	}
	return s.Post.Send(tx, mail.Message{To: mail.Address{Name: sender.Name(), Email: sender.Email}, Account: pkg.AccountID, Package: pkg.ID, Data: notice})
}
