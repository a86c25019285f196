package authn

import (
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// staffAt is the principal of one of staff at an account, as the console makes it.
func staffAt(s directory.Staff, a directory.Account) authz.Principal {
	p := authz.Principal{Kind: authz.Staff, By: s.ID, Organisation: s.Organisation, Account: a.ID, Session: "here"}
	switch s.Role {
	case directory.Operator:
		p.Rights = []authz.Right{authz.Operate}
	case directory.PartnerAdmin:
		p.Rights = []authz.Right{authz.Administer}
	}
	return p
}

// crewed is an active partner with an account and people of each role.
func (h *house) crewed(organisation, domain string) (technical TechnicalAccount, a directory.Account, admin, developer authz.Principal) {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	technical, err := h.CreateTechnicalAccount(bg, organisation, "Onboarding", EdDSA)
	must(err)
	token, err := h.TechnicalToken(bg, technical.ClientID, technical.ClientSecret, nil)
	must(err)
	p, err := h.Authenticate(bg, token.Access)
	must(err)
	_, err = h.dir.VouchDomain(bg, organisation, domain)
	must(err)
	partner, err := h.dir.RegisterPartner(bg, p, directory.NewPartner{Name: organisation})
	must(err)
	_, err = h.dir.SetPartnerStatus(bg, partner.OuterID, directory.PartnerActive)
	must(err)
	a, err = h.dir.CreatePartnerAccount(bg, p, directory.NewPartnerAccount{Name: "Customer", Country: "US"})
	must(err)
	return technical, a, staffAt(h.staff("admin@"+domain, directory.PartnerAdmin, organisation), a),
		staffAt(h.staff("dev@"+domain, directory.PartnerDeveloper, organisation), a)
}

func (h *house) recorded() (n int) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { n, err = db.One[int](tx, `select count(*) from audit_events`); return err })
	return n
}

