package pdf

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// Finding text: the characters of a page as PDFium reads them, whatever text objects,
// fonts and kerning they were written with.

// letter is one character and its box on the displayed page: from its font's descent to
// its ascent, as wide as the character advances. Until it is settled, ascent and descent
// are as PDFium sees them.
type letter struct {
	r                        rune
	left, top, right, bottom float64
	index                    int     // PDFium's
	from, to                 float64 // its share of that character's width, of 1
	settled                  bool    // the box is the font's own, not PDFium's
}

// ligatures are taken apart, as they are typed.
var ligatures = map[rune]string{'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "st", 'ﬆ': "st"}

// sheetText is the text of one page.
type sheetText struct {
	e       *engine
	f       *file
	leaf    leaf
	index   int
	text    references.FPDF_TEXTPAGE
	place   [6]float64 // from user space to the displayed page
	unit    float64
	letters []letter
	fonts   map[fontKey]reach // nil: not read yet
}

// finder looks for tags and anchors, page by page.
type finder struct {
	e      *engine
	f      *file
	wanted *Wanted
	out    *Extraction
	// hits of each anchor, over all pages in reading order; loose ones ignore white space.
	exact, loose []hits
}

type hits struct {
	count int
	place Place
}

// find fills in tags and anchors; nothing is read when none are wanted.
func (e *engine) find(doc []byte, f *file, leaves []leaf, w *Wanted, out *Extraction) error {
	if !w.Tags && len(w.Anchors) == 0 {
		return nil
	}
	d, err := e.load(doc)
	if err != nil {
		return err
	}
	defer e.close(d)
	s := &finder{e: e, f: f, wanted: w, out: out, exact: make([]hits, len(w.Anchors)), loose: make([]hits, len(w.Anchors))}
	for i, l := range leaves {
		if s.finished() {
			break
		}
		if err := s.page(d, i, l); err != nil {
			return err
		}
	}
	for i, a := range w.Anchors {
		switch {
		case s.exact[i].count > 0:
			out.Anchors = append(out.Anchors, s.exact[i].place)
		case s.loose[i].count > a.Occurrence:
			out.Anchors = append(out.Anchors, s.loose[i].place)
		default:
			out.Anchors = append(out.Anchors, Place{})
		}
	}
	return nil
}

// page looks at one page; only when its text, asked for in one call, can hold anything
// wanted is it asked for character by character.
func (s *finder) page(d references.FPDF_DOCUMENT, index int, l leaf) error {
	p, size, err := s.e.page(d, index)
	if err != nil {
		return err
	}
	page := requests.Page{ByReference: &p}
	defer s.e.pdfium.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: p})
	tp, err := s.e.pdfium.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return refuse(Broken, "the text of page %d cannot be read", index+1)
	}
	defer s.e.pdfium.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: tp.TextPage})
	count, err := s.e.pdfium.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: tp.TextPage})
	if err != nil || count.Count == 0 {
		return err
	}
	n := min(count.Count, maxChars)
	whole, err := s.e.pdfium.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: tp.TextPage, StartIndex: 0, Count: n})
	if err == nil && !s.promising(whole.Text) {
		return nil
	}
	place, err := s.e.placement(p, size)
	if err != nil {
		return err
	}
	t := &sheetText{e: s.e, f: s.f, leaf: l, index: index, text: tp.TextPage, place: place, unit: l.unit}
	if err := t.read(n); err != nil {
		return err
	}
	if s.wanted.Tags {
		s.tags(t)
	}
	s.anchors(t)
	return nil
}

// promising tells whether a page's text can hold a tag or an anchor.
func (s *finder) promising(text string) bool {
	if s.wanted.Tags && strings.Count(text, "{") > 1 {
		return true
	}
	if len(s.wanted.Anchors) == 0 {
		return false
	}
	bare := bared(text)
	for i, a := range s.wanted.Anchors {
		if s.exact[i].count <= a.Occurrence && strings.Contains(bare, bared(a.Text)) {
			return true
		}
	}
	return false
}

// finished tells whether no further page can change anything.
func (s *finder) finished() bool {
	if s.wanted.Tags {
		return false
	}
	for i, a := range s.wanted.Anchors {
		if s.exact[i].count <= a.Occurrence {
			return false
		}
	}
	return true
}

