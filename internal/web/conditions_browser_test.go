package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// conditional is a package whose check box opens a field that must be filled, and whose list closes another.
func conditional() signing.NewPackage {
	when := func(condition string, actions ...string) json.RawMessage {
		var all []map[string]string
		for _, action := range actions {
			all = append(all, map[string]string{"condition": condition, "action": action})
		}
		return must(json.Marshal(all))
	}
	at := func(id string) string { return "document['order'].field['" + id + "']" }
	why := put("why", "TEXTFIELD", "Which allergies", 80, 470, 200, 20, `{"disabled":true}`)
	why.Conditions = when(at("ill")+".value == 'X' && "+at("kind")+".value != 'Other'", at("why")+".disabled = false", at("why")+".required = true")
	phone := put("phone", "TEXTFIELD", "Telephone", 80, 500, 200, 20, `{"required":true}`)
	phone.Conditions = when(at("kind")+".value == 'Letter' || "+at("kind")+".value == 'Other'", at("phone")+".disabled = true")
	in := everyKind(signing.NewRole{OuterID: "buyer", Name: "Buyer", Type: "SIGNER", Signer: signing.NewSigner{Email: anna.email, FirstName: anna.first, LastName: anna.last}})
	in.Documents = []signing.NewDocument{{OuterID: "order", Name: "Form", PDF: samplePDF(1), Approvals: []signing.Approval{{OuterID: "main", Role: "buyer", Fields: []signing.Field{
		put("ill", "CHECKBOX", "Allergies", 80, 408, 14, 14, ""), put("kind", "LIST", "How to reach you", 80, 440, 150, 20, `{"enum":["Call","Letter","Other"]}`),
		why, phone, put("sign", "FULLNAME", "", 80, 560, 190, 44, "")}}}}}
	return in
}

// TestConditionsLive: what a condition opens, demands or closes follows the entry at once, without a reload, and the
// server refuses what the page did not show.
func TestConditionsLive(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(conditional())
	a := newTab(t, browser, "anna", screen{390, 844, 2, "light"})
	a.enterLink(h, anna)
	a.consent()
	state := func(id string, disabled, required bool) string {
		return `(f => f.disabled === ` + quotedBool(disabled) + ` && ("required" in f.dataset) === ` + quotedBool(required) + `)(document.querySelector('` + byKey(id) + `'))`
	}
	count := func(left string) string {
		return `document.querySelector("#count").innerText === "0 of ` + left + ` required fields done"`
	}
	a.until(state("why", true, false) + "&&" + state("phone", false, true) + "&&" + count("2"))
	a.click(byKey("ill"))
	a.until(state("why", false, true) + "&&" + count("3"))
	a.look("conditions-open")
	a.enterIn("kind", "Lett", true)
	a.until(state("phone", true, false) + "&&" + count("2"))
	a.look("conditions-closed")
	a.enterIn("kind", "Oth", true)
	a.until(state("why", true, false))
	a.do(chromedp.Reload())
	a.until(state("why", true, false) + "&&" + state("phone", true, false)) // as the server holds it
	a.enterIn("kind", "Cal", true)
	a.until(state("why", false, true) + "&&" + state("phone", false, true))
	a.enterIn("why", "Penicillin", true)
	a.enterIn("phone", "0123", true)
	a.finishAll("anna")
	a.until(`document.querySelector("h1")?.innerText === "Signed and sealed"`)
}

func quotedBool(b bool) string { return string(must(json.Marshal(b))) }

// TestKeyboardOnNewPages: files, reasons and the way on are reached and used by the keyboard alone.
func TestKeyboardOnNewPages(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(everyKind(asks("buyer", anna)))
	a := newTab(t, browser, "anna", desktop)
	a.enterLink(h, anna)
	a.tabTo("#agree")
	a.keys(kb.Enter)
	a.until(`!document.querySelector("#consent").open`)
	a.upload("licence.pdf", samplePDF(1))
	a.until(`document.querySelector(".attachment-files li")`)
	a.tabTo("[data-remove]")
	a.look("keyboard-files")
	a.keys(kb.Enter)
	a.until(`!document.querySelector(".attachment-files li") && document.activeElement.classList.contains("attachment-file")`)
	a.tabTo("#decline")
	a.keys(kb.Enter)
	a.see("#declining")
	a.tabTo(`#declining [type="radio"]`)
	a.keys(kb.ArrowDown)
	a.keys(kb.ArrowUp)
	a.until(`document.querySelector('#declining [type="radio"]').checked`)
	a.tabTo("#decline-go")
	a.keys(kb.Enter)
	a.until(`document.querySelector("h1")?.innerText === "Declined by Anna Meier"`)
}

