package congasign

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/signing"
)

// documentIn is a document as clients send it, with its bytes inside or in a part of the body.
type documentIn struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	Index         *int           `json:"index"`
	Data          jsontext.Value `json:"data"`
	Approvals     []approvalIn   `json:"approvals"`
	Base64Content base64Bytes    `json:"base64Content"`
	External      jsontext.Value `json:"external"`
	extractIn
}

// extractIn says what is looked for in the file.
type extractIn struct {
	Extract         bool     `json:"extract"`
	ExtractionTypes []string `json:"extractionTypes"`
}

// documentChangeIn is a document as clients send it to change it; what is absent stays.
type documentChangeIn struct {
	Name          *string        `json:"name"`
	Description   *string        `json:"description"`
	Index         *int           `json:"index"`
	Data          jsontext.Value `json:"data"`
	Approvals     []approvalIn   `json:"approvals"`
	Base64Content base64Bytes    `json:"base64Content"`
	extractIn
}

func (d documentChangeIn) core() (out signing.DocumentChange, err error) {
	out = signing.DocumentChange{Name: d.Name, Description: d.Description, Index: d.Index, Data: given(d.Data),
		Extract: d.Extract, Extraction: d.ExtractionTypes}
	if err := within("documents.index", float64(or(d.Index, 0)), 0, 10_000); err != nil {
		return out, err
	}
	if err := object.of("documents.data", d.Data); err != nil {
		return out, err
	}
	out.Approvals, err = approvalsIn(d.Approvals)
	return out, err
}

func (d documentIn) core(pdf []byte) (signing.NewDocument, error) {
	out := signing.NewDocument{OuterID: d.ID, Name: d.Name, Description: d.Description, Index: d.Index, PDF: pdf, Data: given(d.Data),
		Extract: d.Extract, Extraction: d.ExtractionTypes}
	if err := within("documents.index", float64(or(d.Index, 0)), 0, 10_000); err != nil {
		return out, err
	}
	if err := object.of("documents.data", d.Data); err != nil {
		return out, err
	}
	var err error
	out.Approvals, err = approvalsIn(d.Approvals)
	return out, err
}

// documentOut is a document with its approvals.
type documentOut struct {
	ID              string         `json:"id"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Index           int            `json:"index"`
	Size            int64          `json:"size"`
	Extract         bool           `json:"extract"`
	ExtractionTypes []string       `json:"extractionTypes"`
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

func wordDocument(d signing.Document) documentOut {
	out := documentOut{
		ID: d.OuterID, Name: d.Name, Description: d.Description, Index: d.Index, Size: d.Size,
		Pages: []pageOut{}, Approvals: wordApprovals(d.Approvals), Data: jsontext.Value(d.Data),
		Extract: len(d.Extraction) > 0, ExtractionTypes: d.Extraction,
	}
	for i, p := range d.Pages {
		out.Pages = append(out.Pages, pageOut{ID: strconv.Itoa(i), Index: i, Width: pageUnits(p.Width), Height: pageUnits(p.Height)})
	}
	return out
}

// The consent is a document of every package that no file belongs to.
const consentName = signing.ConsentName

// wordConsent is that document: index 0, one acceptance of each who signs.
func wordConsent(p signing.Package) documentOut {
	out := documentOut{ID: signing.ConsentID, Name: consentName, Pages: []pageOut{}, Approvals: []approvalOut{}}
	for _, r := range p.Roles {
		if (r.Kind == signing.Owner || p.Status != signing.Draft && len(r.Attachments) == 0) && !signs(r, p) {
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
