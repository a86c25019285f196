package evidence

import (
	"fmt"

	"countersign.dev/internal/pdf"
)

// Measures in points; A4 with the origin at the top left.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	margin     = 46.0
	inner      = pageWidth - 2*margin
	firstTop   = 122.0 // below the title
	nextTop    = 78.0  // below the running header
	bottom     = pageHeight - 54.0
)

var (
	ink    = pdf.Color{R: 0x1b, G: 0x25, B: 0x33}
	muted  = pdf.Color{R: 0x5d, G: 0x6a, B: 0x7b}
	navy   = pdf.Color{R: 0x14, G: 0x2b, B: 0x4f}
	accent = pdf.Color{R: 0x1f, G: 0x6f, B: 0xc4}
	green  = pdf.Color{R: 0x1b, G: 0x7f, B: 0x4b}
	pale   = pdf.Color{R: 0xf4, G: 0xf7, B: 0xfb}
	rule   = pdf.Color{R: 0xd5, G: 0xdd, B: 0xe8}
	white  = pdf.Color{R: 0xff, G: 0xff, B: 0xff}
)

// cell is one line of text in a row; x counts from the left margin.
type cell struct {
	x     float64
	text  string
	size  float64
	bold  bool
	color pdf.Color
}

// row is one line of a block.
type row struct {
	height float64
	cells  []cell
}

// block is a run of rows that stays on one page if it can. When it is higher
// than a page it breaks between rows and its frame is drawn on each part.
type block struct {
	rows   []row
	pad    float64 // above and below the rows of each part
	fill   *pdf.Color
	border *pdf.Color
	bar    *pdf.Color // a coloured bar at the left edge
	under  *pdf.Color // a line below the last part
}

// sheet lays blocks out from page to page.
type sheet struct {
	typesetter
	pages []pdf.NewPage
	y     float64
	head  func(s *sheet, first bool) // draws the top of a new page
	// repeat, when set, is placed again at the top of each new page: a table's header.
	repeat *block
}

func (s *sheet) draw(items ...pdf.Item) {
	last := &s.pages[len(s.pages)-1]
	last.Items = append(last.Items, items...)
}

func (s *sheet) newPage() {
	s.pages = append(s.pages, pdf.NewPage{Width: pageWidth, Height: pageHeight})
	first := len(s.pages) == 1
	s.y = nextTop
	if first {
		s.y = firstTop
	}
	s.head(s, first)
	if s.repeat != nil {
		s.part(*s.repeat, s.repeat.rows, true)
	}
}

func (b block) height() float64 {
	h := 2 * b.pad
	for _, r := range b.rows {
		h += r.height
	}
	return h
}

// place puts a block on the page, or on the next one, or on as many as it needs.
func (s *sheet) place(b block) {
	top := nextTop
	if s.repeat != nil {
		top += s.repeat.height()
	}
	if s.y+b.height() > bottom && b.height() <= bottom-top {
		s.newPage()
	}
	rows := b.rows
	for len(rows) > 0 {
		n, y := 0, s.y+2*b.pad
		for n < len(rows) && y+rows[n].height <= bottom {
			y += rows[n].height
			n++
		}
		if n == 0 {
			s.newPage()
			continue
		}
		s.part(b, rows[:n], n == len(rows))
		if rows = rows[n:]; len(rows) > 0 {
			s.newPage()
		}
	}
}

func (s *sheet) part(b block, rows []row, last bool) {
	height := 2 * b.pad
	for _, r := range rows {
		height += r.height
	}
	if b.fill != nil || b.border != nil {
		s.draw(pdf.Rect{X: margin, Y: s.y, Width: inner, Height: height, Fill: b.fill, Stroke: b.border, LineWidth: 0.7})
	}
	if b.bar != nil {
		s.draw(pdf.Rect{X: margin, Y: s.y, Width: 3, Height: height, Fill: b.bar})
	}
	y := s.y + b.pad
	for _, r := range rows {
		for _, c := range r.cells {
			s.draw(pdf.Text{X: margin + c.x, Y: y + r.height*0.74, Size: c.size, Bold: c.bold, Color: c.color, String: c.text})
		}
		y += r.height
	}
	s.y += height
	if last && b.under != nil {
		s.draw(pdf.Line{X1: margin, Y1: s.y, X2: margin + inner, Y2: s.y, Width: 0.5, Color: *b.under})
	}
}

// gap leaves room, but not at the top of a page.
func (s *sheet) gap(h float64) { s.y += h }

// need starts a new page when less than h is left.
func (s *sheet) need(h float64) {
	if s.y+h > bottom {
		s.newPage()
	}
}

// heading starts a section; it never stands alone at the end of a page.
func (s *sheet) heading(text string) {
	s.gap(16)
	s.need(80)
	s.place(block{rows: []row{{17, []cell{{0, text, 11.5, true, navy}}}}})
	s.draw(pdf.Line{X1: margin, Y1: s.y, X2: margin + inner, Y2: s.y, Width: 0.9, Color: accent})
	s.gap(7)
}

// style is how a column's text is set.
type style struct {
	size  float64
	bold  bool
	color pdf.Color
}

// lines wraps a value into cells of one column.
func (s *sheet) lines(x, width float64, text string, st style) []cell {
	var out []cell
	for _, line := range s.Wrap(faithful(s, text), st.size, width, st.bold) {
		out = append(out, cell{x, line, st.size, st.bold, st.color})
	}
	return out
}

// columns sets lists of cells side by side.
func columns(height float64, lists ...[]cell) []row {
	most := 0
	for _, l := range lists {
		most = max(most, len(l))
	}
	rows := make([]row, most)
	for i := range rows {
		rows[i].height = height
		for _, l := range lists {
			if i < len(l) {
				rows[i].cells = append(rows[i].cells, l[i])
			}
		}
	}
	return rows
}

// fit cuts text so that it is no wider than width, in one line.
func (s *sheet) fit(text string, size, width float64, bold bool) string {
	text = faithful(s, text)
	if s.TextWidth(text, size, bold) <= width {
		return text
	}
	const more = " …"
	return s.Wrap(text, size, width-s.TextWidth(more, size, bold), bold)[0] + more
}

// foot numbers the pages, once their number is known.
func (s *sheet) foot(left string) {
	left = s.fit(left, 7.5, inner-80, false)
	for i := range s.pages {
		p := &s.pages[i]
		number := fmt.Sprintf("Page %d of %d", i+1, len(s.pages))
		width := s.TextWidth(number, 7.5, false)
		p.Items = append(p.Items,
			pdf.Line{X1: margin, Y1: bottom + 14, X2: margin + inner, Y2: bottom + 14, Width: 0.5, Color: rule},
			pdf.Text{X: margin, Y: bottom + 27, Size: 7.5, Color: muted, String: left},
			pdf.Text{X: margin + inner - width, Y: bottom + 27, Size: 7.5, Color: muted, String: number})
	}
}
