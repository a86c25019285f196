package web

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"countersign.dev/internal/signing"
)

//go:embed templates
var templateFiles embed.FS

// frame is what every page is made of: its own view and what the layout needs.
type frame struct {
	Product string
	Head    head
	Path    string // marks the place in the navigation
	Verify  bool
	Mailbox bool
	View    any
}

func (s *site) frame(r *http.Request, view any) frame {
	place, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return frame{Product: s.Product, Head: s.headOf(r, view), Path: place, Verify: s.Verify != nil, Mailbox: s.Mailbox != nil, View: view}
}

// loadPages parses each page together with the layout and the shared parts.
func (s *site) loadPages() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"asset": s.assets.url, "moment": moment, "machine": machine, "progress": progressView, "plural": plural,
		"account": s.accountHead, "refusal": refusalView,
		"phaseWords": func(phase string) string { return stepWords[phase] },
	}).ParseFS(templateFiles, "templates/layout.tmpl", "templates/parts.tmpl")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		page, err := template.Must(shared.Clone()).ParseFS(templateFiles, file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		pages[name] = page
	}
	return pages, nil
}

// moment words a time for people without scripts; with them the page shows it in the reader's zone.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04") + " UTC" }

// machine words a time for scripts.
func machine(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// step is one role's progress as shown.
type step struct {
	Name   string
	Mine   bool
	State  string // signed, signing, declined, open, waiting
	Words  string
	By     string
	At     time.Time
	IsDone bool
}

// optedOut is the phase of a role whose person declined because he does not sign electronically.
const optedOut = "opted"

var stepWords = map[string]string{
	"signed": "Signed", "held": "Being signed", "mine": "Being signed", "declined": "Declined",
	optedOut: "Opted out", "free": "To be signed", "waiting": "Waits for others", "closed": "Closed",
}

// progressView words the progress of a package's roles.
func progressView(roles []signing.Progress) []step {
	steps := make([]step, len(roles))
	for i, p := range roles {
		steps[i] = step{Name: p.Name, Mine: p.IsMine, State: p.Phase, Words: stepWords[p.Phase],
			By: p.By, At: p.At, IsDone: p.Phase == "signed"}
		if p.Phase == optedOut {
			steps[i].State = "declined"
		}
	}
	return steps
}
