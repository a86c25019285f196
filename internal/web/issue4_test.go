package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/congasign"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
)

// shotsEnv names a folder for the pictures of TestIssue4Package: screens, and the pages of the sealed files.
const shotsEnv = "COUNTERSIGN_TEST_SHOTS"

var (
	paul = person{"Paul", "Direktor", "paul.direktor@example.org"}
	crew = []person{mary, john, {"Ana", "Ruiz", "ana.ruiz@example.com"}, {"Kofi", "Mensah", "kofi.mensah@example.com"}, {"Yuki", "Mori", "yuki.mori@example.com"}}
)

// withAPI puts the Conga Sign surface before the pages and returns a client's Authorization header.
func (h *house) withAPI(t *testing.T) (authorization string) {
	t.Helper()
	pages := h.handler
	surface := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Authenticator: h.authn,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }},
		congasign.New(congasign.Config{Signing: h.signing, Directory: h.dir, Authn: h.authn}))
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			surface.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
	id, password, err := h.authn.CreateClient(t.Context(), h.account.ID, []authz.Right{authz.Sign, authz.ManageUsers}, "Ines Keller")
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + must(h.authn.ClientToken(t.Context(), id, password, "")).Access
}

// call is a request of the sender's program; the answer must be 200.
func (h *house) call(authorization, method, path, media string, body io.Reader) map[string]any {
	h.t.Helper()
	r := must(http.NewRequest(method, h.url+path, body))
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", media)
	answer := must(http.DefaultClient.Do(r))
	defer answer.Body.Close()
	text := must(io.ReadAll(answer.Body))
	if answer.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	out := map[string]any{}
	if len(text) > 0 && json.Unmarshal(text, &out) != nil {
		h.t.Fatalf("%s %s: %s", method, path, text)
	}
	return out
}

type object = map[string]any

// perPoint: the surface measures in 1/93.6 inch.
const perPoint = 1.3

// at is a field in its place; left, top, width and height are points.
func at(id, subtype, name string, page int, left, top, width, height float64, rules object) object {
	f := object{"id": id, "name": name, "type": "INPUT", "subtype": subtype, "page": page,
		"left": left * perPoint, "top": top * perPoint, "width": width * perPoint, "height": height * perPoint}
	if strings.Contains("FULLNAME INITIALS CAPTURE", subtype) {
		f["type"] = "SIGNATURE"
	}
	if rules != nil {
		f["validation"] = rules
	}
	return f
}

func block(id, role string, fields ...object) object {
	return object{"id": id, "role": role, "fields": fields}
}

func signer(p person) []object {
	return []object{{"id": p.first, "email": p.email, "firstName": p.first, "lastName": p.last}}
}

// drawn are the three papers: a form, one with text tags, one with texts to anchor at.
func papers() []string {
	text := func(lines ...string) string {
		var b strings.Builder
		for i := 0; i < len(lines); i += 3 {
			fmt.Fprintf(&b, "BT /F 12 Tf %s %s Td (%s) Tj ET\n", lines[i], lines[i+1], lines[i+2])
		}
		return b.String()
	}
	form := text("72", "720", "Order of medicines for the wards", "72", "664", "Ward", "320", "664", "Customer",
		"72", "624", "Postcode", "320", "624", "Department", "72", "584", "Remarks", "320", "584", "Beginning",
		"72", "484", "How often?", "160", "484", "daily", "240", "484", "weekly", "320", "484", "monthly",
		"72", "454", "Handling", "160", "454", "cold", "240", "454", "locked", "320", "454", "express",
		"72", "300", "For the clinic", "320", "300", "For the pharmacy", "72", "160", "For the board", "320", "160", "The director")
	tags := text("72", "720", "Terms of delivery", "72", "690", "Deliveries come before noon. Whoever receives them signs for them.",
		"72", "575", "Place of delivery", "72", "500", "The buyer", "72", "318", "The director") + "1 g\n" + text( // tags are written in white, as the vendor's manual says
		"72", "560", "{{*esl_Place:Buyer:textfield:size(200,30),maxlen(40)}}", "72", "480", "{{esl_Buyer:Buyer:signature:size(220,50)}}",
		"72", "380", "{{esl_When:Buyer:signingdate:size(160,26)}}", "72", "300", "{{esl:Director:signature:size(220,50)}}",
		"72", "240", "{{esl_Title:Director:textfield:size(200,26)}}")
	annex := text("72", "720", "Annex: prices", "72", "690", "The prices of the list of January hold for two years.",
		"72", "500", "Initials of the buyer:", "72", "420", "Signature of the pharmacy:", "72", "320", "Signature of the board:")
	return []string{string(paperOf(form)), string(paperOf(tags)), string(paperOf(annex))}
}

