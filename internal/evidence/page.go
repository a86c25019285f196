package evidence

import (
	"fmt"
	"slices"

	"countersign.dev/internal/pdf"
)

// Pages lays out the evidence on A4 pages: for one document, or for the whole
// package when doc is nil. The pages of a document are of what Dossier.Of tells about it. Every text is made drawable first, so composing the
// pages meets no missing glyph; long values wrap and whatever does not fit goes
// on to further pages.
func Pages(j *pdf.Jail, d Dossier, doc *Document) []pdf.NewPage { return layOut(j, d, doc) }

func layOut(t typesetter, d Dossier, doc *Document) []pdf.NewPage {
	l := layout{sheet: &sheet{typesetter: t}, d: d, doc: doc}
	l.product = l.fit(d.Product, 10, 170, true)
	l.head = l.drawHead
	l.newPage()
	l.summary()
	l.documents()
	l.signatures()
	l.timeline()
	l.images()
	l.explanation()
	subject := d.Package.Name
	if doc != nil {
		subject = doc.Name
	}
	l.foot(d.Product + "  ·  Package " + d.Package.ID + "  ·  " + subject)
	return l.pages
}

// layout is the pages of one dossier in the making.
type layout struct {
	*sheet
	d       Dossier
	doc     *Document // nil: the package's summary
	product string    // as it is drawn at the top of each page
}

var (
	label = style{7.5, false, muted}
	value = style{9, false, ink}
	small = style{8, false, ink}
	fine  = style{7, false, ink}
)

func (l layout) name() string {
	if l.doc != nil {
		return "Certificate of Completion"
	}
	return "Package Summary"
}

func (l layout) drawHead(s *sheet, first bool) {
	at := margin + inner - s.TextWidth(l.product, 10, true)
	if !first {
		s.draw(pdf.Rect{Width: pageWidth, Height: 5, Fill: &navy},
			pdf.Text{X: margin, Y: 46, Size: 11, Bold: true, Color: navy, String: l.name() + ", continued"},
			pdf.Text{X: at, Y: 46, Size: 10, Bold: true, Color: muted, String: l.product},
			pdf.Line{X1: margin, Y1: 57, X2: margin + inner, Y2: 57, Width: 0.5, Color: rule})
		return
	}
	subject := l.d.Package.Name
	if l.doc != nil {
		subject = l.doc.Name
	}
	s.draw(pdf.Rect{Width: pageWidth, Height: 96, Fill: &navy},
		pdf.Rect{Y: 96, Width: pageWidth, Height: 3, Fill: &accent},
		pdf.Text{X: margin, Y: 48, Size: 23, Bold: true, Color: white, String: l.name()},
		pdf.Text{X: margin, Y: 74, Size: 11, Color: pale, String: s.fit(subject, 11, inner-110, false)},
		pdf.Text{X: at, Y: 46, Size: 10, Bold: true, Color: pale, String: l.product})
	status, color := "COMPLETED", &green
	if l.d.Package.Completed.IsZero() {
		status, color = "IN PROGRESS", &accent
	}
	width := s.TextWidth(status, 8.5, true)
	s.draw(pdf.Rect{X: margin + inner - width - 18, Y: 60, Width: width + 18, Height: 19, Fill: color},
		pdf.Text{X: margin + inner - width - 9, Y: 73, Size: 8.5, Bold: true, Color: white, String: status})
}

// pair is a label with its value.
type pair struct{ label, value string }

// grid sets pairs one below the other in a column.
func (l layout) grid(x, labelWidth, width float64, pairs []pair) []cell {
	var out []cell
	for _, p := range pairs {
		lines := l.lines(x+labelWidth, width-labelWidth, p.value, value)
		if p.value == "" {
			lines = []cell{{x + labelWidth, "–", value.size, false, muted}}
		}
		for i, c := range lines {
			if i == 0 {
				out = append(out, cell{x, p.label, label.size, false, label.color})
			} else {
				out = append(out, cell{}) // keeps the columns in step
			}
			out = append(out, c)
		}
	}
	return out
}

