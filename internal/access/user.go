package access

import (
	"context"
	"strconv"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Ref names a permission or a preset of the account by number, or by name when the number is 0.
type Ref struct {
	Number int64
	Name   string
}

// NewEntry is a permission to grant, in a scope.
type NewEntry struct {
	Ref
	Scope Scope
}

// NewUser is a user to make as IntelAgree does.
type NewUser struct {
	Name, LegalName, Email, Title string
	Keys                          []directory.BusinessKey
	Permissions                   []NewEntry
	Presets                       []Ref
	// Clone is the key of a user whose grants are copied; roles are not.
	Clone *directory.BusinessKey
	// AllOrganisations: what is granted here applies to all organisations.
	AllOrganisations bool
	LegalEntity      int64 // 0 is none
}

// Creator is who made a user.
type Creator struct {
	Number   int64 // 0: he has none
	SenderID string
	Name     string
	Email    string
}

// Made is a user as IntelAgree sees him.
type Made struct {
	directory.Numbered
	Keys []directory.BusinessKey
	// By made him; nil is the operator or not known. Through is the API user who acted as By; nil is nobody.
	By, Through *Creator
}

// CreateUser makes a user with business keys and grants: everything or nothing. Where clone, presets and permissions name
// the same thing, a permission of the list wins over the clone.
//
// Denied "right.missing", "user.inactive" (the acting user), "grant.escalation", "seats.exceeded"; Conflict "email.taken",
// "business_key.taken"; Invalid "name.missing", "name.malformed", "email.malformed", "text.malformed", "business_key.malformed",
// "permission.unknown", "preset.unknown", "clone.unknown", "entity.unknown", "scope.empty", "scope.too_large", each with its Field:
// name, legalName, email, title, businessKeys, userPermissions[0], permissionPresets[0], userPermissionsToClone, primaryLegalEntityId.
func (a *Access) CreateUser(ctx context.Context, p authz.Principal, in NewUser) (made Made, err error) {
	if err = mayOne(p, authz.IntelAgree, authz.ManageUsers); err != nil {
		return Made{}, err
	}
	if in.Name, err = cleanName(in.Name); err != nil {
		return Made{}, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := powersOf(tx, p)
		if err != nil {
			return err
		}
		list, err := w.planFor(tx, in)
		if err != nil {
			return err
		}
		n, err := addUser(tx, p, in)
		if err != nil {
			return err
		}
		h := holder{OfUser, n.ID, &n.User}
		for _, g := range list {
			if _, _, err = w.give(tx, p, h, g); err != nil {
				return err
			}
		}
		if len(list) > 0 {
			err = directory.Touch(tx, p.Account)
		}
		if err == nil {
			err = record(tx, p, w.actor, "user.created", map[string]string{"user": n.ID,
				"number": strconv.FormatInt(n.Number, 10), "grants": strconv.Itoa(len(list))}, &n.User)
		}
		if err == nil {
			made, err = madeOf(tx, n)
		}
		return err
	})
	return made, err
}

// addUser writes the user and his keys.
func addUser(tx *db.Tx, p authz.Principal, in NewUser) (directory.Numbered, error) {
	first, last := directory.NameAs(in.Name)
	for _, creator := range []string{p.User, p.For} { // whom answers name by a number
		if creator != "" {
			if _, err := directory.NumberedByID(tx, p.Account, creator); err != nil {
				return directory.Numbered{}, err
			}
		}
	}
	n, err := directory.AddNumbered(tx, p.Account, directory.NewUser{Email: in.Email, FirstName: first, LastName: last, Title: in.Title},
		directory.Numbered{LegalName: in.LegalName, AllOrganisations: in.AllOrganisations, LegalEntity: in.LegalEntity}, p.User, p.For)
	if err != nil {
		return n, err
	}
	for _, k := range in.Keys {
		if err = directory.AddBusinessKey(tx, p.Account, n.ID, k); err != nil {
			return n, onField(err, "businessKeys")
		}
	}
	return n, nil
}

