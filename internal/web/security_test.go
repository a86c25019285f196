package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/web"
)

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// requests are one request for every route of the table.
func requests(h *house) []*http.Request {
	var all []*http.Request
	for _, pattern := range web.Patterns(h.config) {
		method, path, found := strings.Cut(pattern, " ")
		if !found {
			method, path = "GET", "/nowhere"
		}
		r := httptest.NewRequest(method, h.url+wildcard.ReplaceAllString(path, "x"), strings.NewReader("{}"))
		r.RemoteAddr = "127.0.0.1:4711"
		r.Header.Set("Content-Type", "application/json")
		all = append(all, r)
	}
	return all
}

func (h *house) serve(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w.Result()
}

// TestHeaders: every answer of every route, refusals too, carries the headers that keep others out.
func TestHeaders(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	want := map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
	for _, r := range requests(h) {
		res := h.serve(r)
		for name, value := range want {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%s %s: %s is %q", r.Method, r.URL.Path, name, got)
			}
		}
		csp := res.Header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("%s %s: content policy %q lacks %s", r.Method, r.URL.Path, csp, rule)
			}
		}
		if strings.Contains(csp, "script-src") && strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s %s: content policy %q is too wide", r.Method, r.URL.Path, csp)
		}
		if !strings.HasPrefix(r.URL.Path, "/assets/") && r.URL.Path != "/favicon.ico" && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: Cache-Control is %q", r.Method, r.URL.Path, res.Header.Get("Cache-Control"))
		}
		if res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s is open to other origins", r.Method, r.URL.Path)
		}
	}
}

// TestCrossOrigin is L7: a write that another site makes the browser send is refused and changes nothing.
func TestCrossOrigin(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	c := h.newBrowser()
	base, epoch := c.start(mary)
	before := h.fingerprint()
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, r := range requests(h) {
			if r.Method != "POST" {
				continue
			}
			path := strings.Replace(r.URL.Path, "/sign/x", base, 1)
			forged := c.request("POST", path, "application/json", `{"epoch":`+epoch+`}`)
			forged.Header.Set(header[0], header[1])
			a := c.do(forged)
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, `"what":"origin.foreign"`) {
				t.Errorf("%s with %s: %d %s", path, header, a.StatusCode, a.body)
			}
		}
	}
	if after := h.fingerprint(); after != before {
		t.Errorf("a forged write changed something:\n%s\nbecame\n%s", before, after)
	}
	same := c.request("POST", base+"/beat", "application/json", `{"epoch":`+epoch+`}`)
	same.Header.Set("Origin", h.url)
	if a := c.do(same); a.StatusCode != http.StatusOK {
		t.Errorf("our own page's write: %d %s", a.StatusCode, a.body)
	}
}

