package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// state is how the signing stands; pages poll it. It renews nothing.
func (s *site) state(w http.ResponseWriter, r *http.Request) error {
	standing, err := s.Signing.Standing(r.Context(), visit(r))
	if err != nil {
		return err
	}
	page.JSON(w, http.StatusOK, standingWire(standing))
	return nil
}
