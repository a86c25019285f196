// Package congasign is the Conga Sign surface: signer groups, senders, packages
// and their documents, in the shapes of Conga Sign's documentation and of the
// client libraries of OneSpan Sign, whose interface it is.
//
// A handler reads the request, calls one method of directory or signing, and
// words what comes back. The files ending in _wire.go hold the shapes: what is
// read, what is answered, and how each member maps to the core's. Lengths are
// PDF points in the core and 1/93.6 inch here; unit.go converts, nobody else does.
//
// README.md maps every member, tells where we diverge and why; errors.tsv lists
// every error this surface prints; testdata holds a request and an answer of
// every route.
//
// What it does not do: it has no rules of its own beyond the shape of its
// input. It does not serve the vendors' templates, reminders, attachments,
// reports, callbacks, account settings or signer sessions.
package congasign
