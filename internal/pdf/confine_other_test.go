//go:build !linux

package pdf

func locked() {}
