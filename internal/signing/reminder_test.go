package signing_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/signing"
)

const day = 24 * time.Hour

// after is by, and a second for the way of a job.
func (w *world) after(by time.Duration) {
	w.t.Helper()
	w.settle()
	w.db.Shift(by + time.Second)
	w.settle()
}

// reminded is how many reminders each of these addresses got.
func (w *world) reminded(emails ...string) (n []int) {
	w.t.Helper()
	w.settle()
	for _, email := range emails {
		messages, err := w.post.Mailbox(w.t.Context(), email)
		check(w.t, err)
		count := 0
		for _, m := range messages {
			if strings.HasPrefix(m.Subject, "Reminder: ") {
				count++
			}
		}
		n = append(n, count)
	}
	return n
}

func (w *world) wantReminded(when string, want []int, emails ...string) {
	w.t.Helper()
	if got := w.reminded(emails...); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %v have %v reminders, want %v", when, emails, got, want)
	}
}

func (w *world) set(s directory.Settings) {
	w.t.Helper()
	check(w.t, w.dir.SetAccount(w.t.Context(), w.account.OuterID, s, nil))
}

// reminding is a tenant that reminds after three days, then daily, twice at most.
func newReminding(t *testing.T, d *dbtest.DB) *world {
	t.Helper()
	w := newWorld(t, d, directory.Link)
	w.set(directory.Settings{RemindFirst: 3 * day, RemindEvery: day, RemindAtMost: 2})
	w.work()
	return w
}

// Everybody who is asked and has not signed is reminded in his own time: members of a group, single
// signers, and those whose turn comes later.
func TestReminders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith")
		ben := personRole("ben", "Ben", "Late", "ben@example.com", 2)
		first := groupRole("role1", w.group("Pharmacists", users...))
		first.Index = 1
		pkg := w.send(first, personRole("ann", "Ann", "Lee", "ann@example.com", 1), ben)
		all := []string{users[0].Email, users[1].Email, "ann@example.com", "ben@example.com"}
		w.after(3*day - time.Minute)
		w.wantReminded("before its time", []int{0, 0, 0, 0}, all...)
		w.after(time.Minute)
		w.wantReminded("after three days", []int{1, 1, 1, 0}, all...)
		w.after(day - time.Minute)
		w.wantReminded("before the second", []int{1, 1, 1, 0}, all...)
		w.after(time.Minute)
		w.wantReminded("a day later", []int{2, 2, 2, 0}, all...)
		for range 10 {
			w.after(3 * day)
		}
		w.wantReminded("a month later", []int{2, 2, 2, 0}, all...)
		w.sign(w.enter(users[1].Email)) // by the link of the reminder
		w.sign(w.enter("ann@example.com"))
		w.after(3 * day)
		w.wantReminded("when his turn had come", []int{2, 2, 2, 1}, all...)
		n := 0
		for _, e := range w.events(pkg) {
			if e == "reminder.sent" {
				n++
			}
		}
		if n != 7 {
			t.Errorf("%d reminders in the trail, want 7", n)
		}
	})
}

