package console_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/console"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// records is a domain name system of what was published.
type records map[string]string

func (r records) LookupTXT(_ context.Context, name string) ([]string, error) {
	if r[name] == "" {
		return nil, errors.New("no such host")
	}
	return []string{"v=spf1 -all", r[name]}, nil
}

var shownSecrets = regexp.MustCompile(`data-copy>([^<]+)</code>`)

// secrets are what an answer shows once, in their order.
func (a answer) secrets(t *testing.T, n int) (out []string) {
	t.Helper()
	for _, m := range shownSecrets.FindAllStringSubmatch(a.body, -1) {
		out = append(out, m[1])
	}
	if a.StatusCode != http.StatusOK || len(out) != n || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %d secrets, kept %q\n%s", a.StatusCode, len(out), a.Header.Get("Cache-Control"), a.body)
	}
	return out
}

// walk takes steps from one page, each of which says something.
func (c *client) walk(t *testing.T, on string, steps ...[3]string) {
	t.Helper()
	for _, s := range steps {
		values := must(url.ParseQuery(s[1]))
		if body := c.lands(on, on+s[0], values); !strings.Contains(body, s[2]) {
			t.Errorf("%s%s %s: no %q in\n%s", on, s[0], s[1], s[2], body)
		}
	}
}

// events counts what was recorded.
func (h *house) events() (n int) {
	h.t.Helper()
	if err := h.db.Read(context.Background(), func(tx *db.Tx) (err error) { n, err = db.One[int](tx, `select count(*) from audit_events`); return err }); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestVendor: an operator lets a vendor in: technical account, domain, partner, activation, and its secrets change.
func TestVendor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		ctx, dns := context.Background(), records{}
		h.config.Resolver = dns
		h.handler = must(console.New(h.config))
		c := h.signIn("operator")
		made := c.post("/console/partners", "/console/partners", url.Values{"organisation": {"Vendor Ltd"}, "name": {"Onboarding"}, "alg": {"EdDSA"}})
		secrets := made.secrets(t, 3)
		technical := must(h.authn.Authenticate(ctx, must(h.authn.TechnicalToken(ctx, secrets[0], secrets[1], nil)).Access))
		page := c.page("/console/partners")
		organisation := "/console/organisations/" + technical.Organisation
		if !strings.Contains(page, organisation) || strings.Contains(page, secrets[1]) {
			t.Fatal(page)
		}
		if a := c.post(organisation, organisation+"/domains", url.Values{"domain": {"com"}}); a.StatusCode != 400 || !strings.Contains(a.body, "A domain is a name below") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		c.walk(t, organisation, [3]string{"/domains", "domain=vendor.example.com", "countersign-domain-verification="})
		if a := c.post(organisation, organisation+"/domains/verify", url.Values{"domain": {"vendor.example.com"}}); a.StatusCode != 400 || !strings.Contains(a.body, "no TXT record") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		dns["vendor.example.com."] = must(h.dir.Domains(ctx, "Vendor Ltd"))[0].Record()
		c.walk(t, organisation, [3]string{"/domains/verify", "domain=vendor.example.com", "Proven"}, [3]string{"/domains/vouch", "domain=vendor.example.org", "by the operator’s word"})
		partner := must(h.dir.RegisterPartner(ctx, technical, directory.NewPartner{Name: "Vendor", Domains: []string{"vendor.example.com"}}))
		path := "/console/partners/" + partner.OuterID
		if page := c.page(path + "/status"); !strings.Contains(page, "Activate <bdi>Vendor</bdi>?") {
			t.Error(page)
		}
		c.walk(t, path, [3]string{"/status", "word=Activate", `pill-good">Active`}, [3]string{"/trust", "domain=vendor.example.com&domain=vendor.example.org", "<bdi>vendor.example.org</bdi></dd>"},
			[3]string{"/settings", "sender_name=Vendor+Inc&soft_lease=2&soft_lease_unit=minutes&remind_at_most=3", "2 minutes"},
			[3]string{"/status", "word=Deactivate", "Not active"})
		if a := c.post(path, path+"/trust", url.Values{"signed": {"yes"}, "keys": {"{}"}}); a.StatusCode != 400 || !strings.Contains(a.body, "JSON Web Key Set") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		if a := c.post(path, path+"/settings", url.Values{"soft_lease": {"25"}, "soft_lease_unit": {"hours"}}); a.StatusCode != 400 || !strings.Contains(a.body, "“Looking without touching” is out of its range") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		rotate := organisation + "/technical/" + secrets[0] + "/rotate"
		fresh := c.post(rotate, rotate, url.Values{"overlap": {"24"}}).secrets(t, 1)
		for _, good := range []string{secrets[1], fresh[0]} {
			if _, err := h.authn.TechnicalToken(ctx, secrets[0], good, nil); err != nil {
				t.Error(err)
			}
		}
		end := organisation + "/technical/" + secrets[0] + "/end"
		if page := c.lands(end, end, nil); !strings.Contains(page, "Revoked") {
			t.Error(page)
		}
		if _, err := h.authn.TechnicalToken(ctx, secrets[0], fresh[0], nil); err == nil {
			t.Error("a revoked technical account gets tokens")
		}
	})
}

