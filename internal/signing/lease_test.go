package signing_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// duo is a sent package of a group of two who need no code, both at the door.
func duo(t *testing.T, d *dbtest.DB) (w *world, pkg string, users []directory.User, mary, john signing.Visit) {
	t.Helper()
	w = newWorld(t, d, directory.Link)
	w.work()
	users = w.senders("Mary Doe", "John Smith")
	pkg = w.send(groupRole("role1", w.group("Pharmacists", users...)))
	return w, pkg, users, w.enter(users[0].Email), w.enter(users[1].Email)
}

// take takes or fails the test.
func (w *world) take(v signing.Visit) signing.Lease {
	w.t.Helper()
	l, err := w.signing.Take(w.t.Context(), v)
	check(w.t, err)
	return l
}

// G1: looking at a link takes no lease, records nothing and spends nothing.
func TestG1LookingChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe")
		pkg := w.send(groupRole("role1", w.group("Pharmacists", users...)))
		token := w.token(users[0].Email)
		before := len(w.events(pkg))
		for range 100 {
			inv, err := w.signing.Look(t.Context(), token)
			check(t, err)
			if inv.PersonName != "Mary Doe" || inv.GroupName != "Pharmacists" || inv.MaskedEmail == users[0].Email || inv.Closed != "" {
				t.Fatalf("the invitation says %+v", inv)
			}
		}
		if after := len(w.events(pkg)); after != before {
			t.Errorf("%d events were recorded", after-before)
		}
		if n := w.count(`select count(*) from roles where holder is not null`); n != 0 {
			t.Errorf("%d leases", n)
		}
		t.Logf("100 looks, 0 locks, 0 events")
	})
}

// G2: a scanner that presses the button costs the others one soft lease.
func TestG2SoftLeaseLapses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, _, mary, john := duo(t, d)
		w.take(mary)
		_, err := w.signing.Take(t.Context(), john)
		wants(t, err, "lease.held")
		d.Shift(directory.Defaults.SoftLease)
		w.take(john)
		t.Logf("worst delay %v", directory.Defaults.SoftLease)
	})
}

// G3: of k members who take at once exactly one wins, every round.
func TestG3OneWinner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		k := dbtest.Rounds(16, 64)
		w := newWorld(t, d, directory.Link)
		w.work()
		var names []string
		for i := range k {
			names = append(names, fmt.Sprintf("Member Number%d", i))
		}
		users := w.senders(names...)
		g := w.group("Pharmacists", users...)
		w.send(groupRole("role1", g))
		var visits []signing.Visit
		for _, u := range users {
			visits = append(visits, w.enter(u.Email))
		}
		n := dbtest.Rounds(10, 1000)
		for round := range n {
			var won atomic.Int64
			var winner signing.Visit
			var epoch int64
			var wg sync.WaitGroup
			for _, v := range visits {
				wg.Go(func() {
					l, err := w.signing.Take(t.Context(), v)
					if err == nil {
						won.Add(1)
						winner, epoch = v, l.Epoch
					} else {
						wants(t, err, "lease.held")
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("round %d: %d winners", round, won.Load())
			}
			check(t, w.signing.Leave(t.Context(), winner, epoch))
		}
		t.Logf("%d rounds of %d members, 0 violations", n, k)
	})
}

// G6: whatever made an epoch stale, it writes nothing.
func TestG6StaleEpoch(t *testing.T) {
	makeStale := map[string]func(w *world, mary, john signing.Visit, l signing.Lease){
		"lapse":     func(w *world, _, _ signing.Visit, _ signing.Lease) { w.db.Shift(directory.Defaults.SoftLease) },
		"take-over": func(w *world, mary, _ signing.Visit, _ signing.Lease) { w.take(mary) },
		"release": func(w *world, mary, _ signing.Visit, l signing.Lease) {
			check(w.t, w.signing.Leave(w.t.Context(), mary, l.Epoch))
		},
		"other holds": func(w *world, _, john signing.Visit, _ signing.Lease) {
			w.db.Shift(directory.Defaults.SoftLease)
			w.take(john)
		},
	}
	for name, stale := range makeStale {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, john := duo(t, d)
				l := w.take(mary)
				stale(w, mary, john, l)
				before := w.events(pkg)
				_, beat := w.signing.Beat(t.Context(), mary, l.Epoch)
				for act, err := range map[string]error{
					"beat": beat, "consent": w.signing.Consent(t.Context(), mary, l.Epoch),
					"sign":    w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}),
					"leave":   w.signing.Leave(t.Context(), mary, l.Epoch),
					"decline": w.signing.Decline(t.Context(), mary, l.Epoch, "no"),
					"fill":    w.signing.Fill(t.Context(), mary, l.Epoch, "doc/a/f", "x"),
				} {
					t.Log(act)
					wants(t, err, "lease.stale")
				}
				after := slices.DeleteFunc(w.events(pkg), func(e string) bool { return e == "signature.refused!" || e == "act.refused!" })
				if refused := len(w.events(pkg)) - len(after); refused != 5 { // all but the heartbeat
					t.Errorf("%d refusals are recorded", refused)
				}
				if !slices.Equal(before, after) {
					t.Errorf("something was done: %v became %v", before, after)
				}
			})
		})
	}
}

