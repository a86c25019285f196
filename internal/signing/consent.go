package signing

import (
	"context"
	"sync"

	"countersign.dev/internal/pdf"
)

// paperConsent is the consent as a file, made once.
type paperConsent struct {
	mu   sync.Mutex
	file []byte
}

// ConsentPDF is the text that every signer agrees to as a PDF of one page, for programs that fetch every document of a
// package. It is no document of the package: it is neither stored nor sealed.
func (s *Signing) ConsentPDF(ctx context.Context) ([]byte, error) {
	s.consent.mu.Lock()
	defer s.consent.mu.Unlock()
	if s.consent.file != nil {
		return s.consent.file, nil
	}
	const margin, width, height, size = 72, 595.28, 841.89, 11
	page := pdf.NewPage{Width: width, Height: height, Items: []pdf.Item{
		pdf.Text{X: margin, Y: margin + 20, Size: 15, Bold: true, String: ConsentName, MaxWidth: width - 2*margin}}}
	y := float64(margin + 50)
	for _, line := range s.Jail.Wrap(consentText, size, width-2*margin, false) {
		page.Items = append(page.Items, pdf.Text{X: margin, Y: y, Size: size, String: line})
		y += 1.4 * size
	}
	made, err := s.Jail.Compose(ctx, pdf.Job{Append: []pdf.NewPage{page}, Title: ConsentName})
	if err == nil {
		s.consent.file = made.File
	}
	return made.File, err
}
