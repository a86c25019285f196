package congasign

import (
	"slices"

	"countersign.dev/internal/api"
)

// Limits of uploads, in bytes (Conga Sign documentation: 16 MB a document).
const (
	maxFile    = 16 << 20
	maxPayload = 4 << 20
	maxInline  = 64 << 20 // of a JSON body with documents in base64, which is held in memory twice
	maxUpload  = 160 << 20
)

// routes is the surface, a function for each kind of resource. Paths stand without their prefix, see claim.
func (s *surface) routes() []api.Route {
	return slices.Concat(s.groupRoutes(), s.senderRoutes(), s.packageRoutes(), s.roleRoutes(), s.documentRoutes(),
		s.approvalRoutes(), s.attachmentRoutes(), s.signingRoutes(), s.templateRoutes(), s.reminderRoutes(),
		s.reportRoutes(), s.tokenRoutes(), s.callbackRoutes(), s.settingRoutes())
}