// gridRows turns the alternating cells of grids into rows.
func gridRows(height float64, grids ...[]cell) []row {
	var lists [][]cell
	for _, g := range grids {
		labels, values := make([]cell, 0, len(g)/2), make([]cell, 0, len(g)/2)
		for i := 0; i+1 < len(g); i += 2 {
			labels, values = append(labels, g[i]), append(values, g[i+1])
		}
		lists = append(lists, labels, values)
	}
	rows := columns(height, lists...)
	for i := range rows {
		rows[i].cells = slices.DeleteFunc(rows[i].cells, func(c cell) bool { return c.text == "" })
	}
	return rows
}

func (l layout) summary() {
	p := l.d.Package
	half := inner/2 - 14
	left := []pair{{"Package", p.Name}, {"Package ID", p.ID}, {"Sender", somebody(p.Sender, p.SenderEmail, p.SenderEmailIsAlias)}, {"Account", p.Account}}
	right := []pair{{"Created", moment(p.Created)}, {"Sent", moment(p.Sent)}, {"Completed", moment(p.Completed)},
		{"Contents", plural(len(l.d.Documents), "document", "documents") + ", " +
			plural(len(l.d.Signatures), "signature", "signatures")}, {"Server", l.d.Server}}
	l.place(block{rows: gridRows(14, l.grid(12, 56, half, left), l.grid(inner/2+6, 56, half, right)), pad: 8,
		fill: &pale, border: &rule})
}

func (l layout) documents() {
	docs := l.d.Documents
	l.heading("Documents")
	if l.doc != nil {
		docs = []Document{*l.doc}
	}
	for _, d := range docs {
		pages := plural(d.Pages, "page", "pages")
		rows := columns(13.5, l.lines(0, inner-80, d.Name, style{9.5, true, ink}),
			[]cell{{inner - l.TextWidth(pages, 8.5, false), pages, 8.5, false, muted}})
		rows = append(rows, row{11.5, []cell{{0, "SHA-256 as uploaded", 7, false, muted}, {82, d.Original.String(), 7.5, false, ink}}})
		l.place(block{rows: rows, pad: 4, under: &rule})
	}
}

func (l layout) signatures() {
	l.heading("Signatures")
	n := 0
	for _, s := range l.d.Signatures {
		if l.doc != nil && len(s.Documents) > 0 && !slices.Contains(s.Documents, l.doc.Name) {
			continue
		}
		n++
		l.place(l.card(s))
		l.gap(7)
	}
	if n == 0 {
		l.place(block{rows: []row{{14, []cell{{0, "None.", 9, false, muted}}}}})
	}
}

// card is one signature: the person on the left, the act on the right.
func (l layout) card(s Signature) block {
	const left, right, labels = 14.0, 226.0, 62.0
	who := l.lines(left, right-left-14, s.Name, style{11, true, ink})
	if s.Group != "" {
		who = append(who, l.lines(left, right-left-14, "on behalf of "+s.Group, style{9, false, accent})...)
	}
	who = append(who, l.lines(left, right-left-14, known(s.Email, s.EmailIsAlias), style{8.5, false, muted})...)
	if s.Role != "" {
		who = append(who, l.lines(left, right-left-14, s.Role, style{8.5, false, muted})...)
	}
	pairs := []pair{{"Signed", moment(s.Signed)}, {"Identified by", s.Identified}, {"IP address", s.IP}, {"Device", s.UserAgent},
		{"Pages shown", fmt.Sprint(s.PagesSeen)}, {"Signature ID", s.ID}, {"Audit event", s.EventID}}
	if l.doc == nil {
		for i, d := range s.Documents {
			pairs = append(pairs, pair{[]string{"Signed in", ""}[min(i, 1)], d})
		}
	}
	act := l.grid(right, labels, inner-right-10, pairs)
	rows := gridRows(13, act)
	for i, c := range who {
		if i == len(rows) {
			rows = append(rows, row{height: 13})
		}
		rows[i].cells = append(rows[i].cells, c)
	}
	return block{rows: rows, pad: 7, border: &rule, bar: &green}
}

