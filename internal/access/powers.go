package access

import (
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// powers are what a principal may grant, as the database knows it in this transaction.
type powers struct {
	*book
	all     bool // runs the account
	manages bool // has users.manage
	actor   directory.User
	quiet   bool     // grants write no audit events of their own: one event tells of them all
	of      []scopes // what each user holds who has to hold it: who acts, and through whom
}

// scopes are what one user holds, each thing in the scopes of all reasons that count.
type scopes map[thing][]Scope

// powersOf reads what a principal may grant. Denied "user.inactive" when a user of it is locked, deactivated or of another
// account.
func powersOf(tx *db.Tx, p authz.Principal) (*powers, error) {
	b, err := readBook(tx, p.Account)
	w := &powers{book: b, all: runs(p), manages: p.Has(authz.ManageUsers)}
	if err != nil || w.all {
		return w, err
	}
	var seen []string
	for _, id := range []string{p.User, p.For, p.By} {
		if id == "" && len(seen) > 0 || slices.Contains(seen, id) {
			continue
		}
		seen = append(seen, id)
		u, err := directory.UserByID(tx, id)
		if errs.KindOf(err) == errs.NotFound || err == nil && (u.Account != p.Account || !u.Alive()) {
			return nil, errs.New(errs.Denied, "user.inactive", "The acting user is locked or deactivated.")
		}
		if err != nil {
			return nil, err
		}
		if len(seen) == 1 {
			w.actor = u
		}
		list, err := holdingsOf(tx, u)
		if err != nil {
			return nil, err
		}
		w.of = append(w.of, b.scopesOf(list))
	}
	// The right was there when the caller proved who he is; it has to be there now.
	w.manages = w.manages && w.holds(thing{OfPermission, manageUsers}, Scope{})
	return w, nil
}

// scopesOf are the scopes in which things are held by a list of holdings.
func (b *book) scopesOf(list []holding) scopes {
	s := scopes{}
	for _, h := range list {
		if h.what == OfPreset {
			s[h.thing] = append(s[h.thing], h.scope)
		}
	}
	for number, sources := range b.expand(list) {
		for _, from := range sources {
			if !from.overridden {
				t := thing{OfPermission, number}
				s[t] = append(s[t], from.scope)
			}
		}
	}
	return s
}

// holds reports that each of the acting users holds a thing in at least that scope.
func (w *powers) holds(t thing, scope Scope) bool {
	for _, s := range w.of {
		if !slices.ContainsFunc(s[t], func(held Scope) bool { return held.Covers(scope) }) {
			return false
		}
	}
	return true
}

// mayGrant refuses (Denied "grant.escalation") a thing that the principal may not give in that scope.
func (w *powers) mayGrant(t thing, scope Scope) error {
	if w.all {
		return nil
	}
	if !w.manages && !w.holds(t, scope) {
		return w.escalation(t)
	}
	for _, c := range w.contentsOf(t) {
		both, ok := scope.Within(c.Scope)
		held := thing{OfPermission, c.Permission}
		if ok && powerful(c.Permission) && !(w.manages && w.holds(held, both)) {
			return w.escalation(held)
		}
	}
	return nil
}

func (w *powers) escalation(t thing) error {
	return errs.New(errs.Denied, "grant.escalation", "Nobody grants more than he may: %s is not yours to grant in this scope.", w.name(t)).
		With("name", w.name(t))
}

// asStrong refuses (Denied "grant.escalation") who may not grant all that somebody holds. Of roles users.manage is
// enough when they are not copied.
func (w *powers) asStrong(list []holding, copied bool) error {
	for _, h := range list {
		if h.via == ViaRole && copied && (w.all || w.manages) {
			continue
		}
		if w.presets[h.number] == nil && h.what == OfPreset {
			continue
		}
		if err := w.mayGrant(h.thing, h.scope); err != nil {
			return err
		}
	}
	return nil
}

// everywhere reports that nothing limits the principal to some organisations.
func (w *powers) everywhere() bool {
	if w.all || w.manages {
		return true
	}
	for _, s := range w.of {
		for _, list := range s {
			for _, one := range list {
				if one.Organizations != nil {
					return false
				}
			}
		}
	}
	return true
}
