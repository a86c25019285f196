package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf16"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
)

// fontBook is the fonts one job uses; each becomes one embedded subset.
type fontBook struct {
	setter *setter
	fonts  []*usedFont
}

// usedFont numbers the glyphs of one font as they are used. The same glyph for other
// characters gets another number, so that text extracted from the file is the text drawn.
type usedFont struct {
	face   *typeface
	source *font.Face
	cids   map[usedGlyph]int
	glyphs []usedGlyph // by CID; 0 is .notdef
}

type usedGlyph struct {
	id   font.GID
	text string
}

func (b *fontBook) use(t *typeface) int {
	for i, f := range b.fonts {
		if f.face == t {
			return i
		}
	}
	b.fonts = append(b.fonts, &usedFont{face: t, source: b.setter.faces[t.index],
		cids: map[usedGlyph]int{}, glyphs: []usedGlyph{{}}})
	return len(b.fonts) - 1
}

// cid returns the number of a glyph and its width in thousandths.
func (u *usedFont) cid(g glyph) (int, float64) {
	key := usedGlyph{g.id, g.text}
	n, ok := u.cids[key]
	if !ok {
		n = len(u.glyphs)
		u.cids[key] = n
		u.glyphs = append(u.glyphs, key)
	}
	return n, u.width(g.id)
}

func (u *usedFont) width(id font.GID) float64 {
	return math.Round(float64(u.source.HorizontalAdvance(id))*em) / float64(u.face.font.Upem())
}

// planFont is an embedded font, ready to be written.
type planFont struct {
	Name      string    `json:"name"` // with its subset tag
	File      []byte    `json:"file"` // TrueType
	Widths    []float64 `json:"widths"`
	ToUnicode []byte    `json:"toUnicode"`
	Ascent    float64   `json:"ascent"` // this and the rest: thousandths
	Descent   float64   `json:"descent"`
	Box       [4]int    `json:"box"`
}

func (u *usedFont) finish() planFont {
	scale := em / float64(u.face.font.Upem())
	p := planFont{ToUnicode: u.toUnicode(), Ascent: 1000, Descent: -250}
	ext, ok := u.source.FontHExtents()
	if ok {
		p.Ascent, p.Descent = math.Round(float64(ext.Ascender)*scale), math.Round(float64(ext.Descender)*scale)
	}
	b := &trueType{upem: int(u.face.font.Upem()), ascent: int(ext.Ascender), descent: int(ext.Descender)}
	for cid, g := range u.glyphs {
		if cid == 0 {
			b.add(nil, b.upem/2)
			p.Widths = append(p.Widths, em/2)
			continue
		}
		outline, _ := u.source.GlyphDataOutline(g.id)
		b.add(outline.Segments, int(math.Round(float64(u.source.HorizontalAdvance(g.id)))))
		p.Widths = append(p.Widths, u.width(g.id))
	}
	p.File = b.bytes()
	for i, v := range b.box {
		p.Box[i] = int(math.Round(float64(v) * scale))
	}
	sum := sha256.Sum256(p.File)
	tag := make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + sum[i]%26
	}
	p.Name = string(tag) + "+" + u.face.name
	return p
}

