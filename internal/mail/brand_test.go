package mail

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

// dot is a small PNG.
var dot = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 2))); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

const dotDigest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// branding gives every account one brand; while gone is set its logo cannot be found.
func branding(b Brand, gone *atomic.Bool) Branding {
	return Branding{
		Of: func(*db.Tx, string) (Brand, error) { return b, nil },
		Logo: func(_ context.Context, digest string) (string, []byte, error) {
			if gone.Load() || digest != dotDigest {
				return "", nil, errs.New(errs.NotFound, "logo.unknown", "There is no such logo.")
			}
			return "image/png", dot, nil
		},
	}
}

func TestBrandOnTheWire(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		o := newOffice(t, d, Config{SMTP: plainRelay(relay), Mailbox: true, Branding: branding(Brand{"Acmé “Sign” Ltd", dotDigest}, new(atomic.Bool))})
		m := invitation()
		m.Attachments = []Attachment{{"a.pdf", "application/pdf", "blob-1"}}
		o.send(t, m, invitation())
		got := relay.messages()
		if len(got) != 2 {
			t.Fatalf("%d messages; log:\n%s", len(got), o.log)
		}
		for _, r := range got {
			want := []string{"multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png"}
			if strings.Contains(string(r.raw), "application/pdf") {
				want = append(append([]string{"multipart/mixed"}, want...), "application/pdf")
			}
			checkBranded(t, r, want)
		}
		box, err := o.Mailbox(t.Context(), "")
		if err != nil || len(box) != 2 || !strings.Contains(box[0].HTML, "cid:"+dotDigest+"@logo.invalid") || box[0].From != "Acmé “Sign” Ltd <sign@example.com>" {
			t.Errorf("%d in the mailbox, %v", len(box), err)
		}
	})
}

func checkBranded(t *testing.T, r received, kinds []string) {
	t.Helper()
	msg := r.message(t)
	from, err := netmail.ParseAddress(msg.Header.Get("From"))
	if err != nil || from.Name != "Acmé “Sign” Ltd" || from.Address != "sign@example.com" || r.from != "sign@example.com" {
		t.Errorf("From %q (%v), envelope %s", msg.Header.Get("From"), err, r.from)
	}
	all := parts(t, msg.Header.Get("Content-Type"), "", "", msg.Body)
	if found := kindsOf(all); !slices.Equal(found, kinds) {
		t.Fatalf("parts %v, want %v", found, kinds)
	}
	for _, p := range all {
		switch p.mime {
		case "text/plain":
			if !strings.HasPrefix(p.content, "Acmé “Sign” Ltd\n\nHello Ann Member,") || !strings.Contains(p.content, "\nSent for Acmé “Sign” Ltd by Countersign, https://sign.example.com\n") {
				t.Errorf("text:\n%s", p.content)
			}
		case "text/html":
			if strings.Count(p.content, `<img class="logo" src="cid:`+dotDigest+`@logo.invalid" alt="Logo of Acmé “Sign” Ltd"`) != 1 ||
				!strings.Contains(p.content, `<p class="product">Acmé “Sign” Ltd</p>`) || !strings.Contains(p.content, "by Countersign, ") {
				t.Errorf("HTML:\n%s", p.content)
			}
		case "image/png":
			if p.content != strings.ReplaceAll(string(dot), "\r\n", "\n") { // as parts reads it
				t.Errorf("the picture has %d bytes", len(p.content))
			}
		}
	}
	for _, line := range []string{"Content-Id: <" + dotDigest + "@logo.invalid>\r\n", "Content-Disposition: inline;"} {
		if !strings.Contains(strings.ReplaceAll(string(r.raw), "Content-ID", "Content-Id"), line) {
			t.Errorf("no %q in\n%s", line, r.raw)
		}
	}
}

