package console

import (
	"slices"

	"countersign.dev/internal/authz"
)

// role is what somebody is to the console.
type role uint8

// The roles; one person has one.
const (
	operator role = 1 << iota
	partnerAdmin
	partnerDeveloper
	administrator // a MANAGER of his account, or who holds users.manage
	sender
	member // a user who sends nothing
)

// Who sees a page.
const (
	anybody  role = 0 // also who has not signed in
	everyone      = operator | partnerAdmin | partnerDeveloper | administrator | sender | member
	users         = administrator | sender | member
	staff         = operator | partnerAdmin | partnerDeveloper
	managers      = operator | partnerAdmin | administrator // who runs an account
	owners        = operator | administrator
)

// route is one line of the table of pages. With {account} in its pattern the
// account is one that the viewer reaches.
type route struct {
	pattern string
	roles   role
	right   authz.Right // who holds it sees the page, too; empty: nobody
	handle  func(*visit) error
	upload  int64 // bytes a POST may have; 0 is page.MaxBody
}

// account is where the pages of an account lie.
const account = root + "/accounts/{account}"

// routes is the one table that says which role sees which page.
func (c *console) routes() []route {
	return slices.Concat(c.signingIn(), c.people(), c.rights(), c.happenings(), c.vendors(), c.signerGroups(), c.programs(), c.setup(),
		[]route{{pattern: "/console/", handle: c.unknown}})
}

// signingIn are the pages on which one says who one is, and those about oneself.
func (c *console) signingIn() []route {
	return []route{
		{pattern: "GET /console/sign-in", handle: c.signIn},
		{pattern: "POST /console/sign-in", handle: c.askHow},
		{pattern: "POST /console/sign-in/mail", handle: c.mailLink},
		{pattern: "POST /console/sign-in/enter", handle: c.enterByPassword},
		{pattern: "POST /console/sign-in/forgotten", handle: c.mailPasswordLink},
		{pattern: "POST /console/sign-in/elsewhere", handle: c.goElsewhere},
		{pattern: "GET /console/sign-in/provider", handle: c.fromElsewhere},
		{pattern: "GET /console/sign-in/link", handle: c.link},
		{pattern: "POST /console/sign-in/link", handle: c.enterByLink},
		{pattern: "GET /console/sign-in/password", handle: c.passwordLink},
		{pattern: "POST /console/sign-in/password", handle: c.setByLink},
		{pattern: "POST /console/sign-out", handle: c.signOut},
		{pattern: "GET /console/password", roles: everyone, handle: c.password},
		{pattern: "POST /console/password", roles: everyone, handle: c.setPassword},
		{pattern: "GET /console/sessions", roles: everyone, handle: c.sessions},
		{pattern: "POST /console/sessions/{session}/end", roles: everyone, handle: c.endSession},

		{pattern: "GET /console", roles: everyone, handle: c.home},
		{pattern: "GET /console/{$}", roles: everyone, handle: c.home},
		{pattern: "GET " + account, roles: managers | partnerDeveloper | sender | member, handle: c.accountHome},
	}
}

// people are the pages of users.
func (c *console) people() []route {
	return []route{
		{pattern: "GET " + account + "/users", roles: managers, handle: c.users},
		{pattern: "GET " + account + "/users/new", roles: managers, handle: c.newUser},
		{pattern: "POST " + account + "/users/new", roles: managers, handle: c.createUser},
		{pattern: "GET " + account + "/users/{user}", roles: managers, handle: c.user},
		{pattern: "POST " + account + "/users/{user}/change", roles: managers, handle: c.changeUser},
		{pattern: "POST " + account + "/users/{user}/type", roles: managers, handle: c.retypeUser},
		{pattern: "POST " + account + "/users/{user}/lock", roles: managers, handle: c.lockUser},
		{pattern: "POST " + account + "/users/{user}/unlock", roles: managers, handle: c.unlockUser},
		{pattern: "GET " + account + "/users/{user}/end", roles: managers, handle: c.askEndUser},
		{pattern: "POST " + account + "/users/{user}/end", roles: managers, handle: c.endUser},
		{pattern: "POST " + account + "/users/{user}/restore", roles: managers, handle: c.restoreUser},
		{pattern: "POST " + account + "/users/{user}/grants", roles: managers, handle: c.grant},
		{pattern: "POST " + account + "/users/{user}/grants/{grant}/end", roles: managers, handle: c.endGrant},
		{pattern: "POST " + account + "/users/{user}/sessions/{session}/end", roles: managers, handle: c.endUserSession},
		{pattern: "POST " + account + "/users/{user}/tokens", roles: managers, handle: c.newToken},
		{pattern: "POST " + account + "/users/{user}/tokens/{token}/end", roles: managers, handle: c.endToken},
	}
}

// rights are the pages of who may do what.
func (c *console) rights() []route {
	return []route{
		{pattern: "GET " + account + "/access", roles: managers, right: authz.ReadAccess, handle: c.accessList},
		{pattern: "GET " + account + "/access.csv", roles: managers, right: authz.ReadAccess, handle: c.accessCSV},
		{pattern: "GET " + account + "/permissions", roles: managers, right: authz.ReadAccess, handle: c.permissions},
		{pattern: "POST " + account + "/permissions", roles: managers, handle: c.definePermission},
		{pattern: "POST " + account + "/presets", roles: managers, handle: c.definePreset},
		{pattern: "POST " + account + "/licences", roles: managers, handle: c.defineLicence},
		{pattern: "POST " + account + "/entities", roles: managers, handle: c.defineEntity},
	}
}

// happenings are the pages of packages, of what happened, and of who is told.
func (c *console) happenings() []route {
	return []route{
		{pattern: "GET " + account + "/packages", roles: owners | sender | member, handle: c.packages},
		{pattern: "GET " + account + "/packages/{package}", roles: owners | sender | member, handle: c.onePackage},
		{pattern: "POST " + account + "/packages/{package}/trash", roles: owners | sender, handle: c.withdraw},
		{pattern: "POST " + account + "/packages/{package}/roles/{role}/remind", roles: owners | sender, handle: c.remind},
		{pattern: "POST " + account + "/packages/{package}/roles/{role}/break", roles: owners | sender | member, handle: c.breakLease},
		{pattern: "GET " + account + "/audit", roles: owners, right: authz.ReadAudit, handle: c.auditTrail},
		{pattern: "GET " + account + "/audit/{event}", roles: owners, right: authz.ReadAudit, handle: c.event},
		{pattern: "GET /console/audit", roles: operator, handle: c.auditTrail},
		{pattern: "GET /console/audit/{event}", roles: operator, handle: c.event},
		{pattern: "GET " + account + "/callbacks", roles: managers | partnerDeveloper, handle: c.callbacks},
		{pattern: "POST " + account + "/callbacks/again", roles: managers | partnerDeveloper, handle: c.sendAllAgain},
		{pattern: "GET " + account + "/callbacks/{delivery}", roles: managers | partnerDeveloper, handle: c.delivery},
		{pattern: "POST " + account + "/callbacks/{delivery}/again", roles: managers | partnerDeveloper, handle: c.sendAgain},
	}
}
