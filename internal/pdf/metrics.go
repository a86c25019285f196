package pdf

import (
	"math"
	"strings"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// How high and deep letters reach. PDFium answers with what its substitute for a font
// has when the font is not in the file; other programs, and so senders, take it from the
// document or, for the 14 standard fonts (ISO 32000-1 §9.6.2.2), from Adobe's metrics.

// reach is a font's ascent and descent, in units of the font size; the descent is
// negative. Known is false where PDFium's own box is the better one.
type reach struct {
	ascent, descent float64
	known           bool
}

// unsaid is taken for a font about which the document says nothing, as poppler does.
var unsaid = reach{.95, -.35, true}

var (
	helvetica = reach{.718, -.207, true}
	times     = reach{.683, -.217, true}
	courier   = reach{.629, -.157, true}
)

// standardFonts by the family of a name: what stands before the first comma or hyphen.
var standardFonts = map[string]reach{
	"Helvetica": helvetica, "Arial": helvetica, "ArialMT": helvetica,
	"Times": times, "TimesNewRoman": times, "TimesNewRomanPS": times, "TimesNewRomanPSMT": times,
	"Courier": courier, "CourierNew": courier, "CourierNewPS": courier, "CourierNewPSMT": courier,
	"Symbol": {1.010, -.293, true}, "ZapfDingbats": {.820, -.143, true},
}

// standardStyles are what may follow the family.
var standardStyles = map[string]bool{"": true, "Roman": true, "Bold": true, "Italic": true, "Oblique": true, "BoldItalic": true, "BoldOblique": true,
	"MT": true, "BoldMT": true, "ItalicMT": true, "BoldItalicMT": true}

func standardFont(base string) (reach, bool) {
	family, style := base, ""
	if i := strings.IndexAny(base, ",-"); i >= 0 {
		family, style = base[:i], base[i+1:]
	}
	r, ok := standardFonts[family]
	return r, ok && standardStyles[style]
}

// fontKey is all that PDFium tells of a font.
type fontKey struct {
	name     string
	embedded bool
}

// maxFonts bounds the fonts and forms of one page that are read.
const maxFonts = 2000

// fonts reads the metrics of the fonts in a page's resources and in those of its forms.
func (f *file) fonts(l leaf) map[fontKey]reach {
	out := map[fontKey]reach{}
	seen := map[ref]bool{}
	queue := []object{l.resources}
	for n := 0; n < len(queue) && n < maxFonts; n++ {
		r, _ := f.dict(queue[n])
		fonts, _ := f.dict(r["Font"])
		for _, key := range fonts.keys() {
			if d, err := f.dict(fonts[key]); err == nil && len(out) < maxFonts {
				f.font(d, out)
			}
		}
		forms, _ := f.dict(r["XObject"])
		for _, key := range forms.keys() {
			at, ok := forms[key].(ref)
			if !ok || seen[at] {
				continue
			}
			seen[at] = true
			if d, _ := f.dict(at); d.name("Subtype") == "Form" && d["Resources"] != nil {
				queue = append(queue, d["Resources"])
			}
		}
	}
	return out
}

// font adds one font under each of the names by which PDFium may call it.
func (f *file) font(d dict, out map[fontKey]reach) {
	get := func(key name) name {
		o, _ := f.resolve(d[key])
		n, _ := o.(name)
		return n
	}
	names := []name{get("BaseFont")}
	kind := get("Subtype")
	if kind == "Type3" {
		return
	}
	r := unsaid
	vertical := strings.HasSuffix(string(get("Encoding")), "-V")
	if kind == "Type0" {
		below, _ := f.array(d["DescendantFonts"])
		if len(below) == 0 {
			return
		}
		d, _ = f.dict(below[0])
		names = append(names, get("BaseFont"))
	}
	says, _ := f.dict(d["FontDescriptor"])
	embedded := says["FontFile"] != nil || says["FontFile2"] != nil || says["FontFile3"] != nil
	standard, known := standardFont(string(names[0]))
	if known && !embedded && kind != "Type0" {
		r = standard
	} else {
		r = f.said(says, r)
	}
	r.known = !vertical
	for _, n := range names {
		key := fontKey{string(n), embedded}
		if _, twice := out[key]; !twice && n != "" {
			out[key] = r
		}
	}
}

// said reads a font descriptor. Some give 0, the wrong sign or nonsense.
func (f *file) said(descriptor dict, r reach) reach {
	for key, to := range map[name]*float64{"Ascent": &r.ascent, "Descent": &r.descent} {
		o, _ := f.resolve(descriptor[key])
		if v, ok := number(o); ok && v != 0 && math.Abs(v) < 3000 {
			*to = math.Copysign(v/1000, *to)
		}
	}
	return r
}

// settle gives a letter the box that its font says, instead of PDFium's. A letter that
// PDFium knows too little about stays as it is.
func (p *sheetText) settle(l *letter) {
	if l.settled || l.right <= l.left && l.bottom <= l.top {
		return
	}
	l.settled = true
	o, err := p.e.pdfium.FPDFText_GetTextObject(&requests.FPDFText_GetTextObject{TextPage: p.text, Index: l.index})
	if err != nil {
		return
	}
	font, size, ok := p.fontOf(o.TextObject)
	if !ok {
		return
	}
	m, err := p.e.pdfium.FPDFText_GetMatrix(&requests.FPDFText_GetMatrix{TextPage: p.text, Index: l.index})
	if err != nil {
		return
	}
	at, err := p.e.pdfium.FPDFText_GetCharOrigin(&requests.FPDFText_GetCharOrigin{TextPage: p.text, Index: l.index})
	if err != nil {
		return
	}
	loose, err := p.e.pdfium.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: p.text, Index: l.index})
	if err != nil {
		return
	}
	a, b, c, d := float64(m.Matrix.A), float64(m.Matrix.B), float64(m.Matrix.C), float64(m.Matrix.D)
	advance, ok := advanceIn(a, b, c, d, float64(loose.Rect.Right-loose.Rect.Left), float64(loose.Rect.Top-loose.Rect.Bottom))
	if !ok {
		return
	}
	advance = math.Copysign(advance, size)
	from, to := advance*l.from, advance*l.to
	box := boxOf([6]float64{a, b, c, d, at.X, at.Y}, from, font.descent*size, to, font.ascent*size)
	box = boxOf(p.place, box[0], box[1], box[2], box[3])
	l.left, l.top, l.right, l.bottom = box[0]*p.unit, box[1]*p.unit, box[2]*p.unit, box[3]*p.unit
}

