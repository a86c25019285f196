package congasign

import "countersign.dev/internal/api"

// signingRoutes are the operations on signing by API.
func (s *surface) signingRoutes() []api.Route {
	return nil
}
