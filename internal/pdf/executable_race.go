//go:build race

package pdf

import (
	"cmp"
	"os"
)

// executable is, in tests under the race detector, a program built without it:
// the detector cannot live within a child's memory limit and makes it many times
// slower, and a child has nothing to race with.
func executable() (string, error) {
	self, err := os.Executable()
	return cmp.Or(os.Getenv("COUNTERSIGN_TEST_CHILD"), self), err
}
