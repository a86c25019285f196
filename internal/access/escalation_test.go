package access_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// stage is who tries to escalate and whom he would use.
type stage struct {
	*world
	x, y, set, mighty         int64
	limited, api, boss, admin directory.User // admin holds users.manage by grant alone
	strong, weak, wide        directory.BusinessKey
	rich                      directory.User // provisions users, and holds Draft everywhere
	other                     directory.User // of another account
}

func (w *world) key(u directory.User, value string) directory.BusinessKey {
	k := directory.BusinessKey{Type: "Salesforce", Value: value}
	w.write(func(tx *db.Tx) error { return directory.AddBusinessKey(tx, u.Account, u.ID, k) })
	return k
}

func newStage(w *world) *stage {
	w.entities(3)
	s := &stage{world: w, x: w.permission("Approve"), y: w.permission("Draft")}
	s.set = w.preset("Lawyer", access.Content{Permission: s.x})
	s.mighty = w.preset("Impersonator", access.Content{Permission: 4})
	all := access.Scope{}
	s.limited = w.plain() // provisions users, and holds Approve in organisation 1
	w.give(of(s.limited), access.OfPermission, 3, all)
	w.give(of(s.limited), access.OfPermission, s.x, inOrgs(1))
	s.api = w.plain() // may act as another; Approve everywhere
	for _, n := range []int64{3, 4, s.x} {
		w.give(of(s.api), access.OfPermission, n, all)
	}
	s.rich = w.plain()
	for _, n := range []int64{3, s.y} {
		w.give(of(s.rich), access.OfPermission, n, all)
	}
	s.boss = w.manager()
	s.admin = w.plain()
	w.give(of(s.admin), access.OfPermission, 1, all)
	stronger, weaker, wider := w.plain(), w.plain(), w.plain()
	w.give(of(stronger), access.OfPermission, s.y, all)
	w.give(of(weaker), access.OfPermission, s.x, inOrgs(1))
	w.give(of(wider), access.OfPermission, s.x, inOrgs(1, 2))
	s.strong, s.weak, s.wide = w.key(stronger, "strong"), w.key(weaker, "weak"), w.key(wider, "wide")
	other := w.account("Other Ltd")
	s.other = w.userOf(other, directory.Standing{}, directory.Manager)
	return s
}

// rows are all that an act of this room could leave behind.
func (w *world) rows() (n [5]int) {
	for i, table := range []string{"users", "grants", "business_keys", "audit_events", "user_licences"} {
		n[i] = w.count(`select count(*) from ` + table)
	}
	return n
}

