package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// TestSignInByLink: the link's page changes nothing; its button signs in, once, and leads where one wanted to go.
func TestSignInByLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		c, email := h.newBrowser(), h.people["administrator"].email
		wanted := at(h.account, "/users?status=all")
		turned := c.get(wanted)
		if turned.StatusCode != http.StatusSeeOther || turned.Header.Get("Location") != "/console/sign-in?return_to="+url.QueryEscape(wanted) {
			t.Fatalf("who is not signed in: %d %s", turned.StatusCode, turned.Header.Get("Location"))
		}
		sent := c.post(turned.Header.Get("Location"), "/console/sign-in/mail", url.Values{"email": {email}, "return_to": {wanted}})
		if sent.StatusCode != http.StatusOK || !strings.Contains(sent.body, "Check your e-mail") {
			t.Fatalf("%d\n%s", sent.StatusCode, sent.body)
		}
		link := h.mailed(email, authn.LinkPath)
		for range 2 {
			if page := c.page(link); !strings.Contains(page, "It works once") {
				t.Error(page)
			}
		}
		token := must(url.Parse(link)).Query().Get("token")
		in := c.post(link, "/console/sign-in/link", url.Values{"token": {token}})
		if in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != wanted {
			t.Fatalf("%d %s\n%s", in.StatusCode, in.Header.Get("Location"), in.body)
		}
		checkCookie(t, in.Cookies())
		if page := c.page(wanted); !strings.Contains(page, "<bdi>Ben Olsen</bdi>") {
			t.Error(page)
		}
		second := h.newBrowser()
		if a := second.post(link, "/console/sign-in/link", url.Values{"token": {token}}); a.StatusCode == http.StatusSeeOther || !strings.Contains(a.body, "You are not signed in") {
			t.Errorf("the link worked twice: %d\n%s", a.StatusCode, a.body)
		}
		if strings.Contains(h.log.String(), token) {
			t.Error("the log holds the token")
		}
		out := c.post("/console", "/console/sign-out", nil)
		if a := c.get("/console"); out.StatusCode != http.StatusSeeOther || a.StatusCode != http.StatusSeeOther {
			t.Errorf("after signing out: %d %d", out.StatusCode, a.StatusCode)
		}
	})
}

func checkCookie(t *testing.T, cookies []*http.Cookie) {
	t.Helper()
	i := slices.IndexFunc(cookies, func(k *http.Cookie) bool { return k.Name == "cs_console" })
	if i < 0 {
		t.Fatal("no cookie")
	}
	if k := cookies[i]; !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/console" || k.MaxAge != 0 || k.Domain != "" {
		t.Errorf("cookie: %+v", k)
	}
}

// TestT15SignInTellsNothing: known and unknown addresses get the same pages, by link and by password.
func TestT15SignInTellsNothing(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.newBrowser()
	ask := func(path, email string) string {
		a := c.post("/console/sign-in", path, url.Values{"email": {email}, "password": {"quite wrong indeed"}})
		body := nonceForm.ReplaceAllString(a.body, "")
		return a.Status + strings.ReplaceAll(body, email, "THE ADDRESS")
	}
	for _, path := range []string{"", "/mail", "/enter", "/forgotten"} {
		known, unknown := ask("/console/sign-in"+path, h.people["sender"].email), ask("/console/sign-in"+path, "nobody@example.com")
		if known != unknown {
			t.Errorf("%s: known\n%s\nunknown\n%s", path, known, unknown)
		}
	}
}

// TestSignInThrottled: too many wrong passwords are refused in words, and a right one is not taken meanwhile.
func TestSignInThrottled(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.newBrowser()
	for i := range 6 {
		a := c.post("/console/sign-in", "/console/sign-in/enter", url.Values{"email": {"nobody@example.com"}, "password": {"quite wrong indeed"}})
		if want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusUnauthorized}[i == 5]; a.StatusCode != want {
			t.Fatalf("try %d: %d\n%s", i+1, a.StatusCode, a.body)
		}
		if i == 5 && !strings.Contains(a.body, "too often") {
			t.Error(a.body)
		}
	}
}