// The columns of the timeline.
const (
	colTime   = 0.0
	colEvent  = 104.0
	colWho    = 214.0
	colFrom   = 344.0
	colDetail = 422.0
)

func (l layout) timeline() {
	l.heading("Timeline")
	header := &block{pad: 3, fill: &pale, rows: []row{{12, []cell{{colTime + 4, "Time", 7.5, true, muted},
		{colEvent, "Event", 7.5, true, muted}, {colWho, "Who", 7.5, true, muted}, {colFrom, "From", 7.5, true, muted},
		{colDetail, "Details", 7.5, true, muted}}}}}
	l.place(*header)
	l.repeat = header
	for _, e := range l.d.Events {
		who := l.lines(colWho, colFrom-colWho-8, somebody(e.Actor, e.Email, e.EmailIsAlias), small)
		if e.Group != "" {
			who = append(who, l.lines(colWho, colFrom-colWho-8, "for "+e.Group, style{7.5, false, accent})...)
		}
		if e.Target != "" {
			who = append(who, l.lines(colWho, colFrom-colWho-8, "→ "+e.Target, style{7.5, false, muted})...)
		}
		var detail []cell
		if e.Detail != "" {
			detail = l.lines(colDetail, inner-colDetail-2, e.Detail, style{7.5, false, ink})
		}
		if e.ID != "" {
			detail = append(detail, l.lines(colDetail, inner-colDetail-2, "ID "+e.ID, style{6.5, false, muted})...)
		}
		l.place(block{pad: 3, under: &rule, rows: columns(10.5,
			l.lines(colTime+4, colEvent-colTime-8, moment(e.At), small),
			l.lines(colEvent, colWho-colEvent-8, title(e.Type), style{8, true, ink}),
			who, l.lines(colFrom, colDetail-colFrom-8, e.IP, small), detail)})
	}
	l.repeat = nil
}

// mostImages bounds the hashes printed per document to about three pages.
const mostImages = 200

// images lists the hashes of the page images that were shown.
func (l layout) images() {
	docs := l.d.Documents
	if l.doc != nil {
		docs = []Document{*l.doc}
	}
	docs = slices.DeleteFunc(slices.Clone(docs), func(d Document) bool { return len(d.PageImages) == 0 })
	if len(docs) == 0 {
		return
	}
	l.heading("Page images shown to the signers")
	for _, d := range docs {
		if l.doc == nil {
			l.need(40)
			l.place(block{rows: columns(13, l.lines(0, inner, d.Name, style{8.5, true, ink})), pad: 2})
		}
		for i, p := range d.PageImages {
			if i == mostImages {
				rest := fmt.Sprintf("and %s more, in the attached %s", plural(len(d.PageImages)-i, "page", "pages"), AttachmentName)
				l.place(block{rows: []row{{12, []cell{{0, rest, 7.5, false, muted}}}}})
				break
			}
			l.place(block{rows: []row{{10.5, []cell{{0, fmt.Sprintf("Page %d", p.Page), 7.5, false, ink},
				{52, fmt.Sprintf("%d dpi", p.DPI), 7.5, false, muted}, {92, "SHA-256", 6.5, false, muted},
				{126, p.SHA256.String(), fine.size, false, fine.color}}}}})
		}
		l.gap(4)
	}
}

func (l layout) explanation() {
	l.heading("How to check this document")
	text := "This file is sealed with a PAdES digital signature over every one of its bytes; any later change breaks the seal. " +
		"Open it in a PDF reader that shows digital signatures, drop it on the verification page of " +
		either(l.d.Server, "the server") + ", or run “countersign verify” on it, which needs no network. " +
		"The same evidence is attached to the file for machines as " + AttachmentName + ". All times are in UTC."
	l.place(block{rows: columns(12, l.lines(0, inner, text, style{8.5, false, muted}))})
}
