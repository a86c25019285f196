package web

import (
	"net/http"
)

// take takes the lease. The form of the lobby is led on to the signing page; JSON
// is answered with the lease, or 409 with its holder.
func (s *site) take(w http.ResponseWriter, r *http.Request) error {
	v := visit(r)
	if wantsData(r) {
		var in struct {
			Nonce string `json:"nonce"`
		}
		if err := decode(w, r, &in); err != nil {
			return err
		}
		if err := s.checkNonce(in.Nonce, v.Browser, v.Handle); err != nil {
			return err
		}
		lease, err := s.Signing.Take(r.Context(), v)
		if err != nil {
			return err
		}
		s.json(w, http.StatusOK, leaseWire(lease))
		return nil
	}
	if err := form(w, r); err != nil {
		return err
	}
	if err := s.checkNonce(r.PostFormValue("nonce"), v.Browser, v.Handle); err != nil {
		return err
	}
	return s.start(w, r, v)
}
