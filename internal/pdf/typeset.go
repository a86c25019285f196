package pdf

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
)

// em is the size text is shaped at; results are thousandths of the font size.
const em = 1000

// glyph is one glyph placed after the one before it; measures are thousandths of the size.
type glyph struct {
	id      font.GID
	x, y    float64 // offset of the glyph from its place; y upwards
	advance float64
	text    string // the characters it stands for; "" when the glyph before has them
}

// run is glyphs of one font, in visual order.
type run struct {
	face   *typeface
	glyphs []glyph
	width  float64 // times the size is points
}

// setter shapes text. It is not safe for concurrent use; fontSet pools them.
type setter struct {
	fonts  *fontSet
	faces  []*font.Face
	shaper shaping.HarfbuzzShaper
	seg    shaping.Segmenter
	wrap   shaping.LineWrapper
}

func (s *fontSet) newSetter() *setter {
	t := &setter{fonts: s}
	for _, f := range s.all {
		t.faces = append(t.faces, font.NewFace(f.font))
	}
	return t
}

// resolver picks the first font that has a rune.
type resolver struct {
	t    *setter
	list []*typeface
}

// ResolveFace implements shaping.Fontmap.
func (r resolver) ResolveFace(c rune) *font.Face {
	for _, f := range r.list {
		if _, ok := r.t.faces[f.index].NominalGlyph(c); ok {
			return r.t.faces[f.index]
		}
	}
	return r.t.faces[r.list[0].index]
}

// shape splits runes by font, script and direction and shapes each part.
func (t *setter) shape(runes []rune, bold bool) ([]shaping.Output, di.Direction) {
	dir := di.DirectionLTR
	for _, r := range runes {
		p, _ := bidi.LookupRune(r)
		if c := p.Class(); c == bidi.L {
			break
		} else if c == bidi.R || c == bidi.AL {
			dir = di.DirectionRTL
			break
		}
	}
	in := shaping.Input{Text: runes, RunEnd: len(runes), Direction: dir, Size: fixed.I(em), Language: language.NewLanguage("en")}
	var outs []shaping.Output
	for _, part := range t.seg.Split(in, resolver{t, t.fonts.list(bold)}) {
		outs = append(outs, t.shaper.Shape(part))
	}
	return outs, dir
}

// line shapes one line; the width times the size is points. It fails with MissingGlyphs.
func (t *setter) line(s string, bold bool) (runs []run, width float64, err error) {
	if missing := t.missing(s); len(missing) > 0 {
		return nil, 0, refuse(MissingGlyphs, "%d characters, the first is %U", len(missing), missing[0])
	}
	runes := []rune(s)
	if len(runes) == 0 {
		return nil, 0, nil
	}
	outs, dir := t.shape(runes, bold)
	config := shaping.WrapConfig{Direction: dir, DisableTrailingWhitespaceTrim: true, BreakPolicy: shaping.Never}
	lines, _ := t.wrap.WrapParagraphF(config, fixed.Int26_6(1<<30), runes, shaping.NewSliceIterator(outs))
	for _, l := range lines {
		ordered := append([]shaping.Output(nil), l...)
		sort.SliceStable(ordered, func(i, k int) bool { return ordered[i].VisualIndex < ordered[k].VisualIndex })
		for _, o := range ordered {
			r, err := t.run(o, runes)
			if err != nil {
				return nil, 0, err
			}
			runs = append(runs, r)
			width += r.width
		}
	}
	return runs, width, nil
}

func (t *setter) run(o shaping.Output, runes []rune) (run, error) {
	r := run{face: t.typeface(o.Face)}
	last := -1
	for _, g := range o.Glyphs {
		if g.GlyphID == 0 {
			return r, refuse(MissingGlyphs, "a combination of characters has no glyph")
		}
		out := glyph{id: g.GlyphID, x: points(g.XOffset), y: points(g.YOffset), advance: points(g.Advance)}
		if at := g.TextIndex(); at != last && at >= 0 && at+g.RunesCount() <= len(runes) {
			out.text = string(runes[at : at+g.RunesCount()])
			last = at
		}
		r.glyphs = append(r.glyphs, out)
		r.width += out.advance / em
	}
	return r, nil
}

