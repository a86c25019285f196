package pdf

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The AcroForm (ISO 32000-1 §12.7) is read from the pages' widgets upwards: a field that
// no page shows is nothing to fill in.

// The bounds of what is read of a form.
const (
	maxWidgets  = 20_000
	maxParents  = 32
	maxOptions  = 1000
	maxValue    = 10_000 // characters of a value
	notedFields = 10     // names told in a note
)

// widget is one field on a page, with what it inherits.
type widget struct {
	f     *file
	page  int
	ref   object // its reference; nil when it stands in Annots itself
	chain []dict // the widget, its parent and so on
	above []ref  // the references of the parents
}

// widgets of all pages, in the order in which they stand.
func (f *file) widgets(leaves []leaf) (list []widget, err error) {
	for page, l := range leaves {
		annots, err := f.array(l.dict["Annots"])
		if err != nil {
			return nil, err
		}
		for _, a := range annots {
			d, err := f.dict(a)
			if err != nil {
				return nil, err
			}
			kind, err := f.resolve(d["Subtype"])
			if err != nil {
				return nil, err
			}
			if d == nil || kind != name("Widget") {
				continue
			}
			if len(list) >= maxWidgets {
				return nil, refuse(TooLarge, "more than %d form fields", maxWidgets)
			}
			w := widget{f: f, page: page}
			if r, ok := a.(ref); ok {
				w.ref = r
			}
			if err := w.climb(d); err != nil {
				return nil, err
			}
			list = append(list, w)
		}
	}
	return list, nil
}

func (w *widget) climb(d dict) error {
	for d != nil && len(w.chain) < maxParents {
		w.chain = append(w.chain, d)
		r, ok := d["Parent"].(ref)
		if !ok {
			return nil
		}
		w.above = append(w.above, r)
		var err error
		if d, err = w.f.dict(r); err != nil {
			return err
		}
	}
	return nil
}

// attribute looks for an inheritable attribute (§12.7.3.1). Every object was read
// without an error before.
func (w *widget) attribute(key name) object {
	for _, d := range w.chain {
		if o, err := w.f.resolve(d[key]); err == nil && o != nil {
			return o
		}
	}
	return nil
}

func (w *widget) text(o object) string {
	o, _ = w.f.resolve(o)
	switch v := o.(type) {
	case text:
		return clipped(readText(v))
	case name:
		return clipped(string(v))
	case *stream:
		if body, err := w.f.decode(v); err == nil {
			return clipped(readText(body))
		}
	}
	return ""
}

func clipped(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), maxValue)])
}

