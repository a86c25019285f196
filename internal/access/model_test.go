package access_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// model is what the room ought to know, kept as plainly as can be.
type model struct {
	*world
	r       *rand.Rand
	users   []*modelUser
	groups  []*modelGroup
	sets    map[int64]map[int64]access.Scope // what presets of the account hold
	names   map[[2]any]string
	numbers []int64 // permissions
	presets []int64
	keys    int
}

type modelUser struct {
	directory.User
	manager, sender, alive bool
	holds                  map[[2]any]modelGrant
}

type modelGroup struct {
	directory.Group
	members map[string]bool // by sender id: manages it
	holds   map[[2]any]modelGrant
}

type modelGrant struct {
	id    string
	scope access.Scope
	clone bool
}

func key(what string, n int64) [2]any { return [2]any{what, n} }

func newModel(w *world, seed uint64) *model {
	m := &model{world: w, r: rand.New(rand.NewPCG(seed, 7)), sets: map[int64]map[int64]access.Scope{}, names: map[[2]any]string{}}
	w.entities(3)
	all, err := w.Catalogue(context.Background(), w.op)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range 3 {
		m.permissionNamed(fmt.Sprintf("Thing %d", i))
		name := fmt.Sprintf("Set %d", i)
		n := w.preset(name)
		m.names[key(access.OfPreset, n)], m.sets[n] = name, map[int64]access.Scope{}
		m.presets = append(m.presets, n)
	}
	for _, p := range all.Permissions {
		m.names[key(access.OfPermission, p.Number)] = p.Name
		m.numbers = append(m.numbers, p.Number)
	}
	for _, p := range all.Presets {
		m.names[key(access.OfPreset, p.Number)] = p.Name
		m.sets[p.Number] = map[int64]access.Scope{}
		for _, c := range p.Contents {
			m.sets[p.Number][c.Permission] = c.Scope
		}
		m.presets = append(m.presets, p.Number)
	}
	for range 5 {
		m.users = append(m.users, &modelUser{User: w.user(directory.Standing{Sender: true}), sender: true, alive: true, holds: map[[2]any]modelGrant{}})
	}
	for range 2 {
		m.groups = append(m.groups, &modelGroup{Group: w.group(), members: map[string]bool{}, holds: map[[2]any]modelGrant{}})
	}
	return m
}

func (m *model) permissionNamed(name string) {
	n := m.permission(name)
	m.names[key(access.OfPermission, n)] = name
	m.numbers = append(m.numbers, n)
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) scope() (s access.Scope) {
	pick := func() (list []int64) {
		for n := range int64(3) {
			if m.r.IntN(2) == 0 {
				list = append(list, n+1)
			}
		}
		return list
	}
	if m.r.IntN(2) == 0 {
		s.Organizations = pick()
	}
	if m.r.IntN(4) == 0 {
		s.LegalEntities = pick()
	}
	return s
}

// act does something at random, in the room and in the model.
func (m *model) act() {
	u, g := m.users[m.r.IntN(len(m.users))], m.groups[m.r.IntN(len(m.groups))]
	ctx := context.Background()
	switch m.r.IntN(12) {
	case 0, 1, 2:
		m.grant(of(u.User), u.holds)
	case 3:
		m.grant(access.Holder{Kind: access.OfGroup, ID: g.OuterID}, g.holds)
	case 4, 5:
		m.revoke(u.holds)
	case 6:
		m.revoke(g.holds)
	case 7:
		m.join(u, g)
	case 8:
		n := m.presets[m.r.IntN(3)]
		contents, held := []access.Content{}, map[int64]access.Scope{}
		for _, p := range m.numbers {
			if m.r.IntN(4) == 0 {
				held[p] = m.scope()
				contents = append(contents, access.Content{Permission: p, Scope: held[p]})
			}
		}
		_, err := m.DefinePreset(ctx, m.op, access.NewPreset{Name: m.names[key(access.OfPreset, n)], Contents: contents})
		m.must(err)
		m.sets[n] = held
	case 9:
		m.roles(u)
	case 10:
		m.clone(u)
	case 11:
		u.alive = !u.alive
		m.write(func(tx *db.Tx) (err error) {
			if u.alive {
				_, err = directory.Restore(tx, u.ID)
			} else {
				_, err = directory.Deactivate(tx, u.ID)
			}
			return err
		})
	}
}

