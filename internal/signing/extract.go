package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
)

// The kinds of extraction; none given is AcroFields, both are the union.
const (
	AcroFields = "ACROFIELDS"
	TextTags   = "TEXT_TAGS"
)

// unit of lengths in text tags, in points: 1/93.6 inch.
const unit = 72 / 93.6

// extractRole is a role as fields of a document may name it.
type extractRole struct {
	ID, Signer, Name string // outer id, signer's outer id, name
}

// extraction is the work of extract on one document.
type extraction struct {
	d     *NewDocument
	roles map[string]string // outer ids by what a role may be called, in lower case and without white space
	names []string          // what a role may be called
	found pdf.Extraction
	notes []string
}

// extract turns the form fields, text tags and anchors of a document into approvals of d. It returns the bytes to
// show instead of shown when form fields were taken over (nil otherwise), and sentences for the sender.
//
// A signature and the inputs of the same [Role.Capture1] make one approval. Of text tags, each signature makes one;
// an input belongs to the next signature of its role in reading order, or to the last when none follows.
func (s *Signing) extract(ctx context.Context, d *NewDocument, shown []byte, roles []extractRole) (instead []byte, notes []string, err error) {
	x := &extraction{d: d}
	wanted, err := x.wanted(roles)
	if err != nil {
		return nil, nil, err
	}
	if x.found, err = s.Jail.Extract(ctx, shown, wanted); err != nil {
		return nil, nil, documentRefusal(err, d.Name)
	}
	for i, f := range anchored(d.Approvals) {
		if err := f.moor(x.found.Anchors[i]); err != nil {
			return nil, nil, inDocument(err, d.Name)
		}
	}
	if err := x.positions(); err != nil {
		return nil, nil, inDocument(err, d.Name)
	}
	if d.Extract {
		for _, step := range []func() error{x.broken, x.forms, x.tags} {
			if err := step(); err != nil {
				return nil, nil, inDocument(err, d.Name)
			}
		}
	}
	return x.found.File, append(x.found.Notes, x.notes...), nil
}

func inDocument(err error, name string) error {
	if e, ok := err.(*errs.Error); ok {
		return e.With("document", name)
	}
	return err
}

// wanted says what is to be looked for.
func (x *extraction) wanted(roles []extractRole) (w pdf.Wanted, err error) {
	for _, f := range anchored(x.d.Approvals) {
		q, err := f.Anchor.query()
		if err != nil {
			return w, err
		}
		w.Anchors = append(w.Anchors, q)
	}
	if len(w.Anchors) > maxFields {
		return w, errs.New(errs.Invalid, "document.too_many_fields", "A document has at most %d fields.", maxFields).On("fields")
	}
	for _, f := range positioned(x.d.Approvals) {
		w.Names, w.Tags = append(w.Names, f.Name), true
	}
	if !x.d.Extract {
		return w, nil
	}
	for _, kind := range x.d.Extraction {
		switch kind {
		case AcroFields:
			w.Fields = true
		case TextTags:
			w.Tags, w.Erase = true, true
		default:
			return w, errs.New(errs.Invalid, "document.extraction", "The kind of extraction %q is neither %s nor %s.", clip(kind, 32), AcroFields, TextTags).
				On("extractionTypes")
		}
	}
	w.Fields = w.Fields || len(x.d.Extraction) == 0
	x.know(roles)
	w.Roles = x.names
	return w, nil
}

// know collects what roles may be called. An id goes before a name, a name before a signer's id; what could mean
// two roles at the same rank means none.
func (x *extraction) know(roles []extractRole) {
	x.roles = map[string]string{}
	for _, called := range []func(extractRole) string{
		func(r extractRole) string { return r.ID }, func(r extractRole) string { return r.Name },
		func(r extractRole) string { return r.Signer }} {
		rank := map[string]string{}
		for _, r := range roles {
			key := roleKey(called(r))
			if other, twice := rank[key]; twice && other != r.ID {
				rank[key] = ""
			} else {
				rank[key] = r.ID
			}
		}
		for _, r := range roles {
			key := roleKey(called(r))
			if _, taken := x.roles[key]; key != "" && !taken && rank[key] != "" {
				x.roles[key] = rank[key]
				x.names = append(x.names, strings.TrimSpace(called(r)))
			}
		}
	}
}

// roleKey is how names are compared: white space in a text tag says nothing.
func roleKey(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(name), ""))
}

