package access_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// newUser is a user to make of whom only the rest matters.
func newUser(email string, in access.NewUser) access.NewUser {
	in.Name, in.LegalName, in.Email = "Pat Example", "Patricia Example", email
	return in
}

// The union of clone, presets and entries; entries win on scope.
func TestCreateUserPrecedence(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(3)
		x, y, z := w.permission("Approve"), w.permission("Draft"), w.permission("Archive")
		set, other := w.preset("Lawyer", access.Content{Permission: x}, access.Content{Permission: z}), w.preset("Clerk")
		source := w.user(directory.Standing{Sender: true})
		w.give(of(source), access.OfPermission, x, inOrgs(1))
		w.give(of(source), access.OfPermission, y, inOrgs(1))
		w.give(of(source), access.OfPreset, set, inOrgs(1))
		g := w.group(directory.NewMember{SenderID: source.SenderID})
		w.give(access.Holder{Kind: access.OfGroup, ID: g.OuterID}, access.OfPreset, other, inOrgs(3))
		k := w.key(source, "source")
		boss := w.manager()
		api := w.plain()
		for _, n := range []int64{1, 3, 4} {
			w.give(of(api), access.OfPermission, n, access.Scope{})
		}
		p := w.through(api, boss)
		made, err := w.CreateUser(context.Background(), p, newUser("pat@example.com", access.NewUser{Title: "Counsel", LegalEntity: 2, Clone: &k,
			Keys:        []directory.BusinessKey{{Type: "Salesforce", Value: "005"}},
			Presets:     []access.Ref{{Name: "lawyer"}, {Number: set}},
			Permissions: []access.NewEntry{{Ref: access.Ref{Name: "APPROVE"}, Scope: inOrgs(3, 2)}}}))
		if err != nil {
			t.Fatal(err)
		}
		if made.Name() != "Pat Example" || made.LegalName != "Patricia Example" || made.LegalEntity != 2 || made.Number == 0 || len(made.Keys) != 1 ||
			made.By == nil || made.By.SenderID != boss.SenderID || made.By.Number == 0 || made.Through == nil || made.Through.SenderID != api.SenderID {
			t.Errorf("%+v", made)
		}
		list, _, err := w.Grants(context.Background(), w.op, access.GrantFilter{Holder: of(made.User)}, access.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range list {
			got = append(got, fmt.Sprint(g.Name, g.Scope.Organizations, g.Source))
			if g.By.SenderID != boss.SenderID || g.By.Through != api.SenderID || g.By.Client != "client" {
				t.Errorf("given by %+v", g.By)
			}
		}
		slices.Sort(got)
		if want := []string{"Approve[2 3]direct", "Clerk[3]clone", "Draft[1]clone", "Lawyer[]direct"}; !slices.Equal(got, want) {
			t.Error(got)
		}
		held, _ := w.effective(made.User)
		if held[0].Name != "Approve" || len(held[0].Reasons) != 2 {
			t.Errorf("%+v", held[0])
		}
		for _, r := range held[0].Reasons {
			if r.Overridden != (r.Via == access.ViaPreset) {
				t.Errorf("%+v", r)
			}
		}
		if e := w.entry(made.User); !slices.Equal(e.Permissions, []string{"Approve", "Clerk", "Draft", "Lawyer"}) {
			t.Error(e.Permissions) // and not what the source is by his role
		}
		if c, g := w.events("user.created"), w.events(access.Given); c != 1 || g != 4+3+4 {
			t.Errorf("%d and %d audit events", c, g)
		}
	})
}

// Everything or nothing: what is wrong with one member leaves nothing of the others.
func TestCreateUserRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(1)
		u := w.plain()
		k := w.key(u, "taken")
		unknown := directory.BusinessKey{Type: "Salesforce", Value: "unknown"}
		good := []access.NewEntry{{Ref: access.Ref{Number: 5}}}
		for _, c := range []struct {
			in          access.NewUser
			kind        errs.Kind
			what, field string
		}{
			{access.NewUser{Name: "", LegalName: "x", Email: "a@example.com"}, errs.Invalid, "name.missing", "name"},
			{access.NewUser{Name: "x", LegalName: "", Email: "a@example.com"}, errs.Invalid, "name.missing", "legalName"},
			{access.NewUser{Name: "x", LegalName: "x", Email: "a"}, errs.Invalid, "email.malformed", "email"},
			{newUser(u.Email, access.NewUser{}), errs.Conflict, "email.taken", "email"},
			{newUser("a@example.com", access.NewUser{Permissions: append(good, access.NewEntry{Ref: access.Ref{Name: "Nothing"}})}), errs.Invalid, "permission.unknown", "userPermissions[1]"},
			{newUser("a@example.com", access.NewUser{Permissions: append(good, access.NewEntry{Ref: access.Ref{Number: 5}, Scope: inOrgs(1)})}), errs.Invalid, "permission.twice", "userPermissions[1]"},
			{newUser("a@example.com", access.NewUser{Permissions: []access.NewEntry{{Ref: access.Ref{Number: 5}, Scope: inOrgs(7)}}}), errs.Invalid, "entity.unknown", "userPermissions[0]"},
			{newUser("a@example.com", access.NewUser{Permissions: good, Presets: []access.Ref{{Name: "Nothing"}}}), errs.Invalid, "preset.unknown", "permissionPresets[0]"},
			{newUser("a@example.com", access.NewUser{Permissions: good, Clone: &unknown}), errs.Invalid, "clone.unknown", "userPermissionsToClone"},
			{newUser("a@example.com", access.NewUser{Permissions: good, LegalEntity: 9}), errs.Invalid, "entity.unknown", "primaryLegalEntityId"},
			{newUser("a@example.com", access.NewUser{Permissions: good, Keys: []directory.BusinessKey{unknown, k}}), errs.Conflict, "business_key.taken", "businessKeys"},
		} {
			before := w.rows()
			_, err := w.CreateUser(context.Background(), w.op, c.in)
			is(t, err, c.kind, c.what)
			if e, ok := asError(err); !ok || e.Field != c.field {
				t.Errorf("%v on %q, want %q", err, e.Field, c.field)
			}
			if after := w.rows(); after != before {
				t.Errorf("%s: rows %v, then %v", c.what, before, after)
			}
		}
	})
}

