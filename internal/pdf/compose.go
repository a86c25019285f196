package pdf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sort"
)

// composer is one composition in the child.
type composer struct {
	u      *update
	plan   *plan
	limits Limits
	leaves []leaf
	fonts  dict // the resource dictionary of our fonts
	pages  []ref
}

// compose makes the file of a plan.
func compose(doc []byte, p *plan, limits Limits) (Prepared, error) {
	if p == nil {
		return Prepared{}, fmt.Errorf("%w: no plan", errFault)
	}
	c := &composer{plan: p, limits: limits}
	if err := c.base(doc); err != nil {
		return Prepared{}, err
	}
	c.fonts = dict{}
	for i, f := range p.Fonts {
		c.fonts[name(fmt.Sprintf("F%d", i))] = c.font(f)
	}
	steps := []func() error{c.overlays, c.appendPages, c.attach, c.title, c.seal}
	for _, step := range steps {
		if err := step(); err != nil {
			return Prepared{}, err
		}
	}
	file := c.u.bytes()
	if p.Container == nil {
		return Prepared{File: file, Digest: sha256.Sum256(file)}, nil
	}
	return locate(file, len(doc), p.Container.Reserve)
}

// base opens the document, or starts an empty one.
func (c *composer) base(doc []byte) error {
	if c.plan.Blank {
		c.u = newUpdate(nil)
		tree := c.u.add(dict{"Type": name("Pages"), "Kids": array{}, "Count": 0})
		c.u.root = c.u.add(dict{"Type": name("Catalog"), "Pages": tree})
		return nil
	}
	f, err := open(doc, c.limits)
	if err != nil {
		return err
	}
	if f.trailer["Encrypt"] != nil {
		return refuse(Encrypted, "the document is encrypted")
	}
	if c.leaves, err = f.pages(); err != nil {
		return err
	}
	for _, l := range c.leaves {
		c.pages = append(c.pages, l.ref)
	}
	c.u = newUpdate(f)
	return nil
}

// font writes an embedded subset as a Type0 font addressed by glyph (ISO 32000-1 §9.7).
func (c *composer) font(f planFont) ref {
	file := deflated(dict{"Length1": len(f.File)}, f.File)
	descriptor := c.u.add(dict{"Type": name("FontDescriptor"), "FontName": name(f.Name), "Flags": 4,
		"FontBBox": array{f.Box[0], f.Box[1], f.Box[2], f.Box[3]}, "ItalicAngle": 0,
		"Ascent": f.Ascent, "Descent": f.Descent, "CapHeight": 700, "StemV": 80, "FontFile2": c.u.add(file)})
	widths := array{}
	for _, w := range f.Widths {
		widths = append(widths, w)
	}
	descendant := c.u.add(dict{"Type": name("Font"), "Subtype": name("CIDFontType2"), "BaseFont": name(f.Name),
		"CIDSystemInfo":  dict{"Registry": text("Adobe"), "Ordering": text("Identity"), "Supplement": 0},
		"FontDescriptor": descriptor, "W": array{0, widths}, "CIDToGIDMap": name("Identity")})
	return c.u.add(dict{"Type": name("Font"), "Subtype": name("Type0"), "BaseFont": name(f.Name),
		"Encoding": name("Identity-H"), "DescendantFonts": array{descendant},
		"ToUnicode": c.u.add(deflated(dict{}, f.ToUnicode))})
}

func (c *composer) resources() dict {
	return dict{"Font": c.fonts}
}

// overlays draws on existing pages, all overlays of a page in one form.
func (c *composer) overlays() error {
	byPage := map[int][]byte{}
	for _, o := range c.plan.Overlays {
		if o.Page < 0 || o.Page >= len(c.leaves) {
			return fmt.Errorf("%w: overlay on page %d of %d", errFault, o.Page, len(c.leaves))
		}
		byPage[o.Page] = append(byPage[o.Page], o.Content...)
	}
	pages := make([]int, 0, len(byPage))
	for page := range byPage {
		pages = append(pages, page)
	}
	sort.Ints(pages)
	for _, page := range pages {
		if err := c.overlay(c.leaves[page], byPage[page]); err != nil {
			return fmt.Errorf("page %d: %w", page+1, err)
		}
	}
	return nil
}

// overlay adds a form XObject above the page's content. Its matrix places it by CropBox
// and rotation; its own resources keep it apart from the page's.
func (c *composer) overlay(l leaf, content []byte) error {
	size, m := l.size(), l.matrix()
	form := c.u.add(deflated(dict{"Type": name("XObject"), "Subtype": name("Form"),
		"BBox":   array{0, 0, size.Width, size.Height},
		"Matrix": array{m[0], m[1], m[2], m[3], m[4], m[5]}, "Resources": c.resources()}, content))
	page, err := c.u.getDict(l.ref)
	if err != nil {
		return err
	}
	resources, err := c.u.getDict(l.resources)
	if err != nil {
		return err
	}
	objects, err := c.u.getDict(resources["XObject"])
	if err != nil {
		return err
	}
	key := name("Countersign")
	for n := 1; objects[key] != nil; n++ {
		key = name(fmt.Sprintf("Countersign%d", n))
	}
	objects[key] = form
	resources["XObject"] = objects
	page["Resources"] = resources
	if page["Contents"], err = c.wrapped(page["Contents"], key); err != nil {
		return err
	}
	c.u.set(l.ref, page)
	return nil
}

