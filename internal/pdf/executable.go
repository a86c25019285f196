//go:build !race

package pdf

import "os"

// executable is the program that children are: this one.
func executable() (string, error) { return os.Executable() }