// TestPassword: set while signed in, used to sign in, changed by a mailed link.
func TestPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		c, email := h.signIn("sender"), h.people["sender"].email
		first, second := "correct horse battery", "staple of another horse"
		if a := c.post("/console/password", "/console/password", url.Values{"password": {first}, "again": {second}}); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "not the same") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
		if a := c.post("/console/password", "/console/password", url.Values{"password": {"short"}, "again": {"short"}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("a short one: %d", a.StatusCode)
		}
		if page := c.lands("/console/password", "/console/password", url.Values{"password": {first}, "again": {first}}); !strings.Contains(page, "Your password is set") {
			t.Error(page)
		}
		if a := c.post("/console/password", "/console/password", url.Values{"old": {"wrong " + first}, "password": {second}, "again": {second}}); a.StatusCode == http.StatusSeeOther || a.StatusCode >= 500 {
			t.Errorf("a wrong old one: %d\n%s", a.StatusCode, a.body)
		}
		fresh := h.newBrowser()
		in := fresh.post("/console/sign-in", "/console/sign-in/enter", url.Values{"email": {email}, "password": {first}})
		if in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != "/console" {
			t.Fatalf("%d\n%s", in.StatusCode, in.body)
		}
		third := h.newBrowser()
		third.post("/console/sign-in", "/console/sign-in/forgotten", url.Values{"email": {email}})
		link := h.mailed(email, authn.PasswordPath)
		token := must(url.Parse(link)).Query().Get("token")
		set := url.Values{"token": {token}, "password": {"x"}, "again": {"x"}}
		if a := third.post(link, "/console/sign-in/password", set); a.StatusCode != http.StatusBadRequest {
			t.Errorf("a short one by link: %d\n%s", a.StatusCode, a.body)
		}
		set = url.Values{"token": {token}, "password": {second}, "again": {second}}
		if a := third.post(link, "/console/sign-in/password", set); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d\n%s", a.StatusCode, a.body)
		}
		if a := fresh.get("/console"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the session of the password before lives on: %d", a.StatusCode)
		}
		if page := third.page("/console/sessions"); strings.Count(page, "this one") != 1 {
			t.Error(page)
		}
	})
}

// TestL11ReturnTo: one is led to pages of the console and nowhere else.
func TestL11ReturnTo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	for _, bad := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/console/../inbox", "/consolex", "javascript:pwned=1",
		"/console//evil.example/../..", "/console\r\nSet-Cookie: a=b", "%2f%2fevil.example", "/inbox"} {
		c := h.newBrowser()
		page := c.page("/console/sign-in?return_to=" + url.QueryEscape(bad))
		if strings.Contains(page, "evil") || strings.Contains(page, "pwned") {
			t.Errorf("%q stands on the page", bad)
		}
		email := h.people["sender"].email
		c.h.t.Helper()
		token := must(url.Parse(h.linkTo(email, bad))).Query().Get("token")
		a := c.post("/console/sign-in", "/console/sign-in/link", url.Values{"token": {token}, "return_to": {bad}})
		if to := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || to != "/console" {
			t.Errorf("%q leads to %q (%d)", bad, to, a.StatusCode)
		}
	}
}

// forget forgets what was counted of strangers' tries.
func (h *house) forget() {
	h.t.Helper()
	err := h.db.Write(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from limit_windows`)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// linkTo asks for a link without the pages, whose tries are counted.
func (h *house) linkTo(email, returnTo string) string {
	h.t.Helper()
	h.forget()
	if err := h.authn.SendSignInLink(context.Background(), email, returnTo); err != nil {
		h.t.Fatal(err)
	}
	return h.mailed(email, authn.LinkPath)
}

var endForm = regexp.MustCompile(`action="(/console/[^"]*/end)"`)

