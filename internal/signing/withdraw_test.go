package signing_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// at has act done once, at a step of the seal job.
func (w *world) at(step string, act func()) {
	var once sync.Once
	w.signing.Observe = func(s string) {
		if s == step {
			once.Do(act)
		}
	}
}

func (w *world) update(pkg string, c signing.Change) {
	w.t.Helper()
	check(w.t, w.signing.Update(w.t.Context(), w.client, pkg, c))
}

func (w *world) trash(pkg string, trashed bool) {
	w.t.Helper()
	w.update(pkg, signing.Change{Trashed: &trashed})
}

// A package thrown away while it is being sealed, or before, and taken back is sealed then, and
// nothing of the earlier attempt stays.
func TestRestoredPackageIsSealed(t *testing.T) {
	for _, step := range []string{signing.StepClaimed, signing.StepSummed, ""} {
		t.Run("at "+step, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, _ := duo(t, d)
				w.at(step, func() { w.trash(pkg, true) })
				w.sign(mary)
				if step == "" {
					w.trash(pkg, true)
				}
				w.settle()
				w.trash(pkg, false)
				w.settle()
				if st := w.status(pkg); st != signing.Completed {
					t.Errorf("signed by all and taken back, it is %s", st)
				}
				if n := w.files(); n != 3 {
					t.Errorf("%d files, want the original, the sealed one and the summary", n)
				}
			})
		})
	}
}

// A package that waits for its owner's word is sealed when autocomplete is switched on; his word is
// not taken while it lies in the trash.
func TestWaitingForTheOwner(t *testing.T) {
	no, yes := false, true
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, _ := duo(t, d)
		w.update(pkg, signing.Change{Autocomplete: &no})
		w.sign(mary)
		wants(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Trashed: &yes, Status: signing.Completed}), "package.transition")
		w.settle()
		if st := w.status(pkg); st != signing.Sent {
			t.Fatalf("it is %s", st)
		}
		w.update(pkg, signing.Change{Autocomplete: &yes})
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("it is %s", st)
		}
	})
}

// A package deleted while it is being sealed leaves no bytes.
func TestDeletedWhileSealing(t *testing.T) {
	for _, step := range []string{signing.StepClaimed, signing.StepComposed, signing.StepSummed} {
		t.Run(step, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, _ := duo(t, d)
				w.at(step, func() { check(t, w.signing.Delete(t.Context(), w.client, pkg)) })
				w.sign(mary)
				w.settle()
				if n := w.files(); n != 0 {
					t.Errorf("%d files stay", n)
				}
			})
		})
	}
}

// A document taken out of a package leaves no bytes, the images of its pages included.
func TestDeletedDocumentLeavesNoBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, _ := duo(t, d)
		_, _, err := w.signing.PageImage(t.Context(), mary, docID(t, w, mary), 0, 100)
		check(t, err)
		w.update(pkg, signing.Change{Status: signing.Draft})
		check(t, w.signing.DeleteDocument(t.Context(), w.client, pkg, "doc"))
		if n := w.files(); n != 0 {
			t.Errorf("%d files stay", n)
		}
	})
}

// holdRow keeps others from changing what a statement changed, until release.
func (w *world) holdRow(sql string, args ...any) (release func()) {
	held, end := make(chan bool), make(chan bool)
	done := make(chan error, 1)
	go func() {
		done <- w.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(sql, args...)
			close(held)
			<-end
			return err
		})
	}()
	<-held
	return func() { close(end); check(w.t, <-done) }
}

// waiting waits until so many sessions of PostgreSQL wait for a lock.
func (w *world) waiting(n int) {
	w.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for w.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) < n {
		if time.Now().After(end) {
			w.t.Error("nobody waits")
			return
		}
	}
}

// Rule 6: a lease taken at the moment the package leaves SENT is void, whoever comes first. At READ
// COMMITTED a statement that waited for a row sees the other tables as they were before it waited.
func TestTakeWhileThePackageLeavesSent(t *testing.T) {
	yes := true
	for name, c := range map[string]signing.Change{"edited": {Status: signing.Draft}, "trashed": {Trashed: &yes}} {
		for _, order := range []string{"take first", "take last"} {
			t.Run(name+", "+order, func(t *testing.T) {
				d := dbtest.Postgres(t) // SQLite has one writer
				w, pkg, _, mary, john := duo(t, d)
				w.settle()
				if name == "trashed" { // which touches only roles that are held
					w.take(john)
				}
				release := w.holdRow(`update roles set epoch = epoch`)
				acts := []func() error{
					func() error { _, err := w.signing.Take(t.Context(), mary); return err },
					func() error { return w.signing.Update(t.Context(), w.client, pkg, c) },
				}
				if name == "trashed" {
					acts[0] = func() error { _, err := w.signing.Take(t.Context(), john); return err }
				}
				if order == "take last" {
					slices.Reverse(acts)
				}
				var wg sync.WaitGroup
				for i, act := range acts {
					wg.Go(func() { _ = act() })
					w.waiting(i + 1)
				}
				release()
				wg.Wait()
				if n := w.count(`select count(*) from roles where holder is not null`); n != 0 {
					t.Errorf("%d leases of a package that is not being signed", n)
				}
			})
		}
	}
}

// Who comes back to a package that was edited consents again.
func TestEditingEndsConsent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, _ := duo(t, d)
		check(t, w.signing.Consent(t.Context(), mary, w.take(mary).Epoch))
		w.update(pkg, signing.Change{Status: signing.Draft})
		w.update(pkg, signing.Change{Status: signing.Sent})
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: w.take(mary).Epoch}), "consent.missing")
	})
}

// What the sender took back is not shown to those who were asked.
func TestWithdrawnPackageIsNotShown(t *testing.T) {
	yes := true
	for name, c := range map[string]signing.Change{"edited": {Status: signing.Draft}, "trashed": {Trashed: &yes}} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, _, mary, _ := duo(t, d)
				doc := docID(t, w, mary)
				w.update(pkg, c)
				_, _, image := w.signing.PageImage(t.Context(), mary, doc, 0, 100)
				_, text := w.signing.PageText(t.Context(), mary, doc, 0)
				_, _, file := w.signing.Copy(t.Context(), mary, doc)
				for _, err := range []error{image, text, file} {
					wants(t, err, "package.closed")
				}
				page, err := w.signing.Ceremony(t.Context(), mary)
				check(t, err)
				if len(page.Documents) != 0 || page.Standing.Phase != "closed" {
					t.Errorf("she sees %d documents, %s", len(page.Documents), page.Standing.Phase)
				}
			})
		})
	}
}

// Nobody is called to a package that is not being signed.
func TestNobodyIsCalledInVain(t *testing.T) {
	yes := true
	for name, c := range map[string]signing.Change{"edited": {Status: signing.Draft}, "trashed": {Trashed: &yes}} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, users, mary, john := duo(t, d)
				w.take(mary)
				check(t, w.signing.Watch(t.Context(), john))
				w.update(pkg, c)
				d.Shift(directory.Defaults.SoftLease + time.Second)
				w.settle()
				messages, err := w.post.Mailbox(t.Context(), users[1].Email)
				check(t, err)
				if strings.Contains(messages[0].Subject, "free to be signed") {
					t.Errorf("he was mailed %q", messages[0].Subject)
				}
			})
		})
	}
}
