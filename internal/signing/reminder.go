package signing

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
)

// lookEvery is how often an open role is looked at when no reminder is due
// before: so much later, at most, a change of the settings takes effect.
const lookEvery = 24 * time.Hour

// reminderJob is the payload of the job that reminds who is asked to sign for a role.
type reminderJob struct {
	Role string `json:"role"`
}

// reminding is how an account reminds, as it says just now.
type reminding struct {
	first, every int64 // milliseconds since a person was last asked
	most         int
}

// remindingOf reads an account's settings; most is 0 where nobody is reminded. Without an interval there is one reminder.
func remindingOf(set directory.Settings) reminding {
	r := reminding{set.RemindFirst.Milliseconds(), set.RemindEvery.Milliseconds(), max(0, set.RemindAtMost)}
	switch {
	case r.first <= 0:
		r.most = 0
	case r.every <= 0:
		r.most = min(r.most, 1)
	}
	return r
}

// dueAt is when the next reminder of somebody is due, of $1 first, $2 every and $3 at most; awaits is who gets one at all.
const (
	dueAt  = `asked_ms + case when reminders = 0 then cast($1 as bigint) else cast($2 as bigint) end`
	awaits = `asked_ms is not null and reminders < cast($3 as bigint)`
)

// planReminders queues the next look at a role that is asked to sign: when its
// first reminder after now is due, or after a day. Looks planned twice are one.
func planReminders(tx *db.Tx, account directory.Account, role string, now time.Time) error {
	r, err := db.One[roleRow](tx, `select * from roles where id = $1`, role)
	if err != nil || r.State != open || r.InvitedMs == nil {
		return err
	}
	set, err := remindingFor(tx, r.PackageID, account)
	if err != nil {
		return err
	}
	due, err := db.One[int64](tx, `select coalesce(min(due), 0) from (
			select `+dueAt+` as due from invitees where role_id = $4 and `+awaits+`
			union all select `+dueAt+` as due from roles where id = $4 and `+awaits+`) as waiting where due > cast($5 as bigint)`,
		set.first, set.every, set.most, role, now.UnixMilli())
	if err != nil {
		return err
	}
	next := aDayOn(*r.InvitedMs, now)
	if due > 0 {
		next = min(next, due)
	}
	return lookAt(tx, role, next, now)
}

// aDayOn is the next of a role's daily looks.
func aDayOn(invited int64, now time.Time) int64 {
	every := lookEvery.Milliseconds()
	return invited + ((now.UnixMilli()-invited)/every+1)*every
}

// lookTomorrow queues the next daily look at a role that is asked to sign, and locks nothing.
func lookTomorrow(tx *db.Tx, role string) error {
	invited, err := db.One[int64](tx, `select r.invited_ms from roles r join packages p on p.id = r.package_id
		where r.id = $1 and r.state = 'open' and r.invited_ms is not null and p.status = 'SENT'`, role)
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	return lookAt(tx, role, aDayOn(invited, now), now)
}

func lookAt(tx *db.Tx, role string, ms int64, now time.Time) error {
	return jobs.Add(tx, "reminder", role+" "+strconv.FormatInt(ms, 10), reminderJob{role}, max(0, db.Time(ms).Sub(now)))
}

// remind looks at a role, and has it looked at again: an account that does not
// remind may say otherwise tomorrow, and a look that fails may be given up one day.
func (s *Signing) remind(ctx context.Context, payload []byte) error {
	var in reminderJob
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	on, err := s.reminds(ctx, in.Role)
	if err == nil && on {
		err = s.remindRole(ctx, in.Role)
	}
	if err == nil && on {
		return nil
	}
	return errors.Join(err, s.write(context.WithoutCancel(ctx), func(tx *db.Tx) error { return lookTomorrow(tx, in.Role) }))
}

// reminds tells whether a role's package, or its account, reminds at all.
func (s *Signing) reminds(ctx context.Context, role string) (on bool, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		type row struct{ ID, AccountID string }
		pkg, err := db.One[row](tx, `select p.id, p.account_id from packages p join roles r on r.package_id = p.id where r.id = $1`, role)
		if errors.Is(err, db.ErrNone) {
			return nil // deleted
		}
		if err != nil {
			return err
		}
		account, err := accountOf(tx, pkg.AccountID)
		if err != nil {
			return err
		}
		set, err := remindingFor(tx, pkg.ID, account)
		on = set.most > 0
		return err
	})
	return on, err
}

