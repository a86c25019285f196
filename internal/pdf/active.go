package pdf

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Active content (ISO 32000-1 §12.6): whatever a viewer may run, fetch or open by
// itself, whatever hides another document inside this one, and whatever changes what a
// page shows. It is taken out of the object graph here; rewrite.go writes what is left.

// activeWords says in English what was removed, by machine name.
var activeWords = map[string]string{
	"javascript": "JavaScript", "open_action": "an action that runs when the document is opened",
	"additional_actions": "actions that run on events", "launch": "actions that start programs",
	"submit_form": "actions that send form data", "import_data": "actions that import form data",
	"goto_remote": "links that open other files", "goto_embedded": "links that open embedded files",
	"rendition": "media to be played", "movie": "movies", "sound": "sounds", "three_d": "3D content",
	"rich_media": "rich media", "thread": "actions that follow articles", "screen": "areas that play media",
	"embedded_file": "embedded files", "xfa": "an XFA form beside the ordinary one",
	"hide": "actions that hide or show annotations", "layers": "actions that switch layers",
	"reset_form": "actions that reset form fields", "unsafe_link": "links to scripts or local files",
	"external_data": "references to data outside of the file", "presentation": "scripted presentations",
	"need_appearances": "the request that programs draw form fields anew, which could show other values than were shown here",
}

// activeActions are the action types (§12.6.4) that do more than move about in the
// document. URI is allowed on a click only, so it is not among them.
var activeActions = map[name]string{
	"JavaScript": "javascript", "Launch": "launch", "SubmitForm": "submit_form", "ImportData": "import_data",
	"GoToR": "goto_remote", "GoToE": "goto_embedded", "Rendition": "rendition", "Movie": "movie", "Sound": "sound",
	"GoTo3DView": "three_d", "RichMediaExecute": "rich_media", "Thread": "thread",
	"Hide": "hide", "SetOCGState": "layers", "ResetForm": "reset_form",
}

var activeAnnotations = map[name]string{
	"RichMedia": "rich_media", "Screen": "screen", "Movie": "movie", "3D": "three_d", "Sound": "sound",
	"FileAttachment": "embedded_file",
}

var activeKeys = map[name]string{
	"AA": "additional_actions", "JS": "javascript", "JavaScript": "javascript", "XFA": "xfa",
	"EmbeddedFiles": "embedded_file", "EF": "embedded_file", "RF": "embedded_file", "Renditions": "rendition",
	"AlternatePresentations": "presentation", "NeedAppearances": "need_appearances",
}

// keyStyle is how the keys of a dictionary are to be taken: some are names the author
// chose, so that a font may be called AA.
type keyStyle int

const (
	plain     keyStyle = iota
	resources          // of categories, each of them chosen names
	chosen             // names chosen by the author
)

// keyStyles of the value of a key in a plain dictionary.
var keyStyles = map[name]keyStyle{"Resources": resources, "DR": resources, "AP": resources,
	"CharProcs": chosen, "RoleMap": chosen, "ClassMap": chosen, "Colorants": chosen, "Dests": chosen}

// visit is one object read one way. An object that is reached in two ways is cleaned in
// both.
type visit struct {
	num int
	as  keyStyle
}

// cleaner walks the object graph and takes active content out of the objects in memory.
type cleaner struct {
	f       *file
	seen    map[visit]bool
	queue   []visit
	removed map[string]bool
}

// clean takes all active content out of the objects in memory and names it, sorted; none
// when there was none. It fails with a Refusal when what would remain is not the document.
func (f *file) clean() (removed []string, err error) {
	cat, err := f.catalog()
	if err != nil {
		return nil, err
	}
	if err := f.irremovable(cat); err != nil {
		return nil, err
	}
	c := &cleaner{f: f, seen: map[visit]bool{}, removed: map[string]bool{}}
	for _, key := range []name{"Root", "Info"} {
		if _, err := c.value(f.trailer[key], plain, ""); err != nil {
			return nil, err
		}
	}
	if err := c.work(); err != nil {
		return nil, err
	}
	for _, num := range f.known() { // objects that nothing refers to
		if !c.seen[visit{num, plain}] && !c.seen[visit{num, resources}] && !c.seen[visit{num, chosen}] {
			c.push(num, plain)
		}
		if err := c.work(); err != nil {
			return nil, err
		}
	}
	for what := range c.removed {
		removed = append(removed, what)
	}
	sort.Strings(removed)
	return removed, nil
}

// irremovable refuses documents that are nothing without their active content.
func (f *file) irremovable(cat dict) error {
	if _, ok := cat["Collection"]; ok {
		return refuse(ActiveContent, "a portfolio: its content are other files; upload those")
	}
	form, err := f.dict(cat["AcroForm"])
	if err != nil {
		return err
	}
	fields, err := f.array(form["Fields"])
	if err != nil {
		return err
	}
	needs, err := f.resolve(cat["NeedsRendering"])
	if err != nil {
		return err
	}
	if _, xfa := form["XFA"]; needs == true || xfa && len(fields) == 0 {
		return refuse(ActiveContent, "a dynamic XFA form: its pages exist only while a program runs it; print it to a PDF file")
	}
	return nil
}

func (c *cleaner) push(num int, as keyStyle) {
	v := visit{num, as}
	if !c.seen[v] {
		c.seen[v] = true
		c.queue = append(c.queue, v)
	}
}

