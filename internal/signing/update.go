package signing

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// transitionRefused is the refusal of a change of status that the state machine does not have.
func transitionRefused(from, to Status) error {
	return errs.New(errs.Invalid, "package.transition", "A package cannot change from %s to %s.", from, to).
		On("status").With("from", string(from)).With("to", string(to))
}

// Update changes a package and, when a status is given, moves it. It refuses
// (Invalid, "package.transition") a move the state machine does not have.
func (s *Signing) Update(ctx context.Context, p authz.Principal, id string, c Change) error {
	if err := checkChange(&c); err != nil {
		return err
	}
	return s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		if err := lockPackage(tx, &pkg); err != nil {
			return err
		}
		if err := changeWords(tx, p, pkg, c); err != nil {
			return err
		}
		if err := changeTrashed(tx, p, &pkg, c.Trashed); err != nil {
			return err
		}
		if err := s.move(tx, p, pkg, c); err != nil || c.Trashed == nil && c.Autocomplete == nil {
			return err
		}
		return resumeSeal(tx, pkg.ID)
	})
}

// resumeSeal queues the seal of a package that only waited for this: the job finds nothing to do
// while a package lies in the trash, and none is queued while autocomplete is off. Where the owner
// completes himself he says so again.
func resumeSeal(tx *db.Tx, id string) error {
	pkg, err := db.One[packageRow](tx, `select * from packages where id = $1 and status = 'SENT' and not trashed and autocomplete
		and not exists (select 1 from roles r where r.package_id = packages.id and r.state = 'open')`, id)
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return queueSeal(tx, pkg)
}

// lockPackage locks the row and reads it as it is now.
func lockPackage(tx *db.Tx, pkg *packageRow) (err error) {
	*pkg, err = db.One[packageRow](tx, `update packages set updated_ms = clock_ms() where id = $1 returning *`, pkg.ID)
	return orUnknown(err, "package", pkg.OuterID)
}

func checkChange(c *Change) error {
	if c.Name != nil {
		name, err := title(*c.Name, "name")
		if err != nil {
			return err
		}
		c.Name = &name
	}
	for field, text := range map[string]*string{"description": c.Description, "emailMessage": c.EmailMessage, "language": c.Language} {
		if text == nil {
			continue
		}
		if err := plainText(*text, field); err != nil {
			return err
		}
	}
	return nil
}

// changeWords changes what may change in any state until the package is finished.
func changeWords(tx *db.Tx, p authz.Principal, pkg packageRow, c Change) error {
	var due *int64
	if c.Due != nil && !c.Due.IsZero() {
		ms := c.Due.UnixMilli()
		due = &ms
	}
	sets := []struct {
		column string
		given  bool
		value  any
		was    any
	}{
		{"name", c.Name != nil, deref(c.Name), pkg.Name},
		{"description", c.Description != nil, deref(c.Description), pkg.Description},
		{"email_message", c.EmailMessage != nil, deref(c.EmailMessage), pkg.EmailMessage},
		{"language", c.Language != nil, deref(c.Language), pkg.Language},
		{"visibility", c.Visibility != nil, deref(c.Visibility), pkg.Visibility},
		{"autocomplete", c.Autocomplete != nil, deref(c.Autocomplete), pkg.Autocomplete},
		{"due_ms", c.Due != nil, due, pkg.DueMs},
		{"settings", c.Settings != nil, jsonText(c.Settings), pkg.Settings},
		{"data", c.Data != nil, jsonText(c.Data), pkg.Data},
	}
	var changed []string
	for _, set := range sets {
		if !set.given || same(set.value, set.was) {
			continue
		}
		if err := mayChange(tx, pkg, set.column); err != nil {
			return err
		}
		if _, err := tx.Exec(`update packages set `+set.column+` = $1 where id = $2`, set.value, pkg.ID); err != nil {
			return err
		}
		changed = append(changed, set.column)
	}
	if len(changed) == 0 {
		return nil
	}
	_, err := record(tx, audit.Event{Type: "package.changed", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p),
		Detail: map[string]string{"members": strings.Join(changed, " ")}})
	return err
}

