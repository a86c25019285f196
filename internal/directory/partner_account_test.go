package directory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// blame is refused, and the refusal names a field.
func blame(t testing.TB, err error, kind errs.Kind, what, field string) {
	t.Helper()
	refused(t, err, kind, what)
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Field != field {
		t.Errorf("got %v, want it on %s", err, field)
	}
}

func seats(cap int64) directory.Consumable {
	return directory.Consumable{Type: directory.Seats, Cap: cap}
}

func TestPartnerAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		in := directory.NewPartnerAccount{Name: "Größe1", Company: " Customer Inc ", Country: "FR",
			Consumables: []directory.Consumable{{Type: directory.KBA, Cap: -1}, seats(5)}}
		a, err := h.CreatePartnerAccount(t.Context(), v.p, in)
		want := []directory.Consumable{seats(5), {Type: directory.KBA, Cap: -1}}
		if err != nil || a.Name != "Größe1" || a.Company != "Customer Inc" || a.Country != "FR" || a.Partner != v.ID ||
			a.Organisation != v.Organisation || len(a.OuterID) != 12 || a.Created.IsZero() || !slices.Equal(a.Consumables, want) {
			t.Fatalf("created %+v, %v", a, err)
		}
		if got, err := h.PartnerAccount(t.Context(), v.p, a.OuterID); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("got %+v, %v", got, err)
		}
		company := "Other Inc"
		change := directory.PartnerAccountChange{Name: "Renamed", Company: &company, Country: &a.Country, Consumables: []directory.Consumable{seats(7)}}
		if err := h.ChangePartnerAccount(t.Context(), v.p, a.OuterID, change); err != nil {
			t.Fatal(err)
		}
		now, err := h.PartnerAccount(t.Context(), v.p, a.OuterID)
		want[0] = seats(7)
		if err != nil || now.Name != "Renamed" || now.Company != company || !slices.Equal(now.Consumables, want) || now.Created != a.Created {
			t.Errorf("changed %+v, %v", now, err)
		}
		if b := v.account("größe1"); b.ID == a.ID { // the old name is free
			t.Error("the same account")
		}
		err = h.ChangePartnerAccount(t.Context(), v.p, a.OuterID, directory.PartnerAccountChange{Name: "RENAMED"}) // its own name
		if now, _ := h.PartnerAccount(t.Context(), v.p, a.OuterID); err != nil || now.Name != "RENAMED" || now.Company != company || len(now.Consumables) != 2 {
			t.Errorf("kept %+v, %v", now, err)
		}
		blame(t, h.ChangePartnerAccount(t.Context(), v.p, a.OuterID, directory.PartnerAccountChange{Name: "GRÖßE1"}),
			errs.Conflict, "account.taken", "name")
		other := "US"
		blame(t, h.ChangePartnerAccount(t.Context(), v.p, a.OuterID, directory.PartnerAccountChange{Name: "A", Country: &other}),
			errs.Invalid, "country.immutable", "countryCode")
		if c, n := h.audited("account.created"), h.audited("account.changed"); c != 3 || n != 2 { // home is one
			t.Errorf("%d accounts created, %d changes, want 3 and 2", c, n)
		}
	})
}

func TestPartnerAccountRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, rival := h.vendor("Vendor Inc", "partner.example"), h.vendor("Rival Inc", "rival.example")
		a := v.account("One")
		rival.account("ONE") // names of other partners are free
		create := func(in directory.NewPartnerAccount) error {
			_, err := h.CreatePartnerAccount(t.Context(), v.p, in)
			return err
		}
		good := directory.NewPartnerAccount{Name: "Two", Country: "US"}
		for _, c := range []struct {
			change      func(in *directory.NewPartnerAccount)
			what, field string
		}{
			{func(in *directory.NewPartnerAccount) { *in = directory.NewPartnerAccount{} }, "field.missing", "name"},
			{func(in *directory.NewPartnerAccount) { in.Name, in.Country = "a b", " " }, "field.missing", "countryCode"},
			{func(in *directory.NewPartnerAccount) { in.Country = "us" }, "country.unknown", "countryCode"},
			{func(in *directory.NewPartnerAccount) { in.Country = "XX" }, "country.unknown", "countryCode"},
			{func(in *directory.NewPartnerAccount) { in.Country = "A " }, "country.unknown", "countryCode"},
			{func(in *directory.NewPartnerAccount) { in.Company = "a\nb" }, "text.malformed", "company"},
			{func(in *directory.NewPartnerAccount) { in.Consumables = []directory.Consumable{{Type: "SEAT"}} }, "consumable.unknown", "consumables.type"},
			{func(in *directory.NewPartnerAccount) { in.Consumables = []directory.Consumable{seats(1), seats(1)} }, "consumable.twice", "consumables.type"},
			{func(in *directory.NewPartnerAccount) { in.Consumables = []directory.Consumable{seats(-2)} }, "consumable.cap", "consumables.attributes.cap"},
		} {
			in := good
			c.change(&in)
			blame(t, create(in), errs.Invalid, c.what, c.field)
			if c.field != "countryCode" {
				blame(t, h.ChangePartnerAccount(t.Context(), v.p, a.OuterID, directory.PartnerAccountChange{Name: in.Name, Company: &in.Company,
					Consumables: in.Consumables}), errs.Invalid, c.what, c.field)
			}
		}
		for _, name := range []string{"a b", "a-b", "a_b", "a.b", " a", "a ", "a\u200bb", "a\x00", "\xff", "a🙂", strings.Repeat("a", 201)} {
			in := good
			in.Name = name
			blame(t, create(in), errs.Invalid, "account.name", "name")
		}
		blame(t, create(directory.NewPartnerAccount{Name: "oNe", Country: "US"}), errs.Conflict, "account.taken", "name")
		for _, id := range []string{"", "nobody", "\x00", "\xff", h.home.OuterID, a.ID} {
			_, err := h.PartnerAccount(t.Context(), v.p, id)
			refused(t, err, errs.NotFound, "account.unknown")
			refused(t, h.ChangePartnerAccount(t.Context(), v.p, id, directory.PartnerAccountChange{Name: "Two"}), errs.NotFound, "account.unknown")
		}
		unregistered := h.technical("Vendor Inc")
		_, err := h.CreatePartnerAccount(t.Context(), unregistered, good)
		refused(t, err, errs.Denied, "partner.inactive")
		_, err = h.PartnerAccount(t.Context(), unregistered, a.OuterID)
		refused(t, err, errs.Denied, "partner.inactive")
		if err := create(good); err != nil {
			t.Errorf("the good one: %v", err)
		}
	})
}

func TestPartnerAccountsInPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, rival := h.vendor("Vendor Inc", "partner.example"), h.vendor("Rival Inc", "rival.example")
		rival.account("Other")
		names := []string{}
		for i := range 5 {
			names = append(names, fmt.Sprintf("Account%d", i))
			v.account(names[i], seats(int64(i)))
		}
		got := []string{}
		for page, want := range []int{2, 2, 1, 0} {
			list, err := h.PartnerAccounts(t.Context(), v.p, page, 2)
			if err != nil || len(list) != want {
				t.Errorf("page %d: %d accounts, %v", page, len(list), err)
			}
			for _, a := range list {
				got = append(got, a.Name)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("pages %q", got)
		}
		for _, r := range [][2]int{{-1, 1}, {0, 0}, {0, -1}, {0, 1001}, {1 << 40, 1}} {
			_, err := h.PartnerAccounts(t.Context(), v.p, r[0], r[1])
			refused(t, err, errs.Invalid, "query.range")
		}
	})
}

// T9: of many who make one account, one does; also against one that takes the name by a change.
func TestT9OneNameOneAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		other := v.account("Other")
		won := race(t, 32, func(i int) error {
			name := []string{"Customer", "CUSTOMER", "customer"}[i%3]
			if i == 7 {
				return h.ChangePartnerAccount(context.Background(), v.p, other.OuterID, directory.PartnerAccountChange{Name: name})
			}
			_, err := h.CreatePartnerAccount(context.Background(), v.p, directory.NewPartnerAccount{Name: name, Country: "US"})
			return err
		}, "account.taken")
		n := h.count(`select count(*) from accounts where lower(name) = 'customer'`)
		if won != 1 || n != 1 {
			t.Errorf("T9: %d won, %d accounts", won, n)
		}
	})
}

// Renaming one account to many names at once keeps one of them and frees the rest.
func TestRenamesLeaveOneName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("Name")
		race(t, 16, func(i int) error {
			return h.ChangePartnerAccount(context.Background(), v.p, a.OuterID, directory.PartnerAccountChange{Name: fmt.Sprintf("Name%d", i)})
		}, "")
		if n := h.count(`select count(*) from account_names`); n != 1 {
			t.Errorf("%d names are taken", n)
		}
	})
}

// What cannot be stored whole is not stored at all.
func TestUnconfiguredAccountIsNoAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		h.failOn("insert", "consumables")
		_, err := h.CreatePartnerAccount(t.Context(), v.p, directory.NewPartnerAccount{Name: "One", Country: "US", Consumables: []directory.Consumable{seats(1)}})
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.What != "account.unconfigured" || e.Kind != errs.Fault || len(e.Params["account"]) != 12 || e.Cause == nil {
			t.Errorf("got %v", err)
		}
		if n := h.count(`select count(*) from accounts where partner_id is not null`) + h.count(`select count(*) from account_names`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		v.account("One")
	})
}

// failOn makes every statement of a kind on a table fail.
func (h *house) failOn(verb, table string) {
	h.t.Helper()
	statements := []string{`create trigger broken before ` + verb + ` on ` + table + ` begin select raise(abort, 'broken'); end`}
	if strings.HasPrefix(h.db.URL, "postgres") {
		statements = []string{`create function broken() returns trigger language plpgsql as 'begin raise exception $$broken$$; end'`,
			`create trigger broken before ` + verb + ` on ` + table + ` for each row execute function broken()`}
	}
	h.write(func(tx *db.Tx) (err error) {
		for _, s := range statements {
			_, failed := tx.Exec(s)
			err = errors.Join(err, failed)
		}
		return err
	})
}

// mend undoes failOn.
func (h *house) mend(table string) {
	h.t.Helper()
	drop := `drop trigger broken`
	if strings.HasPrefix(h.db.URL, "postgres") {
		drop += ` on ` + table
	}
	h.write(func(tx *db.Tx) error { _, err := tx.Exec(drop); return err })
}

// Nobody but a technical account touches accounts.
func TestAccountsAreForTechnicalAccounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		for _, p := range []authz.Principal{h.p, v.as(v.user(a, "a@partner.example", directory.AccountAdmin)), {}} {
			_, create := h.CreatePartnerAccount(t.Context(), p, directory.NewPartnerAccount{Name: "Two", Country: "US"})
			_, get := h.PartnerAccount(t.Context(), p, a.OuterID)
			_, list := h.PartnerAccounts(t.Context(), p, 0, 1)
			for _, err := range []error{create, get, list, h.ChangePartnerAccount(t.Context(), p, a.OuterID, directory.PartnerAccountChange{Name: "Two"})} {
				refused(t, err, errs.Denied, "kind.denied")
			}
		}
	})
}
