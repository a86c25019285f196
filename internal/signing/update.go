package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
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
//
// A signer's session may only decline or opt out for its role (Denied "signer.decline_only"); what else it sends is not looked at.
func (s *Signing) Update(ctx context.Context, p authz.Principal, id string, c Change) error {
	if p.Kind == authz.Signer {
		if c.Status != Declined && c.Status != OptedOut {
			return errs.New(errs.Denied, "signer.decline_only", "A signer may decline or opt out, and change nothing else of the package.").On("status")
		}
		c = Change{Status: c.Status, DeclineRole: c.DeclineRole, DeclineReason: c.DeclineReason}
	}
	if err := checkChange(&c); err != nil {
		return err
	}
	var last spot
	return s.held(ctx, &last, s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		if err := lockPackage(tx, &pkg); err != nil {
			return err
		}
		if err := changeWords(tx, p, &pkg, c); err != nil {
			return err
		}
		if err := changeTrashed(tx, p, &pkg, c.Trashed); err != nil {
			return err
		}
		if err := s.move(tx, p, pkg, c, &last); err != nil || c.Trashed == nil && c.Autocomplete == nil {
			return err
		}
		return resumeSeal(tx, pkg.ID)
	}))
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

// set is one member that a change gives: its column, the value and what it was.
type set struct {
	column string
	given  bool
	value  any
	same   bool
}

func (c Change) sets(pkg packageRow) []set {
	due := pkg.DueMs
	if c.Due != nil {
		due = wholeSeconds(*c.Due)
	}
	kept := merged(pkg.Kept, c.Kept)
	return []set{
		{"name", c.Name != nil, deref(c.Name), deref(c.Name) == pkg.Name},
		{"description", c.Description != nil, deref(c.Description), deref(c.Description) == pkg.Description},
		{"email_message", c.EmailMessage != nil, deref(c.EmailMessage), deref(c.EmailMessage) == pkg.EmailMessage},
		{"language", c.Language != nil, deref(c.Language), deref(c.Language) == pkg.Language},
		{"visibility", c.Visibility != nil, deref(c.Visibility), deref(c.Visibility) == pkg.Visibility},
		{"autocomplete", c.Autocomplete != nil, deref(c.Autocomplete), deref(c.Autocomplete) == pkg.Autocomplete},
		{"due_ms", c.Due != nil, due, same(due, pkg.DueMs)},
		{"settings", c.Settings != nil, jsonText(c.Settings), sameJSON(jsonText(c.Settings), pkg.Settings)},
		{"data", c.Data != nil, jsonText(c.Data), sameJSON(jsonText(c.Data), pkg.Data)},
		{"kept", c.Kept != nil, kept, sameJSON(kept, merged(pkg.Kept, json.RawMessage("{}")))},
	}
}

// changeWords changes what may change in any state until the package is finished, and leaves pkg as it is afterwards.
func changeWords(tx *db.Tx, p authz.Principal, pkg *packageRow, c Change) error {
	was := *pkg
	var changed []string
	for _, set := range c.sets(was) {
		if !set.given || set.same {
			continue
		}
		if err := mayChange(tx, was, set.column); err != nil {
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
	var err error
	if *pkg, err = db.One[packageRow](tx, `update packages set folded_name = $2, folded_text = $3 where id = $1 returning *`,
		pkg.ID, folded(cmp.Or(deref(c.Name), was.Name)), folded(description(was, c))); err != nil {
		return err
	}
	if err := recount(tx, &was, pkg); err != nil {
		return err
	}
	if pkg.Status == Sent && !same(pkg.DueMs, was.DueMs) {
		if err := planExpiry(tx, *pkg); err != nil {
			return err
		}
	}
	_, err = record(tx, audit.Event{Type: "package.changed", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p),
		Detail: map[string]string{"members": strings.Join(changed, " ")}})
	return err
}

func description(was packageRow, c Change) string {
	if c.Description != nil {
		return *c.Description
	}
	return was.Description
}

// merged is a column of stored members with those that are given in their place. What is false or empty is left out:
// surfaces show it where nothing is stored.
func merged(was string, given json.RawMessage) string {
	if given == nil {
		return was
	}
	members := map[string]json.RawMessage{}
	for _, text := range []string{was, string(given)} {
		_ = json.Unmarshal([]byte(text), &members)
	}
	maps.DeleteFunc(members, func(_ string, v json.RawMessage) bool {
		return slices.Contains([]string{"null", "false", `""`, "[]"}, string(v))
	})
	out, err := json.Marshal(members)
	if err != nil {
		return was
	}
	return string(out)
}

// sameJSON compares two JSON texts; an absent member and one that is null are the same, as surfaces show them.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(withoutNulls(x), withoutNulls(y))
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			withoutNulls(member)
		}
	case []any:
		for _, element := range v {
			withoutNulls(element)
		}
	}
	return v
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
	was := *pkg
	pkg.Trashed = *trashed
	if err := recount(tx, &was, pkg); err != nil {
		return err
	}
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

