package congasign

import "countersign.dev/internal/api"

// callbackRoutes are the operations on callbacks.
func (s *surface) callbackRoutes() []api.Route {
	return nil
}
