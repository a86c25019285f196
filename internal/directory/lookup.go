package directory

import (
	"context"
	"errors"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// AccountByOuterID finds an account by the id that clients see. NotFound "account.unknown".
func AccountByOuterID(tx *db.Tx, outer string) (Account, error) {
	if !storable(outer) {
		outer = "" // nobody's
	}
	r, err := db.One[accountRow](tx, `select * from accounts where outer_id = $1`, outer)
	if errors.Is(err, db.ErrNone) {
		return Account{}, errs.New(errs.NotFound, "account.unknown", "There is no such account.")
	}
	return r.account(), err
}

// Account is the principal's own.
func (d *Directory) Account(ctx context.Context, p authz.Principal) (a Account, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		a, err = AccountByID(tx, p.Account)
		return err
	})
	return a, err
}