// Nobody hears of what is over, and nobody who may not sign hears anything.
func TestRemindersEnd(t *testing.T) {
	draft := signing.Change{Status: signing.Draft}
	for name, act := range map[string]struct {
		do   func(w *world, pkg string, g directory.Group, users []directory.User)
		want []int
	}{
		"nothing happens": {func(*world, string, directory.Group, []directory.User) {}, []int{1, 1}},
		"signed": {func(w *world, _ string, _ directory.Group, u []directory.User) {
			w.sign(w.enter(u[0].Email))
		}, []int{0, 0}},
		"declined": {func(w *world, _ string, _ directory.Group, u []directory.User) {
			v := w.enter(u[0].Email)
			check(w.t, w.signing.Decline(w.t.Context(), v, w.take(v).Epoch, "No"))
		}, []int{0, 0}},
		"taken back": {func(w *world, pkg string, _ directory.Group, _ []directory.User) { w.update(pkg, draft) }, []int{0, 0}},
		"trashed":    {func(w *world, pkg string, _ directory.Group, _ []directory.User) { w.trash(pkg, true) }, []int{0, 0}},
		"deleted": {func(w *world, pkg string, _ directory.Group, _ []directory.User) {
			check(w.t, w.signing.Delete(w.t.Context(), w.client, pkg))
		}, []int{0, 0}},
		"one removed": {func(w *world, _ string, g directory.Group, u []directory.User) {
			check(w.t, w.dir.RemoveMember(w.t.Context(), w.client, g.OuterID, u[0].SenderID))
		}, []int{0, 1}},
		"one deactivated": {func(w *world, _ string, _ directory.Group, u []directory.User) {
			check(w.t, w.dir.DeleteSender(w.t.Context(), w.client, u[0].SenderID))
		}, []int{0, 1}},
		"one locked": {func(w *world, _ string, _ directory.Group, u []directory.User) {
			w.exec(`update users set status = 'LOCKED' where id = $1`, u[0].ID)
		}, []int{0, 1}},
		"one with another mailbox": {func(w *world, _ string, _ directory.Group, u []directory.User) {
			address := "elsewhere@example.com"
			_, err := w.dir.UpdateSender(w.t.Context(), w.client, u[0].SenderID, directory.UserChange{Email: &address})
			check(w.t, err)
		}, []int{0, 1}},
		"group deleted": {func(w *world, _ string, g directory.Group, _ []directory.User) {
			check(w.t, w.dir.DeleteGroup(w.t.Context(), w.client, g.OuterID))
		}, []int{0, 0}},
		"reminders off": {func(w *world, _ string, _ directory.Group, _ []directory.User) {
			w.set(directory.Settings{RemindAtMost: directory.NoReminders})
		}, []int{0, 0}},
		"later": {func(w *world, _ string, _ directory.Group, _ []directory.User) {
			w.set(directory.Settings{RemindFirst: 5 * day})
		}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w := newReminding(t, d)
				users := w.senders("Mary Doe", "John Smith")
				g := w.group("Pharmacists", users...)
				pkg := w.send(groupRole("role1", g))
				w.after(2 * day)
				act.do(w, pkg, g, users)
				w.after(day)
				w.wantReminded(name, act.want, users[0].Email, users[1].Email)
				if n := w.count(`select count(*) from jobs where kind = 'reminder' and state = 'failed'`); n > 0 {
					t.Errorf("%d jobs were given up: %s", n, w.jobError())
				}
			})
		})
	}
}

// exec runs a statement behind the rooms' backs.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	check(w.t, w.db.Write(w.t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(sql, args...); return err }))
}

// Nobody is told to hurry while somebody is signing; it is made up for when the lease has lapsed.
func TestRemindersWaitForTheLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith")
		w.send(groupRole("role1", w.group("Pharmacists", users...)))
		w.after(3*day - time.Minute)
		mary := w.enter(users[0].Email)
		l := w.take(mary)
		for range 6 { // past the time of the reminder, and past the end the lease had then
			_, err := w.signing.Beat(t.Context(), mary, l.Epoch)
			check(t, err)
			w.after(10 * time.Minute)
		}
		w.wantReminded("while she signs", []int{0, 0}, users[0].Email, users[1].Email)
		w.after(directory.Defaults.HardLease)
		w.wantReminded("when her lease had lapsed", []int{1, 1}, users[0].Email, users[1].Email)

		w.take(mary) // a holder who may no longer sign holds nothing
		w.after(day - directory.Defaults.SoftLease/2)
		lease := w.take(w.enter(users[0].Email))
		if lease.Epoch == 0 {
			t.Error("no lease")
		}
		check(t, w.dir.DeleteSender(t.Context(), w.client, users[0].SenderID))
		w.after(directory.Defaults.SoftLease / 2)
		w.wantReminded("with a void lease", []int{1, 2}, users[0].Email, users[1].Email)
	})
}

