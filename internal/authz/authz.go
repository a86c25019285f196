// Package authz says what a caller MAY do: a Principal, the rights it holds and
// the tenant it belongs to. How the caller proved who it is, it does not know;
// that is authn's.
//
// Tenancy: organisation ⊃ account ⊃ user. A credential has one home and never
// reaches outside it, so a Principal names the one account it may touch.
package authz

import (
	"slices"

	"countersign.dev/internal/errs"
)

// Right is a named permission. Every route declares the one it needs.
type Right string

// The rights of the house.
const (
	// ManageUsers: create and change the platform's users and their secrets.
	ManageUsers Right = "users.manage"
	// Sign: the Conga Sign surface, that is senders, groups and packages.
	Sign Right = "sign"
	// Operate: everything on this server.
	Operate Right = "operator"
)

// Principal is an authenticated caller.
type Principal struct {
	// Client is the id of the client that authenticated; empty for a person in a browser.
	Client string
	// Organisation, Account and User are internal ids; a client acts as one user of its account.
	Organisation, Account, User string
	Rights                      []Right
}

// Has reports whether the principal holds a right.
func (p Principal) Has(r Right) bool { return slices.Contains(p.Rights, r) }

// Need refuses (Denied, "right.missing") a principal without the right.
func (p Principal) Need(r Right) error {
	if p.Has(r) {
		return nil
	}
	return errs.New(errs.Denied, "right.missing", "the right %s is needed", r).With("right", string(r))
}
