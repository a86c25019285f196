package evidence

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/pdf"
)

// within fails when an item leaves the page's margins, or cannot be drawn.
func within(t interface {
	Helper()
	Errorf(string, ...any)
}, pages []pdf.NewPage) {
	t.Helper()
	for i, p := range pages {
		for _, item := range p.Items {
			text, ok := item.(pdf.Text)
			if !ok {
				continue
			}
			if missing := jail.Missing(text.String); len(missing) > 0 {
				t.Errorf("page %d: %q cannot be drawn: %q", i+1, text.String, missing)
			}
			right := text.X + jail.TextWidth(text.String, text.Size, text.Bold)
			if text.X < margin-0.1 || right > pageWidth-margin+0.6 || text.Y < 20 || text.Y > pageHeight-20 {
				t.Errorf("page %d: %q reaches from %.1f to %.1f at %.1f", i+1, text.String, text.X, right, text.Y)
			}
		}
	}
}

func TestPages(t *testing.T) {
	d := sample()
	for name, doc := range map[string]*Document{"document": &d.Documents[0], "summary": nil} {
		pages := Pages(jail, d, doc)
		within(t, pages)
		file := compose(t, pages)
		words := ""
		for i := range pages {
			got, err := jail.Text(context.Background(), file, i)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range got {
				words += w.Text + " "
			}
			if !strings.Contains(words, fmt.Sprintf("Page %d of %d", i+1, len(pages))) {
				t.Errorf("%s: page %d is not numbered", name, i+1)
			}
		}
		for _, want := range []string{"Ελένη", "山田太郎", "Юлия", "José Ñandú", "CS-A001-7KQ2", d.Documents[0].Original.String(),
			"Legal department", "code sent to the mailbox", "203.0.113.20", d.Documents[0].PageImages[3].SHA256.String()} {
			if !strings.Contains(words, want) {
				t.Errorf("%s: %q is not on the pages", name, want)
			}
		}
	}
}

// A document's pages tell of its own signatures only, the summary of all.
func TestPagesOfOneDocument(t *testing.T) {
	d := sample()
	d.Signatures[1].Documents = []string{d.Documents[1].Name}
	d.Events = nil
	if all := fmt.Sprint(Pages(jail, d, &d.Documents[0])); strings.Contains(all, "山田") || !strings.Contains(all, "Ελένη") {
		t.Error("the first document has other signatures than its own")
	}
	if all := fmt.Sprint(Pages(jail, d, nil)); !strings.Contains(all, "山田") {
		t.Error("the summary lacks a signature")
	}
}

// A huge document has only so many hashes printed; the attachment has them all.
func TestPagesOfHugeDocument(t *testing.T) {
	d := sample()
	d.Documents[0].PageImages = make([]PageImage, 2000)
	pages := Pages(jail, d, &d.Documents[0])
	if len(pages) > 12 || !strings.Contains(fmt.Sprint(pages), "and 1800 pages more") {
		t.Errorf("%d pages", len(pages))
	}
}

// L10: what cannot be shown faithfully is spelled, not hidden and not a failure.
func TestUndrawableText(t *testing.T) {
	d := sample()
	d.Signatures[0].Name = "Eve\u202efdp.exe"
	d.Signatures[0].UserAgent = "agent 👍\x00\x1b[31m\r\nX"
	pages := Pages(jail, d, nil)
	within(t, pages)
	compose(t, pages)
	all := fmt.Sprint(pages)
	for _, want := range []string{"[U+202E]", "[U+1F44D]", "[U+0000]", "[U+001B]"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not spelled", want)
		}
	}
}

