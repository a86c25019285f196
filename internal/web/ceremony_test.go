package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// tables whose rows tell whether anything happened.
var tables = []string{"packages", "roles", "invitees", "links", "approvals", "fields", "signatures", "page_views", "browser_sessions",
	"browser_entries", "mailbox_codes", "mailbox_proofs", "mailbox_sends", "audit_events", "jobs", "mails", "mailbox", "users"}

// fingerprint is the number of rows of every table, and who holds which lease.
func (h *house) fingerprint() string {
	h.t.Helper()
	h.idle()
	var b strings.Builder
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		for _, table := range tables {
			n, err := db.One[int64](tx, "select count(*) from "+table)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %d\n", table, n)
		}
		leases, err := db.All[string](tx, `select id || ' ' || epoch || ' ' || stage || ' ' || coalesce(holder, '') || ' ' || expires_ms from roles order by id`)
		fmt.Fprintln(&b, leases)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b.String()
}

// events are the types of all audit events of a package, oldest first.
func (h *house) events(pkg string) []audit.Record {
	h.t.Helper()
	records, err := h.signing.Trail(context.Background(), h.client, pkg)
	if err != nil {
		h.t.Fatal(err)
	}
	return records
}

// TestLinkChangesNothing is G1: whoever only looks at a link changes nothing.
func TestLinkChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		link := h.link(mary)
		before := h.fingerprint()
		for _, method := range []string{"GET", "HEAD"} {
			for header, value := range map[string]string{"": "", "Sec-Purpose": "prefetch", "Purpose": "preview", "User-Agent": "Slackbot-LinkExpanding 1.0"} {
				c := h.newBrowser()
				r := c.request(method, link, "", "")
				if header != "" {
					r.Header.Set(header, value)
				}
				a := c.do(r)
				if a.StatusCode != http.StatusOK || len(a.Cookies()) != 0 {
					t.Errorf("%s with %s: status %d, cookies %v", method, header, a.StatusCode, a.Cookies())
				}
			}
		}
		if after := h.fingerprint(); after != before {
			t.Errorf("looking changed something:\n%s\nbecame\n%s", before, after)
		}
		page := h.newBrowser().get(link).body
		for _, want := range []string{"Supply agreement 2027", "Ines Keller", "Northwind Clinics", "Pharmacists", "Mary Doe", "m•••@example.com", "Please sign by Friday.", "Supply agreement"} {
			if !strings.Contains(page, want) {
				t.Errorf("the link's page does not say %q", want)
			}
		}
	})
}

// TestForwardedLink is G12: a link in a stranger's browser ends at the code page, and the trail says so.
func TestForwardedLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		id := h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		stranger := h.newBrowser()
		path, sent := strings.CutSuffix(stranger.press(h.link(mary)), "?sent")
		if !sent {
			t.Fatalf("a stranger with the link comes to %s", path)
		}
		if page := stranger.get(path + "?sent"); page.StatusCode != http.StatusOK || !strings.Contains(page.body, `name="code"`) {
			t.Errorf("no code page: %d\n%s", page.StatusCode, page.body)
		}
		for _, inside := range []string{"/state", "/d/x/0.png", "/d/x/0.json", "/d/x/copy"} {
			if a := stranger.get(path + inside); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("GET %s: %d, want 401", inside, a.StatusCode)
			}
		}
		for _, act := range []string{"beat", "consent", "fill", "sign", "leave", "decline", "watch"} {
			a := stranger.json(path+"/"+act, fmt.Sprintf(bodies[act], "1"))
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, `"what":"identify.code"`) {
				t.Errorf("POST %s: %d %s", act, a.StatusCode, a.body)
			}
		}
		if a := h.newBrowser().get(path); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a browser that never had the link sees the page: %d", a.StatusCode)
		}
		stranger.form(path+"/code", url.Values{"code": {"12345"}})
		told := map[string]bool{}
		for _, e := range h.events(id) {
			told[e.Type] = told[e.Type] || e.Origin.IP == "127.0.0.1"
		}
		for _, event := range []string{"invitation.opened", "mailbox.code_sent", "mailbox.code_refused"} {
			if !told[event] {
				t.Errorf("the trail does not tell of %s from where: %v", event, told)
			}
		}
	})
}

