package signing

import (
	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
)

// record writes an event of a package into the audit log and returns its id.
func record(tx *db.Tx, e audit.Event) (string, error) {
	return audit.Append(tx, e)
}
