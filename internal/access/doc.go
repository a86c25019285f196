// Package access knows who may do what: permissions, sets of them, what they are scoped by,
// and who holds which since when, given by whom and through which client.
//
// # The model
//
// A permission is a named thing one may do. The built-in ones, numbers below 1000, carry a right
// of this server; the others belong to an account and mean something to another product. A preset
// (Salesforce says permission set) is a bundle of permissions, each in a scope, and may come with
// the licence of a product. An entity is an organisation, a legal entity or a contract type of the
// account, with an integer number; a scope is three lists of such numbers, and a list that is
// absent is all of them.
//
//	role ─────────────derived───────────┐
//	user ──grant──▶ preset ──▶ permission ◀── who holds it, in which scope, and why
//	group ──grant──▶ (its members hold it)  ┘
//
// A grant is a row: a user or a group holds a permission or a preset in a scope. Rows are ended,
// never deleted: they are the history. Of one thing a holder has one grant at a time; another
// scope ends the former grant and begins a new one.
//
//	grant.given ──▶ held ──▶ grant.ended
//
// What a user is by his role in the account is not granted but derived, by the one table in
// role.go, each time it is asked for: it cannot be out of step with the role.
//
// Where several reasons give a user the same permission he holds it by each of them. One thing
// wins: an explicit grant of a permission takes the place of what the presets and copied grants of
// that same user say of this permission, wider or narrower (Reason.Overridden). Roles and groups
// are not touched by that.
//
// # Who may grant
//
// The operator and who runs the account may grant all of it. A user grants what he holds, in at
// most the scope in which he holds it; one with the right users.manage grants what he does not
// hold, too, except the built-in permissions that make powerful (numbers 1 to 4, also inside a
// preset): those he must hold himself. Who acts as somebody else is held to what both hold. To
// copy a user's grants is to grant each of them; roles are not copied, yet whoever copies from an
// administrator must be as strong. The same holds for changing a user or ending him.
//
// # What it does not do
//
// It does not know how a caller proved who he is (authn), nor does it check the rights of routes
// (authz); RightsOf says which rights a user holds, and who authenticates him asks. Users, groups
// and licences are rows of directory. Rows are locked in the order group, user, grant.
package access
