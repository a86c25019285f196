package directory_test

import (
	"context"
	"fmt"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// tenants are two partners with accounts, their users, and everybody who might come.
type tenants struct {
	h        *house
	a, b     *vendor
	accounts map[string]string         // outer ids
	users    map[string]directory.User // one a tenant, whom nobody is
	who      map[string]authz.Principal
	home     map[string]string // the principal's account; "" for none
	partner  map[string]string
	serial   int
}

func newTenants(t *testing.T, h *house) *tenants {
	w := &tenants{h: h, a: h.vendor("Aye Inc", "aye.example"), b: h.vendor("Bee Inc", "bee.example"),
		accounts: map[string]string{"home": h.home.OuterID, "unknown": "nobody"}, users: map[string]directory.User{"unknown": {SenderID: "nobody"}},
		who: map[string]authz.Principal{}, home: map[string]string{}, partner: map[string]string{"a1": "A", "a2": "A", "b1": "B"}}
	for name, v := range map[string]*vendor{"a1": w.a, "a2": w.a, "b1": w.b} {
		account := v.account("Account" + name)
		w.accounts[name] = account.OuterID
		domain := "@" + v.Domains[0]
		w.users[name] = v.user(account, "target-"+name+domain)
		for role, as := range map[string]func(u directory.User){"admin": nil, "user": nil, "former": w.deactivate, "locked": w.lock} {
			roles := []string{directory.AccountAdmin}
			if role == "user" {
				roles = []string{directory.PrivacyAdmin}
			}
			u := v.user(account, role+"-"+name+domain, roles...)
			w.who[role+" "+name], w.home[role+" "+name] = v.as(u), name
			if as != nil {
				as(u)
			}
		}
	}
	w.users["home"] = h.sender("target@example.com", "Target", "Doe")
	liar := w.who["admin a1"]
	liar.Account = w.who["admin a2"].Account
	w.who["liar a1"], w.home["liar a1"] = liar, "a2"
	w.who["technical A"], w.who["technical B"], w.who["technical new"] = w.a.p, w.b.p, h.technical("Aye Inc")
	w.who["member"], w.who["nobody"] = h.p, authz.Principal{}
	return w
}

func (w *tenants) deactivate(u directory.User) {
	w.h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, u.ID); return err })
}

func (w *tenants) lock(u directory.User) {
	locked := directory.Locked
	w.h.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Status: &locked})
		return err
	})
}

// may is what a principal is told who names a tenant's account or user; "" when he may.
func (w *tenants) may(who, tenant, unknown string) string {
	switch p := w.who[who]; {
	case p.Kind == authz.Member || who == "technical new":
		return "partner.inactive"
	case p.Kind == authz.Technical && who == "technical "+w.partner[tenant]:
		return ""
	case p.Kind == authz.Technical:
		return unknown
	}
	switch {
	case who != "admin "+w.home[who]:
		return "admin.needed"
	case w.home[who] == tenant:
		return ""
	case w.partner[w.home[who]] == w.partner[tenant]:
		return "account.foreign"
	}
	return unknown
}

// mayAccounts is the same for acts on accounts.
func (w *tenants) mayAccounts(who, tenant string) string {
	if w.who[who].Kind != authz.Technical {
		return "kind.denied"
	}
	return w.may(who, tenant, "account.unknown")
}

// T13: every principal × every act × every tenant's account or user.
func TestT13PrincipalsAndTenants(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newTenants(t, build(t, d))
		cells, surprises := 0, 0
		for who := range w.who {
			for tenant := range w.accounts {
				for act, got := range w.tryAll(who, tenant) {
					want := w.may(who, tenant, "user.unknown")
					switch act {
					case "create user":
						want = w.may(who, tenant, "account.unknown")
					case "get account", "change account":
						want = w.mayAccounts(who, tenant)
					}
					cells++
					if got != want {
						surprises++
						t.Errorf("T13: %s, %s of %s: %q, want %q", who, act, tenant, got, want)
					}
				}
			}
		}
		t.Logf("T13: %d cells, %d surprises", cells, surprises)
	})
}

// tryAll does every act once and says what it was told.
func (w *tenants) tryAll(who, tenant string) map[string]string {
	ctx, p, u := context.Background(), w.who[who], w.users[tenant]
	w.serial++
	domain := "aye.example"
	if w.home[who] == "b1" || who == "technical B" {
		domain = "bee.example"
	}
	email := fmt.Sprintf("new%d@%s", w.serial, domain)
	told := map[string]error{}
	_, told["create user"] = w.h.CreatePartnerUser(ctx, p, directory.NewPartnerUser{Email: email, FirstName: "New", LastName: "Doe", Account: w.accounts[tenant]})
	_, told["get user"] = w.h.PartnerUser(ctx, p, u.SenderID)
	told["change user"] = w.h.ChangePartnerUser(ctx, p, u.SenderID, directory.PartnerUserChange{Email: "x" + email, FirstName: "Changed", LastName: "Doe"})
	told["deactivate user"] = w.h.ChangePartnerUser(ctx, p, u.SenderID, directory.PartnerUserChange{Email: "x" + email, FirstName: "Changed", LastName: "Doe", Status: "INACTIVE"})
	told["restore user"] = w.h.ChangePartnerUser(ctx, p, u.SenderID, directory.PartnerUserChange{Email: "x" + email, FirstName: "Changed", LastName: "Doe", Status: "ACTIVE"})
	_, told["get account"] = w.h.PartnerAccount(ctx, p, w.accounts[tenant])
	told["change account"] = w.h.ChangePartnerAccount(ctx, p, w.accounts[tenant], directory.PartnerAccountChange{Name: fmt.Sprintf("Account%d", w.serial)})
	out := map[string]string{}
	for act, err := range told {
		out[act] = ""
		if e, ok := err.(*errs.Error); ok {
			out[act] = e.What
		} else if err != nil {
			out[act] = err.Error()
		}
	}
	return out
}

// An administrator's own account is the one when he names none; and he cannot harm himself.
func TestAdministrators(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		admin := v.user(a, "admin@partner.example", directory.AccountAdmin)
		p := v.as(admin)
		u, err := h.CreatePartnerUser(t.Context(), p, directory.NewPartnerUser{Email: "a@partner.example", FirstName: "A", LastName: "B",
			Roles: []string{directory.AccountAdmin}})
		if err != nil || u.Account != a.ID {
			t.Fatalf("%+v, %v", u, err)
		}
		self := directory.PartnerUserChange{Email: admin.Email, FirstName: "New", LastName: "Name"}
		if err := h.ChangePartnerUser(t.Context(), p, admin.SenderID, self); err != nil {
			t.Errorf("his own name: %v", err)
		}
		demoted, gone := self, self
		demoted.Roles, gone.Status = []string{directory.PrivacyAdmin}, "INACTIVE"
		for _, c := range []directory.PartnerUserChange{demoted, gone} {
			refused(t, h.ChangePartnerUser(t.Context(), p, admin.SenderID, c), errs.Denied, "admin.self")
		}
		if err := h.ChangePartnerUser(t.Context(), v.as(u), admin.SenderID, demoted); err != nil { // by another one
			t.Error(err)
		}
		_, err = h.PartnerUser(t.Context(), p, u.SenderID) // his token still lives, his role is gone
		refused(t, err, errs.Denied, "admin.needed")
		if err := h.ChangePartnerUser(t.Context(), v.p, u.SenderID, directory.PartnerUserChange{Email: u.Email, FirstName: "A", LastName: "B", Roles: []string{}}); err != nil {
			t.Errorf("the last administrator: %v", err)
		}
	})
}
