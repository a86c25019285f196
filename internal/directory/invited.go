package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// countedInvited is how far CountInvited counts: whoever has more waiting knows enough.
const countedInvited = 1000

// CountInvited counts the account's users who have not accepted their invitation, up to 1000. It is for who manages the
// account. Denied "account.not_manager", "user.inactive".
func (d *Directory) CountInvited(ctx context.Context, p authz.Principal) (n int, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := managing(tx, p); err != nil {
			return err
		}
		n, err = db.One[int](tx, `select count(*) from (select 1 from users where account_id = $1 and status = $2 limit $3) waiting`,
			p.Account, Invited, countedInvited)
		return err
	})
	return n, err
}
