package authn

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	subscriptionPurpose = "subscription.key"
	accountKeyPurpose   = "account.key"
	accountTokenLife    = 24 * time.Hour
)

// accountRights is all that a token made with an account key is for.
var accountRights = []authz.Right{authz.ManageUsers, authz.IntelAgree, authz.Impersonate}

// HandedKey is a subscription key or an account key, without its text.
type HandedKey struct {
	ID, Name string
	Account  string // internal id
	User     string // internal id of the API user, of an account key
	SenderID string // his outer id
	Created  time.Time
	Ended    time.Time // zero: it is good
}

type handedKeyRow struct {
	ID, Name, AccountID, UserID string
	CreatedMs                   int64
	EndedMs                     *int64
}

func (r handedKeyRow) key() HandedKey {
	k := HandedKey{ID: r.ID, Name: r.Name, Account: r.AccountID, User: r.UserID, Created: db.Time(r.CreatedMs)}
	if r.EndedMs != nil {
		k.Ended = db.Time(*r.EndedMs)
	}
	return k
}

// NewSubscription makes a subscription key, which every call of the IntelAgree interface carries, of the account with that
// outer id. It is shown here and never again. It is the operator's act. NotFound "account.unknown"; Invalid "name.missing",
// "name.malformed".
func (a *Authn) NewSubscription(ctx context.Context, account, name string) (id, key string, err error) {
	return a.newSubscription(ctx, commanded, account, name)
}

func (a *Authn) newSubscription(ctx context.Context, who asker, account, name string) (id, key string, err error) {
	return a.newKey(ctx, who, account, name, func(tx *db.Tx, by audit.Actor, home directory.Account, name, id, key string) error {
		_, err := tx.Exec(`insert into subscription_keys (id, account_id, name, hash, created_ms) values ($1, $2, $3, $4, clock_ms())`,
			id, home.ID, name, a.box.Hash(subscriptionPurpose, key))
		if err != nil {
			return err
		}
		return recordKey(tx, by, "subscription.made", handedKeyRow{ID: id, AccountID: home.ID})
	})
}

// NewAccountKey makes an account key, with which a program gets tokens that act as one user, given by his outer id, of an
// account. It is shown here and never again. It is the operator's act. As NewSubscription, and NotFound "user.unknown";
// Denied "member.inactive".
func (a *Authn) NewAccountKey(ctx context.Context, account, senderID, name string) (id, key string, err error) {
	return a.newAccountKey(ctx, commanded, account, senderID, name)
}

func (a *Authn) newAccountKey(ctx context.Context, who asker, account, senderID, name string) (id, key string, err error) {
	return a.newKey(ctx, who, account, name, func(tx *db.Tx, by audit.Actor, home directory.Account, name, id, key string) error {
		u, err := directory.UserBySender(tx, home.ID, senderID)
		if err == nil {
			err = directory.HoldActiveUser(tx, u.ID)
		}
		if err != nil {
			return err
		}
		if _, err = tx.Exec(`insert into account_keys (id, account_id, user_id, name, hash, created_ms) values ($1, $2, $3, $4, $5, clock_ms())`,
			id, home.ID, u.ID, name, a.box.Hash(accountKeyPurpose, key)); err != nil {
			return err
		}
		return recordKey(tx, by, "account_key.made", handedKeyRow{ID: id, AccountID: home.ID, UserID: u.ID})
	})
}

// newKey makes a key of 256 bits in hexadecimal digits.
func (a *Authn) newKey(ctx context.Context, who asker, account, name string, keep func(tx *db.Tx, by audit.Actor, home directory.Account, name, id, key string) error) (id, key string, err error) {
	if name, err = label(name); err != nil {
		return "", "", err
	}
	id, key = secret.NewGUID(), hex.EncodeToString(secret.Bytes(32))
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
		home, err := directory.AccountByOuterID(tx, account)
		if err != nil {
			return err
		}
		return keep(tx, by, home, name, id, key)
	})
	if err != nil {
		return "", "", err
	}
	return id, key, nil
}