// Whatever the values, no text leaves the page and everything can be drawn.
func TestPagesNeverOverflow(t *testing.T) {
	if err := flag.Set("rapid.checks", strconv.Itoa(dbtest.Rounds(15, 100))); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringN(0, 700, 2800), rapid.Just(strings.Repeat("W", 700)),
			rapid.Just(strings.Repeat("\n", 900)), rapid.Just(""))
		var d Dossier
		d.Product, d.Server = value.Draw(t, "product"), value.Draw(t, "server")
		d.Package = Package{ID: value.Draw(t, "id"), Name: value.Draw(t, "name"), Sender: value.Draw(t, "sender"), Account: value.Draw(t, "account")}
		d.Documents = []Document{{Name: value.Draw(t, "document"), Pages: 2000, PageImages: make([]PageImage, rapid.IntRange(0, 99).Draw(t, "images"))}}
		for range rapid.IntRange(0, 2).Draw(t, "signatures") {
			d.Signatures = append(d.Signatures, Signature{Name: value.Draw(t, "signer"), Group: value.Draw(t, "group"), Email: value.Draw(t, "email"),
				UserAgent: value.Draw(t, "agent"), Role: value.Draw(t, "role"), ID: value.Draw(t, "short"), Identified: value.Draw(t, "how")})
			d.Events = append(d.Events, Event{Type: value.Draw(t, "type"), Actor: value.Draw(t, "actor"), IP: value.Draw(t, "ip"),
				Target: value.Draw(t, "target"), Detail: value.Draw(t, "detail"), ID: value.Draw(t, "event")})
		}
		within(t, Pages(jail, d, nil))
		within(t, Pages(jail, d, &d.Documents[0]))
	})
}

// A report cannot be made to move a terminal's cursor.
func TestWriteTextIsPrintable(t *testing.T) {
	r := Report{Verdict: Intact, NotChecked: []string{"x"}, Evidence: &Dossier{Package: Package{Name: "a\x1b[2Jb\nINTACT\u202e"}},
		Signatures: []SealReport{{Signer: "CN=\x07", Time: time.Now()}}}
	var b bytes.Buffer
	r.WriteText(&b)
	if strings.ContainsAny(b.String(), "\x1b\x07\u202e") || strings.Contains(b.String(), "\nINTACT\u202e") {
		t.Errorf("%q", b.String())
	}
}

// A program has a name and no mailbox (RFC 2606 §2).
func TestProgramsHaveNoAddress(t *testing.T) {
	d := sample()
	d.Package.Sender, d.Package.SenderEmail = "Order desk", "client-540b86f9@service.invalid"
	d.Events[0].Actor, d.Events[0].Email = "Order desk", d.Package.SenderEmail
	if words := fmt.Sprint(Pages(jail, d, nil)); strings.Contains(words, "invalid") || !strings.Contains(words, "Order desk") {
		t.Error("the pages tell the address of a program")
	}
	for _, c := range [][3]string{{"Ann", "ann@example.com", "Ann <ann@example.com>"}, {"Bot", "b@x.invalid", "Bot"}, {"", "b@x.invalid", "b@x.invalid"},
		{"Ann", "ann@invalid.example.com", "Ann <ann@invalid.example.com>"}, {"", "", "–"}} {
		if got := person(c[0], c[1]); got != c[2] {
			t.Errorf("%q and %q are %q", c[0], c[1], got)
		}
	}
}

// What is an alias is called one: on the pages, in the attachment and in the report.
func TestAliasesAreCalledSo(t *testing.T) {
	d := sample()
	d.Signatures[0].Email, d.Signatures[0].EmailIsAlias = "mary@customer.example.net", true
	d.Package.SenderEmailIsAlias = true
	var report bytes.Buffer
	Report{Verdict: Intact, NotChecked: []string{"x"}, Evidence: &d}.WriteText(&report)
	for where, text := range map[string]string{"pages": fmt.Sprint(Pages(jail, d, nil)), "report": report.String()} {
		if !strings.Contains(text, "mary@customer.example.net> (e-mail alias)") && !strings.Contains(text, "mary@customer.example.net (e-mail alias)") {
			t.Errorf("%s: %s", where, text)
		}
	}
	if got := string(Attachment(d).Data); strings.Count(got, `_is_alias":true`) != 2 {
		t.Errorf("attached: %s", got)
	}
	for _, c := range []struct {
		name, email string
		alias       bool
		want        string
	}{{"Ann", "a@example.com", true, "Ann <a@example.com> (e-mail alias)"}, {"Ann", "a@example.com", false, "Ann <a@example.com>"}, {"Ann", "", true, "Ann"},
		{"Bot", "b@x.invalid", true, "Bot"}, {"", "a@example.com", true, "a@example.com (e-mail alias)"}} {
		if got := somebody(c.name, c.email, c.alias); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
