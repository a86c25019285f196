package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Self is the user whom a principal acts as. Denied "user.inactive", also for the operator, who is none.
func (d *Directory) Self(ctx context.Context, p authz.Principal) (u User, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		u, err = self(tx, p)
		return err
	})
	return u, err
}

func self(tx *db.Tx, p authz.Principal) (User, error) {
	u, _, err := actor(tx, p)
	if err == nil && u.ID == "" {
		err = errs.New(errs.Denied, "user.inactive", "The acting user is locked or deactivated.")
	}
	return u, err
}

// ChangeSelf has the user whom a principal acts as change what is kept of him;
// nothing else of the change counts. Denied "user.inactive"; and what change refuses.
func (d *Directory) ChangeSelf(ctx context.Context, p authz.Principal, change func(User) (UserChange, error)) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := self(tx, p)
		if err != nil {
			return err
		}
		held, err := hold(tx, by.ID)
		if err != nil {
			return err
		}
		c, err := change(held)
		if err != nil {
			return err
		}
		u, err := ChangeUser(tx, by.ID, UserChange{Kept: c.Kept})
		if err != nil {
			return err
		}
		return record(tx, p, by, "sender.changed", map[string]string{"user": u.ID, "status": string(u.Status)}, u)
	})
}
