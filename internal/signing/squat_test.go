package signing_test

import (
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// bot is a member who takes the lease whenever he can, and what he does while he has it.
type bot func(w *world, v signing.Visit, l signing.Lease, held time.Duration) (gone bool)

// bots are ways to sit on a lease.
var bots = map[string]struct {
	act   bot
	bound time.Duration // how long one member alone may keep the others waiting
}{
	"does nothing": {func(*world, signing.Visit, signing.Lease, time.Duration) bool { return false }, 3 * directory.Defaults.SoftLease},
	"beats once": {func(w *world, v signing.Visit, l signing.Lease, held time.Duration) bool {
		if held == 0 {
			_, _ = w.signing.Beat(w.t.Context(), v, l.Epoch)
		}
		return false
	}, directory.Defaults.MaxHold + directory.Defaults.SoftLease},
	"beats always": {func(w *world, v signing.Visit, l signing.Lease, _ time.Duration) bool {
		_, err := w.signing.Beat(w.t.Context(), v, l.Epoch)
		return err != nil
	}, directory.Defaults.MaxHold + directory.Defaults.SoftLease},
	"leaves and comes back": {func(w *world, v signing.Visit, l signing.Lease, held time.Duration) bool {
		return held >= time.Minute && w.signing.Leave(w.t.Context(), v, l.Epoch) == nil
	}, directory.Defaults.MaxHold + directory.Defaults.SoftLease},
	"lapses twice and beats": {func(w *world, v signing.Visit, l signing.Lease, held time.Duration) bool {
		if held == 0 && l.Epoch%3 == 0 {
			_, _ = w.signing.Beat(w.t.Context(), v, l.Epoch)
		}
		return false
	}, directory.Defaults.MaxHold + directory.Defaults.SoftLease},
}

// G10: a member who takes the lease whenever he can, faster than anybody, keeps the honest waiting no longer than the bound.
// The honest tries, signs for a moment, leaves, and tries again.
func TestG10SquattingIsBounded(t *testing.T) {
	const step = 30 * time.Second // how often the honest tries
	hours := time.Duration(dbtest.Rounds(2, 24))
	for name, b := range bots {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, _, users, squatter, honest := duo(t, d)
				var longest, waited, held time.Duration
				var mine signing.Lease
				turns, takes := 0, 0
				for range int(hours * time.Hour / step) {
					if l, err := w.tries(&squatter, users[0]); err == nil {
						if l.Since != mine.Since {
							held, takes = 0, takes+1
						}
						mine = l
						if b.act(w, squatter, l, held) {
							if l, err := w.signing.Take(t.Context(), squatter); err == nil { // before anybody sees it free
								mine, held, takes = l, 0, takes+1
							}
						}
					} else if !errs.Is(err, "lease.squatting") && !errs.Is(err, "lease.held") {
						t.Fatal(err)
					}
					if l, err := w.tries(&honest, users[1]); err == nil {
						longest, waited = max(longest, waited), 0
						check(t, w.signing.Leave(t.Context(), honest, l.Epoch))
						turns++
					} else {
						wants(t, err, "lease.held")
						waited += step
					}
					d.Shift(step)
					held += step
				}
				longest = max(longest, waited)
				t.Logf("%v: longest wait %v of at most %v; %d turns of the honest, %d of the squatter", hours*time.Hour, longest, b.bound+step, turns, takes)
				if longest > b.bound+step || turns == 0 {
					t.Errorf("the honest waited %v in a row, had %d turns", longest, turns)
				}
				if takes < 2 {
					t.Errorf("the squatter took it %d times: this is no attack", takes)
				}
			})
		})
	}
}

// tries takes the lease, by a new browser when the old one has not been used for too long.
func (w *world) tries(v *signing.Visit, u directory.User) (signing.Lease, error) {
	l, err := w.signing.Take(w.t.Context(), *v)
	if errs.KindOf(err) == errs.Unauthenticated {
		*v = w.enter(u.Email)
		l, err = w.signing.Take(w.t.Context(), *v)
	}
	return l, err
}

