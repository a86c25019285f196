package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// TestPackageGone: the package is taken away while one member signs and another waits. Both pages
// say so and offer a way on, whether the signing page hears it from its poll or from an act.
func TestPackageGone(t *testing.T) {
	browser := chrome(t)
	trashed := true
	for name, c := range map[string]struct {
		take       func(h *house, id string) error
		act        string // what Mary presses at once; "" waits for the poll
		told, says string // on the signing page, on the waiting page
		on         string // where the way on leads
	}{
		"deleted": {func(h *house, id string) error { return h.signing.Delete(context.Background(), h.client, id) },
			"", "was deleted", "This package is no longer there", "/inbox"},
		"deleted-leave": {func(h *house, id string) error { return h.signing.Delete(context.Background(), h.client, id) },
			"#leave", "was deleted", "This package is no longer there", "/inbox"},
		"deleted-decline": {func(h *house, id string) error { return h.signing.Delete(context.Background(), h.client, id) },
			"#decline-go", "was deleted", "This package is no longer there", "/inbox"},
		"trashed": {func(h *house, id string) error {
			return h.signing.Update(context.Background(), h.client, id, signing.Change{Trashed: &trashed})
		}, "", "has taken this package back", "This package is closed", "/sign/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, dbtest.SQLite(t))
			id := h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
			m, j := newTab(t, browser, "mary", desktop), newTab(t, browser, "john", phone)
			m.agree(h, mary)
			j.enter(h, john)
			j.until(`document.querySelector("h1")?.innerText.includes("Mary Doe has been signing since")`)
			if c.act == "#decline-go" {
				m.click("#decline")
				m.see("#declining")
				m.run(`document.querySelector("#reason").value = "Too late"`)
			}
			if err := c.take(h, id); err != nil {
				t.Fatal(err)
			}
			if c.act != "" {
				m.click(c.act)
			}
			m.until(`document.querySelector("#lost").open`)
			if told := m.text("#lost"); !strings.Contains(told, c.told) {
				t.Errorf("the signing page says %q", told)
			}
			m.look("gone-" + name)
			j.until(fmt.Sprintf(`document.querySelector("h1")?.innerText === %q`, c.says))
			j.look("gone-" + name)
			m.click("#lost [data-close]")
			if !eval[bool](m, `[...document.querySelectorAll(".fields")].every((f) => f.inert) && ["finish", "leave", "decline"].every((id) => document.getElementById(id).disabled)`) {
				t.Error("the signing page still writes")
			}
			m.look("gone-read-" + name)
			m.click("#next") // tells again
			m.click("#lost-show")
			m.until(fmt.Sprintf(`location.pathname.startsWith(%q) && !location.search`, c.on))
		})
	}
}

// run runs a statement in the page.
func (b *tab) run(statement string) { b.t.Helper(); eval[bool](b, statement+"; true") }

// agree goes from the mail to the signing page and agrees to sign electronically.
func (b *tab) agree(h *house, p person) {
	b.t.Helper()
	b.enter(h, p)
	b.consent()
	b.until(`!document.querySelector("#consent").open`)
}

// TestMovedWhileSigning: who gets another address while he signs is told what to ask for.
func TestMovedWhileSigning(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	g := h.group("Pharmacists", mary, john)
	h.send(agreement(g.OuterID))
	m := newTab(t, browser, "mary", desktop)
	m.agree(h, mary)
	address := "mary.smith@example.com"
	h.change(g, mary, directory.UserChange{Email: &address})
	m.until(`document.querySelector("#lost").open`)
	if told := m.text("#lost"); !strings.Contains(told, "no longer yours") || strings.Contains(told, "Start again") {
		t.Errorf("the page says %q", told)
	}
	m.click("#lost-show")
	m.until(`document.querySelector("h1")?.innerText === "This invitation went to an old address"`)
	m.look("moved")
}

// change changes a member of a group in the directory.
func (h *house) change(g directory.Group, p person, c directory.UserChange) {
	h.t.Helper()
	m, ok := must(h.dir.GetGroup(context.Background(), h.client, g.OuterID)).Member(memberID(h, g, p))
	if !ok {
		h.t.Fatalf("%s is no member", p.email)
	}
	if _, err := h.dir.UpdateSender(context.Background(), h.client, m.SenderID, c); err != nil {
		h.t.Fatal(err)
	}
}

