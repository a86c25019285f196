// Package intelagree is IntelAgree's users interface, version 2: a token for an
// account key, and users who are created, found, changed and deactivated in the
// name of the API user or of whom he acts as.
//
//	subscription key ▶ ApiVersion ▶ bearer token ▶ right ▶ subscription and token belong together, rate
//	        ▶ AsUser headers ▶ body ▶ one act of access ▶ answer
//
// The vendor's gateway and the service behind it word refusals in two ways:
// {"statusCode", "message"}, and problem details (RFC 9457) with the members that
// ASP.NET adds. A body's faults are told all at once, by field.
//
// README.md maps every member, tells what the vendor leaves open and how we took
// it; errors.tsv lists every refusal; testdata holds a request and an answer of
// every route.
//
// What it does not do: who may grant what is access's rule, whose keys are good
// authn's. Version 1 and parties are not served.
package intelagree
