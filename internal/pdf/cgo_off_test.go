//go:build !cgo

package pdf

const withCgo = false