// paperOf is a file of one page that shows what is drawn.
func paperOf(content string) []byte {
	var b bytes.Buffer
	var offsets []int
	b.WriteString("%PDF-1.7\n")
	for i, body := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(content), content),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, body)
	}
	start := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// issue4 is the package: three documents, four roles, thirty fields.
func issue4(group string) object {
	need := object{"required": true}
	customer := at("customer", "CUSTOMFIELD", "Customer", 0, 390, 116, 140, 18, nil)
	customer["value"] = "No. 4711"
	buyer := block("order", "Buyer",
		at("sign", "CAPTURE", "Signature", 0, 72, 500, 180, 46, nil), at("ini", "INITIALS", "Initials", 0, 260, 500, 46, 46, nil),
		at("ward", "TEXTFIELD", "Ward", 0, 140, 114, 150, 20, object{"required": true, "maxLength": 40}),
		at("zip", "TEXTFIELD", "Postcode", 0, 140, 154, 80, 20, object{"required": true, "pattern": "[0-9]{5}", "errorMessage": "A postcode has five digits."}),
		at("note", "TEXTAREA", "Remarks", 0, 140, 194, 150, 60, nil), customer,
		at("dept", "LIST", "Department", 0, 390, 154, 140, 20, object{"required": true, "enum": []string{"Surgery", "Children", "Eye clinic"}}),
		at("begin", "DATEPICKER", "Beginning", 0, 390, 194, 140, 20, need),
		at("daily", "RADIO", "daily", 0, 142, 297, 13, 13, object{"required": true, "group": "How often"}),
		at("weekly", "RADIO", "weekly", 0, 222, 297, 13, 13, object{"required": true, "group": "How often"}),
		at("monthly", "RADIO", "monthly", 0, 302, 297, 13, 13, object{"required": true, "group": "How often"}),
		at("cold", "CHECKBOX", "cold", 0, 142, 327, 13, 13, object{"group": "Handling", "minimumRequired": 1, "maximumRequired": 2}),
		at("locked", "CHECKBOX", "locked", 0, 222, 327, 13, 13, object{"group": "Handling", "minimumRequired": 1, "maximumRequired": 2}),
		at("express", "CHECKBOX", "express", 0, 302, 327, 13, 13, object{"group": "Handling", "minimumRequired": 1, "maximumRequired": 2}),
		at("date", "DATE", "Date", 0, 72, 550, 120, 16, nil))
	name := at("who", "LABEL", "Name", 0, 320, 550, 180, 16, nil)
	name["binding"] = "{signer.name}"
	anchored := func(id, subtype, text string, width, height float64) object {
		f := at(id, subtype, text, 0, 0, 0, width, height, nil)
		f["extractAnchor"] = object{"text": text, "index": 0, "characterIndex": 0, "anchorPoint": "TOPLEFT", "leftOffset": 220, "topOffset": -20,
			"width": int(width * perPoint), "height": int(height * perPoint)}
		return f
	}
	documents := []object{
		{"id": "form", "name": "Order", "approvals": []object{buyer,
			block("pharmacy", "Pharmacy", at("p1", "FULLNAME", "Signature", 0, 320, 500, 180, 46, nil), name,
				at("p2", "TEXTFIELD", "Licence", 0, 320, 572, 150, 18, need), at("p3", "CHECKBOX", "On duty", 0, 500, 572, 13, 13, nil)),
			block("board", "Board", at("b1", "FULLNAME", "Signature", 0, 72, 640, 180, 46, nil),
				at("b2", "TEXTFIELD", "Minute of the meeting", 0, 72, 696, 150, 18, nil)),
			block("director", "Director", at("d1", "FULLNAME", "Signature", 0, 320, 640, 180, 46, nil))}},
		{"id": "terms", "name": "Terms of delivery", "extract": true, "extractionTypes": []string{"TEXT_TAGS"}},
		{"id": "annex", "name": "Annex", "approvals": []object{block("a1", "Buyer", anchored("x1", "INITIALS", "Initials of the buyer:", 60, 30)),
			block("a2", "Pharmacy", anchored("x2", "FULLNAME", "Signature of the pharmacy:", 180, 40)),
			{"id": "a3", "role": "Board", "optional": true, "fields": []object{anchored("x3", "FULLNAME", "Signature of the board:", 180, 40)}},
			block("a4", "Director")}},
	}
	member := func(p person) object { return object{"userId": p.first, "memberType": "AD_HOC_GROUP_MEMBER"} }
	return object{"name": "Medicines for the wards", "status": "SENT", "autocomplete": true, "documents": documents, "roles": []object{
		{"id": "Buyer", "name": "Buyer", "type": "SIGNER", "index": 1, "signers": signer(anna), "attachmentRequirements": []object{
			{"id": "licence", "name": "Permit", "description": "A photograph will do.", "required": true}}},
		{"id": "Pharmacy", "name": "Pharmacy", "type": "SIGNER", "index": 2, "signers": []object{{"id": "pharmacists", "group": object{"id": group}}}},
		{"id": "Director", "name": "Director", "type": "SIGNER", "index": 4, "signers": signer(paul)},
		{"id": "Board", "name": "Board", "type": "SIGNER", "index": 3, "signers": []object{{"id": "board", "signerType": "AD_HOC_GROUP_SIGNER", "firstName": "Board",
			"email": "0123456789abcdef0123456789abcdef@adhoc.groups.e-signlive.com",
			"group": object{"name": "Board", "members": []object{member(anna), member(paul)}}}}},
	}}
}

