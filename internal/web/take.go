package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// take takes the lease. The form of the lobby is led on to the signing page; JSON
// is answered with the lease, or 409 with its holder.
func (s *site) take(w http.ResponseWriter, r *http.Request) error {
	v := visit(r)
	if page.WantsData(r) {
		var in struct {
			Nonce string `json:"nonce"`
		}
		if err := page.Decode(w, r, &in); err != nil {
			return err
		}
		if err := s.CheckNonce(in.Nonce, v.Browser, v.Handle); err != nil {
			return err
		}
		lease, err := s.Signing.Take(r.Context(), v)
		if err != nil {
			return err
		}
		page.JSON(w, http.StatusOK, leaseWire(lease))
		return nil
	}
	if err := page.Form(w, r); err != nil {
		return err
	}
	if err := s.CheckNonce(r.PostFormValue("nonce"), v.Browser, v.Handle); err != nil {
		return err
	}
	return s.start(w, r, v)
}
