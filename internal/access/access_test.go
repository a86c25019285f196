package access_test

import (
	"context"
	"slices"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// What each role gives, by the table of the room.
func TestRolesAreDerived(t *testing.T) {
	admin := []authz.Right{authz.ManageUsers, authz.ReadAccess, authz.IntelAgree, authz.Sign, authz.ReadAudit}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		private := w.user(directory.Standing{Sender: true})
		w.write(setPrivacy(private.ID))
		leader := w.user(directory.Standing{Sender: true})
		w.group(directory.NewMember{SenderID: leader.SenderID, MemberType: directory.Manager})
		follower := w.user(directory.Standing{Sender: true})
		w.group(directory.NewMember{SenderID: follower.SenderID})
		for _, c := range []struct {
			name   string
			u      directory.User
			names  []string
			rights []authz.Right
		}{
			{"plain", w.plain(), nil, nil},
			{"manager", w.manager(), []string{"Conga Sign Admin"}, admin},
			{"manager who is no sender", w.userOf(w.home, directory.Standing{}, directory.Manager), []string{"Conga Sign Admin"}, admin},
			{"sender", w.user(directory.Standing{Sender: true}), []string{"Conga Sign User"}, []authz.Right{authz.Sign}},
			{"privacy", private, []string{"Conga Sign User", "Privacy Admin"}, []authz.Right{authz.Sign, authz.ReadAudit}},
			{"group manager", leader, []string{"Conga Sign User", "Signer Group Manager"}, []authz.Right{authz.Sign}},
			{"group member", follower, []string{"Conga Sign User"}, []authz.Right{authz.Sign}},
			{"integration", w.user(directory.Standing{UserType: directory.Integration}), []string{"CongaSign Integration Role"},
				[]authz.Right{authz.ManageUsers, authz.Sign}},
		} {
			if e := w.entry(c.u); !slices.Equal(e.Permissions, c.names) {
				t.Errorf("%s holds %q", c.name, e.Permissions)
			}
			if got := w.rights(c.u); !slices.Equal(got, c.rights) {
				t.Errorf("%s has the rights %v", c.name, got)
			}
			_, sets := w.effective(c.u)
			for _, s := range sets {
				if len(s.Reasons) != 1 || s.Reasons[0].Via != access.ViaRole || s.Reasons[0].Name == "" || s.Reasons[0].GrantID != "" {
					t.Errorf("%s: %+v", c.name, s)
				}
			}
			if len(sets) != len(c.names) {
				t.Errorf("%s: %d sets", c.name, len(sets))
			}
		}
	})
}

// A user who is locked or deactivated has no rights, whatever he holds.
func TestNoRightsOfTheDead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u := w.manager()
		if err := w.directory.DeleteSender(context.Background(), w.op, u.SenderID); err != nil {
			t.Fatal(err)
		}
		if got := w.rights(u); got != nil {
			t.Error(got)
		}
		if got := w.rights(directory.User{ID: "nobody"}); got != nil {
			t.Error(got)
		}
		if e := w.entry(u); e.Alive || !slices.Equal(e.Permissions, []string{"Conga Sign Admin"}) {
			t.Errorf("%+v", e)
		}
	})
}

