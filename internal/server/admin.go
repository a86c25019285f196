package server

import (
	"context"
	"slices"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/seal"
)

// NewAccount makes an account, and its organisation when there is none of that name.
func (r *Rooms) NewAccount(ctx context.Context, organisation, name string) (directory.Account, error) {
	return r.Directory.CreateAccount(ctx, directory.NewAccount{Organisation: organisation, Name: name})
}

// Names are what people call the holders of internal ids: organisations by their
// names, partners and accounts by their outer ids.
type Names struct{ Organisation, Partner, Account map[string]string }

// Names reads them all.
func (r *Rooms) Names(ctx context.Context) (*Names, error) {
	n := &Names{Partner: map[string]string{}, Account: map[string]string{}}
	err := r.DB.Read(ctx, func(tx *db.Tx) (err error) {
		n.Organisation, err = directory.OrganisationNames(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	partners, err := r.Directory.Partners(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range partners {
		n.Partner[p.ID] = p.OuterID
	}
	accounts, err := r.Directory.Accounts(ctx)
	for _, a := range accounts {
		n.Account[a.ID] = a.OuterID
	}
	return n, err
}

// NewClient makes a client of the account with that outer id. Its secret is returned once.
func (r *Rooms) NewClient(ctx context.Context, account, name string, rights []string) (id, secret string, err error) {
	var granted []authz.Right
	for _, right := range rights {
		if !slices.Contains(authn.ClientRights, authz.Right(right)) {
			return "", "", errs.New(errs.Invalid, "right.unknown", "There is no right %q to give; there are %q.", right, authn.ClientRights).On("right")
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
