package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

// branding is how the server wires the names and logos of accounts into their mails.
func (h *house) branding() mail.Branding {
	return mail.Branding{
		Of: func(tx *db.Tx, account string) (mail.Brand, error) {
			b, err := directory.BrandOf(tx, account)
			return mail.Brand{Name: b.Name, Logo: b.Logo}, err
		},
		Logo: func(ctx context.Context, digest string) (string, []byte, error) { return h.dir.Logo(ctx, digest) },
	}
}

// drawing is a logo of dark ink on nothing, as logos for white paper are.
func drawing() []byte {
	m := image.NewNRGBA(image.Rect(0, 0, 200, 64))
	ink, accent := color.NRGBA{16, 30, 66, 255}, color.NRGBA{214, 92, 20, 255}
	for y := range 64 {
		for x := range 200 {
			dx, dy := x-32, y-32
			switch r := dx*dx + dy*dy; {
			case r < 28*28 && r > 18*18:
				m.Set(x, y, ink)
			case r < 10*10:
				m.Set(x, y, accent)
			case x > 76 && x < 196 && (y > 12 && y < 24 || y > 40 && y < 52 && x < 150):
				m.Set(x, y, ink)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// dress gives the account a sender name and a logo; it returns the logo's digest.
func (h *house) dress(name string) string {
	h.t.Helper()
	if err := h.dir.SetAccount(context.Background(), h.account.OuterID, directory.Settings{SenderName: name}, drawing()); err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(drawing()))
}

// checkHead looks for the account's name and logo at the head of a page.
func checkHead(t *testing.T, where string, a answer, name, digest string) {
	t.Helper()
	top, _, _ := strings.Cut(a.body, "<main")
	for _, want := range []string{`src="/logo/` + digest + `" alt="Logo of ` + html.EscapeString(name) + `"`, html.EscapeString(name) + "</bdi>"} {
		if !strings.Contains(top, want) {
			t.Errorf("%s: no %q in\n%s", where, want, top)
		}
	}
	if strings.Contains(top, `class="mark"`) {
		t.Errorf("%s: the product's mark stands beside the account's logo", where)
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' data:;") {
		t.Errorf("%s: %s", where, csp)
	}
}

// Every page that belongs to an account shows its name and logo: link, code, lobby, signing page, refusals, inbox
// and closed link; those of nobody show the product's.
func TestBrandOfPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		const name = `Acmé & "Söhne" <山田>`
		digest := h.dress(name)
		h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		link, c := h.link(mary), h.newBrowser()
		first := c.get(link)
		checkHead(t, "link", first, name, digest)
		path := c.press(link)
		checkHead(t, "code", c.get(path), name, digest)
		base := strings.TrimSuffix(path, "?sent")
		checkHead(t, "wrong code", c.form(base+"/code", url.Values{"code": {"000000"}}), name, digest)
		a := c.form(base+"/code", url.Values{"code": {h.code(mary)}})
		checkHead(t, "signing", c.get(a.Header.Get("Location")), name, digest)
		checkHead(t, "lobby", c.get(base), name, digest)
		checkHead(t, "inbox", c.get("/inbox"), name, digest)
		stranger := h.newBrowser().get(base)
		checkHead(t, "unknown browser", stranger, name, digest)
		if stranger.StatusCode != http.StatusUnauthorized {
			t.Errorf("the unknown browser: %d", stranger.StatusCode)
		}
		epoch := strings.TrimPrefix(a.Header.Get("Location"), base+"?lease=")
		if no := c.json(base+"/decline", `{"epoch":`+epoch+`,"reason":"No"}`); no.StatusCode != http.StatusNoContent {
			t.Fatalf("decline: %d %s", no.StatusCode, no.body)
		}
		checkHead(t, "closed link", c.get(link), name, digest)
		for _, path := range []string{"/", "/verify", "/nowhere", "/sign/nobody", "/s/nothing"} {
			page := c.get(path)
			if strings.Contains(page.body, digest) || !strings.Contains(page.body, `class="mark"`) {
				t.Errorf("%s is no account's:\n%s", path, page.body)
			}
		}
	})
}

