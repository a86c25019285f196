package directory_test

import (
	"context"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// operatorAt is the operator's principal at an account of a vendor.
func (v *vendor) operatorAt(a directory.Account) authz.Principal {
	return authz.Principal{Account: a.ID, Rights: []authz.Right{authz.Operate}}
}

// staff makes a person of the console and his principal at an account, as sign-in makes it.
func (h *house) staff(email, organisation string, role directory.StaffRole, at directory.Account) (directory.Staff, authz.Principal) {
	h.t.Helper()
	s, err := h.CreateStaff(context.Background(), directory.NewStaff{Email: email, Name: "Sam Staff", Role: role, Organisation: organisation})
	if err != nil {
		h.t.Fatal(err)
	}
	p := authz.Principal{Kind: authz.Staff, By: s.ID, Organisation: s.Organisation, Account: at.ID}
	switch role {
	case directory.Operator:
		p.Rights = []authz.Right{authz.Operate}
	case directory.PartnerAdmin:
		p.Rights = []authz.Right{authz.Administer}
	}
	return s, p
}

func TestStaff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.vendor("Vendor Inc", "partner.example")
		for _, c := range []struct {
			what string
			in   directory.NewStaff
		}{
			{"email.malformed", directory.NewStaff{Email: "sam", Name: "Sam", Role: directory.Operator}},
			{"name.missing", directory.NewStaff{Email: "sam@example.com", Role: directory.Operator}},
			{"staff.role", directory.NewStaff{Email: "sam@example.com", Name: "Sam", Role: "root"}},
			{"staff.organisation", directory.NewStaff{Email: "sam@example.com", Name: "Sam", Role: directory.Operator, Organisation: "Vendor Inc"}},
			{"staff.organisation", directory.NewStaff{Email: "sam@example.com", Name: "Sam", Role: directory.PartnerAdmin}},
			{"organisation.unknown", directory.NewStaff{Email: "sam@example.com", Name: "Sam", Role: directory.PartnerAdmin, Organisation: "Nobody"}},
		} {
			if _, err := h.CreateStaff(t.Context(), c.in); !errs.Is(err, c.what) {
				t.Errorf("%+v: %v, want %s", c.in, err, c.what)
			}
		}
		won := race(t, 8, func(int) error {
			_, err := h.CreateStaff(context.Background(), directory.NewStaff{Email: "Sam@Vendor.example", Name: "Sam", Role: directory.PartnerAdmin, Organisation: "Vendor Inc"})
			return err
		}, "staff.taken")
		if won != 1 {
			t.Errorf("%d of the same address", won)
		}
		op, _ := h.staff("sam@vendor.example", "", directory.Operator, h.home)
		u := h.sender("sam@vendor.example", "Sam", "Sender")
		people := h.people("SAM@vendor.example")
		if len(people) != 3 || people[1].ID != op.ID || people[1].Role != directory.Operator || people[2].ID != u.ID || people[2].Kind != directory.KindUser ||
			people[2].AccountName != h.home.Name || people[2].Account != h.home.ID {
			t.Fatalf("people %+v", people)
		}
		if err := h.EndStaff(t.Context(), "nobody"); !errs.Is(err, "staff.unknown") {
			t.Error(err)
		}
		for range 2 { // again changes nothing
			if err := h.EndStaff(t.Context(), op.ID); err != nil {
				t.Fatal(err)
			}
		}
		if n, made := h.audited("staff.deactivated"), h.audited("staff.created"); n != 1 || made != 2 {
			t.Errorf("%d made, %d ended", made, n)
		}
		h.write(func(tx *db.Tx) error {
			if g, err := directory.GenerationOf(tx, directory.OfStaff, op.ID); g != 1 || err != nil {
				t.Errorf("generation %d, %v", g, err)
			}
			_, err := directory.PersonByID(tx, directory.KindStaff, op.ID)
			refused(t, err, errs.NotFound, "person.unknown")
			if who, err := directory.PersonByID(tx, directory.KindUser, u.ID); err != nil || who != people[2] {
				t.Errorf("%+v, %v", who, err)
			}
			return directory.StaffSignedIn(tx, people[0].ID)
		})
		all, err := h.StaffMembers(t.Context())
		if err != nil || len(all) != 2 || all[0].LastLogin.IsZero() || !all[0].Active || all[1].Active || all[1].Generation != 1 {
			t.Errorf("staff %+v, %v", all, err)
		}
		again, _ := h.staff("sam@vendor.example", "", directory.Operator, h.home) // the address is free again
		if people = h.people("sam@vendor.example"); len(people) != 3 || people[1].ID != again.ID {
			t.Errorf("people %+v", people)
		}
	})
}

