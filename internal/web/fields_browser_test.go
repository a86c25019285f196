package web_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/signing"
)

var anna = person{"Anna", "Meier", "anna.meier@example.org"}

// put is a field in its place, in points.
func put(id, subtype, name string, left, top, width, height float64, validation string) signing.Field {
	f := signing.Field{OuterID: id, Type: "INPUT", Subtype: subtype, Name: name, Left: left, Top: top, Width: width, Height: height}
	if strings.Contains("FULLNAME INITIALS CAPTURE", subtype) {
		f.Type = "SIGNATURE"
	}
	if validation != "" {
		f.Validation = []byte(validation)
	}
	return f
}

// everyKind is a package of two documents with fields of every kind, a file to add and reasons to decline.
func everyKind(roles ...signing.NewRole) signing.NewPackage {
	title := "Head of purchasing"
	fixed := put("fixed", "CUSTOMFIELD", "Customer number", 330, 408, 150, 18, "")
	fixed.Value = &title
	first := []signing.Field{
		put("sign", "CAPTURE", "", 80, 700, 190, 44, ""),
		put("initial", "INITIALS", "", 300, 700, 70, 44, ""),
		put("name", "TEXTFIELD", "Name of the ward", 80, 408, 200, 20, `{"required":true,"maxLength":40}`),
		put("zip", "TEXTFIELD", "Postcode", 80, 440, 90, 20, `{"required":true,"pattern":"[0-9]{5}","errorMessage":"A postcode has five digits."}`),
		put("note", "TEXTAREA", "Note", 80, 470, 200, 60, ""),
		put("ward", "LIST", "Ward", 330, 440, 150, 20, `{"required":true,"enum":["Surgery","Children","Eye clinic"]}`),
		put("begin", "DATEPICKER", "Beginning", 330, 470, 150, 20, `{"required":true,"enum":["dd/MM/yyyy"]}`),
		put("daily", "RADIO", "Daily", 80, 560, 14, 14, `{"required":true,"group":"How often"}`),
		put("weekly", "RADIO", "Weekly", 140, 560, 14, 14, `{"group":"How often"}`),
		put("monthly", "RADIO", "Monthly", 200, 560, 14, 14, `{"group":"How often"}`),
		put("cold", "CHECKBOX", "Cold chain", 330, 560, 14, 14, `{"group":"Care","minimumRequired":1,"maximumRequired":2}`),
		put("safe", "CHECKBOX", "Safe", 390, 560, 14, 14, `{"group":"Care","minimumRequired":1,"maximumRequired":2}`),
		put("fast", "CHECKBOX", "Express", 450, 560, 14, 14, `{"group":"Care","minimumRequired":1,"maximumRequired":2}`),
		fixed, put("day", "DATE", "Date", 400, 712, 120, 18, ""),
	}
	second := []signing.Field{put("extra", "FULLNAME", "Newsletter", 80, 600, 180, 40, ""), put("mail", "TEXTFIELD", "Where to", 280, 610, 180, 20, `{"required":true}`)}
	role := roles[0].OuterID
	return signing.NewPackage{Name: "Delivery to the wards", Send: true, Roles: roles,
		Settings: []byte(`{"ceremony":{"declineReasons":["The prices are wrong","Another supplier"],"optOutButton":true,"optOutReasons":["I want paper"],"disableOptOutOther":true}}`),
		Documents: []signing.NewDocument{
			{OuterID: "order", Name: "Standing order", PDF: samplePDF(1), Approvals: []signing.Approval{{OuterID: "main", Role: role, Fields: first}}},
			{OuterID: "terms", Name: "Terms of delivery", PDF: samplePDF(2), Approvals: []signing.Approval{
				{OuterID: "extra", Role: role, Optional: true, Fields: second}, {OuterID: "read", Role: role}}},
		}}
}

func asks(id string, p person) signing.NewRole {
	return signing.NewRole{OuterID: id, Name: id, Type: "SIGNER", Signer: signing.NewSigner{Email: p.email, FirstName: p.first, LastName: p.last},
		Attachments: []signing.Attachment{{OuterID: "licence", Name: "Your licence", Description: "A photograph or a scan, both sides.", Required: true}}}
}

// saved is a condition of the page: the server has this value of a field.
func saved(id, value string) string {
	return `document.querySelector('[data-key$="/` + id + `"]').dataset.saved === ` + quoted(value)
}

func quoted(text string) string { return string(must(json.Marshal(text))) }

func byKey(id string) string { return `[data-key$="/` + id + `"]` }

// TestEveryKindOfField fills in fields of every kind, on the desk and on the phone: hints beside the field,
// groups that are one question, the way to what is missing, files to add, and what cannot be typed.
func TestEveryKindOfField(t *testing.T) {
	browser := chrome(t)
	for name, seat := range map[string]screen{"desk": desktop, "phone": {390, 844, 2, "dark"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, dbtest.SQLite(t))
			h.send(everyKind(asks("buyer", anna)))
			a := newTab(t, browser, name, seat)
			a.open(h.link(anna))
			a.click(".start button")
			a.consent()
			a.until(`document.querySelector("#count").innerText === "0 of 10 required fields done"`)
			a.until(`document.querySelector("img").complete`)
			a.look("kinds-1")
			a.fillEveryKind(name == "phone")
			a.addLicence()
			a.until(`document.body.classList.contains("complete")`)
			a.look("kinds-5-complete")
			a.click("#finish")
			a.until(`document.querySelector("h1")?.innerText === "Signed and sealed"`)
			a.look("kinds-6-sealed")
		})
	}
}

