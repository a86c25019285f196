package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/mail"
)

// L1: a link is 256 random bits and nothing else: no id of anything we keep is in it, nor in the
// address it leads to.
func TestL1LinksAreRandom(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	h := startHere(t, c)
	c.URL = h.url
	w := newTenant(t, c, 8)
	w.send(h.url, 1)
	seen := map[string]bool{}
	for i := range 8 {
		m := w.mailed(fmt.Sprintf("signer%d@example.com", i), func(m mail.MailboxMessage) bool { return linkForm.MatchString(m.Text) })
		token := linkForm.FindStringSubmatch(m.Text)[1]
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) != 32 || seen[token] {
			t.Errorf("the token %q has %d bytes: %v", token, len(raw), err)
		}
		seen[token] = true
		handle, err := base64.RawURLEncoding.DecodeString(w.enter(h.url, i).handle)
		if err != nil || len(handle) < 16 {
			t.Errorf("a handle of %d bytes: %v", len(handle), err)
		}
	}
	must(t, w.rooms.DB.Read(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{`select id from packages`, `select outer_id from packages`, `select id from roles`, `select id from invitees`,
			`select id from users`, `select sender_id from users`} {
			ids, err := db.All[string](tx, q)
			if err != nil {
				return err
			}
			for _, id := range ids {
				for token := range seen {
					if id != "" && strings.Contains(token, id) {
						t.Errorf("the link holds %s of %q", id, q)
					}
				}
			}
		}
		return nil
	}))
}

// S10: a browser that sends bytes when it signs is refused, and what is sealed is what the server kept.
func TestS10BrowserSendsNoBytes(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	h := startHere(t, c)
	c.URL = h.url
	w := newTenant(t, c, 1)
	pkg := w.send(h.url, 1)
	b := w.enter(h.url, 0)
	epoch := b.epoch()
	b.must("consent", map[string]any{"epoch": epoch})
	forged := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4 forged"))
	mark := map[string]string{"kind": "typed"}
	for _, name := range []string{"pdf", "document", "documents", "hash"} {
		out, err := b.act("sign", map[string]any{"epoch": epoch, "mark": mark, name: forged})
		if err != nil || out.Status != http.StatusBadRequest {
			t.Errorf("a signature with %s: %d %v", name, out.Status, err)
		}
	}
	b.sign()
	w.completed(pkg)
	r, err := http.NewRequest("GET", h.url+"/api/packages/"+pkg+"/documents/doc0/pdf", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+w.bearer)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	file, err := io.ReadAll(answer.Body)
	must(t, err)
	if !bytes.HasPrefix(file, []byte(blankPage)) || bytes.Contains(file, []byte("forged")) {
		t.Error("what is sealed is not what was uploaded")
	}
}
