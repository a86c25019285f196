package pdf

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var jail *Jail

func TestMain(m *testing.M) {
	Child()
	locked()
	os.Exit(run1(m))
}

// run1 opens the one jail of all tests. The compiled PDFium is kept between runs, as a
// server keeps it in its data directory.
func run1(m *testing.M) int {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	jail, err = Open(context.Background(), Config{CacheDir: filepath.Join(cache, "countersign-test-pdfium")})
	if err != nil {
		panic(err)
	}
	defer jail.Close()
	return m.Run()
}

// A jail of its own, sharing the compiled PDFium.
func openJail(t testing.TB, c Config) *Jail {
	t.Helper()
	c.CacheDir = jail.config.CacheDir
	j, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestJailWorksInParallel(t *testing.T) {
	docs := [][]byte{document("").table(), document("", "").packed(false), document("", "", "").table()}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			info, err := jail.Inspect(context.Background(), docs[i%3])
			if err != nil || len(info.Pages) != i%3+1 || info.SHA256 != sha256.Sum256(docs[i%3]) {
				t.Errorf("%d: %+v %v", i, info, err)
			}
		}()
	}
	wg.Wait()
}

func TestJailHonoursItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := jail.Inspect(ctx, document("").table()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	j := openJail(t, Config{})
	if err := j.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Inspect(context.Background(), document("").table()); err == nil {
		t.Error("a closed jail works")
	}
	for k, waiting := range j.idle {
		if len(waiting) != 0 {
			t.Errorf("%d %s children left", len(waiting), k)
		}
	}
}

func TestJailMisuse(t *testing.T) {
	doc := document("").table()
	for name, err := range map[string]error{
		"page":      second(jail.Render(context.Background(), doc, -1, 72)),
		"dpi":       second(jail.Render(context.Background(), doc, 0, 10_000)),
		"no page":   second(jail.Render(context.Background(), doc, 1, 72)),
		"text page": second(jail.Text(context.Background(), doc, 7)),
		"fonts":     second(Open(context.Background(), Config{FontDirs: []string{"/no/such/folder"}})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A child that cannot start is the server's fault, not the document's.
func TestJailWithoutCache(t *testing.T) {
	j := openJail(t, Config{Limits: Limits{Memory: 24 << 20}})
	_, err := j.Inspect(context.Background(), document("").table())
	var r *Refusal
	if err == nil || errors.As(err, &r) {
		t.Errorf("got %v, want an error that is no refusal", err)
	}
}

// An unaided child starts without PDFium, so that it needs no cache; what needs PDFium is
// never answered by one.
func TestUnaidedChildHasNoPDFium(t *testing.T) {
	j := &Jail{config: Config{CacheDir: filepath.Join(t.TempDir(), "none"), Limits: Limits{}.withDefaults()}, exe: jail.exe}
	j.ctx, j.stop = context.WithCancel(context.Background())
	defer j.stop()
	doc := document("").table()
	for op, served := range map[string]bool{"signatures": true, "render": false, "inspect": false, "text": false} {
		m, err := j.start(unaided)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := m.exchange(request{Op: op, DPI: 72, Limits: j.config.Limits}, doc)
		if err != nil || (r.Fault == "") != served || (r.Structure != nil) != served {
			t.Errorf("%s: %+v %v", op, r, err)
		}
		m.kill()
	}
	m, err := j.start(viewing)
	if err != nil {
		t.Fatal(err)
	}
	defer m.kill()
	if _, _, err := m.exchange(request{Op: "text"}, doc); !errors.Is(err, errNotStarted) {
		t.Errorf("PDFium without a cache: %v", err)
	}
}

// What a request needs is decided by the parent; form fields need no reading of text.
func TestKindOfChild(t *testing.T) {
	for want, requests := range map[kind][]request{
		unaided: {{Op: "compose"}, {Op: "signatures"}, {Op: "extract", Wanted: &Wanted{Fields: true, Names: []string{"a"}}}},
		viewing: {{Op: "inspect"}, {Op: "render"}, {Op: "text"}, {Op: "extract", Wanted: &Wanted{Tags: true}},
			{Op: "extract", Wanted: &Wanted{Anchors: []AnchorQuery{{Text: "x"}}}}},
	} {
		for _, q := range requests {
			if q.kind() != want {
				t.Errorf("%s %+v: %s", q.Op, q.Wanted, q.kind())
			}
		}
	}
}

// P1: a child that runs out of memory ends alone.
func TestP1MemoryIsBounded(t *testing.T) {
	j := openJail(t, Config{Limits: Limits{Memory: 200 << 20, Bytes: 64 << 20}})
	doc := document("")
	doc.with("[" + strings.Repeat("1 ", 12<<20) + "]")
	_, err := j.Inspect(context.Background(), doc.table())
	refused(t, err, Exhausted)
	if _, err := j.Inspect(context.Background(), document("").table()); err != nil {
		t.Errorf("the next document: %v", err)
	}
}

// FontDirs brings further scripts; the operator's fonts come after the built-in ones.
func TestFontDirs(t *testing.T) {
	dir := t.TempDir()
	data, err := embedded.ReadFile("fonts/embedded/NotoSans_400Regular.ttf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Own.ttf"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no font"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openJail(t, Config{FontDirs: []string{dir}})
	if n := len(j.fonts.regular); n != 3 {
		t.Errorf("%d fonts for regular text", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "Broken.ttf"), []byte("no font"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), Config{FontDirs: []string{dir}}); err == nil || !strings.Contains(err.Error(), "Broken.ttf") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

// Emptying the cache of a running server costs time, not documents.
func TestJailRefillsItsCache(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(jail.config.CacheDir)); err != nil {
		t.Fatal(err)
	}
	j, err := Open(context.Background(), Config{CacheDir: dir, Idle: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := j.Inspect(context.Background(), document("").table()); err != nil {
			t.Error(err)
		}
	}
}
