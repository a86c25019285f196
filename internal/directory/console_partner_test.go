package directory_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// published are TXT records.
type published map[string][]string

func (p published) LookupTXT(_ context.Context, name string) ([]string, error) {
	if len(p[name]) == 0 {
		return nil, errors.New("no such host")
	}
	return p[name], nil
}

// actors are the personal data of those events of a type that were recorded, the newest first.
func (h *house) actors(event string) (out []string) {
	h.t.Helper()
	type row struct {
		Canonical []byte
		Data      string
	}
	h.write(func(tx *db.Tx) error {
		rows, err := db.All[row](tx, `select e.canonical, p.data from audit_events e join audit_personal p on p.event_id = e.id order by e.id desc`)
		for _, r := range rows {
			if strings.Contains(string(r.Canonical), event) {
				out = append(out, r.Data)
			}
		}
		return err
	})
	return out
}

// TestT13PartnerActs: each act on partners, organisations, quotas and providers, by everybody who may not do it, changes nothing;
// an operator's is recorded under his name.
func TestT13PartnerActs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, rival := h.vendor("Vendor Inc", "partner.example"), h.vendor("Rival Inc", "rival.example")
		a := v.account("Customer")
		_, op := h.staff("op@example.com", "", directory.Operator, a)
		_, admin := h.staff("admin@vendor.example", "Vendor Inc", directory.PartnerAdmin, a)
		_, developer := h.staff("dev@vendor.example", "Vendor Inc", directory.PartnerDeveloper, a)
		_, foreign := h.staff("admin@rival.example", "Rival Inc", directory.PartnerAdmin, a)
		ended, gone := h.staff("gone@example.com", "", directory.Operator, a)
		if err := h.EndStaff(t.Context(), ended.ID); err != nil {
			t.Fatal(err)
		}
		forged := admin
		forged.Rights = []authz.Right{authz.Operate}
		caps := []directory.Consumable{{Type: directory.Seats, Cap: 9}}
		vendor := v.now()
		acts := map[string]func(p authz.Principal) error{
			"status": func(p authz.Principal) error {
				_, err := h.SetPartnerStatusAs(t.Context(), p, vendor.OuterID, directory.PartnerInactive)
				return err
			},
			"claim": func(p authz.Principal) error {
				_, err := h.AddDomainAs(t.Context(), p, vendor.Organisation, "more.example.com")
				return err
			},
			"verify": func(p authz.Principal) error {
				_, err := h.VerifyDomainAs(t.Context(), p, published{}, vendor.Organisation, "more.example.com")
				return err
			},
			"vouch": func(p authz.Principal) error {
				_, err := h.VouchDomainAs(t.Context(), p, vendor.Organisation, "more.example.com")
				return err
			},
			"account": func(p authz.Principal) error {
				_, err := h.CreateAccountAs(t.Context(), p, directory.NewAccount{Name: "Mine"})
				return err
			},
			"trust": func(p authz.Principal) error {
				no := false
				return h.ChangeChannel(t.Context(), p, vendor.OuterID, directory.PartnerChange{RequireSignedSubjectToken: &no})
			},
		}
		before := h.count(`select count(*) from audit_events`)
		for name, act := range acts {
			for who, p := range map[string]authz.Principal{"admin": admin, "developer": developer, "another's admin": foreign, "one who was ended": gone, "who says so": forged,
				"a program": h.p, "a technical account": v.p, "nobody": {}} {
				if kind := errs.KindOf(act(p)); kind != errs.Denied && kind != errs.NotFound {
					t.Errorf("%s by %s: %v", name, who, kind)
				}
			}
		}
		for who, p := range map[string]authz.Principal{"developer": developer, "another's admin": foreign, "a program": h.p, "one who was ended": gone, "nobody": {}} {
			if err := h.ChangeConsumables(t.Context(), p, caps); errs.KindOf(err) != errs.Denied {
				t.Errorf("quotas by %s: %v", who, err)
			}
			h.write(func(tx *db.Tx) error {
				if _, err := directory.SpeaksFor(tx, p, vendor.Organisation); errs.KindOf(err) != errs.Denied && errs.KindOf(err) != errs.NotFound {
					t.Errorf("%s speaks for an organisation: %v", who, err)
				}
				return nil
			})
		}
		if now := h.count(`select count(*) from audit_events`); now != before {
			t.Errorf("%d acts were recorded", now-before)
		}
		if is := v.now(); is.Status != directory.PartnerActive || rival.now().Status != directory.PartnerActive {
			t.Error(is)
		}
		for _, act := range []string{"claim", "vouch", "account", "status"} {
			if err := acts[act](op); err != nil {
				t.Errorf("%s by the operator: %v", act, err)
			}
		}
		for _, event := range []string{"domain.added", "domain.proven", "account.created", "partner.deactivated"} {
			if by := h.actors(event); len(by) == 0 || !strings.Contains(by[0], "Sam Staff") {
				t.Errorf("%s was done by %v", event, by)
			}
		}
		refused(t, h.ChangeConsumables(t.Context(), admin, caps), errs.Denied, "partner.inactive")
		if err := h.ChangeConsumables(t.Context(), op, caps); err != nil {
			t.Error(err)
		}
	})
}