// T11: nobody gives what he could not do himself, and what is refused leaves nothing behind.
func TestT11EscalationThroughNewUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStage(build(t, d))
		foreign := s.as(s.boss)
		foreign.User = s.other.ID
		foreignFor := s.as(s.boss)
		foreignFor.For = s.other.ID
		bossKey := s.key(s.boss, "boss")
		entry := func(n int64, scope access.Scope) []access.NewEntry {
			return []access.NewEntry{{Ref: access.Ref{Number: n}, Scope: scope}}
		}
		for _, c := range []struct {
			name string
			p    authz.Principal
			in   access.NewUser
			what string // "" is allowed
		}{
			{"clone of a stronger user", s.as(s.limited), access.NewUser{Clone: &s.strong}, "grant.escalation"},
			{"clone in a wider scope", s.as(s.limited), access.NewUser{Clone: &s.wide}, "grant.escalation"},
			{"clone of an administrator", s.as(s.limited), access.NewUser{Clone: &bossKey}, "grant.escalation"},
			{"clone of an equal", s.as(s.limited), access.NewUser{Clone: &s.weak}, ""},
			{"all organisations by a limited creator", s.as(s.limited), access.NewUser{AllOrganisations: true}, "grant.escalation"},
			{"all organisations of an entry", s.as(s.limited), access.NewUser{AllOrganisations: true, Permissions: entry(s.x, inOrgs(1))}, "grant.escalation"},
			{"own scope", s.as(s.limited), access.NewUser{Permissions: entry(s.x, inOrgs(1))}, ""},
			{"narrower scope", s.as(s.limited), access.NewUser{Permissions: entry(s.x, access.Scope{Organizations: []int64{1}, LegalEntities: []int64{2}})}, ""},
			{"another organisation", s.as(s.limited), access.NewUser{Permissions: entry(s.x, inOrgs(2))}, "grant.escalation"},
			{"one organisation more", s.as(s.limited), access.NewUser{Permissions: entry(s.x, inOrgs(1, 2))}, "grant.escalation"},
			{"no scope", s.as(s.limited), access.NewUser{Permissions: entry(s.x, access.Scope{})}, "grant.escalation"},
			{"not held", s.as(s.limited), access.NewUser{Permissions: entry(s.y, inOrgs(1))}, "grant.escalation"},
			{"by name", s.as(s.limited), access.NewUser{Permissions: []access.NewEntry{{Ref: access.Ref{Name: "draft"}}}}, "grant.escalation"},
			{"the right itself", s.as(s.limited), access.NewUser{Permissions: entry(3, access.Scope{})}, "grant.escalation"},
			{"a preset of what is held", s.as(s.limited), access.NewUser{Presets: []access.Ref{{Number: s.set}}}, "grant.escalation"},
			{"administrators' preset", s.as(s.limited), access.NewUser{Presets: []access.Ref{{Number: 1}}}, "grant.escalation"},
			{"one good, one bad", s.as(s.limited), access.NewUser{Permissions: slices.Concat(entry(s.x, inOrgs(1)), entry(s.y, inOrgs(1)))}, "grant.escalation"},
			{"users.manage by grant: what he does not hold", s.as(s.admin), access.NewUser{Permissions: entry(s.y, access.Scope{})}, ""},
			{"users.manage by grant: access.read", s.as(s.admin), access.NewUser{Permissions: entry(2, access.Scope{})}, "grant.escalation"},
			{"users.manage by grant: in a preset", s.as(s.admin), access.NewUser{Presets: []access.Ref{{Number: 1}}}, "grant.escalation"},
			{"users.manage by grant: a preset of the account", s.as(s.admin), access.NewUser{Presets: []access.Ref{{Number: s.mighty}}}, "grant.escalation"},
			{"an administrator: impersonation", s.as(s.boss), access.NewUser{Permissions: entry(4, access.Scope{})}, "grant.escalation"},
			{"an administrator: another one", s.as(s.boss), access.NewUser{Presets: []access.Ref{{Number: 1}}, AllOrganisations: true}, ""},
			{"a strong API user as a limited one", s.through(s.api, s.limited), access.NewUser{Permissions: entry(s.x, inOrgs(2))}, "grant.escalation"},
			{"a limited API user as a strong one", s.through(s.limited, s.boss), access.NewUser{Permissions: entry(s.y, inOrgs(1))}, "grant.escalation"},
			{"a limited API user as one who holds it", s.through(s.limited, s.rich), access.NewUser{Permissions: entry(s.y, access.Scope{})}, "grant.escalation"},
			{"the same without the API user", s.as(s.rich), access.NewUser{Permissions: entry(s.y, access.Scope{})}, ""},
			{"what both hold", s.through(s.api, s.limited), access.NewUser{Permissions: entry(s.x, inOrgs(1))}, ""},
			{"user of another account", foreign, access.NewUser{}, "user.inactive"},
			{"API user of another account", foreignFor, access.NewUser{}, "user.inactive"},
			{"without the right", s.as(s.user(directory.Standing{Sender: true})), access.NewUser{}, "right.missing"},
		} {
			before := s.rows()
			c.in = newUser("t11."+slugOf(c.name)+"@example.com", c.in)
			c.in.Keys = []directory.BusinessKey{{Type: "Test", Value: c.name}}
			made, err := s.CreateUser(context.Background(), c.p, c.in)
			if c.what == "" {
				if err != nil || made.Number == 0 || s.rows()[0] != before[0]+1 {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			if errs.KindOf(err) != errs.Denied || !errs.Is(err, c.what) {
				t.Errorf("%s: %v, want %s", c.name, err, c.what)
			}
			if after := s.rows(); after != before {
				t.Errorf("%s: rows %v, then %v", c.name, before, after)
			}
		}
	})
}

func slugOf(s string) string {
	out := []rune{}
	for _, r := range s {
		if r >= 'a' && r <= 'z' {
			out = append(out, r)
		}
	}
	return string(out)
}

