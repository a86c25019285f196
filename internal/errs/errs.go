// Package errs is the one error vocabulary of the house.
//
// A rule that refuses says so with an *Error: which Kind of refusal it is, What
// rule was broken (a stable dotted name such as "group.name_taken"), and which
// Field of the input is to blame. Each dialect words that at its own edge. This
// package knows no HTTP status and no vendor code. Any other error is a fault:
// the client is told nothing about it, the log everything.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is the class of a refusal.
type Kind uint8

const (
	// Fault is every error that is not an *Error: something broke.
	Fault Kind = iota
	// Invalid input: it can never succeed as sent.
	Invalid
	// Unauthenticated: no credentials, or credentials that do not hold.
	Unauthenticated
	// Denied: known, but not allowed.
	Denied
	// NotFound: it does not exist, or not for this caller.
	NotFound
	// Conflict with the present state of things.
	Conflict
	// Unprocessable: well formed, but it cannot be carried out.
	Unprocessable
	// TooLarge input.
	TooLarge
	// Unsupported media type.
	Unsupported
	// Limited: too many calls or tries.
	Limited
	// Unavailable for the moment.
	Unavailable
	// NotServed: a documented operation this server does not offer.
	NotServed
	// MethodNotAllowed: the path exists, not with this method.
	MethodNotAllowed
)

var kindNames = [...]string{"fault", "invalid", "unauthenticated", "denied", "not found", "conflict",
	"unprocessable", "too large", "unsupported", "limited", "unavailable", "not served", "method not allowed"}

func (k Kind) String() string { return kindNames[k] }

// Error is a refusal.
type Error struct {
	Kind Kind
	// What names the broken rule: "package.transition", "lease.held".
	What string
	// Field names the input that is to blame, in the core's words; may be empty.
	Field string
	// Detail is one sentence a person can act on. It never holds a secret.
	Detail string
	// Params are values a dialect may put into its wording: "holder", "since".
	Params map[string]string
	// Cause is for the log only.
	Cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Kind, e.What)
	if e.Field != "" {
		fmt.Fprintf(&b, " [%s]", e.Field)
	}
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, " (%v)", e.Cause)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// New makes a refusal; detail may hold fmt verbs.
func New(kind Kind, what, detail string, args ...any) *Error {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Error{Kind: kind, What: what, Detail: detail}
}

// On names the input field that is to blame.
func (e *Error) On(field string) *Error { e.Field = field; return e }

// With adds one value for the dialects' wording.
func (e *Error) With(name, value string) *Error {
	if e.Params == nil {
		e.Params = map[string]string{}
	}
	e.Params[name] = value
	return e
}

// Because keeps the cause for the log.
func (e *Error) Because(err error) *Error { e.Cause = err; return e }

// KindOf tells the kind of err: Fault if no *Error is in its chain.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Fault
}

// Is reports whether err is the refusal named what.
func Is(err error, what string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.What == what
}
