//go:build cgo

package pdf

// withCgo: Go cannot act on all threads of a program that uses cgo; ours is built without.
const withCgo = true