// TestNonce: the lease is taken by a page of this browser and this invitation only.
func TestNonce(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
	mine, theirs := h.newBrowser(), h.newBrowser()
	base, epoch := mine.start(mary)
	if a := mine.json(base+"/leave", `{"epoch":`+epoch+`}`); a.StatusCode != http.StatusNoContent {
		t.Fatalf("leave: %d %s", a.StatusCode, a.body)
	}
	page := hiddenFields(mine.get(base).body).Get("nonce")
	other, otherEpoch := theirs.start(john)
	theirs.json(other+"/leave", `{"epoch":`+otherEpoch+`}`)
	foreign := hiddenFields(theirs.get(other).body).Get("nonce")
	link := hiddenFields(mine.get(h.link(mary)).body).Get("nonce")
	if page == "" || foreign == "" || link == "" {
		t.Fatal("pages without a nonce")
	}
	for name, nonce := range map[string]string{"none": "", "garbage": "AAAA", "other browser": foreign, "other page": link, "cut": page[:len(page)-2]} {
		a := mine.form(base+"/take", url.Values{"nonce": {nonce}})
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("nonce of %s: %d", name, a.StatusCode)
		}
		if a := mine.json(base+"/take", `{"nonce":"`+nonce+`"}`); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "page.nonce") {
			t.Errorf("nonce of %s as JSON: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := mine.form(base+"/take", url.Values{"nonce": {page}}); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), base+"?lease=") {
		t.Errorf("the page's own nonce: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := mine.form("/s", url.Values{"token": {"x"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("entering without the link's page: %d", a.StatusCode)
	}
}

// TestTokenStaysHidden is L2: the token of a link is in no redirect, no later page and no log.
func TestTokenStaysHidden(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	link := h.link(mary)
	token := link[strings.LastIndexByte(link, '/')+1:]
	if len(token) < 22 { // L1: 128 bits in base64url
		t.Fatalf("a token of %d characters", len(token))
	}
	c := h.newBrowser()
	base, epoch := c.start(mary)
	for _, a := range []answer{c.get(base), c.get(base + "?lease=" + epoch), c.get("/inbox"), c.get("/s")} {
		if strings.Contains(a.body, token) {
			t.Errorf("%s shows the token", a.Request.URL)
		}
	}
	for _, path := range []string{"/s/" + token + "/more", "/sign/" + token} {
		if a := c.get(path); strings.Contains(a.body, token) || strings.Contains(a.Header.Get("Location"), token) {
			t.Errorf("%s repeats the token", path)
		}
	}
	handle := strings.TrimPrefix(base, "/sign/")
	for _, secret := range []string{token, handle} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if !strings.Contains(h.log.String(), `"route":"GET /s/{token}"`) {
		t.Error("the log does not name the route")
	}
}

// TestCookie: the session's cookie cannot be read by scripts, nor travel in the clear, nor with other sites' writes.
func TestCookie(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	for _, base := range []string{h.url, "https://sign.example.com"} {
		h.config.BaseURL = base
		h.handler = must(web.New(h.config))
		c := h.newBrowser()
		a := c.form("/s", hiddenFields(c.get(h.link(mary)).body))
		i := slices.IndexFunc(a.Cookies(), func(k *http.Cookie) bool { return k.Name == "cs_browser" })
		if i < 0 {
			t.Fatalf("no cookie: %d %v", a.StatusCode, a.Header)
		}
		k := a.Cookies()[i]
		if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.MaxAge != 0 || !k.Expires.IsZero() || k.Domain != "" {
			t.Errorf("cookie: %+v", k)
		}
		if secure := strings.HasPrefix(base, "https"); k.Secure != secure {
			t.Errorf("%s: Secure is %v", base, k.Secure)
		}
	}
}

// TestNoOpenRedirect is L11: redirects lead to our own paths, whatever is asked.
func TestNoOpenRedirect(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	c := h.newBrowser()
	fields := hiddenFields(c.get(h.link(mary)).body)
	for _, name := range []string{"next", "target", "returnUrl", "redirect_uri"} {
		fields.Set(name, "https://evil.example/")
	}
	redirects := []answer{c.form("/s?next=//evil.example", fields)}
	for _, handle := range []string{"%2f%2fevil.example", "..%2f..%2fevil.example", "https:%2f%2fevil.example", "%5c%5cevil.example"} {
		redirects = append(redirects, c.get("/sign/"+handle+"/code"), c.form("/sign/"+handle+"/code/send", nil),
			c.form("/sign/"+handle+"/watch", nil), c.get("//evil.example/..%2f"), c.get("/"+handle))
	}
	for _, a := range redirects {
		to := a.Header.Get("Location")
		if a.StatusCode < 300 || a.StatusCode > 399 || to == "" {
			continue
		}
		u, err := url.Parse(to)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
			t.Errorf("%s leads to %q", a.Request.URL, to)
		}
	}
	if !strings.HasPrefix(redirects[0].Header.Get("Location"), "/sign/") {
		t.Errorf("the first leads to %q", redirects[0].Header.Get("Location"))
	}
}

// TestMailboxStaysHere: the built-in mailbox is for callers on this machine, by a name of this machine.
func TestMailboxStaysHere(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.send(agreement(h.group("Pharmacists", mary).OuterID))
	ask := func(remote, host, forwarded string) int {
		r := httptest.NewRequest("GET", "/mailbox/api/messages", nil)
		r.RemoteAddr, r.Host = remote, host
		if forwarded != "" {
			r = r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{IP: forwarded}))
		}
		return h.serve(r).StatusCode
	}
	for _, c := range []struct {
		remote, host, forwarded string
		want                    int
	}{
		{"127.0.0.1:1", "127.0.0.1:8080", "", 200}, {"[::1]:1", "localhost", "", 200}, {"[::ffff:127.0.0.1]:1", "[::1]:80", "", 200},
		{"192.0.2.7:1", "127.0.0.1", "", 404}, {"127.0.0.1:1", "evil.example", "", 404}, {"127.0.0.1:1", "127.0.0.1", "192.0.2.7", 404},
		{"127.0.0.1:1", "127.0.0.1.evil.example", "", 404}, {"", "127.0.0.1", "", 404},
	} {
		if got := ask(c.remote, c.host, c.forwarded); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	h.config.Mailbox = nil
	h.handler = must(web.New(h.config))
	if got := ask("127.0.0.1:1", "127.0.0.1", ""); got != 404 {
		t.Errorf("without a mailbox: %d", got)
	}
}
