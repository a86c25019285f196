package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// NewLicence gives the account a licence of its own, or a new title to one it has. It is for who manages the account. Denied
// "account.not_manager", "user.inactive"; Invalid "licence.name", "text.malformed".
func (d *Directory) NewLicence(ctx context.Context, p authz.Principal, name, title string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		if err = DefineLicence(tx, p.Account, name, title); err != nil {
			return err
		}
		return record(tx, p, by, "licence.defined", map[string]string{"licence": name})
	})
}
