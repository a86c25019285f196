package web

import (
	"net/http"

	"countersign.dev/internal/signing"
)

// sign submits the signature. What is sealed are the stored bytes; the browser
// sends only how the signature looks.
func (s *site) sign(w http.ResponseWriter, r *http.Request) error {
	var in submissionJSON
	if err := decode(w, r, &in); err != nil {
		return err
	}
	err := s.Signing.Sign(r.Context(), visit(r), signing.Submission{
		Epoch: in.Epoch, Mark: in.Mark.mark(), Initials: in.Initials.mark(), Optional: in.Optional})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
