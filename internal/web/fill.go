package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// fill saves one field's value, "document/approval/field". Where conditions are about fields of the visitor's, the
// answer says how they stand now; else it is empty.
func (s *site) fill(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch int64  `json:"epoch"`
		Field string `json:"field"`
		Value string `json:"value"`
	}
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Fill(r.Context(), visit(r), in.Epoch, in.Field, in.Value); err != nil {
		return err
	}
	switched, err := s.Signing.Switched(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if len(switched) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	out := make([]switchedJSON, len(switched))
	for i, f := range switched {
		out[i] = switchedJSON(f)
	}
	page.JSON(w, http.StatusOK, map[string][]switchedJSON{"switched": out})
	return nil
}
