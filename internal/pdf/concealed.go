package pdf

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
)

// What a document holds but does not show, or does not show to everybody alike, is told
// to the sender. It is not removed: it may be a scan's text layer or a designer's work.

// The kinds of text that nobody sees.
const (
	invisible = iota
	outside
	white
	tiny
	kindsOfText
)

var textNotes = [kindsOfText]string{
	invisible: "holds invisible text, and no image that it could belong to",
	outside:   "holds text outside of the visible page",
	white:     "holds white text on white ground",
	tiny:      "holds text too small to be read",
}

// The bounds of the search: what is beyond is told not to have been searched.
const (
	maxSearched = 40_000 // objects on all pages
	maxCovers   = 2_000  // of one page
	leastText   = 1.0    // points of height
	notedPages  = 5
)

// concealer searches the pages of a document.
type concealer struct {
	e     *engine
	left  int // objects that may still be looked at
	pages [kindsOfText][]int
	next  int // the first page not searched
}

// concealed returns sentences about what a document hides.
func (e *engine) concealed(doc []byte, f *file, leaves []leaf) ([]string, error) {
	notes := append(f.layerNotes(), f.formNotes(leaves)...)
	c := &concealer{e: e, left: maxSearched}
	if err := c.search(doc, f, leaves); err != nil {
		return nil, err
	}
	for kind, pages := range c.pages {
		if len(pages) > 0 {
			notes = append(notes, pageList(pages)+" "+textNotes[kind]+".")
		}
	}
	if c.next < len(leaves) {
		notes = append(notes, fmt.Sprintf("Only the first %d pages were searched for hidden text.", c.next))
	}
	return notes, nil
}

// search looks at the pages that may hide something.
func (c *concealer) search(doc []byte, f *file, leaves []leaf) error {
	g := f.glance()
	var d references.FPDF_DOCUMENT
	for ; c.next < len(leaves) && c.left > 0; c.next++ {
		if !g.suspicious(leaves[c.next]) {
			continue
		}
		if d == "" {
			var err error
			if d, err = c.e.load(doc); err != nil {
				return err
			}
			defer c.e.close(d)
		}
		if err := c.page(d, c.next, leaves[c.next]); err != nil {
			return err
		}
	}
	return nil
}

func pageList(pages []int) string {
	var list []string
	for _, p := range pages[:min(len(pages), notedPages)] {
		list = append(list, strconv.Itoa(p+1))
	}
	s := "Page " + strings.Join(list, ", ")
	if n := len(pages) - notedPages; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// suspect is a text object that nobody sees.
type suspect struct {
	kind   int
	object references.FPDF_PAGEOBJECT
}

func (c *concealer) page(d references.FPDF_DOCUMENT, index int, l leaf) error {
	p, _, err := c.e.page(d, index)
	if err != nil {
		return fmt.Errorf("page %d cannot be shown", index+1) // not a refusal: a repair may help
	}
	page := requests.Page{ByReference: &p}
	defer c.e.pdfium.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: p})
	count, err := c.e.pdfium.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
	if err != nil {
		return err
	}
	s := &sheet{e: c.e, box: l.box, unit: l.unit, left: &c.left}
	for i := 0; i < count.Count && c.left > 0; i++ {
		o, err := c.e.pdfium.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: page, Index: i})
		if err != nil {
			return err
		}
		if err := s.object(o.PageObject, identity, 0); err != nil {
			return err
		}
	}
	if s.image { // text over a scan is invisible so that it can be found
		s.suspects = slices.DeleteFunc(s.suspects, func(t suspect) bool { return t.kind == invisible })
	}
	if len(s.suspects) == 0 {
		return nil
	}
	tp, err := c.e.pdfium.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return nil // then nobody reads its text
	}
	defer c.e.pdfium.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: tp.TextPage})
	var said [kindsOfText]strings.Builder
	for _, t := range s.suspects {
		r, err := c.e.pdfium.FPDFTextObj_GetText(&requests.FPDFTextObj_GetText{PageObject: t.object, TextPage: tp.TextPage})
		if err == nil {
			said[t.kind].WriteString(r.Text)
		}
	}
	for kind := range said {
		if says(said[kind].String()) {
			c.pages[kind] = append(c.pages[kind], index)
		}
	}
	return nil
}

var anyTag = regexp.MustCompile(`(?is)\{\{.*?\}\}`)

// says tells whether there is anything to read but text tags, which are hidden on purpose.
func says(text string) bool {
	return strings.IndexFunc(anyTag.ReplaceAllString(text, ""), func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) >= 0
}

// sheet is one page as it is painted.
type sheet struct {
	e        *engine
	box      [4]float64
	unit     float64
	left     *int // objects that may still be looked at
	image    bool
	covers   [][4]float64 // what was painted in another colour than white
	suspects []suspect
}