// TestRefusedWords: a reason and a name the server does not take are explained where they were
// given, and nothing that was entered is lost.
func TestRefusedWords(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	g := h.group("Pharmacists", mary, john)
	h.send(agreement(g.OuterID))
	m := newTab(t, browser, "mary", phone)
	m.agree(h, mary)
	m.click("#next") // says which field it is at, for a moment
	m.click("#decline")
	m.see("#declining")
	if eval[bool](m, `document.querySelector("#banner").checkVisibility()`) {
		t.Error("a toast lies over the question")
	}
	m.run(`document.querySelector("#reason").value = "The annex \u202e is missing"`)
	m.click("#decline-go")
	m.until(`document.querySelector("#reason-problem").innerText.includes("turns the direction")`)
	if !eval[bool](m, `document.querySelector("#declining").open && document.querySelector("#reason").value.startsWith("The annex") && document.activeElement.id === "reason"`) {
		t.Error("the refused reason is lost")
	}
	m.look("reason-refused")
	m.click("#declining [data-close]")

	name := "𒀭𒂗𒆤"
	h.change(g, mary, directory.UserChange{FirstName: &name})
	m.run(`for (const field of document.querySelectorAll("[data-kind=text]")) { field.value = "RX-1"; field.dispatchEvent(new Event("change")); }`)
	for range 2 {
		m.run(`document.querySelector(".field-sign:not([data-signed])").click()`)
		m.run(`document.querySelector("#adopt").open && document.querySelector("#adopt-go").click()`)
	}
	m.until(`document.body.classList.contains("complete")`)
	m.click("#finish")
	m.until(`document.querySelector("#unable").open`)
	if told := m.text("#unable"); !strings.Contains(told, "ask Ines Keller") || !strings.Contains(told, name) {
		t.Errorf("the page says %q", told)
	}
	m.look("name-refused")
	m.click("#unable [data-close]")
	if eval[bool](m, `document.querySelector("#finish").disabled`) {
		t.Error("who asked for another name cannot finish")
	}
}

// smallFields is a package with signature fields of many sizes on its second page.
func smallFields(group string) signing.NewPackage {
	in := agreement(group)
	for i, size := range [][2]float64{{180, 36}, {90, 18}, {60, 20}, {44, 16}, {30, 12}, {22, 14}, {14, 10}, {120, 7}} {
		for k, kind := range []string{"CAPTURE", "INITIALS"} {
			for o, optional := range []bool{false, true} {
				in.Documents[0].Approvals = append(in.Documents[0].Approvals, signing.Approval{OuterID: fmt.Sprint("small", i, k, o), Role: "pharmacist", Optional: optional,
					Fields: []signing.Field{{OuterID: "f", Type: "SIGNATURE", Subtype: kind, Page: 1, Width: size[0], Height: size[1],
						Left: 20 + 190*float64(k) + 95*float64(o)*min(1, 90/size[0]), Top: 100 + 50*float64(i)}}})
			}
		}
	}
	return in
}

// TestSmallFields: what a signature field says is whole or not there, never cut off; its name stays.
func TestSmallFields(t *testing.T) {
	browser := chrome(t)
	for _, s := range []screen{desktop, phone} {
		h := newHouse(t, dbtest.SQLite(t))
		h.send(smallFields(h.group("Pharmacists", mary).OuterID))
		m := newTab(t, browser, fmt.Sprint("mary", s.width), s)
		m.agree(h, mary)
		m.run(`document.querySelectorAll(".page")[1].scrollIntoView()`)
		m.look("small-fields")
		if cut := eval[string](m, `[...document.querySelectorAll(".field-sign")].filter((f) => {
				const box = f.getBoundingClientRect(), words = f.querySelector(".sign-here"), said = words.getBoundingClientRect();
				return words.checkVisibility() && (said.width > f.clientWidth || said.left < box.left || said.height > 1.5 * box.height);
			}).map((f) => f.outerHTML).join("\n")`); cut != "" {
			t.Errorf("cut off at %d pixels:\n%s", s.width, cut)
		}
		if said := eval[string](m, `[...new Set([...document.querySelectorAll(".field-sign .sign-here")].map((e) => e.checkVisibility() ? e.innerText.trim() : ""))].sort().join()`); s == desktop && said != ",Initial,Initial (optional),Initial here,Sign,Sign (optional),Sign here" {
			t.Errorf("the fields say %q", said)
		}
		if nameless := eval[float64](m, `[...document.querySelectorAll(".field-sign")].filter((f) => !f.ariaLabel).length`); nameless > 0 {
			t.Errorf("%v fields have no name", nameless)
		}
	}
}
