package signing

import (
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
)

// anchored are the fields of approvals that are placed beside a text.
func anchored(approvals []Approval) (list []*Field) {
	for i := range approvals {
		for k := range approvals[i].Fields {
			if f := &approvals[i].Fields[k]; f.Anchor != nil {
				list = append(list, f)
			}
		}
	}
	return list
}

// query checks an anchor and words the question for its place.
func (a Anchor) query() (pdf.AnchorQuery, error) {
	q := pdf.AnchorQuery{Text: a.Text, Occurrence: a.Occurrence, Character: a.Character}
	switch {
	case strings.TrimSpace(a.Text) == "" || len(a.Text) > 256:
		return q, errs.New(errs.Invalid, "anchor.text", "An anchor has a text of at most 256 bytes.").On("extractAnchor.text")
	case a.Occurrence < 0:
		return q, errs.New(errs.Invalid, "anchor.index", "The index of an anchor counts from 0.").On("extractAnchor.index")
	case a.Character < 0 || a.Character >= utf8.RuneCountInString(a.Text):
		return q, errs.New(errs.Invalid, "anchor.character", "The anchor's text %q has no character %d, counted from 0.",
			clip(a.Text, 64), a.Character).On("extractAnchor.characterIndex")
	}
	if _, ok := corners[a.Point]; !ok {
		return q, errs.New(errs.Invalid, "anchor.point", "The anchor point %q is none of TOPLEFT, TOPRIGHT, BOTTOMLEFT and BOTTOMRIGHT.",
			clip(a.Point, 32)).On("extractAnchor.anchorPoint")
	}
	return q, nil
}

// corners of a character: the share of its width and height from its top left corner.
var corners = map[string][2]float64{"": {0, 0}, "TOPLEFT": {0, 0}, "TOPRIGHT": {1, 0}, "BOTTOMLEFT": {0, 1}, "BOTTOMRIGHT": {1, 1}}

// moor places a field beside the character that was found.
func (f *Field) moor(at pdf.Place) error {
	a := *f.Anchor
	if !at.Found {
		return errs.New(errs.Invalid, "anchor.not_found", "The document does not hold the text %q %d times; a field is anchored to it.",
			clip(a.Text, 64), a.Occurrence+1).On("extractAnchor.text").With("text", clip(a.Text, 64))
	}
	share := corners[a.Point]
	f.Page = at.Page
	f.Left = at.Left + share[0]*at.Width + a.Left
	f.Top = at.Top + share[1]*at.Height + a.Top
	if a.Width > 0 {
		f.Width = a.Width
	}
	if a.Height > 0 {
		f.Height = a.Height
	}
	return nil
}
