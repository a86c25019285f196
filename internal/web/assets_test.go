package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
)

var assetForm = regexp.MustCompile(`/assets/[A-Za-z0-9_-]+/[a-z]+\.(css|js|svg)`)

// TestAssets: what pages name is there and may be kept for ever, and modules find each other.
func TestAssets(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.newBrowser()
	named := assetForm.FindAllString(c.get("/verify").body, -1)
	if len(named) < 4 {
		t.Fatalf("the page names only %v", named)
	}
	folder := named[0][:strings.LastIndexByte(named[0], '/')]
	files, err := filepath.Glob("assets/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		named = append(named, folder+"/"+filepath.Base(f))
	}
	imports := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
	for _, path := range named {
		a := c.get(path)
		if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		for _, m := range imports.FindAllStringSubmatch(a.body, -1) {
			if b := c.get(folder + "/" + m[1]); b.StatusCode != http.StatusOK {
				t.Errorf("%s imports %s: %d", path, m[1], b.StatusCode)
			}
		}
	}
	if a := c.get("/assets/older/style.css"); a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("another release's page: %d %v", a.StatusCode, a.Header)
	}
	if a := c.get("/assets/x/..%2fdoc.go"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is no asset: %d", a.StatusCode)
	}
}

// TestNothingInline: the content policy would silently drop it.
func TestNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script(?:\s+type="module")?>|https?://`)
	files, err := filepath.Glob("templates/*")
	if err != nil || len(files) < 10 {
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
