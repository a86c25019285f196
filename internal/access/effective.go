package access

import (
	"cmp"
	"slices"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// How somebody comes to hold a permission or a preset.
const (
	ViaRole   = "role"
	ViaPreset = "preset"
	ViaDirect = "direct"
	ViaGroup  = "group"
	ViaClone  = "clone"
)

// Reason is one way in which a user holds a permission or a preset.
type Reason struct {
	Via    string // one of the five
	Name   string // of the role, the preset or the group
	Preset string // name of the preset that holds the permission; "" when it is held by itself
	Group  string // name of the group
	// ClonedFrom and what follows it are empty for a role, which nobody granted.
	ClonedFrom     string // sender id
	GrantedBy      string // sender id; "" of the operator and of staff
	GrantedByName  string
	GrantedThrough string // sender id of the API user who acted as him
	Client         string
	At             time.Time
	GrantID        string
	Licence        string // of the preset
	Scope          Scope
	// Overridden: an explicit grant of the permission to this user takes the place of this one.
	Overridden bool
}

// Held is a permission that a user holds, by at least one reason.
type Held struct {
	Number  int64
	Name    string
	Right   authz.Right // of a built-in one
	Reasons []Reason
}

// SetHeld is a preset that a user holds, by at least one reason.
type SetHeld struct {
	Number  int64
	Name    string
	Licence string
	Reasons []Reason
}

// Effective is all that a user holds, by name, each with every reason.
func Effective(tx *db.Tx, user directory.User) (held []Held, sets []SetHeld, err error) {
	b, err := readBook(tx, user.Account)
	if err != nil {
		return nil, nil, err
	}
	list, err := holdingsOf(tx, user)
	if err != nil {
		return nil, nil, err
	}
	names := newPeople(tx, user.Account)
	for number, sources := range b.expand(list) {
		p := b.permissions[number]
		if p == nil {
			continue
		}
		h := Held{Number: number, Name: p.Name, Right: p.Right}
		for _, s := range sources {
			r, err := names.reason(s)
			if err != nil {
				return nil, nil, err
			}
			h.Reasons = append(h.Reasons, r)
		}
		held = append(held, h)
	}
	if sets, err = setsOf(b, names, list); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(held, func(a, b Held) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number)) })
	slices.SortFunc(sets, func(a, b SetHeld) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number)) })
	return held, sets, nil
}

// setsOf are the presets of a list of holdings, each once.
func setsOf(b *book, names *people, list []holding) (sets []SetHeld, err error) {
	at := map[int64]int{}
	for i := range list {
		h := &list[i]
		p := b.presets[h.number]
		if h.what != OfPreset || p == nil {
			continue
		}
		r, err := names.reason(source{holding: h, preset: p, scope: h.scope})
		if err != nil {
			return nil, err
		}
		if _, ok := at[h.number]; !ok {
			at[h.number] = len(sets)
			sets = append(sets, SetHeld{Number: p.Number, Name: p.Name, Licence: p.Licence})
		}
		s := &sets[at[h.number]]
		s.Reasons = append(s.Reasons, r)
	}
	return sets, nil
}

// reason is a source in words.
func (l *people) reason(s source) (Reason, error) {
	r := Reason{Via: s.via, Scope: s.scope, Overridden: s.overridden}
	if s.preset != nil {
		r.Preset, r.Licence = s.preset.Name, s.preset.Licence
	}
	switch s.via {
	case ViaRole:
		r.Name = s.role
		return r, nil
	case ViaGroup:
		r.Name, r.Group = s.group.GroupName, s.group.GroupName
	case ViaDirect:
		if s.preset != nil {
			r.Via = ViaPreset
		}
		r.Name = r.Preset
	default:
		r.Name = r.Preset
	}
	from, err := l.user(s.row.ClonedFrom)
	if err != nil {
		return r, err
	}
	by, err := l.giver(s.row.ByKind, s.row.ByUser, s.row.ByClient, s.row.Through)
	r.ClonedFrom, r.GrantedBy, r.GrantedByName, r.GrantedThrough, r.Client = from.id, by.SenderID, by.Name, by.Through, by.Client
	r.At, r.GrantID = db.Time(s.row.GrantedMs), s.row.ID
	return r, err
}

// RightsOf are the rights of the built-in permissions that a user, an internal id, holds unscoped, in the order of their
// numbers; none of who is locked or deactivated, or of nobody.
func RightsOf(tx *db.Tx, user string) ([]authz.Right, error) {
	u, err := directory.UserByID(tx, user)
	if errs.KindOf(err) == errs.NotFound || err == nil && !u.Alive() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := holdingsOf(tx, u)
	if err != nil {
		return nil, err
	}
	b, err := bookFor(tx, u.Account, list)
	if err != nil {
		return nil, err
	}
	sources := b.expand(list)
	var rights []authz.Right
	for _, p := range builtInPermissions {
		if slices.ContainsFunc(sources[p.Number], func(s source) bool { return !s.overridden && s.scope.All() }) {
			rights = append(rights, p.Right)
		}
	}
	return rights, nil
}

// bookFor is a book that knows the things of a list; when all are built in it asks for nothing.
func bookFor(tx *db.Tx, account string, list []holding) (*book, error) {
	for _, h := range list {
		if h.what == OfPreset && h.number >= firstOwn {
			return readBook(tx, account)
		}
	}
	return newBook(account), nil
}
