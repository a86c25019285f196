package directory_test

import (
	"fmt"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// manager is a program of an account, as a Conga client is one.
func (h *house) manager(a directory.Account) authz.Principal {
	h.t.Helper()
	var u directory.User
	h.write(func(tx *db.Tx) (err error) {
		u, err = directory.AddUser(tx, a.ID, directory.NewUser{Email: "program-" + a.ID + "@example.com"},
			directory.Standing{Status: directory.Active, UserType: directory.Integration, Sender: true})
		return err
	})
	return authz.Principal{Client: "client", Organisation: a.Organisation, Account: a.ID, User: u.ID, Rights: []authz.Right{authz.Sign}}
}

func (h *house) update(p authz.Principal, u directory.User, c directory.UserChange) directory.User {
	h.t.Helper()
	u, err := h.UpdateSender(h.t.Context(), p, u.SenderID, c)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// T5: a partner vouches for the mailboxes it names itself, for no others.
func TestT5MovedAddressIsProvedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		p := h.manager(a)
		for email, inside := range map[string]bool{"ceo@victim.example": false, "ceo@partner.example": true, "ceo@sub.partner.example": false} {
			u := h.update(p, v.user(a, fmt.Sprintf("john%d@partner.example", len(email))), directory.UserChange{Email: &email})
			if u.Status != directory.Invited || u.Provisioned {
				t.Errorf("T5: %s is %s, provisioned %v", email, u.Status, u.Provisioned)
			}
			if _, err := v.subject(email); (err == nil) != inside {
				t.Errorf("T5: the partner may act for %s: %v", email, err)
			}
			locked, active := directory.Locked, directory.Active
			h.update(p, u, directory.UserChange{Status: &locked})
			if u = h.update(p, u, directory.UserChange{Status: &active}); u.Status != directory.Invited {
				t.Errorf("T5: locked and unlocked, %s is %s", email, u.Status)
			}
		}
	})
}

// T5: nor does the proof of one mailbox prove the next one.
func TestT5ProofIsOfOneMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		u := h.sender("mary@example.com", "Mary", "Doe")
		h.write(func(tx *db.Tx) error { return directory.MailboxProven(tx, u.ID) })
		email, locked, active := "ceo@victim.example", directory.Locked, directory.Active
		h.update(h.p, u, directory.UserChange{Status: &locked})
		h.update(h.p, u, directory.UserChange{Email: &email})
		if u = h.update(h.p, u, directory.UserChange{Status: &active}); u.Status != directory.Invited || !u.Activated.IsZero() {
			t.Errorf("T5: %s since %s", u.Status, u.Activated)
		}
	})
}

// A reader's whole answer may be sent back: who is LOCKED, and so reads INACTIVE, stays LOCKED.
func TestLockedUserStaysLocked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One", seats(1))
		p, u, locked := h.manager(a), v.user(a, "john@partner.example"), directory.Locked
		h.update(p, u, directory.UserChange{Status: &locked})
		status := func() directory.Status {
			f, err := h.PartnerUser(t.Context(), v.p, u.SenderID)
			if err != nil {
				t.Fatal(err)
			}
			return f.Status
		}
		if err := v.change(u, u.Email, "INACTIVE"); err != nil || status() != directory.Locked {
			t.Errorf("after INACTIVE: %s, %v", status(), err)
		}
		if _, err := v.create(a, "second@partner.example"); !errs.Is(err, "seats.exceeded") {
			t.Errorf("his seat is free: %v", err)
		}
		if err := v.change(u, u.Email, "ACTIVE"); err != nil || status() != directory.Active {
			t.Errorf("after ACTIVE: %s, %v", status(), err)
		}
	})
}

// Deactivating a partner ends its own interface; its customers' business goes on.
func TestInactivePartnersAccountsGoOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		p, u := h.manager(a), v.user(a, "john@partner.example")
		if _, err := h.SetPartnerStatus(t.Context(), v.OuterID, directory.PartnerInactive); err != nil {
			t.Fatal(err)
		}
		refused(t, h.CheckPartner(t.Context(), v.p), errs.Denied, "partner.inactive")
		g, err := h.CreateGroup(t.Context(), p, directory.NewGroup{Name: "Desk", Members: named(u.Email)})
		if err != nil || h.hold(u.ID, g.ID) != nil {
			t.Errorf("its users cannot sign for a group: %v", err)
		}
		if _, _, err = h.InviteSender(t.Context(), p, directory.NewUser{Email: "new@example.com"}); err != nil {
			t.Errorf("its accounts cannot be managed: %v", err)
		}
	})
}

// Who has no name is called by the address he shows.
func TestNameIsTheAlias(t *testing.T) {
	u := directory.User{Email: "john@partner.example", EmailAlias: "jd@customer.example"}
	if u.Name() != u.EmailAlias {
		t.Errorf("he is called %s", u.Name())
	}
}
