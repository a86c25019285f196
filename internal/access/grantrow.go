package access

import (
	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// grantRow is a row of grants.
type grantRow struct {
	ID, HolderKind, HolderID, What                string
	Number                                        int64
	Scope                                         db.JSON[Scope]
	Source, ClonedFrom                            string
	ByKind, ByUser, ByClient, Through             string
	GrantedMs                                     int64
	EndedMs                                       *int64
	EndedKind, EndedBy, EndedClient, EndedThrough string
}

const grantColumns = `id, holder_kind, holder_id, what, number, scope, source, cloned_from, by_kind, by_user, by_client, through,
	granted_ms, ended_ms, ended_kind, ended_by, ended_client, ended_through`

func (r *grantRow) thing() thing { return thing{r.What, r.Number} }

// via is how its user holds it.
func (r *grantRow) via() string {
	if r.Source == Clone {
		return ViaClone
	}
	return ViaDirect
}

// people are the names of those whom grants name, each asked for once.
type people struct {
	tx      *db.Tx
	account string
	users   map[string]person
	groups  map[string]person
}

// person is a user, a group or a member of staff as others see them.
type person struct{ id, name string }

func newPeople(tx *db.Tx, account string) *people {
	return &people{tx: tx, account: account, users: map[string]person{}, groups: map[string]person{}}
}

// user is who has an internal id: a user, or staff, who have no id to show. Nobody is nobody.
func (l *people) user(id string) (person, error) {
	if p, ok := l.users[id]; ok || id == "" {
		return p, nil
	}
	u, err := directory.UserByID(l.tx, id)
	p := person{u.SenderID, u.Name()}
	if errs.KindOf(err) == errs.NotFound {
		s, missing := directory.StaffByID(l.tx, id)
		if p, err = (person{"", s.Name}), missing; errs.KindOf(missing) == errs.NotFound {
			p, err = person{}, nil
		}
	}
	if err == nil {
		l.users[id] = p
	}
	return p, err
}

// group is the group of an internal id, deleted ones too.
func (l *people) group(id string) (person, error) {
	if p, ok := l.groups[id]; ok {
		return p, nil
	}
	g, err := directory.GroupByID(l.tx, id)
	if errs.KindOf(err) == errs.NotFound {
		err = nil
	}
	p := person{g.OuterID, g.Name}
	if err == nil {
		l.groups[id] = p
	}
	return p, err
}

// giver is who acted, as audit's actors are stored.
func (l *people) giver(kind, user, client, through string) (Giver, error) {
	by, err := l.user(user)
	if err != nil {
		return Giver{}, err
	}
	via, err := l.user(through)
	if kind == audit.KindOperator && by.name == "" {
		by.name = "Operator"
	}
	return Giver{Kind: kind, SenderID: by.id, Name: by.name, Through: via.id, ThroughName: via.name, Client: client}, err
}

// grant is a row in words.
func (l *people) grant(b *book, r *grantRow) (g Grant, err error) {
	g = Grant{ID: r.ID, Holder: Holder{Kind: r.HolderKind}, What: r.What, Number: r.Number, Name: b.name(r.thing()), Scope: r.Scope.V,
		Source: r.Source, At: db.Time(r.GrantedMs)}
	of := l.user
	if r.HolderKind == OfGroup {
		of = l.group
	}
	holder, err := of(r.HolderID)
	if err != nil {
		return g, err
	}
	g.Holder.ID, g.HolderName = holder.id, holder.name
	from, err := l.user(r.ClonedFrom)
	if err != nil {
		return g, err
	}
	g.ClonedFrom = from.id
	if g.By, err = l.giver(r.ByKind, r.ByUser, r.ByClient, r.Through); err != nil || r.EndedMs == nil {
		return g, err
	}
	g.Ended = db.Time(*r.EndedMs)
	g.EndedBy, err = l.giver(r.EndedKind, r.EndedBy, r.EndedClient, r.EndedThrough)
	return g, err
}
