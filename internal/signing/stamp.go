package signing

import (
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/pdf"
)

// signatureRow is a row of signatures.
type signatureRow struct {
	RoleID, PackageID, InviteeID string
	Name, Email, GroupName       string
	Mark, Initials               db.JSON[Mark]
	Identified                   string
	IP                           string `db:"ip"`
	UserAgent                    string
	SignedMs                     int64
	EventID                      string
}

func signaturesOf(tx *db.Tx, pkg string) ([]signatureRow, error) {
	return db.All[signatureRow](tx, `select * from signatures where package_id = $1 order by signed_ms, role_id`, pkg)
}

// The colours of a stamp: ink, and the quieter caption and frame.
var (
	ink     = pdf.Color{R: 16, G: 42, B: 96}
	caption = pdf.Color{R: 70, G: 82, B: 104}
	frame   = pdf.Color{R: 150, G: 164, B: 190}
)

// A stamp must not fail: after the last signature nobody can make the field larger or the text
// shorter, and the package would never be sealed. So print gets as small as it has to, a client's
// font sizes are bounded, and drawn marks get coarser where there are many.
const (
	leastPrint  = 1e-6
	leastFont   = 1
	mostFont    = 144
	drawnPoints = 150_000 // points of drawn marks in a document; pdf takes 200,000
)

// stamps draws every signed approval of a package, by document.
func (s *Signing) stamps(tx *db.Tx, pkg packageRow, signatures []signatureRow) (map[string][]pdf.Overlay, error) {
	byRole := map[string]signatureRow{}
	for _, sig := range signatures {
		byRole[sig.RoleID] = sig
	}
	roles, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return nil, err
	}
	who := map[string]spot{}
	for _, r := range roles {
		who[r.ID] = spot{role: r, me: inviteeRow{Name: byRole[r.ID].Name}}
	}
	fields, err := db.All[fieldRow](tx, `select * from fields where package_id = $1 order by page, position`, pkg.ID)
	if err != nil {
		return nil, err
	}
	approvals, err := db.All[approvalRow](tx, `select * from approvals where package_id = $1 and signed_ms is not null`, pkg.ID)
	if err != nil {
		return nil, err
	}
	of := map[string]approvalRow{}
	for _, a := range approvals {
		of[a.ID] = a
	}
	marks := map[string]int{} // by document
	for _, f := range fields {
		if f.Type == "SIGNATURE" {
			marks[of[f.ApprovalID].DocumentID]++
		}
	}
	out := map[string][]pdf.Overlay{}
	for _, f := range fields {
		if a, ok := of[f.ApprovalID]; ok {
			sig := byRole[a.RoleID].coarser(drawnPoints / max(1, marks[a.DocumentID]))
			out[a.DocumentID] = append(out[a.DocumentID], pdf.Overlay{Page: f.Page, Items: s.stamp(f, sig, who[a.RoleID])})
		}
	}
	return out, nil
}

// coarser is the signature with at most about so many points in a drawn mark.
func (sig signatureRow) coarser(points int) signatureRow {
	sig.Mark.V.Strokes = thinned(sig.Mark.V.Strokes, points)
	sig.Initials.V.Strokes = thinned(sig.Initials.V.Strokes, points)
	return sig
}

func thinned(strokes [][]Point, points int) [][]Point {
	total := 0
	for _, stroke := range strokes {
		total += len(stroke)
	}
	if total <= points {
		return strokes
	}
	every, n := total/max(1, points)+1, 0
	var out [][]Point
	for _, stroke := range strokes {
		var kept []Point
		for _, p := range stroke {
			if n%every == 0 {
				kept = append(kept, p)
			}
			n++
		}
		if len(kept) > 0 {
			out = append(out, kept)
		}
	}
	return out
}

// stamp draws one field.
func (s *Signing) stamp(f fieldRow, sig signatureRow, at spot) []pdf.Item {
	if f.WidthPt <= 0 || f.HeightPt <= 0 {
		return nil
	}
	switch {
	case f.Subtype == "INITIALS" || f.Subtype == "CHOOSE_INITIALS":
		return drawMark(initialsOf(sig), f.LeftPt, f.TopPt, f.WidthPt, f.HeightPt)
	case f.Type == "SIGNATURE":
		return stampSignature(f, sig)
	case f.Subtype == "CHECKBOX":
		return stampCheck(f)
	case f.Subtype == "RADIO":
		return stampDot(f)
	case f.Type == "IMAGE":
		return stampCode(f)
	case f.Subtype == "TEXTAREA":
		return s.stampArea(f, deref(f.Value))
	}
	text := deref(f.Value)
	if bound, ok := at.bound(f.Binding, db.Time(sig.SignedMs).Format("2006-01-02")); ok {
		text = bound
	}
	return s.stampText(f, text)
}

func initialsOf(sig signatureRow) Mark {
	if sig.Initials.V.Kind == "drawn" {
		return sig.Initials.V
	}
	return Mark{Kind: "typed", Text: Initials(sig.Name)}
}