// TestProgram: a program is connected to an account, gets another secret, and is cut off; so are tokens and keys.
func TestProgram(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		ctx, c := context.Background(), h.signIn("administrator")
		clients := at(h.account, "/clients")
		if a := c.post(clients, clients, url.Values{"name": {"Archive"}}); a.StatusCode != 400 || !strings.Contains(a.body, "at least one right") || !strings.Contains(a.body, `value="Archive"`) {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		secrets := c.post(clients, clients, url.Values{"name": {"Archive"}, "right": {"sign", "users.manage"}}).secrets(t, 2)
		if p := must(h.authn.Authenticate(ctx, must(h.authn.ClientToken(ctx, secrets[0], secrets[1], "")).Access)); p.Account != h.account.ID || !p.Has(authz.Sign) || !p.Has(authz.ManageUsers) {
			t.Error(p)
		}
		if page := c.page(clients); !strings.Contains(page, "<bdi>Archive</bdi>") || strings.Contains(page, secrets[1]) || !strings.Contains(page, "Send and sign, Manage users") {
			t.Error(page)
		}
		rotate := clients + "/" + secrets[0] + "/rotate"
		fresh := c.post(rotate, rotate, url.Values{"overlap": {"0"}}).secrets(t, 1)
		if _, err := h.authn.ClientToken(ctx, secrets[0], secrets[1], ""); err == nil {
			t.Error("the old secret is good")
		}
		end := clients + "/" + secrets[0] + "/end"
		if page := c.lands(end, end, nil); !strings.Contains(page, "Revoked") {
			t.Error(page)
		}
		if _, err := h.authn.ClientToken(ctx, secrets[0], fresh[0], ""); err == nil {
			t.Error("a revoked client gets tokens")
		}
		tokens := at(h.account, "/tokens")
		if a := c.post(clients, tokens, url.Values{"name": {"Report"}, "user": {"nobody@example.com"}, "days": {"9"}}); a.StatusCode != 404 || !strings.Contains(a.body, "No active user of the account") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		token := c.post(clients, tokens, url.Values{"name": {"Report"}, "user": {h.people["administrator"].email}, "days": {"9"}}).secrets(t, 1)[0]
		if _, err := h.authn.Authenticate(ctx, token); err != nil {
			t.Error(err)
		}
		list := must(h.authn.AccessTokens(ctx, authz.Principal{Rights: []authz.Right{authz.Operate}}, h.account.OuterID))
		c.walk(t, at(h.account, ""), [3]string{"/tokens/" + list[0].ID + "/end", "", "The token has ended"})
		if _, err := h.authn.Authenticate(ctx, token); err == nil {
			t.Error("an ended token is good")
		}
		o, keys := h.signIn("operator"), at(h.account, "/keys")
		subscription := o.post(clients, keys+"/subscription", url.Values{"name": {"CLM"}}).secrets(t, 1)[0]
		key := o.post(clients, keys+"/account", url.Values{"name": {"CLM"}, "user": {h.people["administrator"].email}}).secrets(t, 1)[0]
		if _, _, err := h.authn.AccountToken(ctx, subscription, key); err != nil {
			t.Error(err)
		}
		handed := must(h.authn.AccountKeys(ctx))[0]
		o.walk(t, at(h.account, ""), [3]string{"/keys/account/" + handed.ID + "/end", "", "The key has ended"})
		if _, _, err := h.authn.AccountToken(ctx, subscription, key); err == nil {
			t.Error("an ended key is good")
		}
	})
}