// TestCode is L5 at the pages: five tries, each told how many are left, and no flood of mails.
func TestCode(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary).OuterID))
		c := h.newBrowser()
		path, _ := strings.CutSuffix(c.press(h.link(mary)), "?sent")
		right := h.code(mary)
		wrong := "000000"
		if right == wrong {
			wrong = "111111"
		}
		for _, want := range []string{"4 tries are left", "3 tries are left", "2 tries are left", "One try is left", "it was the last try: the code can be used no more. Please ask for a new one.</p>"} {
			if a := c.form(path+"/code", url.Values{"code": {wrong}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, want) {
				t.Errorf("wrong code: %d, want %q in\n%s", a.StatusCode, want, a.body)
			}
		}
		if a := c.form(path+"/code", url.Values{"code": {wrong}}); strings.Contains(a.body, "0 tries") || strings.Contains(a.body, `name="code"`) || !strings.Contains(a.body, "Send a new code</button>") {
			t.Errorf("a code that is used up:\n%s", a.body)
		}
		if a := c.form(path+"/code", url.Values{"code": {right}}); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("the right code after five wrong ones: %d", a.StatusCode)
		}
		for range 2 {
			if a := c.form(path+"/code/send", nil); a.StatusCode != http.StatusSeeOther {
				t.Errorf("a new code: %d", a.StatusCode)
			}
			h.idle() // two letters on their way at once may arrive in either order
		}
		if a := c.form(path+"/code/send", nil); !strings.Contains(a.body, "Several codes were sent already") {
			t.Errorf("a fourth mail: %d %s", a.StatusCode, a.body)
		}
		spaced := h.code(mary)
		spaced = spaced[:3] + " " + spaced[3:]
		a := c.form(path+"/code", url.Values{"code": {spaced}})
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), path+"?lease=") {
			t.Errorf("the newest code: %d to %s", a.StatusCode, a.Header.Get("Location"))
		}
	})
}

// TestLockedOut: the second member is told who signs, on the page and as JSON.
func TestLockedOut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		first, second := h.newBrowser(), h.newBrowser()
		first.start(mary)
		base, epoch := second.start(john)
		if epoch != "" {
			t.Fatalf("both hold the lease: %s", epoch)
		}
		page := second.get(base)
		if !strings.Contains(page.body, "<bdi>Mary Doe</bdi> has been signing since") || !strings.Contains(page.body, `id="take" hidden`) {
			t.Errorf("the page does not say who signs:\n%s", page.body)
		}
		state := second.get(base + "/state")
		for _, want := range []string{`"phase":"held"`, `"holder":"Mary Doe"`, `"mine":false`, `"stage":"soft"`, `"now":"`} {
			if !strings.Contains(state.body, want) {
				t.Errorf("state lacks %s: %s", want, state.body)
			}
		}
		a := second.json(base+"/take", fmt.Sprintf(`{"nonce":%q}`, hiddenFields(page.body).Get("nonce")))
		if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, `"what":"lease.held"`) || !strings.Contains(a.body, `"holder":"Mary Doe"`) {
			t.Errorf("take: %d %s", a.StatusCode, a.body)
		}
		if a := second.get(base + "?lease=1"); strings.Contains(a.body, `class="signing"`) {
			t.Error("the signing page is shown to who does not hold the lease")
		}
	})
}

