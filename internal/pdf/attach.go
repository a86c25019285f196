package pdf

import (
	"bytes"
	"crypto/md5" // #nosec: PDF's CheckSum is MD5 by definition (ISO 32000-1 §7.11.4), not security
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// maxTree bounds the leaves of a name tree.
const maxTree = 10_000

// pair is one entry of a name tree.
type pair struct {
	key   text
	value object
}

// attach embeds files: in the name tree for readers, and as associated files of the
// document (ISO 32000-2 §14.13).
func (c *composer) attach() error {
	if len(c.plan.Attach) == 0 {
		return nil
	}
	catalog, err := c.u.getDict(c.u.root)
	if err != nil {
		return err
	}
	names, err := c.u.getDict(catalog["Names"])
	if err != nil {
		return err
	}
	pairs, err := c.tree(names["EmbeddedFiles"])
	if err != nil {
		return err
	}
	associated, err := c.u.getArray(catalog["AF"])
	if err != nil {
		return err
	}
	for _, a := range c.plan.Attach {
		spec, err := c.filespec(a)
		if err != nil {
			return err
		}
		pairs = append(pairs, pair{textString(a.Name), spec})
		associated = append(associated, spec)
	}
	sort.SliceStable(pairs, func(i, k int) bool { return bytes.Compare(pairs[i].key, pairs[k].key) < 0 })
	list := array{}
	for i, p := range pairs {
		if i > 0 && bytes.Equal(p.key, pairs[i-1].key) {
			return fmt.Errorf("%w: two attachments of the same name", errFault)
		}
		list = append(list, p.key, p.value)
	}
	names["EmbeddedFiles"] = dict{"Names": list}
	catalog["Names"], catalog["AF"] = names, associated
	c.u.set(c.u.root, catalog)
	return nil
}

func (c *composer) filespec(a Attachment) (ref, error) {
	if a.Name == "" || strings.ContainsAny(a.Name, `/\`) || strings.ContainsFunc(a.Name, unicode.IsControl) {
		return ref{}, fmt.Errorf("%w: attachment name %q", errFault, a.Name)
	}
	sum := md5.Sum(a.Data)
	body := dict{"Type": name("EmbeddedFile"),
		"Params": dict{"Size": len(a.Data), "CheckSum": text(sum[:])}}
	if a.MIME != "" {
		body["Subtype"] = name(a.MIME)
	}
	if c.plan.Container != nil {
		body["Params"].(dict)["ModDate"] = date(c.plan.Container.Time)
	}
	file := c.u.add(deflated(body, a.Data))
	spec := dict{"Type": name("Filespec"), "F": textString(a.Name), "UF": textString(a.Name),
		"EF": dict{"F": file, "UF": file}, "AFRelationship": name("Supplement")}
	if a.Description != "" {
		spec["Desc"] = textString(a.Description)
	}
	return c.u.add(spec), nil
}

// tree flattens a name tree (ISO 32000-1 §7.9.6).
func (c *composer) tree(root object) ([]pair, error) {
	return flatten(c.u.get, root, map[int]bool{}, 0)
}

func flatten(get func(object) (object, error), node object, seen map[int]bool, depth int) (out []pair, err error) {
	if r, ok := node.(ref); ok {
		if seen[r.num] {
			return nil, errLoop
		}
		seen[r.num] = true
	}
	if depth > maxDepth || len(seen) > maxTree {
		return nil, errLoop
	}
	o, err := get(node)
	if err != nil {
		return nil, err
	}
	d, _ := o.(dict)
	leaves, err := get(d["Names"])
	if err != nil {
		return nil, err
	}
	list, _ := leaves.(array)
	for i := 0; i+1 < len(list) && i < 2*maxTree; i += 2 {
		k, err := get(list[i])
		if err != nil {
			return nil, err
		}
		if key, ok := k.(text); ok {
			out = append(out, pair{key, list[i+1]})
		}
	}
	kids, err := get(d["Kids"])
	if err != nil {
		return nil, err
	}
	list, _ = kids.(array)
	for _, kid := range list {
		more, err := flatten(get, kid, seen, depth+1)
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) > maxTree {
			return nil, refuse(TooLarge, "more than %d names", maxTree)
		}
	}
	return out, nil
}

// attachments reads the embedded files of the name tree.
func (r *reading) attachments() error {
	cat, err := r.f.catalog()
	if err != nil {
		return err
	}
	names, err := r.f.dict(cat["Names"])
	if err != nil || names == nil {
		return err
	}
	pairs, err := flatten(r.f.resolve, names["EmbeddedFiles"], map[int]bool{}, 0)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		spec, err := r.f.dict(p.value)
		if err != nil {
			return err
		}
		a, err := r.attachment(spec)
		if err != nil {
			return err
		}
		if a.Name == "" {
			a.Name = readText(p.key)
		}
		r.out.Attachments = append(r.out.Attachments, a)
	}
	return nil
}

func (r *reading) attachment(spec dict) (Attachment, error) {
	a := Attachment{Name: r.text(spec["UF"]), Description: r.text(spec["Desc"])}
	if a.Name == "" {
		a.Name = r.text(spec["F"])
	}
	ef, err := r.f.dict(spec["EF"])
	if err != nil {
		return a, err
	}
	o, err := r.f.resolve(ef["F"])
	if err != nil {
		return a, err
	}
	s, ok := o.(*stream)
	if !ok {
		return a, nil
	}
	a.MIME = string(s.dict.name("Subtype"))
	a.Data, err = r.f.decode(s)
	return a, err
}