// wrapped puts the page's own content between q and Q and draws the form key after it.
func (c *composer) wrapped(contents object, key name) (array, error) {
	var parts array
	var bodies []*stream
	own, err := c.u.get(contents)
	if err != nil {
		return nil, err
	}
	switch v := own.(type) {
	case *stream:
		parts, bodies = array{contents}, []*stream{v}
	case array:
		for _, e := range v {
			o, err := c.u.get(e)
			if err != nil {
				return nil, err
			}
			if s, ok := o.(*stream); ok {
				parts, bodies = append(parts, e), append(bodies, s)
			}
		}
	case nil:
	default:
		return nil, errors.New("the page's content is not a stream")
	}
	before, after, err := c.balance(bodies)
	if err != nil {
		return nil, err
	}
	after = fmt.Appendf(after, "/%s Do\n", key)
	first := c.u.add(&stream{dict: dict{}, raw: before})
	last := c.u.add(&stream{dict: dict{}, raw: after})
	return append(append(array{first}, parts...), last), nil
}

// appendPages adds the new pages as last kids of the root of the page tree.
func (c *composer) appendPages() error {
	if len(c.plan.Append) == 0 {
		return nil
	}
	if len(c.leaves)+len(c.plan.Append) > c.limits.Pages {
		return refuse(TooManyPages, "more than %d pages", c.limits.Pages)
	}
	catalog, err := c.u.getDict(c.u.root)
	if err != nil {
		return err
	}
	root, ok := catalog["Pages"].(ref)
	if !ok {
		return errors.New("catalog has no page tree")
	}
	tree, err := c.u.getDict(root)
	if err != nil {
		return err
	}
	kids, err := c.u.getArray(tree["Kids"])
	if err != nil {
		return err
	}
	if kids == nil && !c.plan.Blank {
		return errors.New("the root of the page tree is a page")
	}
	for _, p := range c.plan.Append {
		body := fmt.Appendf(nil, "1 0 0 -1 0 %s cm\n", num(p.Height))
		content := c.u.add(deflated(dict{}, append(body, p.Content...)))
		box := array{0, 0, p.Width, p.Height}
		page := c.u.add(dict{"Type": name("Page"), "Parent": root, "MediaBox": box, "CropBox": box,
			"Rotate": 0, "Resources": c.resources(), "Contents": content})
		kids = append(kids, page)
		c.pages = append(c.pages, page)
	}
	tree["Kids"], tree["Count"] = kids, len(c.pages)
	c.u.set(root, tree)
	return nil
}

// title writes the document's title into the information dictionary (§14.3.3).
func (c *composer) title() error {
	if c.plan.Title == "" && !c.plan.Blank {
		return nil
	}
	info := dict{}
	if c.u.info != nil {
		var err error
		if info, err = c.u.getDict(c.u.info); err != nil {
			return err
		}
	}
	if c.plan.Title != "" {
		info["Title"] = textString(c.plan.Title)
	}
	if c.plan.Blank {
		info["Producer"] = text("Countersign")
	}
	if p := c.plan.Container; p != nil {
		info["ModDate"] = date(p.Time)
	}
	if r, ok := c.u.info.(ref); ok {
		c.u.set(r, info)
	} else {
		c.u.info = c.u.add(info)
	}
	return nil
}

// locate finds the container, which we wrote last, and fills in its byte range.
func locate(file []byte, from, reserve int) (Prepared, error) {
	hole := append(append([]byte("/Contents <"), bytes.Repeat([]byte("0"), 2*reserve)...), '>')
	at := bytes.LastIndex(file[from:], hole)
	if at < 0 {
		return Prepared{}, errors.New("container not found")
	}
	start := int64(from + at + len("/Contents "))
	end := start + int64(2*reserve+2)
	p := Prepared{File: file, ByteRange: [4]int64{0, start, end, int64(len(file)) - end}}
	blank := []byte(rangeBlank)
	at = bytes.LastIndex(file[from:start], blank)
	if at < 0 {
		return Prepared{}, errors.New("byte range not found")
	}
	filled := fmt.Sprintf("/ByteRange [%d %d %d %d]", p.ByteRange[0], p.ByteRange[1], p.ByteRange[2], p.ByteRange[3])
	copy(file[from+at:], fmt.Sprintf("%-*s", len(blank), filled))
	p.Digest = p.sum()
	return p, nil
}
