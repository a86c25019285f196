package authn

import (
	"context"
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// As is whom a client's token acts as, where that is not the client's own user:
// a sender of the client's account, who must be active. Such a token may sign
// and nothing else, whatever the client may.
type As struct {
	Sender string // outer id
	Email  string // of the sender, in the place of his id
	// Delegator is the outer id of a sender in whose place Sender, else the client's own user, acts: what the token
	// makes is the delegator's, and the audit log names who did it.
	Delegator string
}

// form is whom a token acts as, and under which generations.
type form struct {
	user, by    string
	rights      []authz.Right
	generations generationsNow
}

// principal is the caller that a token of the client makes.
func (f form) principal(c *clientRecord) authz.Principal {
	return authz.Principal{Client: c.ID, Organisation: c.Organisation, Account: c.Account, User: f.user, By: f.by, Rights: f.rights}
}

// formOf finds whom a client's token acts as. Invalid "grant.sender"; Denied "right.missing".
func (a *Authn) formOf(ctx context.Context, c *clientRecord, as As) (form, error) {
	f := form{user: c.User, rights: c.Rights, generations: c.generations}
	if as == (As{}) {
		return f, nil
	}
	if !slices.Contains(c.Rights, authz.Sign) {
		return f, errs.New(errs.Denied, "right.missing", "the right %s is needed", authz.Sign).With("right", string(authz.Sign))
	}
	f.rights = []authz.Right{authz.Sign}
	err := a.db.Read(ctx, func(tx *db.Tx) error {
		if as.Sender != "" || as.Email != "" {
			u, err := senderOf(tx, c.Account, as)
			if err != nil {
				return err
			}
			f.user, f.generations.User = u.ID, u.Generation
		}
		if as.Delegator == "" {
			return nil
		}
		d, err := senderOf(tx, c.Account, As{Sender: as.Delegator})
		if err != nil {
			return err
		}
		f.by, f.generations.By = f.user, f.generations.User
		f.user, f.generations.User = d.ID, d.Generation
		return nil
	})
	return f, err
}

// senderOf is an active sender of an account; who else there is is not told.
func senderOf(tx *db.Tx, account string, as As) (u directory.User, err error) {
	unknown := errs.New(errs.Invalid, "grant.sender", "There is no such active sender in the client's account.")
	switch {
	case !storable(as.Sender + as.Email):
		return u, unknown
	case as.Email != "":
		u, err = directory.UserByEmail(tx, account, as.Email)
	default:
		u, err = directory.UserBySender(tx, account, as.Sender)
	}
	if kind := errs.KindOf(err); kind == errs.NotFound || kind == errs.Invalid || err == nil && (u.Status != directory.Active || !u.Sender) {
		err = unknown
	}
	return u, err
}
