package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func TestInviteSender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		in := directory.NewUser{Email: "Mary.Doe@Example.com", FirstName: "Mary", LastName: "Doe", Title: "Dr.", Company: "Example Ltd",
			Phone: "+1 555 0100", Language: "en", Address: json.RawMessage(`{"city":"Springfield"}`)}
		u, created, err := h.InviteSender(t.Context(), h.p, in)
		if err != nil || !created {
			t.Fatalf("created %v, %v", created, err)
		}
		if u.Email != "mary.doe@example.com" || u.Status != directory.Invited || u.Type != directory.Regular || !u.Sender ||
			len(u.SenderID) != 12 || u.Name() != "Mary Doe" || string(u.Address) != `{"city":"Springfield"}` || u.Account != h.home.ID {
			t.Errorf("sender %+v", u)
		}
		again, created, err := h.InviteSender(t.Context(), h.p, directory.NewUser{Email: "mary.doe@example.com", FirstName: "Somebody"})
		if err != nil || created || again.ID != u.ID || again.FirstName != "Mary" {
			t.Errorf("again: created %v, %+v, %v", created, again, err)
		}
		if got := h.subjects("mary.doe@example.com"); len(got) != 2 || got[0] != "You are invited to Example Ltd" {
			t.Errorf("mail %q, want two invitations", got)
		}
		h.write(func(tx *db.Tx) error { return directory.MailboxProven(tx, u.ID) })
		active, created, err := h.InviteSender(t.Context(), h.p, in)
		if err != nil || created || active.Status != directory.Active || active.Activated.IsZero() {
			t.Errorf("active: created %v, %+v, %v", created, active, err)
		}
		if got := h.subjects("mary.doe@example.com"); len(got) != 2 {
			t.Errorf("an active sender was mailed: %q", got)
		}
		for _, bad := range []directory.NewUser{{Email: "mary"}, {Email: "a@example.com", FirstName: "a\r\nb"}, {Email: "a@example.com", LastName: "\u202e"},
			{Email: "a@example.com", Phone: "\x00"}, {Email: "a@example.com", Type: "OWNER"}, {Email: "a@example.com", Address: json.RawMessage(`{`)}} {
			if _, _, err := h.InviteSender(t.Context(), h.p, bad); errs.KindOf(err) != errs.Invalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// T9: of many who invite one address at once, one makes the sender and all get him.
func TestT9OneAddressOneSender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		var mu sync.Mutex
		var wg sync.WaitGroup
		ids, made := map[string]bool{}, 0
		for range 20 {
			wg.Go(func() {
				u, created, err := h.InviteSender(t.Context(), h.p, directory.NewUser{Email: "mary@example.com", FirstName: "Mary"})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				ids[u.ID] = true
				if created {
					made++
				}
			})
		}
		wg.Wait()
		if n := h.count(`select count(*) from users where email = 'mary@example.com'`); len(ids) != 1 || made != 1 || n != 1 {
			t.Errorf("T9: %d ids, made %d times, %d rows", len(ids), made, n)
		}
	})
}

func TestAddressIsUniqueInTheOrganisation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, north := h.account("North", "Group PLC")
		_, south := h.account("South", "Group PLC")
		mary := directory.NewUser{Email: "mary@example.com"}
		if _, _, err := h.InviteSender(t.Context(), north, mary); err != nil {
			t.Fatal(err)
		}
		_, _, err := h.InviteSender(t.Context(), south, mary)
		refused(t, err, errs.Conflict, "email.taken")
		if _, created, err := h.InviteSender(t.Context(), h.p, mary); err != nil || !created {
			t.Errorf("another organisation: %v, %v", created, err)
		}
	})
}

