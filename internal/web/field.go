package web

import (
	"encoding/json"
	"slices"
	"strings"

	"countersign.dev/internal/signing"
)

// sheet is a document on the signing page.
type sheet struct {
	ID, Name string
	Number   int // from 1
	Pages    []sheetPage
	// Acceptances are the approvals without a signature field: a box under the document.
	Acceptances []acceptance
}

// sheetPage is one page and this role's fields on it. Sizes are PDF points.
type sheetPage struct {
	Number, Human int // from 0; from 1
	Width, Height float64
	Fields        []fieldView
}

// acceptance of a document without a signature on it.
type acceptance struct {
	Key, Name string
	Optional  bool
}

// fieldView is a field in its place: percent of the page, so that it scales.
type fieldView struct {
	Key, Approval            string // "document/approval/field", "document/approval"
	Kind                     string // signature, initials, text, area, check, radio, list, date, label
	Label, Hint              string
	Value, EnteredBy         string
	Required, Optional       bool // Optional: the whole approval may be left out
	Left, Top, Width, Height float64
	FontSize                 float64 // percent of the page's width
	MaxLength                int     // 0: no limit
	Pattern                  string
	Options                  []string
	Group                    string // of a radio button
}

// kinds of fields by their subtype (Conga Sign documentation, field subtypes). An
// unknown INPUT is shown as text.
var kinds = map[string]string{
	"INITIALS": "initials", "CHOOSE_INITIALS": "initials",
	"TEXTFIELD": "text", "CUSTOMFIELD": "text", "TEXTAREA": "area", "CHECKBOX": "check", "RADIO": "radio",
	"LIST": "list", "DATEPICKER": "date", "DATE": "date", "LABEL": "label", "QRCODE": "label",
}

// words people read for a field that has no name of its own.
var kindLabels = map[string]string{
	"signature": "Signature", "initials": "Initials", "text": "Text", "area": "Text", "check": "Checkbox",
	"radio": "Choice", "list": "Choice", "date": "Date", "label": "Filled in for you",
}

// maxFontSize in points: a field never shows larger text.
const maxFontSize = 14

// rule is what a field's validation asks (Conga Sign API, FieldValidation).
type rule struct {
	Required  bool     `json:"required"`
	Disabled  bool     `json:"disabled"`
	MaxLength int      `json:"maxLength"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Group     string   `json:"group"`
	Message   string   `json:"errorMessage"`
}

// sheets arranges the documents of a ceremony for the signing page.
func sheets(c signing.Ceremony) []sheet {
	out := make([]sheet, 0, len(c.Documents))
	for n, d := range c.Documents {
		s := sheet{ID: d.ID, Name: d.Name, Number: n + 1}
		for i, p := range d.Pages {
			s.Pages = append(s.Pages, sheetPage{Number: i, Human: i + 1, Width: p.Width, Height: p.Height})
		}
		for _, a := range d.Approvals {
			s.place(d, a)
		}
		for i := range s.Pages {
			slices.SortStableFunc(s.Pages[i].Fields, readingOrder)
		}
		out = append(out, s)
	}
	return out
}

// place puts an approval's fields on the pages.
func (s *sheet) place(d signing.CeremonyDocument, a signing.Approval) {
	if a.Disabled {
		return
	}
	approval := d.ID + "/" + a.OuterID
	bySignature := false
	for _, f := range a.Fields {
		bySignature = bySignature || f.Type == "SIGNATURE"
		if f.Page < 0 || f.Page >= len(s.Pages) {
			continue
		}
		p := &s.Pages[f.Page]
		p.Fields = append(p.Fields, viewField(*p, approval, a, f))
	}
	if !bySignature {
		s.Acceptances = append(s.Acceptances, acceptance{Key: approval, Name: a.Name, Optional: a.Optional})
	}
}

func viewField(p sheetPage, approval string, a signing.Approval, f signing.Field) fieldView {
	v := fieldView{Key: approval + "/" + f.OuterID, Approval: approval, EnteredBy: f.EnteredBy, Optional: a.Optional,
		Left: 100 * f.Left / p.Width, Top: 100 * f.Top / p.Height,
		Width: 100 * f.Width / p.Width, Height: 100 * f.Height / p.Height}
	if f.Value != nil {
		v.Value = *f.Value
	}
	v.Kind = kinds[f.Subtype]
	switch {
	case f.Type == "SIGNATURE" && v.Kind != "initials":
		v.Kind = "signature"
	case f.Binding != "":
		v.Kind = "label" // signing fills it in
	case v.Kind == "":
		v.Kind = "text"
	}
	v.constrain(f)
	v.Label, v.Hint = f.Name, f.Tooltip
	if v.Label == "" {
		v.Label = kindLabels[v.Kind]
	}
	size := f.FontSize
	if size <= 0 {
		size = min(maxFontSize, f.Height*0.7)
	}
	v.FontSize = 100 * size / p.Width
	return v
}

// constrain reads the field's validation. One that cannot be read asks nothing
// here: the server checks again.
func (v *fieldView) constrain(f signing.Field) {
	var r rule
	if len(f.Validation) > 0 && json.Unmarshal(f.Validation, &r) != nil {
		r = rule{}
	}
	v.Required = r.Required || (f.Type == "SIGNATURE" && !v.Optional)
	v.Pattern, v.Options, v.Group = r.Pattern, r.Enum, r.Group
	if r.MaxLength > 0 && r.MaxLength < 1<<16 {
		v.MaxLength = r.MaxLength
	}
	if v.Kind == "radio" && v.Group == "" && len(r.Enum) > 0 {
		v.Group = r.Enum[0]
	}
	if r.Disabled && f.Type == "INPUT" {
		v.Kind = "label"
	}
	if r.Message != "" {
		v.Hint = r.Message
	}
}

// readingOrder is from top to bottom, then from left to right; fields whose tops
// differ by less than 1 % of the page stand in one line.
func readingOrder(a, b fieldView) int {
	switch d := a.Top - b.Top; {
	case d < -1:
		return -1
	case d > 1:
		return 1
	case a.Left < b.Left:
		return -1
	case a.Left > b.Left:
		return 1
	}
	return strings.Compare(a.Key, b.Key)
}
