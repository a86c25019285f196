package console

import (
	"strconv"
	"time"

	"countersign.dev/internal/errs"
)

// askPage is a page that asks before what cannot be taken back, or for how long two secrets are good.
type askPage struct {
	Title, Name string // the question; Name is what somebody called the thing
	Text        string
	Path        string // what the form is sent to
	Word        string // on the button
	Back        string
	Danger      bool
	Overlap     bool // it is about a new secret
	Form        form
}

// overlaps are for how long the old secret may stay good, in hours.
var overlaps = []choice{{"0", "Ends at once"}, {"1", "Stays good for an hour"}, {"24", "Stays good for a day"}, {"168", "Stays good for a week"}}

// Overlaps are the choices for the template.
func (askPage) Overlaps() []choice { return overlaps }

// newSecretPage asks for how long the old secret of something stays good.
func newSecretPage(name, path, back string) askPage {
	return askPage{Title: "New secret for", Name: name, Path: path, Back: back, Word: "Make a new secret", Overlap: true,
		Text: "The new secret is shown once. Give the old one some time if a program still uses it: it ends by itself.", Form: filled("overlap", "24")}
}

// overlap is what was chosen there. Invalid "overlap.range".
func (v *visit) overlap() (time.Duration, error) {
	hours, err := strconv.Atoi(v.value("overlap"))
	if err != nil || hours < 0 || hours > 24*7 {
		return 0, errs.New(errs.Invalid, "overlap.range", "Choose for how long the old secret stays good.").On("overlap")
	}
	return time.Duration(hours) * time.Hour, nil
}

// showSecret answers with what is shown once; back is where one goes on.
func (v *visit) showSecret(title, back string, secrets ...secretShown) error {
	return v.show("secret", secretPage{title, "Copy it now: it is shown this once and stored nowhere.", secrets, back})
}
