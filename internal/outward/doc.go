// Package outward is the gate through which this server calls addresses that somebody else has named: receivers of
// callbacks, and identity providers. Without it a stranger could have the server call what only the server can reach:
// its own machine, its network, the metadata of its cloud.
//
// It looks at the address that is about to be dialled, after names were resolved, so it does not matter how an address was
// written or what a name resolved to when somebody else asked. What lies inside is called only if the operator says so.
//
// What it does not do: follow redirects, speak HTTP, or bound what an answer costs. That is the caller's.
package outward