// object looks at one page object, in the order of painting; m takes its user space to
// the page's.
func (s *sheet) object(o references.FPDF_PAGEOBJECT, m [6]float64, depth int) error {
	*s.left--
	kind, err := s.e.pdfium.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: o})
	if err != nil {
		return err
	}
	b, err := s.e.pdfium.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: o})
	if err != nil {
		return nil // it has no place
	}
	box := boxOf(m, float64(b.Left), float64(b.Bottom), float64(b.Right), float64(b.Top))
	switch kind.Type {
	case enums.FPDF_PAGEOBJ_TEXT:
		s.text(o, box, m)
		return nil
	case enums.FPDF_PAGEOBJ_PATH:
		if mode, err := s.e.pdfium.FPDFPath_GetDrawMode(&requests.FPDFPath_GetDrawMode{PageObject: o}); err != nil || mode.FillMode == 0 || s.whitish(o) {
			return nil
		}
	case enums.FPDF_PAGEOBJ_IMAGE:
		s.image = true
	case enums.FPDF_PAGEOBJ_FORM:
		if depth < maxFormDepth && s.form(o, m, depth) {
			return nil
		}
		s.image = true
	default: // of a shading nothing is known but where it is
		s.image = true
	}
	if len(s.covers) < maxCovers {
		s.covers = append(s.covers, box)
	}
	return nil
}

// form looks at the objects of a form; false when it cannot.
func (s *sheet) form(o references.FPDF_PAGEOBJECT, m [6]float64, depth int) bool {
	own, err := s.e.pdfium.FPDFPageObj_GetMatrix(&requests.FPDFPageObj_GetMatrix{PageObject: o})
	if err != nil {
		return false
	}
	count, err := s.e.pdfium.FPDFFormObj_CountObjects(&requests.FPDFFormObj_CountObjects{PageObject: o})
	if err != nil {
		return false
	}
	m = joinedMatrix(doubled(own.Matrix), m)
	for i := 0; i < count.Count && *s.left > 0; i++ {
		inner, err := s.e.pdfium.FPDFFormObj_GetObject(&requests.FPDFFormObj_GetObject{PageObject: o, Index: uint64(i)})
		if err != nil || s.object(inner.PageObject, m, depth+1) != nil {
			return false
		}
	}
	return true
}

func doubled(m structs.FPDF_FS_MATRIX) [6]float64 {
	return [6]float64{float64(m.A), float64(m.B), float64(m.C), float64(m.D), float64(m.E), float64(m.F)}
}

func (s *sheet) whitish(o references.FPDF_PAGEOBJECT) bool {
	c, err := s.e.pdfium.FPDFPageObj_GetFillColor(&requests.FPDFPageObj_GetFillColor{PageObject: o})
	return err == nil && min(c.FillColor.R, c.FillColor.G, c.FillColor.B) >= 250
}

func (s *sheet) text(o references.FPDF_PAGEOBJECT, box [4]float64, m [6]float64) {
	mode, err := s.e.pdfium.FPDFTextObj_GetTextRenderMode(&requests.FPDFTextObj_GetTextRenderMode{PageObject: o})
	if err != nil {
		return
	}
	if mode.TextRenderMode == enums.FPDF_TEXTRENDERMODE_INVISIBLE {
		s.suspects = append(s.suspects, suspect{invisible, o})
		return
	}
	if _, seen := intersect(box, s.box); !seen && box[2] > box[0] {
		s.suspects = append(s.suspects, suspect{outside, o})
		return
	}
	if size := max(box[2]-box[0], box[3]-box[1]) * s.unit; size > 0 && min(box[2]-box[0], box[3]-box[1])*s.unit < leastText && s.small(o, m) {
		s.suspects = append(s.suspects, suspect{tiny, o})
		return
	}
	if mode.TextRenderMode == enums.FPDF_TEXTRENDERMODE_FILL && s.whitish(o) && !s.covered(box) {
		s.suspects = append(s.suspects, suspect{white, o})
	}
}

// small tells whether letters are smaller than can be read; a dash is flat at any size.
func (s *sheet) small(o references.FPDF_PAGEOBJECT, above [6]float64) bool {
	size, err := s.e.pdfium.FPDFTextObj_GetFontSize(&requests.FPDFTextObj_GetFontSize{PageObject: o})
	if err != nil {
		return false
	}
	m, err := s.e.pdfium.FPDFPageObj_GetMatrix(&requests.FPDFPageObj_GetMatrix{PageObject: o})
	if err != nil {
		return false
	}
	t := joinedMatrix(doubled(m.Matrix), above)
	scale := max(math.Abs(t[0]), math.Abs(t[1]), math.Abs(t[2]), math.Abs(t[3]))
	return float64(size.FontSize)*scale*s.unit < 2*leastText
}

