// Package authz says what a caller MAY do: a Principal, the rights it holds and
// the tenant it belongs to. How the caller proved who it is, it does not know;
// that is authn's.
//
// Tenancy: organisation ⊃ partner ⊃ account ⊃ user. A credential has one home
// and never reaches outside it: a technical account touches its partner's
// accounts, every other Principal the one account it names.
package authz

import (
	"slices"

	"countersign.dev/internal/errs"
)

// Right is a named permission. Every route declares the ones it needs.
type Right string

// The rights of the house; scope.go has those that partners' tokens carry.
const (
	// ManageUsers: create and change the platform's users and their secrets.
	ManageUsers Right = "users.manage"
	// Sign: the Conga Sign surface, that is senders, groups and packages.
	Sign Right = "sign"
	// SignOwn: sign as the one signer of one package whom a signer session is for, and see what he may see.
	SignOwn Right = "sign.own"
	// ReadAccess: see who has which permission.
	ReadAccess Right = "access.read"
	// IntelAgree: create users and see those that IntelAgree knows.
	IntelAgree Right = "intelagree.users"
	// Impersonate: act as another user of the account; both must be allowed what is done.
	Impersonate Right = "impersonate"
	// ReadAudit: read the account's audit events.
	ReadAudit Right = "audit.read"
	// Administer: manage the account one names without being a user of it, as its partner's administrator does.
	Administer Right = "account.administer"
	// Operate: everything on this server.
	Operate Right = "operator"
)

// Kind is the kind of caller.
type Kind string

// The kinds of caller.
const (
	// Member acts as one user of one account: an account's client, or a person in a browser.
	Member Kind = ""
	// Technical is a partner's technical account: no account, no user.
	Technical Kind = "technical"
	// Delegated acts as one user by a token that a technical account exchanged for him.
	Delegated Kind = "delegated"
	// Staff is a person of the console who is no user: an operator, or one of a partner's organisation.
	Staff Kind = "staff"
	// Signer acts as one signer of one package, by a session that the sender's application made for him.
	Signer Kind = "signer"
)

// Principal is an authenticated caller.
type Principal struct {
	Kind Kind
	// Client is the id of the client that authenticated; empty for a person in a browser.
	Client string
	// TechnicalAccount is the technical account's id; of kind Technical only.
	TechnicalAccount string
	// Organisation, Partner, Account and User are internal ids. A member acts as one user of its
	// account. Partner is set for kind Delegated only: a technical account may not be registered
	// yet. Account and User are empty for kind Technical.
	Organisation, Partner, Account, User string
	// Package is the internal id of the only package the principal reaches; empty is any of the account. It is
	// set for kind Signer, and for a Member in a session that was made for one package.
	Package string
	// Role and Invitee are internal ids, of kind Signer only: whom he signs for, and which person of it he is.
	// Invitee, and User of who is no user of the account, are empty. Client is the client that made the session.
	Role, Invitee string
	// By is the internal id of the user who acts in the place of User, whose packages they become; empty: User himself.
	// Of kind Staff it is who acts, and User is empty.
	By string
	// For is the internal id of the API user who acts as User, which is then the one he impersonates; empty: nobody is.
	For string
	// Credential is the id of the credential that calls are counted by: an access token or a client.
	Credential string
	// Session is the internal id of the session that an application made; empty for who brings credentials of his own.
	Session string
	// Stands is authn's own note on the credential of a Member; it tells nobody else anything.
	Stands string
	Rights []Right
}

// Reaches reports whether a package, by its internal id, is one the principal may touch at all.
func (p Principal) Reaches(pkg string) bool { return p.Package == "" || p.Package == pkg }

// Has reports whether the principal holds a right.
func (p Principal) Has(r Right) bool { return slices.Contains(p.Rights, r) }

// Need refuses (Denied, "right.missing") a principal without all of the rights.
func (p Principal) Need(rights ...Right) error {
	for _, r := range rights {
		if !p.Has(r) {
			return errs.New(errs.Denied, "right.missing", "the right %s is needed", r).With("right", string(r))
		}
	}
	return nil
}
