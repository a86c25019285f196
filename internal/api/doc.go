// Package api is the front hall of the HTTP surfaces: what every call passes
// through before a room hears of it, and the one place that answers.
//
//	recover ▶ request id, origin ▶ which surface, which route ▶ its gate ▶ who is it ▶ declared right
//	        ▶ does the surface admit him now ▶ limits ▶ handler (decode, call a room, word the answer) ▶ answer or refusal ▶ one log line
//
// A surface is a Dialect: a route table, and a function that words a refusal.
// The dialects live in folders below this one, know each other not, and contain
// no rules: a handler reads the request, calls one method of a room and words
// what it returns.
//
// What holds on every surface:
//   - Every status, also 404, 405, 413, 415 and a panic, has the dialect's own
//     JSON body. A path that no dialect claims gets the body of the dialect that
//     takes strays (Dialect.Stray), else problem details (RFC 9457).
//   - Who is refused while he still sends is heard out, up to 64 MiB and five
//     seconds, so that he can read the refusal.
//   - A route that declares no right answers 403.
//   - JSON is read by one strict decoder, see Decode; forms and multipart bodies
//     have one reader each, see Request.Form and Request.Parts.
//   - A fault tells the client nothing; the log has it under the request id.
//   - No text with a NUL or invalid UTF-8 gets past the hall.
//
// What it does not do: it does not know how a caller proves who he is (an
// Authenticator says), nor what he may touch (the rooms check the tenant), nor
// does it serve pages for browsers (web does). It never redirects.
package api