// T11: the same by grants, presets and changes of stronger users.
func TestT11EscalationThroughGrants(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStage(build(t, d))
		ctx := context.Background()
		u := s.plain()
		grant := func(p authz.Principal, to directory.User, what string, n int64) func() error {
			return func() error {
				_, err := s.Grant(ctx, p, of(to), access.NewGrant{What: what, Number: n})
				return err
			}
		}
		define := func(p authz.Principal, n int64) func() error {
			return func() error {
				_, err := s.DefinePreset(ctx, p, access.NewPreset{Name: "Lawyer", Contents: []access.Content{{Permission: n}}})
				return err
			}
		}
		number := func(of directory.User) (n int64) {
			s.write(func(tx *db.Tx) error {
				m, err := directory.NumberedByID(tx, of.Account, of.ID)
				n = m.Number
				return err
			})
			return n
		}
		bossNumber, limitedNumber := number(s.boss), number(s.limited)
		changeMail := func(p authz.Principal, n int64, to string) func() error {
			return func() error { _, err := s.ChangeUser(ctx, p, n, access.UserChange{Email: &to}); return err }
		}
		stale := s.as(s.admin) // he has lost the right since he proved who he is
		gone := s.give(of(s.admin), access.OfPermission, 1, access.Scope{})
		for _, c := range []struct {
			name, what string
			do         func() error
		}{
			{"a limited user grants", "right.missing", grant(s.as(s.limited), u, access.OfPermission, s.x)},
			{"to himself", "grant.escalation", grant(s.as(s.admin), s.admin, access.OfPermission, 2)},
			{"administrators' preset", "grant.escalation", grant(s.as(s.admin), u, access.OfPreset, 1)},
			{"impersonation by an administrator", "grant.escalation", grant(s.as(s.boss), s.boss, access.OfPermission, 4)},
			{"inside a preset", "grant.escalation", grant(s.as(s.boss), s.boss, access.OfPreset, s.mighty)},
			{"a preset made mighty", "grant.escalation", define(s.as(s.boss), 4)},
			{"a preset made by who may not", "right.missing", define(s.as(s.limited), s.x)},
			{"through an API user", "right.missing", grant(s.through(s.api, s.boss), u, access.OfPermission, s.y)},
			{"an administrator's address", "grant.escalation", changeMail(s.as(s.admin), bossNumber, "taken.over@example.com")},
			{"an administrator's address by a limited user", "grant.escalation", changeMail(s.as(s.limited), bossNumber, "taken.over@example.com")},
			{"an administrator's end", "grant.escalation", func() error { return s.DeactivateUser(ctx, s.as(s.limited), bossNumber) }},
			{"an administrator's end by who only manages users", "grant.escalation", func() error { return s.DeactivateUser(ctx, s.as(s.admin), bossNumber) }},
			{"an import", "right.missing", func() error {
				_, err := s.Import(ctx, s.as(s.limited), access.Licences, nil)
				return err
			}},
			{"a user of another account", "user.inactive", func() error {
				p := s.as(s.boss)
				p.User = s.other.ID
				return grant(p, u, access.OfPermission, s.y)()
			}},
			{"a right that was lost", "right.missing", func() error {
				if err := s.Revoke(ctx, s.op, gone.ID); err != nil {
					t.Fatal(err)
				}
				return nil
			}},
		} {
			if c.what == "right.missing" && c.name == "a right that was lost" {
				if err := c.do(); err != nil {
					t.Fatal(err)
				}
				c.do = grant(stale, u, access.OfPermission, s.y)
			}
			before := s.rows()
			if err := c.do(); errs.KindOf(err) != errs.Denied || !errs.Is(err, c.what) {
				t.Errorf("%s: %v, want %s", c.name, err, c.what)
			}
			if after := s.rows(); after != before {
				t.Errorf("%s: rows %v, then %v", c.name, before, after)
			}
		}
		for name, do := range map[string]func() error{
			"an administrator grants":         grant(s.as(s.boss), u, access.OfPreset, 1),
			"an administrator defines":        define(s.as(s.boss), s.y),
			"an administrator changes a user": changeMail(s.as(s.boss), limitedNumber, "changed@example.com"),
			"a user changes himself":          changeMail(s.as(s.limited), limitedNumber, "himself@example.com"),
		} {
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// T11: a group carries nothing that makes powerful, also when a preset that it holds becomes so: its manager would hand it out.
func TestT11GroupsCarryNoPower(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		leader := w.user(directory.Standing{Sender: true})
		g := w.group(directory.NewMember{SenderID: leader.SenderID, MemberType: directory.Manager})
		h := access.Holder{Kind: access.OfGroup, ID: g.OuterID}
		for n := range int64(4) {
			_, err := w.Grant(context.Background(), w.op, h, access.NewGrant{What: access.OfPermission, Number: n + 1})
			is(t, err, errs.Invalid, "grant.group")
		}
		_, err := w.Grant(context.Background(), w.op, h, access.NewGrant{What: access.OfPreset, Number: 1})
		is(t, err, errs.Invalid, "grant.group")
		report, err := w.Import(context.Background(), w.op, access.Grants, strings.NewReader("group,permission\n"+g.OuterID+",Manage Users\n"))
		is(t, err, errs.Invalid, "import.refused")
		if len(report.Problems) != 1 {
			t.Errorf("%+v", report)
		}
		set := w.preset("Lawyer", access.Content{Permission: 6})
		w.give(h, access.OfPreset, set, access.Scope{})
		w.preset("Lawyer", access.Content{Permission: 6}, access.Content{Permission: 1})
		if got := w.rights(leader); !slices.Equal(got, []authz.Right{authz.Sign, authz.ReadAudit}) {
			t.Error(got)
		}
		if n := w.count(liveGrants); n != 1 {
			t.Errorf("%d grants", n)
		}
	})
}