// positioned are the fields that ask for the place of a form field or text tag of their name.
func positioned(approvals []Approval) (list []*Field) {
	for i := range approvals {
		for k := range approvals[i].Fields {
			if f := &approvals[i].Fields[k]; f.Extract && f.Anchor == nil {
				list = append(list, f)
			}
		}
	}
	return list
}

// positions places those fields. What was taken by name makes no approval of its own.
func (x *extraction) positions() error {
	taken := map[string]bool{}
	for _, f := range positioned(x.d.Approvals) {
		place, ok := x.placeOf(f.Name)
		if !ok {
			return errs.New(errs.Invalid, "field.not_found", "The document has no form field or text tag called %q.", clip(f.Name, 64)).On("fields.name")
		}
		taken[f.Name] = true
		f.Page, f.Left, f.Top, f.Width, f.Height = place.Page, place.Left, place.Top, place.Width, place.Height
	}
	x.found.Fields = slices.DeleteFunc(x.found.Fields, func(f pdf.FormField) bool { return taken[f.Name] })
	x.found.Tags = slices.DeleteFunc(x.found.Tags, func(t pdf.Tag) bool { return t.Name != "" && taken[t.Name] })
	if !x.d.Extract || len(x.d.Extraction) > 0 && !slices.Contains(x.d.Extraction, TextTags) || len(x.d.Extraction) == 0 {
		x.found.Tags, x.found.Broken = nil, nil
	}
	return nil
}

func (x *extraction) placeOf(name string) (pdf.Place, bool) {
	for _, f := range x.found.Fields {
		if f.Name == name && f.Place.Found {
			return f.Place, true
		}
	}
	for _, t := range x.found.Tags {
		if t.Name == name && name != "" {
			return tagPlace(t), true
		}
	}
	return pdf.Place{}, false
}

// broken refuses a document with tags that cannot be read.
func (x *extraction) broken() error {
	if len(x.found.Broken) == 0 {
		return nil
	}
	b := x.found.Broken[0]
	return errs.New(errs.Invalid, "tag.broken", "The text tag %s on page %d cannot be used: %s.", b.Text, b.Page+1, b.Why).
		On("documents").With("tag", b.Text).With("page", strconv.Itoa(b.Page+1))
}

// block is an approval in the making.
type block struct {
	Approval
	signed bool // has its signature
	name   string
}

// forms makes approvals of form fields.
func (x *extraction) forms() error {
	var blocks []*block
	byName := map[[2]string]*block{}
	for _, signature := range []bool{true, false} { // the signatures first: they stand first in their approval
		for _, f := range x.found.Fields {
			if (f.Type == "SIGNATURE") != signature || f.Type == "" {
				continue
			}
			role := x.roles[roleKey(f.Role)]
			key := [2]string{role, f.Signature}
			b := byName[key]
			if b == nil || signature {
				b = &block{Approval: Approval{Role: role, FromFile: true}, name: f.Role + "." + f.Signature}
				blocks = append(blocks, b)
				if byName[key] == nil { // a second widget of the same name is signed by itself
					byName[key] = b
				}
			}
			if signature {
				b.signed, b.Optional, b.Name = true, f.Optional, tidy(strings.Trim(f.Name, "[] "))
			}
			b.Fields = append(b.Fields, formField(f))
		}
	}
	return x.add(blocks)
}

func formField(f pdf.FormField) Field {
	out := Field{Name: tidy(f.Name), Type: f.Type, Subtype: f.Subtype, Binding: f.Binding, Tooltip: tidy(f.Tooltip), FontSize: f.FontSize,
		Page: f.Place.Page, Left: f.Place.Left, Top: f.Place.Top, Width: f.Place.Width, Height: f.Place.Height}
	if f.Type == "SIGNATURE" {
		return out
	}
	out.value(f.Value)
	group := ""
	if f.Subtype == "RADIO" {
		group = f.Role + "." + f.Signature + "." + f.Input
	}
	out.validate(f.Required, f.ReadOnly, f.MaxLength, group, f.Options)
	return out
}

