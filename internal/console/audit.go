package console

import (
	"maps"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// eventLine is an event in a list.
type eventLine struct {
	audit.Listed
	Path    string
	Title   string
	Who     string
	Package signing.PackageName
}

// auditPage is the view of the audit trail.
type auditPage struct {
	Form   form // the filter
	Kinds  []choice
	Events []eventLine
	Path   string
	Name   string // of the package that the events are of
	Server bool   // of no account
	Back   time.Time
	Pager  pages
}

// auditTrail searches the audit log of an account, for the operator the server's own.
func (c *console) auditTrail(v *visit) error {
	v.trail("Audit trail", "")
	view := auditPage{Form: form{Values: v.r.URL.Query()}, Kinds: kindChoices(), Path: v.auditPath(), Server: v.r.PathValue("account") == ""}
	f, err := v.auditFilter()
	if err == nil && v.asked("package") != "" {
		var found signing.PackageName
		if f.Package, found, err = c.Signing.Package(v.ctx(), v.p, v.asked("package")); err == nil {
			view.Name = found.Name
		}
	}
	if err != nil {
		if errs.KindOf(err) != errs.Invalid {
			return err
		}
		view.Form.Problem = v.refused(err).Problem
		return v.again(err, "audit", view)
	}
	found, err := c.Audit.Search(v.ctx(), v.p, f, v.asked("after"), listedAtOnce)
	if err != nil {
		return err
	}
	if view.Events, err = v.eventLines(found.Events); err != nil {
		return err
	}
	words := ""
	if found.Next != "" {
		view.Back = found.Back
		words = "There may be more, further back."
	}
	view.Pager = v.pager(found.Next, words)
	return v.show("audit", view)
}

// auditPath is the address of the trail that the viewer is in.
func (v *visit) auditPath() string {
	if v.r.PathValue("account") == "" {
		return root + "/audit"
	}
	return v.path("audit")
}

// auditFilter reads what is asked for. Days begin and end in UTC.
func (v *visit) auditFilter() (f audit.Filter, err error) {
	f = audit.Filter{Type: v.asked("type"), Actor: v.asked("who"), Text: v.asked("search"), Refused: v.asked("refused") == "yes"}
	for name, into := range map[string]*time.Time{"from": &f.From, "to": &f.Before} {
		text := v.asked(name)
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.DateOnly, text); err != nil {
			return f, errs.New(errs.Invalid, "date.malformed", "A day is written like 2026-03-31.").On(name)
		}
	}
	if !f.Before.IsZero() {
		f.Before = f.Before.AddDate(0, 0, 1)
	}
	return f, nil
}

func kindChoices() []choice {
	out := []choice{{"", "Everything"}}
	for _, k := range audit.Kinds {
		out = append(out, choice{k, eventTitle(strings.TrimSuffix(k, "."))})
	}
	return out
}

// eventTitle makes words of an event's type: "lease.taken_over" is "Lease taken over".
func eventTitle(kind string) string {
	return title(strings.NewReplacer(".", " ", "_", " ").Replace(kind))
}

func (v *visit) eventLines(events []audit.Listed) (out []eventLine, err error) {
	var ids []string
	seen := map[string]bool{}
	for _, e := range events {
		if e.Package != "" && !seen[e.Package] {
			seen[e.Package] = true
			ids = append(ids, e.Package)
		}
	}
	names, err := v.c.Signing.Names(v.ctx(), v.p, ids)
	for _, e := range events {
		out = append(out, eventLine{Listed: e, Path: v.auditPath() + "/" + e.ID, Title: eventTitle(e.Type), Who: whoActed(e.Actor), Package: names[e.Package]})
	}
	return out, err
}

// whoActed names an actor.
func whoActed(a audit.Actor) string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Email != "":
		return a.Email
	}
	return map[string]string{audit.KindSystem: "The server", audit.KindOperator: "The operator", audit.KindClient: "A program", audit.KindPerson: "Somebody"}[a.Kind]
}

// pair is a name and a value.
type pair struct{ Name, Value string }

// eventPage is the view of one event.
type eventPage struct {
	audit.Full
	Title, Who, Short string
	Package           signing.PackageName
	Detail, Personal  []pair
	Same              string // the address of all that this actor did
}

// event shows one event with all that can be checked of it.
func (c *console) event(v *visit) error {
	full, err := c.Audit.Event(v.ctx(), v.p, v.r.PathValue("event"))
	if err != nil {
		return err
	}
	view := eventPage{Full: full, Title: eventTitle(full.Type), Who: whoActed(full.Actor), Short: audit.ShortID(full.ID)}
	v.trail("Audit trail", v.auditPath(), view.Title, "")
	names, err := c.Signing.Names(v.ctx(), v.p, []string{full.Record.Package})
	if err != nil {
		return err
	}
	view.Package = names[full.Record.Package]
	view.Detail, view.Personal = sorted(full.Record.Detail), sorted(full.Record.Personal)
	if full.Actor.User != "" {
		view.Same = v.auditPath() + "?who=" + full.Actor.User
	}
	return v.show("event", view)
}

func sorted(m map[string]string) (out []pair) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{eventTitle(name), m[name]})
	}
	return out
}
