package congasign

import "countersign.dev/internal/api"

// reportRoutes are the operations on reports.
func (s *surface) reportRoutes() []api.Route {
	return nil
}
