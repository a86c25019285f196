package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// payloads try to become markup or script in the places where names stand: element
// content, attributes, the title, a script's data, a link, a template, a style.
var payloads = []string{
	`<script>pwned=1</script>`,
	`"><img src=x onerror=pwned=1>`,
	`'onfocus='pwned=1' autofocus='`,
	`</title><svg onload=pwned=1>`,
	`</textarea><script>pwned=1</script>`,
	`javascript:pwned=1`,
	`{{.Nonce}}<b>`,
	`\u003cscript\u003epwned=1`,
	`--><script>pwned=1</script><!--`,
	`</bdi><style>*{display:none}</style>`,
}

// hostile is a package whose every text is the payload. Names that directory refuses
// to take are replaced by harmless ones.
func (h *house) hostile(payload string, p person) signing.NewPackage {
	h.t.Helper()
	name, err := directory.PersonName(payload)
	if err == nil {
		p.first, p.last = name, "Doe"
	}
	in := agreement(h.group("G "+payload, p, john).OuterID)
	in.Name, in.EmailMessage = payload, payload
	in.Roles[0].Name = payload
	d := &in.Documents[0]
	d.Name = "Agreement " + strings.NewReplacer("<", "(", ">", ")", "/", "-", `\`, "-", ":", ".", "*", "", "|", "", "?", "", `"`, "'").Replace(payload)
	for i := range d.Approvals {
		d.Approvals[i].Name = payload
		for j := range d.Approvals[i].Fields {
			d.Approvals[i].Fields[j].Name, d.Approvals[i].Fields[j].Tooltip = payload, payload
		}
	}
	return in
}

// TestNamesAreInert is L6 and L9 at the pages: a text stays a text wherever it is shown.
func TestNamesAreInert(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	for i, payload := range payloads {
		member := person{"Mary", "Doe", fmt.Sprintf("m%d@example.com", i)}
		h.send(h.hostile(payload, member))
		c, second := h.newBrowser(), h.newBrowser()
		link := h.link(member)
		base, epoch := c.start(member)
		signing := c.get(base + "?lease=" + epoch)
		key := between(signing.body, `data-kind="text" data-key="`, `"`)
		if key == "" {
			t.Fatalf("%s: no signing page: %d\n%s", payload, signing.StatusCode, signing.body)
		}
		fill := c.json(base+"/fill", fmt.Sprintf(`{"epoch":%s,"field":%q,"value":%s}`, epoch, key, jsonText(payload[:min(len(payload), 40)])))
		if fill.StatusCode != http.StatusNoContent {
			t.Errorf("%s: fill: %d %s", payload, fill.StatusCode, fill.body)
		}
		forwarded := second.press(h.link(john))
		pages := map[string]answer{"link": c.get(link), "signing": c.get(base + "?lease=" + epoch), "lobby": c.get(base), "inbox": c.get("/inbox"),
			"mailbox": c.get("/mailbox"), "code": second.get(forwarded), "error": c.get("/" + url.PathEscape(payload)),
			"problem": c.form(strings.TrimSuffix(forwarded, "?sent")+"/code", url.Values{"code": {payload}})}
		letter := h.newest(member.email, "/s/")
		pages["letter"], pages["body"] = c.get("/mailbox/m/"+letter.ID), c.get("/mailbox/m/"+letter.ID+"/body")
		c.json(base+"/decline", fmt.Sprintf(`{"epoch":%s,"reason":%s}`, epoch, jsonText(payload)))
		pages["declined"], pages["declined link"] = c.get(base), c.get(link)
		for name, page := range pages {
			checkInert(t, name+" with "+payload, payload, page.body)
		}
		for _, name := range []string{"link", "signing", "lobby", "inbox", "declined"} {
			if !strings.Contains(pages[name].body, html.EscapeString(payload)) {
				t.Errorf("%s does not show %s:\n%s", name, payload, pages[name].body)
			}
		}
	}
}

// checkInert finds a text that would have become markup or a script's address.
func checkInert(t *testing.T, what, payload, body string) {
	t.Helper()
	if strings.ContainsAny(payload, `<"'`) && strings.Contains(body, payload) {
		t.Errorf("%s: the page holds it as it is", what)
	}
	for _, attribute := range []string{"href", "src", "action"} {
		if strings.Contains(body, attribute+`="javascript:`) {
			t.Errorf("%s: the page's %s is a script", what, attribute)
		}
	}
}

func jsonText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// TestDeceivingNames is L10: a name that would deceive the eye never reaches a page.
func TestDeceivingNames(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	for _, name := range []string{"Mary\u202eeoD", "Mary\u200bDoe", "Mary\x00Doe", "Mary\r\nDoe", strings.Repeat("a", 10_000)} {
		_, _, err := h.dir.InviteSender(context.Background(), h.client, directory.NewUser{Email: "x@example.com", FirstName: name})
		if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.Invalid {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	emoji := person{"Zoë 🖋", "مريم", "zoe@example.com"}
	h.send(agreement(h.group("Apotheke", emoji, mary).OuterID))
	if page := h.newBrowser().get(h.link(emoji)); !strings.Contains(page.body, "<bdi>Zoë 🖋 مريم</bdi>") {
		t.Errorf("the name is not shown as it is:\n%s", page.body)
	}
	// It cannot be stamped, though: its bearer is told what to ask for before anything is entered.
	c := h.newBrowser()
	base, _ := strings.CutSuffix(c.press(h.link(emoji)), "?sent")
	a := c.form(base+"/code", url.Values{"code": {h.code(emoji)}})
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "Your name cannot be written") || !strings.Contains(a.body, "Please ask the sender") {
		t.Errorf("who cannot sign under the name is told: %d\n%s", a.StatusCode, a.body)
	}
}
