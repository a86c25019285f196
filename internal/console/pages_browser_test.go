package console_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// crowd fills the account with people, permissions and entities, so that pictures show something.
func (h *house) crowd() {
	h.t.Helper()
	ctx := context.Background()
	names := [][2]string{{"Amélie", "Lefèvre"}, {"Bartholomew", "Featherstonehaugh-Cholmondeley"}, {"مريم", "الزهراني"}, {"Jürgen", "Groß"}, {"Li", "Wei"}, {"Nia", "Okafor"}, {"Søren", "Ågesen"}, {"Zoë", "Quinn"}}
	for i, n := range names {
		kind := directory.Regular
		if i == 3 {
			kind = directory.Manager
		}
		if _, _, err := h.dir.InviteSender(ctx, h.client, directory.NewUser{Email: fmt.Sprintf("person%d@example.com", i), FirstName: n[0], LastName: n[1],
			Title: "Pharmacist", Company: "Riverside Pharmacy", Type: kind}); err != nil {
			h.t.Fatal(err)
		}
	}
	if _, err := h.dir.CreateGroup(ctx, h.client, directory.NewGroup{Name: "Pharmacists on duty", Members: []directory.NewMember{
		{Email: h.people["sender"].email, MemberType: "MANAGER"}, {Email: "person1@example.com", MemberType: "REGULAR"}}}); err != nil {
		h.t.Fatal(err)
	}
	c := h.signIn("administrator")
	list, user := at(h.account, "/permissions"), at(h.account, "/users/"+h.people["sender"].sender)
	c.lands(list, at(h.account, "/permissions"), map[string][]string{"name": {"Approve contracts"}, "description": {"Above 10 000 €, for the clinics of the north"}, "licence": {"salesforce"}})
	c.lands(list, at(h.account, "/presets"), map[string][]string{"name": {"Contract manager"}, "permission": {"1000", "6"}, "licence": {"salesforce"}})
	c.lands(list, at(h.account, "/licences"), map[string][]string{"name": {"archive"}, "title": {"Archive"}})
	c.lands(list, at(h.account, "/entities"), map[string][]string{"kind": {"organization"}, "number": {"12"}, "name": {"Clinics of the north"}})
	c.lands(user, user+"/grants", map[string][]string{"thing": {"preset 1000"}})
	c.lands(user, user+"/grants", map[string][]string{"thing": {"permission 1000"}, "organizationIds": {"12"}})
	c.lands(user, user+"/grants", map[string][]string{"thing": {"permission 2"}})
	c.post(user, user+"/tokens", map[string][]string{"name": {"Nightly report"}, "days": {"90"}})
	h.signIn("sender")
}

// screens are a desk by day and a phone at night; for pictures all of them.
func (h *house) screens() []screen {
	if os.Getenv("COUNTERSIGN_SCREENSHOTS") != "" {
		return screens
	}
	return []screen{screens[0], screens[3]}
}

