package page

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"
)

// loadPages parses each page together with the layout and the parts that all share.
func (s *Site) loadPages() (map[string]*template.Template, error) {
	funcs := template.FuncMap{"asset": s.assets.url, "moment": Moment, "machine": Machine, "plural": plural}
	maps.Copy(funcs, s.config.Funcs)
	base, err := template.New("").Funcs(funcs).ParseFS(shared, "templates/*.tmpl")
	if err == nil {
		base, err = base.ParseFS(s.config.Pages, "templates/*.tmpl")
	}
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(s.config.Pages, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		page, err := template.Must(base.Clone()).ParseFS(s.config.Pages, file)
		if err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(path.Base(file), ".html")] = page
	}
	return pages, nil
}

// Render writes the page of a name. It is composed in memory first, so that an error half-way
// is an error page and not half a page.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, code int, name string, view any) error {
	page, ok := s.pages[name]
	if !ok {
		return fmt.Errorf("there is no page %q", name)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "layout", s.config.Frame(r, view)); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, err := w.Write(b.Bytes())
	return err
}

// Moment words a time for people without scripts; with them the page shows it in the reader's zone.
func Moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04") + " UTC" }

// Machine words a time for scripts.
func Machine(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