// advanceIn finds a letter's width before its matrix from the size of its box after it;
// not ok where width and height cannot be told apart, as at 45 degrees.
func advanceIn(a, b, c, d, width, height float64) (float64, bool) {
	a, b, c, d = math.Abs(a), math.Abs(b), math.Abs(c), math.Abs(d)
	det := a*d - b*c
	if math.Abs(det) < .2*max(a*d, b*c) || det == 0 {
		return 0, false
	}
	v := (width*d - height*c) / det
	return v, v >= 0
}

// boxOf is the box around a rectangle after a matrix.
func boxOf(m [6]float64, x0, y0, x1, y1 float64) [4]float64 {
	out := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, c := range [4][2]float64{{x0, y0}, {x1, y0}, {x0, y1}, {x1, y1}} {
		x, y := m[0]*c[0]+m[2]*c[1]+m[4], m[1]*c[0]+m[3]*c[1]+m[5]
		out = [4]float64{min(out[0], x), min(out[1], y), max(out[2], x), max(out[3], y)}
	}
	return out
}

// fontOf is the reach of a text object's font, and its size.
func (p *sheetText) fontOf(o references.FPDF_PAGEOBJECT) (r reach, size float64, ok bool) {
	s, err := p.e.pdfium.FPDFTextObj_GetFontSize(&requests.FPDFTextObj_GetFontSize{PageObject: o})
	if err != nil {
		return r, 0, false
	}
	font, err := p.e.pdfium.FPDFTextObj_GetFont(&requests.FPDFTextObj_GetFont{PageObject: o})
	if err != nil {
		return r, 0, false
	}
	base, err := p.e.pdfium.FPDFFont_GetBaseFontName(&requests.FPDFFont_GetBaseFontName{Font: font.Font})
	if err != nil {
		return r, 0, false
	}
	inside, err := p.e.pdfium.FPDFFont_GetIsEmbedded(&requests.FPDFFont_GetIsEmbedded{Font: font.Font})
	if err != nil {
		return r, 0, false
	}
	if p.fonts == nil {
		p.fonts = p.f.fonts(p.leaf)
	}
	r, ok = p.fonts[fontKey{base.BaseFontName, inside.IsEmbedded}]
	if !ok && !inside.IsEmbedded { // PDFium has other names for the standard fonts
		r, ok = standardFont(base.BaseFontName)
	}
	return r, float64(s.FontSize), ok && r.known && s.FontSize != 0
}
