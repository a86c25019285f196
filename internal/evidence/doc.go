// Package evidence tells what happened to a package, for people and for
// machines, and judges a finished document from its bytes alone.
//
// Three things are made here:
//
//   - Pages lays out the evidence pages appended to each sealed document, and
//     the package's summary: who signed, what, when, from where, how the person
//     was identified, on whose behalf, the timeline, and the hashes of the page
//     images that were shown.
//   - Attachment is the same as canonical JSON (RFC 8785) in the file
//     "countersign-evidence.json", embedded in the sealed document.
//   - Verify examines a PDF offline and words a Report.
//
// The verdict has four values:
//
//	not a readable PDF and no trace of a signature ──> UNREADABLE (exit 2)
//	readable, no trace of a signature              ──> UNSIGNED   (exit 1)
//	exactly one consistent reading, every signature valid, the last one
//	over the whole file, nothing left to explain   ──> INTACT     (exit 0)
//	anything else                                  ──> ALTERED    (exit 1)
//
// INTACT is what must be shown, not what remains: a file whose structure cannot
// be read strictly but which carries a signature is ALTERED. Every finding has
// the name of the attack it looks like, so that a report can be acted on. What
// an altered file says about itself is not repeated.
//
// This package has no database and no network. It does not decide what is
// evidence (package signing fills the Dossier), does not write PDF files
// (package pdf), and does not check the audit log's proofs yet: reports say so.
package evidence
