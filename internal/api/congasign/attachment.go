package congasign

import "countersign.dev/internal/api"

// attachmentRoutes are the operations on files that signers attach.
func (s *surface) attachmentRoutes() []api.Route {
	return nil
}