func (m *model) grant(h access.Holder, holds map[[2]any]modelGrant) {
	g := access.NewGrant{What: access.OfPermission, Number: m.numbers[m.r.IntN(len(m.numbers))], Scope: m.scope()}
	if m.r.IntN(2) == 0 {
		g.What, g.Number = access.OfPreset, m.presets[m.r.IntN(len(m.presets))]
	}
	k := key(g.What, g.Number)
	was, held := holds[k]
	made, err := m.Grant(context.Background(), m.op, h, g)
	if h.Kind == access.OfGroup && m.makesPowerful(k) {
		is(m.t, err, errs.Invalid, "grant.group")
		return
	}
	m.must(err)
	if same := held && was.scope.Equal(g.Scope); same == made.Created {
		m.t.Errorf("held %v, created %v", same, made.Created)
	} else if !same {
		holds[k] = modelGrant{made.ID, g.Scope, false}
	}
}

// makesPowerful reports what no group may hold.
func (m *model) makesPowerful(k [2]any) bool {
	n := k[1].(int64)
	if k[0] == access.OfPermission {
		return n <= 4
	}
	for p := range m.sets[n] {
		if p <= 4 {
			return true
		}
	}
	return false
}

func (m *model) revoke(holds map[[2]any]modelGrant) {
	for _, k := range slices.SortedFunc(maps.Keys(holds), func(a, b [2]any) int { return int(a[1].(int64) - b[1].(int64)) }) {
		m.must(m.Revoke(context.Background(), m.op, holds[k].id))
		delete(holds, k)
		return
	}
}

func (m *model) join(u *modelUser, g *modelGroup) {
	ctx := context.Background()
	if _, in := g.members[u.SenderID]; in {
		if u.alive {
			m.must(m.directory.RemoveMember(ctx, m.op, g.OuterID, u.SenderID))
			delete(g.members, u.SenderID)
		}
		return
	}
	if !u.sender || !u.alive {
		return
	}
	manages := m.r.IntN(2) == 0
	n := directory.NewMember{SenderID: u.SenderID}
	if manages {
		n.MemberType = directory.Manager
	}
	_, _, err := m.directory.AddMember(ctx, m.op, g.OuterID, n, false)
	m.must(err)
	g.members[u.SenderID] = manages
}

func (m *model) roles(u *modelUser) {
	u.manager = m.r.IntN(2) == 0
	kind := directory.Regular
	if u.manager {
		kind = directory.Manager
	}
	m.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Type: &kind})
		return err
	})
}

// clone makes a user who gets what another holds, and an explicit permission.
func (m *model) clone(from *modelUser) {
	m.keys++
	k := m.key(from.User, fmt.Sprint("key", m.keys))
	extra := access.NewEntry{Ref: access.Ref{Number: m.numbers[m.r.IntN(len(m.numbers))]}, Scope: m.scope()}
	made, err := m.CreateUser(context.Background(), m.op, access.NewUser{Name: "Copy of Somebody", LegalName: "Copy",
		Email: fmt.Sprintf("copy%d@example.com", m.keys), Clone: &k, Permissions: []access.NewEntry{extra}})
	m.must(err)
	u := &modelUser{User: made.User, alive: true, holds: map[[2]any]modelGrant{}}
	for k, g := range from.holds {
		u.holds[k] = modelGrant{"", g.scope, true}
	}
	for _, g := range m.groups {
		if _, in := g.members[from.SenderID]; in {
			for k, held := range g.holds {
				if _, own := u.holds[k]; !own {
					u.holds[k] = modelGrant{"", held.scope, true}
				}
			}
		}
	}
	u.holds[key(access.OfPermission, extra.Number)] = modelGrant{"", extra.Scope, false}
	page := access.Page{Limit: 1000}
	list, _, err := m.Grants(context.Background(), m.op, access.GrantFilter{Holder: of(made.User)}, page)
	m.must(err)
	for _, g := range list {
		k := key(g.What, g.Number)
		held := u.holds[k]
		if !held.scope.Equal(g.Scope) || held.clone != (g.Source == access.Clone) || held.clone && g.ClonedFrom != from.SenderID {
			m.t.Errorf("copied %+v, want %+v", g, held)
		}
		held.id = g.ID
		u.holds[k] = held
	}
	if len(list) != len(u.holds) {
		m.t.Errorf("%d grants copied, want %d", len(list), len(u.holds))
	}
	m.users = append(m.users, u)
}

// way is one way to hold a thing: scope, and whether it is the user's own grant.
type way struct {
	scope         access.Scope
	own, explicit bool
	group         bool
}

// ways is the naive computation of what a user holds.
func (m *model) ways(u *modelUser) map[[2]any][]way {
	all := map[[2]any][]way{}
	add := func(n int64) {
		k := key(access.OfPreset, n)
		all[k] = append(all[k], way{})
	}
	if u.manager {
		add(1)
	} else if u.sender {
		add(2)
	}
	for k, g := range u.holds {
		all[k] = append(all[k], way{g.scope, true, !g.clone, false})
	}
	for _, g := range m.groups {
		if _, in := g.members[u.SenderID]; !in {
			continue
		}
		for k, held := range g.holds {
			all[k] = append(all[k], way{held.scope, false, false, true})
		}
	}
	if u.leads(m) {
		add(4)
	}
	return all
}

