// Package conga is the Conga platform's surface: platform users, the client id
// and secret of an Integration user ("Creating an Integration User for Sign
// API"), and the access token for them.
//
// The vendor words errors in two ways: the users' calls in an envelope of
// PascalCase members, the token's in {"error": …}.
//
// README.md maps every field and tells where we diverge; errors.tsv lists every
// error; testdata holds a request and an answer of every route.
//
// What it does not do: it keeps no rules about users and secrets, those are
// authn's. It serves neither platform groups nor bulk calls.
package conga