// TestConsumablesFromTheConsole: a cap counts from the moment it is set, and what is not named stays.
func TestConsumablesFromTheConsole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("Customer", directory.Consumable{Type: directory.KBA, Cap: 7})
		_, admin := h.staff("admin@vendor.example", "Vendor Inc", directory.PartnerAdmin, a)
		v.user(a, "one@partner.example")
		if err := h.ChangeConsumables(t.Context(), admin, []directory.Consumable{{Type: directory.Seats, Cap: 1}}); err != nil {
			t.Fatal(err)
		}
		uses, err := h.Usage(t.Context(), admin)
		if err != nil || len(uses) != 2 || uses[0] != (directory.Use{Type: directory.Seats, Cap: 1, Used: 1}) || uses[1].Cap != 7 {
			t.Fatal(uses, err)
		}
		_, err = v.create(a, "two@partner.example")
		refused(t, err, errs.Denied, "seats.exceeded")
		refused(t, h.ChangeConsumables(t.Context(), admin, []directory.Consumable{{Type: "PAPER", Cap: 1}}), errs.Invalid, "consumable.unknown")
	})
}

// TestSpeaksFor: the manager of an organisation's only account says how its people sign in, and no longer when there are others.
func TestSpeaksFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		u := h.sender("boss@example.com", "Bo", "Ss")
		kind := directory.Manager
		h.write(func(tx *db.Tx) error {
			_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Type: &kind})
			return err
		})
		p := authz.Principal{Organisation: u.Organisation, Account: u.Account, User: u.ID, Rights: []authz.Right{authz.ManageUsers}}
		speaks := func(p authz.Principal) (err error) {
			h.write(func(tx *db.Tx) error { _, err = directory.SpeaksFor(tx, p, u.Organisation); return nil })
			return err
		}
		if err := speaks(p); err != nil {
			t.Fatal(err)
		}
		program := p
		program.Client = "client"
		refused(t, speaks(program), errs.Denied, "organisation.not_yours")
		s, err := h.CreateStaff(t.Context(), directory.NewStaff{Email: "s@example.com", Name: "S", Role: directory.PartnerAdmin, Organisation: "Example Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, speaks(p), errs.Denied, "organisation.not_yours")
		if err := h.EndStaff(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		if err := speaks(p); err != nil {
			t.Error(err)
		}
		h.account("Second", "Example Ltd")
		refused(t, speaks(p), errs.Denied, "organisation.not_yours")
	})
}

// TestInviteMember: a person joins a group and the account in one act, or in neither.
func TestInviteMember(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		lead, plain := h.sender("lead@example.com", "Lea", "D"), h.sender("plain@example.com", "Pla", "In")
		g := h.group("Duty", "lead@example.com")
		if _, err := h.RetypeMember(t.Context(), h.p, g.OuterID, lead.SenderID, directory.Manager); err != nil {
			t.Fatal(err)
		}
		as := func(u directory.User) authz.Principal {
			return authz.Principal{Organisation: u.Organisation, Account: u.Account, User: u.ID, Rights: []authz.Right{authz.Sign}}
		}
		invite := func(p authz.Principal, email, kind string) (bool, error) {
			_, created, err := h.InviteMember(t.Context(), p, g.OuterID, directory.NewUser{Email: email, FirstName: "New", LastName: "One"}, kind)
			return created, err
		}
		_, err := invite(as(lead), "new@example.com", directory.Regular)
		refused(t, err, errs.Denied, "account.not_manager")
		_, err = invite(as(plain), "plain@example.com", directory.Regular)
		refused(t, err, errs.Denied, "group.not_manager")
		_, err = invite(h.p, "new@example.com", "CHIEF")
		refused(t, err, errs.Invalid, "member.type")
		if n := h.count(`select count(*) from users where email = 'new@example.com'`); n != 0 {
			t.Error("half an act was done")
		}
		if created, err := invite(as(lead), "plain@example.com", directory.Regular); err != nil || created {
			t.Error(created, err)
		}
		if created, err := invite(h.p, "new@example.com", directory.Manager); err != nil || !created {
			t.Error(created, err)
		}
		if mails := h.subjects("new@example.com"); len(mails) != 2 {
			t.Error(mails)
		}
		seen, err := h.SeeGroup(t.Context(), as(plain), g.OuterID)
		if err != nil || seen.Changes || seen.Invites || len(seen.Members) != 3 {
			t.Errorf("%+v, %v", seen, err)
		}
		refused(t, h.InviteAgain(t.Context(), as(plain), g.OuterID, plain.SenderID), errs.Denied, "group.not_manager")
		if err := h.InviteAgain(t.Context(), as(lead), g.OuterID, plain.SenderID); err != nil {
			t.Error(err)
		}
	})
}
