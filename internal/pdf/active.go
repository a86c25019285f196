package pdf

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Active content (ISO 32000-1 §12.6): whatever a viewer may run, fetch or open by
// itself, and whatever hides another document inside this one.

// activeActions are the action types (§12.6.4) that do more than move about in the
// document. URI is allowed on a click only, so it is not among them.
var activeActions = map[name]string{
	"JavaScript": "JavaScript", "Launch": "Launch action", "SubmitForm": "SubmitForm action",
	"ImportData": "ImportData action", "GoToR": "GoToR action", "GoToE": "GoToE action",
	"Rendition": "Rendition action", "Movie": "Movie action", "Sound": "Sound action",
	"GoTo3DView": "3D action", "RichMediaExecute": "RichMedia action", "Thread": "Thread action",
}

var activeAnnotations = map[name]string{
	"RichMedia": "RichMedia annotation", "Screen": "Screen annotation", "Movie": "Movie annotation",
	"3D": "3D annotation", "Sound": "Sound annotation", "FileAttachment": "embedded file",
}

var activeKeys = map[name]string{
	"AA": "additional actions (AA)", "JS": "JavaScript", "XFA": "XFA form",
	"EmbeddedFiles": "embedded file", "EF": "embedded file", "Collection": "portfolio",
}

// scan looks at every object once.
type scan struct {
	f       *file
	active  map[string]bool
	signed  bool
	foreign bool // a font is described but not embedded
}

// scan reads every object of the cross-reference and reports what it found. It fails
// on the first object that is not what the cross-reference says, and on streams that
// unpack beyond the limits.
func (f *file) scan() (*scan, error) {
	s := &scan{f: f, active: map[string]bool{}}
	numbers := make([]int, 0, len(f.table))
	for num := range f.table {
		numbers = append(numbers, num)
	}
	sort.Ints(numbers)
	for _, num := range numbers {
		o, err := f.load(ref{num, f.table[num].gen})
		if err != nil {
			return nil, err
		}
		if st, ok := o.(*stream); ok {
			if err := f.measure(st); err != nil {
				return nil, fmt.Errorf("object %d: %w", num, err)
			}
		}
		s.look(o)
	}
	cat, err := f.catalog()
	if err != nil {
		return nil, err
	}
	if _, ok := cat["Perms"]; ok {
		s.signed = true
	}
	return s, s.openAction(cat["OpenAction"])
}

func (s *scan) look(o object) {
	switch v := o.(type) {
	case array:
		for _, e := range v {
			s.look(e)
		}
	case *stream:
		s.look(v.dict)
	case dict:
		s.dict(v)
		for _, e := range v {
			s.look(e)
		}
	}
}

func (s *scan) dict(d dict) {
	for key, what := range activeKeys {
		if _, ok := d[key]; ok {
			s.active[what] = true
		}
	}
	if what, ok := activeActions[s.nameAt(d, "S")]; ok && s.nameAt(d, "Type") != "StructElem" {
		s.active[what] = true
	}
	if what, ok := activeAnnotations[s.nameAt(d, "Subtype")]; ok {
		s.active[what] = true
	}
	if s.nameAt(d, "Type") == "FontDescriptor" && d["FontFile"] == nil && d["FontFile2"] == nil && d["FontFile3"] == nil {
		s.foreign = s.foreign || !everywhere(s.nameAt(d, "FontName"))
	}
	if d["ByteRange"] != nil && d["Contents"] != nil {
		s.signed = true
	}
	if s.nameAt(d, "FT") == "Sig" && d["V"] != nil {
		s.signed = true
	}
}

// everywhere tells whether every reader has the font, or one of the same widths
// (ISO 32000-1 §9.6.2.2).
func everywhere(font name) bool {
	for _, family := range []string{"Helvetica", "Times", "Courier", "Arial", "Symbol", "ZapfDingbats"} {
		if strings.HasPrefix(string(font), family) {
			return true
		}
	}
	return false
}

// nameAt looks through a reference, which would otherwise hide an action's type.
func (s *scan) nameAt(d dict, key name) name {
	o, err := s.f.resolve(d[key])
	if err != nil {
		return ""
	}
	n, _ := o.(name)
	return n
}

// openAction allows a place in the document and nothing else (§7.7.2).
func (s *scan) openAction(o object) error {
	o, err := s.f.resolve(o)
	if err != nil {
		return err
	}
	d, ok := o.(dict)
	if !ok {
		return nil
	}
	for hops := 0; d != nil; hops++ {
		if t := s.nameAt(d, "S"); t != "GoTo" || hops > 0 {
			s.active["action on open"] = true
			return nil
		}
		if d, err = s.f.dict(d["Next"]); err != nil {
			return err
		}
	}
	return nil
}

// found names the active content in a fixed order; empty when there is none.
func (s *scan) found() []string {
	list := make([]string, 0, len(s.active))
	for what := range s.active {
		list = append(list, what)
	}
	sort.Strings(list)
	return list
}

// measure unpacks a stream within the limits, and bounds images.
func (f *file) measure(st *stream) error {
	w, _ := number(st.dict["Width"])
	h, _ := number(st.dict["Height"])
	if st.dict.name("Subtype") == "Image" && w*h > maxPixels {
		return refuse(TooLarge, "an image of %.0f by %.0f pixels", w, h)
	}
	names, parms, err := f.filters(st.dict)
	if err != nil {
		return err
	}
	body := st.raw
	for i, n := range names {
		if imageFilters[n] {
			return nil
		}
		if body, err = f.stage(n, parms[i], body, i+1 < len(names)); err != nil {
			var r *Refusal
			if errors.As(err, &r) {
				return r
			}
			return nil // damaged inside: shown by PDFium as far as it goes
		}
	}
	return nil
}

// imageFilters end a chain: their output is pixels, bounded by the image's size.
var imageFilters = map[name]bool{"DCTDecode": true, "DCT": true, "JPXDecode": true, "JBIG2Decode": true,
	"CCITTFaxDecode": true, "CCF": true}
