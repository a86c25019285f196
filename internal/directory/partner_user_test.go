package directory_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func johnDoe(a directory.Account) directory.NewPartnerUser {
	return directory.NewPartnerUser{Email: "JohnDoe@Partner.Example", EmailAlias: "John.Doe@Customer.example", FirstName: " John ", LastName: "Doe",
		Account: a.OuterID, Initials: "JD", Phone: "12345678111", Title: "SDE", Company: "Customer Inc",
		Roles: []string{directory.AccountAdmin, directory.PrivacyAdmin}}
}

func TestPartnerUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One", seats(2))
		u, err := h.CreatePartnerUser(t.Context(), v.p, johnDoe(a))
		if err != nil || u.Email != "johndoe@partner.example" || u.ShownEmail() != "john.doe@customer.example" || u.Name() != "John Doe" ||
			u.Status != directory.Active || !u.Sender || !u.Provisioned || u.AccountOuterID != a.OuterID ||
			!slices.Equal(u.Roles(), []string{directory.AccountAdmin, directory.PrivacyAdmin}) || u.Created.IsZero() {
			t.Fatalf("created %+v, %v", u, err)
		}
		if got, err := h.PartnerUser(t.Context(), v.p, u.SenderID); err != nil || !reflect.DeepEqual(got, profile(u)) {
			t.Errorf("got %+v, %v, want %+v", got, err, u)
		}
		h.write(func(tx *db.Tx) error {
			got, err := directory.UserByID(tx, u.ID)
			if !reflect.DeepEqual(got, u) {
				t.Errorf("by id %+v", got)
			}
			return err
		})
		if got, err := h.PartnerUserByEmail(t.Context(), v.p, "JohnDoe@partner.example"); err != nil || got.SenderID != u.SenderID {
			t.Errorf("by e-mail %+v, %v", got, err)
		}
		plain := v.user(a, "plain@partner.example")
		if len(plain.Roles()) != 0 || plain.Roles() == nil || plain.ShownEmail() != plain.Email {
			t.Errorf("without roles and alias: %+v", plain)
		}
		if mails := h.subjects("johndoe@partner.example"); len(mails) != 0 {
			t.Errorf("mailed %q", mails)
		}
		empty, phone := "", "1"
		change := directory.PartnerUserChange{Email: "doe@partner.example", FirstName: "Jon", LastName: "Doe", EmailAlias: &empty, Phone: &phone,
			Account: &a.OuterID, Roles: []string{}}
		if err := h.ChangePartnerUser(t.Context(), v.p, u.SenderID, change); err != nil {
			t.Fatal(err)
		}
		got, want := h.stored(u.ID), u
		want.Email, want.EmailAlias, want.FirstName, want.Phone, want.Type, want.PrivacyAdmin = "doe@partner.example", "", "Jon", "1", directory.Regular, false
		want.Updated = got.Updated
		if !reflect.DeepEqual(got, want) {
			t.Errorf("changed %+v, want %+v", got, want)
		}
		if err := v.change(got, got.Email, ""); err != nil { // changes nothing
			t.Error(err)
		}
		if c, n := h.audited("user.created"), h.audited("user.changed"); c != 2 || n != 1 {
			t.Errorf("%d users created, %d changes, want 2 and 1", c, n)
		}
	})
}

func TestPartnerUserRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		u := v.user(a, "taken@partner.example")
		type in = directory.NewPartnerUser
		for _, c := range []struct {
			change      func(in *in)
			what, field string
		}{
			{func(n *in) { *n = in{} }, "field.missing", "email"}, {func(n *in) { n.FirstName, n.LastName = "", "" }, "field.missing", "firstName"},
			{func(n *in) { n.LastName, n.Account = "\t", "" }, "field.missing", "lastName"}, {func(n *in) { n.Account = "" }, "field.missing", "accountId"},
			{func(n *in) { n.Email = "john" }, "email.malformed", "email"}, {func(n *in) { n.Email = "john@other.example" }, "email.domain", "email"},
			{func(n *in) { n.Email = strings.Repeat("j", 45) + "@partner.example" }, "email.domain", "email"},
			{func(n *in) { n.EmailAlias = "john" }, "email.malformed", "emailAlias"},
			{func(n *in) { n.FirstName = "a\u202eb" }, "name.malformed", "firstName"}, {func(n *in) { n.LastName = "a\x00" }, "name.malformed", "lastName"},
			{func(n *in) { n.Initials = ".\n." }, "text.malformed", "initials"}, {func(n *in) { n.Phone = "\x00" }, "text.malformed", "phone"},
			{func(n *in) { n.Title = "\xff" }, "text.malformed", "title"}, {func(n *in) { n.Company = strings.Repeat("c", 201) }, "text.malformed", "company"},
			{func(n *in) { n.Roles = []string{"PRIVACY_ADMI"} }, "role.unknown", "roles"},
		} {
			n := johnDoe(a)
			c.change(&n)
			_, err := h.CreatePartnerUser(t.Context(), v.p, n)
			blame(t, err, errs.Invalid, c.what, c.field)
			if c.field != "accountId" {
				blame(t, h.ChangePartnerUser(t.Context(), v.p, u.SenderID, directory.PartnerUserChange{Email: n.Email, EmailAlias: &n.EmailAlias, FirstName: n.FirstName,
					LastName: n.LastName, Initials: &n.Initials, Phone: &n.Phone, Title: &n.Title, Company: &n.Company, Roles: n.Roles}), errs.Invalid, c.what, c.field)
			}
		}
		sixty := johnDoe(a)
		sixty.Email = strings.Repeat("j", 44) + "@partner.example"
		if got, err := h.CreatePartnerUser(t.Context(), v.p, sixty); err != nil || len(got.Email) != 60 {
			t.Errorf("60 characters: %v", err)
		}
		_, err := v.create(a, "Taken@partner.example")
		blame(t, err, errs.Conflict, "email.taken", "email")
		other := v.user(a, "other@partner.example")
		refused(t, v.change(other, "taken@partner.example", ""), errs.Conflict, "email.taken")
		refused(t, v.change(other, other.Email, "LOCKED"), errs.Invalid, "user.status")
		for _, id := range []string{"", "nobody", "\x00", a.ID, h.home.OuterID} {
			_, err := v.create(directory.Account{OuterID: id + "x"}, "new@partner.example")
			refused(t, err, errs.NotFound, "account.unknown")
			_, err = h.PartnerUser(t.Context(), v.p, id)
			refused(t, err, errs.NotFound, "user.unknown")
			refused(t, v.change(directory.User{SenderID: id, FirstName: "A", LastName: "B"}, "new@partner.example", ""), errs.NotFound, "user.unknown")
		}
		second := v.account("Two")
		move := directory.PartnerUserChange{Email: u.Email, FirstName: "A", LastName: "B", Account: &second.OuterID}
		blame(t, h.ChangePartnerUser(t.Context(), v.p, u.SenderID, move), errs.Invalid, "account.immutable", "accountId")
		for _, id := range []string{"nobody", "", "\x00", h.home.OuterID} {
			move.Account = &id
			refused(t, h.ChangePartnerUser(t.Context(), v.p, u.SenderID, move), errs.NotFound, "account.unknown")
		}
	})
}

// A users row that cannot be stored is named as such, and leaves nothing.
func TestUnstoredUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One", seats(1))
		h.failOn("insert", "users")
		_, err := v.create(a, "a@partner.example")
		refused(t, err, errs.Fault, "user.unstored")
		h.mend("users")
		u := v.user(a, "a@partner.example") // neither address nor seat is gone
		if strings.HasPrefix(d.URL, "postgres") {
			h.write(func(tx *db.Tx) error { _, err := tx.Exec(`drop function broken`); return err })
		}
		h.failOn("update", "users")
		refused(t, v.change(u, "b@partner.example", ""), errs.Fault, "user.unstored")
		h.mend("users")
		if err := v.change(u, "b@partner.example", ""); err != nil {
			t.Error(err)
		}
	})
}

