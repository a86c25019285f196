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
	switched    map[string]signing.SwitchedField // by key
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
	Disabled                 bool // by a condition, for now
	Drawn                    bool // only a drawn mark will do
	Left, Top, Width, Height float64
	FontSize                 float64 // percent of the page's width
	MinLength, MaxLength     int     // in characters; 0: no limit
	Pattern, Message         string  // what the value must match; what the sender says when it does not do
	Options                  []string
	Group, GroupName         string // of radio buttons, or of check boxes that count together: as the sender calls it; unique
	Minimum, Maximum         int    // of check boxes ticked in the group; 0: no limit
}

// fieldSet is what is asked for once on a page: one field, or a group that is one question.
type fieldSet struct {
	Grouped bool
	Kind    string
	Legend  string
	Fields  []fieldView
}

// Sets are the fields in reading order, the members of a group together.
func (p sheetPage) Sets() []fieldSet {
	var out []fieldSet
	at := map[string]int{}
	for _, f := range p.Fields {
		if f.Group == "" {
			out = append(out, fieldSet{Kind: f.Kind, Fields: []fieldView{f}})
			continue
		}
		n, ok := at[f.GroupName]
		if !ok {
			n, at[f.GroupName] = len(out), len(out)
			out = append(out, fieldSet{Grouped: true, Kind: f.Kind, Legend: f.Group})
		}
		out[n].Fields = append(out[n].Fields, f)
	}
	return out
}

// Ticked tells whether a check box or radio button is.
func (v fieldView) Ticked() bool { return v.Value == signing.Checked || v.Value == "true" }

// kinds of fields by their subtype (Conga Sign documentation, field subtypes). An
// unknown INPUT is shown as text.
var kinds = map[string]string{
	"INITIALS": "initials", "CHOOSE_INITIALS": "initials",
	"TEXTFIELD": "text", "CUSTOMFIELD": "label", "TEXTAREA": "area", "CHECKBOX": "check", "RADIO": "radio",
	"LIST": "list", "DATEPICKER": "date", "DATE": "label", "LABEL": "label", "QRCODE": "label",
}

// drawnOnly are the subtypes whose mark is drawn by hand, never typed.
var drawnOnly = map[string]bool{"CAPTURE": true, "MOBILE_CAPTURE": true, "RAW_CAPTURE": true}

// words people read for a field that has no name of its own.
var kindLabels = map[string]string{
	"signature": "Signature", "initials": "Initials", "text": "Text", "area": "Text", "check": "Checkbox",
	"radio": "Choice", "list": "Choice", "date": "Date", "label": "Filled in for you",
}

// maxFontSize in points: a field never shows larger text.
const maxFontSize = 14

// sheets arranges the documents of a ceremony for the signing page.
func sheets(c signing.Ceremony) []sheet {
	out := make([]sheet, 0, len(c.Documents))
	switched := map[string]signing.SwitchedField{}
	for _, f := range c.Switched {
		switched[f.Field] = f
	}
	for n, d := range c.Documents {
		s := sheet{ID: d.ID, Name: d.Name, Number: n + 1, switched: switched}
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
		p.Fields = append(p.Fields, viewField(*p, d, a, s.open(approval, f)).turned(s.switched))
	}
	if !bySignature {
		s.Acceptances = append(s.Acceptances, acceptance{Key: approval, Name: a.Name, Optional: a.Optional})
	}
}

// open is a field without the demands that a condition may change while the page is open: signing, which carries
// out the conditions, says after each entry how it stands.
func (s *sheet) open(approval string, f signing.Field) signing.Field {
	if _, switched := s.switched[approval+"/"+f.OuterID]; !switched {
		return f
	}
	rules := map[string]any{}
	if json.Unmarshal(f.Validation, &rules) == nil && rules != nil {
		delete(rules, "required")
		delete(rules, "disabled")
		f.Validation, _ = json.Marshal(rules)
	}
	return f
}

func viewField(p sheetPage, d signing.CeremonyDocument, a signing.Approval, f signing.Field) fieldView {
	approval := d.ID + "/" + a.OuterID
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
	case f.Type != "SIGNATURE" && f.Binding != "":
		v.Kind = "label" // signing fills it in
	case v.Kind == "":
		v.Kind = "text"
	}
	v.Drawn = f.Type == "SIGNATURE" && (a.EnforceCaptureSignature || drawnOnly[f.Subtype])
	v.constrain(d.ID, f)
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

// turned is a field as the conditions leave it now.
func (v fieldView) turned(switched map[string]signing.SwitchedField) fieldView {
	if f, ok := switched[v.Key]; ok {
		v.Required, v.Disabled = f.Required, f.Disabled
	}
	return v
}

// constrain takes over what the field demands of its value, for hints: the server checks again.
func (v *fieldView) constrain(document string, f signing.Field) {
	r := f.Rules()
	v.Required = r.Required || (f.Type == "SIGNATURE" && !v.Optional)
	v.Pattern, v.Options, v.Message = r.Pattern, r.Options, r.Message
	v.MinLength, v.MaxLength = length(r.MinLength), length(r.MaxLength)
	if v.Kind == "date" {
		v.Value = r.ISO(v.Value)
	}
	if v.Kind == "radio" || v.Kind == "check" {
		v.Group, v.Minimum, v.Maximum = r.Group, r.Minimum, r.Maximum
	}
	if v.Group != "" {
		v.GroupName = document + " " + v.Kind + " " + v.Group
	}
	if r.ReadOnly && f.Type == "INPUT" {
		v.Kind, v.Group, v.GroupName = "label", "", ""
	}
}

// length is a limit of characters that a page can use.
func length(n int) int {
	if n > 0 && n < 1<<16 {
		return n
	}
	return 0
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
