package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// rangeBlank keeps room for the byte range until the offsets are known: four numbers of
// ten digits.
const rangeBlank = "/ByteRange [0 ********** ********** **********]"

// hidden is the widget's flags: printed, hidden from view by its empty rectangle,
// locked (ISO 32000-1 §12.5.3).
const hidden = 132

// seal adds the signature field with its empty container, and certifies.
func (c *composer) seal() error {
	container := c.plan.Container
	if container == nil {
		return nil
	}
	catalog, err := c.u.getDict(c.u.root)
	if err != nil {
		return err
	}
	if catalog["Perms"] != nil {
		return refuse(Signed, "the document is already certified")
	}
	value := c.u.add(container.dictionary())
	if err := c.field(catalog, value); err != nil {
		return err
	}
	if container.Certify {
		catalog["Perms"] = dict{"DocMDP": value}
	}
	c.u.set(c.u.root, catalog)
	return nil
}

// dictionary is the signature dictionary (§12.8.1), written by hand because its
// offsets must be found again.
func (p *Container) dictionary() verbatim {
	var b bytes.Buffer
	b.WriteString("<</Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached\n")
	b.WriteString(rangeBlank)
	b.WriteString("\n/Contents <")
	b.WriteString(strings.Repeat("0", 2*p.Reserve))
	b.WriteString(">\n")
	rest := dict{"M": date(p.Time)}
	for key, value := range map[name]string{"Name": p.Name, "Reason": p.Reason, "Location": p.Location} {
		if value != "" {
			rest[key] = textString(value)
		}
	}
	if p.Certify {
		rest["Reference"] = array{dict{"Type": name("SigRef"), "TransformMethod": name("DocMDP"),
			"TransformParams": dict{"Type": name("TransformParams"), "P": 1, "V": name("1.2")}}}
	}
	for _, key := range rest.keys() {
		writeName(&b, key)
		b.WriteByte(' ')
		write(&b, rest[key])
		b.WriteByte('\n')
	}
	b.WriteString(">>")
	return b.Bytes()
}

// field puts an invisible signature field on the first page, into the form that is
// there or a new one.
func (c *composer) field(catalog dict, value ref) error {
	if len(c.pages) == 0 {
		return errors.New("no page for the signature field")
	}
	form, err := c.u.getDict(catalog["AcroForm"])
	if err != nil {
		return err
	}
	fields, err := c.u.getArray(form["Fields"])
	if err != nil {
		return err
	}
	label, err := c.fieldName(fields)
	if err != nil {
		return err
	}
	widget := c.u.add(dict{"Type": name("Annot"), "Subtype": name("Widget"), "FT": name("Sig"), "T": text(label),
		"V": value, "Rect": array{0, 0, 0, 0}, "F": hidden, "P": c.pages[0]})
	form["Fields"], form["SigFlags"] = append(fields, widget), 3
	if r, ok := catalog["AcroForm"].(ref); ok {
		c.u.set(r, form)
	} else {
		catalog["AcroForm"] = form
	}
	page, err := c.u.getDict(c.pages[0])
	if err != nil {
		return err
	}
	annots, err := c.u.getArray(page["Annots"])
	if err != nil {
		return err
	}
	page["Annots"] = append(annots, widget)
	c.u.set(c.pages[0], page)
	return nil
}

// fieldName is a name no other field of the form has.
func (c *composer) fieldName(fields array) (string, error) {
	taken := map[string]bool{}
	for _, f := range fields {
		d, err := c.u.getDict(f)
		if err != nil {
			return "", err
		}
		t, err := c.u.get(d["T"])
		if err != nil {
			return "", err
		}
		if s, ok := t.(text); ok {
			taken[string(s)] = true
		}
	}
	label := "Countersign Seal"
	for n := 2; taken[label]; n++ {
		label = fmt.Sprintf("Countersign Seal %d", n)
	}
	return label, nil
}