// TestRejectedFile: the sender asks for another file; the page says so with his words, and signing waits for it.
func TestRejectedFile(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	authorization := h.withAPI(t)
	in := conditional()
	in.Roles[0].Attachments = asks("buyer", anna).Attachments
	in.Documents[0].Approvals[0].Fields = in.Documents[0].Approvals[0].Fields[4:]
	id := h.send(in)
	a := newTab(t, browser, "anna", screen{390, 844, 2, "dark"})
	a.enterLink(h, anna)
	a.consent()
	a.upload("licence.pdf", samplePDF(1))
	a.until(`document.querySelector(".attachment-files li") && document.querySelector('[data-progress="attachments"]').innerText.includes("done")`)
	a.click("#leave")
	a.until(`document.querySelector("#standing")?.dataset.phase === "free"`)
	h.call(authorization, "PUT", "/api/packages/"+id+"/roles/buyer", "application/json",
		strings.NewReader(`{"attachmentRequirements":[{"id":"licence","name":"Your licence","description":"A photograph or a scan, both sides.","required":true,"status":"REJECTED","comment":"Both sides, please."}]}`))
	a.click("#take button")
	a.consent() // asked anew: the sender changed what he asks for
	a.until(`document.querySelector(".attachment-comment")?.checkVisibility() && document.querySelector(".attachment-comment").innerText.includes("Both sides, please.")`)
	a.run(`document.querySelector(".attachment").scrollIntoView()`)
	a.look("file-rejected")
	if eval[bool](a, `document.body.classList.contains("complete")`) {
		t.Error("a rejected file counts as added")
	}
	a.upload("both.pdf", samplePDF(2))
	a.until(`!document.querySelector(".attachment-comment").checkVisibility()`)
	a.finishAll("anna")
	a.until(`document.querySelector("h1")?.innerText === "Signed and sealed"`)
}

// TestHandoverLink: who has signed is offered the account's way on, to an https address alone.
func TestHandoverLink(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	handover := func(text string) {
		_, err := h.dir.ChangeDocument(t.Context(), h.client, directory.Handovers, "en", func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(text), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	handover(`{"href":"https://shop.example.com/thanks?a=1&b=2","title":"Back to the shop","text":"Go on to <b>the shop</b>"}`)
	in := conditional()
	in.Documents[0].Approvals[0].Fields = in.Documents[0].Approvals[0].Fields[4:]
	h.send(in)
	a := newTab(t, browser, "anna", screen{390, 844, 2, "light"})
	a.enterLink(h, anna)
	a.consent()
	a.finishAll("anna")
	a.until(`document.querySelector(".onward a")?.href === "https://shop.example.com/thanks?a=1&b=2"`)
	if got := a.text(".onward a"); got != "Go on to <b>the shop</b>" {
		t.Errorf("the link says %q", got)
	}
	a.look("handover")
	handover(`{"href":"javascript:alert(1)","title":"Back"}`)
	a.do(chromedp.Reload())
	a.see("#standing h1")
	if eval[bool](a, `document.querySelector(".onward") !== null`) {
		t.Error("an address that is none of https is offered")
	}
}

// TestNoCopiesBeforeTheEnd: where the sender lets nobody download before all have signed, no page offers it and the address refuses.
func TestNoCopiesBeforeTheEnd(t *testing.T) {
	for settings, want := range map[string]int{`{}`: http.StatusOK, `{"ceremony":{"disableDownloadForUncompletedPackage":true}}`: http.StatusForbidden} {
		h := newHouse(t, dbtest.SQLite(t))
		in := agreement(h.group("Pharmacists", mary).OuterID)
		in.Settings = []byte(settings)
		h.send(in)
		c := h.newBrowser()
		base, epoch := c.start(mary)
		if offered := strings.Contains(c.get(base).body, "/copy"); offered != (want == http.StatusOK) {
			t.Errorf("%s: the page offers a copy: %v", settings, offered)
		}
		_, rest, _ := strings.Cut(c.get(base+"?lease="+epoch).body, base+"/d/")
		doc, _, _ := strings.Cut(rest, "/")
		if a := c.get(base + "/d/" + doc + "/copy"); a.StatusCode != want {
			t.Errorf("%s: the copy of %q: %d, want %d", settings, doc, a.StatusCode, want)
		}
	}
}