// remindRole asks those again who were asked to sign for a role and have not
// answered, each when his time has come. While somebody is signing it waits; what
// is in the trash may come back. It is one transaction under the package's lock,
// so however often it runs, and wherever, each occasion has one mail.
func (s *Signing) remindRole(ctx context.Context, role string) error {
	return s.write(ctx, func(tx *db.Tx) error {
		at, err := awaited(tx, role)
		if errors.Is(err, db.ErrNone) {
			return nil // signed, declined, taken back or done: nobody is asked any more
		}
		if err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		lease, err := at.liveLease(tx, now.UnixMilli())
		if err != nil {
			return err
		}
		if lease != nil {
			return lookAt(tx, role, lease.Expires.Add(lapseSlack).UnixMilli(), now)
		}
		if !at.pkg.Trashed {
			if err := s.remindDue(tx, at, now); err != nil {
				return err
			}
		}
		return planReminders(tx, at.account, role, now) // at the same now: who falls due meanwhile is planned for
	})
}

// awaited locks a package that is being signed, then a role of it that was asked
// to sign and has not, and reads them as they are now.
func awaited(tx *db.Tx, role string) (at spot, err error) {
	if at.pkg, err = db.One[packageRow](tx, `update packages set seal_attempt = seal_attempt
		where id = (select package_id from roles where id = $1) and status = 'SENT' returning *`, role); err != nil {
		return at, err
	}
	if at.role, err = db.One[roleRow](tx, `update roles set epoch = epoch
		where id = $1 and state = 'open' and invited_ms is not null returning *`, role); err != nil {
		return at, err
	}
	at.account, err = accountOf(tx, at.pkg.AccountID)
	return at, err
}

// remindDue mails everybody of a role whose reminder is due. Users are held in the order of their ids.
func (s *Signing) remindDue(tx *db.Tx, at spot, now time.Time) error {
	set, err := remindingFor(tx, at.pkg.ID, at.account)
	if err != nil {
		return err
	}
	due, err := db.All[inviteeRow](tx, `select * from invitees where role_id = $4 and `+awaits+` and `+dueAt+` <= cast($5 as bigint) order by coalesce(user_id, ''), id`,
		set.first, set.every, set.most, at.role.ID, now.UnixMilli())
	if err != nil {
		return err
	}
	for _, who := range due {
		to := at
		to.me = who
		if err := s.remindOne(tx, to); err != nil {
			return err
		}
	}
	shared, err := db.One[int](tx, `select count(*) from roles where id = $4 and `+awaits+` and `+dueAt+` <= cast($5 as bigint)`,
		set.first, set.every, set.most, at.role.ID, now.UnixMilli())
	if err != nil || shared == 0 {
		return err
	}
	return s.remindGroup(tx, at)
}

// remindOne reminds a person, unless he may no longer sign, or reads another mailbox by now.
func (s *Signing) remindOne(tx *db.Tx, at spot) error {
	who := invited{Email: at.me.Email, Shown: at.me.Email, Name: at.me.Name}
	if at.me.UserID != nil {
		u, err := directory.UserByID(tx, *at.me.UserID)
		if err != nil {
			return err
		}
		if u.Email != at.me.Email {
			return nil
		}
		who = asUser(u)
	}
	if err := at.holdMe(tx); errs.KindOf(err) == errs.Denied {
		return nil
	} else if err != nil {
		return err
	}
	how := at.reminder(at.me.Reminders, at.me.AskedMs, "reminder "+at.me.ID)
	if err := noteReminder(tx, at.pkg.ID, at.me.ID, how.number); err != nil {
		return err
	}
	return s.inviteOne(tx, at.pkg, at.role, who, how)
}

// remindGroup reminds a group at its own address, as long as one of its members can sign.
func (s *Signing) remindGroup(tx *db.Tx, at spot) error {
	g, err := directory.GroupByID(tx, *at.role.GroupID)
	if err != nil {
		return err
	}
	for _, m := range g.Members {
		if m.Alive() && g.Email != "" {
			how := at.reminder(at.role.Reminders, at.role.AskedMs, "reminder "+at.role.ID)
			if err := noteReminder(tx, at.pkg.ID, at.role.ID, how.number); err != nil {
				return err
			}
			return s.inviteGroupAddress(tx, at.pkg, at.role, g, how)
		}
	}
	return nil
}

// reminder is how a person or a group is asked again by the schedule. The occasion is when he was asked last.
func (at spot) reminder(sent int, askedMs *int64, whom string) asking {
	return asking{group: at.group(), again: true, number: sent + 1, key: whom + " " + strconv.FormatInt(deref(askedMs), 10)}
}
