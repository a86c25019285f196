// Package audit is the log of what happened: who did what, when, from where, and
// what was refused.
//
// An event is appended in the transaction of the act it tells of. If it cannot
// be written the act does not happen. A refusal rolls its act back, so Refused
// writes that event in a transaction of its own.
//
// # How an event is stored
//
//	appended (canonical bytes, salted hash of the personal data) ──▶ sequenced (seq)
//	personal data + salt, in a row beside ──▶ erased
//
// The canonical bytes are the event as canonical JSON (RFC 8785) without
// personal data: they are what becomes a leaf of the Merkle log, and are never
// changed. The member "personal" is the hexadecimal SHA-256 of a random salt
// followed by the canonical JSON of the personal data: name and address of the
// actor, how he was identified, network address, user agent, and what else the
// event says is personal. Erasing a person removes data and salt; the hash stays,
// says nothing without the salt, and every proof still holds.
//
// # What it does not do
//
// It does not know what events mean. Of the events of a package it checks no
// tenancy: whoever reads them has made sure that the caller may; a search (Log)
// is for who holds the right to it, in his own account. It gives no index in
// the log yet; seq is null until a sequencer does.
package audit