func points(v fixed.Int26_6) float64 { return float64(v) / 64 }

func (t *setter) typeface(f *font.Face) *typeface {
	for i, face := range t.faces {
		if face == f {
			return t.fonts.all[i]
		}
	}
	return t.fonts.all[0]
}

// missing returns, each once and in order, the runes of s that cannot be shown
// faithfully.
func (t *setter) missing(s string) []rune {
	var out []rune
	seen := map[rune]bool{}
	before := rune(-1)
	for i, r := range s {
		bad := !t.drawable(r, before)
		if r == utf8.RuneError {
			_, width := utf8.DecodeRuneInString(s[i:])
			bad = bad || width == 1
		}
		if bad && !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
		before = r
	}
	return out
}

// drawable tells whether r, after before, shows as itself: what is invisible, turns
// the direction of its neighbours or looks like nothing is not (Unicode TR 36 §2).
func (t *setter) drawable(r, before rune) bool {
	if unicode.Is(unicode.Variation_Selector, r) {
		return t.variation(before, r)
	}
	if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point) || r == utf8.RuneError || r == '\u2800' {
		return false
	}
	for _, f := range t.fonts.regular {
		if g, ok := t.faces[f.index].NominalGlyph(r); ok && g != 0 {
			return true
		}
	}
	return false
}

// variation tells whether the font that draws base has the variant; else the base
// glyph would stand in for it silently.
func (t *setter) variation(base, selector rune) bool {
	if base < 0 {
		return false
	}
	for _, f := range t.fonts.regular {
		if _, ok := t.faces[f.index].NominalGlyph(base); ok {
			_, ok := f.font.VariationGlyph(base, selector)
			return ok
		}
	}
	return false
}

// Missing returns the runes of text, each once, that no configured font can draw
// faithfully: those without a glyph, and control, invisible and direction-changing
// characters.
func (j *Jail) Missing(text string) []rune {
	t := j.fonts.setters.Get().(*setter)
	defer j.fonts.setters.Put(t)
	return t.missing(text)
}

// TextWidth returns the width of one line of text in points. Runes that Missing reports
// are left out.
func (j *Jail) TextWidth(text string, size float64, bold bool) float64 {
	t := j.fonts.setters.Get().(*setter)
	defer j.fonts.setters.Put(t)
	_, width, err := t.line(t.clean(text), bold)
	if err != nil {
		return 0
	}
	return width * size
}

// clean leaves out what missing reports.
func (t *setter) clean(s string) string {
	missing := t.missing(s)
	if len(missing) == 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		for _, m := range missing {
			if r == m {
				return -1
			}
		}
		return r
	}, s)
}

// Wrap breaks text into lines no wider than width points at the given size, at the
// places Unicode allows (UAX 14), inside a word only when it alone is too wide. Line
// feeds in text end a line. The lines contain every other character of text but white
// space at their ends, drawable or not.
func (j *Jail) Wrap(text string, size, width float64, bold bool) []string {
	t := j.fonts.setters.Get().(*setter)
	defer j.fonts.setters.Put(t)
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		lines = append(lines, t.wrapParagraph(paragraph, width/size*em, bold)...)
	}
	return lines
}

func (t *setter) wrapParagraph(s string, width float64, bold bool) []string {
	runes := []rune(s)
	if len(runes) == 0 {
		return []string{""}
	}
	outs, dir := t.shape(runes, bold)
	config := shaping.WrapConfig{Direction: dir, BreakPolicy: shaping.WhenNecessary}
	lines, _ := t.wrap.WrapParagraphF(config, fixed.Int26_6(width*64), runes, shaping.NewSliceIterator(outs))
	var out []string
	for _, l := range lines {
		start, end := len(runes), 0
		for _, o := range l {
			start, end = min(start, o.Runes.Offset), max(end, o.Runes.Offset+o.Runes.Count)
		}
		if start < end {
			out = append(out, strings.TrimRight(string(runes[start:end]), " "))
		}
	}
	return out
}