// stored is a user as he is now.
func (h *house) stored(id string) (u directory.User) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { u, err = directory.UserByID(tx, id); return err })
	return u
}

// profile is what a partner should read of a user.
func profile(u directory.User) directory.Profile {
	return directory.Profile{SenderID: u.SenderID, AccountOuterID: u.AccountOuterID, Email: u.Email, EmailAlias: u.EmailAlias,
		FirstName: u.FirstName, LastName: u.LastName, Initials: u.Initials, Phone: u.Phone, Title: u.Title, Company: u.Company,
		Status: u.Status, Roles: u.Roles(), Created: u.Created}
}

// T4: who gets somebody's address inherits nothing of him.
func TestT4PartnerAddressChangesHands(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		old := v.user(a, "post@partner.example", directory.AccountAdmin)
		stands := func(email, user string) {
			t.Helper()
			u, err := v.subject(email)
			if user == "" {
				refused(t, err, errs.NotFound, "user.unknown")
			} else if err != nil || u.ID != user {
				t.Errorf("%s stands for %q, %v, want %q", email, u.ID, err, user)
			}
		}
		stands("POST@partner.example", old.ID)
		if err := v.change(old, "former@partner.example", ""); err != nil {
			t.Fatal(err)
		}
		stands("post@partner.example", "")
		stands("former@partner.example", old.ID)
		heir := v.user(a, "post@partner.example")
		stands("post@partner.example", heir.ID)
		if heir.ID == old.ID || heir.SenderID == old.SenderID || heir.PlatformID == old.PlatformID || len(heir.Roles()) != 0 {
			t.Errorf("T4: the heir is %+v", heir)
		}
		now, err := h.PartnerUser(t.Context(), v.as(old), old.SenderID) // the old token is still the old user
		if err != nil || now.SenderID != old.SenderID || now.Status != directory.Active || now.Email != "former@partner.example" {
			t.Errorf("T4: the old user is %+v, %v", now, err)
		}
		if err := v.change(heir, heir.Email, "INACTIVE"); err != nil {
			t.Fatal(err)
		}
		stands("post@partner.example", "")
		refused(t, v.change(h.stored(old.ID), "post@partner.example", ""), errs.Conflict, "email.taken") // an INACTIVE user keeps his
		_, err = v.create(a, "post@partner.example")
		refused(t, err, errs.Conflict, "email.taken")
		if err := v.change(heir, "heir@partner.example", "INACTIVE"); err != nil { // until he moves
			t.Fatal(err)
		}
		if err := v.change(h.stored(old.ID), "post@partner.example", ""); err != nil { // back to the first
			t.Fatal(err)
		}
		stands("post@partner.example", old.ID)
		stands("heir@partner.example", "")
		refused(t, v.change(heir, "post@partner.example", "ACTIVE"), errs.Conflict, "email.taken")
		if err := v.change(heir, "heir@partner.example", "ACTIVE"); err != nil {
			t.Fatal(err)
		}
		stands("heir@partner.example", heir.ID)
		if got, _ := v.subject("heir@partner.example"); got.Generation != 1 || got.Status != directory.Active {
			t.Errorf("restored %+v", got)
		}
		stands("former@partner.example", "")
		stands("no address", "")
		locked := directory.Locked
		h.write(func(tx *db.Tx) error {
			_, err := directory.ChangeUser(tx, heir.ID, directory.UserChange{Status: &locked})
			return err
		})
		stands("heir@partner.example", "")
		if d, r := h.audited("user.deactivated"), h.audited("user.restored"); d != 1 || r != 1 {
			t.Errorf("%d deactivations, %d restorations, want 1 and 1", d, r)
		}
	})
}

