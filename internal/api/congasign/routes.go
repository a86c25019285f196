package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
)

// Limits of uploads, in bytes (Conga Sign documentation: 16 MB a document).
const (
	maxFile    = 16 << 20
	maxPayload = 4 << 20
	maxInline  = 64 << 20 // of a JSON body with documents in base64, which is held in memory twice
	maxUpload  = 160 << 20
)

// routes is the surface. Paths stand without their prefix, see claim.
func (s *surface) routes() []api.Route {
	const right = authz.Sign
	return []api.Route{
		{Method: "POST", Path: "/groups", Right: right, Handle: s.createGroup},
		{Method: "GET", Path: "/groups", Right: right, Handle: s.listGroups},
		{Method: "GET", Path: "/groups/summary", Right: right, Handle: s.summarizeGroups},
		{Method: "GET", Path: "/groups/{group}", Right: right, Handle: s.getGroup},
		{Method: "PUT", Path: "/groups/{group}", Right: right, Handle: s.updateGroup},
		{Method: "DELETE", Path: "/groups/{group}", Right: right, Handle: s.deleteGroup},
		{Method: "POST", Path: "/groups/{group}/members", Right: right, Handle: s.addMember},
		{Method: "POST", Path: "/groups/{group}/invite", Right: right, Handle: s.inviteMember},
		{Method: "PUT", Path: "/groups/{group}/members/{user}", Right: right, Handle: s.retypeMember},
		{Method: "DELETE", Path: "/groups/{group}/members/{user}", Right: right, Handle: s.removeMember},

		{Method: "POST", Path: "/account/senders", Right: right, Handle: s.inviteSender},
		{Method: "GET", Path: "/account/senders", Right: right, Handle: s.listSenders},
		{Method: "GET", Path: "/account/senders/{sender}", Right: right, Handle: s.getSender},
		{Method: "POST", Path: "/account/senders/{sender}", Right: right, Handle: s.updateSender},
		{Method: "DELETE", Path: "/account/senders/{sender}", Right: right, Handle: s.deleteSender},
		{Method: "POST", Path: "/account/senders/{sender}/invite", Right: right, Handle: s.reinviteSender},

		{Method: "POST", Path: "/packages", Right: right, Body: maxUpload, Handle: s.createPackage},
		{Method: "GET", Path: "/packages", Right: right, Handle: s.listPackages},
		{Method: "GET", Path: "/packages/{package}", Right: right, Handle: s.getPackage},
		{Method: "POST", Path: "/packages/{package}", Right: right, Body: maxPayload, Handle: s.updatePackage},
		{Method: "PUT", Path: "/packages/{package}", Right: right, Body: maxPayload, Handle: s.updatePackage},
		{Method: "DELETE", Path: "/packages/{package}", Right: right, Handle: s.deletePackage},
		{Method: "GET", Path: "/packages/{package}/signingStatus", Right: right, Handle: s.signingStatus},
		{Method: "GET", Path: "/packages/{package}/audit", Right: right, Handle: s.trail},
		{Method: "GET", Path: "/packages/{package}/evidence/summary", Right: right, Handle: s.evidenceSummary},
		{Method: "POST", Path: "/packages/{package}/notifications", Right: right, Handle: s.notifySigner},

		{Method: "GET", Path: "/packages/{package}/roles", Right: right, Handle: s.listRoles},
		{Method: "GET", Path: "/packages/{package}/roles/{role}", Right: right, Handle: s.getRole},
		{Method: "GET", Path: "/packages/{package}/roles/{role}/signingUrl", Right: right, Handle: s.signingURL},
		{Method: "POST", Path: "/packages/{package}/roles/{role}/notifications", Right: right, Handle: s.notifyRole},

		{Method: "POST", Path: "/packages/{package}/documents", Right: right, Body: maxUpload, Handle: s.addDocuments},
		{Method: "GET", Path: "/packages/{package}/documents/zip", Right: right, Handle: s.zipDocuments},
		{Method: "GET", Path: "/packages/{package}/documents/{document}", Right: right, Handle: s.getDocument},
		{Method: "DELETE", Path: "/packages/{package}/documents/{document}", Right: right, Handle: s.deleteDocument},
		{Method: "GET", Path: "/packages/{package}/documents/{document}/pdf", Right: right, Handle: s.documentPDF},
		{Method: "GET", Path: "/packages/{package}/documents/{document}/original", Right: right, Handle: s.originalDocument},
	}
}
