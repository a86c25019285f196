package pdf

import (
	"bytes"
	"fmt"
	"math"
)

// Drawing has one vocabulary for stamps on existing pages and for appended pages. All
// measures are points; the origin is the top left corner of the page as displayed, x
// grows to the right, y downwards.

// Color is an RGB colour; the zero value is black.
type Color struct{ R, G, B uint8 }

// Point is a place on the displayed page, in points.
type Point struct{ X, Y float64 }

// Item is one thing to draw: Text, Line, Rect, Strokes or QR.
type Item interface {
	draw(c *canvas) error
}

// Text is one line of text.
type Text struct {
	X, Y     float64 // left end of the baseline
	Size     float64 // font size, more than 0 and at most 1000
	Bold     bool    // where the font has it; Japanese stays regular
	Color    Color
	String   string  // no control or invisible characters: see Jail.Missing
	MaxWidth float64 // above 0: the size shrinks until the text is no wider
	MinSize  float64 // the size below which shrinking is refused (TooLarge); default 4
}

// Line is a straight line.
type Line struct {
	X1, Y1, X2, Y2 float64
	Width          float64 // at least 0; 0 is the thinnest a device can draw
	Color          Color
}

// Rect is a rectangle, filled, stroked or both.
type Rect struct {
	X, Y, Width, Height float64 // of the top left corner; sizes at least 0
	Fill, Stroke        *Color  // nil: not
	LineWidth           float64
}

// Strokes is a drawn signature: pen strokes with round ends. A stroke of one point is a dot.
type Strokes struct {
	Paths [][]Point
	Width float64 // of the pen, more than 0
	Color Color
}

// Overlay is what is drawn on an existing page.
type Overlay struct {
	Page  int // counted from 0
	Items []Item
}

// NewPage is a page appended to the document.
type NewPage struct {
	Width, Height float64 // 3 to 14,400 points
	Items         []Item
}

// maxPoints bounds the points of the strokes of one job.
const maxPoints = 200_000

// canvas collects a content stream (ISO 32000-1 §7.8.2) in displayed coordinates.
type canvas struct {
	out    bytes.Buffer
	book   *fontBook
	points int
}

// num formats a measure to a thousandth of a point.
func num(v float64) string { return formatReal(math.Round(v*1000) / 1000) }

// op writes operands and an operator.
func (c *canvas) op(operator string, operands ...float64) {
	for _, v := range operands {
		c.out.WriteString(num(v))
		c.out.WriteByte(' ')
	}
	c.out.WriteString(operator)
	c.out.WriteByte('\n')
}

func (c *canvas) color(operator string, k Color) {
	c.op(operator, float64(k.R)/255, float64(k.G)/255, float64(k.B)/255)
}

// finite refuses measures that are no place on any page.
func finite(values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > 1e5 {
			return fmt.Errorf("%w: a measure of %g points", errFault, v)
		}
	}
	return nil
}

func (l Line) draw(c *canvas) error {
	if err := finite(l.X1, l.Y1, l.X2, l.Y2, l.Width); err != nil {
		return err
	}
	c.op("q")
	c.color("RG", l.Color)
	c.op("w", max(0, l.Width))
	c.op("m", l.X1, l.Y1)
	c.op("l", l.X2, l.Y2)
	c.op("S")
	c.op("Q")
	return nil
}

func (r Rect) draw(c *canvas) error {
	if err := finite(r.X, r.Y, r.Width, r.Height, r.LineWidth); err != nil {
		return err
	}
	paint := "n"
	c.op("q")
	if r.Fill != nil {
		c.color("rg", *r.Fill)
		paint = "f"
	}
	if r.Stroke != nil {
		c.color("RG", *r.Stroke)
		c.op("w", max(0, r.LineWidth))
		paint = "S"
		if r.Fill != nil {
			paint = "B"
		}
	}
	c.op("re", r.X, r.Y, r.Width, r.Height)
	c.op(paint)
	c.op("Q")
	return nil
}

func (s Strokes) draw(c *canvas) error {
	if err := finite(s.Width); err != nil {
		return err
	}
	c.op("q")
	c.color("RG", s.Color)
	c.op("w", s.Width)
	c.op("J", 1)
	c.op("j", 1)
	for _, path := range s.Paths {
		if c.points += len(path); c.points > maxPoints {
			return refuse(TooLarge, "more than %d points in drawn signatures", maxPoints)
		}
		for i, p := range path {
			if err := finite(p.X, p.Y); err != nil {
				return err
			}
			if i == 0 {
				c.op("m", p.X, p.Y)
			}
			if i > 0 || len(path) == 1 {
				c.op("l", p.X, p.Y)
			}
		}
	}
	c.op("S")
	c.op("Q")
	return nil
}

// leastSize is the default of Text.MinSize: smaller print cannot be read on paper.
const leastSize = 4

func (t Text) draw(c *canvas) error {
	if err := finite(t.X, t.Y, t.MaxWidth); err != nil {
		return err
	}
	if !(t.Size > 0 && t.Size <= 1000) {
		return fmt.Errorf("%w: font size %g", errFault, t.Size)
	}
	runs, width, err := c.book.setter.line(t.String, t.Bold)
	if err != nil {
		return err
	}
	size := t.Size
	if t.MaxWidth > 0 && width*size > t.MaxWidth {
		size = t.MaxWidth / width
		least := t.MinSize
		if least <= 0 {
			least = leastSize
		}
		if size < min(least, t.Size) {
			return refuse(TooLarge, "a text of %d characters does not fit %.0f points at size %g",
				len([]rune(t.String)), t.MaxWidth, least)
		}
	}
	c.op("q")
	c.color("rg", t.Color)
	c.op("BT")
	x := t.X
	for _, r := range runs {
		fmt.Fprintf(&c.out, "/F%d %s Tf\n", c.book.use(r.face), num(size))
		c.op("Tm", 1, 0, 0, -1, x, t.Y)
		c.run(r, size)
		x += r.width * size
	}
	c.op("ET")
	c.op("Q")
	return nil
}

// run shows the glyphs of one font; positions are thousandths of the size.
func (c *canvas) run(r run, size float64) {
	font := c.book.fonts[c.book.use(r.face)]
	rise := 0.0
	c.out.WriteByte('[')
	for _, g := range r.glyphs {
		if g.y != rise {
			rise = g.y
			fmt.Fprintf(&c.out, "] TJ\n%s Ts\n[", num(rise*size/1000))
		}
		cid, nominal := font.cid(g)
		if g.x != 0 {
			c.out.WriteString(num(-g.x))
		}
		fmt.Fprintf(&c.out, "<%04X>", cid)
		if after := nominal - g.advance + g.x; math.Abs(after) > 0.01 {
			c.out.WriteString(num(after))
		}
	}
	c.out.WriteString("] TJ\n")
	if rise != 0 {
		c.op("Ts", 0)
	}
}