// post sends the package with its papers as the vendor's client libraries do.
func (h *house) postPackage(authorization string, payload object, files []string) string {
	h.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_, _ = must(form.CreateFormField("payload")).Write(must(json.Marshal(payload)))
	for i, file := range files {
		_, _ = must(form.CreateFormFile("file", fmt.Sprintf("paper%d.pdf", i+1))).Write([]byte(file))
	}
	form.Close()
	return h.call(authorization, "POST", "/api/packages", form.FormDataContentType(), &b)["id"].(string)
}

// TestIssue4Package is a package as real clients send it, signed to the end by everybody in a browser.
func TestIssue4Package(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	authorization := h.withAPI(t)
	h.call(authorization, "POST", "/api/account/signingThemes", "application/json",
		strings.NewReader(`{"default":{"color":{"primary":"#7a1f5c","signatureButton":"#f2c500"}}}`))
	id := h.postPackage(authorization, issue4(h.group("Pharmacists of Riverside", crew...).OuterID), papers())
	h.checkMade(authorization, id)
	a := newTab(t, browser, "anna", screen{1280, 900, 1, "light"}).pictured()
	a.open(h.link(anna))
	a.look("i4-1-link")
	a.click(".start button")
	a.consent()
	a.until(`document.querySelectorAll(".sheet img").length === 3 && document.querySelector("img").complete`)
	a.look("i4-2-signing")
	a.fillOrder()
	a.finishAll("anna")
	h.idle()
	m := newTab(t, browser, "mary", screen{390, 844, 2, "dark"}).pictured()
	m.enter(h, mary)
	m.consent()
	m.until(`document.querySelector("img").complete`)
	m.look("i4-3-group")
	m.enterIn("p2", "RX-2231", true)
	m.finishAll("mary")
	h.idle()
	p := newTab(t, browser, "paul", screen{390, 844, 2, "light"}).pictured()
	p.enterLink(h, paul)
	p.consent()
	p.look("i4-4-adhoc")
	p.finishAll("paul-board")
	h.idle()
	p.enterLink(h, paul)
	p.consent()
	p.finishAll("paul")
	h.idle()
	p.until(`document.querySelector("h1").innerText === "Signed and sealed"`)
	p.look("i4-6-sealed")
	h.checkSealed(authorization, id)
}

// pictured has the tab's pictures kept where those of the package are.
func (b *tab) pictured() *tab {
	if shots := os.Getenv(shotsEnv); shots != "" {
		b.shots = shots
	}
	return b
}

// checkMade reads the package back: it is as large as it was meant to be.
func (h *house) checkMade(authorization, id string) {
	h.t.Helper()
	h.idle()
	made := h.call(authorization, "GET", "/api/packages/"+id, "application/json", nil)
	documents, fields, roles := 0, 0, 0
	for _, d := range made["documents"].([]any) {
		if d.(object)["id"] == "default-consent" {
			continue
		}
		documents++
		for _, a := range d.(object)["approvals"].([]any) {
			fields += len(a.(object)["fields"].([]any))
		}
	}
	for _, r := range made["roles"].([]any) {
		if strings.Contains("Buyer Pharmacy Director Board", r.(object)["id"].(string)) {
			roles++
		}
	}
	if documents != 3 || fields != 30 || roles != 4 || len(made["roles"].([]any)) > 5 { // the fifth is the sender's own
		h.t.Errorf("the package has %d documents, %d fields and %d of %d roles", documents, fields, roles, len(made["roles"].([]any)))
	}
}

