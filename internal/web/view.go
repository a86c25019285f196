package web

import (
	"embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

//go:embed templates
var templateFiles embed.FS

// assetFiles are our own files and, in the folder embedded, those of others that
// third_party/fetch.sh put there.
//
//go:embed assets embedded
var assetFiles embed.FS

// frame is what every page is made of: its own view and what the layout needs.
type frame struct {
	Product string
	Head    page.Head
	Path    string // marks the place in the navigation
	Verify  bool
	Mailbox bool
	View    any
}

func (s *site) frame(r *http.Request, view any) any {
	place, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return frame{Product: s.Product, Head: s.headOf(r, view), Path: place, Verify: s.Verify != nil, Mailbox: s.Mailbox != nil, View: view}
}

func (s *site) funcs() template.FuncMap {
	return template.FuncMap{"progress": progressView, "account": s.accountHead, "refusal": refusalView,
		"phaseWords": func(phase string) string { return stepWords[phase] }}
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
	optedOut: "Opted out", "free": "To be signed", "waiting": "Waits for others", "resting": "The others go first", "closed": "Closed",
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
