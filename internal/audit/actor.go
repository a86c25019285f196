package audit

import (
	"cmp"

	"countersign.dev/internal/authz"
)

// The kinds of actor.
const (
	KindClient   = "client"   // a program with credentials, acting as one user
	KindPerson   = "person"   // somebody in a browser
	KindOperator = "operator" // whoever runs the server
	KindSystem   = "system"   // the server itself
)

// Actor is who did it.
type Actor struct {
	// Kind is one of the four above.
	Kind string
	// Client and User are internal ids; either may be empty.
	Client, User string
	// Through is the internal id of the API user who acted as User; empty: User himself did.
	Through string
	// Name and Email of the person; personal data.
	Name, Email string
	// Group is the name of the group the person acted for.
	Group string
	// Identified says how the person was identified, as evidence shows it; personal data.
	Identified string
}

// System is the server itself.
var System = Actor{Kind: KindSystem}

// By is the caller of an interface: a client acting as its user, or as who acts in that user's place, the operator, or a person.
func By(p authz.Principal) Actor {
	kind := KindPerson
	switch {
	case p.Has(authz.Operate):
		kind = KindOperator
	case p.Client != "":
		kind = KindClient
	}
	return Actor{Kind: kind, Client: p.Client, User: cmp.Or(p.By, p.User), Through: p.For}
}

// Person is somebody in a browser. user may be empty, group is empty for a single
// signer, identified says how he was identified.
func Person(user, name, email, group, identified string) Actor {
	return Actor{Kind: KindPerson, User: user, Name: name, Email: email, Group: group, Identified: identified}
}
