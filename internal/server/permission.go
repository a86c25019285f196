package server

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// OperatorOf is the operator, at work on the account with that outer id. NotFound "account.unknown".
func (r *Rooms) OperatorOf(ctx context.Context, account string) (p authz.Principal, err error) {
	err = r.DB.Peek(ctx, func(tx *db.Tx) error {
		a, err := directory.AccountByOuterID(tx, account)
		p = authz.Principal{Organisation: a.Organisation, Account: a.ID, Rights: []authz.Right{authz.Operate}}
		return err
	})
	return p, err
}

// UserAt is the sender id of an account's user, given by that id or by the e-mail address. NotFound "user.unknown".
func (r *Rooms) UserAt(ctx context.Context, p authz.Principal, user string) (senderID string, err error) {
	err = r.DB.Read(ctx, func(tx *db.Tx) error {
		u, err := directory.UserByEmail(tx, p.Account, user)
		if errs.Is(err, "email.malformed") {
			u, err = directory.UserBySender(tx, p.Account, user)
		}
		senderID = u.SenderID
		return err
	})
	return senderID, err
}
