package web_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/evidence"
)

// enter goes from the mail to the page after the code.
func (b *tab) enter(h *house, p person) {
	b.t.Helper()
	b.open(h.link(p))
	b.see(".start button")
	if at := eval[string](b, "location.pathname"); at != "/s" {
		b.t.Errorf("the token stays in %s's address: %s", b.name, at)
	}
	b.look("1-link")
	b.click(".start button")
	b.see("#code")
	b.look("2-code")
	b.code(h, p) // the page sends it at the sixth digit
}

// TestTwoMembersInTwoBrowsers is the ceremony as people see it: the first starts,
// the second is locked out and sees who signs; the first finishes later; the second
// goes on with what was entered and signs; both get the sealed file.
func TestTwoMembersInTwoBrowsers(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists of Riverside", mary, john).OuterID))
	m, j := newTab(t, browser, "mary", desktop), newTab(t, browser, "john", phone)

	m.enter(h, mary)
	m.see("#consent")
	m.look("3-consent")
	m.consent()
	m.until(`document.querySelector("img").complete && document.querySelectorAll(".words span").length > 20`)
	m.look("4-signing")
	m.click(`input[data-kind="text"]`)
	m.keys("RX-2231" + kb.Tab)
	m.until(`document.querySelector('input[data-kind="text"]').dataset.saved === "RX-2231"`)
	m.look("5-filled")

	j.enter(h, john)
	j.until(`document.querySelector("h1")?.innerText.includes("Mary Doe has been signing since")`)
	j.look("6-held")
	j.click("#watch button")
	j.until(`document.querySelector("#watch")?.innerText.includes("We will e-mail you")`)

	m.click("#leave")
	m.until(`document.querySelector("#standing")?.dataset.phase === "free"`)
	m.look("7-released")
	j.until(`document.querySelector("h1").innerText === "Your turn"`)
	j.look("8-your-turn")
	h.newest(john.email, "free")

	john1 := signByHand(j)
	if !strings.Contains(john1, "entered by Mary Doe") {
		t.Errorf("John is not told who entered the value: %q", john1)
	}
	m.until(`document.querySelector("h1").innerText.includes("John Smith") || document.querySelector("h1").innerText.includes("Signed and sealed")`)
	h.idle()
	j.until(`document.querySelector("h1").innerText === "Signed and sealed"`)
	j.look("13-sealed")
	m.until(`document.querySelector("h1").innerText === "Signed and sealed"`)
	m.look("13-sealed")
	checkSealedMail(t, h, mary)
	file := checkSealedMail(t, h, john)
	lookAround(h, m, j)
	for _, b := range []*tab{m, j} {
		b.drop(h, file)
		b.see(`#report[data-verdict="INTACT"]`)
		b.look("verified")
	}
}

// drop chooses a file on the verify page, which sends it at once.
func (b *tab) drop(h *house, file []byte) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "agreement.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.open(h.url + "/verify")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
}

// signByHand signs on the phone: consent, a drawn signature in both fields, finish.
// It returns what stood on the page before.
func signByHand(j *tab) string {
	j.t.Helper()
	j.click("#take button")
	j.see("#consent")
	j.consent()
	before := j.text("main")
	j.look("9-signing")
	j.click(`textarea[data-kind="area"]`) // a few pixels high here: it is entered in full size
	j.see("#editor-field")
	j.keys("On duty until noon")
	j.look("9-editor")
	j.click("#editor-done")
	j.until(`document.querySelector('[data-kind="area"]').dataset.saved === "On duty until noon" && document.querySelector("#editor").hidden`)
	j.click("#next")
	j.until(`document.activeElement.dataset.kind === "signature"`)
	j.keys(kb.Enter)
	j.see("#adopt")
	j.click(`#adopt [value="drawn"]`)
	j.see("#pad")
	j.draw("#pad")
	j.look("10-adopt")
	j.click("#adopt-go")
	j.until(`document.querySelectorAll(".field-sign[data-signed]").length === 1 && document.activeElement.dataset.kind === "signature"`)
	j.look("11-adopted")
	j.keys(kb.Enter) // the second field takes the adopted signature without asking
	j.until(`document.body.classList.contains("complete")`)
	j.look("12-complete")
	j.click("#finish")
	return before
}

