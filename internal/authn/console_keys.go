package authn

import (
	"context"
	"errors"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// KeysOf are the subscription keys and the account keys of the account p.Account, the oldest first, ended ones too, for
// an operator in the console. Denied "operator.only", "user.inactive".
func (a *Authn) KeysOf(ctx context.Context, p authz.Principal) (subscriptions, accountKeys []HandedKey, err error) {
	if err = a.db.Read(ctx, func(tx *db.Tx) error { _, err := operating(p)(tx); return err }); err != nil {
		return nil, nil, err
	}
	if subscriptions, err = a.keys(ctx, `select id, name, account_id, '' as user_id, created_ms, ended_ms from subscription_keys
		where account_id = $1 order by created_ms, id`, p.Account); err != nil {
		return nil, nil, err
	}
	accountKeys, err = a.keys(ctx, `select id, name, account_id, user_id, created_ms, ended_ms from account_keys
		where account_id = $1 order by created_ms, id`, p.Account)
	return subscriptions, accountKeys, err
}

// NewSubscriptionAs is NewSubscription for an operator in the console. Denied "operator.only", "user.inactive"; and as NewSubscription.
func (a *Authn) NewSubscriptionAs(ctx context.Context, p authz.Principal, account, name string) (id, key string, err error) {
	return a.newSubscription(ctx, operating(p), account, name)
}

// NewAccountKeyAs is NewAccountKey for an operator in the console. Denied "operator.only", "user.inactive"; and as NewAccountKey.
func (a *Authn) NewAccountKeyAs(ctx context.Context, p authz.Principal, account, senderID, name string) (id, key string, err error) {
	return a.newAccountKey(ctx, operating(p), account, senderID, name)
}

// EndSubscriptionAs is EndSubscription for an operator in the console, of the account p.Account. Denied "operator.only",
// "user.inactive"; NotFound "key.unknown".
func (a *Authn) EndSubscriptionAs(ctx context.Context, p authz.Principal, id string) error {
	return a.endSubscription(ctx, onKey(p, `select account_id from subscription_keys where id = $1`, id), id)
}

// EndAccountKeyAs is EndAccountKey as EndSubscriptionAs is EndSubscription.
func (a *Authn) EndAccountKeyAs(ctx context.Context, p authz.Principal, id string) error {
	return a.endAccountKey(ctx, onKey(p, `select account_id from account_keys where id = $1`, id), id)
}

// onKey is an operator who ends a key of the account p.Account.
func onKey(p authz.Principal, find, id string) asker {
	return func(tx *db.Tx) (audit.Actor, error) {
		by, err := directory.OperatorActor(tx, p)
		if err != nil {
			return by, err
		}
		account, err := db.One[string](tx, find, stored(id))
		if errors.Is(err, db.ErrNone) || err == nil && account != p.Account {
			err = errs.New(errs.NotFound, "key.unknown", "There is no such key.")
		}
		return by, err
	}
}

// speaking is an organisation, an internal id, for which a person of the console speaks.
func speaking(p authz.Principal, organisation string) owner {
	return func(tx *db.Tx) (string, audit.Actor, error) {
		by, err := directory.SpeaksFor(tx, p, organisation)
		return organisation, by, err
	}
}

// ProviderOf is the identity provider of an organisation, an internal id, on or off, nil if none was ever set, for whom
// directory.SpeaksFor lets set it. Denied and NotFound as there.
func (a *Authn) ProviderOf(ctx context.Context, p authz.Principal, organisation string) (found *IdentityProvider, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := directory.SpeaksFor(tx, p, organisation); err != nil {
			return err
		}
		r, err := db.One[identityProviderRow](tx, `select `+identityProviderColumns+` from identity_providers where organisation_id = $1`, organisation)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err == nil {
			found = &IdentityProvider{Issuer: r.Issuer, ClientID: r.ClientID, Enabled: r.Enabled, Updated: db.Time(r.UpdatedMs)}
		}
		return err
	})
	return found, err
}

// SetProviderAs is SetIdentityProvider, for whom directory.SpeaksFor lets set it, of an organisation given by its
// internal id. The provider is asked nothing for anybody else. Denied and NotFound as there; and as SetIdentityProvider.
func (a *Authn) SetProviderAs(ctx context.Context, p authz.Principal, organisation, issuer, clientID, clientSecret string) error {
	of := speaking(p, organisation)
	if err := a.db.Read(ctx, func(tx *db.Tx) error { _, _, err := of(tx); return err }); err != nil {
		return err
	}
	return a.setProvider(ctx, of, issuer, clientID, clientSecret)
}

// EndProviderAs is EndIdentityProvider as SetProviderAs is SetIdentityProvider.
func (a *Authn) EndProviderAs(ctx context.Context, p authz.Principal, organisation string) error {
	return a.endProvider(ctx, speaking(p, organisation))
}
