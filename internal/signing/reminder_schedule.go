package signing

import (
	"context"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// maxReminders of a schedule, to each person (OneSpan Sign, Configuring Transaction Reminders: at most five).
const (
	maxReminders    = 5
	maxReminderDays = 365
)

// ReminderSchedule is how a package reminds those who have been asked to sign
// and have not. It goes before the reminders of the account.
type ReminderSchedule struct {
	// StartDays is how many days after a person was asked he is reminded first, 1 to 365.
	StartDays int
	// EveryDays is how many days lie between two reminders, 1 to 365.
	EveryDays int
	// Most is how many reminders a person gets, 0 to 5.
	Most int
	// Reminders are those that went out, and while the package is being signed
	// those to come, in order. Read only.
	Reminders []Reminder
}

// Reminder is one occasion of a schedule.
type Reminder struct {
	// Date is when it is planned for who was asked at sending; who is asked later is reminded later.
	Date time.Time
	// Sent is when the first person got it; zero: nobody yet.
	Sent time.Time
}

type scheduleRow struct {
	StartDays, EveryDays, Most int
}

// scheduleOf is the schedule of a package; ok is false when it has none.
func scheduleOf(tx *db.Tx, pkg string) (r scheduleRow, ok bool, err error) {
	r, err = db.One[scheduleRow](tx, `select start_days, every_days, most from reminder_schedules where package_id = $1`, pkg)
	if errors.Is(err, db.ErrNone) {
		return r, false, nil
	}
	return r, err == nil, err
}

// copySchedule gives a package the schedule of another one, if that has one.
func copySchedule(tx *db.Tx, from, to string) error {
	_, err := tx.Exec(`insert into reminder_schedules (package_id, start_days, every_days, most, created_ms, updated_ms)
		select cast($2 as text), start_days, every_days, most, clock_ms(), clock_ms() from reminder_schedules where package_id = $1`, from, to)
	return err
}

// remindingFor is how a package reminds just now: by its own schedule, else as its account does.
func remindingFor(tx *db.Tx, pkg string, account directory.Account) (reminding, error) {
	own, ok, err := scheduleOf(tx, pkg)
	if err != nil || !ok {
		return remindingOf(account.Settings), err
	}
	day := 24 * time.Hour.Milliseconds()
	return reminding{first: int64(own.StartDays) * day, every: int64(own.EveryDays) * day, most: own.Most}, nil
}

// Reminders is the schedule of a package; nil when it has none of its own. NotFound "package.unknown".
func (s *Signing) Reminders(ctx context.Context, p authz.Principal, pkg string) (found *ReminderSchedule, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		found, err = readSchedule(tx, row)
		return err
	})
	return found, err
}

func readSchedule(tx *db.Tx, pkg packageRow) (*ReminderSchedule, error) {
	own, ok, err := scheduleOf(tx, pkg.ID)
	if err != nil || !ok {
		return nil, err
	}
	out := &ReminderSchedule{StartDays: own.StartDays, EveryDays: own.EveryDays, Most: own.Most, Reminders: []Reminder{}}
	if pkg.SentMs == nil {
		return out, nil
	}
	type sentRow struct{ Number, SentMs int64 }
	rows, err := db.All[sentRow](tx, `select number, min(sent_ms) as sent_ms from reminders_sent where package_id = $1 and sent_ms >= $2
		group by number`, pkg.ID, *pkg.SentMs)
	if err != nil {
		return nil, err
	}
	sent := map[int]time.Time{}
	for _, r := range rows {
		sent[int(r.Number)] = db.Time(r.SentMs)
	}
	for n := range max(own.Most, len(sent)) {
		r := Reminder{Date: db.Time(*pkg.SentMs).AddDate(0, 0, own.StartDays+n*own.EveryDays), Sent: sent[n+1]}
		if !r.Sent.IsZero() || pkg.Status == Sent && n < own.Most {
			out.Reminders = append(out.Reminders, r)
		}
	}
	return out, nil
}

