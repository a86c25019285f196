package congasign

import "countersign.dev/internal/api"

// reminderRoutes are the operations on reminders.
func (s *surface) reminderRoutes() []api.Route {
	return nil
}
