package web

import (
	"net/http"

	"countersign.dev/internal/page"
)

// watch asks for an e-mail when the lease is free again.
func (s *site) watch(w http.ResponseWriter, r *http.Request) error {
	if err := s.Signing.Watch(r.Context(), visit(r)); err != nil {
		return err
	}
	if page.WantsData(r) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return page.SeeOther(w, r, at(visit(r)))
}
