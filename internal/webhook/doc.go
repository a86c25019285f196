// Package webhook tells an account's own systems what happens to its packages: callbacks.
//
// An act raises an event in its own transaction, so a delivery exists exactly if the act
// happened. Each callback has one lane for each package. The order within a lane is the order
// in which the acts were committed, because the lane's row is locked just before the commit, by
// when the act holds whatever else it needs (db.BeforeCommit); a delivery waits for those before
// it, lanes do not wait for each other. A delivery belongs to the address that was registered
// when it was raised: another one gets it only by command.
//
//	waiting ──2xx within 30 s──▶ delivered
//	   ▲ └──anything else: again after 5 s, 10 s … 1 h; three days after it was raised──▶ failed ──┐
//	   └──────────────────────────────── sent again by command ────────────────────────────────────┘
//
// A worker claims a lane by a conditional update that lapses after the longest call and a
// margin, so replicas share the work. Whoever dies between the call and the note that it was
// answered leaves a lane whose claim lapses: the delivery is made again, with the same id and
// the same body. Delivery is at least once.
//
// # Whom it calls
//
// Addresses come from outside, so each connection is checked when it is made, by the address
// that is really dialled: whatever a name resolves to, and however a number is written,
// nothing inside is reached unless the operator allows it (Config.Allow). Redirects are not
// followed, no proxy is used. An answer is read to its status and little further.
//
// # What a receiver can check
//
// The vendor's header with the key the receiver registered, and a signature after Standard
// Webhooks, see Verify and docs/callbacks.md.
package webhook
