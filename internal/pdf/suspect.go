package pdf

import (
	"bytes"
	"math"
	"strings"
)

// Whether a page may hide text is found out in two steps: this reader looks for what
// hidden text cannot do without, which costs little; PDFium then judges the pages on
// which there is any of it. Whatever is not understood here is for PDFium to judge.

// The bounds of the first look.
const (
	maxOperands  = 2_000_000 // and operators, of all pages
	maxContent   = 64 << 20  // decoded bytes of all pages
	maxFormDepth = 8
	stepsOfForm  = 500 // what opening a form costs, in operands
)

// glance looks at pages one after another, within one budget.
type glance struct {
	f     *file
	steps int
	bytes int
	box   [4]float64
	unit  float64
	plain map[ref]bool // fonts whose letters stand where the text is
}

func (f *file) glance() *glance {
	return &glance{f: f, steps: maxOperands, bytes: maxContent, plain: map[ref]bool{}}
}

// pen is the graphics state as far as it matters (ISO 32000-1 §8.4, §9.3).
type pen struct {
	ctm     [6]float64
	white   bool // or a colour of which nothing is known
	inks    int  // of the colour space; 0: not known
	mode    float64
	size    float64
	leading float64
	rise    float64
	odd     bool // a font whose letters may stand anywhere
}

// brush is a pen with its text.
type brush struct {
	pen
	g         *glance
	resources dict
	depth     int
	stack     []pen
	line, tm  [6]float64
	placed    bool // no letter was written since the text was placed
	wary      bool // the page is for PDFium to judge
	operands  []object
}

// suspicious tells whether a page may hold text that nobody sees.
func (g *glance) suspicious(l leaf) bool {
	g.box, g.unit = l.box, l.unit
	content, ok := g.content(l.dict["Contents"])
	if !ok {
		return true
	}
	resources, err := g.f.dict(l.resources)
	return err != nil || g.page(content, resources, pen{ctm: identity, inks: 1}, 0)
}

var identity = [6]float64{1, 0, 0, 1, 0, 0}

// content is all of a page's content streams.
func (g *glance) content(o object) ([]byte, bool) {
	o, err := g.f.resolve(o)
	if err != nil {
		return nil, false
	}
	switch v := o.(type) {
	case nil:
		return nil, true
	case *stream:
		return g.decode(v)
	case array:
		var all bytes.Buffer
		for _, e := range v {
			part, err := g.f.resolve(e)
			st, ok := part.(*stream)
			if err != nil || !ok {
				return nil, false
			}
			body, ok := g.decode(st)
			if !ok {
				return nil, false
			}
			all.Write(body)
			all.WriteByte('\n')
		}
		return all.Bytes(), true
	}
	return nil, false
}

// decode has a budget of its own: the streams were all measured before.
func (g *glance) decode(st *stream) ([]byte, bool) {
	spent := g.f.inflated
	g.f.inflated = 0
	body, err := g.f.decode(st)
	g.f.inflated = spent
	g.bytes -= len(body)
	return body, err == nil && g.bytes > 0
}

// page reads the content of a page or form.
func (g *glance) page(content []byte, resources dict, p pen, depth int) bool {
	if spaces, err := g.f.dict(resources["ColorSpace"]); err != nil || spaces["DefaultGray"] != nil || spaces["DefaultRGB"] != nil || spaces["DefaultCMYK"] != nil {
		return true
	}
	b := &brush{pen: p, g: g, resources: resources, depth: depth, line: identity, tm: identity}
	in := &parser{data: content}
	for !b.wary {
		in.skipSpace()
		if in.pos >= len(content) {
			return false
		}
		if g.steps--; g.steps < 0 {
			return true
		}
		c := content[in.pos]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '\'' || c == '"' {
			b.operator(in.word())
			b.operands = b.operands[:0]
			continue
		}
		o, err := in.object()
		if err != nil || len(b.operands) > 100 {
			return true
		}
		b.operands = append(b.operands, o)
	}
	return true
}