// TestStaleEpoch is G6 and rule 5 at the pages: who took the lease over elsewhere has a new epoch,
// and the page he left can write nothing.
func TestStaleEpoch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary).OuterID))
		laptop, tablet := h.newBrowser(), h.newBrowser()
		base, old := laptop.start(mary)
		if a := laptop.json(base+"/consent", `{"epoch":`+old+`}`); a.StatusCode != http.StatusNoContent {
			t.Fatalf("consent: %d %s", a.StatusCode, a.body)
		}
		_, now := tablet.start(mary)
		if now == old || now == "" {
			t.Fatalf("the epoch is %q again", now)
		}
		before := h.fingerprint()
		for _, act := range []string{"beat", "consent", "fill", "sign", "leave", "decline"} {
			a := laptop.json(base+"/"+act, fmt.Sprintf(bodies[act], old))
			if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, `"what":"lease.stale"`) {
				t.Errorf("%s with a stale epoch: %d %s", act, a.StatusCode, a.body)
			}
		}
		if a := laptop.get(base + "?lease=" + old); strings.Contains(a.body, `class="signing"`) || !strings.Contains(a.body, "Go on here") {
			t.Error("the page that was left is not told")
		}
		if after := h.fingerprint(); written(after) != written(before) {
			t.Errorf("a stale epoch wrote something:\n%s\nbecame\n%s", before, after)
		}
		a := tablet.json(base+"/beat", `{"epoch":`+now+`}`)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"stage":"hard"`) {
			t.Errorf("the new page's beat: %d %s", a.StatusCode, a.body)
		}
	})
}

// bodies of the acts, with the place of the epoch.
var bodies = map[string]string{"beat": `{"epoch":%s}`, "consent": `{"epoch":%s}`, "leave": `{"epoch":%s}`, "watch": `{"epoch":%s}`,
	"fill": `{"epoch":%s,"field":"x/main/licence","value":"1"}`, "decline": `{"epoch":%s,"reason":"no"}`,
	"sign": `{"epoch":%s,"mark":{"kind":"typed"}}`}

// written is a fingerprint without the events that tell of refusals.
func written(fingerprint string) string {
	var kept []string
	for line := range strings.Lines(fingerprint) {
		if !strings.HasPrefix(line, "audit_events ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// TestAfterTheEnd is L3: a link that was followed to its end leads to what happened, and signs nothing again.
func TestAfterTheEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		c := h.newBrowser()
		link := h.link(john)
		base, epoch := c.start(mary)
		page := c.get(base + "?lease=" + epoch)
		key := between(page.body, `data-kind="text" data-key="`, `"`)
		for act, body := range map[string]string{"consent": `{"epoch":%s}`, "fill": `{"epoch":%s,"field":"` + key + `","value":"RX-1"}`} {
			if a := c.json(base+"/"+act, fmt.Sprintf(body, epoch)); a.StatusCode != http.StatusNoContent {
				t.Fatalf("%s: %d %s", act, a.StatusCode, a.body)
			}
		}
		submission := `{"epoch":` + epoch + `,"mark":{"kind":"typed"},"initials":{"kind":"typed","text":"MD"},"optional":[]}`
		if a := c.json(base+"/sign", submission); a.StatusCode != http.StatusNoContent {
			t.Fatalf("sign: %d %s", a.StatusCode, a.body)
		}
		h.idle()
		if a := c.json(base+"/sign", submission); a.StatusCode != http.StatusConflict {
			t.Errorf("signing again: %d %s", a.StatusCode, a.body)
		}
		done := c.get(base)
		if !strings.Contains(done.body, "Signed and sealed") {
			t.Errorf("the end:\n%s", done.body)
		}
		file := c.get(base + "/d/" + between(done.body, base+"/d/", "/copy") + "/copy")
		if file.StatusCode != http.StatusOK || !strings.HasPrefix(file.body, "%PDF-") ||
			file.Header.Get("Content-Disposition") != "attachment; filename*=UTF-8''Supply%20agreement.pdf" {
			t.Errorf("download: %d %v", file.StatusCode, file.Header)
		}
		late := h.newBrowser().get(link)
		if !strings.Contains(late.body, "Signed by <bdi>Mary Doe</bdi>") || strings.Contains(late.body, "Start signing") {
			t.Errorf("the other member's link:\n%s", late.body)
		}
	})
}

// between is the text after the first occurrence of from, up to to.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}
