package web

import "net/http"

// decline ends the signing for everybody, with a reason.
func (s *site) decline(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch  int64  `json:"epoch"`
		Reason string `json:"reason"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Decline(r.Context(), visit(r), in.Epoch, in.Reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
