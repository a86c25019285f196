package congasign

import "countersign.dev/internal/api"

// templateRoutes are the operations on templates, clones and bulk sending.
func (s *surface) templateRoutes() []api.Route {
	return nil
}