// covered tells whether something that is not white was painted where the text begins.
func (s *sheet) covered(box [4]float64) bool {
	x, y := (box[0]+box[2])/2, (box[1]+box[3])/2
	return slices.ContainsFunc(s.covers, func(c [4]float64) bool { return c[0] <= x && x <= c[2] && c[1] <= y && y <= c[3] })
}

// layerNotes tells of optional content (§8.11) that is not shown, or not in print.
func (f *file) layerNotes() (notes []string) {
	cat, _ := f.catalog()
	props, _ := f.dict(cat["OCProperties"])
	state, _ := f.dict(props["D"])
	off, _ := f.array(state["OFF"])
	base, _ := f.resolve(state["BaseState"])
	if base == name("OFF") {
		all, _ := f.array(props["OCGs"])
		on, _ := f.array(state["ON"])
		off = slices.DeleteFunc(slices.Clone(all), func(o object) bool { return slices.Contains(on, o) })
	}
	if names := f.layerNames(off, func(dict) bool { return true }); len(names) > 0 {
		notes = append(notes, "Layers of the document are switched off and not shown: "+strings.Join(names, ", ")+".")
	}
	all, _ := f.array(props["OCGs"])
	if names := f.layerNames(all, f.printsOtherwise); len(names) > 0 {
		notes = append(notes, "Layers of the document are shown on screen and in print differently: "+strings.Join(names, ", ")+".")
	}
	return notes
}

func (f *file) layerNames(groups array, which func(dict) bool) (names []string) {
	for _, o := range groups {
		g, _ := f.dict(o)
		if g == nil || !which(g) || len(names) >= notedFields {
			continue
		}
		title, _ := f.resolve(g["Name"])
		t, _ := title.(text)
		names = append(names, strconv.Quote(clipped(readText(t[:min(len(t), 100)]))))
	}
	return names
}

// printsOtherwise tells whether a layer's usage differs between screen and print.
func (f *file) printsOtherwise(group dict) bool {
	usage, _ := f.dict(group["Usage"])
	printed, _ := f.dict(usage["Print"])
	view, _ := f.dict(usage["View"])
	p, _ := f.resolve(printed["PrintState"])
	v, _ := f.resolve(view["ViewState"])
	return p != nil && v != nil && p != v || p == name("OFF") && v == nil || v == name("OFF") && p == nil
}

// formNotes tells of form fields that show another value than they have.
func (f *file) formNotes(leaves []leaf) []string {
	all, err := f.widgets(leaves)
	if err != nil {
		return nil
	}
	var names []string
	for _, w := range all {
		if len(names) < notedFields && w.showsOther() {
			names = append(names, strconv.Quote(clipped(w.name())))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"Form fields show another value than they hold, or none at all; what is shown counts: " + strings.Join(names, ", ") + "."}
}

// showsOther compares a field's value with its appearance, as far as that can be read.
func (w *widget) showsOther() bool {
	value := w.attribute("V")
	looks, _ := w.f.dict(w.chain[0]["AP"])
	normal, _ := w.f.resolve(looks["N"])
	switch w.attribute("FT") {
	case name("Btn"):
		v, _ := value.(name)
		as, _ := w.f.resolve(w.chain[0]["AS"])
		states, _ := normal.(dict)
		shown, _ := as.(name)
		if v == "" || states[v] == nil && v != "Off" {
			return false
		}
		return shown != v && (v == "Off" || shown == "Off" || shown == "")
	case name("Tx"):
		want := letters(w.text(value))
		st, ok := normal.(*stream)
		if want == "" || !ok {
			return want != ""
		}
		body, err := w.f.decode(st)
		if err != nil {
			return false
		}
		shown, known := shownText(body)
		return known && !strings.Contains(shown, want) && (shown == "" || !strings.Contains(want, shown))
	}
	return false
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// shownText is what an appearance stream writes in plain strings; not known when it uses
// glyph numbers or draws something else.
func shownText(content []byte) (shown string, known bool) {
	p := &parser{data: content}
	var b strings.Builder
	var operands array
	for {
		p.skipSpace()
		if p.pos >= len(content) {
			return letters(b.String()), true
		}
		start := p.pos
		if o, err := p.object(); err == nil {
			operands = append(operands, o)
			continue
		}
		p.pos = start
		switch p.word() {
		case "Tj", "TJ", "'", "\"":
			if !plainStrings(operands, &b) {
				return "", false
			}
		case "Do", "BI":
			return "", false
		}
		operands = nil
		if p.pos == start {
			p.pos++
		}
	}
}

func plainStrings(operands array, b *strings.Builder) bool {
	for _, o := range operands {
		switch v := o.(type) {
		case array:
			if !plainStrings(v, b) {
				return false
			}
		case text:
			for _, c := range v {
				if c < ' ' && !isSpace(c) {
					return false
				}
			}
			b.WriteString(readText(v))
		}
	}
	return true
}
