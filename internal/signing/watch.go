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

// leaseLook is the payload of the job that looks whether a lease has lapsed. A look that finds it running has another look
// planned, in the other turn: a job cannot plan itself for later while it runs. So a role has two of them at most.
type leaseLook struct {
	Role string `json:"role"`
	Turn int    `json:"turn"`
}

// Watch asks for a message when the lease is free again (rule 8).
func (s *Signing) Watch(ctx context.Context, v Visit) error {
	return s.write(ctx, func(tx *db.Tx) error {
		at, err := s.visit(tx, v)
		if err != nil {
			return err
		}
		if err := at.lockRole(tx); err != nil { // who leaves just now sees him watching, or he sees that it is free
			return err
		}
		if _, err := tx.Exec(`update invitees set waiting_ms = coalesce(waiting_ms, clock_ms()), watching = true where id = $1`, at.me.ID); err != nil {
			return err
		}
		return watchLapse(tx, at.role.ID)
	})
}

// waits notes that the visitor waits for the lease, unless it is noted already: the holder's time is bounded from then on.
// It locks nothing but the visitor's own row.
func (at spot) waits(tx *db.Tx) error {
	if at.me.WaitingMs != nil {
		return nil
	}
	return tx.Later(`update invitees set waiting_ms = clock_ms() where id = $1 and waiting_ms is null`, at.me.ID)
}

// watchLapse queues a look at the moment the lease of a role lapses.
func watchLapse(tx *db.Tx, role string) error {
	r, err := db.One[roleRow](tx, `select * from roles where id = $1`, role)
	if err != nil {
		return err
	}
	return planLook(tx, r, 0)
}

func planLook(tx *db.Tx, r roleRow, turn int) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if r.Holder == nil { // it was left before its time
		return lookLater(tx, r.ID, turn, -lapseSlack)
	}
	return lookLater(tx, r.ID, turn, db.Time(r.ExpiresMs).Sub(now))
}

// lookLater queues a look at a role whose lease lapses after a while.
func lookLater(tx *db.Tx, role string, turn int, after time.Duration) error {
	return jobs.Add(tx, "lease.lapsed", role+" "+strconv.Itoa(turn), leaseLook{role, turn}, max(0, after+lapseSlack))
}

// lookForLapse ends a lease that has lapsed, records that and tells who waits for it. Of one that was renewed or taken
// anew meanwhile there is another look; where nobody signs there is nothing to do.
func (s *Signing) lookForLapse(ctx context.Context, payload []byte) error {
	var in leaseLook
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	return s.write(ctx, func(tx *db.Tx) error {
		r, err := db.One[roleRow](tx, `update roles set epoch = epoch where id = $1 and state = 'open' and `+beingSigned+` returning *`, in.Role)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		lapsed, err := tx.Exec(`update roles set stage = '' where id = $1 and (holder is null or expires_ms <= clock_ms())`, r.ID)
		if err != nil {
			return err
		}
		if lapsed == 0 {
			return planLook(tx, r, 1-in.Turn)
		}
		pkg, err := db.One[packageRow](tx, `select * from packages where id = $1`, r.PackageID)
		if err != nil {
			return err
		}
		if r.Holder != nil {
			if err := (spot{pkg: pkg, role: r}).recordLapse(tx, r); err != nil {
				return err
			}
			if _, err := tx.Exec(`update roles set holder = null, freed_ms = expires_ms,
				idle_lapses = case when `+othersWait+` then idle_lapses + 1 else 0 end where id = $1`, r.ID, *r.Holder); err != nil {
				return err
			}
		}
		return s.tellFree(tx, pkg, r)
	})
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