// name is the full name (§12.7.3.2).
func (w *widget) name() string {
	var parts []string
	for _, d := range w.chain {
		if t, err := w.f.resolve(d["T"]); err == nil && t != nil {
			parts = append(parts, w.text(t))
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// on tells whether a button is pressed.
func (w *widget) on() bool {
	state, _ := w.f.resolve(w.chain[0]["AS"])
	if state == nil {
		state = w.attribute("V")
		looks, _ := w.f.dict(w.chain[0]["AP"])
		states, _ := w.f.dict(looks["N"])
		if s, ok := state.(name); ok && len(states) > 0 && states[s] == nil {
			return false
		}
	}
	s, ok := state.(name)
	return ok && s != "Off" && s != ""
}

// options of a choice field as they are shown, and the one chosen.
func (w *widget) options() (shown []string, value string) {
	chosen := w.attribute("V")
	if a, ok := chosen.(array); ok && len(a) > 0 {
		chosen = a[0]
	}
	value = w.text(chosen)
	list, _ := w.attribute("Opt").(array)
	for _, o := range list[:min(len(list), maxOptions)] {
		o, _ = w.f.resolve(o)
		if pair, ok := o.(array); ok && len(pair) == 2 {
			if export := w.text(pair[0]); export == value {
				value = w.text(pair[1])
			}
			o = pair[1]
		}
		shown = append(shown, w.text(o))
	}
	return shown, value
}

var fontSize = regexp.MustCompile(`([0-9.]+)\s+Tf`)

// field makes a FormField of a widget whose name was understood.
func (w *widget) field(n FieldName, full string, l leaf) (FormField, error) {
	rect, err := w.f.rectangle(w.chain[0]["Rect"])
	if err != nil {
		return FormField{}, err
	}
	out := FormField{FieldName: n, Name: full, Tooltip: w.text(w.attribute("TU")), Place: Place{Page: w.page}}
	if rect != nil {
		out.Place = l.place(*rect, w.page)
	}
	flags, _ := w.attribute("Ff").(int64)
	out.ReadOnly, out.Required = flags&1 != 0, flags&2 != 0 && !n.Optional
	if m := fontSize.FindStringSubmatch(w.text(w.attribute("DA"))); m != nil {
		if size, err := strconv.ParseFloat(m[1], 64); err == nil && size <= 1000 {
			out.FontSize = size
		}
	}
	if n.Type == "SIGNATURE" {
		return out, nil
	}
	switch n.Subtype {
	case "CHECKBOX", "RADIO":
		if w.on() {
			out.Value = "X"
		}
	case "LIST":
		out.Options, out.Value = w.options()
	default:
		out.Value = w.text(w.attribute("V"))
	}
	if most, ok := w.attribute("MaxLen").(int64); ok && most > 0 && most <= maxValue {
		out.MaxLength = int(most)
	}
	return out, nil
}

// fields takes the widgets of known roles out of the document and returns them; the
// others stay as they are and are told in a note.
func (f *file) fields(leaves []leaf, wanted *Wanted, out *Extraction) error {
	all, err := f.widgets(leaves)
	if err != nil {
		return err
	}
	drop := map[int]bool{}
	direct := map[int]bool{} // pages with fields that stand in Annots themselves
	var others []string
	left := 0
	for _, w := range all {
		full := w.name()
		var n FieldName
		ok := slices.Contains(wanted.Names, full)
		if !ok && wanted.Fields {
			n, ok = parseFieldName(full, wanted.Roles)
		}
		if !ok {
			if left++; len(others) < notedFields && !slices.Contains(others, full) {
				others = append(others, full)
			}
			continue
		}
		field, err := w.field(n, full, leaves[w.page])
		if err != nil {
			return err
		}
		out.Fields = append(out.Fields, field)
		if r, ok := w.ref.(ref); ok {
			drop[r.num] = true
		} else {
			w.chain[0]["Subtype"] = nil
			direct[w.page] = true
		}
	}
	if left > 0 {
		for i := range others {
			others[i] = strconv.Quote(others[i])
		}
		out.Notes = append(out.Notes, fmt.Sprintf("%d form fields stay as they are in the document, because their names name no role of the package "+
			"or no kind of field: %s.", left, strings.Join(others, ", ")))
	}
	if len(out.Fields) == 0 {
		return nil
	}
	for _, w := range all {
		f.orphaned(w, drop)
	}
	out.File, err = f.without(leaves, drop, direct, left == 0)
	return err
}

// orphaned adds the parents of a dropped widget that have no other kid.
func (f *file) orphaned(w widget, drop map[int]bool) {
	if r, ok := w.ref.(ref); !ok || !drop[r.num] {
		return
	}
	for _, above := range w.above {
		d, _ := f.dict(above)
		kids, _ := f.array(d["Kids"])
		for _, k := range kids {
			if r, ok := k.(ref); !ok || !drop[r.num] {
				return
			}
		}
		drop[above.num] = true
	}
}

// without writes the document without the widgets.
func (f *file) without(leaves []leaf, drop map[int]bool, direct map[int]bool, all bool) ([]byte, error) {
	for page := range direct {
		annots, err := f.array(leaves[page].dict["Annots"])
		if err != nil {
			return nil, err
		}
		kept := array{}
		for _, a := range annots {
			if d, ok := a.(dict); !ok || d["Subtype"] != nil {
				kept = append(kept, a)
			}
		}
		leaves[page].dict["Annots"] = kept
	}
	if all {
		cat, err := f.catalog()
		if err != nil {
			return nil, err
		}
		delete(cat, "AcroForm")
	}
	return f.rewrite(drop)
}
