package directory

import "countersign.dev/internal/db"

// HoldUser keeps a user, a deactivated one too, by his internal id, as he is until the transaction ends. NotFound
// "user.unknown".
func HoldUser(tx *db.Tx, user string) (User, error) { return hold(tx, user) }
