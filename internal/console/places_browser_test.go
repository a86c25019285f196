package console_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// furnish gives partners, groups, programs and settings something to show, and returns the path of a group and of a client.
func (h *house) furnish() (group, client string) {
	h.t.Helper()
	ctx := context.Background()
	must(h.dir.AddDomain(ctx, "Partner Ltd", "clinics.partnerdomain.com"))
	must(h.authn.CreateTechnicalAccount(ctx, "Partner Ltd", "Nightly import of Bartholomew Featherstonehaugh-Cholmondeley", authn.RS256))
	must(h.authn.CreateTechnicalAccount(ctx, "Acme Software", "Onboarding", authn.EdDSA))
	keys := []byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"2026-03","alg":"ES256","x":"a","y":"b"}]}`)
	signed := true
	if err := h.dir.SetPartner(ctx, h.partner.OuterID, directory.PartnerChange{SubjectKeys: keys, RequireSignedSubjectToken: &signed,
		Settings: directory.Settings{SenderName: "Partner eSign", HardLease: 600e9, MemberIdentification: directory.Always}}); err != nil {
		h.t.Fatal(err)
	}
	id, _, err := h.authn.CreateClient(ctx, h.customer.ID, []authz.Right{authz.Sign, authz.ManageUsers}, "Contract archive")
	if err != nil {
		h.t.Fatal(err)
	}
	if _, _, err = h.authn.NewSubscription(ctx, h.account.OuterID, "CLM, production"); err != nil {
		h.t.Fatal(err)
	}
	if _, _, err = h.authn.NewAccountKey(ctx, h.account.OuterID, h.people["administrator"].sender, "CLM, production"); err != nil {
		h.t.Fatal(err)
	}
	groups, _, err := h.dir.ListGroups(ctx, h.client, directory.GroupQuery{})
	if err != nil {
		h.t.Fatal(err)
	}
	c := h.signIn("administrator")
	c.post(at(h.account, "/clients"), at(h.account, "/tokens"), url.Values{"name": {"Nightly report"}, "user": {h.people["administrator"].email}, "days": {"90"}})
	h.signIn("operator").lands(at(h.customer, "/settings"), at(h.customer, "/settings/quotas"), url.Values{"SEATS": {"1"}, "KBA": {"50"}})
	h.forget()
	return at(h.account, "/groups/"+groups[0].OuterID), at(h.customer, "/clients/"+id)
}

// TestPlaces: the pages of partners, accounts, groups, programs and settings can be read as each role.
func TestPlaces(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.crowd()
	group, client := h.furnish()
	partner, organisation := "/console/partners/"+h.partner.OuterID, "/console/organisations/"+h.partner.Organisation
	for role, pages := range map[string]map[string]string{
		"operator": {"partners": "/console/partners", "partner": partner, "partner-status": partner + "/status", "organisation": organisation, "accounts": "/console/accounts",
			"account-new": "/console/accounts/new", "clients": at(h.account, "/clients"), "settings": at(h.customer, "/settings")},
		"partner_admin":     {"partner": partner, "accounts": "/console/accounts", "settings": at(h.customer, "/settings"), "clients": at(h.customer, "/clients")},
		"partner_developer": {"partner": partner, "clients": at(h.customer, "/clients"), "client-rotate": client + "/rotate", "client-end": client + "/end"},
		"administrator": {"groups": at(h.account, "/groups"), "group": group, "group-new": at(h.account, "/groups/new"), "group-end": group + "/end",
			"clients": at(h.account, "/clients"), "settings": at(h.account, "/settings"), "no-group": at(h.account, "/groups?search=qqq")},
		"sender": {"groups": at(h.account, "/groups"), "group": group},
		"member": {"groups": at(h.account, "/groups")},
	} {
		for _, s := range h.screens() {
			h.forget()
			b := newTab(t, browser, s)
			b.signedIn(h, role)
			for name, path := range pages {
				b.open(h.url + path)
				b.until(`document.readyState === "complete"`)
				b.look(role + "-" + name)
			}
		}
	}
}

// TestPlacesByHand: one act of each page through its form, in a browser with scripts.
func TestPlacesByHand(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.crowd()
	group, client := h.furnish()
	for _, s := range h.screens()[:min(2, len(h.screens()))] {
		h.forget()
		b := newTab(t, browser, s)
		b.signedIn(h, "operator")
		organisation := "/console/organisations/" + h.partner.Organisation
		b.open(h.url + organisation)
		b.click("#f-domain")
		b.keys(s.name + ".example.org" + kb.Enter)
		b.until(`document.readyState === "complete" && document.querySelector(".flash")?.innerText.includes("The domain is claimed")`)
		b.open(h.url + organisation)
		b.click(`form[data-sure*="` + s.name + `"] button`)
		b.until(`document.querySelector("dialog[open]")`)
		b.look("vouch")
		b.click(".dialog .button-danger")
		b.until(`document.readyState === "complete" && document.querySelector(".flash")?.innerText.includes("organisation’s own")`)
		b.open(h.url + "/console/accounts/new")
		b.until(`document.activeElement?.id === "f-name"`)
		b.keys("Southwind " + s.name + kb.Enter)
		b.until(`document.readyState === "complete" && document.querySelector(".flash")?.innerText.includes("The account is made")`)
		b.open(h.url + client + "/rotate")
		b.tabTo("#main button.button-primary")
		b.keys(kb.Enter)
		b.until(`document.readyState === "complete" && document.querySelector(".once")`)
		b.look("new-secret")
		b.open(h.url + at(h.customer, "/settings"))
		b.click("#f-sender_name")
		b.keys("Riverside")
		b.click("form.settings button[type=submit]")
		b.until(`document.readyState === "complete" && document.querySelector(".flash")?.innerText.includes("The settings are saved")`)
		b.look("settings-saved")
		h.memberByKeyboard(b, group, s.name)
	}
}

// memberByKeyboard adds a person to a group without a mouse, after a slip.
func (h *house) memberByKeyboard(b *tab, group, name string) {
	b.open(h.url + group)
	b.tabTo("details.more > summary")
	b.keys(kb.Enter)
	b.tabTo("#f-join")
	b.keys(name + "@nowhere")
	b.tabTo("#f-firstName")
	b.keys("Nora")
	b.tabTo("details.more button[type=submit]")
	b.keys(kb.Enter)
	b.until(`document.readyState === "complete" && document.querySelector("[role=alert]") && document.querySelector("#f-firstName").value === "Nora"`)
	b.look("group-refused")
	b.tabTo("#f-join") // by Tab its text is selected, and what is typed takes its place
	b.keys(name + "@example.com")
	b.tabTo("details.more button[type=submit]")
	b.keys(kb.Enter)
	b.until(`document.readyState === "complete" && document.querySelector(".flash")?.innerText.includes("invited to the account")`)
	b.look("group-invited")
}
