package access

import (
	"context"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Where a grant comes from.
const (
	Direct   = "direct"
	Clone    = "clone"
	Imported = "import"
)

// NewGrant is a grant to give.
type NewGrant struct {
	What       string // OfPermission or OfPreset
	Number     int64
	Scope      Scope
	Source     string // Direct when empty, or Imported
	ClonedFrom string // internal id; of Source Clone only
}

func (g NewGrant) thing() thing { return thing{g.What, g.Number} }

// Grant is that somebody holds something.
type Grant struct {
	ID     string
	Holder Holder
	// HolderName is the name of the user or of the group.
	HolderName string
	What       string // OfPermission or OfPreset
	Number     int64
	Name       string
	Scope      Scope
	Source     string
	ClonedFrom string // sender id
	By         Giver
	At         time.Time
	Ended      time.Time // zero: it is held
	EndedBy    Giver
	Created    bool // of Grant: it was not held before in this scope
}

// Giver is who gave or ended a grant.
type Giver struct {
	Kind        string // as audit's actors: client, person, operator, system
	SenderID    string // of a user, or of the user whom the API user acted as; "" of the operator and of staff
	Name        string
	Through     string // sender id of the API user who acted as him; "" is nobody
	ThroughName string
	Client      string // client id; "" is a person
}

// Grant gives a user or a group of the account a permission or a preset. What is held already in that scope stays as it
// is; another scope ends the former grant. Who is given a preset with a licence gets the licence; a group does not.
//
// Denied "right.missing", "grant.escalation", "user.inactive" (the acting user); NotFound "user.unknown", "group.unknown";
// Invalid "permission.unknown", "preset.unknown", "scope.empty", "scope.too_large", "entity.unknown", "grant.group".
func (a *Access) Grant(ctx context.Context, p authz.Principal, holder Holder, g NewGrant) (made Grant, err error) {
	if err = mayOne(p, authz.ManageUsers); err != nil {
		return Grant{}, err
	}
	if g.Source != Imported {
		g.Source = Direct
	}
	g.ClonedFrom = ""
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		h, err := findHolder(tx, p.Account, holder)
		if err != nil {
			return err
		}
		row, isNew, err := grantIn(tx, p, w, h, g)
		if err != nil {
			return err
		}
		if made, err = newPeople(tx, p.Account).grant(w.book, row); err != nil || !isNew {
			return err
		}
		made.Created = true
		return directory.Touch(tx, p.Account)
	})
	return made, err
}

// managing is powersOf for acts that need users.manage, also at this moment. Denied "right.missing", "user.inactive".
func managing(tx *db.Tx, p authz.Principal) (*powers, error) {
	w, err := powersOf(tx, p)
	if err == nil && !w.all && !w.manages {
		err = errs.New(errs.Denied, "right.missing", "the right %s is needed", authz.ManageUsers).With("right", string(authz.ManageUsers))
	}
	return w, err
}

// holder is who is to hold something, by internal id; a user is held by the transaction.
type holder struct {
	kind, id string
	user     *directory.User // nil of a group
}

func findHolder(tx *db.Tx, account string, h Holder) (holder, error) {
	if h.Kind == OfGroup {
		g, err := directory.GroupByOuterID(tx, account, h.ID)
		return holder{kind: OfGroup, id: g.ID}, err
	}
	u, err := directory.UserBySender(tx, account, h.ID)
	if err == nil {
		u, err = directory.HoldUser(tx, u.ID)
	}
	return holder{OfUser, u.ID, &u}, err
}

// grantIn gives a grant inside an act that calls directory.Touch, with its audit event; isNew is false when it was held in
// that scope already. Invalid and Denied as Grant.
func grantIn(tx *db.Tx, p authz.Principal, w *powers, h holder, g NewGrant) (row *grantRow, isNew bool, err error) {
	if g.What != OfPreset {
		g.What = OfPermission
	}
	if _, err = w.find(g.What, Ref{Number: g.Number}); err != nil {
		return nil, false, err
	}
	at := places{tx: tx, account: p.Account}
	if g.Scope, err = at.check(g.Scope); err != nil {
		return nil, false, err
	}
	if err = w.mayGrant(g.thing(), g.Scope); err == nil {
		err = w.mayHold(h, g.thing())
	}
	if err != nil {
		return nil, false, err
	}
	return w.give(tx, p, h, g)
}