// madeOf adds what IntelAgree shows beside the user.
func madeOf(tx *db.Tx, n directory.Numbered) (m Made, err error) {
	m.Numbered = n
	if m.Keys, err = directory.BusinessKeysOf(tx, n.ID); err != nil {
		return m, err
	}
	if m.By, err = creatorOf(tx, n.Account, n.CreatedBy); err != nil {
		return m, err
	}
	m.Through, err = creatorOf(tx, n.Account, n.CreatedFor)
	return m, err
}

func creatorOf(tx *db.Tx, account, id string) (*Creator, error) {
	if id == "" {
		return nil, nil
	}
	n, err := directory.NumberedByID(tx, account, id)
	if errs.KindOf(err) == errs.NotFound {
		return nil, nil
	}
	return &Creator{Number: n.Number, SenderID: n.SenderID, Name: n.Name(), Email: n.Email}, err
}

// plan is what a new user is to hold, each thing once.
type plan struct {
	list []NewGrant
	at   map[thing]int
}

// put adds a grant, in the place of the one of the same thing.
func (l *plan) put(g NewGrant) {
	if i, ok := l.at[g.thing()]; ok {
		l.list[i] = g
		return
	}
	l.at[g.thing()] = len(l.list)
	l.list = append(l.list, g)
}

// planFor is the union of what is copied, the presets and the permissions, the later over the former, all of it the
// principal's to grant.
func (w *powers) planFor(tx *db.Tx, in NewUser) ([]NewGrant, error) {
	l := &plan{at: map[thing]int{}}
	at := &places{tx: tx, account: w.account}
	if err := w.planClone(tx, l, in.Clone); err != nil {
		return nil, onField(err, "userPermissionsToClone")
	}
	for i, r := range in.Presets {
		t, err := w.find(OfPreset, r)
		if err == nil {
			err = w.mayGrant(t, Scope{})
		}
		if err != nil {
			return nil, onField(err, element("permissionPresets", i))
		}
		l.put(NewGrant{What: OfPreset, Number: t.number, Source: Direct})
	}
	given := map[thing]Scope{}
	for i, e := range in.Permissions {
		if err := w.planPermission(at, l, e, given); err != nil {
			return nil, onField(err, element("userPermissions", i))
		}
	}
	if in.LegalEntity != 0 {
		if err := at.exist(LegalEntity, []int64{in.LegalEntity}); err != nil {
			return nil, onField(err, "primaryLegalEntityId")
		}
	}
	if !in.AllOrganisations {
		return l.list, nil
	}
	if !w.everywhere() {
		return nil, errs.New(errs.Denied, "grant.escalation", "Who is limited to some organisations cannot grant all of them.").On("hasAllOrganizations")
	}
	for i := range l.list {
		g := &l.list[i]
		g.Scope.Organizations = nil
		if err := w.mayGrant(g.thing(), g.Scope); err != nil {
			return nil, onField(err, "hasAllOrganizations")
		}
	}
	return l.list, nil
}

// planClone copies the grants of the user of a key, his groups' too; his own come first. Invalid "clone.unknown"; Denied
// "grant.escalation" when he is the stronger one.
func (w *powers) planClone(tx *db.Tx, l *plan, key *directory.BusinessKey) error {
	if key == nil {
		return nil
	}
	u, err := directory.UserByBusinessKey(tx, w.account, *key)
	if errs.KindOf(err) == errs.NotFound {
		return errs.New(errs.Invalid, "clone.unknown", "There is no user of this business key.")
	}
	if err != nil {
		return err
	}
	list, err := holdingsOf(tx, u)
	if err == nil {
		err = w.asStrong(list, true)
	}
	if err != nil {
		return err
	}
	for _, h := range list {
		if _, there := l.at[h.thing]; h.row != nil && !there && w.name(h.thing) != "" {
			l.put(NewGrant{What: h.what, Number: h.number, Scope: h.scope, Source: Clone, ClonedFrom: u.ID})
		}
	}
	return nil
}