func (h *house) people(email string) (people []directory.Person) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { people, err = directory.PeopleAt(tx, email); return err })
	return people
}

// Nobody signs in to the console who is locked, deactivated, or a program.
func TestWhoMaySignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		u := h.sender("mary@example.com", "Mary", "Doe")
		if people := h.people("program-" + h.home.ID + "@example.com"); len(people) != 0 {
			t.Errorf("a program may: %+v", people)
		}
		for _, step := range []struct {
			act  func() error
			want int
		}{
			{func() error { return nil }, 1},
			{func() error { _, err := h.LockUser(t.Context(), h.p, u.SenderID); return err }, 0},
			{func() error { _, err := h.UnlockUser(t.Context(), h.p, u.SenderID); return err }, 1},
			{func() error { return h.EndUser(t.Context(), h.p, u.SenderID) }, 0},
			{func() error { _, err := h.RestoreUser(t.Context(), h.p, u.SenderID); return err }, 1},
		} {
			if err := step.act(); err != nil {
				t.Fatal(err)
			}
			if people := h.people("mary@example.com"); len(people) != step.want {
				t.Errorf("may sign in: %+v, want %d", people, step.want)
			}
			h.write(func(tx *db.Tx) error {
				if _, err := directory.PersonByID(tx, directory.KindUser, u.ID); (err == nil) != (step.want == 1) {
					t.Errorf("by id: %v", err)
				}
				return nil
			})
		}
	})
}