// What the sender does counts: asking again puts the next reminder off, sending again begins anew,
// what comes out of the trash is reminded of, and who joins later has his own time.
func TestRemindersFollowTheSender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith")
		mary, john := users[0].Email, users[1].Email
		g := w.group("Pharmacists", users[0])
		pkg := w.send(groupRole("role1", g))
		w.after(2 * day)
		check(t, w.signing.Notify(t.Context(), w.client, pkg, "role1", "Please"))
		w.after(2 * day)
		w.wantReminded("two days after the sender's own", []int{1}, mary)
		_, _, err := w.dir.AddMember(t.Context(), w.client, g.OuterID, directory.NewMember{Email: john}, false)
		check(t, err)
		w.after(day)
		w.wantReminded("three days after the sender's own", []int{2, 0}, mary, john)
		w.trash(pkg, true)
		w.after(5 * day)
		w.wantReminded("in the trash", []int{2, 0}, mary, john)
		w.trash(pkg, false)
		w.after(day)
		w.wantReminded("out of the trash", []int{3, 1}, mary, john)
		w.update(pkg, signing.Change{Status: signing.Draft})
		w.after(5 * day)
		w.update(pkg, signing.Change{Status: signing.Sent})
		w.after(3 * day)
		w.wantReminded("sent again", []int{4, 2}, mary, john)
		w.after(day)
		w.after(5 * day)
		w.wantReminded("at most two more", []int{5, 3}, mary, john)
	})
}

// The settings count as they are when the job runs, for what was sent before, too.
func TestRemindersSwitchedOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		w.send(personRole("ann", "Ann", "Lee", "ann@example.com", 0))
		w.after(30 * day)
		w.wantReminded("by default", []int{0}, "ann@example.com")
		w.set(directory.Settings{RemindFirst: 3 * day, RemindEvery: 2 * day, RemindAtMost: 3})
		w.after(day)
		w.wantReminded("a day after they were switched on", []int{1}, "ann@example.com")
		w.set(directory.Settings{RemindAtMost: directory.NoReminders})
		w.after(10 * day)
		w.wantReminded("switched off", []int{1}, "ann@example.com")
	})
}

// A group with a mailbox of its own is reminded there, by one mail.
func TestRemindersToAGroupsAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users, no := w.senders("Mary Doe", "John Smith"), false
		g, err := w.dir.CreateGroup(t.Context(), w.client, directory.NewGroup{Name: "Pharmacists", Email: "group@example.com", EmailMembers: &no,
			Members: []directory.NewMember{{Email: users[0].Email}, {Email: users[1].Email}}})
		check(t, err)
		w.send(groupRole("r", g))
		_, err = w.signing.Enter(t.Context(), w.token("group@example.com"), users[0].Email, "")
		check(t, err)
		for _, want := range []int{1, 2, 2} {
			w.after(3 * day)
			w.wantReminded("by the group's address", []int{want, 0, 0}, "group@example.com", users[0].Email, users[1].Email)
		}
		inv, err := w.signing.Look(t.Context(), w.token("group@example.com"))
		check(t, err)
		if !inv.AskEmail {
			t.Errorf("the reminder's link says %+v", inv)
		}
	})
}

// Whoever falls due while others are being reminded has his own look, not the next day's.
func TestRemindersWhileOthersAreReminded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith")
		mary, john := users[0].Email, users[1].Email
		w.send(groupRole("role1", w.group("Pharmacists", users...)))
		w.after(2 * day)
		w.exec(`update invitees set asked_ms = asked_ms + 10000 where email = $1`, john)
		slow := func() { d.Shift(20 * time.Second) } // within the claim of the job
		w.onMail.Store(&slow)
		w.after(day)
		w.onMail.Store(nil)
		w.wantReminded("at her time", []int{1}, mary)
		w.after(20 * time.Second)
		w.wantReminded("at his", []int{1, 1}, mary, john)
	})
}

// A look that was given up is not the last one.
func TestRemindersAfterAFailure(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		u := w.senders("Mary Doe")[0]
		w.send(groupRole("role1", w.group("Pharmacists", u)))
		w.after(2 * day)
		w.exec(`update invitees set user_id = 'nobody'`)
		w.exec(`update jobs set tries = 999 where kind = 'reminder'`) // the next is the last
		w.after(day)
		if n := w.count(`select count(*) from jobs where kind = 'reminder' and state = 'failed'`); n != 1 {
			t.Errorf("%d jobs were given up", n)
		}
		w.wantReminded("while it fails", []int{0}, u.Email)
		w.exec(`update invitees set user_id = $1`, u.ID)
		w.after(day)
		w.wantReminded("a day later", []int{1}, u.Email)
	})
}

