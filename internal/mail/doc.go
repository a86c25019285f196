// Package mail is every message we send: one list of kinds, their words, and
// their way to the recipient.
//
// Send writes a message in the transaction of the act that causes it, so it is
// queued exactly once and exactly if the act happened. It is worded then; a job
// of its own takes it further:
//
//	queued ──accepted by the relay, or put into the mailbox──▶ delivered
//	   └────refused for good (5xx), or two days of trying──▶ failed
//
// A message goes by SMTP to a relay, into the built-in mailbox, or both. The
// relay gets it at least once, always under the same Message-ID; the mailbox
// exactly once. The message is encrypted while it waits, for it holds personal
// links and codes, and wiped when it is delivered or has failed. Neither body,
// link nor code reaches a log or an error.
//
// A message of an account bears its name: before the sender address, which stays
// ours, and at the letter's head, where its logo stands as a picture that goes
// along (multipart/related, RFC 2387). The product's name stays at the foot.
//
// Addresses at groups.e-signlive.com stand for groups, those below .invalid for
// programs. They are nobody's mailbox: a message to one is not sent, and the audit
// log says so.
//
// # What it does not do
//
// It does not decide who is told what. It does not receive: the mailbox holds
// only what we sent, for demonstrations and tests. It speaks English.
package mail