// T13: what staff reaches are the accounts of their organisation's partners, and of these only an administrator of an
// ACTIVE one manages users.
func TestT13StaffReach(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, other := h.vendor("Vendor Inc", "partner.example"), h.vendor("Other Inc", "other.example")
		a, foreign := v.account("One"), other.account("Two")
		boss := v.user(a, "boss@partner.example", directory.AccountAdmin)
		plain := v.user(a, "plain@partner.example")
		_, operator := h.staff("op@example.com", "", directory.Operator, a)
		sam, admin := h.staff("sam@vendor.example", "Vendor Inc", directory.PartnerAdmin, a)
		_, developer := h.staff("dev@vendor.example", "Vendor Inc", directory.PartnerDeveloper, a)
		member := authz.Principal{Account: a.ID, User: boss.ID, Rights: []authz.Right{authz.Sign}}
		lesser := authz.Principal{Account: a.ID, User: plain.ID, Rights: []authz.Right{authz.Sign}}
		granted, program := lesser, lesser
		granted.Rights = []authz.Right{authz.Sign, authz.ManageUsers}
		program.Rights, program.Client = granted.Rights, "client"
		liar := developer // has no such right; if he had, his role would bar him
		liar.Rights = []authz.Right{authz.Administer}
		for _, c := range []struct {
			who                              string
			p                                authz.Principal
			reaches, away, manages, partners int // 1 or 0; partners: how many
			connects, owns                   int
		}{
			{"operator", operator, 1, 1, 1, 2, 1, 1}, {"partner's administrator", admin, 1, 0, 1, 1, 1, 0},
			{"partner's developer", developer, 1, 0, 0, 1, 1, 0}, {"developer with another's right", liar, 1, 0, 0, 1, 1, 0},
			{"manager", member, 1, 0, 1, -1, 1, 1}, {"user", lesser, 1, 0, 0, -1, 0, 0},
			{"user with users.manage", granted, 1, 0, 1, -1, 0, 0}, {"a program with it", program, 1, 0, 0, -1, 0, 0},
		} {
			told := func(what string, want int, err error) {
				t.Helper()
				if (err == nil) != (want == 1) || err != nil && errs.KindOf(err) != errs.Denied && errs.KindOf(err) != errs.NotFound {
					t.Errorf("T13: %s, %s: %v, want %d", c.who, what, err, want)
				}
			}
			_, err := h.ReachedAccount(t.Context(), c.p, a.OuterID)
			told("reaches", c.reaches, err)
			_, err = h.ReachedAccount(t.Context(), c.p, foreign.OuterID)
			told("reaches a foreign one", c.away, err)
			_, err = h.Users(t.Context(), c.p, directory.ListedFilter{}, "", 10)
			told("manages", c.manages, err)
			there := c.p
			there.Account = foreign.ID
			_, err = h.Users(t.Context(), there, directory.ListedFilter{}, "", 10)
			told("manages a foreign one", c.away, err)
			told("connects", c.connects, h.peek(func(tx *db.Tx) error { return directory.MayConnect(tx, c.p) }))
			told("manages all", c.owns, h.peek(func(tx *db.Tx) error { return directory.MayManage(tx, c.p) }))
			list, err := h.PartnersOf(t.Context(), c.p)
			if (err == nil) != (c.partners >= 0) || err == nil && len(list) != c.partners {
				t.Errorf("T13: %s sees partners %v, %v", c.who, list, err)
			}
			_, err = h.PartnerOf(t.Context(), c.p, other.OuterID)
			told("sees a foreign partner", map[bool]int{true: 1}[c.partners == 2], err)
		}
		// The audit trail names who did it.
		if _, err := h.RetypeUser(t.Context(), admin, plain.SenderID, directory.Manager); err != nil {
			t.Fatal(err)
		}
		if e := h.eventsOf(a.ID); e[len(e)-1].Actor.User != sam.ID {
			t.Errorf("T13: %+v", e[len(e)-1])
		}
		// A partner that is shut out shuts out its people; an ended person is out at once.
		if _, err := h.SetPartnerStatus(t.Context(), v.OuterID, directory.PartnerInactive); err != nil {
			t.Fatal(err)
		}
		_, err := h.Users(t.Context(), admin, directory.ListedFilter{}, "", 10)
		refused(t, err, errs.Denied, "partner.inactive")
		if _, err = h.SetPartnerStatus(t.Context(), v.OuterID, directory.PartnerActive); err != nil {
			t.Fatal(err)
		}
		if err = h.EndStaff(t.Context(), sam.ID); err != nil {
			t.Fatal(err)
		}
		_, err = h.Users(t.Context(), admin, directory.ListedFilter{}, "", 10)
		refused(t, err, errs.Denied, "user.inactive")
		_, err = h.ReachedAccount(t.Context(), admin, a.OuterID)
		refused(t, err, errs.NotFound, "account.unknown")
	})
}

func (h *house) peek(look func(tx *db.Tx) error) error {
	return h.db.Read(context.Background(), look)
}

func TestReachedAccounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, other := h.vendor("Vendor Inc", "partner.example"), h.vendor("Other Inc", "other.example")
		one, two := v.account("One"), v.account("Two")
		other.account("Three")
		_, operator := h.staff("op@example.com", "", directory.Operator, one)
		_, admin := h.staff("sam@vendor.example", "Vendor Inc", directory.PartnerAdmin, one)
		for _, c := range []struct {
			p     authz.Principal
			q     directory.AccountQuery
			after string
			names string
			count int
		}{
			{operator, directory.AccountQuery{}, "", "Example Ltd One", 4}, {operator, directory.AccountQuery{}, one.ID, "Two Three", 4},
			{operator, directory.AccountQuery{Search: "tHR"}, "", "Three", 1}, {operator, directory.AccountQuery{Partner: v.OuterID}, "", "One Two", 2},
			{admin, directory.AccountQuery{}, "", "One Two", 2}, {admin, directory.AccountQuery{Search: two.OuterID}, "", "Two", 1},
			{admin, directory.AccountQuery{Partner: other.OuterID}, "", "", 0}, {h.p, directory.AccountQuery{}, "", "Example Ltd", 1},
			{admin, directory.AccountQuery{Search: "%"}, "", "", 0},
		} {
			list, count, err := h.ReachedAccounts(t.Context(), c.p, c.q, c.after, 2)
			names := ""
			for _, a := range list {
				names += map[bool]string{true: " "}[names != ""] + a.Name
			}
			if err != nil || names != c.names || count != c.count {
				t.Errorf("%+v after %q: %q of %d, %v, want %q of %d", c.q, c.after, names, count, err, c.names, c.count)
			}
		}
	})
}