// Who never reminds pays for a look a day, and locks nothing for it: PostgreSQL gives every row that
// was locked by an update a new xmin.
func TestRemindersOffLockNothing(t *testing.T) {
	w := newWorld(t, dbtest.Postgres(t), directory.Link)
	w.work()
	w.send(personRole("ann", "Ann", "Lee", "ann@example.com", 0))
	const versions = `select cast(p.xmin as text) || ' ' || cast(r.xmin as text) from packages p join roles r on r.package_id = p.id order by r.id`
	w.settle()
	before, looks := w.column(versions), w.column(`select key from jobs where kind = 'reminder'`)
	w.after(day)
	if after := w.column(versions); !same(before, after) {
		t.Errorf("rows were written: %v, %v", before, after)
	}
	if next := w.column(`select key from jobs where kind = 'reminder'`); len(next) != 1 || same(looks, next) {
		t.Errorf("the looks were %v, are %v", looks, next)
	}
}

// Members are locked in the order of their ids, as directory does, whoever was asked first.
func TestRemindersInTheOrderOfLocks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users[1])
		w.send(groupRole("role1", g))
		w.settle()
		_, _, err := w.dir.AddMember(t.Context(), w.client, g.OuterID, directory.NewMember{Email: users[0].Email}, false)
		check(t, err)
		w.after(3 * day)
		w.settle()
		order := w.column(`select recipient from mails where kind = 'reminder' order by id`)
		if want := []string{users[0].Email, users[1].Email}; users[0].ID > users[1].ID || !slices.Equal(order, want) {
			t.Errorf("in the order %v, want %v", order, want)
		}
	})
}

// Several processes, jobs that come twice, and a restart: each occasion has one mail.
func TestRemindersOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		users := w.senders("Mary Doe", "John Smith", "Ann Lee")
		g := w.group("Pharmacists", users...)
		packages := dbtest.Rounds(4, 40)
		var ids []string
		for range packages {
			ids = append(ids, w.send(groupRole("role1", g), personRole("ben", "Ben", "Single", "ben@example.com", 0)))
		}
		w.settle()
		w.db.Shift(3*day - time.Minute)
		stop := w.alsoAt()
		for round := range 2 {
			w.db.Shift(day)
			w.addTwice(fmt.Sprint(round))
			w.settle()
			if round == 0 {
				stop() // one process ends, another begins
				stop = w.alsoAt()
			}
			want := packages * (round + 1)
			w.wantReminded(fmt.Sprint("round ", round), []int{want, want, want, want}, users[0].Email, users[1].Email, users[2].Email, "ben@example.com")
		}
		stop()
		n := w.count(`select count(*) from mails where kind = 'reminder'`)
		t.Logf("%d occasions, %d mails, 3 processes", packages*2*4, n)
		told := 0 // a key would hide a second mail, but not a second event
		for _, id := range ids {
			for _, e := range w.events(id) {
				if e == "reminder.sent" {
					told++
				}
			}
		}
		if n != packages*2*4 || told != n {
			t.Errorf("%d mails, %d events", n, told)
		}
	})
}

// alsoAt runs another process's rooms on the same database until it is stopped.
func (w *world) alsoAt() (stop func()) {
	c := w.signing.Config
	c.Queue = jobs.New(w.db.DB, c.Log)
	signing.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Queue.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// addTwice queues every role's job three more times, as claims that lapse would.
func (w *world) addTwice(what string) {
	w.t.Helper()
	roles := w.column(`select id from roles where invited_ms is not null`)
	check(w.t, w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		for _, id := range roles {
			for n := range 3 {
				if err := jobs.Add(tx, "reminder", fmt.Sprint(id, " again ", what, n), map[string]string{"role": id}, 0); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}
