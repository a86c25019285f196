package console_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
)

// patience is how long a browser may take for one step before the test fails.
const patience = 60 * time.Second

// axeFile finds faults of accessibility; it is fetched by third_party/fetch.sh.
const axeFile = "../web/testdata/axe/axe.min.js"

// window is the browser that all tests share, started by the first; TestMain closes it.
var window struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

// chrome is the browser. Without one installed the test is skipped.
func chrome(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	window.once.Do(func() {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if p, err := exec.LookPath(name); err == nil && path == "" {
				path = p
			}
		}
		if path == "" {
			return
		}
		allocator, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-background-networking", true))...)
		ctx, cancel := chromedp.NewContext(allocator)
		window.ctx, window.close = ctx, func() { cancel(); end() }
		window.err = chromedp.Do(ctx)
	})
	if window.err != nil {
		t.Fatal(window.err)
	}
	if window.ctx == nil {
		dbtest.Missing(t, "no Chromium: install it to run the browser tests")
	}
	return window.ctx
}

// screen is what a person sits at.
type screen struct {
	name          string
	width, height int64
	scale         float64
	scheme        string
}

var screens = []screen{{"desktop-light", 1280, 860, 1, "light"}, {"desktop-dark", 1280, 860, 1, "dark"},
	{"phone-light", 390, 844, 2, "light"}, {"phone-dark", 390, 844, 2, "dark"}}

// tab is a person's browser: a profile of its own, nothing shared with others.
type tab struct {
	t     *testing.T
	ctx   context.Context
	name  string
	shots string // a folder for pictures, or ""
	mu    sync.Mutex
	bad   []string // scripts that failed, and what the content policy refused
}

func newTab(t *testing.T, browser context.Context, s screen) *tab {
	t.Helper()
	b := &tab{t: t, name: s.name, shots: os.Getenv("COUNTERSIGN_SCREENSHOTS")}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(s.width, s.height, chromedp.EmulateScale(s.scale)),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: s.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
			return err
		}))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, what := range b.bad {
			t.Errorf("%s: %s", b.name, what)
		}
	})
	return b
}

// listen notes failures of our scripts and refusals of the content policy.
func (b *tab) listen(event any) {
	what := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		what = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			what += " " + e.ExceptionDetails.Exception.Description
		}
	case *cdplog.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "Content Security Policy") {
			what = e.Entry.Text
		}
	}
	if what != "" {
		b.mu.Lock()
		b.bad = append(b.bad, what)
		b.mu.Unlock()
	}
}

// signedIn gives the tab somebody's session.
func (b *tab) signedIn(h *house, role string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{Name: "cs_console", Value: h.cookieOf(role), URL: h.url + "/console", Path: "/console"})
		return err
	}))
}

// do takes steps, each within the patience.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
}

func (b *tab) open(address string) { b.t.Helper(); b.do(chromedp.Navigate(address)) }

func (b *tab) click(css string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Click(chromedp.CSS(css)))
}

// until waits until a JavaScript expression is true, over page loads too.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			b.t.Fatalf("%s waits in vain for %s: %v\n%s", b.name, expression, err, b.text("body"))
		}
	}
}

// says waits until the page's first heading has the words.
func (b *tab) says(words string) {
	b.t.Helper()
	b.until(`document.readyState === "complete" && document.querySelector("h1")?.innerText.includes(` + strconv.Quote(words) + `)`)
}

// text is what an element shows.
func (b *tab) text(css string) string {
	b.t.Helper()
	return eval[string](b, "document.querySelector("+strconv.Quote(css)+")?.innerText ?? ''")
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %s: %v", b.name, expression, err)
	}
	return v
}

// keys types as a person does.
func (b *tab) keys(text string) { b.t.Helper(); b.do(chromedp.KeyEvent(text)) }

// tabTo presses Tab until an element has the focus: what the mouse can, the keyboard can.
func (b *tab) tabTo(css string) {
	b.t.Helper()
	for range 80 {
		if eval[bool](b, "document.activeElement?.matches("+strconv.Quote(css)+") ?? false") {
			return
		}
		b.keys(kb.Tab)
	}
	b.t.Fatalf("%s cannot reach %s by the Tab key", b.name, css)
}

// look takes a picture, when COUNTERSIGN_SCREENSHOTS names a folder, and examines the page: nothing serious may stand in the
// way of people with assistive technology, and nothing may be wider than the screen.
func (b *tab) look(name string) {
	b.t.Helper()
	if b.shots != "" {
		height := eval[float64](b, "document.documentElement.scrollHeight")
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if height > 900 {
			png, err = chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(b.shots, name+"-"+b.name+".png"), png, 0o644)
		}
		if err != nil {
			b.t.Errorf("picture %s: %v", name, err)
		}
	}
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
		.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join("; ")).join("\n"))`)
	if found != "" {
		b.t.Errorf("%s (%s): axe found\n%s", name, b.name, found)
	}
}