// toUnicode writes the CMap that leads from CIDs back to text (ISO 32000-1 §9.10.3).
func (u *usedFont) toUnicode() []byte {
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	var lines []string
	for cid, g := range u.glyphs {
		if g.text == "" {
			continue
		}
		line := fmt.Sprintf("<%04X> <", cid)
		for _, v := range utf16.Encode([]rune(g.text)) {
			line += fmt.Sprintf("%04X", v)
		}
		lines = append(lines, line+">\n")
	}
	for len(lines) > 0 { // at most a hundred in one block
		n := min(100, len(lines))
		fmt.Fprintf(&b, "%d beginbfchar\n", n)
		for _, l := range lines[:n] {
			b.WriteString(l)
		}
		b.WriteString("endbfchar\n")
		lines = lines[n:]
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}

// trueType builds a font file of simple glyphs from outlines, whatever kind of font
// they come from. It has the tables PDF asks for (ISO 32000-1 §9.9) and no hinting.
type trueType struct {
	upem, ascent, descent int
	glyf, loca, hmtx      bytes.Buffer
	count                 int
	maxPoints, maxContour int
	maxAdvance            int
	box                   [4]int // left, bottom, right, top over all glyphs
}

// contourPoint is a point of a TrueType contour.
type contourPoint struct {
	x, y int
	on   bool
}

func (b *trueType) add(segments []opentype.Segment, advance int) {
	put(&b.loca, uint32(b.glyf.Len()))
	b.count++
	b.maxAdvance = max(b.maxAdvance, advance)
	contours := toContours(segments)
	left := 0
	if len(contours) > 0 {
		left = b.outline(contours)
	}
	put(&b.hmtx, uint16(advance), int16(left))
}

// outline writes a glyph and returns its left edge.
func (b *trueType) outline(contours [][]contourPoint) int {
	box := [4]int{math.MaxInt16, math.MaxInt16, math.MinInt16, math.MinInt16}
	var ends, flags, xs, ys bytes.Buffer
	points, x, y := 0, 0, 0
	for _, c := range contours {
		for _, p := range c {
			box = [4]int{min(box[0], p.x), min(box[1], p.y), max(box[2], p.x), max(box[3], p.y)}
			flag := byte(0)
			if p.on {
				flag = 1
			}
			flags.WriteByte(flag)
			put(&xs, int16(p.x-x))
			put(&ys, int16(p.y-y))
			x, y = p.x, p.y
		}
		points += len(c)
		put(&ends, uint16(points-1))
	}
	put(&b.glyf, int16(len(contours)), int16(box[0]), int16(box[1]), int16(box[2]), int16(box[3]))
	b.glyf.Write(ends.Bytes())
	put(&b.glyf, uint16(0)) // no instructions
	b.glyf.Write(flags.Bytes())
	b.glyf.Write(xs.Bytes())
	b.glyf.Write(ys.Bytes())
	for b.glyf.Len()%4 != 0 {
		b.glyf.WriteByte(0)
	}
	b.maxPoints, b.maxContour = max(b.maxPoints, points), max(b.maxContour, len(contours))
	b.box = [4]int{min(b.box[0], box[0]), min(b.box[1], box[1]), max(b.box[2], box[2]), max(b.box[3], box[3])}
	return box[0]
}

func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.BigEndian, v) // a Buffer does not fail
	}
}

func toContours(segments []opentype.Segment) (contours [][]contourPoint) {
	var c []contourPoint
	at := func(p opentype.SegmentPoint, on bool) contourPoint {
		clamp := func(v float32) int { return int(math.Round(float64(max(-16000, min(16000, v))))) }
		return contourPoint{clamp(p.X), clamp(p.Y), on}
	}
	flush := func() {
		if n := len(c); n > 1 && c[0] == c[n-1] { // contours close by themselves
			c = c[:n-1]
		}
		if len(c) > 1 {
			contours = append(contours, c)
		}
		c = nil
	}
	var pen opentype.SegmentPoint
	for _, s := range segments {
		a := s.ArgsSlice()
		switch s.Op {
		case opentype.SegmentOpMoveTo:
			flush()
			c = append(c, at(a[0], true))
		case opentype.SegmentOpLineTo:
			c = append(c, at(a[0], true))
		case opentype.SegmentOpQuadTo:
			c = append(c, at(a[0], false), at(a[1], true))
		case opentype.SegmentOpCubeTo:
			for _, q := range toQuadratics(pen, a[0], a[1], a[2]) {
				c = append(c, at(q[0], false), at(q[1], true))
			}
		}
		pen = a[len(a)-1]
	}
	flush()
	return contours
}

// quadratics is into how many pieces a cubic curve is cut; four keep the error below a
// unit of the em for the curves of letters.
const quadratics = 4

