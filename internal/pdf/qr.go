package pdf

import (
	"fmt"
	"math"

	"rsc.io/qr"
)

// QR is a QR code (ISO/IEC 18004) that holds Text, black on white, with the quiet zone
// of four modules that readers need.
type QR struct {
	X, Y float64 // top left corner
	Size float64 // side, quiet zone included, more than 0
	Text string  // at most 2,331 bytes
}

// quiet is the width of the margin, in modules.
const quiet = 4

func (q QR) draw(c *canvas) error {
	if err := finite(q.X, q.Y, q.Size); err != nil {
		return err
	}
	if !(q.Size > 0) || q.Text == "" {
		return fmt.Errorf("%w: a QR code of %g points with %d bytes", errFault, q.Size, len(q.Text))
	}
	code, err := qr.Encode(q.Text, qr.M) // a tenth of it may be damaged
	if err != nil {
		return refuse(TooLarge, "%d bytes do not fit into a QR code", len(q.Text))
	}
	module := q.Size / float64(code.Size+2*quiet)
	c.op("q")
	c.color("rg", Color{255, 255, 255})
	c.op("re", q.X, q.Y, q.Size, q.Size)
	c.op("f")
	c.color("rg", Color{})
	c.op("cm", module, 0, 0, module, q.X+quiet*module, q.Y+quiet*module)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ { // a run of modules is one rectangle: no seams between them
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				c.op("re", float64(from), float64(y), float64(x-from), 1)
			}
		}
	}
	c.op("f")
	c.op("Q")
	return nil
}

// Least is the smallest side, in points, at which a printed code is readable: modules of
// a third of a millimetre. It fails with a Refusal when the text does not fit into any code.
func (q QR) Least() (float64, error) {
	code, err := qr.Encode(q.Text, qr.M)
	if err != nil {
		return 0, refuse(TooLarge, "%d bytes do not fit into a QR code", len(q.Text))
	}
	return math.Ceil(float64(code.Size+2*quiet) * 72 / 25.4 / 3), nil
}
