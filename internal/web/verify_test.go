package web_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/web"
)

// drop uploads a file to the verify page.
func (c *client) drop(field, name string, file []byte) answer {
	c.h.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	w := must(m.CreateFormFile(field, name))
	must(w.Write(file))
	m.Close()
	return c.do(c.request("POST", "/verify", m.FormDataContentType(), b.String()))
}

// sealed is a package signed by Mary, as it comes by mail.
func sealed(h *house) []byte {
	h.t.Helper()
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	c := h.newBrowser()
	base, epoch := c.start(mary)
	key := between(c.get(base+"?lease="+epoch).body, `data-kind="text" data-key="`, `"`)
	for _, act := range [][2]string{{"consent", `{"epoch":%s}`}, {"fill", `{"epoch":%s,"field":"` + key + `","value":"RX-1"}`}, {"sign", `{"epoch":%s,"mark":{"kind":"typed"}}`}} {
		if a := c.json(base+"/"+act[0], fmt.Sprintf(act[1], epoch)); a.StatusCode != http.StatusNoContent {
			h.t.Fatalf("%s: %d %s", act[0], a.StatusCode, a.body)
		}
	}
	l := h.newest(mary.email, "Mary Doe signed")
	_, _, file, err := h.post.MailboxAttachment(context.Background(), l.ID, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return file
}

func TestVerifyPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		c := h.newBrowser()
		file := sealed(h)
		changed := bytes.Clone(file)
		changed[bytes.Index(file, []byte("Pages"))]++
		for name, want := range map[string]struct {
			field   string
			file    []byte
			status  int
			verdict string
			says    string
		}{
			"sealed":   {"file", file, 200, "INTACT", "Mary Doe"},
			"changed":  {"file", changed, 200, "ALTERED", "Do not rely"},
			"unsigned": {"file", samplePDF(1), 200, "UNSIGNED", "no signature"},
			"no PDF":   {"file", []byte("<script>alert(1)</script>"), 200, "UNREADABLE", "Not readable"},
			"empty":    {"file", nil, 400, "", "Choose a PDF file."},
			"no file":  {"other", file, 400, "", "Choose a PDF file."},
		} {
			a := c.drop(want.field, name+"<script>.pdf", want.file)
			if a.StatusCode != want.status || !strings.Contains(a.body, want.says) ||
				want.verdict != "" && !strings.Contains(a.body, `data-verdict="`+want.verdict+`"`) {
				t.Errorf("%s: %d, want %d %s and %q in\n%s", name, a.StatusCode, want.status, want.verdict, want.says, a.body)
			}
			if strings.Contains(a.body, "<script>") {
				t.Errorf("%s: the file's name became markup", name)
			}
		}
		if a := c.do(c.request("POST", "/verify", "text/plain", "x")); a.StatusCode != http.StatusBadRequest {
			t.Errorf("no form: %d", a.StatusCode)
		}
	})
}

func TestVerifyLimit(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.config.MaxFile = 2 << 20
	h.handler = must(web.New(h.config))
	c := h.newBrowser()
	for _, size := range []int{2<<20 + 1, 5 << 20} {
		if a := c.drop("file", "big.pdf", make([]byte, size)); a.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "larger than 2 MB") {
			t.Errorf("%d bytes: %d\n%s", size, a.StatusCode, a.body)
		}
	}
}
