package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// vendor is a partner and its technical account.
type vendor struct {
	directory.Partner
	h *house
	p authz.Principal
}

// technical is a technical account of an organisation, which is made when there is none.
func (h *house) technical(organisation string) authz.Principal {
	h.t.Helper()
	p := authz.Principal{Kind: authz.Technical, Client: secret.NewGUID(), TechnicalAccount: "0123456789ABCDEF01234567@techacct.invalid",
		Rights: authz.TechnicalScopes}
	h.write(func(tx *db.Tx) (err error) {
		p.Organisation, err = directory.OrganisationNamed(tx, organisation)
		return err
	})
	return p
}

// vendor makes an active partner of an organisation to which the domains belong.
func (h *house) vendor(organisation string, domains ...string) *vendor {
	h.t.Helper()
	v := &vendor{h: h, p: h.technical(organisation)}
	for _, name := range domains {
		if _, err := h.VouchDomain(context.Background(), organisation, name); err != nil {
			h.t.Fatal(err)
		}
	}
	_, err := h.RegisterPartner(context.Background(), v.p, directory.NewPartner{Name: organisation, Domains: domains})
	if err == nil {
		h.write(func(tx *db.Tx) (err error) { v.Partner, err = directory.PartnerOfClient(tx, v.p.Client); return err })
		v.Partner, err = h.SetPartnerStatus(context.Background(), v.OuterID, directory.PartnerActive)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (v *vendor) account(name string, consumables ...directory.Consumable) directory.Account {
	v.h.t.Helper()
	a, err := v.h.CreatePartnerAccount(context.Background(), v.p, directory.NewPartnerAccount{Name: name, Country: "US", Consumables: consumables})
	if err != nil {
		v.h.t.Fatal(err)
	}
	return a
}

func (v *vendor) create(a directory.Account, email string, roles ...string) (directory.User, error) {
	return v.h.CreatePartnerUser(context.Background(), v.p,
		directory.NewPartnerUser{Email: email, FirstName: "John", LastName: "Doe", Account: a.OuterID, Roles: roles})
}

func (v *vendor) user(a directory.Account, email string, roles ...string) directory.User {
	v.h.t.Helper()
	u, err := v.create(a, email, roles...)
	if err != nil {
		v.h.t.Fatalf("create %s: %v", email, err)
	}
	return u
}

// change changes a user's address or status.
func (v *vendor) change(u directory.User, email, status string) error {
	return v.h.ChangePartnerUser(context.Background(), v.p, u.SenderID,
		directory.PartnerUserChange{Email: email, FirstName: u.FirstName, LastName: u.LastName, Status: status})
}

// as is a token of a user that the vendor exchanged.
func (v *vendor) as(u directory.User) authz.Principal {
	return authz.Principal{Kind: authz.Delegated, Client: v.p.Client, Organisation: u.Organisation, Partner: v.ID, Account: u.Account,
		User: u.ID, Rights: authz.UserScopes}
}

// subject is who an address stands for; an error for nobody.
func (v *vendor) subject(email string) (u directory.User, err error) {
	err = v.h.db.Read(context.Background(), func(tx *db.Tx) error {
		d, err := directory.DelegationOf(tx, v.p.Client, email)
		if err != nil {
			return err
		}
		u, err = directory.UserByID(tx, d.User)
		if err == nil && (d.SenderID != u.SenderID || d.Account != u.Account || d.UserGeneration != u.Generation || d.Partner != v.ID) {
			v.h.t.Errorf("delegation %+v for %+v", d, u)
		}
		return err
	})
	return u, err
}

// audited counts the events of a type and checks that none tells personal data in the open.
func (h *house) audited(event string) (n int) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		rows, err := db.All[[]byte](tx, `select canonical from audit_events`)
		for _, r := range rows {
			var e struct {
				Type, Account string
				Detail        map[string]string
			}
			err = errors.Join(err, json.Unmarshal(r, &e))
			if e.Type == event {
				n++
			}
			for name, value := range e.Detail {
				if slices.Contains([]string{"John", "Doe"}, value) || len(value) > 0 && slices.Contains([]byte(value), '@') {
					h.t.Errorf("%s tells %s=%s", e.Type, name, value)
				}
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestRegisterPartner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		p := h.technical("Vendor Inc")
		register := func(p authz.Principal, name string, domains ...string) (directory.Partner, error) {
			return h.RegisterPartner(t.Context(), p, directory.NewPartner{Name: name, Domains: domains})
		}
		_, err := register(p, "Vendor", "partner.example")
		refused(t, err, errs.NotFound, "domains.none")
		for _, name := range []string{"partner.example", "partner.example.org"} {
			if _, err := h.VouchDomain(t.Context(), "Vendor Inc", name); err != nil {
				t.Fatal(err)
			}
		}
		for what, in := range map[string]directory.NewPartner{"name.missing": {Name: " "}, "name.malformed": {Name: "a\x00"},
			"domain.malformed": {Name: "V", Domains: []string{"com"}}, "domain.not_eligible": {Name: "V", Domains: []string{"partner.example", "other.example"}}} {
			_, err := register(p, in.Name, in.Domains...)
			refused(t, err, errs.Invalid, what)
		}
		_, err = register(h.p, "Vendor")
		refused(t, err, errs.Denied, "kind.denied")
		refused(t, h.CheckPartner(t.Context(), p), errs.Denied, "partner.inactive")

		got, err := register(p, "Vendor", "PARTNER.example.org.", "partner.example.org")
		if err != nil || got.Status != directory.PartnerInactive || !slices.Equal(got.Domains, []string{"partner.example.org"}) ||
			got.Client != p.Client || got.UpdatedBy != p.TechnicalAccount || got.OuterID == got.ID || got.OrganisationOuterID == "" ||
			got.OrganisationOuterID == got.Organisation || got.Created.IsZero() || got.Modified.Before(got.Created) {
			t.Errorf("registered %+v, %v", got, err)
		}
		_, err = register(p, "Vendor")
		refused(t, err, errs.Conflict, "partner.exists")
		all, err := register(h.technical("Vendor Inc"), "All of them") // a second technical account
		if err != nil || !slices.Equal(all.Domains, []string{"partner.example", "partner.example.org"}) {
			t.Errorf("all domains: %+v, %v", all, err)
		}
		if list, err := h.Partners(t.Context()); err != nil || len(list) != 2 || !reflect.DeepEqual(list[0], got) {
			t.Errorf("partners %+v, %v", list, err)
		}
		if n := h.audited("partner.registered"); n != 2 {
			t.Errorf("%d events, want 2", n)
		}
	})
}

func TestOnlyOneOfManyRegistrationsWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		p := h.technical("Vendor Inc")
		if _, err := h.VouchDomain(t.Context(), "Vendor Inc", "partner.example"); err != nil {
			t.Fatal(err)
		}
		won := race(t, 16, func(int) error {
			_, err := h.RegisterPartner(context.Background(), p, directory.NewPartner{Name: "Vendor"})
			return err
		}, "partner.exists")
		if won != 1 {
			t.Errorf("%d registrations of one technical account", won)
		}
	})
}

