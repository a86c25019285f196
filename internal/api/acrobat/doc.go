// Package acrobat is the surface of Acrobat Sign Embed 2.0: a software vendor
// (the partner) takes a token for its technical account, registers, makes
// accounts and users for its customers, and exchanges its token for one that
// acts as such a user.
//
// Three parts word errors each their own way: the token endpoint of the vendor's
// identity service as OAuth does, the auth service with code and message and the
// OAuth pair beside, all else with {"code", "message"}. A route carries the table
// of its refusals, because one refusal has other words at other endpoints.
//
// README.md maps every field and tells where we diverge; errors.tsv lists every
// error; testdata holds a request and an answer of every route.
//
// What it does not do: it keeps no rules about partners, accounts, users and
// seats, those are directory's, nor about tokens, those are authn's. Which of
// several hosts an account belongs to is its own, as only this surface has it.
package acrobat
