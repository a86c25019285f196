package directory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// at is a person of the console who acts as a user.
func at(u directory.User, rights ...authz.Right) authz.Principal {
	return authz.Principal{Organisation: u.Organisation, Account: u.Account, User: u.ID, Rights: append(rights, authz.Sign)}
}

// Whoever made a user, the console can end him and bring him back; nobody locks himself out, and the last manager stays.
func TestConsoleEndsAndRestoresUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One", seats(9))
		boss, deputy := v.user(a, "boss@partner.example", directory.AccountAdmin), v.user(a, "deputy@partner.example", directory.AccountAdmin)
		made := v.user(a, "made@partner.example")
		p := at(boss)
		invited, _, err := h.InviteSender(t.Context(), p, directory.NewUser{Email: "invited@customer.example"})
		if err != nil {
			t.Fatal(err)
		}
		var program, plain directory.User
		h.write(func(tx *db.Tx) (err error) {
			if program, err = directory.AddUser(tx, a.ID, directory.NewUser{Email: "program@partner.example"},
				directory.Standing{Status: directory.Active, UserType: directory.Integration, Sender: true}); err == nil {
				plain, err = directory.AddUser(tx, a.ID, directory.NewUser{Email: "plain@partner.example"}, directory.Standing{Status: directory.Active})
			}
			return err
		})
		for _, u := range []directory.User{made, invited, program, plain} {
			for range 2 {
				if err := h.EndUser(t.Context(), p, u.SenderID); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, h.peek(func(tx *db.Tx) error {
				is, err := directory.UserByID(tx, u.ID)
				if err == nil && is.Status == directory.Inactive && is.Generation == 1 {
					err = errs.New(errs.Denied, "ended", "as it should be")
				}
				return err
			}), errs.Denied, "ended")
			for range 2 {
				if is, err := h.RestoreUser(t.Context(), p, u.SenderID); err != nil || is.Status != u.Status {
					t.Errorf("restored %+v, %v", is, err)
				}
			}
		}
		if n, r := h.audited("user.deactivated"), h.audited("user.restored"); n != 4 || r != 4 {
			t.Errorf("%d ended, %d restored", n, r)
		}
		if mails := h.subjects(invited.Email); len(mails) != 2 {
			t.Errorf("mailed %q", mails)
		}
		refused(t, h.EndUser(t.Context(), p, boss.SenderID), errs.Invalid, "user.self")
		_, err = h.LockUser(t.Context(), p, boss.SenderID)
		refused(t, err, errs.Invalid, "user.self")
		if _, err = h.LockUser(t.Context(), p, deputy.SenderID); err != nil {
			t.Error(err)
		}
		_, err = h.RetypeUser(t.Context(), p, boss.SenderID, directory.Regular)
		refused(t, err, errs.Conflict, "manager.last")
		if _, err = h.UnlockUser(t.Context(), p, deputy.SenderID); err == nil {
			_, err = h.RetypeUser(t.Context(), p, boss.SenderID, directory.Regular)
		}
		if err != nil {
			t.Error(err)
		}
		refused(t, h.EndUser(t.Context(), p, deputy.SenderID), errs.Denied, "account.not_manager")
		if err = h.EndUser(t.Context(), v.operatorAt(a), deputy.SenderID); err != nil { // the operator locks nobody out of his own
			t.Error(err)
		}
		refused(t, h.EndUser(t.Context(), h.p, made.SenderID), errs.NotFound, "user.unknown")
		living, used := h.holders(a)
		uses, err := h.Usage(t.Context(), v.operatorAt(a))
		if err != nil || fmt.Sprint(uses) != fmt.Sprintf("[{SEATS 9 %d}]", living) || living != used {
			t.Errorf("usage %v, %v, %d living", uses, err, living)
		}
	})
}

