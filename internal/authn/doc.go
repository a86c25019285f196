// Package authn says WHO a caller is: which client a token or a key belongs to,
// and whose mailbox a browser has proved.
//
// Programs. A client is a program's credential: a client id, a secret kept as a
// hash, and the one user of the account it acts as. ClientToken exchanges them
// for an access token, a JWT (RFC 9068) that holds an hour and is checked
// without the database. Taking away works by generations: a token carries those
// of its client, its user and the account at the time it was given, and is dead
// once one of them has been raised. Run follows what was raised; a process that
// could not for five seconds answers Unavailable rather than trust old news.
//
// Browsers. A browser session is a cookie of 256 bits, kept as a hash. Into it
// go the personal links it came through (entries) and the mailboxes it has
// proved by a code (proofs):
//
//	no session ──Enter──▶ entered ──SendCode, ProveCode──▶ proven
//	                         ▲                                │
//	                         └──30 minutes without an act─────┘
//
// A proof lapses after 30 minutes without Proof being called for that person,
// after twelve hours in any case, and at once when the user is locked or
// deactivated. It belongs to the user, not to the address alone: whoever gets
// the address next has proved nothing.
//
// What this room does not do: say what a caller may do (authz), set cookies or
// read headers (api, web), keep users (directory), or know what a package is.
package authn