// toQuadratics approximates a cubic Bézier curve by control and end points of quadratic ones.
func toQuadratics(p0, p1, p2, p3 opentype.SegmentPoint) (out [quadratics][2]opentype.SegmentPoint) {
	point := func(t float32) opentype.SegmentPoint {
		u := 1 - t
		a, b, c, d := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
		return opentype.SegmentPoint{X: a*p0.X + b*p1.X + c*p2.X + d*p3.X, Y: a*p0.Y + b*p1.Y + c*p2.Y + d*p3.Y}
	}
	slope := func(t float32) opentype.SegmentPoint {
		u := 1 - t
		a, b, c := 3*u*u, 6*u*t, 3*t*t
		return opentype.SegmentPoint{X: a*(p1.X-p0.X) + b*(p2.X-p1.X) + c*(p3.X-p2.X),
			Y: a*(p1.Y-p0.Y) + b*(p2.Y-p1.Y) + c*(p3.Y-p2.Y)}
	}
	for i := range out {
		t0, t1 := float32(i)/quadratics, float32(i+1)/quadratics
		a, b, da, db := point(t0), point(t1), slope(t0), slope(t1)
		h := (t1 - t0) / 4 // half of the average of both tangents' controls
		out[i] = [2]opentype.SegmentPoint{{X: (a.X+b.X)/2 + h*(da.X-db.X), Y: (a.Y+b.Y)/2 + h*(da.Y-db.Y)}, b}
	}
	return out
}

// bytes assembles the tables (OpenType 1.9, "Organization of an OpenType Font").
func (b *trueType) bytes() []byte {
	put(&b.loca, uint32(b.glyf.Len()))
	var head, hhea, maxp bytes.Buffer
	box := []any{int16(b.box[0]), int16(b.box[1]), int16(b.box[2]), int16(b.box[3])}
	put(&head, uint32(0x00010000), uint32(0x00010000), uint32(0), uint32(0x5F0F3CF5), uint16(3), uint16(b.upem), int64(0), int64(0))
	put(&head, box...)
	put(&head, uint16(0), uint16(8), int16(2), int16(1), int16(0))
	put(&hhea, uint32(0x00010000), int16(b.ascent), int16(b.descent), int16(0), uint16(b.maxAdvance),
		int16(b.box[0]), int16(0), int16(b.box[2]), int16(1), int16(0), int16(0), int64(0), int16(0), uint16(b.count))
	put(&maxp, uint32(0x00010000), uint16(b.count), uint16(b.maxPoints), uint16(b.maxContour),
		[11]uint16{2: 1})
	tables := []struct {
		tag  string
		body []byte
	}{{"glyf", b.glyf.Bytes()}, {"head", head.Bytes()}, {"hhea", hhea.Bytes()}, {"hmtx", b.hmtx.Bytes()},
		{"loca", b.loca.Bytes()}, {"maxp", maxp.Bytes()}}
	var out bytes.Buffer
	put(&out, uint32(0x00010000), uint16(len(tables)), uint16(64), uint16(2), uint16(len(tables)*16-64))
	offset := 12 + 16*len(tables)
	headAt := 0
	for _, t := range tables {
		if t.tag == "head" {
			headAt = offset
		}
		out.WriteString(t.tag)
		put(&out, checksum(t.body), uint32(offset), uint32(len(t.body)))
		offset += (len(t.body) + 3) &^ 3
	}
	for _, t := range tables {
		out.Write(t.body)
		out.Write(make([]byte, (4-len(t.body)%4)%4))
	}
	file := out.Bytes()
	binary.BigEndian.PutUint32(file[headAt+8:], 0xB1B0AFBA-checksum(file))
	return file
}

func checksum(b []byte) (sum uint32) {
	for i := 0; i < len(b); i += 4 {
		var word [4]byte
		copy(word[:], b[i:])
		sum += binary.BigEndian.Uint32(word[:])
	}
	return sum
}