// Rules 3 and 5: a heartbeat makes a soft lease hard; a second device takes over with the stage; nothing else renews.
func TestStages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, _, mary, john := duo(t, d)
		l := w.take(mary)
		// One statement reads PostgreSQL's clock twice, so a millisecond may pass between beginning and end.
		if soft := l.Expires.Sub(l.Since) - directory.Defaults.SoftLease; l.Stage != signing.Soft || soft < 0 || soft > time.Second {
			t.Fatalf("a new lease is %s for %v", l.Stage, l.Expires.Sub(l.Since))
		}
		l, err := w.signing.Beat(t.Context(), mary, l.Epoch)
		check(t, err)
		if l.Stage != signing.Hard {
			t.Errorf("after a heartbeat it is %s", l.Stage)
		}
		again := w.take(mary)
		if again.Epoch != l.Epoch+1 || again.Stage != signing.Hard || !again.Since.Equal(l.Since) || !again.Expires.Equal(l.Expires) {
			t.Errorf("taken over from oneself: %+v after %+v", again, l)
		}
		d.Shift(directory.Defaults.HardLease - time.Minute)
		check(t, w.signing.Consent(t.Context(), mary, again.Epoch)) // an act, but no heartbeat
		d.Shift(time.Minute)
		w.take(john)
	})
}

// Rule 3: while others wait nobody holds longer than an hour in a row; alone, one may.
func TestMaxHold(t *testing.T) {
	for _, wait := range []bool{true, false} {
		t.Run(fmt.Sprintf("others wait %v", wait), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, _, _, mary, john := duo(t, d)
				l := w.take(mary)
				if wait {
					_, err := w.signing.Take(t.Context(), john)
					wants(t, err, "lease.held")
				}
				held := time.Duration(0)
				for held < 2*directory.Defaults.MaxHold {
					var err error
					if l, err = w.signing.Beat(t.Context(), mary, l.Epoch); err != nil {
						wants(t, err, "lease.stale")
						break
					}
					d.Shift(10 * time.Minute)
					held += 10 * time.Minute
				}
				if wait != (held <= directory.Defaults.MaxHold) {
					t.Errorf("held %v", held)
				}
			})
		})
	}
}

// Rule 8 and G9: a holder who leaves frees the lease at once; who asked is told by mail; a holder
// who walks away is found out when the lease lapses.
func TestG9OthersAreTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, john := duo(t, d)
		l := w.take(mary)
		check(t, w.signing.Watch(t.Context(), john))
		check(t, w.signing.Leave(t.Context(), mary, l.Epoch))
		told := func() (n int) {
			w.settle()
			messages, err := w.post.Mailbox(t.Context(), users[1].Email)
			check(t, err)
			for _, m := range messages {
				if m.Subject == "“Prescription” is free to be signed again" {
					n++
				}
			}
			return n
		}
		if n := told(); n != 1 {
			t.Fatalf("told %d times after she left", n)
		}
		l = w.take(mary)
		check(t, w.signing.Watch(t.Context(), john))
		_, err := w.signing.Beat(t.Context(), mary, l.Epoch)
		check(t, err)
		d.Shift(directory.Defaults.SoftLease + time.Second) // the first look finds a renewed lease
		if n := told(); n != 1 {
			t.Fatalf("told %d times while she signs", n)
		}
		d.Shift(directory.Defaults.HardLease)
		if n := told(); n != 2 {
			t.Errorf("told %d times after she walked away", n)
		}
		if events := w.events(pkg); !slices.Contains(events, "lease.lapsed") {
			t.Errorf("no lapse in %v", events)
		}
		st, err := w.signing.Standing(t.Context(), john)
		check(t, err)
		if st.Phase != "free" {
			t.Errorf("he sees %s", st.Phase)
		}
	})
}