// planPermission adds one of the list; given are those before it.
func (w *powers) planPermission(at *places, l *plan, e NewEntry, given map[thing]Scope) error {
	t, err := w.find(OfPermission, e.Ref)
	if err != nil {
		return err
	}
	if e.Scope, err = at.check(e.Scope); err != nil {
		return err
	}
	if other, twice := given[t]; twice && !other.Equal(e.Scope) {
		return errs.New(errs.Invalid, "permission.twice", "%s is named twice, in different scopes.", w.name(t))
	}
	given[t] = e.Scope
	if err = w.mayGrant(t, e.Scope); err != nil {
		return err
	}
	l.put(NewGrant{What: OfPermission, Number: t.number, Scope: e.Scope, Source: Direct})
	return nil
}

// element names one of a list: userPermissions[0].
func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// User finds the account's user of a number. Denied "right.missing"; NotFound "user.unknown".
func (a *Access) User(ctx context.Context, p authz.Principal, number int64) (made Made, err error) {
	return a.made(ctx, p, func(tx *db.Tx) (directory.Numbered, error) { return directory.NumberedUser(tx, p.Account, number) })
}

// FindByKey finds the account's user of a business key. Denied "right.missing"; NotFound "business_key.unknown".
func (a *Access) FindByKey(ctx context.Context, p authz.Principal, k directory.BusinessKey) (made Made, err error) {
	return a.made(ctx, p, func(tx *db.Tx) (directory.Numbered, error) { return directory.NumberedByKey(tx, p.Account, k) })
}

// made finds a user. Who has no number yet is given one: what a read could not do is done as a write.
func (a *Access) made(ctx context.Context, p authz.Principal, find func(*db.Tx) (directory.Numbered, error)) (made Made, err error) {
	if err = mayOne(p, authz.IntelAgree, authz.ManageUsers); err != nil {
		return Made{}, err
	}
	look := func(tx *db.Tx) error {
		n, err := find(tx)
		if err == nil {
			made, err = madeOf(tx, n)
		}
		return err
	}
	if err = a.db.Read(ctx, look); err != nil && errs.KindOf(err) == errs.Fault {
		err = a.db.Write(ctx, look)
	}
	return made, err
}

// UserChange changes a user; nil keeps.
type UserChange struct {
	Name, LegalName, Email, Title *string
	Keys                          *[]directory.BusinessKey
	AllOrganisations              *bool // true: what he is granted applies to all organisations from now on
	LegalEntity                   *int64
	Active                        *bool // may only say what he is: a caller who believes he ended a user must learn better
}

// ChangeUser changes a user of a number. Only who is as strong as that user may.
//
// Denied "right.missing", "user.inactive", "grant.escalation"; NotFound "user.unknown"; Invalid "user.active"; Conflict and
// Invalid as CreateUser.
func (a *Access) ChangeUser(ctx context.Context, p authz.Principal, number int64, c UserChange) (made Made, err error) {
	if err = mayOne(p, authz.IntelAgree, authz.ManageUsers); err != nil {
		return Made{}, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		w, n, err := changing(tx, p, number)
		if err != nil {
			return err
		}
		if err = w.asStrongAs(tx, p, n.User); err != nil {
			return err
		}
		if c.Active != nil && *c.Active != n.Alive() {
			return errs.New(errs.Invalid, "user.active", "A user is not deactivated or restored by a change.").On("isActive")
		}
		if c.LegalEntity != nil && *c.LegalEntity != 0 {
			at := places{tx: tx, account: p.Account}
			if err = at.exist(LegalEntity, []int64{*c.LegalEntity}); err != nil {
				return onField(err, "primaryLegalEntityId")
			}
		}
		if c.AllOrganisations != nil && *c.AllOrganisations && !n.AllOrganisations {
			if err = w.widen(tx, p, n.User); err != nil {
				return onField(err, "hasAllOrganizations")
			}
		}
		if n, err = directory.ChangeNumbered(tx, p.Account, number, directory.NumberedChange{Name: c.Name, LegalName: c.LegalName,
			Email: c.Email, Title: c.Title, AllOrganisations: c.AllOrganisations, LegalEntity: c.LegalEntity}); err != nil {
			return err
		}
		if c.Keys != nil {
			if err = directory.SetBusinessKeys(tx, p.Account, n.ID, *c.Keys); err != nil {
				return onField(err, "businessKeys")
			}
		}
		if err = record(tx, p, w.actor, "user.changed", map[string]string{"user": n.ID, "members": c.members()}, &n.User); err != nil {
			return err
		}
		made, err = madeOf(tx, n)
		return err
	})
	return made, err
}

