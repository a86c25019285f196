// Package jobs is the durable queue: work that an act causes and that is done
// after it, at least once.
//
// A job is added in the transaction of the act that causes it, so it exists
// exactly if the act happened. Any process that has a handler for its kind may
// do it; several share one table.
//
//	ready ──claim (due; claim+1, tries+1)──▶ running ──done──▶ (deleted)
//	  ▲                                        │ ├──done, but added again meanwhile──▶ ready
//	  ├──────failed, tries left; backoff───────┘ ├──failed for good, or no tries left──▶ failed
//	  └──(claim lapsed: any process may claim it anew, as if it were ready)
//
// A claim lapses after 30 seconds unless its worker renews it, which it does
// while the handler runs. The number of the claim fences: a worker that slept
// through its claim can neither finish the job nor fail it, and its handler's
// context ends.
//
// # What it does not do
//
// It does not promise that a handler runs once: a process may die between the
// work and the note that it is done, so handlers are idempotent. It keeps no
// order, and no record of jobs that were done. It encrypts nothing: secrets do
// not belong into a payload.
package jobs
