package congasign

import "countersign.dev/internal/api"

// settingRoutes are the operations on settings of the account.
func (s *surface) settingRoutes() []api.Route {
	return nil
}
