package server

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// A server that is told to stop finishes what it acknowledged: whoever got an id finds his package.
func TestShutdownLosesNothing(t *testing.T) {
	c := config(t, dbtest.PostgresURL(t), t.TempDir())
	w := newTenant(t, c, 1)
	p := start(t, c, "")
	ids := make(chan string, 100)
	var wg sync.WaitGroup
	first := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			for n := range 25 {
				id, err := w.trySend(p.url, 1)
				if err != nil {
					return // the server takes no more
				}
				ids <- id
				if i == 0 && n == 1 {
					close(first)
				}
			}
		})
	}
	<-first
	p.stop()
	wg.Wait()
	close(ids)
	n := 0
	for id := range ids {
		n++
		if w.count(`select count(*) from packages where outer_id = $1 and status = 'SENT'`, id) != 1 {
			t.Errorf("the package %s was acknowledged and is lost", id)
		}
	}
	t.Logf("%d acknowledged before the end, 0 lost", n)
	heir := start(t, c, "") // and its mails go out
	defer heir.stop()
	w.tidied()
}

// Rule 16: a lease outlives the server that gave it, to the moment it would have lapsed.
func TestLeaseOutlivesItsServer(t *testing.T) {
	engines := map[string]func(*testing.T, string) string{
		"sqlite":   func(_ *testing.T, data string) string { return "sqlite:" + filepath.Join(data, "test.db") },
		"postgres": func(t *testing.T, _ string) string { return dbtest.PostgresURL(t) },
	}
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			const soft = 12 * time.Second
			data := t.TempDir()
			c := config(t, database(t, data), data)
			w := newTenant(t, c, 2)
			must(t, w.rooms.Directory.SetAccount(t.Context(), w.account.OuterID, directory.Settings{
				MemberIdentification: directory.Link, SoftLease: soft}, nil))
			doomed := start(t, c, "")
			w.send(doomed.url, 1)
			other := w.enter(doomed.url, 1)
			other.must("leave", map[string]any{"epoch": other.epoch()})
			other.lobby()
			holder := w.enter(doomed.url, 0)
			taken, err := holder.since()
			must(t, err)
			doomed.kill()
			heir := start(t, c, "")
			other.base = heir.url
			other.http.Jar = moved(t, other.http.Jar, doomed.url, heir.url)
			out, err := other.take()
			must(t, err)
			if out.Error.What != "lease.held" {
				t.Errorf("after the restart: %d %+v", out.Status, out.Error)
			}
			deadline := taken.Add(soft)
			for tick := time.Tick(50 * time.Millisecond); ; <-tick {
				if out, err = other.take(); err != nil || out.Status == 200 {
					break
				}
			}
			must(t, err)
			if early := time.Until(deadline); early > 0 {
				t.Errorf("the lease was free %v early", early)
			}
			if late := time.Since(deadline); late > 5*time.Second {
				t.Errorf("the lease was free %v late", late)
			}
		})
	}
}