// mayHold refuses (Invalid "grant.group") a group what makes powerful: expand would pass it over.
func (b *book) mayHold(h holder, t thing) error {
	if h.kind != OfGroup {
		return nil
	}
	for _, c := range b.contentsOf(t) {
		if powerful(c.Permission) {
			return errs.New(errs.Invalid, "grant.group", "A group cannot hold %s: who manages the group would hand it out.",
				b.name(thing{OfPermission, c.Permission})).On("holder")
		}
	}
	return nil
}

// giveTries is how often a grant is tried that others give and end at the same moment.
const giveTries = 5

// give writes a grant that was checked. Of two who give the same at once one writes the row, and both are answered by it.
func (w *powers) give(tx *db.Tx, p authz.Principal, h holder, g NewGrant) (*grantRow, bool, error) {
	for range giveTries {
		row, err := insertGrant(tx, p, h, g)
		if err == nil {
			return row, true, w.given(tx, p, h, row)
		}
		if !errors.Is(err, db.ErrNone) {
			return nil, false, err
		}
		live, err := db.One[grantRow](tx, `select `+grantColumns+` from grants
			where holder_id = $1 and what = $2 and number = $3 and ended_ms is null`, h.id, g.What, g.Number)
		if errors.Is(err, db.ErrNone) {
			continue // it was ended meanwhile
		}
		if err != nil || live.Scope.V.Equal(g.Scope) {
			return &live, false, err
		}
		if _, err = w.end(tx, p, h, &live); err != nil {
			return nil, false, err
		}
	}
	return nil, false, outrun()
}

// grantInsert writes a row, unless the holder has a grant of the same thing.
const grantInsert = `insert into grants (id, account_id, holder_kind, holder_id, what, number, scope, source, cloned_from,
		by_kind, by_user, by_client, through, granted_ms)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, clock_ms()) on conflict do nothing`

// newRow is a row of a grant and the arguments to write it with.
func newRow(p authz.Principal, h holder, g NewGrant) (*grantRow, []any) {
	by := audit.By(p)
	r := &grantRow{ID: secret.NewID(), HolderKind: h.kind, HolderID: h.id, What: g.What, Number: g.Number, Scope: db.AsJSON(g.Scope),
		Source: g.Source, ClonedFrom: g.ClonedFrom, ByKind: by.Kind, ByUser: by.User, ByClient: by.Client, Through: by.Through}
	return r, []any{r.ID, p.Account, r.HolderKind, r.HolderID, r.What, r.Number, r.Scope, r.Source, r.ClonedFrom, r.ByKind, r.ByUser, r.ByClient, r.Through}
}

// insertGrant writes the row; db.ErrNone when the holder has a grant of the same thing.
func insertGrant(tx *db.Tx, p authz.Principal, h holder, g NewGrant) (r *grantRow, err error) {
	r, args := newRow(p, h, g)
	r.GrantedMs, err = db.One[int64](tx, grantInsert+` returning granted_ms`, args...)
	return r, err
}

// given does what follows from a new row: the licence and the audit event.
func (w *powers) given(tx *db.Tx, p authz.Principal, h holder, r *grantRow) error {
	detail := w.detail(r)
	if licence := w.licence(r.thing()); licence != "" && h.user != nil {
		got, err := directory.GiveLicence(tx, p.Account, licence, h.id)
		if err != nil {
			return err
		}
		if got {
			detail["licence"] = licence
		}
	}
	if w.quiet {
		return nil
	}
	return record(tx, p, w.actor, Given, detail, h.user)
}

// detail is what audit events say of a grant.
func (w *powers) detail(r *grantRow) map[string]string {
	d := map[string]string{"grant": r.ID, r.HolderKind: r.HolderID, "what": r.What, "number": strconv.FormatInt(r.Number, 10),
		"name": w.name(r.thing()), "source": r.Source}
	if scope, err := r.Scope.Value(); err == nil && !r.Scope.V.All() {
		d["scope"], _ = scope.(string)
	}
	if r.ClonedFrom != "" {
		d["cloned_from"] = r.ClonedFrom
	}
	return d
}

