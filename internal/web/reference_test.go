package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/web"
)

// The document is served as it was given; the page names it for those without scripts.
func TestReference(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.newBrowser()
	page := c.get("/openapi/acrobat-sign")
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `href="/openapi/acrobat-sign.json"`) || !strings.Contains(page.body, "<noscript>") {
		t.Errorf("the page: %d %s", page.StatusCode, page.body)
	}
	document := c.get("/openapi/acrobat-sign.json")
	if want, err := os.ReadFile("../api/acrobat/openapi.json"); err != nil || document.body != string(want) ||
		document.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the document: %d %v %v", document.StatusCode, document.Header, err)
	}
	for _, path := range []string{"/openapi", "/openapi/", "/openapi/nothing", "/openapi/nothing.json"} {
		if a := c.get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if front := c.get("/"); strings.Count(front.body, `href="/openapi/acrobat-sign"`) != 1 {
		t.Error("the start page has no way there")
	}
	bare := h.config
	bare.References = nil
	if _, err := web.New(bare); err != nil {
		t.Error(err)
	}
}

// traffic notes what a tab asks for, and what its console complains about.
type traffic struct {
	mu      sync.Mutex
	hosts   map[string]string // host to an address there
	paths   []string
	console []string
}

func (r *traffic) listen(event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if at, err := url.Parse(e.Request.URL); err == nil && at.Scheme != "data" && at.Scheme != "about" {
			r.hosts[at.Host] = e.Request.URL
			r.paths = append(r.paths, e.Request.Method+" "+at.Path)
		}
	case *runtime.EventConsoleAPICalled:
		r.console = append(r.console, fmt.Sprint(e.Type, " ", e.Args))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "warning" || e.Entry.Level == "error" {
			r.console = append(r.console, e.Entry.Text)
		}
	}
}

// The page draws every operation, a call can be made from it, nothing is asked of
// another host and nothing fails, on a phone in the dark as at a desk.
func TestReferencePage(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	pages := h.handler
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/ims/token/v3" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"x","token_type":"bearer","expires_in":86399}`))
			return
		}
		pages.ServeHTTP(w, r)
	})
	browser := chrome(t)
	seats := map[string]screen{"desk": desktop, "phone": phone} // light and dark
	if os.Getenv("COUNTERSIGN_SCREENSHOTS") != "" {
		seats["desk-dark"], seats["phone-light"] = screen{1280, 860, 1, "dark"}, screen{360, 740, 2, "light"}
	}
	for name, s := range seats {
		asked := &traffic{hosts: map[string]string{}}
		b := newTab(t, browser, name, s)
		if err := chromedp.Listen(b.ctx, asked.listen); err != nil {
			t.Fatal(err)
		}
		b.open(h.url + "/openapi/acrobat-sign")
		b.until(`document.querySelectorAll("#reference .opblock").length > 0`)
		if got, want := eval[int](b, `document.querySelectorAll("#reference .opblock").length`), operations(t, h); got != want {
			t.Errorf("%s: %d operations are shown, %d are in the document", name, got, want)
		}
		b.try()
		asked.check(b, h)
	}
}

// try makes a call from the page and types a token in.
func (b *tab) try() {
	b.t.Helper()
	const one = "#operations-Tokens-imsTokenV3 "
	b.examine("reference")
	b.click(one + ".opblock-summary-control")
	b.see(one + ".execute")
	b.examine("reference-open")
	if n := eval[int](b, `document.querySelectorAll("`+one+`tr[data-param-in=query]").length`); n != 0 {
		b.t.Errorf("%s: %d parameters would go into the query", b.name, n)
	}
	if scope := eval[string](b, `document.querySelector("`+one+`tr[data-property-name=scope] input")?.value ?? "?"`); !strings.Contains(scope, "sign_user_write") || !strings.Contains(scope, "sign_oem_user_impersonate") {
		b.t.Errorf("%s: the form asks for %q, which cannot register", b.name, scope)
	}
	b.do(chromedp.ScrollIntoView(chromedp.CSS(one + ".execute")))
	b.shot("reference-form")
	b.click(one + ".execute")
	b.see(one + ".live-responses-table")
	b.do(chromedp.ScrollIntoView(chromedp.CSS(one + ".live-responses-table")))
	b.examine("reference-answer")
	b.click(".btn.authorize")
	b.see(".dialog-ux .modal-ux")
	b.examine("reference-authorize")
}

// check: the call went to this host, nothing went to another, and the console is empty.
func (r *traffic) check(b *tab, h *house) {
	b.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hosts) != 1 || r.hosts[strings.TrimPrefix(h.url, "http://")] == "" || !slices.Contains(r.paths, "POST /ims/token/v3") {
		b.t.Errorf("%s: asked %v, %v", b.name, r.hosts, r.paths)
	}
	if r.console != nil {
		b.t.Errorf("%s: the console: %q", b.name, r.console)
	}
}

// operations is how many the document has.
func operations(t *testing.T, h *house) (n int) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(h.config.References[0].Document, &document); err != nil {
		t.Fatal(err)
	}
	for _, path := range document.Paths {
		n += len(path)
	}
	return n
}

// examine looks at the page as look does. Inside the library's part it lets pass
// what we can neither style nor name: buttons around buttons, and two labels.
func (b *tab) examine(name string) {
	b.t.Helper()
	b.shot(name)
	if wide := eval[float64](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		b.t.Errorf("%s: the page is %v pixels wider than %s's screen", name, wide, b.name)
	}
	script, err := os.ReadFile(axeFile)
	if err != nil {
		dbtest.Missing(b.t, "no axe: run third_party/fetch.sh")
	}
	eval[bool](b, string(script)+";true")
	found := eval[string](b, `axe.run({resultTypes: ["violations"]}).then((result) => result.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => ({id: v.id, nodes: v.nodes.filter((n) => !["nested-interactive", "label-content-name-mismatch"].includes(v.id) || !document.querySelector(n.target[0])?.closest("#reference"))}))
		.filter((v) => v.nodes.length > 0)
		.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join("; ")).join("\n"))`)
	if found != "" {
		b.t.Errorf("%s (%s): axe found\n%s", name, b.name, found)
	}
}
