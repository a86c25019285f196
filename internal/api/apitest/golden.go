package apitest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden samples anew")

// Golden compares calls with the samples in a folder, one file a route. What
// differs from run to run is named: Name("group", id) puts {group} in its place,
// dates become {date}.
type Golden struct {
	dir   string
	names [][2]string // value, name
	seen  map[string]bool
}

// NewGolden reads samples from a folder, usually "testdata".
func NewGolden(dir string) *Golden { return &Golden{dir: dir, seen: map[string]bool{}} }

// Name gives a changing value a name in the samples.
func (g *Golden) Name(name, value string) {
	g.names = append(g.names, [2]string{value, "{" + name + "}"})
}

// Unseen are the routes of patterns that no call was a sample of.
func (g *Golden) Unseen(patterns []string) (missing []string) {
	for _, p := range patterns {
		if !g.seen[p] {
			missing = append(missing, p)
		}
	}
	return missing
}

func (g *Golden) check(t testing.TB, c Call, a Answer) {
	t.Helper()
	if g.seen[c.Route] {
		t.Fatalf("two samples of %s", c.Route)
	}
	g.seen[c.Route] = true
	got := g.sample(c, a)
	file := filepath.Join(g.dir, fileName(c.Route))
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%s has no golden sample: %v", c.Route, err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from %s:\n%s", c.Route, file, firstDifference(string(want), string(got)))
	}
}

// sample is the text of one call and its answer.
func (g *Golden) sample(c Call, a Answer) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", c.Method, c.Path)
	if c.Media != "" {
		fmt.Fprintf(&b, "Content-Type: %s\n", c.Media)
	}
	fmt.Fprintf(&b, "\n%s\n\n%d %s\n", pretty(c.Media, c.Body), a.Status, http.StatusText(a.Status))
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		if value := a.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", pretty(a.Header.Get("Content-Type"), a.Body))
	return []byte(g.anonymous(b.String()))
}

func pretty(media string, body []byte) string {
	var b bytes.Buffer
	switch {
	case strings.HasPrefix(media, "application/json") && json.Indent(&b, body, "", "  ") == nil:
		return b.String()
	case strings.HasPrefix(media, "multipart/"):
		return strings.ReplaceAll(string(body), "\r\n", "\n")
	case strings.HasPrefix(media, "application/x-www-form-urlencoded"), len(body) == 0:
		return string(body)
	}
	return "{bytes}"
}

var (
	dates = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	files = regexp.MustCompile(`(?s)%PDF-.*?%%EOF\n?`)
)

func (g *Golden) anonymous(s string) string {
	s = files.ReplaceAllString(s, "{pdf}")
	for _, n := range g.names {
		s = strings.ReplaceAll(s, n[0], n[1])
	}
	return dates.ReplaceAllString(s, "{date}")
}

// fileName of a route's sample: "GET /groups/{group}" is in get-groups-group.txt.
func fileName(route string) string {
	name := strings.ToLower(strings.NewReplacer(" /", "-", "/", "-", "{", "", "}", "", "...", "").Replace(route))
	return strings.TrimPrefix(name, "-") + ".txt"
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		line := func(lines []string) string {
			if i < len(lines) {
				return lines[i]
			}
			return "(nothing)"
		}
		if line(w) != line(g) {
			return fmt.Sprintf("line %d\n  want %s\n  got  %s", i+1, line(w), line(g))
		}
	}
	return "they are the same"
}
