package web

import "net/http"

// fill saves one field's value, "document/approval/field".
func (s *site) fill(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch int64  `json:"epoch"`
		Field string `json:"field"`
		Value string `json:"value"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Fill(r.Context(), visit(r), in.Epoch, in.Field, in.Value); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