// TestGroups: an administrator makes a group and has people join; a manager of the group may do some of it, a member none.
func TestGroups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		ctx, c := context.Background(), h.signIn("administrator")
		list := at(h.account, "/groups")
		c.walk(t, list, [3]string{"/new", "name=Pharmacists&email=duty@example.com", "The group is made"})
		if a := c.post(list+"/new", list+"/new", url.Values{"name": {"Pharmacists"}}); a.StatusCode != 400 || !strings.Contains(a.body, "already in use") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		groups, _, err := h.dir.ListGroups(ctx, h.client, directory.GroupQuery{})
		if err != nil || len(groups) != 1 {
			t.Fatal(groups, err)
		}
		path := list + "/" + groups[0].OuterID
		c.walk(t, path, [3]string{"/members", "email=sender@example.com&type=MANAGER", "is a member of the group"},
			[3]string{"/members", "email=new@example.com&firstName=Nora&lastName=Vik&type=REGULAR", "invited to the account and to the group"},
			[3]string{"/change", "name=Pharmacists+on+duty&email=duty@example.com", "<h1><bdi>Pharmacists on duty</bdi></h1>"})
		h.newest("new@example.com", "Pharmacists")
		h.forget()
		nora := must(h.dir.Users(ctx, h.client, directory.ListedFilter{Email: "new@example.com"}, "", 1)).Users[0]
		c.walk(t, path, [3]string{"/members/" + nora.SenderID + "/again", "", "sent again"}, [3]string{"/members/" + nora.SenderID + "/type", "type=MANAGER", "role in the group is changed"})
		h.newest("new@example.com", "Pharmacists")
		s, m := h.signIn("sender"), h.signIn("member")
		if a := s.post(path, path+"/members", url.Values{"email": {"stranger@example.com"}, "type": {"REGULAR"}}); a.StatusCode != 403 || !strings.Contains(a.body, "Only Managers of this Account") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		s.walk(t, path, [3]string{"/members", "email=administrator@example.com&type=REGULAR", "is a member"}, [3]string{"/members/" + nora.SenderID + "/remove", "", "The member is removed"})
		if a := m.get(path); a.StatusCode != 404 {
			t.Errorf("a stranger to the group: %d", a.StatusCode)
		}
		if page := m.page(list); strings.Contains(page, "Pharmacists") {
			t.Error(page)
		}
		end := path + "/end"
		if page := c.page(end); !strings.Contains(page, "Delete the group <bdi>Pharmacists on duty</bdi>?") {
			t.Error(page)
		}
		if page := c.lands(end, end, nil); !strings.Contains(page, "The group is deleted") {
			t.Error(page)
		}
	})
}

// TestSettings: what is set, what it inherits, and what narrows it; quotas, and the life of packages.
func TestSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		c, settings := h.signIn("partner_admin"), at(h.customer, "/settings")
		partner := "/console/partners/" + h.partner.OuterID
		c.walk(t, partner, [3]string{"/settings", "hard_lease=10&hard_lease_unit=minutes&sender_name=Channel+Name", "10 minutes"})
		if page := c.page(settings); !strings.Contains(page, "<bdi>10 minutes</bdi></strong> <span class=\"fine\">from the partner’s channel") {
			t.Error(page)
		}
		for path, form := range map[string]url.Values{settings: {"hard_lease": {"20"}, "hard_lease_unit": {"minutes"}}, settings + "/quotas": {"SEATS": {"many"}}, settings + "/expiry": {"usual": {"9"}, "most": {"3"}}} {
			if a := c.post(settings, path, form); a.StatusCode != 400 || !strings.Contains(a.body, `role="alert"`) {
				t.Errorf("%s: %d\n%s", path, a.StatusCode, a.body)
			}
		}
		c.walk(t, settings, [3]string{"", "hard_lease=300&hard_lease_unit=seconds&remind_at_most=2&remind_first=1.5&remind_first_unit=hours", "5 minutes</bdi></strong> <span class=\"fine\">set here"},
			[3]string{"/quotas", "SEATS=5", "of 5"}, [3]string{"/expiry", "usual=30&most=60", `value="60"`})
		a := must(h.dir.ReachedAccount(context.Background(), authz.Principal{Rights: []authz.Right{authz.Operate}}, h.customer.OuterID))
		if a.Settings.HardLease.Minutes() != 5 || a.Settings.RemindFirst.Hours() != 1.5 || a.Settings.RemindAtMost != 2 || len(a.Consumables) != 3 || a.Consumables[0].Cap != 5 {
			t.Error(a)
		}
		if page := h.signIn("administrator").page(at(h.account, "/settings")); strings.Contains(page, "Change the quotas") || !strings.Contains(page, "Identity provider") {
			t.Error(page)
		}
		if page := c.page("/console/accounts?search=customer"); !strings.Contains(page, h.customer.OuterID) || strings.Contains(page, h.foreign.OuterID) {
			t.Error(page)
		}
		o := h.signIn("operator")
		if page := o.lands("/console/accounts/new", "/console/accounts/new", url.Values{"name": {"Southwind"}, "organisation": {"Partner Ltd"}}); !strings.Contains(page, "The account is made") {
			t.Error(page)
		}
		if a := o.post("/console/accounts/new", "/console/accounts/new", url.Values{"name": {" "}}); a.StatusCode != 400 {
			t.Error(a.StatusCode)
		}
	})
}