// enterIn types a value where the person is: on the phone in the field of full size.
func (b *tab) enterIn(id, text string, phone bool) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('` + byKey(id) + `').focus()`))
	if phone {
		b.see("#editor-field")
		b.keys(text)
		b.click("#editor-done")
		return
	}
	b.keys(text + kb.Tab)
}

func (b *tab) fillEveryKind(phone bool) {
	b.t.Helper()
	b.enterIn("zip", "12a", phone)
	b.until(`document.querySelector('.place:has(` + byKey("zip") + `) .field-note')?.innerText === "A postcode has five digits."`)
	b.look("kinds-2-hint")
	b.click("#next")
	b.enterIn("zip", strings.Repeat(kb.Backspace, 3)+"12345", phone)
	b.until(saved("zip", "12345") + ` && !document.querySelector('.place:has(` + byKey("zip") + `) .field-note')`)
	b.enterIn("name", "Eye clinic", phone)
	b.enterIn("begin", "03052027", phone)
	b.until(saved("begin", "2027-05-03") + ` || ` + saved("begin", "2027-03-05"))
	b.enterIn("ward", "Ch", phone)
	b.until(saved("ward", "Children"))
	b.click(byKey("daily"))
	b.until(saved("daily", "X"))
	b.keys(kb.ArrowRight) // a group is one stop of the Tab key; the arrows choose in it
	b.until(saved("weekly", "X") + " && " + saved("daily", ""))
	for _, id := range []string{"cold", "safe", "fast"} {
		b.click(byKey(id))
	}
	b.until(`document.querySelector('.place:has(` + byKey("cold") + `) .field-note')?.innerText.includes("most")`)
	b.look("kinds-3-group")
	b.click(byKey("safe"))
	b.until(saved("fast", "X") + " && " + saved("safe", ""))
	b.until(`!document.querySelector(".field-note")`)
	b.click(".accept input")
	b.click(byKey("sign"))
	b.see("#adopt")
	if eval[bool](b, `document.querySelector("#ways").checkVisibility()`) {
		b.t.Error("a field that asks for a drawn signature offers to type one")
	}
	b.draw("#pad")
	b.click("#adopt-go")
	b.until(`document.activeElement.dataset.kind === "initials"`)
	b.keys(kb.Enter)
	b.see("#adopt")
	b.click(`#adopt [value="pictured"]`)
	b.click("#adopt-go")
	b.until(`document.querySelector("#pictured-problem").innerText === "Please choose a picture first."`)
	b.uploadTo("#pictured-file", "notes.png", []byte("no picture"))
	b.until(`document.querySelector("#pictured-problem").innerText.startsWith("This is no picture")`)
	b.uploadTo("#pictured-file", "initials.png", penned())
	b.see("#pictured-preview path")
	b.look("kinds-4-initials")
	b.click("#adopt-go")
}

// addLicence is led to the file that is missing, adds one, takes it back and adds another.
func (b *tab) addLicence() {
	b.t.Helper()
	b.until(`document.activeElement.classList.contains("attachment-file")`)
	b.click("#finish")
	b.until(`document.querySelector(".attachment .problem").innerText === "Please add this file."`)
	b.upload("licence front.pdf", samplePDF(1))
	b.until(`document.querySelector(".attachment-files li")?.innerText.includes("licence front.pdf")`)
	b.click("[data-remove]")
	b.until(`!document.querySelector(".attachment-files li")`)
	b.upload("licence.exe", []byte("MZ\x90\x00not a picture"))
	b.until(`document.querySelector(".attachment .problem").innerText !== ""`)
	b.upload("licence.pdf", samplePDF(1))
	b.until(`document.querySelector(".attachment-files li")?.innerText.includes("licence.pdf")`)
}

// penned is a picture of initials: two strokes of ink on light grey paper.
func penned() []byte {
	img := image.NewGray(image.Rect(0, 0, 300, 200))
	for i := range img.Pix {
		img.Pix[i] = 225
	}
	for i := range 120 {
		for w := range 6 {
			img.SetGray(60+i/2+w, 160-i, color.Gray{Y: 30})
			img.SetGray(120+i/2+w, 40+i, color.Gray{Y: 30})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func (b *tab) upload(name string, file []byte) {
	b.t.Helper()
	b.uploadTo(".attachment .attachment-file", name, file)
}

// uploadTo chooses a file as a person does.
func (b *tab) uploadTo(css, name string, file []byte) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS(css), []string{path}))
}

// TestSayingNo: the sender's reasons, in a list; where other words are off there is no place for them.
func TestSayingNo(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(everyKind(asks("buyer", anna)))
	a := newTab(t, browser, "anna", screen{390, 844, 2, "light"})
	a.open(h.link(anna))
	a.click(".start button")
	a.consent()
	a.click("#decline")
	a.see("#declining")
	a.click("#decline-go")
	a.until(`document.querySelector("#reason-problem").innerText === "Please choose a reason."`)
	a.click("#declining [data-other]")
	a.see("#reason")
	a.look("no-decline")
	a.click("#declining [data-close]")
	a.click("#optout")
	a.see("#opting")
	if eval[bool](a, `document.querySelector("#opting textarea") !== null`) {
		t.Error("own words are offered where the sender takes none")
	}
	a.click(`#opting [type="radio"]`)
	a.look("no-optout")
	a.click("#optout-go")
	a.until(`document.querySelector("h1")?.innerText === "Anna Meier opted out"`)
	a.look("no-opted-out")
	a.open(h.link(anna))
	a.look("no-link")
}
