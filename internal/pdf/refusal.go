package pdf

import "fmt"

// Reason is the class of a Refusal, stable enough to be translated by a caller.
type Reason string

// The reasons a document or a drawing is not accepted.
const (
	NotPDF        Reason = "not_pdf"        // another kind of file, or a mixture of two kinds
	Encrypted     Reason = "encrypted"      // a password is needed to open it
	Signed        Reason = "signed"         // it already carries a signature
	ActiveContent Reason = "active_content" // nothing would be left without it: portfolios, dynamic XFA forms
	TooLarge      Reason = "too_large"      // bytes, objects, decoded streams, page or image size
	TooManyPages  Reason = "too_many_pages" // more pages than Limits.Pages
	Broken        Reason = "broken"         // not readable, and not repairable
	Exhausted     Reason = "exhausted"      // it used up the time or memory given to one document
	MissingGlyphs Reason = "missing_glyphs" // text that no configured font can show faithfully
)

// Refusal is why a document, or a text to be drawn on one, was not accepted. Find it
// with errors.As; every other error of this package is a fault of the server or a
// misuse of the call, not of the document.
type Refusal struct {
	Reason Reason `json:"reason"`
	Detail string `json:"detail"` // English, for logs and developers; never contains document text
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "pdf: refused: " + string(r.Reason)
	}
	return "pdf: refused: " + string(r.Reason) + ": " + r.Detail
}

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