// move carries out a change of status; last is where stands who declines himself. A template is never sent, and what lies in the trash stays as it is.
func (s *Signing) move(tx *db.Tx, p authz.Principal, pkg packageRow, c Change, last *spot) error {
	if c.Status == "" || c.Status == pkg.Status {
		return nil
	}
	if pkg.Trashed || pkg.Type != Transaction {
		return transitionRefused(pkg.Status, c.Status)
	}
	switch {
	case pkg.Status == Draft && c.Status == Sent:
		return s.send(tx, p, pkg)
	case pkg.Status == Sent && c.Status == Draft:
		return pause(tx, p, pkg)
	case pkg.Status == Sent && c.Status == Completed:
		return s.complete(tx, p, pkg)
	case pkg.Status == Sent && (c.Status == Declined || c.Status == OptedOut):
		return s.declineByAPI(tx, p, pkg, c, last)
	case pkg.Status == Completed && c.Status == Archived:
		return archive(tx, p, pkg)
	}
	return transitionRefused(pkg.Status, c.Status)
}

// pause takes a package back for edits. Once somebody has signed it, it cannot change under his signature.
// Only its owner and the managers of his account take it back: who may edit it then also says who signs.
func pause(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	if err := ownersOnly(tx, p, pkg); err != nil {
		return err
	}
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
	if err := voidAcceptances(tx, pkg, "edited", `a.package_id = $1`, pkg.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update invitees set waiting_ms = null, watching = false where package_id = $1`, pkg.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update packages set status = 'DRAFT', sent_ms = null where id = $1`, pkg.ID); err != nil {
		return err
	}
	if err := moved(tx, pkg, Draft); err != nil {
		return err
	}
	_, err = record(tx, audit.Event{Type: "package.paused", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)})
	return err
}

func archive(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	if _, err := tx.Exec(`update packages set status = 'ARCHIVED' where id = $1`, pkg.ID); err != nil {
		return err
	}
	if err := moved(tx, pkg, Archived); err != nil {
		return err
	}
	_, err := record(tx, audit.Event{Type: "package.archived", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p),
		Detail: map[string]string{"status": string(Archived)}})
	return err
}

// complete is the owner's word that a package without autocomplete is finished: everybody must have signed.
func (s *Signing) complete(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	n, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'open'`, pkg.ID)
	if err != nil {
		return err
	}
	if n > 0 {
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
		// The event before the rows: who is told of it is found by them.
		if _, err := record(tx, audit.Event{Type: "package.deleted", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)}); err != nil {
			return err
		}
		if err := recount(tx, &pkg, nil); err != nil {
			return err
		}
		_, err = tx.Exec(`delete from packages where id = $1`, pkg.ID)
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
	if err != nil {
		return nil, err
	}
	attached, err := attachedBlobs(tx, pkg.ID, "")
	return append(keys, attached...), err
}
