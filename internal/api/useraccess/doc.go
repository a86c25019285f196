// Package useraccess is the User Access API: administrators list who has which
// permissions, and see why ("User Access API v2.1, List User Permissions").
//
//	GET /v2/access/users          who has which permission sets; all that match, streamed, or page by page
//	GET /v2/access/users/{id}     one of them: every permission, and each reason for it
//	GET /v2/access/history        who gave or took which permission, when, and how
//
// Every call is counted in a sliding window of its credential, before it does
// anything (limit.go), and every answer says how much of the quota is left. Whom
// we do not let in is counted by his address instead.
//
// README.md tells what is served and what was decided where the vendor's page is
// silent; errors.tsv lists every error; testdata holds a request and an answer of
// every route.
//
// What it does not do: it changes nothing, and keeps no rules about permissions,
// those are access's. A filter chooses users and never trims what is told of one.
package useraccess