// checkSealedMail finds the sealed file in a member's mailbox and verifies it.
func checkSealedMail(t *testing.T, h *house, p person) []byte {
	t.Helper()
	l := h.newest(p.email, "John Smith")
	if len(l.Attachments) == 0 {
		t.Fatalf("%s got no file: %q", p.email, l.Subject)
	}
	_, _, file, err := h.post.MailboxAttachment(context.Background(), l.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	report, err := h.config.Verify(context.Background(), file)
	if err != nil || report.Verdict != evidence.Intact {
		t.Errorf("%s's file is %s (%v): %v", p.email, report.Verdict, err, report.Findings)
	}
	return file
}

// lookAround looks at the other pages, on the desk and on the phone.
func lookAround(h *house, m, j *tab) {
	for _, b := range []*tab{m, j} {
		for name, path := range map[string]string{"front": "/", "inbox": "/inbox", "verify": "/verify", "mailbox": "/mailbox", "error": "/nothing"} {
			b.open(h.url + path)
			b.look(name)
		}
	}
	m.open(h.url + "/mailbox?to=" + mary.email)
	m.click(".mail-list li a")
	m.see(".mail-body")
	m.look("letter")
}

// TestKeyboardAlone signs without a pointer: link, code, consent, fields, finish.
func TestKeyboardAlone(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	m := newTab(t, browser, "mary", desktop)
	m.open(h.link(mary))
	m.see(".start button")
	m.tabTo(".start button")
	m.keys(kb.Enter)
	m.see("#code")
	m.until(`document.activeElement.id === "code"`)
	m.code(h, mary)
	m.see("#consent")
	m.tabTo("#agree")
	m.keys(kb.Enter)
	m.until(`document.activeElement.id === "next"`)
	m.keys(kb.Enter)
	m.until(`document.activeElement.dataset.kind === "signature"`)
	m.keys(kb.Enter)
	m.see("#adopt")
	m.look("typed")
	m.tabTo("#adopt-go")
	m.keys(kb.Enter)
	m.until(`document.activeElement.dataset.kind === "text"`)
	m.keys("RX-77" + kb.Tab)
	m.until(`document.querySelector('[data-kind="text"]').dataset.saved === "RX-77"`)
	m.tabTo(`[data-kind="check"]`)
	m.keys(" ")
	m.until(`document.querySelector('[data-kind="check"]').dataset.saved === "X"`)
	m.tabTo("#next")
	m.keys(kb.Enter)
	m.until(`document.activeElement.dataset.kind === "signature"`)
	m.keys(kb.Enter)
	m.until(`document.activeElement.id === "finish"`)
	m.shot("finish")
	m.keys(kb.Enter)
	m.until(`document.querySelector("h1")?.innerText === "Signed and sealed"`)
}

// TestTakenOver: the page that was left on one device is told and only reads; going on
// there takes the lease back. A decline says first that it is for everybody.
func TestTakenOver(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
	desk, pocket := newTab(t, browser, "desk", desktop), newTab(t, browser, "pocket", phone)
	for _, b := range []*tab{desk, pocket} {
		b.open(h.link(mary))
		b.click(".start button")
		b.see("#code")
		b.code(h, mary)
		b.see("#consent")
	}
	desk.until(`document.querySelector("#lost").open`)
	if told := desk.text("#lost"); !strings.Contains(told, "another device") {
		t.Errorf("the desk is told %q", told)
	}
	desk.look("taken-over")
	if !eval[bool](desk, `[...document.querySelectorAll(".fields")].every((f) => f.inert) && document.querySelector("#finish").disabled`) {
		t.Error("the page that was left still writes")
	}
	desk.click("#lost-again")
	desk.until(`document.querySelector("#consent")?.open`)
	pocket.until(`document.querySelector("#lost").open`)
	pocket.look("taken-over")
	desk.consent()
	desk.until(`!document.querySelector("#consent").open`)
	desk.click("#decline")
	desk.see("#declining")
	if told := desk.text("#declining"); !strings.Contains(told, "for the whole group Pharmacists") {
		t.Errorf("the decline says %q", told)
	}
	desk.click("#decline-go")
	desk.until(`document.querySelector("#reason-problem").innerText !== ""`)
	desk.look("decline")
	desk.click("#reason")
	desk.keys("The annex is missing")
	desk.click("#decline-go")
	desk.until(`document.querySelector("h1")?.innerText === "Declined by Mary Doe"`)
	desk.look("declined")
}

// TestNamesAreInertInABrowser is L6 where it matters: no text of others runs.
func TestNamesAreInertInABrowser(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	m := newTab(t, browser, "mary", desktop)
	h.send(h.hostile(strings.Join(payloads[:4], ""), mary))
	link := h.link(mary)
	harmless := func(page string) {
		t.Helper()
		if eval[bool](m, `typeof pwned !== "undefined"`) {
			t.Errorf("%s ran a text of others", page)
		}
	}
	m.open(link)
	harmless("link")
	m.click(".start button")
	m.see("#code")
	harmless("code")
	m.code(h, mary)
	m.see("#consent")
	harmless("signing")
	m.shot("hostile")
	for _, path := range []string{"/inbox", "/mailbox", "/mailbox/m/" + h.newest(mary.email, "/s/").ID} {
		m.open(h.url + path)
		harmless(path)
	}
}

// TestUntouchedPage is rule 3 at the page: who only leaves it open sends no heartbeat and
// loses the lease; the first touch makes it a hard one.
func TestUntouchedPage(t *testing.T) {
	browser := chrome(t)
	d := dbtest.SQLite(t)
	h := newHouse(t, d)
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	m := newTab(t, browser, "mary", desktop)
	m.open(h.link(mary))
	m.click(".start button")
	m.see("#code")
	m.code(h, mary)
	m.see("#consent")
	stage := `fetch(location.pathname + "/state").then((r) => r.json()).then((s) => s.lease?.stage ?? s.phase)`
	if got := eval[string](m, stage); got != "soft" {
		t.Errorf("an untouched page holds a %s lease", got)
	}
	d.Shift(91 * time.Second)
	m.until(`document.querySelector("#lost").open`)
	if told := m.text("#lost"); !strings.Contains(told, "Your time ran out") {
		t.Errorf("the page says %q", told)
	}
	m.click("#lost-again")
	m.until(`document.querySelector("#consent")?.open`)
	m.keys(kb.Tab)
	m.until(`/1[45] min/.test(document.querySelector("#left").innerText)`)
	if got := eval[string](m, stage); got != "hard" {
		t.Errorf("a touched page holds a %s lease", got)
	}
}
