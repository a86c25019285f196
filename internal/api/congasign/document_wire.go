package congasign

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// documentIn is a document as clients send it, with its bytes inside or in a part of the body.
type documentIn struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	Index         *int           `json:"index"`
	Extract       bool           `json:"extract"`
	Data          jsontext.Value `json:"data"`
	Approvals     []approvalIn   `json:"approvals"`
	Base64Content base64Bytes    `json:"base64Content"`
}

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
	ExtractAnchor jsontext.Value `json:"extractAnchor"`
	Validation    jsontext.Value `json:"validation"`
	Data          jsontext.Value `json:"data"`
}

func (d documentIn) core(pdf []byte) (signing.NewDocument, error) {
	out := signing.NewDocument{OuterID: d.ID, Name: d.Name, Description: d.Description, Index: d.Index, PDF: pdf, Data: given(d.Data)}
	if d.Extract {
		return out, notTaken("documents.extract", "Fields are not extracted from documents: send them as approvals.")
	}
	if err := within("documents.index", float64(or(d.Index, 0)), 0, 10_000); err != nil {
		return out, err
	}
	if err := object.of("documents.data", d.Data); err != nil {
		return out, err
	}
	for _, a := range d.Approvals {
		approval, err := a.core()
		if err != nil {
			return out, err
		}
		out.Approvals = append(out.Approvals, approval)
	}
	return out, nil
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
		if f.Extract || given(f.ExtractAnchor) != nil {
			return out, notTaken("fields.extract", "Fields are not extracted from documents: send their positions.")
		}
		if err := f.check(); err != nil {
			return out, err
		}
		if f.acceptance() {
			continue
		}
		out.Fields = append(out.Fields, f.core())
	}
	return out, nil
}

// acceptance: the Java library asks for a mere acceptance of a document by a
// signature without extent; it must not come back as a field.
func (f fieldIn) acceptance() bool { return f.Type == "SIGNATURE" && f.Width == 0 && f.Height == 0 }

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
	return object.of("fields.data", f.Data)
}

func (f fieldIn) core() signing.Field {
	return signing.Field{
		OuterID: f.ID, Name: f.Name, Type: f.Type, Subtype: f.Subtype, Binding: f.Binding, Value: f.Value, Tooltip: f.Tooltip,
		Page: f.Page, Left: points(f.Left), Top: points(f.Top), Width: points(f.Width), Height: points(f.Height),
		FontSize: f.FontSize, Validation: given(f.Validation), Data: given(f.Data),
	}
}

// documentOut is a document with its approvals.
type documentOut struct {
	ID              string         `json:"id"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Index           int            `json:"index"`
	Size            int64          `json:"size"`
	Extract         bool           `json:"extract"`
	ExtractionTypes none           `json:"extractionTypes"`
	Tagged          bool           `json:"tagged"`
	External        jsontext.Value `json:"external"`
	ExternalSigned  bool           `json:"externalSigned"`
	Pages           []pageOut      `json:"pages"`
	Approvals       []approvalOut  `json:"approvals"`
	Fields          none           `json:"fields"`
	Data            jsontext.Value `json:"data"`
}

type pageOut struct {
	ID      string  `json:"id"`
	Index   int     `json:"index"`
	Version int     `json:"version"`
	Left    float64 `json:"left"`
	Top     float64 `json:"top"`
	Width   float64 `json:"width"`
	Height  float64 `json:"height"`
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
	Data       jsontext.Value `json:"data"`
}

func wordDocument(d signing.Document) documentOut {
	out := documentOut{
		ID: d.OuterID, Name: d.Name, Description: d.Description, Index: d.Index, Size: d.Size,
		Pages: []pageOut{}, Approvals: []approvalOut{}, Data: jsontext.Value(d.Data),
	}
	for i, p := range d.Pages {
		out.Pages = append(out.Pages, pageOut{ID: strconv.Itoa(i), Index: i, Width: pageUnits(p.Width), Height: pageUnits(p.Height)})
	}
	for _, a := range d.Approvals {
		out.Approvals = append(out.Approvals, wordApproval(a))
	}
	return out
}

// wordApproval: an approval without a signature field is an acceptance, and
// accepted is the time it was given.
func wordApproval(a signing.Approval) approvalOut {
	out := approvalOut{
		ID: a.OuterID, Role: a.Role, Name: a.Name, Optional: a.Optional, Disabled: a.Disabled,
		EnforceCaptureSignature: a.EnforceCaptureSignature, FromFile: a.FromFile,
		Accepted: when(a.Signed), Signed: when(a.Signed), Fields: []fieldOut{}, Data: jsontext.Value(a.Data),
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
		Validation: jsontext.Value(f.Validation), Data: jsontext.Value(f.Data),
	}
	if f.Binding != "" {
		out.Binding = &f.Binding
	}
	if f.FontSize != 0 {
		out.FontSize = &f.FontSize
	}
	return out
}

// The consent is a document of every package that no file belongs to.
const consentName = "Electronic Disclosures and Signatures Consent"

// wordConsent is that document: index 0, one acceptance of each who signs.
func wordConsent(p signing.Package) documentOut {
	out := documentOut{ID: signing.ConsentID, Name: consentName, Pages: []pageOut{}, Approvals: []approvalOut{}}
	for _, r := range p.Roles {
		if r.Kind == signing.Owner && !signs(r, p) {
			continue
		}
		out.Approvals = append(out.Approvals, approvalOut{
			ID: r.OuterID, Role: r.OuterID, Accepted: when(r.ConsentAccepted), Signed: when(r.ConsentAccepted), Fields: []fieldOut{},
		})
	}
	return out
}

// signs reports whether a role has something to sign.
func signs(r signing.Role, p signing.Package) bool {
	for _, d := range p.Documents {
		for _, a := range d.Approvals {
			if a.Role == r.OuterID && !a.Disabled {
				return true
			}
		}
	}
	return false
}