// read reads the characters of a page one by one.
func (p *sheetText) read(count int) error {
	p.letters = make([]letter, 0, count)
	g := &gatherer{place: p.place}
	for i := range count {
		u, err := p.e.pdfium.FPDFText_GetUnicode(&requests.FPDFText_GetUnicode{TextPage: p.text, Index: i})
		if err != nil {
			return err
		}
		r := g.pair(rune(u.Unicode))
		if r <= 0 || r == 0xFFFE || r == 0xAD || unicode.Is(unicode.Cf, r) {
			continue
		}
		l := letter{r: r, index: i, to: 1}
		if !unicode.IsSpace(r) {
			b, err := p.e.pdfium.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: p.text, Index: i})
			if err != nil {
				continue // a character PDFium made up, without a place
			}
			l.left, l.top, l.right, l.bottom = g.box(float64(b.Rect.Left), float64(b.Rect.Bottom), float64(b.Rect.Right), float64(b.Rect.Top))
			l.left, l.top, l.right, l.bottom = l.left*p.unit, l.top*p.unit, l.right*p.unit, l.bottom*p.unit
		}
		p.letters = append(p.letters, l.apart()...)
	}
	return nil
}

// apart takes a ligature apart; each letter gets its share of the width.
func (l letter) apart() []letter {
	parts := ligatures[l.r]
	if parts == "" {
		return []letter{l}
	}
	var out []letter
	n := float64(len(parts))
	for k, part := range parts {
		share := l
		share.r, share.from, share.to = part, float64(k)/n, float64(k+1)/n
		share.left, share.right = l.left+(l.right-l.left)*share.from, l.left+(l.right-l.left)*share.to
		out = append(out, share)
	}
	return out
}