// Two managers who take each other's place away at the same moment leave one.
func TestManagersEndEachOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		for round := range dbtest.Rounds(8, 100) {
			a := v.account(fmt.Sprintf("Account%d", round))
			var pair [2]directory.User
			for i := range pair {
				pair[i] = v.user(a, fmt.Sprintf("m%d-%d@partner.example", round, i), directory.AccountAdmin)
			}
			var wg sync.WaitGroup
			for i := range pair {
				wg.Go(func() {
					if err := h.EndUser(context.Background(), at(pair[i]), pair[1-i].SenderID); err != nil && errs.KindOf(err) != errs.Denied && !errs.Is(err, "manager.last") {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := h.count(`select count(*) from users where account_id = $1 and type = 'MANAGER' and status = 'ACTIVE'`, a.ID); n != 1 {
				t.Errorf("T14: round %d leaves %d managers", round, n)
			}
		}
	})
}

// T11: who was given the right to manage users changes those below a manager, and becomes none by it.
func TestT11GrantedRightStaysBelowManagers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		boss, plain, other := v.user(a, "boss@partner.example", directory.AccountAdmin), v.user(a, "plain@partner.example"), v.user(a, "other@partner.example")
		program := h.manager(a)
		p := at(plain, authz.ManageUsers)
		if _, err := h.ChangeAccountUser(t.Context(), p, other.SenderID, directory.UserChange{Title: ptr("Clerk")}); err != nil {
			t.Error(err)
		}
		if _, _, err := h.InviteSender(t.Context(), p, directory.NewUser{Email: "new@partner.example"}); err != nil {
			t.Error(err)
		}
		mine := "plain2@partner.example"
		for name, act := range map[string]func() error{
			"himself": func() error { _, err := h.RetypeUser(t.Context(), p, plain.SenderID, directory.Manager); return err },
			"another": func() error { _, err := h.RetypeUser(t.Context(), p, other.SenderID, directory.Manager); return err },
			"privacy": func() error { _, err := h.SetPrivacyAdmin(t.Context(), p, plain.SenderID, true); return err },
			"his mailbox": func() error {
				_, err := h.ChangeAccountUser(t.Context(), p, boss.SenderID, directory.UserChange{Email: &mine})
				return err
			},
			"by sender": func() error {
				_, err := h.UpdateSender(t.Context(), p, boss.SenderID, directory.UserChange{Email: &mine})
				return err
			},
			"retyped": func() error {
				_, err := h.UpdateSender(t.Context(), p, other.SenderID, directory.UserChange{Type: ptr(directory.Manager)})
				return err
			},
			"demoted": func() error { _, err := h.RetypeUser(t.Context(), p, boss.SenderID, directory.Regular); return err },
			"locked":  func() error { _, err := h.LockUser(t.Context(), p, boss.SenderID); return err },
			"ended":   func() error { return h.EndUser(t.Context(), p, boss.SenderID) },
			"deleted": func() error { return h.DeleteSender(t.Context(), p, boss.SenderID) },
			"program": func() error {
				u, err := h.OneUser(t.Context(), program, h.stored(program.User).SenderID)
				if err == nil {
					err = h.EndUser(t.Context(), p, u.SenderID)
				}
				return err
			},
			"joined": func() error {
				g, err := h.CreateGroup(t.Context(), program, directory.NewGroup{})
				if err == nil {
					_, _, err = h.InviteMember(t.Context(), p, g.OuterID, directory.NewUser{Email: mine, Type: directory.Manager}, "")
				}
				return err
			},
			"invited": func() error {
				_, _, err := h.InviteSender(t.Context(), p, directory.NewUser{Email: mine, Type: directory.Manager})
				return err
			},
		} {
			if err := act(); !errs.Is(err, "manager.needed") {
				t.Errorf("T14: %s: %v", name, err)
			}
		}
	})
}