func TestListSenders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for i := range 5 {
			h.sender(fmt.Sprintf("signer%d@example.com", i), "Ödön", fmt.Sprintf("100%%_%d", i))
		}
		_, other := h.account("Other", "")
		list := func(p authz.Principal, q directory.Query) (emails []string, count int) {
			t.Helper()
			all, count, err := h.ListSenders(t.Context(), p, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range all {
				emails = append(emails, u.Email)
			}
			return emails, count
		}
		if got, count := list(h.p, directory.Query{From: 2, To: 3}); count != 6 || !slices.Equal(got, []string{"signer0@example.com", "signer1@example.com"}) {
			t.Errorf("2 to 3: %q of %d", got, count)
		}
		if got, count := list(h.p, directory.Query{Dir: "desc", To: 1}); count != 6 || !slices.Equal(got, []string{"signer4@example.com"}) {
			t.Errorf("the last: %q of %d", got, count)
		}
		for search, want := range map[string]int{"öDÖN": 5, "SIGNER3": 1, "%": 5, "0%_3": 1, "_": 5, `\`: 0, "x%x": 0, "nul\x00": 0, "\xff": 0} {
			if _, count := list(h.p, directory.Query{Search: search}); count != want {
				t.Errorf("search %q: %d, want %d", search, count, want)
			}
		}
		if _, count := list(other, directory.Query{}); count != 1 {
			t.Errorf("another account sees %d senders", count)
		}
		for _, q := range []directory.Query{{From: -1}, {From: 3, To: 2}, {Dir: "sideways"}} {
			if _, _, err := h.ListSenders(t.Context(), h.p, q); errs.KindOf(err) != errs.Invalid {
				t.Errorf("%+v: %v", q, err)
			}
		}
	})
}

func TestUpdateSender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john := h.sender("mary@example.com", "Mary", "Doe"), h.sender("john@example.com", "John", "Smith")
		h.write(func(tx *db.Tx) error { return directory.MailboxProven(tx, mary.ID) })
		update := func(c directory.UserChange) (directory.User, error) {
			return h.UpdateSender(t.Context(), h.p, mary.SenderID, c)
		}
		name := "Maria"
		u, err := update(directory.UserChange{FirstName: &name})
		if err != nil || u.Name() != "Maria Doe" || u.Email != mary.Email || u.Status != directory.Active {
			t.Errorf("renamed: %+v, %v", u, err)
		}
		_, err = update(directory.UserChange{Email: &john.Email})
		refused(t, err, errs.Conflict, "email.taken")
		fresh := "maria@example.com"
		if u, err = update(directory.UserChange{Email: &fresh}); err != nil || u.Status != directory.Invited || u.Email != fresh {
			t.Errorf("new address: %+v, %v", u, err)
		}
		if got := h.subjects(fresh); len(got) != 1 {
			t.Errorf("the new address got %q", got)
		}
		if again := h.sender("mary@example.com", "Another", "Mary"); again.ID == mary.ID {
			t.Error("the old address still belongs to her")
		}
		locked, active, inactive := directory.Locked, directory.Active, directory.Inactive
		if u, err = update(directory.UserChange{Status: &locked}); err != nil || u.Status != locked || u.Generation != 1 {
			t.Errorf("locked: %+v, %v", u, err)
		}
		_, err = update(directory.UserChange{Status: &inactive})
		refused(t, err, errs.Invalid, "user.status")
		if u, err = update(directory.UserChange{Status: &active}); err != nil || u.Status != directory.Invited {
			t.Errorf("unlocked: %+v, %v", u, err)
		}
		_, err = h.UpdateSender(t.Context(), h.p, "nobody\x00", directory.UserChange{})
		refused(t, err, errs.NotFound, "sender.unknown")
	})
}

// T4: who gets an address after somebody is a new user and inherits nothing.
func TestT4AddressChangesHands(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		first := h.sender("desk@example.com", "First", "Holder")
		g := h.group("Desk", "desk@example.com")
		if err := errors.Join(h.DeleteSender(t.Context(), h.p, first.SenderID), h.DeleteSender(t.Context(), h.p, first.SenderID)); err != nil {
			t.Fatal(err)
		}
		_, _, err := h.AddMember(t.Context(), h.p, g.OuterID, directory.NewMember{Email: "desk@example.com"}, false)
		refused(t, err, errs.Invalid, "member.inactive")
		second := h.sender("desk@example.com", "Second", "Holder")
		if second.ID == first.ID || second.SenderID == first.SenderID || second.Generation != 0 {
			t.Errorf("the second holder is the first one: %+v", second)
		}
		refused(t, h.hold(second.ID, g.ID), errs.Denied, "member.removed")
		refused(t, h.hold(first.ID, g.ID), errs.Denied, "member.inactive")
		h.write(func(tx *db.Tx) error {
			if u, err := directory.UserByEmail(tx, h.home.ID, "desk@example.com"); err != nil || u.ID != second.ID {
				t.Errorf("the address is %+v, %v", u, err)
			}
			_, err := directory.Restore(tx, second.ID)
			return err
		})
		err = h.db.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Restore(tx, first.ID); return err })
		refused(t, err, errs.Conflict, "email.taken")
	})
}

func TestRestore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.sender("mary@example.com", "Mary", "Doe")
		g := h.group("Desk", "mary@example.com")
		if err := h.DeleteSender(t.Context(), h.p, mary.SenderID); err != nil {
			t.Fatal(err)
		}
		if now, err := h.GetGroup(t.Context(), h.p, g.OuterID); err != nil || len(now.Members) != 0 {
			t.Errorf("members %+v, %v", now.Members, err)
		}
		h.write(func(tx *db.Tx) error {
			u, err := directory.Restore(tx, mary.ID)
			if u.Status != directory.Invited || u.Generation != 1 {
				t.Errorf("restored %+v", u)
			}
			return err
		})
		if err := h.hold(mary.ID, g.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyManagersOfTheAccountChangeSenders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.sender("mary@example.com", "Mary", "Doe")
		_, other := h.account("Other", "")
		regular, stranger := h.p, h.p
		regular.User, stranger.User = mary.ID, other.User
		for p, what := range map[*authz.Principal]string{&regular: "account.not_manager", &stranger: "user.inactive"} {
			_, _, err := h.InviteSender(t.Context(), *p, directory.NewUser{Email: "new@example.com"})
			refused(t, err, errs.Denied, what)
			_, err = h.UpdateSender(t.Context(), *p, mary.SenderID, directory.UserChange{})
			refused(t, err, errs.Denied, what)
			refused(t, h.DeleteSender(t.Context(), *p, mary.SenderID), errs.Denied, what)
			_, err = h.CreateGroup(t.Context(), *p, directory.NewGroup{Name: "New"})
			refused(t, err, errs.Denied, what)
		}
		_, err := h.GetSender(t.Context(), other, mary.SenderID)
		refused(t, err, errs.NotFound, "sender.unknown")
		refused(t, h.DeleteSender(t.Context(), other, mary.SenderID), errs.NotFound, "sender.unknown")
		manager := directory.Manager
		if _, err := h.UpdateSender(t.Context(), h.p, mary.SenderID, directory.UserChange{Type: &manager}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.InviteSender(t.Context(), regular, directory.NewUser{Email: "new@example.com"}); err != nil {
			t.Errorf("a manager: %v", err)
		}
	})
}
