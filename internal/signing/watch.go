package signing

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
)

// A waiting member is told this long after a lease should have lapsed, so that the look finds it lapsed.
const lapseSlack = 500 * time.Millisecond

// watchedLease is the payload of the job that looks whether a lease has lapsed.
type watchedLease struct {
	Role string `json:"role"`
}

// Watch asks for a message when the lease is free again (rule 8).
func (s *Signing) Watch(ctx context.Context, v Visit) error {
	return s.write(ctx, func(tx *db.Tx) error {
		at, err := s.visit(tx, v)
		if err != nil {
			return err
		}
		return s.wait(tx, at, true)
	})
}

// wait notes that the visitor waits for the lease, and whether he wants a message.
func (s *Signing) wait(tx *db.Tx, at spot, watching bool) error {
	if err := at.lockRole(tx); err != nil { // who leaves just now sees him waiting, or he sees that it is free
		return err
	}
	if _, err := tx.Exec(`update invitees set waiting_ms = coalesce(waiting_ms, clock_ms()), watching = watching or $2
		where id = $1`, at.me.ID, watching); err != nil || !watching {
		return err
	}
	return s.watchLapse(tx, at.role.ID)
}

// watchLapse queues a look at the moment the lease lapses; a renewed lease has a new moment.
func (s *Signing) watchLapse(tx *db.Tx, role string) error {
	r, err := db.One[roleRow](tx, `select * from roles where id = $1`, role)
	if err != nil {
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	after := db.Time(r.ExpiresMs).Sub(now) + lapseSlack
	if r.Holder == nil { // it was left before its time
		after = 0
	}
	return jobs.Add(tx, "lease.lapsed", role+" "+strconv.FormatInt(r.ExpiresMs, 10), watchedLease{role}, max(0, after))
}

// lookForLapse tells who waits for a lease that has lapsed, and looks again later at one that was renewed.
func (s *Signing) lookForLapse(ctx context.Context, payload []byte) error {
	var in watchedLease
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	return s.write(ctx, func(tx *db.Tx) error {
		lapsed, err := db.One[roleRow](tx, `update roles set stage = '' where id = $1 and state = 'open' and (holder is null or expires_ms <= clock_ms())
			and `+beingSigned+` returning *`, in.Role)
		if errors.Is(err, db.ErrNone) {
			return s.watchAgain(tx, in.Role)
		}
		if err != nil {
			return err
		}
		pkg, err := db.One[packageRow](tx, `select * from packages where id = $1`, lapsed.PackageID)
		if err != nil {
			return err
		}
		if lapsed.Holder != nil {
			at := spot{pkg: pkg, role: lapsed}
			if err := at.recordLapse(tx, lapsed); err != nil {
				return err
			}
			if _, err := tx.Exec(`update roles set holder = null where id = $1`, lapsed.ID); err != nil {
				return err
			}
		}
		return s.tellFree(tx, pkg, lapsed)
	})
}

// watchAgain goes on watching a lease that still runs, while somebody wants to know.
func (s *Signing) watchAgain(tx *db.Tx, role string) error {
	n, err := db.One[int](tx, `select count(*) from invitees i join roles r on r.id = i.role_id
		join packages p on p.id = r.package_id
		where r.id = $1 and r.state = 'open' and i.watching and p.status = 'SENT' and not p.trashed`, role)
	if err != nil || n == 0 {
		return err
	}
	return s.watchLapse(tx, role)
}

// tellFree mails those who asked to be told that the lease is free.
func (s *Signing) tellFree(tx *db.Tx, pkg packageRow, r roleRow) error {
	watching, err := db.All[inviteeRow](tx, `update invitees set watching = false where role_id = $1 and watching returning *`, r.ID)
	if err != nil {
		return err
	}
	for _, who := range watching {
		asked, err := stillAsked(tx, r, who)
		if err != nil {
			return err
		}
		if !asked {
			continue
		}
		link, err := s.newLink(tx, r.ID, &who.ID)
		if err != nil {
			return err
		}
		err = s.Post.Send(tx, mail.Message{To: mail.Address{Name: who.Name, Email: who.Email}, Account: pkg.AccountID, Package: pkg.ID,
			Data: mail.LeaseFree{Person: who.Name, Package: pkg.Name, Group: r.FirstName, Link: link}})
		if err != nil {
			return err
		}
	}
	return nil
}
