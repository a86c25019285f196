// Package console is where people run their tenant in a browser: who signs in, who may
// do what, which packages wait, what was recorded, which programs are connected. It
// is pages over the acts of other rooms and holds no rules of the trade: what a page
// shows and changes is one call of directory, access, authn, signing or webhook.
//
// # Who sees what
//
// One table, in routes.go, says for every page which roles see it. Who does not is
// refused before the page's code runs. An account in the address must be one the
// viewer reaches, else there is nothing (404), whether it exists or not.
//
//	operator            everything
//	partner_admin       the partners of his organisation and their accounts, without packages and their audit
//	partner_developer   the partners of his organisation, their technical accounts, clients and callbacks
//	administrator       everything of his account
//	sender              packages he owns or sees, groups; those that he manages he changes
//	member              groups he is in
//
// A page may be open to a right, too: who holds access.read sees the access list
// whatever his role. What exactly he may do is for the act's own room to say; the
// console leaves out what it knows to be refused.
//
// # The way through a page
//
//	GET   reads and shows; changes nothing
//	POST  cross-origin guard → session → role → account → nonce → one act → 303 to a page with ?done=word
//
// A word is looked up in a table, so an address cannot make the page say what it likes.
// A secret that can be shown once is in the answer to the POST itself, which no cache
// keeps. An act that is refused shows its form again, filled in, with the reason.
// Everything works without scripts; they only save steps.
//
// # Signing in
//
//	GET  /console/sign-in                 an address, then a link by mail, a password or the organisation's own provider
//	GET  /console/sign-in/link?token=     changes nothing; POST exchanges the token for a cookie
//	GET  /console/sign-in/password?token= sets a password by a mailed link
//	GET  /console/sign-in/provider        where an identity provider sends the browser back
//
// The cookie stands for one person: a user of one account, or one of the staff. Who is
// several people at an address chooses.
package console
