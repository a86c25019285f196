package intelagree

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
)

// What lists of a body may hold.
const (
	maxKeys   = 50
	maxGrants = 500
	maxScope  = 500
	maxLine   = 200 // characters
)

// form is an object of a body, and what is wrong with its members. A member that is null is one that was not sent.
type form struct {
	members map[string]jsontext.Value
	// at stands before the names of the object's members; empty is the body itself.
	at string
	faults
}

// readForm reads a body. As api.Request.JSON; what is wrong inside is told by refusal.
func readForm(r *api.Request) (*form, error) {
	f := &form{faults: faults{}}
	return f, r.JSON(&f.members)
}

// inside is a member's object; ok is false, and its fault noted, when the value is none.
func (f *form) inside(field string, raw jsontext.Value) (in *form, ok bool) {
	in = &form{at: field + ".", faults: f.faults}
	if raw.Kind() != '{' || json.Unmarshal(raw, &in.members) != nil {
		return nil, false
	}
	return in, true
}

// sent reports that a member is there, be it null.
func (f *form) sent(name string) bool { _, ok := f.members[name]; return ok }

// value is a member that is there and not null.
func (f *form) value(name string) (raw jsontext.Value, ok bool) {
	raw, ok = f.members[name]
	return raw, ok && raw.Kind() != 'n'
}

// required notes a member that is missing.
func (f *form) required(name string) { f.add(f.at+name, "The %s field is required.", f.at+name) }

// text is a member's text; nil when there is none, or it is no text.
func (f *form) text(name string) *string {
	raw, ok := f.value(name)
	if !ok {
		return nil
	}
	var s string
	if raw.Kind() != '"' || json.Unmarshal(raw, &s) != nil {
		f.add(f.at+name, "The %s field must be a string.", f.at+name)
		return nil
	}
	return &s
}

// line is a member's one line of text, in its stored form. With must it is required and may not be blank.
func (f *form) line(name string, must bool) *string {
	field := f.at + name
	s := f.text(name)
	if s == nil {
		if _, ok := f.value(name); must && !ok {
			f.required(name)
		}
		return nil
	}
	clean, err := directory.PersonName(*s)
	switch {
	case err != nil:
		f.add(field, "The %s field must be one line of at most %d visible characters.", field, maxLine)
	case must && clean == "":
		f.required(name)
	}
	return &clean
}

// email is a member's address, in canonical form.
func (f *form) email(name string, must bool) *string {
	s := f.line(name, must)
	if s == nil || *s == "" {
		return nil // line has told
	}
	address, err := directory.CanonicalEmail(*s)
	if err != nil {
		f.add(f.at+name, "The %s field is not a valid e-mail address.", f.at+name)
	}
	return &address
}

// boolean is a member's truth value; nil when there is none.
func (f *form) boolean(name string) *bool {
	raw, ok := f.value(name)
	if !ok {
		return nil
	}
	if kind := raw.Kind(); kind != 't' && kind != 'f' {
		f.add(f.at+name, "The %s field must be a boolean.", f.at+name)
		return nil
	}
	is := raw.Kind() == 't'
	return &is
}

// id is a member's integer id; nil when there is none.
func (f *form) id(name string) *int64 {
	raw, ok := f.value(name)
	if !ok {
		return nil
	}
	return f.number(f.at+name, raw)
}

// number is a value's integer id, written without fraction and exponent; nil, and its fault noted, when it is none.
func (f *form) number(field string, raw jsontext.Value) *int64 {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if raw.Kind() != '0' || err != nil || n < 1 {
		f.add(field, "The %s field must be a positive integer.", field)
		return nil
	}
	return &n
}

// list are a member's elements, at most so many; nil when there is none.
func (f *form) list(name string, most int) []jsontext.Value {
	raw, ok := f.value(name)
	if !ok {
		return nil
	}
	var elements []jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &elements) != nil {
		f.add(f.at+name, "The %s field must be a list.", f.at+name)
		return nil
	}
	if len(elements) > most {
		f.add(f.at+name, "The %s field must be a list of at most %d elements.", f.at+name, most)
		return nil
	}
	return elements
}

// ids are a member's integer ids, each once and at least one; nil when there is no list.
func (f *form) ids(name string) []int64 {
	if _, ok := f.value(name); !ok {
		return nil
	}
	before := f.count()
	elements := f.list(name, maxScope)
	if len(elements) == 0 && f.count() == before { // all, or none? Neither is guessed.
		f.add(f.at+name, "The %s field must not be empty; leave it out for all.", f.at+name)
	}
	var list []int64
	for i, raw := range elements {
		field := element(f.at+name, i)
		n := f.number(field, raw)
		if n == nil {
			continue
		}
		if slices.Contains(list, *n) {
			f.add(field, "The %s field is there twice.", field)
		}
		list = append(list, *n)
	}
	return list
}

// only notes members that are none of names. It is for objects in which a misspelt member would allow more than was meant.
func (f *form) only(names ...string) {
	for name := range f.members {
		if !slices.Contains(names, name) {
			f.add(f.at+printable(name), "The %s field is not known.", f.at+printable(name))
		}
	}
}

// printable is a member's name as it may be told back: a client's own text, bounded.
func printable(name string) string {
	if clean, err := directory.PersonName(name); err == nil && len(clean) <= maxLine {
		return clean
	}
	return "?"
}

// element is the name of a list's element: businessKeys[0].
func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
