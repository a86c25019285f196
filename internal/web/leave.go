package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// leave gives the lease back ("Finish later"); the values entered stay.
func (s *site) leave(w http.ResponseWriter, r *http.Request) error {
	var in epochJSON
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Leave(r.Context(), visit(r), in.Epoch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
