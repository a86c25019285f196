package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// beat renews the lease. The page sends it only after the person did something.
func (s *site) beat(w http.ResponseWriter, r *http.Request) error {
	var in epochJSON
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	lease, err := s.Signing.Beat(r.Context(), visit(r), in.Epoch)
	if err != nil {
		return err
	}
	page.JSON(w, http.StatusOK, leaseWire(lease))
	return nil
}
