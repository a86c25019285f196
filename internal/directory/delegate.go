package directory

import (
	"context"
	"encoding/json"
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// maxDelegates of one sender.
const maxDelegates = 100

// Delegates are the senders who a sender says may act for him; the list is kept
// for clients, and gives nobody a right. Who was deactivated since is left out. Denied
// "account.not_manager", "user.inactive"; NotFound "sender.unknown".
func (d *Directory) Delegates(ctx context.Context, p authz.Principal, senderID string) (list []User, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		u, _, err := ownOr(tx, p, senderID)
		if err != nil {
			return err
		}
		list, err = delegatesOf(tx, u)
		return err
	})
	return list, err
}

func delegatesOf(tx *db.Tx, u User) ([]User, error) {
	data, err := DocumentOf(tx, u.Account, delegates, u.ID)
	if err != nil {
		return nil, err
	}
	list := []User{}
	for _, id := range read[[]string](data) {
		d, err := sender(tx, u.Account, id)
		if errs.KindOf(err) == errs.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if d.Status != Inactive {
			list = append(list, d)
		}
	}
	return list, nil
}

// ChangeDelegates puts what change makes of the sender ids of a sender's
// delegates in their place. Each is once in the list.
//
// Denied "account.not_manager", "user.inactive"; NotFound "sender.unknown"; Invalid
// "delegate.unknown", "delegate.self", "delegate.too_many" for more than 100.
func (d *Directory) ChangeDelegates(ctx context.Context, p authz.Principal, senderID string,
	change func(was []string) []string) (list []User, err error) {
	err = d.ownOr(ctx, p, senderID, func(tx *db.Tx, by, u User) error {
		if _, err := holdDocument(tx, u.Account, delegates, u.ID); err != nil {
			return err
		}
		alive, err := delegatesOf(tx, u)
		if err != nil {
			return err
		}
		was := []string{}
		for _, d := range alive {
			was = append(was, d.SenderID)
		}
		next, err := checkDelegates(tx, u, change(was))
		if err == nil {
			err = storeDocument(tx, u.Account, delegates, u.ID, next)
		}
		if err != nil {
			return err
		}
		if list, err = delegatesOf(tx, u); err != nil {
			return err
		}
		return record(tx, p, by, "sender.delegates_changed", map[string]string{"user": u.ID}, u)
	})
	return list, err
}

// checkDelegates is the document of a list of sender ids, nil for an empty one.
func checkDelegates(tx *db.Tx, u User, ids []string) (json.RawMessage, error) {
	out := []string{}
	for _, id := range ids {
		if slices.Contains(out, id) {
			continue
		}
		d, err := sender(tx, u.Account, id)
		if errs.KindOf(err) == errs.NotFound || err == nil && d.Status == Inactive {
			return nil, errs.New(errs.Invalid, "delegate.unknown", "A delegate must be a sender of the account.").On("id")
		}
		if err != nil {
			return nil, err
		}
		if d.ID == u.ID {
			return nil, errs.New(errs.Invalid, "delegate.self", "A sender cannot be his own delegate.").On("id")
		}
		out = append(out, id)
	}
	if len(out) > maxDelegates {
		return nil, errs.New(errs.Invalid, "delegate.too_many", "A sender has at most %d delegates.", maxDelegates)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return json.Marshal(out)
}