// numbers are the last n operands; zeroes and a wary page when they are something else.
func (b *brush) numbers(n int) []float64 {
	v := make([]float64, n)
	at := len(b.operands) - n
	if at < 0 {
		b.wary = true
		return v
	}
	for i := range v {
		var ok bool
		if v[i], ok = number(b.operands[at+i]); !ok {
			b.wary = true
		}
	}
	return v
}

func (b *brush) operator(op string) {
	switch op {
	case "q":
		b.stack = append(b.stack, b.pen)
		b.wary = len(b.stack) > maxOperands/1000
	case "Q":
		if n := len(b.stack); n > 0 {
			b.pen, b.stack = b.stack[n-1], b.stack[:n-1]
		}
	case "cm":
		b.ctm = joinedMatrix(matrixOf(b.numbers(6)), b.ctm)
	case "Do":
		b.object()
	case "gs":
		b.state()
	case "BI": // its data could be anything
		b.wary = true
	case "g", "rg", "k", "cs", "sc", "scn":
		b.colour(op)
	default:
		b.textOperator(op)
	}
}

func (b *brush) textOperator(op string) {
	switch op {
	case "BT":
		b.move(identity)
	case "Tm":
		b.move(matrixOf(b.numbers(6)))
	case "Td", "TD":
		v := b.numbers(2)
		if op == "TD" {
			b.leading = -v[1]
		}
		b.move(joinedMatrix([6]float64{1, 0, 0, 1, v[0], v[1]}, b.line))
	case "T*":
		b.newLine()
	case "TL":
		b.leading = b.numbers(1)[0]
	case "Tr":
		b.mode = b.numbers(1)[0]
	case "Ts":
		b.rise = b.numbers(1)[0]
	case "Tz":
		b.wary = b.wary || b.numbers(1)[0] < 20
	case "Tf":
		b.font()
	case "'", "\"":
		b.newLine()
		b.show()
	case "Tj", "TJ":
		b.show()
	}
}

func (b *brush) move(m [6]float64) { b.line, b.tm, b.placed = m, m, true }

func (b *brush) newLine() { b.move(joinedMatrix([6]float64{1, 0, 0, 1, 0, -b.leading}, b.line)) }

// show judges where and how a text begins. How wide letters are is not known here, so
// that a second text without a place of its own could be anywhere.
func (b *brush) show() {
	if len(b.operands) == 0 || !b.placed || b.odd || b.mode == 3 || b.white && b.mode == 0 {
		b.wary = true
		return
	}
	b.placed = false
	x := 0.0
	if list, ok := b.operands[len(b.operands)-1].(array); ok {
		for _, e := range list {
			v, ok := number(e)
			if !ok {
				break
			}
			x -= v / 1000 * b.size
		}
	}
	m := joinedMatrix(joinedMatrix([6]float64{1, 0, 0, 1, x, b.rise}, b.tm), b.ctm)
	scale := min(math.Hypot(m[0], m[1]), math.Hypot(m[2], m[3]))
	seen := m[4] > b.g.box[0] && m[4] < b.g.box[2] && m[5] > b.g.box[1] && m[5] < b.g.box[3]
	b.wary = b.wary || !seen || math.Abs(b.size)*scale*b.g.unit < 2*leastText
}

// font looks whether a font's letters stand where the text is: those of drawn (Type 3)
// and vertical fonts may be elsewhere.
func (b *brush) font() {
	b.size = b.numbers(1)[0]
	fonts, err := b.g.f.dict(b.resources["Font"])
	if err != nil || len(b.operands) < 2 {
		b.wary = true
		return
	}
	key, _ := b.operands[len(b.operands)-2].(name)
	at, _ := fonts[key].(ref)
	if b.g.plain[at] {
		b.odd = false
		return
	}
	d, err := b.g.f.dict(fonts[key])
	kind, _ := b.g.f.resolve(d["Subtype"])
	coded, _ := b.g.f.resolve(d["Encoding"])
	encoding, _ := coded.(name)
	b.odd = err != nil || kind == name("Type3") || kind == name("Type0") && !strings.HasSuffix(string(encoding), "-H")
	if at.num > 0 && !b.odd {
		b.g.plain[at] = true
	}
}

