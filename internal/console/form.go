package console

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"countersign.dev/internal/errs"
)

// form is what a form shows: what was entered, and what was wrong with it.
type form struct {
	Values  url.Values
	Problem string // the reason for a refusal, in words
	Field   string // the input to blame
}

// filled is a form not yet sent, with values in it: name, value, name, value…
func filled(pairs ...string) form {
	f := form{Values: url.Values{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values.Set(pairs[i], pairs[i+1])
	}
	return f
}

// refused is the form that was sent, with what err says about it.
func (v *visit) refused(err error) form {
	f := form{Values: v.r.PostForm}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		f.Problem, f.Field = e.Detail, e.Field
	}
	return f
}

// Get is one value.
func (f form) Get(name string) string { return f.Values.Get(name) }

// Has reports whether a value was chosen, for check boxes and options of several.
func (f form) Has(name, value string) bool { return slices.Contains(f.Values[name], value) }

// input is one field of a form, as the part "input" shows it.
type input struct {
	Name, Label, Kind, Value string
	Help                     string
	Problem                  string
	Auto                     string // autocomplete
	Max                      string // maxlength
	Pattern, Placeholder     string
	Required, Focus          bool
	Choices                  []choice // Kind "select"
}

// choice of a select.
type choice struct{ Value, Title string }

// field makes an input. The options are "required", "focus", "help=…", "auto=…", "max=…", "pattern=…", "hint=…", "as=…" (the
// name that refusals use, if it is another).
func field(f form, name, label, kind string, options ...string) input {
	in := input{Name: name, Label: label, Kind: kind, Auto: "off"}
	if kind != "password" {
		in.Value = f.Get(name)
	}
	as := name
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "required":
			in.Required = true
		case "focus":
			in.Focus = true
		case "help":
			in.Help = value
		case "auto":
			in.Auto = value
		case "max":
			in.Max = value
		case "pattern":
			in.Pattern = value
		case "hint":
			in.Placeholder = value
		case "as":
			as = value
		}
	}
	if f.Problem != "" && f.Field == as {
		in.Problem = f.Problem
	}
	return in
}

// selection makes an input with choices: value, title, value, title…
func selection(f form, name, label string, choices []choice, options ...string) input {
	in := field(f, name, label, "select", options...)
	in.Choices = choices
	return in
}

// choices are value, title, value, title…
func choices(pairs ...string) (out []choice) {
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, choice{pairs[i], pairs[i+1]})
	}
	return out
}
