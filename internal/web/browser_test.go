package web_test

import (
	"context"
	"fmt"
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
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"countersign.dev/internal/db/dbtest"
)

// patience is how long a browser may take for one step before the test fails.
const patience = 60 * time.Second

// axeFile finds faults of accessibility; it is fetched by third_party/fetch.sh.
const axeFile = "testdata/axe/axe.min.js"

// chrome is the browser that all tests share, started by the first; a test that asks for it runs beside others, because
// most of its time it waits. Without one installed the test is skipped.
func chrome(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	window.once.Do(openWindow)
	if window.err != nil {
		t.Fatal(window.err)
	}
	if window.ctx == nil {
		dbtest.Missing(t, "no Chromium: install it to run the browser tests")
	}
	return window.ctx
}

// window is the browser; TestMain closes it.
var window struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

func openWindow() {
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
}

// screen is what a person sits at.
type screen struct {
	width, height int64
	scale         float64
	scheme        string
}

var (
	desktop = screen{1280, 860, 1, "light"}
	phone   = screen{360, 740, 2, "dark"}
)

// tab is a person's browser: a profile of its own, nothing shared with others.
type tab struct {
	t     *testing.T
	ctx   context.Context
	name  string
	shots string // a folder for pictures, or ""
	mu    sync.Mutex
	bad   []string // scripts that failed, and what the content policy refused
}

func newTab(t *testing.T, browser context.Context, name string, s screen) *tab {
	t.Helper()
	b := &tab{t: t, name: name, shots: os.Getenv("COUNTERSIGN_SCREENSHOTS")}
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
			t.Errorf("%s's browser: %s", name, what)
		}
		if t.Failed() {
			t.Logf("%s was at %s", name, must(chromedp.Run(b.ctx, chromedp.Location())))
			b.shot("failed")
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

// click waits until the element can be seen and presses it; the page may put a new one in its place meanwhile.
func (b *tab) click(css string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Click(chromedp.CSS(css)))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "Could not find node") {
			b.t.Fatalf("%s presses %s in vain: %v", b.name, css, err)
		}
	}
}

// consent agrees to sign electronically and waits until the page is free: before, the dialog lies over it.
func (b *tab) consent() {
	b.t.Helper()
	b.click("#agree")
	b.until(`document.querySelector("#consent")?.open === false`)
}

// code types the code from the mail, once the page listens.
func (b *tab) code(h *house, p person) {
	b.t.Helper()
	b.until(`document.readyState === "complete" && document.activeElement?.id === "code"`)
	b.keys(h.code(p))
}

func (b *tab) see(css string) { b.t.Helper(); b.do(chromedp.WaitVisible(chromedp.CSS(css))) }

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

// shot keeps a picture, when COUNTERSIGN_SCREENSHOTS names a folder.
func (b *tab) shot(name string) {
	b.t.Helper()
	if b.shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.shots, name+"-"+b.name+".png"), png, 0o644); err != nil {
		b.t.Error(err)
	}
}

// look takes a picture and examines the page: nothing serious may stand in the
// way of people with assistive technology, and nothing may be wider than the screen.
func (b *tab) look(name string) {
	b.t.Helper()
	b.shot(name)
	if wide := eval[float64](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		b.t.Errorf("%s: the page is %v pixels wider than %s's screen", name, wide, b.name)
	}
	if bars := eval[string](b, `[...document.querySelectorAll("body *")].filter((e) => e.scrollWidth > e.clientWidth && e.localName !== "textarea" &&
		["auto", "scroll"].includes(getComputedStyle(e).overflowX)).map((e) => e.className || e.localName).join()`); bars != "" {
		b.t.Errorf("%s (%s): scrolls sideways: %s", name, b.name, bars)
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

// point moves the pointer onto an element.
func (b *tab) point(css string) {
	b.t.Helper()
	at := eval[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()`, css))
	b.do(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
}

// draw makes a stroke with the pointer across an element.
func (b *tab) draw(css string) {
	b.t.Helper()
	box := eval[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`, css))
	at := func(x, y float64) (float64, float64) { return box[0] + x*box[2], box[1] + y*box[3] }
	x, y := at(.2, .6)
	b.do(chromedp.MouseEvent("mousePressed", x, y, chromedp.Button("left"), chromedp.ClickCount(1)))
	for i := range 30 {
		f := float64(i) / 29
		x, y = at(.2+.6*f, .6-.35*f*(1-f)*4*float64(1-2*(i/6%2)))
		b.do(chromedp.MouseEvent("mouseMoved", x, y, chromedp.Button("left")))
	}
	b.do(chromedp.MouseEvent("mouseReleased", x, y, chromedp.Button("left"), chromedp.ClickCount(1)))
}

// tabTo presses Tab until an element has the focus: what the mouse can, the keyboard can.
func (b *tab) tabTo(css string) {
	b.t.Helper()
	for range 80 {
		if eval[bool](b, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", css)) {
			return
		}
		b.keys(kb.Tab)
	}
	b.t.Fatalf("%s cannot reach %s by the Tab key", b.name, css)
}