// Every way of holding a permission is a reason, with who granted it; what is explicit wins over the same user's presets.
func TestReasons(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(2)
		x, y := w.permission("Approve"), w.permission("Draft")
		set := w.preset("Lawyer", access.Content{Permission: x}, access.Content{Permission: y, Scope: inOrgs(1)})
		boss, u := w.manager(), w.user(directory.Standing{Sender: true})
		g := w.group(directory.NewMember{SenderID: u.SenderID})
		w.give(access.Holder{Kind: access.OfGroup, ID: g.OuterID}, access.OfPreset, set, inOrgs(2))
		if _, err := w.Grant(context.Background(), w.as(boss), of(u), access.NewGrant{What: access.OfPreset, Number: set}); err != nil {
			t.Fatal(err)
		}
		w.give(of(u), access.OfPermission, x, inOrgs(1))
		held, sets := w.effective(u)
		names := func() (out []string) {
			for _, h := range held {
				out = append(out, h.Name)
			}
			return out
		}()
		if !slices.Equal(names, []string{"Approve", "Draft", "Send And Sign"}) {
			t.Fatal(names)
		}
		vias := map[string]access.Reason{}
		for _, r := range held[0].Reasons {
			vias[r.Via] = r
		}
		if len(held[0].Reasons) != 3 || !vias[access.ViaPreset].Overridden || vias[access.ViaDirect].Overridden || vias[access.ViaGroup].Overridden {
			t.Errorf("%+v", held[0].Reasons)
		}
		if r := vias[access.ViaPreset]; r.GrantedBy != boss.SenderID || r.GrantedByName != boss.Name() || r.Preset != "Lawyer" || r.At.IsZero() || r.GrantID == "" {
			t.Errorf("%+v", r)
		}
		if r := vias[access.ViaDirect]; r.GrantedBy != "" || r.GrantedByName != "Operator" || !r.Scope.Equal(inOrgs(1)) {
			t.Errorf("%+v", r)
		}
		if r := vias[access.ViaGroup]; r.Group != g.Name || !r.Scope.Equal(inOrgs(2)) {
			t.Errorf("%+v", r)
		}
		// Of Draft, the preset says organisation 1 and the group's grant organisation 2: nothing is in both.
		if r := held[1].Reasons; len(r) != 1 || r[0].Via != access.ViaPreset || !r[0].Scope.Equal(inOrgs(1)) || r[0].Overridden {
			t.Errorf("%+v", r)
		}
		if len(sets) != 2 || len(sets[1].Reasons) != 2 || sets[1].Name != "Lawyer" {
			t.Errorf("%+v", sets)
		}
		if e := w.entry(u); !slices.Equal(e.Permissions, []string{"Approve", "Conga Sign User", "Lawyer"}) {
			t.Error(e.Permissions)
		}
	})
}

// A scoped grant of a built-in permission is no right.
func TestScopedRightIsNone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(1)
		u := w.plain()
		w.give(of(u), access.OfPermission, 2, inOrgs(1))
		if got := w.rights(u); got != nil {
			t.Error(got)
		}
		w.give(of(u), access.OfPermission, 2, access.Scope{})
		if got := w.rights(u); !slices.Equal(got, []authz.Right{authz.ReadAccess}) {
			t.Error(got)
		}
	})
}

func TestUnknownThings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u, ctx := w.plain(), context.Background()
		for _, c := range []struct {
			h    access.Holder
			g    access.NewGrant
			kind errs.Kind
			what string
		}{
			{of(u), access.NewGrant{What: access.OfPermission, Number: 4711}, errs.Invalid, "permission.unknown"},
			{of(u), access.NewGrant{What: access.OfPreset, Number: 4711}, errs.Invalid, "preset.unknown"},
			{of(u), access.NewGrant{What: access.OfPreset, Number: 0}, errs.Invalid, "preset.unknown"},
			{of(u), access.NewGrant{What: access.OfPermission, Number: 5, Scope: inOrgs(7)}, errs.Invalid, "entity.unknown"},
			{of(u), access.NewGrant{What: access.OfPermission, Number: 5, Scope: access.Scope{LegalEntities: []int64{}}}, errs.Invalid, "scope.empty"},
			{access.Holder{Kind: access.OfUser, ID: "nobody"}, access.NewGrant{What: access.OfPermission, Number: 5}, errs.NotFound, "user.unknown"},
			{access.Holder{Kind: access.OfGroup, ID: "nobody"}, access.NewGrant{What: access.OfPermission, Number: 5}, errs.NotFound, "group.unknown"},
		} {
			_, err := w.Grant(ctx, w.op, c.h, c.g)
			is(t, err, c.kind, c.what)
		}
		is(t, w.Revoke(ctx, w.op, "nothing"), errs.NotFound, "grant.unknown")
		other := w.account("Other Ltd")
		_, err := w.Grant(ctx, operator(other), of(u), access.NewGrant{What: access.OfPermission, Number: 5})
		is(t, err, errs.NotFound, "user.unknown")
		g := w.give(of(u), access.OfPermission, 5, access.Scope{})
		is(t, w.Revoke(ctx, operator(other), g.ID), errs.NotFound, "grant.unknown")
		if n := w.count(`select count(*) from grants where ended_ms is null`); n != 1 {
			t.Error(n)
		}
	})
}
