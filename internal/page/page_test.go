package page_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/secret"
)

// frame is what a room's pages are made of.
type frame struct {
	Head page.Head
	View any
}

// site is a room with two pages and a file.
func site(t *testing.T, log *bytes.Buffer, files fs.FS) (*page.Site, error) {
	t.Helper()
	box, err := secret.FromMaster(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return page.New(page.Config{BaseURL: "https://sign.example.com", Root: "/room", Keys: box, Log: slog.New(slog.NewJSONHandler(log, nil)), Files: files,
		Pages: fstest.MapFS{"templates/frame.tmpl": text(`{{define "body"}}<body>{{template "main" .}}</body>{{end}}{{define "main"}}{{end}}`),
			"templates/one.html":   text(`{{define "title"}}One{{end}}{{define "main"}}{{.View}} {{asset "own.css"}}{{end}}`),
			"templates/error.html": text(`{{define "main"}}{{.View.Title}}: {{.View.Detail}} {{.View.Back}}{{end}}`)},
		Frame: func(_ *http.Request, view any) any { return frame{page.Head{Name: "Room"}, view} },
		Word:  func(_ *http.Request, p page.Problem) page.Problem { p.Back = "/room"; return p }})
}

func handler(t *testing.T, log *bytes.Buffer) http.Handler {
	t.Helper()
	s, err := site(t, log, fstest.MapFS{"assets/own.css": {Data: []byte("a{}")}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler([]page.Route{
		{Pattern: "GET /room/{secret}", Handle: func(w http.ResponseWriter, r *http.Request) error {
			return s.Render(w, r, http.StatusOK, "one", "<b>"+r.PathValue("secret"))
		}},
		{Pattern: "POST /room", Handle: func(w http.ResponseWriter, r *http.Request) error {
			if err := page.Form(w, r); err != nil {
				return err
			}
			if err := s.CheckNonce(r.PostFormValue("nonce"), page.Cookie(r, "c"), "subject"); err != nil {
				return err
			}
			s.SetCookie(w, "c", "fresh", "/room")
			return page.SeeOther(w, r, "/room/done")
		}},
		{Pattern: "GET /room/nonce", Handle: func(w http.ResponseWriter, r *http.Request) error {
			_, err := w.Write([]byte(s.Nonce(page.Cookie(r, "c"), "subject")))
			return err
		}},
		{Pattern: "GET /room/fault", Handle: func(http.ResponseWriter, *http.Request) error { return errors.New("the cause") }},
		{Pattern: "GET /room/panic", Handle: func(http.ResponseWriter, *http.Request) error { panic("the cause") }},
		{Pattern: "GET /room/gone", Shape: page.Data, Handle: func(http.ResponseWriter, *http.Request) error {
			return errs.New(errs.NotFound, "thing.unknown", "There is no such thing.")
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPage: a page is escaped, carries the headers, and is logged by its pattern.
func TestPage(t *testing.T) {
	var log bytes.Buffer
	h := handler(t, &log)
	w := ask(h, "GET", "/room/hush", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "&lt;b&gt;hush") || !strings.Contains(w.Body.String(), "<title>One · Room</title>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), "hush") || !strings.Contains(log.String(), `"route":"GET /room/{secret}"`) {
		t.Error(log.String())
	}
	for name, value := range map[string]string{"Content-Security-Policy": page.Policy, "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Strict-Transport-Security": "max-age=31536000", "Referrer-Policy": "no-referrer"} {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s: %q", name, got)
		}
	}
	asset := regexp.MustCompile(`/room/assets/[A-Za-z0-9_-]+/own\.css`).FindString(w.Body.String())
	if a := ask(h, "GET", asset, ""); a.Code != 200 || a.Body.String() != "a{}" || a.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%s: %d %v", asset, a.Code, a.Header())
	}
}

// TestFaults: a fault, or a panic, tells the reader nothing and the log everything.
func TestFaults(t *testing.T) {
	for _, path := range []string{"/room/fault", "/room/panic"} {
		var log bytes.Buffer
		w := ask(handler(t, &log), "GET", path, "")
		if w.Code != 500 || strings.Contains(w.Body.String(), "the cause") || !strings.Contains(w.Body.String(), "Something went wrong") ||
			!strings.Contains(log.String(), "the cause") || !strings.Contains(log.String(), `"level":"ERROR"`) {
			t.Errorf("%s: %d %s\n%s", path, w.Code, w.Body, log.String())
		}
	}
	w := ask(handler(t, &bytes.Buffer{}), "GET", "/room/gone", "")
	if w.Code != 404 || !strings.Contains(w.Body.String(), `"what":"thing.unknown"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestL7Writes: a write needs our own origin and a nonce of the same browser and subject.
func TestL7Writes(t *testing.T) {
	h := handler(t, &bytes.Buffer{})
	nonce := ask(h, "GET", "/room/nonce", "", "Cookie", "c=mine").Body.String()
	for name, c := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"good":            {"nonce=" + nonce, []string{"Cookie", "c=mine", "Origin", "https://sign.example.com"}, 303},
		"no nonce":        {"", []string{"Cookie", "c=mine"}, 403},
		"another browser": {"nonce=" + nonce, []string{"Cookie", "c=theirs"}, 403},
		"cut":             {"nonce=" + nonce[:len(nonce)-3], []string{"Cookie", "c=mine"}, 403},
		"another site":    {"nonce=" + nonce, []string{"Cookie", "c=mine", "Sec-Fetch-Site", "cross-site"}, 403},
		"another origin":  {"nonce=" + nonce, []string{"Cookie", "c=mine", "Origin", "https://evil.example"}, 403},
		"too large":       {"x=" + strings.Repeat("x", page.MaxBody), []string{"Cookie", "c=mine"}, 413},
	} {
		w := ask(h, "POST", "/room", c.body, c.header...)
		if w.Code != c.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if k := w.Result().Cookies(); c.want == 303 && (len(k) != 1 || !k[0].HttpOnly || !k[0].Secure || k[0].SameSite != http.SameSiteLaxMode || k[0].Path != "/room") {
			t.Errorf("%s: %v", name, k)
		}
	}
}

// TestFiles: two files of one name, or one of a kind that is not served, are found when the server starts.
func TestFiles(t *testing.T) {
	for name, files := range map[string]fs.FS{"twice": fstest.MapFS{"assets/style.css": {Data: []byte("a{}")}}, "unknown": fstest.MapFS{"assets/own.exe": {}}} {
		if _, err := site(t, &bytes.Buffer{}, files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNothingInline: the content policy would silently drop it, in this room's templates and the console's.
func TestNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script(?:\s+type="module")?>|(?:src|href|action)="?https?://`)
	for _, folder := range []string{"templates", "../console/templates"} {
		files, err := filepath.Glob(folder + "/*")
		if err != nil || len(files) < 2 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if found := inline.FindAllString(string(b), -1); found != nil {
				t.Errorf("%s: %q", f, found)
			}
		}
	}
}