// T4: an address of another partner's user, or of the house's own accounts, stands for nobody here.
func TestT4SubjectsStayInThePartner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		twin := h.vendor("Vendor Inc", "partner.example") // of the same organisation
		mine := v.user(v.account("One"), "mine@partner.example")
		_, err := twin.subject("mine@partner.example")
		refused(t, err, errs.NotFound, "user.unknown")
		_, err = twin.create(twin.account("One"), "mine@partner.example")
		refused(t, err, errs.Conflict, "email.taken")
		_, p := h.account("Own", "Vendor Inc")
		h.write(func(tx *db.Tx) error {
			_, err := directory.AddUser(tx, p.Account, directory.NewUser{Email: "own@partner.example"}, directory.Standing{Status: directory.Active})
			return err
		})
		_, err = v.subject("own@partner.example")
		refused(t, err, errs.NotFound, "user.unknown")
		if got, err := v.subject(mine.Email); err != nil || got.ID != mine.ID {
			t.Errorf("his own: %+v, %v", got, err)
		}
	})
}

// T9: of many who make one user, one does; also against one that takes the address by a change.
func TestT9OneAddressOneUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a, b := v.account("One"), v.account("Two")
		other := v.user(a, "other@partner.example")
		gone := v.user(b, "john@partner.example")
		if err := v.change(gone, gone.Email, "INACTIVE"); err != nil {
			t.Fatal(err)
		}
		won := race(t, 32, func(i int) error {
			switch i {
			case 7:
				return v.change(other, "john@partner.example", "")
			case 8:
				return v.change(gone, gone.Email, "ACTIVE")
			}
			_, err := v.create([]directory.Account{a, b}[i%2], "John@Partner.example")
			return err
		}, "email.taken")
		n := h.count(`select count(*) from users where email = 'john@partner.example' and status <> 'INACTIVE'`)
		if won != 1 || n != 1 {
			t.Errorf("T9: %d won, %d living users", won, n)
		}
	})
}

// T12: no change of a user touches who he is, where he belongs, or since when.
func TestT12ChangesKeepIdentity(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		was := v.user(a, "a@partner.example")
		text := "x"
		every := directory.PartnerUserChange{Email: "b@partner.example", FirstName: "x", LastName: "x", EmailAlias: ptr("x@example.com"), Initials: &text,
			Phone: &text, Title: &text, Company: &text, Account: &a.OuterID, Roles: []string{directory.AccountAdmin, directory.PrivacyAdmin}, Status: "INACTIVE"}
		if err := h.ChangePartnerUser(t.Context(), v.p, was.SenderID, every); err != nil {
			t.Fatal(err)
		}
		now := h.stored(was.ID)
		may := []string{"Email", "FirstName", "LastName", "EmailAlias", "Initials", "Phone", "Title", "Company", "Type", "PrivacyAdmin", "Status",
			"Updated", "Generation"}
		before, after := reflect.ValueOf(was), reflect.ValueOf(now)
		for i := range before.NumField() {
			name := before.Type().Field(i).Name
			same := reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface())
			if !same && !slices.Contains(may, name) {
				t.Errorf("T12: %s became %v", name, after.Field(i))
			}
			if same && slices.Contains(may, name) && name != "Updated" {
				t.Errorf("%s did not change", name)
			}
		}
		t.Logf("T12: %d fields", before.NumField())
	})
}

func ptr[T any](v T) *T { return &v }

// The users whom a partner vouches for are never INVITED: neither by an address it gives them, by restoring, nor in a group.
func TestProvisionedUsersStayActive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		admin, u := v.user(a, "admin@partner.example", directory.AccountAdmin), v.user(a, "a@partner.example")
		p := v.as(admin)
		g, err := h.CreateGroup(t.Context(), p, directory.NewGroup{Name: "Pharmacists", Members: named("a@partner.example")})
		if err != nil || len(g.Members) != 1 || g.Members[0].Pending {
			t.Errorf("group %+v, %v", g, err)
		}
		if err = v.change(u, "b@partner.example", ""); err != nil {
			t.Fatal(err)
		}
		if u, err = v.subject("b@partner.example"); err != nil || u.Status != directory.Active {
			t.Errorf("new address: %+v, %v", u, err)
		}
		h.write(func(tx *db.Tx) error {
			if _, err := directory.Deactivate(tx, u.ID); err != nil {
				return err
			}
			u, err := directory.Restore(tx, u.ID)
			if u.Status != directory.Active {
				t.Errorf("restored %+v", u)
			}
			return err
		})
	})
}
