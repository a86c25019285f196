// Package retry makes repeating a call safe (IETF draft "The Idempotency-Key
// HTTP Header Field"): who did not hear the answer asks again with the same key,
// and what he asked for happens once.
//
//	Begin: claim the key ──▶ the act; Made in its transaction ──▶ Keep the answer
//	   │ taken: Conflict, or the answer kept, or what was made      │ refused: Free
//
// A claim is a row, made in a transaction of its own before the act. The act's
// own transaction marks it made, or does not happen: Made fails when the claim
// has passed to somebody else. So a process that dies before the act leaves a
// claim that lapses, and one that dies after it leaves the id of what was made,
// from which the answer is worded anew. The first answer kept is everybody's.
//
// A key lives 24 hours, for one caller and one operation. The room does not know
// HTTP and not what a call does; keys are kept as hashes only. Answers are kept
// as they were given, so operations that tell secrets must not be repeated so.
package retry