func (u *modelUser) leads(m *model) bool {
	return slices.ContainsFunc(m.groups, func(g *modelGroup) bool { return g.members[u.SenderID] })
}

// held are the ways to hold each permission; those that count, and all.
func (m *model) held(u *modelUser) (counted map[int64][]access.Scope, reasons map[int64]int) {
	counted, reasons = map[int64][]access.Scope{}, map[int64]int{}
	ways := m.ways(u)
	explicit := func(n int64) bool {
		return slices.ContainsFunc(ways[key(access.OfPermission, n)], func(w way) bool { return w.explicit })
	}
	for k, list := range ways {
		n := k[1].(int64)
		for _, w := range list {
			if k[0] == access.OfPermission {
				counted[n] = append(counted[n], w.scope)
				reasons[n]++
				continue
			}
			for p, limit := range m.sets[n] {
				both, ok := w.scope.Within(limit)
				if !ok || w.group && p <= 4 { // a preset that became powerful when a group held it
					continue
				}
				reasons[p]++
				if !w.own || !explicit(p) {
					counted[p] = append(counted[p], both)
				}
			}
		}
	}
	return counted, reasons
}

func (m *model) namesOf(u *modelUser) []string {
	names := []string{}
	for k := range m.ways(u) {
		names = append(names, m.names[k])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// compare holds the list, the reasons and the rights against the model.
func (m *model) compare() (all []access.Entry, version int64) {
	m.t.Helper()
	for _, f := range []access.Filter{{Status: "all"}, {}, {Status: "inactive"}, {Status: "all", Permission: "Set 1"}, {Permission: "Conga Sign Admin"}, {Permission: "Thing 0"}} {
		var want []string
		for _, u := range m.users {
			names := m.namesOf(u)
			if (f.Status == "all" || u.alive == (f.Status == "")) && (f.Permission == "" || slices.Contains(names, f.Permission)) {
				want = append(want, fmt.Sprint(u.SenderID, u.alive, names))
			}
		}
		list, head := m.list(f)
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprint(e.SenderID, e.Alive, e.Permissions))
		}
		if !slices.Equal(got, want) || head.Total != int64(len(want)) {
			m.t.Fatalf("%+v: %d of\n%v, want\n%v", f, head.Total, got, want)
		}
		if f == (access.Filter{Status: "all"}) {
			all, version = list, head.Version
		}
	}
	for _, u := range m.users {
		counted, reasons := m.held(u)
		var rights []authz.Right
		for n, r := range []authz.Right{authz.ManageUsers, authz.ReadAccess, authz.IntelAgree, authz.Impersonate, authz.Sign, authz.ReadAudit} {
			if u.alive && slices.ContainsFunc(counted[int64(n+1)], access.Scope.All) {
				rights = append(rights, r)
			}
		}
		if got := m.rights(u.User); !slices.Equal(got, rights) {
			m.t.Fatalf("rights %v, want %v", got, rights)
		}
		held, sets := m.effective(u.User)
		for _, h := range held {
			valid := slices.DeleteFunc(slices.Clone(h.Reasons), func(r access.Reason) bool { return r.Overridden })
			if len(h.Reasons) != reasons[h.Number] || len(valid) != len(counted[h.Number]) {
				m.t.Fatalf("%s: %d reasons of which %d count, want %d and %d", h.Name, len(h.Reasons), len(valid), reasons[h.Number], len(counted[h.Number]))
			}
			for _, r := range valid {
				if !slices.ContainsFunc(counted[h.Number], r.Scope.Equal) {
					m.t.Fatalf("%s in %+v", h.Name, r.Scope)
				}
			}
		}
		if len(held) != len(reasons) {
			m.t.Fatalf("%d permissions, want %d", len(held), len(reasons))
		}
		ways := m.ways(u)
		maps.DeleteFunc(ways, func(k [2]any, _ []way) bool { return k[0] == access.OfPermission })
		if len(sets) != len(ways) {
			m.t.Fatalf("%d sets, want %d", len(sets), len(ways))
		}
	}
	return all, version
}

// After any history the list, the reasons and the rights are what the plain model says, and a list that differs has another version.
func TestAnyHistory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		m := newModel(build(t, d), seed)
		was, version := m.compare()
		for range dbtest.Rounds(40, 400) {
			for range 3 {
				m.act()
			}
			is, now := m.compare()
			same := slices.EqualFunc(was, is, func(a, b access.Entry) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
			if !same && now == version || now < version {
				t.Fatalf("version %d, then %d", version, now)
			}
			was, version = is, now
		}
	})
}