// tags makes approvals of text tags.
func (x *extraction) tags() error {
	var blocks []*block
	of := map[string][]*block{} // of each role
	var unknown []string
	for _, t := range inOrder(x.found.Tags) {
		role, ok := x.roles[roleKey(t.Role)]
		if !ok {
			unknown = append(unknown, fmt.Sprintf("%q on page %d", clip(tidy(t.Role), 64), t.Place.Page+1))
			continue
		}
		mine := of[role]
		var b *block
		if n := len(mine); n > 0 && !mine[n-1].signed {
			b = mine[n-1]
		} else {
			b = &block{Approval: Approval{Role: role, FromFile: true}, name: t.Role}
			blocks, of[role] = append(blocks, b), append(mine, b)
		}
		if f := tagField(t); t.Type == "SIGNATURE" {
			b.signed, b.Optional, b.Name = true, t.Optional, t.Name
			b.Fields = slices.Insert(b.Fields, 0, f)
		} else {
			b.Fields = append(b.Fields, f)
		}
	}
	if len(unknown) > 0 {
		x.notes = append(x.notes, "Text tags were left as text, because the package has no role of their name: "+
			strings.Join(unknown[:min(len(unknown), 10)], ", ")+".")
	}
	for _, mine := range of { // inputs after the last signature belong to it
		if n := len(mine); n > 1 && !mine[n-1].signed {
			mine[n-2].Fields = append(mine[n-2].Fields, mine[n-1].Fields...)
			mine[n-1].Fields = nil
		}
	}
	return x.add(slices.DeleteFunc(blocks, func(b *block) bool { return len(b.Fields) == 0 }))
}

// inOrder sorts tags by page, and on a page as one reads.
func inOrder(tags []pdf.Tag) []pdf.Tag {
	slices.SortStableFunc(tags, func(a, b pdf.Tag) int {
		return cmp.Or(cmp.Compare(a.Place.Page, b.Place.Page), cmp.Compare(a.Place.Top, b.Place.Top), cmp.Compare(a.Place.Left, b.Place.Left))
	})
	return tags
}

// tagPlace is where a tag's field goes: its top left corner is the tag's.
func tagPlace(t pdf.Tag) pdf.Place {
	return pdf.Place{Found: true, Page: t.Place.Page, Left: t.Place.Left + t.OffsetX*unit, Top: t.Place.Top + t.OffsetY*unit,
		Width: t.Width * unit, Height: t.Height * unit}
}

func tagField(t pdf.Tag) Field {
	p := tagPlace(t)
	out := Field{Name: t.Name, Type: t.Type, Subtype: t.Subtype, Binding: t.Binding,
		Page: p.Page, Left: p.Left, Top: p.Top, Width: p.Width, Height: p.Height}
	if t.Type == "SIGNATURE" {
		return out
	}
	out.value(t.Value)
	out.validate(t.Required, false, t.MaxLen, tidy(t.Group), t.Options)
	return out
}

// add appends approvals to the document; one without a signature is refused.
func (x *extraction) add(blocks []*block) error {
	for _, b := range blocks {
		if !b.signed {
			return errs.New(errs.Invalid, "extract.signature_missing", "The document has fields for %q to fill in, but no signature of that name to "+
				"confirm them with.", clip(tidy(b.name), 64)).On("documents")
		}
		x.d.Approvals = append(x.d.Approvals, b.Approval)
	}
	return nil
}

// value of a field as the document gives it; a label that is bound gets its own.
func (f *Field) value(v string) {
	if f.Subtype == "TEXTAREA" {
		v = clip(strings.TrimSpace(legible(v)), maxText/2)
	} else {
		v = tidy(v)
	}
	if v != "" && f.Binding == "" {
		f.Value = &v
	}
}

// rules are the members of a field's validation that a document can give.
type rules struct {
	Required  bool     `json:"required"`
	Disabled  bool     `json:"disabled,omitempty"`
	MaxLength int      `json:"maxLength,omitempty"`
	Group     string   `json:"group,omitempty"`
	Enum      []string `json:"enum,omitempty"`
}

func (f *Field) validate(required, readOnly bool, most int, group string, options []string) {
	if f.Subtype == "LABEL" {
		return
	}
	r := rules{Required: required, Disabled: readOnly}
	switch f.Subtype {
	case "TEXTFIELD", "TEXTAREA":
		r.MaxLength = most
	case "LIST":
		for _, o := range options {
			r.Enum = append(r.Enum, tidy(o))
		}
	case "RADIO": // some clients read the group from the one place, some from the other
		r.Group, r.Enum = group, []string{group}
	case "CHECKBOX":
		r.Group = group
	}
	f.Validation, _ = json.Marshal(r)
}

// tidy makes text of a document fit for one line of ours.
func tidy(s string) string { return clip(strings.Join(strings.Fields(legible(s)), " "), maxName) }

// legible is text without the characters that could deceive a reader.
func legible(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.Map(func(r rune) rune {
		if _, bad := unsafeRune(string(r), true); bad || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}