// race runs an act many times at once and counts successes; every failure must be the refusal named what.
func race(t *testing.T, n int, act func(i int) error, what string) (won int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := act(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errs.Is(err, what) {
				t.Errorf("act %d: %v, want %s", i, err, what)
			}
		})
	}
	wg.Wait()
	return won
}

// T6: a partner that is not ACTIVE can do nothing, itself or in the name of its users, and what was given out is dead.
func TestT6PartnerStatus(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		admin := v.user(a, "admin@partner.example", directory.AccountAdmin)
		_, err := h.SetPartnerStatus(t.Context(), "nobody", directory.PartnerActive)
		refused(t, err, errs.NotFound, "partner.unknown")
		_, err = h.SetPartnerStatus(t.Context(), v.OuterID, "PAUSED")
		refused(t, err, errs.Invalid, "partner.status")
		for range 2 { // the second changes nothing
			off, err := h.SetPartnerStatus(t.Context(), v.OuterID, directory.PartnerInactive)
			if err != nil || off.Status != directory.PartnerInactive || off.Generation != v.Generation+1 || off.UpdatedBy != "operator" {
				t.Errorf("deactivated: %+v, %v", off, err)
			}
		}
		for name, p := range map[string]authz.Principal{"technical": v.p, "delegated": v.as(admin)} {
			_, create := h.CreatePartnerUser(t.Context(), p, directory.NewPartnerUser{Email: "a@partner.example", FirstName: "A", LastName: "B", Account: a.OuterID})
			_, get := h.PartnerUser(t.Context(), p, admin.SenderID)
			_, find := h.PartnerUserByEmail(t.Context(), p, admin.Email)
			change := h.ChangePartnerUser(t.Context(), p, admin.SenderID, directory.PartnerUserChange{Email: admin.Email, FirstName: "A", LastName: "B"})
			all := []error{create, get, find, change, h.CheckPartner(t.Context(), p)}
			if p.Kind == authz.Technical {
				_, make := h.CreatePartnerAccount(t.Context(), p, directory.NewPartnerAccount{Name: "Two", Country: "US"})
				_, look := h.PartnerAccount(t.Context(), p, a.OuterID)
				_, list := h.PartnerAccounts(t.Context(), p, 0, 10)
				all = append(all, make, look, list, h.ChangePartnerAccount(t.Context(), p, a.OuterID, directory.PartnerAccountChange{Name: "Two"}))
			}
			for i, err := range all {
				if !errs.Is(err, "partner.inactive") {
					t.Errorf("T6: %s, act %d: %v", name, i, err)
				}
			}
		}
		if _, err := h.SetPartnerStatus(t.Context(), v.OuterID, directory.PartnerActive); err != nil || h.CheckPartner(t.Context(), v.p) != nil {
			t.Errorf("active again: %v", err)
		}
		if on, off := h.audited("partner.activated"), h.audited("partner.deactivated"); on != 2 || off != 1 {
			t.Errorf("%d activations and %d deactivations in the log, want 2 and 1", on, off)
		}
	})
}