// idle lets a lease of v's lapse.
func (w *world) idle(v signing.Visit) {
	w.t.Helper()
	w.take(v)
	w.db.Shift(directory.Defaults.SoftLease)
}

// Rule 13: after three idle lapses in a row while others wait a member waits for one lease length. What makes it forget is
// that another has it, that he acts, or that nobody waits.
func TestRule13ThreeIdleLapses(t *testing.T) {
	for name, c := range map[string]struct {
		between func(w *world, mary, john signing.Visit) // after the second lapse
		refused bool
	}{
		"nothing else happens": {func(*world, signing.Visit, signing.Visit) {}, true},
		"the server notices in between": {func(w *world, _, _ signing.Visit) {
			w.db.Shift(time.Second)
			w.settle()
		}, true},
		"another has it": {func(w *world, _, john signing.Visit) {
			l := w.take(john)
			check(w.t, w.signing.Leave(w.t.Context(), john, l.Epoch))
			w.exec(`update invitees set waiting_ms = 1 where name = 'John Smith'`)
		}, false},
		"she acts": {func(w *world, mary, _ signing.Visit) {
			l := w.take(mary)
			_, err := w.signing.Beat(w.t.Context(), mary, l.Epoch)
			check(w.t, err)
			check(w.t, w.signing.Leave(w.t.Context(), mary, l.Epoch))
		}, false},
		"nobody waits": {func(w *world, _, _ signing.Visit) { w.exec(`update invitees set waiting_ms = null`) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, john := duo(t, d)
				w.take(mary)
				wants(t, second(w.signing.Take(t.Context(), john)), "lease.held")
				d.Shift(directory.Defaults.SoftLease)
				w.idle(mary)
				c.between(w, mary, john)
				w.idle(mary)
				_, err := w.signing.Take(t.Context(), mary)
				if !c.refused {
					check(t, err)
					return
				}
				wants(t, err, "lease.squatting")
				st, err := w.signing.Standing(t.Context(), mary)
				check(t, err)
				if left := st.Until.Sub(st.Now); st.Phase != "resting" || !st.Idle || left <= 0 || left > directory.Defaults.HardLease {
					t.Errorf("she sees %s for %v", st.Phase, left)
				}
				if st, err = w.signing.Standing(t.Context(), john); err != nil || st.Phase != "free" {
					t.Errorf("john sees %s, %v", st.Phase, err)
				}
				if n := w.many(pkg, "lease.refused!"); n != 2 { // John's, and hers
					t.Errorf("%d refusals are recorded", n)
				}
				d.Shift(directory.Defaults.HardLease - time.Second)
				wants(t, second(w.signing.Take(t.Context(), mary)), "lease.squatting")
				d.Shift(2 * time.Second)
				w.take(mary)
			})
		})
	}
}

// Rule 3: who has had the lease as long as one may lets the others go first, and cannot take it again the moment it lapses. Alone he can.
func TestRule3HoldIsNotBegunAnew(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, users, mary, _ := duo(t, d)
		l := w.take(mary)
		for range 9 { // alone for 90 minutes
			var err error
			l, err = w.signing.Beat(t.Context(), mary, l.Epoch)
			check(t, err)
			d.Shift(10 * time.Minute)
		}
		john := w.enter(users[1].Email)
		wants(t, second(w.signing.Take(t.Context(), john)), "lease.held")
		l, err := w.signing.Beat(t.Context(), mary, l.Epoch)
		check(t, err)
		err = second(w.signing.Take(t.Context(), mary))
		wants(t, err, "lease.squatting")
		st, err := w.signing.Standing(t.Context(), mary)
		if err != nil || st.Phase != "resting" || st.Idle {
			t.Errorf("she sees %+v, %v", st, err)
		}
		_, err = w.signing.Beat(t.Context(), mary, l.Epoch)
		wants(t, err, "lease.stale")
		l = w.take(john)
		check(t, w.signing.Leave(t.Context(), john, l.Epoch))
		w.take(mary)
	})
}