// stampSignature draws the mark with a caption: the signer's own name, the group, the time with
// its zone, and the short id that leads to the audit event.
func stampSignature(f fieldRow, sig signatureRow) []pdf.Item {
	line := min(8, f.HeightPt/5)
	captionTop := f.TopPt + f.HeightPt - 2.6*line
	pad := min(4, f.WidthPt/20)
	items := []pdf.Item{
		pdf.Line{X1: f.LeftPt, Y1: f.TopPt, X2: f.LeftPt, Y2: f.TopPt + f.HeightPt, Width: 1.2, Color: ink},
		pdf.Line{X1: f.LeftPt + pad, Y1: captionTop, X2: f.LeftPt + f.WidthPt, Y2: captionTop, Width: 0.4, Color: frame},
	}
	items = append(items, drawMark(sig.Mark.V, f.LeftPt+pad, f.TopPt, f.WidthPt-pad, captionTop-f.TopPt)...)
	who := "Signed by " + sig.Name
	if sig.GroupName != "" {
		who += " on behalf of " + sig.GroupName
	}
	when := db.Time(sig.SignedMs).Format("2006-01-02 15:04:05 UTC") + " · ID " + audit.ShortID(sig.EventID)
	for i, text := range []string{who, when} {
		items = append(items, pdf.Text{X: f.LeftPt + pad, Y: captionTop + (float64(i)+1)*line*1.15, Size: line, Color: caption,
			String: text, MaxWidth: f.WidthPt - pad, MinSize: leastPrint})
	}
	return items
}

// drawMark draws a typed or drawn signature into a box.
func drawMark(m Mark, left, top, width, height float64) []pdf.Item {
	if m.Kind != "drawn" {
		size := min(height*0.72, 28)
		return []pdf.Item{pdf.Text{X: left, Y: top + height/2 + size*0.36, Size: size, Color: ink, String: m.Text,
			MaxWidth: width, MinSize: leastPrint}}
	}
	w, h := width, width/m.Aspect
	if h > height {
		w, h = height*m.Aspect, height
	}
	x, y := left, top+(height-h)/2
	paths := make([][]pdf.Point, len(m.Strokes))
	for i, stroke := range m.Strokes {
		for _, p := range stroke {
			paths[i] = append(paths[i], pdf.Point{X: x + p.X*w, Y: y + p.Y*h})
		}
	}
	return []pdf.Item{pdf.Strokes{Paths: paths, Width: max(0.6, h/32), Color: ink}}
}

func stampCheck(f fieldRow) []pdf.Item {
	if deref(f.Value) != Checked {
		return nil
	}
	side := min(f.WidthPt, f.HeightPt) * 0.8
	x, y := f.LeftPt+(f.WidthPt-side)/2, f.TopPt+(f.HeightPt-side)/2
	return []pdf.Item{
		pdf.Line{X1: x, Y1: y, X2: x + side, Y2: y + side, Width: max(0.8, side/10), Color: ink},
		pdf.Line{X1: x, Y1: y + side, X2: x + side, Y2: y, Width: max(0.8, side/10), Color: ink},
	}
}

// stampDot marks the chosen radio button.
func stampDot(f fieldRow) []pdf.Item {
	if deref(f.Value) != Checked {
		return nil
	}
	centre := pdf.Point{X: f.LeftPt + f.WidthPt/2, Y: f.TopPt + f.HeightPt/2}
	return []pdf.Item{pdf.Strokes{Paths: [][]pdf.Point{{centre}}, Width: min(f.WidthPt, f.HeightPt) * 0.55, Color: ink}}
}

// stampCode draws a QR code of the sender's. One that cannot be drawn was refused at sending.
func stampCode(f fieldRow) []pdf.Item {
	code := pdf.QR{X: f.LeftPt, Y: f.TopPt, Size: min(f.WidthPt, f.HeightPt), Text: deref(f.Value)}
	if _, err := code.Least(); err != nil || code.Text == "" || f.Subtype != "QRCODE" {
		return nil
	}
	return []pdf.Item{code}
}

// printSize is the size in which a field's text begins to be written.
func printSize(f fieldRow, otherwise float64) float64 {
	size := min(f.FontSize, mostFont)
	if size <= 0 {
		size = otherwise
	}
	return max(size, leastFont)
}

// stampText writes a value in one line.
func (s *Signing) stampText(f fieldRow, text string) []pdf.Item {
	if text = oneLine(text); strings.TrimSpace(text) == "" {
		return nil
	}
	size := printSize(f, min(11, f.HeightPt*0.7))
	return []pdf.Item{pdf.Text{X: f.LeftPt, Y: f.TopPt + f.HeightPt/2 + size*0.36, Size: size, String: text, Color: ink,
		MaxWidth: f.WidthPt, MinSize: leastPrint}}
}

// Lines of a text area: their distance, and how much smaller print gets at a time until they fit.
const (
	leading = 1.25
	shrink  = 0.92
)

// stampArea writes a value in lines no wider than the field, in print that gets smaller until they all fit.
func (s *Signing) stampArea(f fieldRow, text string) []pdf.Item {
	size := printSize(f, min(11, f.HeightPt*0.7))
	lines := s.wrapped(text, size, f.WidthPt)
	for float64(len(lines))*size*leading > f.HeightPt && size > leastFont {
		size = max(leastFont, size*shrink)
		lines = s.wrapped(text, size, f.WidthPt)
	}
	size = min(size, f.HeightPt/(float64(max(1, len(lines)))*leading))
	var items []pdf.Item
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			items = append(items, pdf.Text{X: f.LeftPt, Y: f.TopPt + size + float64(i)*size*leading, Size: size, String: line, Color: ink,
				MaxWidth: f.WidthPt, MinSize: leastPrint})
		}
	}
	return items
}

func (s *Signing) wrapped(text string, size, width float64) (lines []string) {
	for paragraph := range strings.SplitSeq(strings.NewReplacer("\r", "", "\t", " ").Replace(text), "\n") {
		lines = append(lines, s.Jail.Wrap(paragraph, size, width, false)...)
	}
	return lines
}
