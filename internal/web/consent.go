package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// consent records that the signer agrees to sign electronically.
func (s *site) consent(w http.ResponseWriter, r *http.Request) error {
	var in epochJSON
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Consent(r.Context(), visit(r), in.Epoch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
