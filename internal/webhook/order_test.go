package webhook

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// holdLane keeps others from changing a lane until release.
func (w *world) holdLane(pkg string) (release func()) {
	held, end, done := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		done <- w.DB.Write(w.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`update lanes set touched_ms = touched_ms where package = $1`, pkg)
			close(held)
			<-end
			return err
		})
	}()
	<-held
	return func() { close(end); must(w.T, <-done) }
}

// soon fails the test if act waits for somebody.
func (w *world) soon(what string, act func()) {
	w.Helper()
	done := make(chan bool)
	go func() { defer close(done); act() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		w.Errorf("%s waits for another lane", what)
	}
}

// receiverOf is the callback of a world as its worker knows it.
func (w *world) receiverOf() (r receiver, lanes map[string]string) {
	w.Helper()
	type row struct{ ID, Package string }
	lanes = map[string]string{}
	must(w.T, w.DB.Read(w.Context(), func(tx *db.Tx) (err error) {
		if r, err = db.One[receiver](tx, `select id, account_id, host from callbacks where account_id = $1`, w.account.Account); err != nil {
			return err
		}
		rows, err := db.All[row](tx, `select id, package from lanes`)
		for _, l := range rows {
			lanes[l.Package] = l.ID
		}
		return err
	}))
	return r, lanes
}

// Who claims a lane whose address has changed has no other lane to wait for: two workers would wait for each other.
func TestClaimLocksOneLane(t *testing.T) {
	w := newWorld(t, dbtest.Postgres(t)) // SQLite has one writer
	w.register("https://hooks.example.com", "PACKAGE_CREATE")
	for _, pkg := range []string{"a", "b"} {
		w.raise(pkg, "PACKAGE_CREATE")
	}
	must(t, w.DB.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`update callbacks set generation = generation + 1`)
		return err
	}))
	r, lanes := w.receiverOf()
	release := w.holdLane("b")
	w.soon("a claim", func() {
		if _, ok, err := w.claim(t.Context(), r, lanes["a"]); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	})
	release()
	if failed, waits := w.deliveries("failed"), w.deliveries("waiting"); len(failed) != 1 || failed[0].Package != "a" || len(waits) != 1 {
		t.Errorf("failed %+v, waiting %+v", failed, waits)
	}
}

// Who notes that a receiver is back has his own lane no longer in hand when he wakes the others, which an act may hold.
func TestBackLocksOneLaneAtATime(t *testing.T) {
	w := newWorld(t, dbtest.Postgres(t))
	w.register("https://hooks.example.com", "PACKAGE_CREATE")
	for _, pkg := range []string{"a", "b"} {
		w.raise(pkg, "PACKAGE_CREATE")
	}
	r, lanes := w.receiverOf()
	j, ok, err := w.claim(t.Context(), r, lanes["a"])
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	must(t, w.DB.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`update lanes set due_ms = clock_ms() + 3600000 where package = 'b'`)
		return err
	}))
	j.Tries = 2
	release := w.holdLane("b")
	w.soon("the note", func() {
		must(t, w.DB.Write(t.Context(), func(tx *db.Tx) error { return w.ended(tx, j, http.StatusOK, nil) }))
	})
	release()
	must(t, w.note(t.Context(), j, http.StatusOK, nil))
	if due, err := w.lanes(t.Context(), r, 9); err != nil || !slices.Equal(due, []string{lanes["b"]}) {
		t.Errorf("due %v, %v", due, err)
	}
}

// A change of the path or query alone keeps the receiver, and what waits for it; of scheme, host or port it is another.
func TestSameReceiver(t *testing.T) {
	for _, c := range []struct {
		was, now string
		same     bool
	}{
		{"https://hooks.example.com/a", "https://hooks.example.com/b?c=d", true},
		{"https://hooks.example.com", "HTTPS://Hooks.Example.com:443/", true},
		{"https://hooks.example.com/a", "https://hooks.example.com:8443/a", false},
		{"https://hooks.example.com/a", "http://hooks.example.com/a", false},
		{"https://hooks.example.com/a", "https://hooks.example.com.evil.net/a", false},
		{"https://hooks.example.com/a", "https://other.example.com/a", false},
		{"https://hooks.example.com/a", "", false},
	} {
		t.Run(strings.ReplaceAll(c.was+" "+c.now, "/", "_"), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w := newWorld(t, d)
				w.register(c.was, "PACKAGE_CREATE")
				w.raise("p", "PACKAGE_CREATE")
				w.register(c.now, "PACKAGE_CREATE")
				waits, failed := len(w.deliveries("waiting")), len(w.deliveries("failed"))
				if c.same && (waits != 1 || failed != 0) || !c.same && (waits != 0 || failed != 1) {
					t.Errorf("%d wait, %d failed", waits, failed)
				}
			})
		})
	}
}

// What waits goes to the receiver's new path.
func TestWhatWaitsGoesToTheNewPath(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
		w.register(l.URL+"/a", "PACKAGE_CREATE")
		w.raise("p", "PACKAGE_CREATE")
		w.register(l.URL+"/b", "PACKAGE_CREATE")
		w.once()
		if n := len(l.all()); n != 1 || len(w.deliveries("delivered")) != 1 {
			t.Errorf("%d calls", n)
		}
	})
}