// bared is text without white space and with ligatures taken apart.
func bared(s string) string {
	var b strings.Builder
	for _, r := range s {
		if parts := ligatures[r]; parts != "" {
			b.WriteString(parts)
		} else if !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) && r != 0xFFFE && r != 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// spaced is text with every run of white space as one space, and for each of its
// characters the number of the letter it was.
func spaced(text []letter, keep bool) (out []rune, from []int) {
	for i, l := range text {
		if unicode.IsSpace(l.r) {
			if !keep || len(out) == 0 || out[len(out)-1] == ' ' {
				continue
			}
			l.r = ' '
		}
		out, from = append(out, l.r), append(from, i)
	}
	return out, from
}

// typed are the letters of a text that was asked for, without places; index is where its
// character number at has gone, -1 when nowhere.
func typed(s string, at int) (text []letter, index int) {
	index = -1
	n := 0
	for _, r := range s {
		if n == at {
			index = len(text)
		}
		n++
		if parts := ligatures[r]; parts != "" {
			for _, p := range parts {
				text = append(text, letter{r: p})
			}
		} else if !unicode.Is(unicode.Cf, r) {
			text = append(text, letter{r: r})
		}
	}
	return text, index
}

// anchors looks for every anchor on a page.
func (s *finder) anchors(t *sheetText) {
	for _, keep := range []bool{true, false} {
		all := s.exact
		if !keep {
			all = s.loose
		}
		var hay []rune
		var from []int
		for i, a := range s.wanted.Anchors {
			if h := &all[i]; h.count <= a.Occurrence {
				if hay == nil {
					hay, from = spaced(t.letters, keep)
				}
				h.add(a, keep, hay, from, t)
			}
		}
	}
}

func (h *hits) add(a AnchorQuery, keep bool, hay []rune, from []int, t *sheetText) {
	letters, index := typed(a.Text, a.Character)
	needle, origin := spaced(letters, keep)
	if len(needle) > 0 && needle[len(needle)-1] == ' ' {
		needle, origin = needle[:len(needle)-1], origin[:len(origin)-1]
	}
	at := slices.Index(origin, index)
	if len(needle) == 0 || at < 0 {
		return
	}
	var found []Place
	for i := 0; i+len(needle) <= len(hay); i++ {
		if hay[i] == needle[0] && slices.Equal(hay[i:i+len(needle)], needle) {
			l := &t.letters[from[i+at]]
			t.settle(l)
			found = append(found, Place{true, t.index, l.left, l.top, l.right - l.left, l.bottom - l.top})
			i += len(needle) - 1
		}
	}
	if n := a.Occurrence - h.count; n < len(found) {
		h.place = inReadingOrder(found)[n]
	}
	h.count += len(found)
}

// inReadingOrder sorts places into lines from top to bottom, and within a line from left
// to right.
func inReadingOrder(p []Place) []Place {
	slices.SortStableFunc(p, func(a, b Place) int { return cmp.Compare(a.Top, b.Top) })
	for from := 0; from < len(p); {
		to := from + 1
		for to < len(p) && p[to].Top < p[from].Top+p[from].Height/2 {
			to++
		}
		slices.SortStableFunc(p[from:to], func(a, b Place) int { return cmp.Compare(a.Left, b.Left) })
		from = to
	}
	return p
}

var tagStart = regexp.MustCompile(`(?i)^\s*[*?]?\s*e\s*s\s*l\s*[_:]`)

// maxTags bounds the tags of one document.
const maxTags = 5000

// tags looks for text tags on a page. Anything else in double braces is text.
func (s *finder) tags(p *sheetText) {
	text := p.letters
	var found []Tag
	for i := 0; i+1 < len(text) && len(s.out.Tags)+len(found)+len(s.out.Broken) < maxTags; i++ {
		if text[i].r != '{' || text[i+1].r != '{' {
			continue
		}
		taken, end, why := tagInside(text, i+2)
		inner := written(taken)
		if !tagStart.MatchString(inner) {
			continue
		}
		t := Tag{Place: p.around(slices.Concat(text[i:i+2], taken, end))}
		if why == "" {
			t.TagText, why = parseTag(inner)
		}
		if why != "" {
			shown := []rune("{{" + strings.Join(strings.Fields(inner), " "))
			s.out.Broken = append(s.out.Broken, BrokenTag{Page: p.index, Text: string(shown[:min(len(shown), 100)]), Why: why})
		} else {
			found = append(found, t)
		}
		i++
	}
	s.out.Tags = append(s.out.Tags, found...)
}

// maxJumps bounds how often a tag is followed to text elsewhere in the page's order.
const maxJumps = 20

// tagInside returns what stands from the letter at to the closing braces, and these.
// PDFium breaks some lines where the size of the font changes or text runs in several
// directions; there the tag is followed to the letter that stands next to its last one.
func tagInside(text []letter, at int) (taken, end []letter, why string) {
	last := at - 1 // the last letter taken
	jumps := 0
	for i := at; i < len(text) && len(taken) < maxTagText; i++ {
		r := text[i].r
		if r == '}' && i+1 < len(text) && text[i+1].r == '}' {
			return taken, text[i : i+2], ""
		}
		if r == '{' {
			return taken, nil, "it does not end with }}"
		}
		if r == '\n' || r == '\r' {
			next := onward(text, last)
			if jumps++; next < 0 || jumps > maxJumps {
				return taken, nil, "it does not end with }} on the line on which it begins"
			}
			i = next - 1
			continue
		}
		if !unicode.IsSpace(r) {
			last = i
		}
		taken = append(taken, text[i])
	}
	return taken, nil, "it does not end with }}"
}

func written(text []letter) string {
	var b strings.Builder
	for _, l := range text {
		b.WriteRune(l.r)
	}
	return b.String()
}

// onward is the letter that follows the one at on its line, by its place; -1 when there
// is none within two letters' size.
func onward(text []letter, at int) int {
	if at < 1 || unicode.IsSpace(text[at-1].r) && at < 2 {
		return -1
	}
	before := at - 1
	for before > 0 && unicode.IsSpace(text[before].r) {
		before--
	}
	ax, ay := text[before].center()
	bx, by := text[at].center()
	across := math.Abs(bx-ax) >= math.Abs(by-ay)
	found, nearest := -1, 0.0
	for i, l := range text {
		if i == at || i == before || unicode.IsSpace(l.r) {
			continue
		}
		x, y := l.center()
		size := max(text[at].size(), l.size())
		along, aside := (x-bx)*signum(bx-ax), math.Abs(y-by)
		if !across {
			along, aside = (y-by)*signum(by-ay), math.Abs(x-bx)
		}
		if along > 0 && along < 2*size && aside < size/2 && (found < 0 || along < nearest) {
			found, nearest = i, along
		}
	}
	return found
}

func (l letter) center() (x, y float64) { return (l.left + l.right) / 2, (l.top + l.bottom) / 2 }

// size is the larger side of its box: about the size of its font.
func (l letter) size() float64 { return max(l.right-l.left, l.bottom-l.top) }

func signum(v float64) float64 {
	if v < 0 {
		return -1
	}
	return 1
}

// around is the place of all letters of a run that have one.
func (t *sheetText) around(text []letter) Place {
	p := Place{Page: t.index}
	var right, bottom float64
	for _, l := range text {
		if unicode.IsSpace(l.r) {
			continue
		}
		t.settle(&l)
		if !p.Found {
			p.Found, p.Left, p.Top, right, bottom = true, l.left, l.top, l.right, l.bottom
		}
		p.Left, p.Top = min(p.Left, l.left), min(p.Top, l.top)
		right, bottom = max(right, l.right), max(bottom, l.bottom)
	}
	p.Width, p.Height = right-p.Left, bottom-p.Top
	return p
}