// The picture itself: public, kept for ever, and nothing but a picture.
func TestLogo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	digest, c := h.dress("Acme"), h.newBrowser()
	a := c.get("/logo/" + digest)
	if a.StatusCode != http.StatusOK || a.body != string(drawing()) {
		t.Errorf("%d, %d bytes", a.StatusCode, len(a.body))
	}
	for name, want := range map[string]string{"Content-Type": "image/png", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "public, max-age=31536000, immutable", "Set-Cookie": ""} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, none := range []string{strings.Repeat("0", 64), strings.ToUpper(digest), digest[1:], digest + "0", "x", "%00", "%ff", "..%2f..%2fetc", digest + "%0d%0aX-Evil:%201"} {
		a := c.get("/logo/" + none)
		if a.StatusCode != http.StatusNotFound || a.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || a.Header.Get("X-Evil") != "" {
			t.Errorf("%s: %d %v", none, a.StatusCode, a.Header)
		}
	}
	if a := c.do(c.request("POST", "/logo/"+digest, "", "")); a.StatusCode != http.StatusMethodNotAllowed && a.StatusCode != http.StatusNotFound {
		t.Errorf("POST: %d", a.StatusCode)
	}
}

// The mailbox shows a letter as a mail program does, with the picture that goes along.
func TestLogoInTheMailbox(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.dress("Acme Sign")
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	l := h.newest(mary.email, "/s/")
	body := h.newBrowser().get("/mailbox/m/" + l.ID + "/body")
	if want := `src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(drawing()) + `" alt="Logo of Acme Sign"`; strings.Count(body.body, want) != 1 || strings.Contains(body.body, "cid:") {
		t.Errorf("the letter:\n%.3000s", body.body)
	}
	if page := h.newBrowser().get("/mailbox/m/" + l.ID); !strings.Contains(page.body, `From <bdi>Acme Sign &lt;sign@example.com&gt;</bdi>`) {
		t.Errorf("the page of the letter: %s", page.body)
	}
	if csp := body.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src data:;") || !strings.HasPrefix(csp, "sandbox") {
		t.Errorf("policy %s", csp)
	}
	if !strings.Contains(l.Text, "Sent for Acme Sign by Countersign") {
		t.Errorf("text:\n%s", l.Text)
	}
}

// TestBrandInABrowser looks at all of it, light on a desk and dark on a phone.
func TestBrandInABrowser(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.dress("Riverside Contract Signing Services")
	h.send(agreement(h.group("Pharmacists of Riverside", mary, john).OuterID))
	const seen = `[...document.querySelectorAll("img.logo")].length > 0 && [...document.querySelectorAll("img.logo")].every((i) => i.complete && i.naturalWidth === 200)`
	for _, s := range []struct {
		who person
		b   *tab
	}{{mary, newTab(t, browser, "brand-mary", desktop)}, {john, newTab(t, browser, "brand-john", phone)}} {
		b := s.b
		b.open(h.link(s.who))
		b.until(seen)
		b.look("brand-1-link")
		b.click(".start button")
		b.see("#code")
		b.until(seen)
		b.look("brand-2-code")
		b.code(h, s.who)
		b.see("#consent, #standing")
		b.until(seen)
		if s.who == mary {
			b.point("#agree")
			b.run(`document.querySelector("#agree").setAttribute("aria-busy", "true")`)
			b.look("brand-2-busy") // legible while it works, with the pointer on it
			b.run(`document.querySelector("#agree").removeAttribute("aria-busy")`)
			b.consent()
		}
		b.look("brand-3-sign")
		b.open(h.url + "/inbox")
		b.until(seen)
		b.look("brand-4-inbox")
		b.open(h.url + "/mailbox/m/" + h.newest(s.who.email, "/s/").ID)
		b.see(".mail-body")
		b.shot("brand-5-letter")
		b.open(h.url + "/mailbox/m/" + h.newest(s.who.email, "/s/").ID + "/body")
		b.until(seen)
		b.shot("brand-6-letter-alone")
		if s.who == mary { // the phone has the signing page too
			b.open(h.url + "/inbox")
			b.click(".inbox-item a")
			b.click("#take button")
			b.click("#leave")
			b.until(`document.querySelector("#standing")?.dataset.phase === "free"`)
		} else {
			b.open(h.url + "/inbox")
			b.click(".inbox-item a")
			b.click("#take button")
			b.see("#consent")
			b.consent()
			b.until(seen)
			b.look("brand-7-signing")
		}
	}
}
