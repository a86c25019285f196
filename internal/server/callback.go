package server

import (
	"context"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/webhook"
)

// accountID is the inner id of an account; of none for "". NotFound "account.unknown".
func (r *Rooms) accountID(ctx context.Context, outer string) (id string, err error) {
	if outer == "" {
		return "", nil
	}
	err = r.DB.Read(ctx, func(tx *db.Tx) error {
		a, err := directory.AccountByOuterID(tx, outer)
		id = a.ID
		return err
	})
	return id, err
}

// Callbacks lists deliveries of an account, or of all when it is empty, see webhook.Deliveries. Their accounts are outer ids.
func (r *Rooms) Callbacks(ctx context.Context, account, state string) ([]webhook.Delivery, error) {
	id, err := r.accountID(ctx, account)
	if err != nil {
		return nil, err
	}
	all, err := r.Webhook.Deliveries(ctx, id, state)
	if err != nil {
		return nil, err
	}
	names, err := r.Names(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Account = names.Account[all[i].Account]
	}
	return all, nil
}

// SendCallbacksAgain has failed deliveries tried anew: one, or all of the account when delivery is empty.
func (r *Rooms) SendCallbacksAgain(ctx context.Context, account, delivery string) (int, error) {
	id, err := r.accountID(ctx, account)
	if err != nil {
		return 0, err
	}
	return r.Webhook.SendAgain(ctx, authz.Principal{Account: id, Rights: []authz.Right{authz.Operate}}, delivery)
}

// NewCallbackSecret makes the secret that signs an account's callbacks anew, see webhook.NewSecret.
func (r *Rooms) NewCallbackSecret(ctx context.Context, account, origin string, overlap time.Duration) (string, error) {
	id, err := r.accountID(ctx, account)
	if err != nil {
		return "", err
	}
	return r.Webhook.NewSecret(ctx, id, origin, overlap)
}