// TestT13Escalation: what a person of the console may not do changes nothing, whoever hands the form in.
func TestT13Escalation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		ctx := context.Background()
		technical := must(h.authn.CreateTechnicalAccount(ctx, "Rival Ltd", "Other", authn.EdDSA))
		own := must(h.authn.CreateTechnicalAccount(ctx, "Partner Ltd", "Own", authn.EdDSA))
		id, _, err := h.authn.CreateClient(ctx, h.customer.ID, []authz.Right{authz.Sign, authz.ManageUsers}, "Strong")
		if err != nil {
			t.Fatal(err)
		}
		foreign := "/console/organisations/" + technical.Organisation
		ours, clients := "/console/organisations/"+own.Organisation, at(h.customer, "/clients")
		in := map[string]*client{}
		for role := range h.people {
			in[role] = h.signIn(role)
		}
		before := h.events()
		for _, one := range []struct {
			role, on, path string
			form           url.Values
			status         int
		}{
			{"partner_developer", "/console/partners", ours + "/technical/" + own.ClientID + "/end", nil, 403},
			{"partner_developer", "/console/partners", foreign + "/technical/" + technical.ClientID + "/rotate", url.Values{"overlap": {"0"}}, 404},
			{"partner_admin", "/console/partners", foreign + "/technical/" + technical.ClientID + "/end", nil, 404},
			{"partner_admin", "/console/partners", ours + "/technical/" + technical.ClientID + "/end", nil, 404},
			{"partner_admin", "/console/partners", ours + "/domains/vouch", url.Values{"domain": {"example.org"}}, 403},
			{"partner_admin", "/console/partners", "/console/partners/" + h.partner.OuterID + "/trust", url.Values{"signed": {"no"}}, 403},
			{"partner_admin", "/console/partners", "/console/partners/" + h.partner.OuterID + "/status", url.Values{"word": {"Deactivate"}}, 403},
			{"partner_developer", clients, clients, url.Values{"name": {"X"}, "right": {"users.manage"}}, 403},
			{"partner_developer", clients, clients + "/" + id + "/rotate", url.Values{"overlap": {"0"}}, 403},
			{"partner_developer", clients, at(h.customer, "/settings"), url.Values{"sender_name": {"Mine"}}, 403},
			{"administrator", "/console", at(h.customer, "/clients/"+id+"/end"), nil, 404},
			{"administrator", "/console", at(h.account, "/clients/"+id+"/end"), nil, 404},
			{"administrator", "/console", at(h.account, "/settings/quotas"), url.Values{"SEATS": {"9"}}, 403},
			{"administrator", "/console", at(h.account, "/keys/subscription"), url.Values{"name": {"X"}}, 403},
			{"sender", "/console", at(h.account, "/clients"), url.Values{"name": {"X"}, "right": {"sign"}}, 403},
			{"sender", "/console", at(h.account, "/groups/new"), url.Values{"name": {"X"}}, 403},
			{"member", "/console", at(h.account, "/settings/provider"), url.Values{"issuer": {"https://login.example.com"}, "client": {"x"}}, 403},
		} {
			if a := in[one.role].post(one.on, one.path, one.form); a.StatusCode != one.status {
				t.Errorf("%s at %s: %d, want %d\n%s", one.role, one.path, a.StatusCode, one.status, a.body)
			}
		}
		if now := h.events(); now != before {
			t.Errorf("%d events were recorded", now-before)
		}
	})
}

