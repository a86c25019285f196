package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// leaf is one page of the page tree with what it inherits.
type leaf struct {
	ref       ref
	dict      dict
	resources object
	box       [4]float64 // CropBox within MediaBox: left, bottom, right, top in user space
	rotate    int        // 0, 90, 180, 270: clockwise when displayed
	unit      float64    // of user space, in points (UserUnit); PDFium does not know it
}

// size is the page as displayed, in points.
func (l leaf) size() Page {
	w, h := l.box[2]-l.box[0], l.box[3]-l.box[1]
	if l.rotate%180 != 0 {
		w, h = h, w
	}
	return Page{Width: w * l.unit, Height: h * l.unit}
}

// matrix takes a point of the displayed page (origin top left, y down) to user space.
func (l leaf) matrix() [6]float64 {
	m := l.turn()
	for i := range 4 {
		m[i] /= l.unit
	}
	return m
}

// place is a rectangle of user space on the displayed page.
func (l leaf) place(rect [4]float64, page int) Place {
	m := l.turn()
	at := func(x, y float64) (float64, float64) { // m is its own inverse but for the shift
		x, y = x-m[4], y-m[5]
		return (m[0]*x + m[1]*y) * l.unit, (m[2]*x + m[3]*y) * l.unit
	}
	ax, ay := at(rect[0], rect[1])
	bx, by := at(rect[2], rect[3])
	return Place{Found: true, Page: page, Left: min(ax, bx), Top: min(ay, by), Width: math.Abs(ax - bx), Height: math.Abs(ay - by)}
}

// turn is matrix for units of one point.
func (l leaf) turn() [6]float64 {
	left, bottom, right, top := l.box[0], l.box[1], l.box[2], l.box[3]
	switch l.rotate {
	case 90:
		return [6]float64{0, 1, 1, 0, left, bottom}
	case 180:
		return [6]float64{-1, 0, 0, 1, right, bottom}
	case 270:
		return [6]float64{0, -1, -1, 0, right, top}
	}
	return [6]float64{1, 0, 0, -1, left, top}
}

// inherited are the page attributes a node passes down (ISO 32000-1 §7.7.3.4).
var inherited = []name{"Resources", "MediaBox", "CropBox", "Rotate"}

// pages walks the page tree. Counts are not believed; leaves are counted.
func (f *file) pages() ([]leaf, error) {
	cat, err := f.catalog()
	if err != nil {
		return nil, err
	}
	root, ok := cat["Pages"].(ref)
	if !ok {
		return nil, errors.New("catalog has no page tree")
	}
	w := &pageWalk{f: f, seen: map[int]bool{}}
	if err := w.node(root, dict{}, 0); err != nil {
		return nil, fmt.Errorf("page tree: %w", err)
	}
	if len(w.leaves) == 0 {
		return nil, errors.New("no pages")
	}
	return w.leaves, nil
}

type pageWalk struct {
	f      *file
	seen   map[int]bool
	leaves []leaf
}

func (w *pageWalk) node(r ref, above dict, depth int) error {
	if w.seen[r.num] || depth > maxDepth {
		return errLoop
	}
	w.seen[r.num] = true
	d, err := w.f.dict(r)
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("object %d is missing", r.num)
	}
	have := above.clone()
	for _, key := range inherited {
		if v, ok := d[key]; ok {
			have[key] = v
		}
	}
	kids, err := w.f.array(d["Kids"])
	if err != nil {
		return err
	}
	if kids == nil {
		return w.leaf(r, d, have)
	}
	if d.name("Type") == "Page" {
		return errors.New("a page with kids")
	}
	for _, k := range kids {
		kr, ok := k.(ref)
		if !ok {
			return errors.New("a kid is not a reference")
		}
		if err := w.node(kr, have, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) leaf(r ref, d, have dict) error {
	if d.name("Type") == "Pages" {
		return nil // an empty node
	}
	if len(w.leaves) >= w.f.limits.Pages {
		return refuse(TooManyPages, "more than %d pages", w.f.limits.Pages)
	}
	media, err := w.f.rectangle(have["MediaBox"])
	if err != nil {
		return err
	}
	if media == nil { // required, but every reader takes US Letter instead
		media = &[4]float64{0, 0, 612, 792}
	}
	crop, err := w.f.rectangle(have["CropBox"])
	if err != nil {
		return err
	}
	unit, err := w.f.resolve(d["UserUnit"])
	if err != nil {
		return err
	}
	l := leaf{ref: r, dict: d, resources: have["Resources"], box: *media, unit: 1}
	if v, ok := number(unit); ok && v > 0 && v <= w.f.limits.PageSize {
		l.unit = v
	}
	if crop != nil {
		if both, ok := intersect(*crop, *media); ok {
			l.box = both
		}
	}
	rot, err := w.f.resolve(have["Rotate"])
	if err != nil {
		return err
	}
	if v, ok := number(rot); ok {
		l.rotate = ((int(math.Mod(v, 360))/90*90)%360 + 360) % 360
	}
	if s := l.size(); max(s.Width, s.Height) > w.f.limits.PageSize {
		return refuse(TooLarge, "page %d is %.0f by %.0f points, allowed are %.0f",
			len(w.leaves)+1, s.Width, s.Height, w.f.limits.PageSize)
	}
	w.leaves = append(w.leaves, l)
	return nil
}

// rectangle reads and orders a box; nil when there is none or it has no area.
func (f *file) rectangle(o object) (*[4]float64, error) {
	v, ok, err := f.numbers(o, 4)
	if err != nil || !ok {
		return nil, err
	}
	b := [4]float64{min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])}
	for _, x := range b {
		if math.Abs(x) > 1e6 {
			return nil, refuse(TooLarge, "a page box reaches beyond a million points")
		}
	}
	if b[2] <= b[0] || b[3] <= b[1] {
		return nil, nil
	}
	return &b, nil
}

func intersect(a, b [4]float64) ([4]float64, bool) {
	c := [4]float64{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])}
	return c, c[2] > c[0] && c[3] > c[1]
}

// unitOf is a page's unit of user space in points; 1 when the document says none.
func unitOf(doc []byte, page int) float64 {
	if !bytes.Contains(doc, []byte("UserUnit")) && !bytes.Contains(doc, []byte("ObjStm")) {
		return 1
	}
	f, err := open(doc, Limits{}.withDefaults())
	if err != nil {
		return 1
	}
	leaves, err := f.pages()
	if err != nil || page >= len(leaves) {
		return 1
	}
	return leaves[page].unit
}