func TestOneUserAndPendingMembers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john := h.sender("mary@example.com", "Mary", "Doe"), h.sender("john@example.com", "John", "Roe")
		g := h.group("Legal", mary.Email, john.Email)
		h.write(func(tx *db.Tx) error {
			if err := directory.AddBusinessKey(tx, h.home.ID, mary.ID, directory.BusinessKey{Type: "Salesforce", Value: "005"}); err != nil {
				return err
			}
			return directory.MailboxProven(tx, mary.ID)
		})
		of, err := h.OneUser(t.Context(), h.p, mary.SenderID)
		if err != nil || of.ID != mary.ID || len(of.Memberships) != 1 || of.Memberships[0].GroupName != "Legal" || len(of.Keys) != 1 || fmt.Sprint(of.Licences) != "[conga_sign]" {
			t.Errorf("mary %+v, %v", of, err)
		}
		if _, err = h.OneUser(t.Context(), at(mary), mary.SenderID); err != nil {
			t.Error(err)
		}
		_, err = h.OneUser(t.Context(), at(mary), john.SenderID)
		refused(t, err, errs.Denied, "account.not_manager")
		pending, err := h.PendingMembers(t.Context(), h.p, g.OuterID)
		if err != nil || len(pending) != 1 || pending[0].ID != john.ID {
			t.Errorf("pending %+v, %v", pending, err)
		}
		_, err = h.PendingMembers(t.Context(), at(mary), g.OuterID)
		refused(t, err, errs.Denied, "group.not_manager")
	})
}

// What a manager sets is narrowed by his channel, and the trail names him; a partner's administrator sets the channel.
func TestConsoleSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		boss, plain := v.user(a, "boss@partner.example", directory.AccountAdmin), v.user(a, "plain@partner.example")
		_, admin := h.staff("sam@vendor.example", "Vendor Inc", directory.PartnerAdmin, a)
		_, developer := h.staff("dev@vendor.example", "Vendor Inc", directory.PartnerDeveloper, a)
		always, link := directory.Settings{MemberIdentification: directory.Always}, directory.Settings{MemberIdentification: directory.Link}
		refused(t, h.ChangeSettings(t.Context(), at(plain), always, nil), errs.Denied, "account.not_manager")
		refused(t, h.ChangeChannel(t.Context(), at(boss), v.OuterID, directory.PartnerChange{Settings: always}), errs.Denied, "staff.only")
		refused(t, h.ChangeChannel(t.Context(), developer, v.OuterID, directory.PartnerChange{Settings: always}), errs.Denied, "partner.not_admin")
		refused(t, h.ChangeChannel(t.Context(), admin, v.OuterID, directory.PartnerChange{SubjectKeys: []byte{}}), errs.Denied, "partner.not_admin")
		if err := h.ChangeChannel(t.Context(), admin, v.OuterID, directory.PartnerChange{Settings: always, Logo: picture(t, "png", 8, 8)}); err != nil {
			t.Fatal(err)
		}
		if e := h.eventsOf(""); e[len(e)-1].Type != "partner.changed" || e[len(e)-1].Actor.User != admin.By {
			t.Errorf("recorded %+v", e[len(e)-1])
		}
		refused(t, h.ChangeSettings(t.Context(), at(boss), link, nil), errs.Invalid, "settings.wider")
		if err := h.ChangeSettings(t.Context(), at(boss), directory.Settings{SenderName: "Boss"}, picture(t, "png", 8, 8)); err != nil {
			t.Fatal(err)
		}
		for _, e := range h.eventsOf(a.ID)[len(h.eventsOf(a.ID))-2:] {
			if e.Actor.User != boss.ID {
				t.Errorf("recorded %+v", e)
			}
		}
		other := h.vendor("Other Inc", "other.example")
		refused(t, h.ChangeChannel(t.Context(), admin, other.OuterID, directory.PartnerChange{Settings: always}), errs.NotFound, "partner.unknown")
		if list, err := h.DomainsOfPartner(t.Context(), developer, v.OuterID); err != nil || len(list) != 1 {
			t.Errorf("domains %v, %v", list, err)
		}
	})
}
