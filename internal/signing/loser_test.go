package signing_test

import (
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// G3: who finds another member signing waits for nobody who has the role's row, each of his tries is recorded, and the
// moment from which he waits stays the first one's.
func TestG3LoserLocksNothing(t *testing.T) {
	w, pkg, _, mary, john := duo(t, dbtest.Postgres(t))
	w.take(mary)
	release := w.holdRow(`update roles set epoch = epoch`)
	lost := make(chan error, 2)
	var since []int
	for range 2 {
		go func() { _, err := w.signing.Take(t.Context(), john); lost <- err }()
		select {
		case err := <-lost:
			wants(t, err, "lease.held")
		case <-time.After(20 * time.Second):
			release()
			t.Fatal("the loser waits for the role")
		}
		since = append(since, w.count(`select waiting_ms from invitees where waiting_ms is not null`))
		w.db.Shift(time.Second)
	}
	release()
	if since[0] != since[1] {
		t.Errorf("he waits since %d, then since %d", since[0], since[1])
	}
	if n := w.many(pkg, "lease.refused!"); n != 2 {
		t.Errorf("%d of 2 refusals are recorded", n)
	}
}

// The look before the act knows who is gone, as the act does: the holder's lease is void, and who was locked is told so.
func TestG8LookBeforeTheAct(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, users, mary, john := duo(t, d)
		w.take(mary)
		wants(t, second(w.signing.Take(t.Context(), john)), "lease.held")
		st, err := w.signing.Standing(t.Context(), john)
		check(t, err)
		if st.Phase != "held" || st.Lease == nil || st.Lease.Holder != "Mary Doe" || st.Lease.Mine {
			t.Errorf("john sees %+v", st)
		}
		w.exec(`update users set status = 'LOCKED' where id = $1`, users[1].ID)
		wants(t, second(w.signing.Take(t.Context(), john)), "member.inactive")
		w.exec(`update users set status = 'ACTIVE' where id = $1`, users[1].ID)
		w.exec(`update users set status = 'LOCKED' where id = $1`, users[0].ID)
		if st, err = w.signing.Standing(t.Context(), john); err != nil || st.Phase != "free" {
			t.Errorf("the holder is locked, and john sees %+v: %v", st, err)
		}
		w.take(john)
	})
}

// Everybody who was asked is told who signed for the group, and when.
func TestStandingNamesWhoSigned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Lee")
		w.send(groupRole("role1", w.group("Pharmacists", users...)))
		var visits []signing.Visit
		for _, u := range users {
			visits = append(visits, w.enter(u.Email))
		}
		w.take(visits[0])
		w.sign(visits[0])
		for _, v := range visits {
			st, err := w.signing.Standing(t.Context(), v)
			check(t, err)
			if st.Phase != "signed" || st.By != "Mary Doe" || st.At.IsZero() {
				t.Errorf("got %+v", st)
			}
		}
	})
}
