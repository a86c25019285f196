package server

import (
	"context"
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/seal"
)

// grantable are the rights the command line may give a client.
var grantable = []authz.Right{authz.ManageUsers, authz.Sign}

// NewAccount makes an account, and its organisation when there is none of that name.
func (r *Rooms) NewAccount(ctx context.Context, organisation, name string) (directory.Account, error) {
	return r.Directory.CreateAccount(ctx, directory.NewAccount{Organisation: organisation, Name: name})
}

// SetAccount changes settings of the account with that outer id; what is zero stays as it is.
func (r *Rooms) SetAccount(ctx context.Context, account string, s directory.Settings) error {
	var a directory.Account
	err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = directory.AccountByOuterID(tx, account)
		return err
	})
	if err != nil {
		return err
	}
	return r.Directory.SetSettings(ctx, a.ID, s)
}

// NewClient makes a client of the account with that outer id. Its secret is returned once.
func (r *Rooms) NewClient(ctx context.Context, account, name string, rights []string) (id, secret string, err error) {
	var granted []authz.Right
	for _, right := range rights {
		if !slices.Contains(grantable, authz.Right(right)) {
			return "", "", errs.New(errs.Invalid, "right.unknown", "There is no right %q to give; there are %q.", right, grantable).On("right")
		}
		granted = append(granted, authz.Right(right))
	}
	var a directory.Account
	err = r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = directory.AccountByOuterID(tx, account)
		return err
	})
	if err != nil {
		return "", "", err
	}
	return r.Authn.CreateClient(ctx, a.ID, granted, name)
}

// TrustPEM is the certificates, in PEM, of every authority this installation ever sealed under.
func (r *Rooms) TrustPEM(ctx context.Context) ([]byte, error) {
	keys, err := seal.Open(ctx, r.DB, r.box, r.seal)
	if err != nil {
		return nil, err
	}
	return keys.TrustPEM(), nil
}
