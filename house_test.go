// Package countersign_test holds the rules of the house: what reviewers would
// otherwise have to remark on each time.
package countersign_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "countersign.dev/internal/"

// mayImport says which rooms a room may import. A new room needs a charter: a line here and a package comment.
var mayImport = map[string]string{
	"secret": "", "errs": "", "pdf": "", "blob": "",
	"outward":        "errs",
	"db":             "",
	"db/dbtest":      "db secret",
	"authz":          "errs",
	"seal":           "db errs pdf secret",
	"jobs":           "db errs secret",
	"retry":          "db errs jobs secret",
	"audit":          "authz db errs secret",
	"webhook":        "audit authz db directory errs mail outward secret",
	"mail":           "audit db errs jobs secret",
	"directory":      "audit authz db errs jobs mail retry secret",
	"limit":          "db errs",
	"access":         "audit authz db directory errs secret",
	"authn":          "access audit authz db directory errs jobs limit mail outward secret",
	"evidence":       "audit errs pdf seal",
	"signing":        "audit authn authz blob db directory errs evidence jobs mail pdf retry seal secret webhook",
	"api":            "authz errs limit",
	"api/apitest":    "api",
	"api/acrobat":    "api authn authz directory errs",
	"api/useraccess": "access api authn authz directory errs limit",
	"api/intelagree": "access api authn authz directory errs limit retry",
	"page":           "api audit errs",
	"console":        "access api audit authn authz directory errs page signing webhook",
	"api/conga":      "api authn authz directory errs",
	"api/congasign":  "api audit authn authz directory errs retry signing webhook",
	"web":            "api audit authn authz directory errs evidence page pdf signing",
	"demo":           "access authz directory secret server",
	"server": "access api api/acrobat api/conga api/congasign api/intelagree api/useraccess audit authn authz blob db console directory errs evidence jobs limit mail outward page pdf retry seal " +
		"secret signing web webhook",
}

// source is a parsed Go file that is not a test.
type source struct {
	path, room string
	file       *ast.File
	set        *token.FileSet
}

func sources(t *testing.T, tests bool) (out []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		room, _ := strings.CutPrefix(filepath.ToSlash(filepath.Dir(path)), "internal/")
		out = append(out, source{path, room, f, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d files found", len(out))
	}
	return out
}

func TestRule1ImportDirection(t *testing.T) {
	for _, s := range sources(t, false) {
		if !strings.HasPrefix(s.path, "internal/") {
			continue
		}
		allowed, ok := mayImport[s.room]
		if !ok {
			t.Errorf("%s: the room %s has no charter", s.path, s.room)
			continue
		}
		for _, imp := range s.file.Imports {
			room, ours := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module)
			if ours && !slices.Contains(strings.Fields(allowed), room) {
				t.Errorf("%s: %s may not import %s", s.path, s.room, room)
			}
		}
	}
}

func TestRule2OnePackageComment(t *testing.T) {
	comments := map[string]int{}
	for _, s := range sources(t, false) {
		comments[s.room] += 0
		if s.file.Doc != nil {
			comments[s.room]++
		}
	}
	for room, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments", room, n)
		}
	}
}

var created = regexp.MustCompile(`(?im)^create table (?:if not exists )?([a-z_]+)`)

// Rule 3: each table has one room whose SQL may name it; the schema file's name says which.
func TestRule3TablesHaveOneRoom(t *testing.T) {
	owner := map[string]string{}
	files, err := filepath.Glob("internal/db/schema/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no schema", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, room, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".sql"), "_")
		for _, m := range created.FindAllSubmatch(text, -1) {
			owner[string(m[1])] = room
		}
	}
	named := regexp.MustCompile(`(?i)\b(?:from|join|into|update|table)\s+([a-z_]+)`)
	for _, s := range sources(t, false) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || !strings.HasPrefix(s.path, "internal/") {
				return true
			}
			for _, m := range named.FindAllStringSubmatch(lit.Value, -1) {
				if room := owner[strings.ToLower(m[1])]; room != "" && room != s.room && looksLikeSQL(lit.Value) {
					t.Errorf("%s names the table %s of %s", s.set.Position(lit.Pos()), m[1], room)
				}
			}
			return true
		})
	}
}

func looksLikeSQL(literal string) bool {
	text := strings.ToLower(strings.Trim(literal, "`\" \n\t"))
	for _, verb := range []string{"select ", "insert ", "update ", "delete ", "with "} {
		if strings.HasPrefix(text, verb) {
			return true
		}
	}
	return false
}

func TestRule5ShortFunctions(t *testing.T) {
	for _, s := range sources(t, false) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > 60 {
					t.Errorf("%s: %s has %d lines", s.set.Position(f.Pos()), f.Name.Name, n)
				}
			}
		}
	}
}

// Rule 8: no test sleeps; it waits for what it wants to see.
func TestRule8NoSleeps(t *testing.T) {
	for _, tests := range []bool{false, true} {
		for _, s := range sources(t, tests) {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
					if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
						t.Errorf("%s sleeps", s.set.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

// Samples are example.com's and nobody else's.
func TestNoRealAddresses(t *testing.T) {
	address := regexp.MustCompile(`[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}`)
	attacks := []string{"john@xn--ample-ywe6i.com", "ann@notgroups.e-signlive.com"} // a homograph and a suffix trick
	ours := regexp.MustCompile(`(?i)@-?(([a-z0-9-]+\.)*example(\.com|\.org|\.net)?|([a-z0-9-]+\.)*(invalid|test|localhost)|([a-z]+\.)?groups\.e-signlive\.com|partnerdomain\.(com|us))$`)
	_ = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && slices.Contains([]string{".git", "node_modules", "embedded", "axe", "bin"}, d.Name()) {
				return fs.SkipDir
			}
			return err
		}
		if filepath.Base(path) == "package-lock.json" || filepath.Base(path) == "SHA256SUMS" || filepath.Base(path) == "package.json" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		for _, a := range address.FindAllString(string(text), -1) {
			if !ours.MatchString(a) && !slices.Contains(attacks, a) {
				t.Errorf("%s: %s", path, a)
			}
		}
		return nil
	})
}

// docs/security-tests.md names tests that exist.
func TestSecurityTestsExist(t *testing.T) {
	text, err := os.ReadFile("docs/security-tests.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	for _, s := range sources(t, true) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				exists[f.Name.Name] = true
			}
		}
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllSubmatch(text, -1)
	for _, m := range named {
		if !exists[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
}
