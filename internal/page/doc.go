// Package page is what the rooms with pages for people share: the static files and
// their addresses, the frame every page stands in, the headers and the content policy,
// the guard against other sites' writes, nonces, refusals in words, and one log line
// per request. Pages are html/template; scripts are plain ES modules; nothing comes
// from another host.
//
// A room makes a Site of its own templates and files, gives it the table of its
// routes, and gets back the handler. What a page shows, whom it knows and which cookies
// it sets is the room's.
//
// # What it does not do
//
// It knows no session, no account and no rule of the trade, reads no database, and
// decides nothing but whether a request came from our own pages.
package page
