package mail

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

// part is a leaf of a message: its type, file name and decoded content.
type part struct{ mime, file, content string }

func parts(t *testing.T, contentType, encoding, disposition string, body io.Reader) (out []part) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		out = append(out, part{mime: kind})
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, parts(t, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p)...)
		}
	}
	switch encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	p := part{mime: kind, content: strings.ReplaceAll(string(content), "\r\n", "\n")}
	if _, params, err := mime.ParseMediaType(disposition); err == nil {
		p.file, err = new(mime.WordDecoder).DecodeHeader(params["filename"])
		if err != nil {
			t.Fatal(err)
		}
	}
	return append(out, p)
}

func TestMessageOnTheWire(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		authority, secured := certified(t)
		relay := newTestRelay(t, "", secured)
		roots := x509.NewCertPool()
		roots.AddCert(authority.Certificate())
		o := newOffice(t, d, Config{SMTP: &SMTP{Addr: relay.addr, Username: "countersign", Password: "relay-password", Roots: roots}})
		before := time.UnixMilli(one[int64](t, d, `select clock_ms()`)).Truncate(time.Second)
		m := invitation()
		m.Attachments = []Attachment{{"Vertrag für José.pdf", "application/pdf", "blob-1"}, {"../x/y.bin", "", "blob-2"}}
		o.send(t, m)
		got := relay.messages()
		if len(got) != 1 {
			t.Fatalf("%d messages; log:\n%s", len(got), o.log)
		}
		r := got[0]
		if r.hello != "sign.example.com" || r.from != "sign@example.com" || !slices.Equal(r.to, []string{"ann@example.com"}) || !r.encrypted || r.user != "countersign" {
			t.Errorf("envelope %+v", r)
		}
		msg := r.message(t)
		for name, want := range map[string]string{
			"From": `"Countersign" <sign@example.com>`, "To": `"Ann Member" <ann@example.com>`, "Reply-To": `"Sam Sender" <sam@example.com>`,
			"Auto-Submitted": "auto-generated", "User-Agent": "", "X-Mailer": "",
		} {
			if got := msg.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if id := msg.Header.Get("Message-Id"); !regexp.MustCompile(`^<[0-9a-f-]{36}@sign\.example\.com>$`).MatchString(id) {
			t.Errorf("Message-ID %q", id)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
		if want := "Sam Sender asks you to sign “Lease of the café” for Legal"; err != nil || subject != want {
			t.Errorf("Subject %q, %v", subject, err)
		}
		if date, err := msg.Header.Date(); err != nil || date.Before(before) || date.Sub(before) > time.Minute {
			t.Errorf("Date %s, %v", date, err)
		}
		got2 := parts(t, msg.Header.Get("Content-Type"), "", "", msg.Body)
		want := []string{"multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf", "application/octet-stream"}
		if kinds := kindsOf(got2); !slices.Equal(kinds, want) {
			t.Fatalf("parts %v", kinds)
		}
		if !strings.Contains(got2[2].content, "\nhttps://sign.example.com/s/SECRETLINK\n") || !strings.Contains(got2[3].content, `href="https://sign.example.com/s/SECRETLINK"`) {
			t.Errorf("no link in\n%s\n%s", got2[2].content, got2[3].content)
		}
		if got2[4].file != "Vertrag für José.pdf" || got2[4].content != string(blobs["blob-1"]) || got2[5].file != ".._x_y.bin" {
			t.Errorf("attachments %+v", got2[4:])
		}
		delivery := o.deliveries(t, "pkg")
		if len(delivery) != 1 || delivery[0].State != Delivered || delivery[0].Ended.IsZero() || delivery[0].Kind != "invitation" || delivery[0].To != "ann@example.com" {
			t.Errorf("delivery %+v", delivery)
		}
	})
}

func kindsOf(parts []part) (out []string) {
	for _, p := range parts {
		out = append(out, p.mime)
	}
	return out
}

// L9: line breaks in whatever comes from people stay inside the text they are in.
func TestL9LineBreaksInjectNothing(t *testing.T) {
	const evil = "Eve\r\nBcc: victim@example.com\r\nX-Evil: 1\r\n\r\nbody\r\n.\r\nMAIL FROM:<eve@example.com>\n\rX-Evil: 2\rX-Evil: 3\u2028X-Evil: 4\x00\u202E"
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		o := newOffice(t, d, Config{SMTP: plainRelay(relay), Product: evil})
		o.send(t, invitation())
		m := Message{
			To: Address{evil, "ann@example.com"}, ReplyTo: Address{evil, "sam@example.com"},
			Data:        Invitation{Person: evil, Sender: evil, Account: evil, Package: evil, Message: evil, Group: evil, Link: "https://sign.example.com/s/" + evil},
			Attachments: []Attachment{{evil, "text/plain" + evil, "blob-1"}},
		}
		m2 := m
		m2.Data = Code{Person: evil, Package: strings.Repeat(evil, 100), Code: evil, Minutes: 10}
		m2.Attachments = nil
		o.send(t, m, m2)
		got := relay.messages()
		if len(got) != 3 {
			t.Fatalf("%d messages; log:\n%s", len(got), o.log)
		}
		harmless := headerNames(t, got[0])
		for _, r := range got[1:] {
			if !slices.Equal(r.to, []string{"ann@example.com"}) || r.from != "sign@example.com" {
				t.Errorf("envelope %s → %v", r.from, r.to)
			}
			if names := headerNames(t, r); !slices.Equal(names, harmless) {
				t.Errorf("headers %v, want %v", names, harmless)
			}
			head, _, _ := bytes.Cut(r.raw, []byte("\r\n\r\n"))
			msg := r.message(t)
			text := string(head)
			for _, p := range parts(t, msg.Header.Get("Content-Type"), "", "", msg.Body) {
				if p.mime == "text/plain" {
					text += "\n" + p.content
				}
			}
			for line := range strings.Lines(text) {
				for _, name := range []string{"X-Evil", "Bcc", "MAIL FROM"} {
					if strings.HasPrefix(line, name) {
						t.Errorf("a line of its own: %s", line)
					}
				}
			}
			if addresses, err := msg.Header.AddressList("To"); err != nil || len(addresses) != 1 || strings.ContainsAny(addresses[0].Name, "\r\n\x00") {
				t.Errorf("To: %v, %v", addresses, err)
			}
		}
	})
}

func TestL9LineBreaksInAddressesAreRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		o := newOffice(t, d, Config{Mailbox: true})
		for _, address := range []string{"ann@example.com\r\nBcc: victim@example.com", "ann@example.com\n", "ann@example.com\x00", "a b@example.com",
			"ann@example.com, victim@example.com", "Ann <ann@example.com>", "ann", "", strings.Repeat("a", 250) + "@example.com"} {
			for field, m := range map[string]Message{"to": {To: Address{"", address}, Data: Code{}},
				"reply_to": {To: Address{"", "ann@example.com"}, ReplyTo: Address{"", address}, Data: Code{}}} {
				if field == "reply_to" && address == "" {
					continue
				}
				err := d.Write(t.Context(), func(tx *db.Tx) error { return o.Send(tx, m) })
				if e, ok := errors.AsType[*errs.Error](err); !ok || e.What != "email.malformed" || e.Kind != errs.Invalid || e.Field != field {
					t.Errorf("%s %q: %v", field, address, err)
				}
			}
		}
	})
}

func headerNames(t *testing.T, r received) (names []string) {
	for name := range r.message(t).Header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