func TestSetPartner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		yes := true
		keys := []byte(ecKeys)
		set := directory.PartnerChange{Settings: directory.Settings{MemberIdentification: directory.Always, SenderName: "Vendor Sign"},
			RequireSignedSubjectToken: &yes, SubjectKeys: keys}
		if err := h.SetPartner(t.Context(), v.OuterID, set); err != nil {
			t.Fatal(err)
		}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: directory.Settings{RemindAtMost: 2}}); err != nil {
			t.Fatal(err)
		}
		now := v.now()
		want := directory.Settings{MemberIdentification: directory.Always, SenderName: "Vendor Sign", RemindAtMost: 2}
		if now.Settings != want || !now.RequireSignedSubjectToken || string(now.SubjectKeys) != string(keys) || now.UpdatedBy != "operator" {
			t.Errorf("partner %+v", now)
		}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{SubjectKeys: []byte{}}); err != nil || v.now().SubjectKeys != nil {
			t.Errorf("keys removed: %v, %s", err, v.now().SubjectKeys)
		}
		for what, c := range map[string]directory.PartnerChange{"keys.malformed": {SubjectKeys: []byte(`{"keys":[]}`)},
			"settings.range": {Settings: directory.Settings{HardLease: 20e9}}, "logo.malformed": {Logo: []byte("GIF89a")},
			"domain.malformed": {Domains: []string{"co.uk"}}, "domain.not_eligible": {Domains: []string{"other.example"}}} {
			refused(t, h.SetPartner(t.Context(), v.OuterID, c), errs.Invalid, what)
		}
		for _, id := range []string{"nobody", "\x00", ""} {
			refused(t, h.SetPartner(t.Context(), id, directory.PartnerChange{}), errs.NotFound, "partner.unknown")
		}
		if _, err := h.VouchDomain(t.Context(), "Vendor Inc", "second.example"); err != nil {
			t.Fatal(err)
		}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Domains: []string{}}); err != nil || len(v.now().Domains) != 2 {
			t.Errorf("all domains: %v, %v", err, v.now().Domains)
		}
	})
}

// now is the partner as it is stored.
func (v *vendor) now() (p directory.Partner) {
	v.h.t.Helper()
	v.h.write(func(tx *db.Tx) (err error) { p, err = directory.PartnerOfClient(tx, v.p.Client); return err })
	return p
}

func TestOrganisationOfOneNameIsMadeOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		var mu sync.Mutex
		ids := map[string]bool{}
		race(t, 16, func(int) error {
			return h.db.Write(context.Background(), func(tx *db.Tx) error {
				id, err := directory.OrganisationNamed(tx, "Vendor Inc")
				mu.Lock()
				defer mu.Unlock()
				ids[id] = true
				return err
			})
		}, "")
		if n := h.count(`select count(*) from organisations where name = 'Vendor Inc'`); len(ids) != 1 || n != 1 {
			t.Errorf("%d ids, %d organisations", len(ids), n)
		}
	})
}