// TestL6PlacesAreInert: names of partners, accounts, groups, programs and settings stay texts on the pages that show them.
func TestL6PlacesAreInert(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	ctx, c, o := context.Background(), h.signIn("administrator"), h.signIn("operator")
	clients, settings, partner := at(h.account, "/clients"), at(h.account, "/settings"), "/console/partners/"+h.partner.OuterID
	for i, payload := range payloads {
		technical := must(h.authn.CreateTechnicalAccount(ctx, "Org "+payload, "T "+payload, authn.EdDSA))
		must(h.authn.CreateTechnicalAccount(ctx, "Partner Ltd", "T "+payload, authn.EdDSA))
		group := must(h.dir.CreateGroup(ctx, h.client, directory.NewGroup{Name: "G " + payload, Members: []directory.NewMember{{Email: h.people["sender"].email}}}))
		account := must(h.dir.CreateAccount(ctx, directory.NewAccount{Name: "A " + payload, Organisation: "Org " + payload}))
		made := c.post(clients, clients, url.Values{"name": {"C " + payload}, "right": {"sign"}}).secrets(t, 2)
		c.post(clients, at(h.account, "/tokens"), url.Values{"name": {"K " + payload}, "user": {h.people["administrator"].email}, "days": {"9"}})
		o.post(clients, at(h.account, "/keys/subscription"), url.Values{"name": {"S " + payload}})
		c.lands(settings, settings, url.Values{"sender_name": {"N " + payload}})
		path := at(h.account, "/groups/"+group.OuterID)
		shown := map[string]string{
			"groups": c.page(at(h.account, "/groups?search="+url.QueryEscape(payload))), "group": c.page(path), "its end": c.page(path + "/end"),
			"clients": o.page(clients), "rotate": c.page(clients + "/" + made[0] + "/rotate"), "settings": c.page(settings),
			"partners": o.page("/console/partners"), "partner": o.page(partner), "organisation": o.page("/console/organisations/" + technical.Organisation),
			"accounts": o.page("/console/accounts?search=" + url.QueryEscape(payload)), "account's groups": o.page(at(account, "/groups")),
		}
		for name, body := range shown {
			checkInert(t, name+" with "+payload, payload, body)
			if !strings.Contains(body, strings.ReplaceAll(html.EscapeString(payload), "+", "&#43;")) {
				t.Errorf("%s does not show %s", name, payload)
			}
		}
		for name, a := range map[string]answer{
			"vendor": o.post("/console/partners", "/console/partners", url.Values{"organisation": {payload}, "name": {""}}), "domain": o.post(partner, "/console/organisations/"+technical.Organisation+"/domains", url.Values{"domain": {payload}}),
			"member": c.post(path, path+"/members", url.Values{"email": {payload}, "firstName": {payload}}), "token": c.post(clients, at(h.account, "/tokens"), url.Values{"name": {payload}, "user": {payload}, "days": {payload}}),
			"setting": c.post(settings, settings, url.Values{"soft_lease": {payload}, "soft_lease_unit": {payload}, "sender_name": {payload}}), "quota": o.post(settings, settings+"/quotas", url.Values{"SEATS": {payload}}),
			"provider": c.post(settings, settings+"/provider", url.Values{"issuer": {payload}, "client": {payload}}), "keys": o.post(partner, partner+"/trust", url.Values{"keys": {payload}, "signed": {"yes"}}),
		} {
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s with %s: %d", name, payload, a.StatusCode)
			}
			checkInert(t, name+" with "+payload, payload, a.body)
		}
		if i == 0 { // the page after a refusal is the whole page
			if a := c.post(settings, settings+"/provider", url.Values{"issuer": {"http://x.invalid"}, "client": {"x"}}); !strings.Contains(a.body, "An issuer is an https URL") {
				t.Error(a.body)
			}
		}
	}
}
