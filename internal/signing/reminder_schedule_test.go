package signing_test

import (
	"fmt"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (w *world) schedule(pkg string, start, every, most int) signing.ReminderSchedule {
	w.t.Helper()
	out, err := w.signing.SetReminders(w.t.Context(), w.client, pkg, signing.ReminderSchedule{StartDays: start, EveryDays: every, Most: most})
	check(w.t, err)
	return out
}

// A package's own schedule goes before its account's, and when it is taken away the account's holds again.
func TestScheduleOverridesTheAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d) // the account: after three days, then daily, twice
		own := w.send(personRole("ann", "Ann", "Lee", "ann@example.com", 0))
		w.send(personRole("ben", "Ben", "Late", "ben@example.com", 0))
		silent := w.send(personRole("cat", "Cat", "Low", "cat@example.com", 0))
		all := []string{"ann@example.com", "ben@example.com", "cat@example.com"}
		w.schedule(own, 1, 5, 4)
		w.schedule(silent, 1, 1, 0)
		w.after(day)
		w.wantReminded("after a day", []int{1, 0, 0}, all...)
		w.after(3 * day)
		w.wantReminded("after four days", []int{1, 1, 0}, all...)
		w.after(2 * day)
		w.wantReminded("after six days", []int{2, 2, 0}, all...)
		w.schedule(own, 1, 1, 3)
		w.after(day)
		w.wantReminded("with a new schedule", []int{3, 2, 0}, all...)
		check(t, w.signing.DeleteReminders(t.Context(), w.client, silent))
		w.after(0)
		w.wantReminded("what the account says is due", []int{3, 2, 1}, all...)
		for range 5 {
			w.after(3 * day)
		}
		w.wantReminded("at the end", []int{3, 2, 2}, all...)
		n := 0
		for _, e := range w.events(own) {
			if e == "package.reminders_changed" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d changes of the schedule in the trail, want 2", n)
		}
	})
}

// The list of a schedule tells what is planned and what went out.
func TestScheduleTells(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		pkg := w.send(personRole("ann", "Ann", "Lee", "ann@example.com", 0), personRole("ben", "Ben", "Late", "ben@example.com", 0))
		plan := w.schedule(pkg, 2, 3, 2).Reminders
		if len(plan) != 2 || plan[1].Date.Sub(plan[0].Date) != 3*day || !plan[0].Sent.IsZero() {
			t.Fatalf("%+v", plan)
		}
		w.after(2 * day)
		w.sign(w.enter("ben@example.com"))
		w.after(3 * day)
		w.sign(w.enter("ann@example.com"))
		w.settle()
		got, err := w.signing.Reminders(t.Context(), w.client, pkg)
		check(t, err)
		for i, r := range got.Reminders {
			if late := r.Sent.Sub(plan[i].Date); late < 0 || late > time.Minute || !r.Date.Equal(plan[i].Date) {
				t.Errorf("%d: planned for %v, sent %v", i, r.Date, r.Sent)
			}
		}
		if _, err := w.signing.SetReminders(t.Context(), w.client, pkg, signing.ReminderSchedule{StartDays: 1, EveryDays: 1, Most: 1}); !errs.Is(err, "package.finished") {
			t.Errorf("a completed package: %v", err)
		}
		stranger := authz.Principal{Account: "other", User: "other"}
		if _, err := w.signing.Reminders(t.Context(), stranger, pkg); !errs.Is(err, "package.unknown") {
			t.Errorf("another account's: %v", err)
		}
		if err := w.signing.DeleteReminders(t.Context(), stranger, pkg); !errs.Is(err, "package.unknown") {
			t.Errorf("another account's: %v", err)
		}
	})
}

// By schedule too each occasion has one mail, whoever looks and however often, and while the schedule is written again.
func TestScheduleOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		var ids []string
		for range dbtest.Rounds(4, 40) {
			ids = append(ids, w.send(personRole("ann", "Ann", "Lee", "ann@example.com", 0)))
		}
		w.settle()
		w.alsoAt()
		for round := range 2 {
			w.db.Shift(day + time.Second)
			for _, id := range ids {
				w.schedule(id, 1, 1, 2)
			}
			w.addTwice(fmt.Sprint(round))
			w.wantReminded(fmt.Sprint("round ", round), []int{len(ids) * (round + 1)}, "ann@example.com")
		}
		w.after(5 * day)
		w.wantReminded("at the end", []int{len(ids) * 2}, "ann@example.com")
	})
}
