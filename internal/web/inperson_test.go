package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/signing"
)

// TestInPersonWithoutAffidavits: the sender asks for no confirmation, neither before nor at the signature; and the list
// on the host's device hears of who signs on his own.
func TestInPersonWithoutAffidavits(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(lease(`{"ceremony":{"inPerson":true,"disableInPersonAffidavit":true}}`))
	a := newTab(t, browser, "host", desktop)
	a.enterLink(h, anna)
	a.click("#consent [data-close]")
	a.click("#leave")
	a.until(`document.querySelectorAll(".hosted-one a").length === 1`)
	p := newTab(t, browser, "own", screen{390, 844, 2, "dark"})
	p.enterLink(h, paul)
	a.until(`document.querySelector('.hosted-one[data-signer="landlord"]').innerText.includes("Being signed")`)
	p.click("#consent [data-close]")
	p.click("#leave")
	p.until(`document.querySelectorAll(".hosted-one").length === 2`)
	p.look("person-4-dark")
	a.until(`document.querySelector('.hosted-one[data-signer="landlord"]').innerText.includes("To be signed")`)
	a.tabTo(`.hosted-one[data-signer="landlord"] a`)
	a.keys(kb.Enter)
	a.see(".start")
	if eval[bool](a, `document.querySelector(".affidavit") !== null`) {
		t.Error("a confirmation is asked for that the sender does not want")
	}
	a.tabTo(".start button")
	a.keys(kb.Enter)
	a.consent()
	a.finishAll("guest")
	a.until(`document.querySelectorAll(".hosted-done").length === 1`)
}

// lease is a package that a tenant and a landlord sign.
func lease(settings string) signing.NewPackage {
	block := func(id string, top float64) signing.Approval {
		return signing.Approval{OuterID: id, Role: id, Fields: []signing.Field{put("s", "FULLNAME", "", 80, top, 190, 44, "")}}
	}
	role := func(id string, p person) signing.NewRole {
		return signing.NewRole{OuterID: id, Name: id, Type: "SIGNER", Signer: signing.NewSigner{Email: p.email, FirstName: p.first, LastName: p.last}}
	}
	return signing.NewPackage{Name: "Lease of the shop", Send: true, Settings: []byte(settings),
		Roles: []signing.NewRole{role("tenant", anna), role("landlord", paul)},
		Documents: []signing.NewDocument{{OuterID: "lease", Name: "Lease", PDF: samplePDF(1),
			Approvals: []signing.Approval{block("tenant", 500), block("landlord", 600)}}}}
}

// TestInPerson: one device, several signers. Its owner hands it over, the other confirms who he is and signs, and the
// device comes back to the list. Nobody can be handed it who does not sign here.
func TestInPerson(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(lease(`{"ceremony":{"inPerson":true}}`))
	a := newTab(t, browser, "host", screen{390, 844, 2, "light"})
	a.open(h.link(anna))
	a.click(".start button")
	a.see("#consent")
	a.click("#consent [data-close]")
	a.click("#leave")
	a.until(`document.querySelectorAll(".hosted-one").length === 2`)
	a.look("person-1-list")
	list := eval[string](a, "location.pathname")
	a.click(`.hosted-one a`)
	a.see(".affidavit")
	a.look("person-2-affidavit")
	a.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".affidavit input").required = false`))
	a.click("button[type=submit]")
	a.until(`document.querySelector("#problem")?.innerText === "Please confirm who you are."`)
	a.click(".affidavit input")
	a.click("button[type=submit]")
	a.see("#consent")
	if who := a.text("#main") + a.text(".rail") + a.text(".actionbar-law"); !strings.Contains(eval[string](a, "document.body.dataset.name"), "Paul") {
		t.Errorf("the page is for %q", who)
	}
	a.consent()
	a.finishAll("guest", "#affirm-go")
	a.until("location.pathname === " + quoted(list) + ` && document.querySelectorAll(".hosted-done").length === 1`)
	a.look("person-3-back")
	a.click(`.hosted-one form button`)
	a.consent()
	a.finishAll("host")
	h.idle()
	a.until(`document.querySelector("h1")?.innerText === "Signed and sealed"`)
	if got := h.newBrowser().get(list + "/hand-over?signer=landlord"); got.StatusCode < 400 {
		t.Errorf("a browser that knows nobody: %d", got.StatusCode)
	}
}