// Of many who make the user of one key, one does.
func TestCreateUserRace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, err := w.CreateUser(context.Background(), w.op, newUser(fmt.Sprintf("race%d@example.com", i), access.NewUser{
					Keys: []directory.BusinessKey{{Type: "Salesforce", Value: "005"}}, Presets: []access.Ref{{Number: 2}}}))
				if err != nil && !errs.Is(err, "business_key.taken") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if rows := w.rows(); rows[0] != 1 || rows[1] != 1 || rows[2] != 1 || rows[4] != 1 {
			t.Errorf("users, grants, keys, events, licences: %v", rows)
		}
	})
}

func TestUserIsFoundAndChanged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(2)
		ctx, k := context.Background(), directory.BusinessKey{Type: "Salesforce", Value: "005"}
		made, err := w.CreateUser(ctx, w.op, newUser("pat@example.com", access.NewUser{Keys: []directory.BusinessKey{k},
			Permissions: []access.NewEntry{{Ref: access.Ref{Number: 5}, Scope: inOrgs(1)}}}))
		if err != nil {
			t.Fatal(err)
		}
		if found, err := w.FindByKey(ctx, w.op, k); err != nil || found.ID != made.ID || found.Number != made.Number || found.By != nil {
			t.Errorf("%+v %v", found, err)
		}
		old := w.plain() // has no number yet
		key := w.key(old, "old")
		if found, err := w.FindByKey(ctx, w.op, key); err != nil || found.ID != old.ID || found.Number <= made.Number {
			t.Errorf("%+v %v", found, err)
		}
		name, legal, email, title, all, entity := "Pat X Other", "Other", "other@example.com", "Boss", true, int64(2)
		changed, err := w.ChangeUser(ctx, w.op, made.Number, access.UserChange{Name: &name, LegalName: &legal, Email: &email, Title: &title,
			AllOrganisations: &all, LegalEntity: &entity, Keys: &[]directory.BusinessKey{{Type: "SAP", Value: "7"}}})
		if err != nil || changed.Name() != name || changed.LegalName != legal || changed.Email != email || changed.Title != title || !changed.AllOrganisations ||
			changed.LegalEntity != 2 || len(changed.Keys) != 1 || changed.Keys[0].Type != "SAP" {
			t.Errorf("%+v %v", changed, err)
		}
		if held, _ := w.effective(made.User); len(held) != 1 || !held[0].Reasons[0].Scope.All() {
			t.Errorf("%+v", held)
		}
		if again, err := w.User(ctx, w.op, made.Number); err != nil || fmt.Sprint(again) != fmt.Sprint(changed) {
			t.Errorf("%+v %v", again, err)
		}
		for range 2 {
			if err := w.DeactivateUser(ctx, w.op, made.Number); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.events("user.deactivated"); n != 1 || w.entry(made.User).Alive {
			t.Errorf("%d events", n)
		}
		boss := w.manager()
		var number int64
		w.write(func(tx *db.Tx) error {
			n, err := directory.NumberedByID(tx, boss.Account, boss.ID)
			number = n.Number
			return err
		})
		is(t, w.DeactivateUser(ctx, w.as(boss), number), errs.Invalid, "user.self")
		peer := w.plain() // as strong, by grant, and no manager
		w.give(of(peer), access.OfPreset, 1, access.Scope{})
		is(t, w.DeactivateUser(ctx, w.as(peer), number), errs.Conflict, "manager.last")
		active, ended := true, false
		_, err = w.ChangeUser(ctx, w.op, number, access.UserChange{Active: &ended})
		is(t, err, errs.Invalid, "user.active")
		if _, err = w.ChangeUser(ctx, w.op, number, access.UserChange{Active: &active}); err != nil {
			t.Error(err)
		}
		elsewhere := operator(w.account("Other Ltd"))
		_, err = w.User(ctx, elsewhere, made.Number)
		is(t, err, errs.NotFound, "user.unknown")
		_, err = w.FindByKey(ctx, elsewhere, key)
		is(t, err, errs.NotFound, "business_key.unknown")
		_, err = w.ChangeUser(ctx, elsewhere, made.Number, access.UserChange{Email: &email})
		is(t, err, errs.NotFound, "user.unknown")
	})
}