// colour follows the colour of fillings.
func (b *brush) colour(op string) {
	switch op {
	case "g":
		b.inks = 1
	case "rg":
		b.inks = 3
	case "k":
		b.inks = 4
	case "cs":
		b.inks = b.space()
		b.white = b.inks == 0
		return
	}
	if b.inks == 0 {
		b.white = true
		return
	}
	v := b.numbers(b.inks)
	if b.inks == 4 {
		b.white = max(v[0], v[1], v[2], v[3]) < .1
	} else {
		b.white = min(v[0], v[len(v)-1], v[len(v)/2]) > .95
	}
}

// space is the number of inks of a colour space whose numbers mean what they seem to.
func (b *brush) space() int {
	if len(b.operands) == 0 {
		return 0
	}
	n, _ := b.operands[len(b.operands)-1].(name)
	if inks := map[name]int{"DeviceGray": 1, "DeviceRGB": 3, "DeviceCMYK": 4}[n]; inks > 0 {
		return inks
	}
	spaces, err := b.g.f.dict(b.resources["ColorSpace"])
	if err != nil {
		return 0
	}
	list, err := b.g.f.array(spaces[n])
	if err != nil || len(list) < 2 {
		return 0
	}
	switch kind, _ := b.g.f.resolve(list[0]); kind {
	case name("CalGray"):
		return 1
	case name("CalRGB"):
		return 3
	case name("ICCBased"):
		profile, _ := b.g.f.dict(list[1])
		inks, _ := b.g.f.resolve(profile["N"])
		if v, _ := number(inks); v == 1 || v == 3 || v == 4 {
			return int(v)
		}
	}
	return 0
}

// state is an extended graphics state (§8.4.5), which may set a font.
func (b *brush) state() {
	states, err := b.g.f.dict(b.resources["ExtGState"])
	if err != nil || len(b.operands) == 0 {
		b.wary = true
		return
	}
	key, _ := b.operands[len(b.operands)-1].(name)
	d, err := b.g.f.dict(states[key])
	b.wary = b.wary || err != nil || d["Font"] != nil
}

// object reads a form; an image hides nothing.
func (b *brush) object() {
	objects, err := b.g.f.dict(b.resources["XObject"])
	if err != nil || len(b.operands) == 0 {
		b.wary = true
		return
	}
	key, _ := b.operands[len(b.operands)-1].(name)
	o, err := b.g.f.resolve(objects[key])
	st, ok := o.(*stream)
	if err != nil || !ok {
		b.wary = b.wary || err != nil
		return
	}
	if kind, _ := b.g.f.resolve(st.dict["Subtype"]); kind == name("Image") {
		return
	}
	b.g.steps -= stepsOfForm
	body, ok := b.g.decode(st)
	if !ok || b.depth >= maxFormDepth {
		b.wary = true
		return
	}
	p := b.pen
	if m, ok, err := b.g.f.numbers(st.dict["Matrix"], 6); ok && err == nil {
		p.ctm = joinedMatrix(matrixOf(m), p.ctm)
	}
	resources := b.resources
	if own, err := b.g.f.dict(st.dict["Resources"]); err == nil && own != nil {
		resources = own
	}
	b.wary = b.g.page(body, resources, p, b.depth+1)
}

func matrixOf(v []float64) (m [6]float64) {
	copy(m[:], v)
	return m
}

// joinedMatrix applies m first, then n.
func joinedMatrix(m, n [6]float64) [6]float64 {
	return [6]float64{m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3], m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5]}
}
