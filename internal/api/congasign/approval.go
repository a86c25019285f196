package congasign

import "countersign.dev/internal/api"

// approvalRoutes are the operations on approvals and their fields.
func (s *surface) approvalRoutes() []api.Route {
	return nil
}
