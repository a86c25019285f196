package pdf

import (
	"context"
	"fmt"
)

// Wanted says what Extract looks for.
type Wanted struct {
	Fields  bool          `json:"fields,omitempty"` // AcroForm fields whose names follow the grammar of fieldname.go
	Tags    bool          `json:"tags,omitempty"`   // text tags, see tag.go
	Erase   bool          `json:"erase,omitempty"`  // make the text of tags for Roles invisible
	Roles   []string      `json:"roles,omitempty"`  // what a role may be called, in any case
	Names   []string      `json:"names,omitempty"`  // AcroForm fields wanted whatever their names mean; Type is then ""
	Anchors []AnchorQuery `json:"anchors,omitempty"`
}

// AnchorQuery asks for the place of one character of a text.
type AnchorQuery struct {
	Text       string `json:"text"`
	Occurrence int    `json:"occurrence"` // counted from 0, over all pages in reading order
	Character  int    `json:"character"`  // counted from 0, within the text
}

// Place is a rectangle on a page as displayed, in points from its top left corner.
type Place struct {
	Found  bool    `json:"found"`
	Page   int     `json:"page"` // counted from 0
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// FormField is one widget of an AcroForm field whose name follows the grammar, for a
// role that was asked for.
type FormField struct {
	FieldName
	Name      string   `json:"name"` // the full name as it stands in the document
	Place     Place    `json:"place"`
	Tooltip   string   `json:"tooltip,omitempty"`
	Value     string   `json:"value,omitempty"`   // "X" for a checked box
	Options   []string `json:"options,omitempty"` // of a choice field
	MaxLength int      `json:"maxLength,omitempty"`
	Required  bool     `json:"required,omitempty"`
	ReadOnly  bool     `json:"readOnly,omitempty"`
	FontSize  float64  `json:"fontSize,omitempty"` // points; 0: not said
}

// Tag is one text tag and the place of its text.
type Tag struct {
	TagText
	Place Place `json:"place"`
}

// BrokenTag is text between {{ and }} that names itself a tag and is none.
type BrokenTag struct {
	Page int    `json:"page"` // counted from 0
	Text string `json:"text"` // at most 100 characters
	Why  string `json:"why"`  // an English clause
}

// Extraction is what was found in a document.
type Extraction struct {
	Fields  []FormField `json:"fields,omitempty"`
	Tags    []Tag       `json:"tags,omitempty"`
	Broken  []BrokenTag `json:"broken,omitempty"`
	Anchors []Place     `json:"anchors,omitempty"` // one for each query
	Notes   []string    `json:"notes,omitempty"`   // English sentences for the sender: what was left as it is
	// File is the document without the widgets of Fields and the text of tags that were to
	// be erased, and of those in Names; nil when there are none.
	File []byte `json:"-"`
}

// Extract finds form fields, text tags and anchors in a document accepted by Inspect,
// all in one child. It fails with a Refusal.
func (j *Jail) Extract(ctx context.Context, doc []byte, w Wanted) (Extraction, error) {
	if len(w.Anchors) > maxAnchors {
		return Extraction{}, fmt.Errorf("%w: %d anchors", errFault, len(w.Anchors))
	}
	r, body, err := j.do(ctx, request{Op: "extract", Wanted: &w}, doc)
	if err != nil {
		return Extraction{}, err
	}
	if r.Extraction == nil || len(r.Extraction.Anchors) != len(w.Anchors) {
		return Extraction{}, refuse(Broken, "no answer")
	}
	if len(body) > 0 {
		r.Extraction.File = body
	}
	return *r.Extraction, nil
}

// maxAnchors bounds the anchors of one call.
const maxAnchors = 2000

// extract does it in the child.
func extract(e *engine, doc []byte, w *Wanted, limits Limits) (out Extraction, err error) {
	if w == nil {
		return out, fmt.Errorf("%w: nothing wanted", errFault)
	}
	f, err := open(doc, limits)
	if err != nil {
		return out, err
	}
	leaves, err := f.pages()
	if err != nil {
		return out, err
	}
	if err := e.find(doc, f, leaves, w, &out); err != nil {
		return out, err
	}
	changed, err := f.erase(leaves, w, &out)
	if err != nil {
		return out, err
	}
	if w.Fields || len(w.Names) > 0 {
		if err := f.fields(leaves, w, &out); err != nil {
			return out, err
		}
	}
	if changed && out.File == nil {
		out.File, err = f.rewrite(nil)
	}
	return out, err
}
