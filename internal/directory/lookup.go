package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// AccountByOuterID finds an account by the id that clients see. NotFound "account.unknown".
func AccountByOuterID(tx *db.Tx, outer string) (Account, error) {
	if !storable(outer) {
		outer = "" // nobody's
	}
	return oneAccount(tx, `where a.outer_id = $1`, outer)
}

// Account is the principal's own.
func (d *Directory) Account(ctx context.Context, p authz.Principal) (a Account, err error) {
	err = d.db.Peek(ctx, func(tx *db.Tx) error {
		a, err = AccountByID(tx, p.Account)
		return err
	})
	return a, err
}
