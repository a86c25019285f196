package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/console"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// samples are values for the wildcards of paths below an account; what is not here is an id of nothing.
var samples = map[string]func(h *house, a directory.Account) string{
	"user": func(h *house, a directory.Account) string {
		if a.ID == h.account.ID {
			return h.people["sender"].sender
		}
		return "nobodynobody"
	},
	"partner":      func(h *house, _ directory.Account) string { return h.partner.OuterID },
	"organisation": func(h *house, _ directory.Account) string { return h.partner.Organisation },
	"kind":         func(*house, directory.Account) string { return "account" },
}

var wildcard = regexp.MustCompile(`\{([a-z]+)\}`)

// address fills in the wildcards of a pattern.
func (h *house) address(pattern string, a directory.Account) (method, path string) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		method, path = "GET", pattern+"nowhere"
	}
	path = strings.TrimSuffix(path, "{$}")
	return method, wildcard.ReplaceAllStringFunc(path, func(name string) string {
		name = strings.Trim(name, "{}")
		if name == "account" {
			return a.OuterID
		}
		if sample := samples[name]; sample != nil {
			return sample(h, a)
		}
		return "00000000-0000-0000-0000-000000000000"
	})
}

// TestT13Matrix asks for every page as every role, in an account one reaches and in one that one does not: the answer is what the
// table says.
func TestT13Matrix(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	cells := 0
	for role, bit := range console.Roles {
		c := h.signIn(role)
		own, other := h.account, h.customer
		if strings.HasPrefix(role, "partner") {
			own, other = h.customer, h.foreign
		}
		for _, line := range console.Table() {
			if line.Roles == 0 {
				continue
			}
			for _, a := range []directory.Account{own, other} {
				if a.ID == other.ID && !strings.Contains(line.Pattern, "{account}") {
					continue
				}
				cells++
				method, path := h.address(line.Pattern, a)
				got := c.do(c.request(method, path, url.Values{"name": {"x"}}))
				want := http.StatusOK
				switch {
				case a.ID == other.ID && role != "operator":
					want = http.StatusNotFound
				case line.Roles&bit == 0 || method == http.MethodPost: // a form without a nonce
					want = http.StatusForbidden
				}
				if got.StatusCode == want || want == http.StatusOK && got.StatusCode == http.StatusNotFound && strings.Count(line.Pattern, "{") > strings.Count(line.Pattern, "{account}") {
					if method == http.MethodPost && want == http.StatusForbidden && strings.Contains(got.body, "Your role does not include") != (line.Roles&bit == 0) {
						t.Errorf("%s: %s %s: refused for another reason\n%s", role, method, path, got.body)
					}
					continue
				}
				t.Errorf("%s: %s %s: %d, want %d", role, method, path, got.StatusCode, want)
			}
		}
	}
	if cells < 200 {
		t.Errorf("only %d cells", cells)
	}
	t.Logf("%d cells", cells)
}

// TestStrangers: who is not signed in is led to do so, and no form of his does anything.
func TestStrangers(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.newBrowser()
	for _, line := range console.Table() {
		if line.Roles == 0 {
			continue
		}
		method, path := h.address(line.Pattern, h.account)
		a := c.do(c.request(method, path, nil))
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/console/sign-in") {
			t.Errorf("%s %s: %d %s", method, path, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

// TestL7CrossSite: a write that another site makes the browser send is refused, a page in a frame of theirs is not shown, and a form
// without this browser's nonce does nothing.
func TestL7CrossSite(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c, other := h.signIn("operator"), h.signIn("operator")
	foreign := nonceForm.FindStringSubmatch(other.page("/console"))[1]
	for _, line := range console.Table() {
		method, path := h.address(line.Pattern, h.account)
		if method == http.MethodGet {
			a := c.get(path)
			csp := a.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") ||
				a.Header.Get("X-Frame-Options") != "DENY" || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", path, a.Header)
			}
			continue
		}
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			r := c.request(method, path, nil)
			r.Header.Set(header[0], header[1])
			if a := c.do(r); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "another site") {
				t.Errorf("%s with %s: %d", path, header, a.StatusCode)
			}
		}
		for name, nonce := range map[string]string{"none": "", "garbage": "AAAA", "another browser's": foreign} {
			a := c.do(c.request(method, path, url.Values{"nonce": {nonce}, "email": {"x@example.com"}}))
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "out of date") {
				t.Errorf("%s with the nonce %s: %d", path, name, a.StatusCode)
			}
		}
	}
	c.page("/console") // and all that ended nobody's session
}