func recordKey(tx *db.Tx, by audit.Actor, event string, r handedKeyRow) error {
	detail := map[string]string{"key": r.ID}
	if r.UserID != "" {
		detail["user"] = r.UserID
	}
	_, err := audit.Append(tx, audit.Event{Type: event, Account: r.AccountID, Actor: by, Detail: detail})
	return err
}

// Subscriptions are all subscription keys, the oldest first, ended ones too. It is the operator's to ask.
func (a *Authn) Subscriptions(ctx context.Context) ([]HandedKey, error) {
	return a.keys(ctx, `select id, name, account_id, '' as user_id, created_ms, ended_ms from subscription_keys order by created_ms, id`)
}

// AccountKeys are all account keys, the oldest first, ended ones too. It is the operator's to ask.
func (a *Authn) AccountKeys(ctx context.Context) ([]HandedKey, error) {
	return a.keys(ctx, `select id, name, account_id, user_id, created_ms, ended_ms from account_keys order by created_ms, id`)
}

func (a *Authn) keys(ctx context.Context, query string, args ...any) (list []HandedKey, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[handedKeyRow](tx, query, args...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			k := r.key()
			if k.User != "" {
				u, err := directory.UserByID(tx, k.User)
				if err != nil {
					return err
				}
				k.SenderID = u.SenderID
			}
			list = append(list, k)
		}
		return nil
	})
	return list, err
}

// EndSubscription ends a subscription key at once. Again it changes nothing. It is the operator's act. NotFound "key.unknown".
func (a *Authn) EndSubscription(ctx context.Context, id string) error {
	return a.endSubscription(ctx, commanded, id)
}

func (a *Authn) endSubscription(ctx context.Context, who asker, id string) error {
	return a.endKey(ctx, who, "subscription.ended", id, `select id, name, account_id, '' as user_id, created_ms, ended_ms from subscription_keys where id = $1`,
		`update subscription_keys set ended_ms = clock_ms() where id = $1 and ended_ms is null`)
}

// EndAccountKey ends an account key; the tokens made with it die, here at once and on other replicas within a second.
// Again it changes nothing. It is the operator's act. NotFound "key.unknown".
func (a *Authn) EndAccountKey(ctx context.Context, id string) error {
	return a.endAccountKey(ctx, commanded, id)
}

func (a *Authn) endAccountKey(ctx context.Context, who asker, id string) error {
	return a.endKey(ctx, who, "account_key.ended", id, `select id, name, account_id, user_id, created_ms, ended_ms from account_keys where id = $1`,
		`update account_keys set ended_ms = clock_ms() where id = $1 and ended_ms is null`)
}

func (a *Authn) endKey(ctx context.Context, who asker, event, id, find, end string) error {
	err := a.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
		r, err := db.One[handedKeyRow](tx, find, stored(id))
		if err != nil {
			return orUnknown(err, errs.New(errs.NotFound, "key.unknown", "There is no such key."))
		}
		changed, err := tx.Exec(end, r.ID)
		if err != nil || changed == 0 {
			return err
		}
		if _, err = directory.Raise(tx, directory.OfClient, r.ID); err != nil {
			return err
		}
		return recordKey(tx, by, event, r)
	})
	if err == nil {
		a.catchUp(ctx)
	}
	return err
}

// CheckSubscription finds the subscription of a key: its id and the internal id of its account. What was ended it sees at
// once. Unauthenticated "subscription.missing", "subscription.invalid".
func (a *Authn) CheckSubscription(ctx context.Context, key string) (found HandedKey, err error) {
	if key == "" {
		return found, errs.New(errs.Unauthenticated, "subscription.missing", "A subscription key is needed.")
	}
	err = a.db.Peek(ctx, func(tx *db.Tx) error {
		found, err = a.subscribed(tx, key)
		return err
	})
	return found, err
}

func (a *Authn) subscribed(tx *db.Tx, key string) (HandedKey, error) {
	r, err := db.One[handedKeyRow](tx, `select id, name, account_id, '' as user_id, created_ms, ended_ms from subscription_keys
		where hash = $1 and ended_ms is null`, a.box.Hash(subscriptionPurpose, key))
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.Unauthenticated, "subscription.invalid", "The subscription key is not valid, or not any more.")
	}
	return r.key(), err
}

