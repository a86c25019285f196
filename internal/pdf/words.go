package pdf

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// Word is a run of text without white space and its place on the displayed page, in
// points from the top left corner.
type Word struct {
	Text   string  `json:"text"`
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// maxChars bounds the characters of one page that are reported.
const maxChars = 200_000

// words returns the text of a page in PDFium's reading order.
func (e *engine) words(doc []byte, page int) ([]Word, error) {
	d, err := e.load(doc)
	if err != nil {
		return nil, err
	}
	p, size, err := e.page(d, page)
	if err != nil {
		return nil, err
	}
	place, err := e.placement(p, size)
	if err != nil {
		return nil, err
	}
	tp, err := e.pdfium.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: requests.Page{ByReference: &p}})
	if err != nil {
		return nil, refuse(Broken, "the text of page %d cannot be read", page+1)
	}
	count, err := e.pdfium.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: tp.TextPage})
	if err != nil {
		return nil, err
	}
	unit := unitOf(doc, page)
	for i := range place {
		place[i] *= unit
	}
	g := &gatherer{place: place}
	for i := range min(count.Count, maxChars) {
		if err := g.add(e, tp.TextPage, i); err != nil {
			return nil, err
		}
	}
	g.flush()
	return g.words, nil
}

// placement derives the matrix from user space to the displayed page from PDFium, so
// that text lies where PDFium draws it.
func (e *engine) placement(p references.FPDF_PAGE, size Page) ([6]float64, error) {
	const scale = 1 << 10 // device units per point: PDFium answers in whole numbers
	at := func(x, y float64) ([2]float64, error) {
		r, err := e.pdfium.FPDF_PageToDevice(&requests.FPDF_PageToDevice{
			Page:  requests.Page{ByReference: &p},
			SizeX: int(math.Round(size.Width * scale)), SizeY: int(math.Round(size.Height * scale)),
			PageX: x, PageY: y})
		if err != nil {
			return [2]float64{}, err
		}
		return [2]float64{float64(r.DeviceX) / scale, float64(r.DeviceY) / scale}, nil
	}
	var corner [3][2]float64
	for i, c := range [3][2]float64{{0, 0}, {1000, 0}, {0, 1000}} {
		var err error
		if corner[i], err = at(c[0], c[1]); err != nil {
			return [6]float64{}, err
		}
	}
	o, x, y := corner[0], corner[1], corner[2]
	return [6]float64{(x[0] - o[0]) / 1000, (x[1] - o[1]) / 1000, (y[0] - o[0]) / 1000, (y[1] - o[1]) / 1000, o[0], o[1]}, nil
}

// gatherer joins characters to words.
type gatherer struct {
	place                    [6]float64
	words                    []Word
	run                      strings.Builder
	high                     rune // the first half of a surrogate pair
	left, top, right, bottom float64
	last                     [4]float64 // the box of the character before
}

func (g *gatherer) add(e *engine, tp references.FPDF_TEXTPAGE, i int) error {
	u, err := e.pdfium.FPDFText_GetUnicode(&requests.FPDFText_GetUnicode{TextPage: tp, Index: i})
	if err != nil {
		return err
	}
	r := g.pair(rune(u.Unicode))
	if r < 0 {
		return nil
	}
	if r == 0 || unicode.IsSpace(r) || unicode.IsControl(r) || r == 0xFFFE {
		g.flush()
		return nil
	}
	b, err := e.pdfium.FPDFText_GetCharBox(&requests.FPDFText_GetCharBox{TextPage: tp, Index: i})
	if err != nil {
		return nil // a character PDFium made up, without a place
	}
	left, top, right, bottom := g.box(b.Left, b.Bottom, b.Right, b.Top)
	if g.run.Len() > 0 && g.apart(left, top, right, bottom) {
		g.flush()
	}
	g.last = [4]float64{left, top, right, bottom}
	if g.run.Len() == 0 {
		g.left, g.top, g.right, g.bottom = left, top, right, bottom
	}
	g.left, g.top = min(g.left, left), min(g.top, top)
	g.right, g.bottom = max(g.right, right), max(g.bottom, bottom)
	g.run.WriteRune(r)
	return nil
}

// apart tells whether a character is further from the one before than a character is
// large, in any direction: text may run downwards.
func (g *gatherer) apart(left, top, right, bottom float64) bool {
	l := g.last
	size := max(l[2]-l[0], l[3]-l[1], right-left, bottom-top)
	return left-l[2] > size || l[0]-right > size || top-l[3] > size || l[1]-bottom > size
}

// pair joins the two halves of a character beyond the first plane, which PDFium reports
// one by one; -1 asks for the other half.
func (g *gatherer) pair(r rune) rune {
	high := g.high
	g.high = 0
	if utf16.IsSurrogate(r) && high == 0 {
		g.high = r
		return -1
	}
	if high != 0 {
		return utf16.DecodeRune(high, r)
	}
	return r
}

func (g *gatherer) box(x0, y0, x1, y1 float64) (left, top, right, bottom float64) {
	m := g.place
	ax, ay := m[0]*x0+m[2]*y0+m[4], m[1]*x0+m[3]*y0+m[5]
	bx, by := m[0]*x1+m[2]*y1+m[4], m[1]*x1+m[3]*y1+m[5]
	return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)
}

func (g *gatherer) flush() {
	if g.run.Len() > 0 {
		g.words = append(g.words, Word{Text: g.run.String(), Left: g.left, Top: g.top,
			Width: g.right - g.left, Height: g.bottom - g.top})
	}
	g.run.Reset()
}
