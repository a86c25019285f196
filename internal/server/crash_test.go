package server

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/signing"
)

// S9 and G4: a server killed at any step between the last signature and the sealed file leaves
// exactly one sealed file for each document, and every mail queued once.
func TestS9KilledWhileSealing(t *testing.T) {
	engines := map[string]func(*testing.T, string) string{
		"sqlite":   func(_ *testing.T, data string) string { return "sqlite:" + filepath.Join(data, "test.db") },
		"postgres": func(t *testing.T, _ string) string { return dbtest.PostgresURL(t) },
	}
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			c := config(t, database(t, data), data)
			w := newTenant(t, c, 2)
			kills := 0
			for round := range dbtest.Rounds(len(signing.SealSteps), 100) {
				step := signing.SealSteps[round%len(signing.SealSteps)]
				w.sealWithKill(c, step)
				kills++
			}
			t.Logf("%d kills, 0 violations", kills)
		})
	}
}

// sealWithKill has a member sign on a server that dies at step, starts another, and counts.
func (w *tenant) sealWithKill(c Config, step string) {
	w.t.Helper()
	doomed := start(w.t, c, step)
	pkg := w.send(doomed.url, 2)
	b := w.enter(doomed.url, 0)
	b.sign()
	doomed.died()
	heir := start(w.t, c, "")
	w.lapseClaims()
	w.completed(pkg)
	w.tidied()
	heir.stop()
	w.oneSealEach(pkg, step, c.Data)
}

// lapseClaims does what half a minute does: the dead worker's jobs may be taken over.
func (w *tenant) lapseClaims() {
	w.t.Helper()
	must(w.t, w.rooms.DB.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`update jobs set due_ms = 0 where state = 'running'`)
		return err
	}))
}

// count reads a number.
func (w *tenant) count(sql string, args ...any) (n int) {
	w.t.Helper()
	must(w.t, w.rooms.DB.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		n, err = db.One[int](tx, sql, args...)
		return err
	}))
	return n
}

// until waits for a condition on the database.
func (w *tenant) until(what, sql string, args ...any) {
	w.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for tick := time.Tick(20 * time.Millisecond); time.Now().Before(deadline); <-tick {
		if w.count(sql, args...) > 0 {
			return
		}
	}
	w.t.Fatalf("it did not come to pass that %s", what)
}

func (w *tenant) completed(pkg string) {
	w.t.Helper()
	w.until("the package is completed", `select count(*) from packages where outer_id = $1 and status = 'COMPLETED'`, pkg)
}

// tidied waits until no job is left but those for later: whom to remind, leases that might lapse.
func (w *tenant) tidied() {
	w.t.Helper()
	w.until("every job is done", `select case when count(*) = 0 then 1 else 0 end from jobs
		where state <> 'failed' and kind not in ('reminder', 'lease.lapsed')`)
}

// oneSealEach counts sealed files and mails of a package.
func (w *tenant) oneSealEach(pkg, step, data string) {
	w.t.Helper()
	type row struct{ ID, Key string }
	var docs []row
	var id string
	must(w.t, w.rooms.DB.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		if id, err = db.One[string](tx, `select id from packages where outer_id = $1`, pkg); err != nil {
			return err
		}
		docs, err = db.All[row](tx, `select id, sealed_blob as key from documents where package_id = $1`, id)
		return err
	}))
	docs = append(docs, row{ID: id + "/summary"})
	for _, d := range docs {
		var files []string
		_ = filepath.WalkDir(filepath.Join(data, "blobs", "sealed", d.ID), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files = append(files, filepath.ToSlash(path))
			}
			return nil
		})
		if len(files) != 1 || !strings.HasSuffix(files[0], d.Key) {
			w.t.Errorf("killed at %s: document %s has the sealed files %v, the database says %s", step, d.ID, files, d.Key)
		}
	}
	for _, email := range []string{"signer0@example.com", "signer1@example.com"} {
		n := 0
		messages, err := w.rooms.post.Mailbox(w.t.Context(), email)
		must(w.t, err)
		for _, m := range messages {
			if strings.HasPrefix(m.Subject, "Completed") && w.about(m, id) {
				n++
			}
		}
		if n != 1 {
			w.t.Errorf("killed at %s: %s got the sealed documents %d times", step, email, n)
		}
	}
	if n := w.count(`select count(*) from audit_events where package = $1 and canonical like '%package.completed%'`, id); n > 1 {
		w.t.Errorf("killed at %s: completed %d times", step, n)
	}
}

// about reports whether a mail carries the sealed files of a package, by their bytes.
func (w *tenant) about(m mail.MailboxMessage, pkg string) bool {
	w.t.Helper()
	_, _, got, err := w.rooms.post.MailboxAttachment(w.t.Context(), m.ID, 0)
	must(w.t, err)
	var key string
	must(w.t, w.rooms.DB.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		key, err = db.One[string](tx, `select sealed_blob from documents where package_id = $1 order by position limit 1`, pkg)
		return err
	}))
	want, err := w.rooms.blobs.Get(w.t.Context(), key)
	must(w.t, err)
	return string(want) == string(got)
}