// TestPages: each page of each role can be read, on a phone in the dark as at a desk, and by assistive technology.
func TestPages(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.crowd()
	sender := h.people["sender"].sender
	for role, pages := range map[string]map[string]string{
		"administrator": {"home": "/console", "users": at(h.account, "/users"), "user-new": at(h.account, "/users/new"), "user": at(h.account, "/users/"+sender),
			"user-end": at(h.account, "/users/"+sender+"/end"), "access": at(h.account, "/access"), "permissions": at(h.account, "/permissions"),
			"sessions": "/console/sessions", "password": "/console/password", "nobody": at(h.account, "/users?search=qqq"), "unknown": "/console/nowhere"},
		"operator":          {"home": "/console", "account": at(h.account, ""), "users": at(h.account, "/users")},
		"partner_admin":     {"home": "/console", "account": at(h.customer, "")},
		"partner_developer": {"home": "/console", "refused": at(h.customer, "/users")},
		"sender":            {"home": "/console", "sessions": "/console/sessions"},
		"member":            {"home": "/console"},
	} {
		for _, s := range h.screens() {
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

// TestMenus: on a phone the places fold away; menus open and close; what is dangerous asks first.
func TestMenus(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.crowd()
	b := newTab(t, browser, screens[3])
	b.signedIn(h, "administrator")
	b.open(h.url + at(h.account, "/users"))
	b.click(".fold > summary")
	b.until(`document.querySelector(".fold").open`)
	b.look("menu")
	b.click(".fold > summary")
	b.click(".who > summary")
	b.look("who")
	b.keys(kb.Escape)
	b.until(`!document.querySelector(".who").open`)
	b.open(h.url + at(h.account, "/users/"+h.people["sender"].sender))
	b.click(`form[data-sure*="Contract manager"] button`)
	b.until(`document.querySelector("dialog[open]")`)
	b.look("sure")
	b.click(".dialog .button-danger")
	b.until(`document.querySelector(".flash")?.innerText.includes("The grant has ended")`)
	b.click(".more > summary")
	b.until(`document.querySelector("details.more").open`)
	b.look("change")
}

// TestSignInByKeyboard: from the address over the mailed link to a new user without a mouse.
func TestSignInByKeyboard(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	email := h.people["administrator"].email
	for i, s := range h.screens() {
		h.forget()
		b := newTab(t, browser, s)
		b.open(h.url + at(h.account, "/users/new"))
		b.says("Sign in")
		b.look("sign-in")
		b.keys(email + kb.Enter)
		b.until(`document.querySelector("form[action$='/mail']")`)
		b.look("ways")
		b.tabTo(`form[action$="/mail"] button`)
		b.keys(kb.Enter)
		b.says("Check your e-mail")
		b.look("sent")
		b.open(h.mailed(email, authn.LinkPath))
		b.says("Sign in to Countersign")
		b.look("link")
		b.tabTo(`form[action$="/link"] button`)
		b.keys(kb.Enter)
		b.says("New user")
		for name, text := range map[string]string{"email": fmt.Sprintf("keys%d@example.com", i), "firstName": "Kim", "lastName": "Keys"} {
			b.tabTo("#f-" + name)
			b.keys(text)
		}
		b.tabTo(`form.entry button[type="submit"]`)
		b.keys(kb.Enter)
		b.says("Kim Keys")
		b.look("user-created")
	}
}

// TestSignInByPasswordPage: by a password in a browser, wrong first.
func TestSignInByPasswordPage(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	c := h.signIn("sender")
	c.lands("/console/password", "/console/password", map[string][]string{"password": {"correct horse battery"}, "again": {"correct horse battery"}})
	b := newTab(t, browser, screens[2])
	b.open(h.url + "/console")
	b.says("Sign in")
	b.keys(h.people["sender"].email + kb.Enter)
	for _, password := range []string{"a wrong horse indeed", "correct horse battery"} {
		b.until(`document.readyState === "complete" && document.querySelector("#f-password")`)
		b.tabTo("#f-password")
		b.keys(password + kb.Enter)
		if password != "correct horse battery" {
			b.until(`document.querySelector("#problem")`)
			b.look("wrong-password")
		}
	}
	b.says("Northwind Clinics")
}

// TestChoosing: who is several people at one address says who he is, by a link and by a password, and the session is that one's.
func TestChoosing(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	ctx, email := context.Background(), h.people["sender"].email
	second := must(h.dir.CreateAccount(ctx, directory.NewAccount{Name: "Southwind Hospital"}))
	if _, _, err := h.dir.InviteSender(ctx, h.newClient(ctx, second), directory.NewUser{Email: email, FirstName: "Benjamin", LastName: "Olsen", Type: directory.Manager}); err != nil {
		t.Fatal(err)
	}
	must(h.dir.CreateStaff(ctx, directory.NewStaff{Email: email, Name: "Ben O.", Role: directory.PartnerDeveloper, Organisation: "Partner Ltd"}))
	c, link := h.newBrowser(), h.linkTo(email, "/console/sessions")
	a := c.post(link, "/console/sign-in/link", url.Values{"token": {must(url.Parse(link)).Query().Get("token")}})
	for _, words := range []string{"Northwind Clinics", "Southwind Hospital", "Partner developer"} {
		if !strings.Contains(a.body, "<bdi>"+words+"</bdi>") {
			t.Errorf("no %s in\n%s", words, a.body)
		}
	}
	b := newTab(t, browser, screens[2])
	b.open(h.linkTo(email, "/console/sessions"))
	b.says("Sign in to Countersign")
	b.keys(kb.Enter)
	b.says("As whom do you sign in?")
	b.look("choose")
	b.tabTo(`li:nth-child(3) button`)
	name := eval[string](b, `document.activeElement.querySelector("bdi").textContent`)
	b.keys(kb.Enter)
	b.says("Sessions")
	if shown := b.text("body"); !strings.Contains(shown, name) {
		t.Errorf("%s is not who is signed in:\n%s", name, shown)
	}
}
