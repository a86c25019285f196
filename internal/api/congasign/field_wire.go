package congasign

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// approvalIn is a signature block: one role's fields on one document.
type approvalIn struct {
	ID                      string         `json:"id"`
	Role                    string         `json:"role"`
	Name                    string         `json:"name"`
	Optional                bool           `json:"optional"`
	Disabled                bool           `json:"disabled"`
	EnforceCaptureSignature bool           `json:"enforceCaptureSignature"`
	FromFile                bool           `json:"fromFile"`
	Data                    jsontext.Value `json:"data"`
	Fields                  []fieldIn      `json:"fields"`
}

// fieldIn is a place on a page, in units of this surface.
type fieldIn struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Type          string         `json:"type"`
	Subtype       string         `json:"subtype"`
	Binding       string         `json:"binding"`
	Value         *string        `json:"value"`
	Tooltip       string         `json:"tooltip"`
	Page          int            `json:"page"`
	Left          float64        `json:"left"`
	Top           float64        `json:"top"`
	Width         float64        `json:"width"`
	Height        float64        `json:"height"`
	FontSize      float64        `json:"fontSize"`
	Extract       bool           `json:"extract"`
	ExtractAnchor *anchorIn      `json:"extractAnchor"`
	Validation    jsontext.Value `json:"validation"`
	Data          jsontext.Value `json:"data"`
	Conditions    jsontext.Value `json:"conditions"`
}

func (a approvalIn) core() (signing.Approval, error) {
	out := signing.Approval{
		OuterID: a.ID, Role: a.Role, Name: a.Name, Optional: a.Optional, Disabled: a.Disabled,
		EnforceCaptureSignature: a.EnforceCaptureSignature, FromFile: a.FromFile, Data: given(a.Data),
	}
	if err := object.of("approvals.data", a.Data); err != nil {
		return out, err
	}
	for _, f := range a.Fields {
		field, err := f.core()
		if err != nil {
			return out, err
		}
		if f.acceptance() {
			continue
		}
		out.Fields = append(out.Fields, field)
	}
	return out, nil
}

// acceptance: the Java library asks for a mere acceptance of a document by a
// signature without extent; it must not come back as a field.
func (f fieldIn) acceptance() bool {
	return f.Type == "SIGNATURE" && f.Width == 0 && f.Height == 0 && !f.Extract && f.ExtractAnchor == nil
}

// bindings are what a label may show (OneSpan Sign, field binding).
var bindings = []string{"{signer.name}", "{signer.title}", "{signer.company}", "{approval.signed}"}

func (f fieldIn) check() error {
	if f.Type == "" {
		return errs.New(errs.Invalid, "field.type_missing", "A field needs a type: SIGNATURE or INPUT.").On("fields.type")
	}
	if f.Subtype == "" {
		return errs.New(errs.Invalid, "field.subtype_missing", "A field needs a subtype, such as FULLNAME or TEXTFIELD.").On("fields.subtype")
	}
	if err := choice("fields.binding", f.Binding, "one of "+strings.Join(bindings, ", "), bindings...); err != nil {
		return err
	}
	if f.Binding != "" && f.Subtype != "LABEL" {
		return errs.New(errs.Invalid, "field.binding", "Only a field of subtype LABEL has a binding.").On("fields.binding")
	}
	if err := within("fields.fontSize", f.FontSize, 0, 200); err != nil {
		return err
	}
	if err := checkValidation("fields.validation", f.Validation); err != nil {
		return err
	}
	if err := checkConditions(f.Conditions); err != nil {
		return err
	}
	return object.of("fields.data", f.Data)
}

func (f fieldIn) core() (signing.Field, error) {
	out := signing.Field{
		OuterID: f.ID, Name: f.Name, Type: f.Type, Subtype: f.Subtype, Binding: f.Binding, Value: f.Value, Tooltip: f.Tooltip,
		Page: f.Page, Left: points(f.Left), Top: points(f.Top), Width: points(f.Width), Height: points(f.Height),
		FontSize: f.FontSize, Validation: given(f.Validation), Data: given(f.Data), Conditions: given(f.Conditions), Extract: f.Extract,
	}
	if err := f.check(); err != nil {
		return out, err
	}
	if f.ExtractAnchor == nil {
		return out, nil
	}
	anchor, err := f.ExtractAnchor.core()
	out.Anchor = &anchor
	return out, err
}