// TestSessions: one's sessions are listed and ended; another's cannot be.
func TestSessions(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	one, two, other := h.signIn("sender"), h.signIn("sender"), h.signIn("member")
	page := one.page("/console/sessions")
	ends := endForm.FindAllStringSubmatch(page, -1)
	if len(ends) != 1 {
		t.Fatalf("%v\n%s", ends, page)
	}
	if a := other.post("/console/sessions", ends[0][1], nil); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusNotFound {
		t.Errorf("another's session: %d", a.StatusCode)
	}
	two.page("/console")
	if page := one.lands("/console/sessions", ends[0][1], nil); !strings.Contains(page, "The session has ended") {
		t.Error(page)
	}
	if a := two.get("/console"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("an ended session: %d", a.StatusCode)
	}
}

// TestSignInElsewhere: people of an organisation with an identity provider are led there from a page of their own, and an answer
// that nobody asked for signs nobody in.
func TestSignInElsewhere(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	provider := httptest.NewUnstartedServer(nil)
	issuer := strings.Replace("http://"+provider.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	provider.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"response_types_supported":["code"],
			"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`, issuer, issuer+"/authorize", issuer+"/token", issuer+"/keys")
	})
	provider.Start()
	t.Cleanup(provider.Close)
	if err := h.authn.SetIdentityProvider(context.Background(), "Partner Ltd", issuer, "countersign", "secret"); err != nil {
		t.Fatal(err)
	}
	c := h.newBrowser()
	if page := c.post("/console/sign-in", "/console/sign-in", url.Values{"email": {"who@example.com"}}).body; strings.Contains(page, "elsewhere") {
		t.Error("another domain is offered the provider")
	}
	form := url.Values{"email": {"who@partnerdomain.com"}, "return_to": {"/console/sessions"}}
	if page := c.post("/console/sign-in", "/console/sign-in", form).body; !strings.Contains(page, "Continue with <bdi>Partner Ltd</bdi>") {
		t.Fatal(page)
	}
	a := c.post("/console/sign-in", "/console/sign-in/elsewhere", form)
	to := strings.TrimPrefix(a.Header.Get("Refresh"), "0; url=")
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(to, issuer+"/authorize?") || !strings.Contains(a.body, `href="`+issuer+`/authorize?`) {
		t.Errorf("%d %q\n%s", a.StatusCode, to, a.body)
	}
	state := must(url.Parse(to)).Query().Get("state")
	for name, browser := range map[string]*client{"another browser": h.newBrowser(), "a refusal": c} {
		answer := browser.get("/console/sign-in/provider?error=access_denied&state=" + url.QueryEscape(state))
		if answer.StatusCode != http.StatusUnauthorized || !strings.Contains(answer.body, "You are not signed in") {
			t.Errorf("%s: %d\n%s", name, answer.StatusCode, answer.body)
		}
	}
	if a := c.get("/console"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signed in: %d", a.StatusCode)
	}
}

// TestHome: each role is shown what needs its look.
func TestHome(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	for role, words := range map[string][]string{
		"administrator": {"invitation is not accepted", "packages are under way", "Seats"},
		"sender":        {"packages are under way"},
		"member":        {"Northwind Clinics"},
		"operator":      {"partners", "Northwind Clinics", "RivalLtdCustomer"},
		"partner_admin": {"PartnerLtdCustomer"},
	} {
		page := h.signIn(role).page("/console")
		for _, w := range words {
			if !strings.Contains(page, w) {
				t.Errorf("%s is not shown %q:\n%s", role, w, page)
			}
		}
		if role != "operator" && strings.Contains(page, "Rival") || role != "administrator" && strings.Contains(page, "not accepted") {
			t.Errorf("%s is shown too much:\n%s", role, page)
		}
	}
}