// work empties the queue: references are not followed by recursion, because chains of
// them may be as long as the file.
func (c *cleaner) work() error {
	for len(c.queue) > 0 {
		v := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		e, ok := c.f.table[v.num]
		if !ok {
			continue
		}
		o, err := c.f.load(ref{v.num, e.gen})
		if err != nil {
			return err
		}
		if o, err = c.value(o, v.as, ""); err != nil {
			return err
		}
		c.f.cache[v.num] = o
	}
	return nil
}

// value cleans o, found under key, and returns what to put in its place.
func (c *cleaner) value(o object, as keyStyle, key name) (object, error) {
	switch v := o.(type) {
	case ref:
		c.push(v.num, as)
	case dict:
		return v, c.dict(v, as)
	case *stream:
		if _, ok := v.dict["F"]; ok {
			delete(v.dict, "F")
			c.removed["external_data"] = true
		}
		return v, c.dict(v.dict, plain)
	case array:
		return c.array(v, as, key)
	}
	return o, nil
}

func (c *cleaner) array(a array, as keyStyle, key name) (object, error) {
	kept := a[:0]
	for _, e := range a {
		what, err := c.bad(key, e)
		if err != nil {
			return nil, err
		}
		if what != "" {
			c.removed[what] = true
			if key != "Names" && key != "Nums" { // those are pairs
				continue
			}
			e = nil
		}
		if e, err = c.value(e, as, key); err != nil {
			return nil, err
		}
		kept = append(kept, e)
	}
	return kept, nil
}

func (c *cleaner) dict(d dict, as keyStyle) error {
	for _, key := range d.keys() {
		below := plain
		switch as {
		case resources:
			below = chosen
		case plain:
			below = keyStyles[key]
			what, err := c.entry(key, d[key])
			if err != nil {
				return err
			}
			if what != "" {
				c.removed[what] = true
				delete(d, key)
				continue
			}
		}
		v, err := c.value(d[key], below, key)
		if err != nil {
			return err
		}
		d[key] = v
	}
	return nil
}

// entry tells why an entry must go; "" when it may stay.
func (c *cleaner) entry(key name, o object) (string, error) {
	if what := activeKeys[key]; what != "" {
		hollow, err := c.hollow(o)
		if err != nil || !hollow {
			return what, err
		}
		return "", nil
	}
	if key == "OpenAction" {
		return c.openAction(o)
	}
	return c.bad(key, o)
}

// hollow tells whether there is nothing behind a key: no value, or an empty tree.
func (c *cleaner) hollow(o object) (bool, error) {
	o, err := c.f.resolve(o)
	if err != nil {
		return false, err
	}
	switch v := o.(type) {
	case nil:
		return true, nil
	case bool:
		return !v, nil
	case dict:
		for key, e := range v {
			list, err := c.f.array(e)
			if err != nil || key != "Names" && key != "Limits" || key == "Names" && len(list) > 0 {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// openAction allows a place in the document and nothing else (§7.7.2).
func (c *cleaner) openAction(o object) (string, error) {
	what, err := c.bad("A", o)
	if err != nil || what != "" {
		return what, err
	}
	d, err := c.f.dict(o)
	if err != nil || d == nil {
		return "", err
	}
	s, err := c.f.resolve(d["S"])
	if err != nil {
		return "", err
	}
	next, err := c.f.resolve(d["Next"])
	if err != nil {
		return "", err
	}
	if s != name("GoTo") || next != nil {
		return "open_action", nil
	}
	return "", nil
}

// bad tells whether o, found under key, is an action or annotation that must go.
func (c *cleaner) bad(key name, o object) (string, error) {
	switch o.(type) {
	case ref, dict:
	default:
		return "", nil
	}
	d, err := c.f.dict(o) // of a stream, too: some readers take one for a dictionary
	if err != nil || d == nil {
		return "", err
	}
	s, err := c.f.resolve(d["S"])
	if err != nil {
		return "", err
	}
	action, _ := s.(name)
	// The structure tree has types of its own; what is run is found under these keys.
	if what := activeActions[action]; what != "" && (d.name("Type") != "StructElem" || key == "A" || key == "Next" || key == "PA") {
		return what, nil
	}
	if action == "URI" {
		target, err := c.f.resolve(d["URI"])
		if t, ok := target.(text); ok && unsafeLink(readText(t)) {
			return "unsafe_link", err
		}
	}
	subtype, err := c.f.resolve(d["Subtype"])
	if err != nil {
		return "", err
	}
	annotation, _ := subtype.(name)
	return activeAnnotations[annotation], nil
}

// unsafeLink tells whether an address runs something or opens a file instead of a page.
func unsafeLink(address string) bool {
	address = strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, address))
	return slices.ContainsFunc([]string{"javascript:", "vbscript:", "data:", "file:"}, func(scheme string) bool {
		return strings.HasPrefix(address, scheme)
	})
}

// known are the numbers of all objects, in order.
func (f *file) known() []int {
	list := make([]int, 0, len(f.table))
	for num := range f.table {
		list = append(list, num)
	}
	sort.Ints(list)
	return list
}

// scan is what one look at every object found.
type scan struct {
	f       *file
	signed  bool
	foreign bool // a font is described but not embedded
}

// scan reads every object of the cross-reference and reports what it found. It fails
// on the first object that is not what the cross-reference says, and on streams that
// unpack beyond the limits.
func (f *file) scan() (*scan, error) {
	s := &scan{f: f}
	for _, num := range f.known() {
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
	return s, nil
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

// nameAt looks through a reference, which would otherwise hide a name.
func (s *scan) nameAt(d dict, key name) name {
	o, err := s.f.resolve(d[key])
	if err != nil {
		return ""
	}
	n, _ := o.(name)
	return n
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