// anchorIn places a field beside a text of the document (OneSpan Sign, Extract anchors).
type anchorIn struct {
	Text           string  `json:"text"`
	Index          int     `json:"index"`
	CharacterIndex int     `json:"characterIndex"`
	AnchorPoint    string  `json:"anchorPoint"`
	LeftOffset     float64 `json:"leftOffset"`
	TopOffset      float64 `json:"topOffset"`
	Width          float64 `json:"width"`
	Height         float64 `json:"height"`
}

func (a anchorIn) core() (signing.Anchor, error) {
	out := signing.Anchor{Text: a.Text, Occurrence: a.Index, Character: a.CharacterIndex, Point: cmp.Or(a.AnchorPoint, "TOPLEFT"),
		Left: points(a.LeftOffset), Top: points(a.TopOffset), Width: points(a.Width), Height: points(a.Height)}
	for _, n := range []struct {
		name        string
		value       float64
		least, most float64
	}{{"index", float64(a.Index), -10_000, 10_000}, {"leftOffset", a.LeftOffset, -20_000, 20_000},
		{"topOffset", a.TopOffset, -20_000, 20_000}, {"width", a.Width, 0, 20_000}, {"height", a.Height, 0, 20_000}} {
		if err := within("fields.extractAnchor."+n.name, n.value, n.least, n.most); err != nil {
			return out, err
		}
	}
	return out, nil
}

type approvalOut struct {
	ID                      string         `json:"id"`
	Role                    string         `json:"role"`
	Name                    string         `json:"name"`
	Tooltip                 string         `json:"tooltip"`
	Optional                bool           `json:"optional"`
	Disabled                bool           `json:"disabled"`
	EnforceCaptureSignature bool           `json:"enforceCaptureSignature"`
	FromFile                bool           `json:"fromFile"`
	Accepted                *date          `json:"accepted"`
	Signed                  *date          `json:"signed"`
	Fields                  []fieldOut     `json:"fields"`
	Data                    jsontext.Value `json:"data"`
}

type fieldOut struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Subtype    string         `json:"subtype"`
	Binding    *string        `json:"binding"`
	Value      *string        `json:"value"`
	Tooltip    string         `json:"tooltip"`
	Page       int            `json:"page"`
	Left       float64        `json:"left"`
	Top        float64        `json:"top"`
	Width      float64        `json:"width"`
	Height     float64        `json:"height"`
	FontSize   *float64       `json:"fontSize"`
	Extract    bool           `json:"extract"`
	Validation jsontext.Value `json:"validation"`
	Conditions jsontext.Value `json:"conditions,omitzero"`
	Data       jsontext.Value `json:"data"`
}

// wordApproval: an approval without a signature field is an acceptance, and
// accepted is the time it was given.
func wordApproval(a signing.Approval) approvalOut {
	out := approvalOut{
		ID: a.OuterID, Role: a.Role, Name: a.Name, Optional: a.Optional, Disabled: a.Disabled,
		EnforceCaptureSignature: a.EnforceCaptureSignature, FromFile: a.FromFile,
		Accepted: when(a.Accepted), Signed: when(a.Signed), Fields: []fieldOut{}, Data: jsontext.Value(a.Data),
	}
	for rank := range 3 { // the order in which clients expect fields back
		for _, f := range a.Fields {
			if order(f) == rank {
				out.Fields = append(out.Fields, wordField(f))
			}
		}
	}
	return out
}

// order: the signature first, bound labels before what the signer enters.
func order(f signing.Field) int {
	switch {
	case f.Type == "SIGNATURE":
		return 0
	case f.Binding != "":
		return 1
	}
	return 2
}

func wordField(f signing.Field) fieldOut {
	out := fieldOut{
		ID: f.OuterID, Name: f.Name, Type: f.Type, Subtype: f.Subtype, Value: f.Value, Tooltip: f.Tooltip, Page: f.Page,
		Left: units(f.Left), Top: units(f.Top), Width: units(f.Width), Height: units(f.Height),
		Validation: nullFree(f.Validation), Data: jsontext.Value(f.Data), Conditions: jsontext.Value(f.Conditions),
	}
	if f.Binding != "" {
		out.Binding = &f.Binding
	}
	if f.FontSize != 0 {
		out.FontSize = &f.FontSize
	}
	return out
}