// G8: a holder who is removed or deactivated cannot do the next thing, and the others need not wait.
func TestG8HolderRemoved(t *testing.T) {
	away := map[string]struct {
		act  func(w *world, g string, u directory.User) error
		what string
	}{
		"removed from the group": {func(w *world, g string, u directory.User) error {
			return w.dir.RemoveMember(w.t.Context(), w.client, g, u.SenderID)
		}, "member.removed"},
		"deactivated": {func(w *world, _ string, u directory.User) error {
			return w.dir.DeleteSender(w.t.Context(), w.client, u.SenderID)
		}, "member.inactive"},
	}
	for name, c := range away {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w := newWorld(t, d, directory.Link)
				w.work()
				users := w.senders("Mary Doe", "John Smith")
				g := w.group("Pharmacists", users...)
				pkg := w.send(groupRole("role1", g))
				mary, john := w.enter(users[0].Email), w.enter(users[1].Email)
				l := w.take(mary)
				check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
				check(t, c.act(w, g.OuterID, users[0]))
				wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), c.what)
				_, err := w.signing.Beat(t.Context(), mary, l.Epoch)
				wants(t, err, c.what)
				st, err := w.signing.Standing(t.Context(), john)
				check(t, err)
				if st.Phase != "free" {
					t.Errorf("he sees %s", st.Phase)
				}
				w.take(john)
				if events := w.events(pkg); !slices.Contains(events, "lease.voided") {
					t.Errorf("nothing was voided: %v", events)
				}
			})
		})
	}
}

// Rule 6: a package that leaves SENT voids the lease at the next statement.
func TestPackageLeavesSent(t *testing.T) {
	yes := true
	for name, c := range map[string]signing.Change{"trashed": {Trashed: &yes}, "edited": {Status: signing.Draft}} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, _ := duo(t, d)
				l := w.take(mary)
				check(t, w.signing.Update(t.Context(), w.client, pkg, c))
				wants(t, w.signing.Consent(t.Context(), mary, l.Epoch), "package.closed")
				wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "package.closed")
				_, err := w.signing.Take(t.Context(), mary)
				wants(t, err, "package.closed")
			})
		})
	}
}

// G7: a lease survives a restart of the server, and lapses no sooner and no later for it. (That
// the wall clock moves no time in SQL is db's test of the same id.)
func TestG7RestartMovesNoLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, _, mary, john := duo(t, d)
		l := w.take(mary)
		w.restart()
		_, err := w.signing.Take(t.Context(), john)
		wants(t, err, "lease.held")
		again, err := w.signing.Beat(t.Context(), mary, l.Epoch)
		check(t, err)
		if again.Epoch != l.Epoch || !again.Since.Equal(l.Since) {
			t.Errorf("after the restart %+v, before %+v", again, l)
		}
	})
}

// G11: one person on two devices, in two groups and as a single signer signs each role by its own lease.
func TestG11SamePersonInManyRoles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		day, night := w.group("Day", users...), w.group("Night", users[0])
		pkg := w.send(groupRole("day", day), groupRole("night", night),
			signing.NewRole{OuterID: "herself", Signer: signing.NewSigner{Email: users[0].Email, FirstName: "Mary", LastName: "Doe"}})
		visits := map[string]signing.Visit{}
		w.settle()
		messages, err := w.post.Mailbox(t.Context(), users[0].Email)
		check(t, err)
		for _, m := range messages {
			if link := linkToken.FindStringSubmatch(m.Text); link != nil {
				v, err := w.signing.Enter(t.Context(), link[1], "", visits["day"].Browser)
				check(t, err)
				c, err := w.signing.Ceremony(t.Context(), v)
				check(t, err)
				visits[c.GroupName] = v
			}
		}
		if len(visits) != 3 {
			t.Fatalf("invited to %d roles", len(visits))
		}
		john := w.enter(users[1].Email)
		l := w.take(visits["Day"])
		w.take(visits["Night"])
		w.take(visits[""])
		_, err = w.signing.Take(t.Context(), john)
		wants(t, err, "lease.held")
		second := w.take(visits["Day"]) // her second device
		wants(t, w.signing.Consent(t.Context(), visits["Day"], l.Epoch), "lease.stale")
		check(t, w.signing.Consent(t.Context(), visits["Day"], second.Epoch))
		for _, name := range []string{"Day", "Night", ""} {
			w.sign(visits[name])
		}
		w.settle()
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Status != signing.Completed {
			t.Errorf("the package is %s", p.Status)
		}
	})
}

// G13: who is added after sending is invited then and may sign; a deleted group ends its members' part;
// an empty group cannot be sent to.
func TestG13MembershipAfterSending(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users[0])
		w.send(groupRole("role1", g))
		mary := w.enter(users[0].Email)
		_, _, err := w.dir.AddMember(t.Context(), w.client, g.OuterID, directory.NewMember{Email: users[1].Email}, false)
		check(t, err)
		john := w.enter(users[1].Email)
		w.take(john)
		_, err = w.signing.Take(t.Context(), mary)
		wants(t, err, "lease.held")
		check(t, w.dir.DeleteGroup(t.Context(), w.client, g.OuterID))
		_, err = w.signing.Take(t.Context(), mary)
		wants(t, err, "member.removed")

		empty := w.group("Nobody")
		_, err = w.signing.Create(t.Context(), w.client, w.pack(true, groupRole("role1", empty)))
		wants(t, err, "group.empty")
		_, err = w.signing.Create(t.Context(), w.client, w.pack(false, groupRole("role1", empty)))
		check(t, err)
	})
}