// AccountToken gives an opaque token, good for 24 hours, that acts as the user of an account key. What it may do is what he
// holds when it is used, of what the IntelAgree interface is for. The account key is one of the subscription's account; the
// principal's Credential is the subscription, without whose key the token is good for nothing.
// Unauthenticated "subscription.missing", "subscription.invalid", "account_key.invalid".
func (a *Authn) AccountToken(ctx context.Context, subscriptionKey, accountKey string) (token string, expires time.Time, err error) {
	if subscriptionKey == "" {
		return "", expires, errs.New(errs.Unauthenticated, "subscription.missing", "A subscription key is needed.")
	}
	token = hex.EncodeToString(secret.Bytes(appTokenBytes))
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		subscription, err := a.subscribed(tx, subscriptionKey)
		if err != nil {
			return err
		}
		f, err := a.accountFooting(tx, subscription, accountKey)
		if err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		expires = now.Add(accountTokenLife).Truncate(time.Second)
		if _, err = tx.Exec(`insert into app_tokens (hash, standing, expires_ms) values ($1, $2, $3)`,
			a.box.Hash(appTokenPurpose, token), db.AsJSON(f), expires.UnixMilli()); err != nil {
			return err
		}
		if err = directory.SignedIn(tx, f.Principal.User); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "account_key.token_made", Account: subscription.Account, Actor: audit.By(f.Principal),
			Detail: map[string]string{"key": f.Principal.Client}})
		return err
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return token, expires, nil
}

// accountFooting is what a token made with an account key stands on. It holds the key: who ends it meanwhile ends the token,
// too. Unauthenticated "account_key.invalid".
func (a *Authn) accountFooting(tx *db.Tx, subscription HandedKey, key string) (f footing, err error) {
	r, err := db.One[handedKeyRow](tx, `update account_keys set ended_ms = null
		where hash = $1 and account_id = $2 and ended_ms is null returning id, name, account_id, user_id, created_ms, ended_ms`, a.box.Hash(accountKeyPurpose, key), subscription.Account)
	var u directory.User
	if err == nil {
		u, f.Generations, err = userStanding(tx, r.UserID, r.ID)
	}
	if errors.Is(err, db.ErrNone) || errs.KindOf(err) == errs.Unauthenticated {
		err = errs.New(errs.Unauthenticated, "account_key.invalid", "The account key is not valid, or not any more.")
	}
	f.Within = accountRights
	f.Principal = authz.Principal{Client: r.ID, Credential: subscription.ID, Organisation: u.Organisation, Account: u.Account, User: u.ID}
	return f, err
}

// Impersonated is p, acting as the user whom a business key names, as far as both may act.
//
// Denied "right.missing"; Invalid "impersonation.unknown"; Denied "impersonation.inactive" for a user who is locked or
// deactivated, "impersonation.nested" for who acts as somebody else already.
func (a *Authn) Impersonated(ctx context.Context, p authz.Principal, k directory.BusinessKey) (authz.Principal, error) {
	if err := p.Need(authz.Impersonate); err != nil {
		return authz.Principal{}, err
	}
	if p.For != "" {
		return authz.Principal{}, errs.New(errs.Denied, "impersonation.nested", "Who acts as another user cannot act as a third.")
	}
	as := p
	err := a.db.Read(ctx, func(tx *db.Tx) error {
		u, err := directory.UserByBusinessKey(tx, p.Account, k)
		switch {
		case errs.KindOf(err) == errs.NotFound, errs.KindOf(err) == errs.Invalid:
			return errs.New(errs.Invalid, "impersonation.unknown", "There is no user to act as.")
		case err != nil:
			return err
		case !u.Alive():
			return errs.New(errs.Denied, "impersonation.inactive", "The user to act as is locked or deactivated.")
		}
		rights, err := access.RightsOf(tx, u.ID)
		// What stands on the credential stands on its own user, not on this one.
		as.User, as.For, as.Stands, as.Rights = u.ID, p.User, "", both(p.Rights, rights)
		return err
	})
	if err != nil {
		return authz.Principal{}, err
	}
	return as, nil
}
