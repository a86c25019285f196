package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/internal/directory"
)

// L4, T7: the sender's application sends a member's browser into the ceremony, with the pages' own cookie; neither the
// tokens nor the sessions are in the log, in an address or in the database's files.
func TestL4ApplicationSeatsASigner(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	h := startHere(t, c)
	c.URL = h.url
	w := newTenant(t, c, 2)
	must(t, w.rooms.Directory.SetAccount(t.Context(), w.account.OuterID, directory.Settings{MemberIdentification: directory.Always}, nil))
	pkg := w.send(h.url, 1)
	ask := func(method, path, body string) (out map[string]string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
		must(t, err)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + w.bearer}}
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		must(t, err)
		if answer.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, answer.StatusCode, text)
		}
		var loose map[string]any
		must(t, json.Unmarshal(text, &loose))
		out = map[string]string{}
		for name, value := range loose {
			out[name], _ = value.(string)
		}
		return out
	}
	order := `{"packageId":"` + pkg + `","signerId":"r","delegateeId":"` + w.group.Members[0].SenderID + `"}`
	browser := ask("POST", "/api/authenticationTokens/signer/singleUse", order)["value"]
	program := ask("POST", "/api/authenticationTokens/signer/multiUse", order)["value"]
	session := ask("GET", "/auth?signerAuthenticationToken="+program, "")["sessionToken"]
	jar, err := cookiejar.New(nil)
	must(t, err)
	answer, err := (&http.Client{Jar: jar}).Get(h.url + "/auth?signerAuthenticationToken=" + browser + "&target=" + url.QueryEscape(h.url+"/packages/"+pkg+"/sign"))
	must(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	must(t, err)
	at := answer.Request.URL.String()
	if answer.StatusCode != 200 || !strings.HasPrefix(at, h.url+"/sign/") || !strings.Contains(string(page), "Is this mailbox yours?") /* a member of a group, "always" */ {
		t.Fatalf("%s: %d %s", at, answer.StatusCode, page)
	}
	secrets := []string{browser, program, session}
	base, err := url.Parse(h.url)
	must(t, err)
	for _, cookie := range jar.Cookies(base) {
		secrets = append(secrets, cookie.Value)
	}
	if len(secrets) != 5 {
		t.Fatalf("%d secrets", len(secrets))
	}
	files, err := filepath.Glob(filepath.Join(data, "test.db*"))
	must(t, err)
	places := map[string]string{"the log": h.log.String(), "the address": at}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		places[file] = string(text)
	}
	for i, secret := range secrets {
		for where, text := range places {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("secret %d is in %s", i, where)
			}
		}
	}
	if len(places) < 3 || !strings.Contains(h.log.String(), "GET /auth") {
		t.Errorf("the test looked at %d places", len(places))
	}
}