// enterLink goes in by the newest invitation, with a code where one is asked for.
func (b *tab) enterLink(h *house, p person) {
	b.t.Helper()
	b.open(h.link(p))
	b.click(".start button")
	b.see("#code, #consent")
	if eval[bool](b, `document.querySelector("#code") !== null`) {
		b.code(h, p)
		b.see("#consent")
	}
}

func (b *tab) fillOrder() {
	b.t.Helper()
	b.enterIn("ward", "Eye clinic", false)
	b.enterIn("zip", "12a", false)
	b.until(`document.querySelector('.place:has(` + byKey("zip") + `) .field-note')?.innerText === "A postcode has five digits."`)
	b.look("i4-2-hint")
	b.enterIn("zip", strings.Repeat(kb.Backspace, 3)+"12345", false)
	b.enterIn("note", "Please ring at the side entrance, the main gate is closed before seven.", false)
	b.enterIn("dept", "Eye", false)
	b.enterIn("begin", "01022027", false)
	b.click(byKey("weekly"))
	b.click(byKey("cold"))
	b.click(byKey("express"))
	b.until(saved("dept", "Eye clinic") + "&&" + saved("weekly", "X") + "&&" + saved("express", "X"))
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-kind="text"][data-label="Place"]').focus()`))
	b.keys("Springfield" + kb.Tab)
	b.upload("permit.pdf", samplePDF(1))
	b.until(`document.querySelector(".attachment-files li")`)
}

// finishAll signs whatever is left by the guide alone, with the keyboard, and finishes; then presses what else is asked.
func (b *tab) finishAll(name string, then ...string) {
	b.t.Helper()
	b.until(`!document.querySelector("#consent").open`)
	for range 20 {
		if eval[bool](b, `document.body.classList.contains("complete")`) {
			break
		}
		b.click("#next")
		b.until(`["signature", "initials", "accept"].includes(document.activeElement.dataset.kind)`)
		kind := eval[string](b, `document.activeElement.dataset.kind`)
		done := eval[int](b, `(window.at = document.activeElement, document.querySelectorAll("[data-signed]").length)`)
		b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.click()`))
		if kind != "accept" && eval[bool](b, `document.querySelector("#adopt").open`) {
			if eval[bool](b, `!document.querySelector("#drawn").hidden`) {
				b.draw("#pad")
			}
			b.look("i4-5-adopt-" + kind + "-" + name)
			b.click("#adopt-go")
		}
		b.until(fmt.Sprintf(`document.querySelectorAll("[data-signed]").length > %d || window.at.checked`, done))
	}
	b.until(`document.body.classList.contains("complete")`)
	b.look("i4-5-complete-" + name)
	b.click("#finish")
	for _, css := range then {
		b.see(css)
		b.look("i4-5-then-" + name)
		b.click(css)
	}
	b.until(`document.querySelector("#standing") !== null`)
}

// checkSealed downloads the sealed files: independent tools call them signed as a whole.
func (h *house) checkSealed(authorization, id string) {
	h.t.Helper()
	folder := os.Getenv(shotsEnv)
	if folder == "" {
		folder = h.t.(*testing.T).TempDir()
	}
	for _, doc := range []string{"form", "terms", "annex"} {
		r := must(http.NewRequest("GET", h.url+"/api/packages/"+id+"/documents/"+doc+"/pdf", nil))
		r.Header.Set("Authorization", authorization)
		answer := must(http.DefaultClient.Do(r))
		file := filepath.Join(folder, doc+".pdf")
		if err := os.WriteFile(file, must(io.ReadAll(answer.Body)), 0o600); err != nil || answer.StatusCode != http.StatusOK {
			h.t.Fatal(doc, answer.StatusCode, err)
		}
		answer.Body.Close()
		tool, err := exec.LookPath("pdfsig")
		if err != nil {
			dbtest.Missing(h.t, "no pdfsig: install poppler-utils")
		}
		report, _ := exec.Command(tool, "-nocert", file).CombinedOutput()
		for _, want := range []string{"Signature is Valid", "Total document signed"} {
			if !strings.Contains(string(report), want) {
				h.t.Errorf("%s: pdfsig says\n%s", doc, report)
			}
		}
		if os.Getenv(shotsEnv) != "" {
			if out, err := exec.Command("pdftoppm", "-r", "70", "-png", file, filepath.Join(folder, "sealed-"+doc)).CombinedOutput(); err != nil {
				h.t.Errorf("pdftoppm: %s", out)
			}
		}
	}
}