// SetReminders gives a package a schedule in the place of the one it has, before
// it is sent or while it is being signed. Invalid "reminder.range",
// "package.finished"; NotFound "package.unknown".
func (s *Signing) SetReminders(ctx context.Context, p authz.Principal, pkg string, in ReminderSchedule) (out ReminderSchedule, err error) {
	for _, n := range []struct {
		field            string
		n, least, upmost int
	}{
		{"startInDaysDelay", in.StartDays, 1, maxReminderDays}, {"intervalInDays", in.EveryDays, 1, maxReminderDays},
		{"repetitionsCount", in.Most, 0, maxReminders},
	} {
		if n.n < n.least || n.n > n.upmost {
			return out, errs.New(errs.Invalid, "reminder.range", "%s must be from %d to %d.", n.field, n.least, n.upmost).On(n.field)
		}
	}
	err = s.changeReminders(ctx, p, pkg, func(tx *db.Tx, row packageRow) (map[string]string, error) {
		if row.Status != Draft && row.Status != Sent {
			return nil, errs.New(errs.Invalid, "package.finished", "A package that is %s does not change.", row.Status)
		}
		_, err := tx.Exec(`insert into reminder_schedules (package_id, start_days, every_days, most, created_ms, updated_ms)
			values ($1, $2, $3, $4, clock_ms(), clock_ms())
			on conflict (package_id) do update set start_days = excluded.start_days, every_days = excluded.every_days,
				most = excluded.most, updated_ms = excluded.updated_ms`, row.ID, in.StartDays, in.EveryDays, in.Most)
		if err != nil {
			return nil, err
		}
		read, err := readSchedule(tx, row)
		if err == nil {
			out = *read
		}
		return map[string]string{"start_days": strconv.Itoa(in.StartDays), "every_days": strconv.Itoa(in.EveryDays),
			"at_most": strconv.Itoa(in.Most)}, err
	})
	return out, err
}

// DeleteReminders takes a package's schedule away: it reminds as its account
// does again. Without a schedule nothing changes. NotFound "package.unknown".
func (s *Signing) DeleteReminders(ctx context.Context, p authz.Principal, pkg string) error {
	return s.changeReminders(ctx, p, pkg, func(tx *db.Tx, row packageRow) (map[string]string, error) {
		changed, err := tx.Exec(`delete from reminder_schedules where package_id = $1`, row.ID)
		if err != nil || changed == 0 {
			return nil, err
		}
		return map[string]string{"removed": "yes"}, nil
	})
}

// changeReminders changes a package's schedule under its lock, and has everybody who is asked looked at by the new one.
func (s *Signing) changeReminders(ctx context.Context, p authz.Principal, outer string,
	change func(*db.Tx, packageRow) (detail map[string]string, err error)) error {
	return s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, outer)
		if err != nil {
			return err
		}
		pkg, err = db.One[packageRow](tx, `update packages set seal_attempt = seal_attempt where id = $1 returning *`, pkg.ID)
		if err != nil {
			return orUnknown(err, "package", outer)
		}
		detail, err := change(tx, pkg)
		if err != nil || detail == nil {
			return err
		}
		if _, err = record(tx, audit.Event{Type: "package.reminders_changed", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p),
			Detail: detail}); err != nil || pkg.Status != Sent {
			return err
		}
		return lookNow(tx, pkg)
	})
}

// lookNow has every role of a package that is asked to sign looked at: somebody may be due by now.
func lookNow(tx *db.Tx, pkg packageRow) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	roles, err := db.All[string](tx, `select id from roles where package_id = $1 and state = 'open' and invited_ms is not null`, pkg.ID)
	for _, role := range roles {
		if err == nil {
			err = lookAt(tx, role, now.UnixMilli(), now)
		}
	}
	return err
}

// noteReminder keeps when somebody, an invitee or a role, was reminded.
func noteReminder(tx *db.Tx, pkg, whom string, number int) error {
	_, err := tx.Exec(`insert into reminders_sent (package_id, whom, number, sent_ms) values ($1, $2, $3, clock_ms())
		on conflict (package_id, whom, number) do update set sent_ms = excluded.sent_ms`, pkg, whom, number)
	return err
}