// end ends a row, unless somebody did so before; done is false then.
func (w *powers) end(tx *db.Tx, p authz.Principal, h holder, r *grantRow) (done bool, err error) {
	by := audit.By(p)
	n, err := tx.Exec(`update grants set ended_ms = clock_ms(), ended_kind = $2, ended_by = $3, ended_client = $4, ended_through = $5
		where id = $1 and ended_ms is null`, r.ID, by.Kind, by.User, by.Client, by.Through)
	if err != nil || n == 0 || w.quiet {
		return n > 0, err
	}
	return true, record(tx, p, w.actor, Ended, w.detail(r), h.user)
}

// Revoke ends a grant; one that has ended stays as it was. The licence of a preset goes with the last preset that brought
// it. Denied "right.missing", "user.inactive" (the acting user); NotFound "grant.unknown".
func (a *Access) Revoke(ctx context.Context, p authz.Principal, grantID string) error {
	if err := mayOne(p, authz.ManageUsers); err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		r, err := grantByID(tx, p.Account, grantID)
		if err != nil || r.EndedMs != nil {
			return err
		}
		h := holder{kind: r.HolderKind, id: r.HolderID}
		if h.kind == OfUser { // before the grant, and so that no other preset comes or goes while the licence is looked at
			u, err := directory.HoldUser(tx, r.HolderID)
			if err != nil {
				return err
			}
			h.user = &u
		}
		done, err := w.end(tx, p, h, &r)
		if err != nil || !done {
			return err
		}
		if err = w.takeLicence(tx, h, r.thing()); err != nil {
			return err
		}
		return directory.Touch(tx, p.Account)
	})
}

func grantByID(tx *db.Tx, account, id string) (grantRow, error) {
	if !storable(id) {
		id = ""
	}
	r, err := db.One[grantRow](tx, `select `+grantColumns+` from grants where id = $1 and account_id = $2`, id, account)
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "grant.unknown", "There is no such grant.")
	}
	return r, err
}

// takeLicence takes the licence that came with a thing, unless another preset of the user brings it, too. That of a
// sender stays: he has it by being one.
func (w *powers) takeLicence(tx *db.Tx, h holder, ended thing) error {
	licence := w.licence(ended)
	if licence == "" || h.user == nil || licence == directory.LicenceSign && h.user.Sender {
		return nil
	}
	left, err := liveOf(tx, w.account, OfUser, h.id, h.id)
	if err != nil {
		return err
	}
	for _, r := range left {
		if w.licence(r.thing()) == licence {
			return nil
		}
	}
	_, err = directory.TakeLicence(tx, w.account, licence, h.id)
	return err
}

// GrantFilter selects grants; what is zero selects all.
type GrantFilter struct {
	Holder Holder
	What   string // OfPermission or OfPreset, with Number
	Number int64
}

// Grants lists what is held by grant, the oldest first, at most 1000 at once (Page.Limit 0 is 100), and the cursor of the
// next page, "" at the end. Denied "right.missing"; NotFound "user.unknown", "group.unknown"; Invalid "cursor.unknown".
func (a *Access) Grants(ctx context.Context, p authz.Principal, f GrantFilter, page Page) (list []Grant, next string, err error) {
	if err = mayOne(p, authz.ReadAccess, authz.ManageUsers); err != nil {
		return nil, "", err
	}
	if !storable(page.Cursor) {
		return nil, "", unknownCursor()
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		id, err := holderID(tx, p.Account, f.Holder)
		if err != nil {
			return err
		}
		limit := page.limit()
		rows, err := db.All[grantRow](tx, `select `+grantColumns+` from grants where account_id = $1 and ended_ms is null and id > $2
			and ($3 = '' or holder_id = $3) and ($4 = '' or what = $4 and number = $5) order by id limit `+strconv.Itoa(limit+1),
			p.Account, page.Cursor, id, f.What, f.Number)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			next = rows[limit-1].ID
		}
		list, err = inWords(tx, p.Account, rows)
		return err
	})
	return list, next, err
}

func inWords(tx *db.Tx, account string, rows []grantRow) (list []Grant, err error) {
	b, err := readBook(tx, account)
	if err != nil {
		return nil, err
	}
	names := newPeople(tx, account)
	for i := range rows {
		g, err := names.grant(b, &rows[i])
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// holderID is the internal id of a holder; of none "".
func holderID(tx *db.Tx, account string, h Holder) (string, error) {
	switch {
	case h.ID == "":
		return "", nil
	case h.Kind == OfGroup:
		g, err := directory.GroupByOuterID(tx, account, h.ID)
		return g.ID, err
	}
	u, err := directory.UserBySender(tx, account, h.ID)
	return u.ID, err
}