// members names what a change is about.
func (c UserChange) members() string {
	var names []string
	for _, m := range []struct {
		name string
		said bool
	}{{"name", c.Name != nil}, {"legalName", c.LegalName != nil}, {"email", c.Email != nil}, {"title", c.Title != nil},
		{"businessKeys", c.Keys != nil}, {"hasAllOrganizations", c.AllOrganisations != nil}, {"primaryLegalEntityId", c.LegalEntity != nil}} {
		if m.said {
			names = append(names, m.name)
		}
	}
	return strings.Join(names, ",")
}

// changing finds and holds the user of a number, and what the principal may grant.
func changing(tx *db.Tx, p authz.Principal, number int64) (*powers, directory.Numbered, error) {
	w, err := powersOf(tx, p)
	if err != nil {
		return nil, directory.Numbered{}, err
	}
	n, err := directory.NumberedUser(tx, p.Account, number)
	if err == nil {
		n.User, err = directory.HoldUser(tx, n.ID)
	}
	return w, n, err
}

// MayBecome refuses who may not grant all that a user holds: he must not lead the user's mail to himself. It is for acts of
// other rooms. Denied "grant.escalation", "user.inactive" (the acting user).
func MayBecome(p authz.Principal) func(tx *db.Tx, u directory.User) error {
	return func(tx *db.Tx, u directory.User) error {
		w, err := powersOf(tx, p)
		if err == nil {
			err = w.asStrongAs(tx, p, u)
		}
		return err
	}
}

// asStrongAs refuses (Denied "grant.escalation") who may not grant all that a user holds, his roles included: who changes
// a user's address becomes him. Everybody is as strong as himself.
func (w *powers) asStrongAs(tx *db.Tx, p authz.Principal, u directory.User) error {
	if u.ID == p.User && (p.For == "" || p.For == p.User) {
		return nil
	}
	list, err := holdingsOf(tx, u)
	if err != nil {
		return err
	}
	return w.asStrong(list, false)
}

// widen gives all of a user's grants anew for all organisations.
func (w *powers) widen(tx *db.Tx, p authz.Principal, u directory.User) error {
	if !w.everywhere() {
		return errs.New(errs.Denied, "grant.escalation", "Who is limited to some organisations cannot grant all of them.")
	}
	rows, err := liveOf(tx, u.Account, OfUser, u.ID, u.ID)
	if err != nil {
		return err
	}
	for _, r := range rows {
		g := NewGrant{What: r.What, Number: r.Number, Scope: r.Scope.V, Source: r.Source, ClonedFrom: r.ClonedFrom}
		if g.Scope.Organizations == nil || w.name(g.thing()) == "" {
			continue
		}
		g.Scope.Organizations = nil
		if err = w.mayGrant(g.thing(), g.Scope); err != nil {
			return err
		}
		if _, _, err = w.give(tx, p, holder{OfUser, u.ID, &u}, g); err != nil {
			return err
		}
	}
	return directory.Touch(tx, u.Account)
}

// DeactivateUser ends a user of a number: at once, and within a second for his tokens. His grants stay in case he is
// restored. Again it changes nothing. Denied "right.missing", "user.inactive" (the acting user), "grant.escalation"; NotFound
// "user.unknown"; Invalid "user.self"; Conflict "manager.last".
func (a *Access) DeactivateUser(ctx context.Context, p authz.Principal, number int64) error {
	if err := mayOne(p, authz.IntelAgree, authz.ManageUsers); err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		w, n, err := changing(tx, p, number)
		if err != nil {
			return err
		}
		if n.ID == p.User || n.ID == p.For {
			return errs.New(errs.Invalid, "user.self", "A user cannot deactivate himself.").On("id")
		}
		if err = w.asStrongAs(tx, p, n.User); err != nil {
			return err
		}
		if err = directory.MayEnd(tx, p, n.User); err != nil {
			return err
		}
		ended, err := directory.Deactivate(tx, n.ID)
		if err != nil || !ended {
			return err
		}
		return record(tx, p, w.actor, "user.deactivated", map[string]string{"user": n.ID}, &n.User)
	})
}
