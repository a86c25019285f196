package congasign

import "countersign.dev/internal/api"

// tokenRoutes are the operations on tokens and sessions.
func (s *surface) tokenRoutes() []api.Route {
	return nil
}