// mayChange refuses to change what is finished, and the words under which somebody has signed already.
func mayChange(tx *db.Tx, pkg packageRow, column string) error {
	if pkg.Status != Draft && pkg.Status != Sent {
		return errs.New(errs.Invalid, "package.finished", "A package that is %s does not change.", pkg.Status).On(column)
	}
	if column != "name" && column != "description" {
		return nil
	}
	n, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'signed'`, pkg.ID)
	if err == nil && n > 0 {
		err = errs.New(errs.Invalid, "package.signed", "Somebody has signed: the package's %s stays as it is.", column).On(column)
	}
	return err
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// same compares two values of a column.
func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return slices.Equal(x, y)
}

// changeTrashed throws a package away or takes it back. What is in the trash is not being signed.
func changeTrashed(tx *db.Tx, p authz.Principal, pkg *packageRow, trashed *bool) error {
	if trashed == nil || *trashed == pkg.Trashed {
		return nil
	}
	pkg.Trashed = *trashed
	if _, err := tx.Exec(`update packages set trashed = $1 where id = $2`, *trashed, pkg.ID); err != nil {
		return err
	}
	kind := "package.restored"
	if *trashed {
		kind = "package.trashed"
		if err := voidLeases(tx, *pkg, "trashed"); err != nil {
			return err
		}
	}
	_, err := record(tx, audit.Event{Type: kind, Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)})
	return err
}

// move carries out a change of status.
func (s *Signing) move(tx *db.Tx, p authz.Principal, pkg packageRow, c Change) error {
	if c.Status == "" || c.Status == pkg.Status {
		return nil
	}
	switch {
	case pkg.Status == Draft && c.Status == Sent:
		return s.send(tx, p, pkg)
	case pkg.Status == Sent && c.Status == Draft:
		return pause(tx, p, pkg)
	case pkg.Status == Sent && c.Status == Completed:
		return s.complete(tx, p, pkg)
	case pkg.Status == Sent && c.Status == Declined:
		return s.declineByAPI(tx, p, pkg, c)
	case pkg.Status == Completed && c.Status == Archived, pkg.Status == Archived && c.Status == Completed:
		return archive(tx, p, pkg, c.Status)
	}
	return transitionRefused(pkg.Status, c.Status)
}

// pause takes a package back for edits. Once somebody has signed it, it cannot change under his signature.
func pause(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	n, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'signed'`, pkg.ID)
	if err != nil {
		return err
	}
	if n > 0 {
		return errs.New(errs.Invalid, "package.transition", "Somebody has signed: the package can no longer be edited.").On("status")
	}
	if err := voidLeases(tx, pkg, "edited"); err != nil {
		return err
	}
	// Whoever comes back finds other documents: he is asked again, and consents again.
	if _, err := tx.Exec(`update roles set invited_ms = null, consent_by = null, consent_ms = null where package_id = $1`, pkg.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update invitees set waiting_ms = null, watching = false where package_id = $1`, pkg.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update packages set status = 'DRAFT', sent_ms = null where id = $1`, pkg.ID); err != nil {
		return err
	}
	_, err = record(tx, audit.Event{Type: "package.paused", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)})
	return err
}

func archive(tx *db.Tx, p authz.Principal, pkg packageRow, to Status) error {
	if _, err := tx.Exec(`update packages set status = $1 where id = $2`, to, pkg.ID); err != nil {
		return err
	}
	_, err := record(tx, audit.Event{Type: "package.archived", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p),
		Detail: map[string]string{"status": string(to)}})
	return err
}

// complete is the owner's word that a package without autocomplete is finished: everybody must have signed.
func (s *Signing) complete(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	n, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'open'`, pkg.ID)
	if err != nil {
		return err
	}
	if n > 0 || pkg.Trashed { // the seal job passes over what lies in the trash
		return transitionRefused(pkg.Status, Completed)
	}
	if _, err := record(tx, audit.Event{Type: "package.released", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)}); err != nil {
		return err
	}
	return queueSeal(tx, pkg)
}

// Delete removes a package and everything of it but its audit events.
func (s *Signing) Delete(ctx context.Context, p authz.Principal, id string) error {
	var blobs []string
	err := s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		if err := lockPackage(tx, &pkg); err != nil {
			return err
		}
		if blobs, err = blobsOf(tx, pkg); err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from packages where id = $1`, pkg.ID); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: "package.deleted", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)})
		return err
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), blobs...)
	}
	return err
}

// uploaded are the keys of a document's bytes before the seal, with the images of its pages.
func (d documentRow) uploaded() []string {
	keys := []string{d.OriginalBlob, d.ShownBlob}
	for page := range d.Pages.V {
		for _, dpi := range resolutions {
			keys = append(keys, imageKey(d.ID, page, dpi))
		}
	}
	return keys
}

// blobsOf are the keys of all bytes a package may own: documents, page images, and what any attempt at the seal stored.
func blobsOf(tx *db.Tx, pkg packageRow) ([]string, error) {
	sealed := []string{pkg.ID + "/summary"}
	var keys []string
	docs, err := db.All[documentRow](tx, `select * from documents where package_id = $1`, pkg.ID)
	for _, d := range docs {
		sealed = append(sealed, d.ID)
		keys = append(keys, d.uploaded()...)
	}
	for _, of := range sealed {
		for n := int64(1); n <= pkg.SealAttempt; n++ {
			keys = append(keys, sealedKey(of, n))
		}
	}
	return keys, err
}
