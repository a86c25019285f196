package access

import (
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

// The built-in permissions. 1 to 4 make powerful: who gives them must hold them.
const (
	manageUsers = 1 + iota
	readAccess
	provisionUsers
	actAsAnother
	sendAndSign
	readAudit
)

// firstOwn is the lowest number of what accounts define.
const firstOwn = 1000

// powerful reports a permission that nobody grants who does not hold it, whatever else he may do.
func powerful(permission int64) bool { return permission >= manageUsers && permission <= actAsAnother }

var builtInPermissions = []Permission{
	{Number: manageUsers, Name: "Manage Users", Right: authz.ManageUsers, Description: "Create and change users, and grant permissions."},
	{Number: readAccess, Name: "Read Access Lists", Right: authz.ReadAccess, Description: "See who has which permission."},
	{Number: provisionUsers, Name: "Provision Users", Right: authz.IntelAgree, Description: "Create users, with permissions that one holds."},
	{Number: actAsAnother, Name: "Act As Another User", Right: authz.Impersonate, Description: "Act as another user; both must be allowed what is done."},
	{Number: sendAndSign, Name: "Send And Sign", Right: authz.Sign, Description: "Senders, groups and packages."},
	{Number: readAudit, Name: "Read Audit", Right: authz.ReadAudit, Description: "Read the account's audit events."},
}

const (
	adminPreset = 1 + iota
	userPreset
	privacyPreset
	groupManagerPreset
	integrationPreset
)

var builtInPresets = []Preset{
	{Number: adminPreset, Name: "Conga Sign Admin", Licence: directory.LicenceSign,
		Contents: unscoped(manageUsers, readAccess, provisionUsers, sendAndSign, readAudit)},
	{Number: userPreset, Name: "Conga Sign User", Licence: directory.LicenceSign, Contents: unscoped(sendAndSign)},
	{Number: privacyPreset, Name: "Privacy Admin", Contents: unscoped(readAudit)},
	{Number: groupManagerPreset, Name: "Signer Group Manager"},
	{Number: integrationPreset, Name: "CongaSign Integration Role", Contents: unscoped(manageUsers, sendAndSign)},
}

func unscoped(permissions ...int64) (list []Content) {
	for _, n := range permissions {
		list = append(list, Content{Permission: n})
	}
	return list
}

// standing is what roles are derived from.
type standing struct {
	manager, sender, privacyAdmin, groupManager, integration bool
}

// roles is the one table of what a user holds by his role in the account.
var roles = [...]struct {
	name   string
	preset int64
	of     func(standing) bool
}{
	{"Account Manager", adminPreset, func(s standing) bool { return s.manager }},
	{"Sender", userPreset, func(s standing) bool { return s.sender && !s.manager }},
	{"Privacy Administrator", privacyPreset, func(s standing) bool { return s.privacyAdmin }},
	{"Group Manager", groupManagerPreset, func(s standing) bool { return s.groupManager }},
	{"Integration User", integrationPreset, func(s standing) bool { return s.integration }},
}

func standingOf(userType, kind string, sender, privacyAdmin bool, in []directory.Membership) standing {
	s := standing{manager: userType == directory.Manager, sender: sender, privacyAdmin: privacyAdmin,
		integration: kind == directory.Integration}
	for _, m := range in {
		s.groupManager = s.groupManager || m.Manager
	}
	return s
}

// Giving is the number of the built-in permission that gives a right; 0 is none.
func Giving(r authz.Right) int64 {
	for _, p := range builtInPermissions {
		if p.Right == r {
			return p.Number
		}
	}
	return 0
}