// An account without name and logo, or a logo that is gone by the time the message leaves.
func TestBrandThatLacksSomething(t *testing.T) {
	d := dbtest.SQLite(t)
	gone := new(atomic.Bool)
	gone.Store(true)
	for name, c := range map[string]struct {
		brand Brand
		from  string
	}{
		"nothing":   {Brand{}, "Countersign"},
		"name only": {Brand{Name: "Acme"}, "Acme"},
		"logo gone": {Brand{"Acme", dotDigest}, "Acme"},
		"no digest": {Brand{"Acme", `x"><script>`}, "Acme"},
	} {
		t.Run(name, func(t *testing.T) {
			relay := newTestRelay(t, "", nil)
			o := newOffice(t, d, Config{SMTP: plainRelay(relay), Branding: branding(c.brand, gone)})
			o.send(t, invitation())
			got := relay.messages()
			if len(got) != 1 {
				t.Fatalf("%d messages; log:\n%s", len(got), o.log)
			}
			msg := got[0].message(t)
			if from, err := netmail.ParseAddress(msg.Header.Get("From")); err != nil || from.Name != c.from {
				t.Errorf("From %v, %v", from, err)
			}
			for _, p := range parts(t, msg.Header.Get("Content-Type"), "", "", msg.Body) {
				if strings.Contains(p.content, "<img") || strings.HasPrefix(p.mime, "image/") || strings.Contains(p.content, "<script") {
					t.Errorf("a picture in %s", p.mime)
				}
			}
		})
	}
}

// L9: quotes, other scripts and line breaks in an account's name stay inside the name.
func TestL9NamesOfAccounts(t *testing.T) {
	names := map[string]string{
		`Acme "Best" <evil@example.org>`:                  `Acme "Best" <evil@example.org>`,
		"山田商事 Ñandú 🖋":                                    "山田商事 Ñandú 🖋",
		"Acme\r\nBcc: victim@example.com\r\n\r\nbody":     "Acme  Bcc: victim@example.com    body",
		"A\x00B\u202eC\u2028D":                            "A B C D",
		`\"`:                                              `\"`,
		"=?utf-8?q?Sneaky?=":                              "=?utf-8?q?Sneaky?=",
		"a@example.org, b@example.org":                    "a@example.org, b@example.org",
		strings.Repeat("Very Long Company Name ", 40):     "",
		"<script>alert(1)</script>{{.Link}}":              "<script>alert(1)</script>{{.Link}}",
		strings.Repeat("\u202e", 5) + " \r\n \t" + "\x7f": "Countersign",
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		plain := newOffice(t, d, Config{SMTP: plainRelay(relay), Branding: branding(Brand{"Acme", dotDigest}, new(atomic.Bool))})
		plain.send(t, invitation())
		harmless := headerNames(t, relay.messages()[0])
		plain.close()
		for name, want := range names {
			relay := newTestRelay(t, "", nil)
			o := newOffice(t, d, Config{SMTP: plainRelay(relay), Branding: branding(Brand{name, dotDigest}, new(atomic.Bool))})
			o.send(t, invitation())
			o.close()
			got := relay.messages()
			if len(got) != 1 {
				t.Fatalf("%q: %d messages", name, len(got))
			}
			r := got[0]
			if found := headerNames(t, r); !slices.Equal(found, harmless) {
				t.Errorf("%q: headers %v", name, found)
			}
			list, err := r.message(t).Header.AddressList("From")
			if err != nil || len(list) != 1 || list[0].Address != "sign@example.com" || r.from != "sign@example.com" {
				t.Errorf("%q: From %v, %v", name, list, err)
				continue
			}
			shown, err := new(mime.WordDecoder).DecodeHeader(list[0].Name)
			if err != nil || want != "" && list[0].Name != want && shown != want || len([]rune(list[0].Name)) > maxSender {
				t.Errorf("%q: From shows %q, %v", name, list[0].Name, err)
			}
			msg := r.message(t)
			for _, p := range parts(t, msg.Header.Get("Content-Type"), "", "", msg.Body) {
				if strings.Contains(p.content, "<script") && p.mime == "text/html" || strings.Contains(p.content, "\nBcc:") {
					t.Errorf("%q: in %s:\n%s", name, p.mime, p.content)
				}
			}
		}
		t.Logf("%d names, 0 headers more", len(names))
	})
}
