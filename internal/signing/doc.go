// Package signing holds packages, their documents, roles and fields, the group
// lease, the ceremony and the seal job.
//
// # A package
//
//	DRAFT ──send──▶ SENT ──last signature──▶ (seal job) ──▶ COMPLETED ──▶ ARCHIVED
//	  ▲               │ ├──a signer declines──▶ DECLINED
//	  └───edit────────┘ └──the sender withdraws (trash, delete)
//
// # The lease
//
// A signer group acts as one signer: the member who takes the lease of the
// group's role signs, all others are locked out.
//
//	free ──take──▶ soft(holder, epoch) ──first heartbeat──▶ hard(holder, epoch) ──sign──▶ signed
//	soft, hard ──finish later, lapse, void, broken by who may, with a reason──▶ free
//	soft, hard ──taken over by the same member──▶ same stage, next epoch
//
// Each arrow is an audit event, and a callback to who wants it, and so is what
// was refused for want of the lease. A beat is an event only when it renews a lease
// that was idle: soft, or without a beat for more than half its length. A lapse is
// found by a job that is due when the lease ends, or by whoever takes it before.
//
// One conditional update on the role's row decides who holds it, measured by the
// database's clock. Every write of the ceremony carries the epoch; a stale one
// changes nothing. An act that decides on several rows locks the package's row
// first. Lock order: package, role, member.
//
// # Who signs by API
//
// A program signs for the user it acts as, or for the signer whose session it made.
// For a role of a group whose account demands a code "always" it cannot: nobody has
// proved a mailbox, and no application answers for a member there.
//
// # Reminders
//
// Who was asked to sign and has not is reminded as his account's settings say when
// the job looks: at the time the next reminder of a role is due, and at least once
// a day while the role is open, also after a look that failed. Each mail asks one
// person on one occasion; while somebody is signing for the role it waits.
//
// # What others see of a person
//
// A user of the directory who has an e-mail alias is named by it (User.ShownEmail):
// in evidence, trail and pages. Mails, codes and proofs are for his mailbox. An
// event keeps the address that was shown when it happened, so evidence and trail
// agree for ever; the mailbox is kept beside it, and no trail tells it.
//
// # What it does not do
//
// It knows no HTTP and no vendor's words. Who is a member of a group, and
// whether he is active, it asks directory inside its own transaction; whether a
// browser has proved a mailbox, it asks authn. Bytes of PDF files it hands to
// pdf, signatures to seal, the pages of evidence to evidence.
package signing