// TestT13ConsoleActs: acts on clients, technical accounts, keys and providers, by everybody who may not do them, change nothing.
func TestT13ConsoleActs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		own, a, admin, developer := h.crewed("Vendor Inc", "vendor.example.com")
		rival, _, foreign, _ := h.crewed("Rival Inc", "rival.example.com")
		op := staffAt(h.staff("op@example.com", directory.Operator, ""), a)
		forged := developer
		forged.Rights = []authz.Right{authz.Operate, authz.Administer}
		strong, _, err := h.CreateClient(bg, a.ID, []authz.Right{authz.Sign, authz.ManageUsers}, "Strong")
		if err != nil {
			t.Fatal(err)
		}
		_, _, program := h.client(authz.Sign, authz.ManageUsers)
		boss, plain := h.administrator("boss@example.com", "Boss Doe"), h.active("plain@example.com", "Plain Doe")
		bossP, plainP := byHim(boss, authz.ManageUsers, authz.ReadAccess, authz.Sign), byHim(plain, authz.Sign)
		key, _, err := h.NewSubscription(bg, a.OuterID, "CLM")
		if err != nil {
			t.Fatal(err)
		}
		type one struct {
			what string
			by   authz.Principal
			act  func(p authz.Principal) error
		}
		create := func(rights ...authz.Right) func(p authz.Principal) error {
			return func(p authz.Principal) error { _, _, err := h.CreateClientAs(bg, p, rights, "X"); return err }
		}
		rotate := func(p authz.Principal) error { _, err := h.RotateClientAs(bg, p, strong, 0); return err }
		revoke := func(p authz.Principal) error { return h.RevokeClientAs(bg, p, strong) }
		turn := func(id string) func(p authz.Principal) error {
			return func(p authz.Principal) error { _, err := h.RotateTechnicalAs(bg, p, id, 0); return err }
		}
		end := func(id string) func(p authz.Principal) error {
			return func(p authz.Principal) error { return h.RevokeTechnicalAs(bg, p, id) }
		}
		made := func(p authz.Principal) error {
			_, err := h.CreateTechnicalAccountAs(bg, p, "Vendor Inc", "X", EdDSA)
			return err
		}
		keys := func(p authz.Principal) error { _, _, err := h.NewSubscriptionAs(bg, p, a.OuterID, "X"); return err }
		accountKey := func(p authz.Principal) error {
			_, _, err := h.NewAccountKeyAs(bg, p, h.home.OuterID, boss.SenderID, "X")
			return err
		}
		endKey := func(p authz.Principal) error { return h.EndSubscriptionAs(bg, p, key) }
		provider := func(p authz.Principal) error {
			return h.SetProviderAs(bg, p, a.Organisation, "https://login.invalid", "x", "y")
		}
		elsewhere := op
		elsewhere.Account = h.home.ID
		before := h.recorded()
		for _, c := range []one{
			{"developer hands out users.manage", developer, create(authz.ManageUsers)}, {"developer gets a strong secret", developer, rotate},
			{"another's admin creates", withAccount(foreign, a.ID), create(authz.Sign)}, {"another's admin rotates", withAccount(foreign, a.ID), rotate}, {"another's admin revokes", withAccount(foreign, a.ID), revoke},
			{"manager of another account", bossP, rotate}, {"manager of another account revokes", bossP, revoke}, {"sender", plainP, create(authz.Sign)},
			{"program", program, create(authz.Sign)}, {"manager gives what he does not hold", bossP, func(p authz.Principal) error {
				h.retype(boss, directory.Regular)
				defer h.retype(boss, directory.Manager)
				return create(authz.Sign, authz.ManageUsers)(p)
			}},
			{"developer ends", developer, end(own.ClientID)}, {"admin ends another's", admin, end(rival.ClientID)}, {"developer rotates another's", developer, turn(rival.ClientID)},
			{"admin makes", admin, made}, {"manager makes", bossP, made}, {"sender rotates", plainP, turn(own.ClientID)}, {"developer says he operates", forged, end(own.ClientID)},
			{"developer says he operates: makes", forged, made}, {"admin's keys", admin, keys}, {"manager's keys", bossP, keys}, {"manager's account keys", bossP, accountKey},
			{"admin ends a key", admin, endKey}, {"operator ends a key elsewhere", elsewhere, endKey}, {"developer's provider", developer, provider}, {"another's provider", foreign, provider},
			{"manager's provider", bossP, provider}, {"sender's provider", plainP, provider}, {"a member's client in technical's place", admin, turn(strong)},
		} {
			if kind := errs.KindOf(c.act(c.by)); kind != errs.Denied && kind != errs.NotFound {
				t.Errorf("%s: %v", c.what, kind)
			}
		}
		if now := h.recorded(); now != before {
			t.Errorf("%d acts were recorded", now-before)
		}
		if _, err := h.TechnicalToken(bg, own.ClientID, own.ClientSecret, nil); err != nil {
			t.Error(err)
		}
		for what, c := range map[string]one{"developer creates": {by: developer, act: create(authz.Sign)}, "admin creates": {by: admin, act: create(authz.Sign, authz.ManageUsers)},
			"manager creates": {by: bossP, act: create(authz.Sign, authz.ReadAccess)}, "developer rotates": {by: developer, act: turn(own.ClientID)},
			"operator makes": {by: op, act: made}, "operator's keys": {by: op, act: keys}, "operator's account keys": {by: op, act: accountKey}, "operator ends": {by: op, act: endKey}} {
			if err := c.act(c.by); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func withAccount(p authz.Principal, account string) authz.Principal { p.Account = account; return p }

// TestConsoleClients: what is listed of an account's programs, and that who acted is recorded.
func TestConsoleClients(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		p := byHim(boss, authz.ManageUsers, authz.ReadAccess, authz.Sign)
		id, secret, err := h.CreateClientAs(bg, p, []authz.Right{authz.Sign}, " Archive ")
		if err != nil {
			t.Fatal(err)
		}
		for what, rights := range map[string][]authz.Right{"none": nil, "operator": {authz.Operate}, "impersonate": {authz.Sign, authz.Impersonate}} {
			if _, _, err := h.CreateClientAs(bg, p, rights, "X"); !errs.Is(err, "right.unknown") {
				t.Errorf("%s: %v", what, err)
			}
		}
		fresh, err := h.RotateClientAs(bg, p, id, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		h.token(id, secret)
		list, err := h.ClientsOf(bg, p)
		if err != nil || len(list) != 1 || list[0].ID != id || list[0].UserName != "Archive" || list[0].NoSecret || list[0].PreviousSecretUntil.IsZero() {
			t.Fatalf("%+v, %v", list, err)
		}
		_, err = h.RotateClientAs(bg, p, id, 8*24*time.Hour)
		refused(t, err, errs.Invalid, "overlap.range")
		if err := h.RevokeClientAs(bg, p, id); err != nil {
			t.Fatal(err)
		}
		_, err = h.ClientToken(bg, id, fresh, "")
		refused(t, err, errs.Denied, "client.disabled")
		h.write(func(tx *db.Tx) error {
			type row struct {
				Canonical []byte
				Data      string
			}
			n := 0
			rows, err := db.All[row](tx, `select e.canonical, p.data from audit_events e join audit_personal p on p.event_id = e.id`)
			for _, r := range rows {
				if strings.Contains(string(r.Canonical), `"client.`) && strings.Contains(r.Data, "Boss Doe") {
					n++
				}
			}
			if n != 3 {
				t.Errorf("%d events name who acted", n)
			}
			return err
		})
	})
}

// TestConsoleProvider: an operator, or the manager of an organisation's one account, says where its people sign in.
func TestConsoleProvider(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		p := byHim(h.administrator("boss@example.com", "Boss Doe"), authz.ManageUsers, authz.ReadAccess)
		if err := h.EndProviderAs(bg, p, h.home.Organisation); err != nil {
			t.Fatal(err)
		}
		if was, err := h.ProviderOf(bg, p, h.home.Organisation); err != nil || was == nil || was.Enabled || was.Issuer != o.server.URL {
			t.Errorf("%+v, %v", was, err)
		}
		if err := h.SetProviderAs(bg, p, h.home.Organisation, o.server.URL, opClient, opSecret); err != nil {
			t.Fatal(err)
		}
		if is, err := h.ProviderOf(bg, p, h.home.Organisation); err != nil || !is.Enabled {
			t.Errorf("%+v, %v", is, err)
		}
	})
}
