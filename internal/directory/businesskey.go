package directory

import (
	"cmp"
	"slices"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// maxKeys of one user.
const maxKeys = 100

// BusinessKey is how another system knows a user; Type names the system.
type BusinessKey struct{ Type, Value string }

// clean brings a key into its stored form. Both are compared letter for letter, as the other system gave them. Invalid
// "business_key.malformed".
func (k BusinessKey) clean() (BusinessKey, error) {
	var good [2]bool
	k.Type, good[0] = line(k.Type)
	k.Value, good[1] = line(k.Value)
	if !good[0] || !good[1] || k.Type == "" || k.Value == "" {
		return k, errs.New(errs.Invalid, "business_key.malformed",
			"A business key has a type and a value, each one line of at most %d visible characters.", maxLine).On("businessKeys")
	}
	return k, nil
}

// AddBusinessKey makes a key a user's, whoever else tries at the same moment; again it changes nothing. Conflict
// "business_key.taken"; Invalid "business_key.malformed"; NotFound "user.unknown".
func AddBusinessKey(tx *db.Tx, account, user string, k BusinessKey) error {
	k, err := k.clean()
	if err == nil {
		_, err = holdOf(tx, account, user)
	}
	if err != nil {
		return err
	}
	return claimKey(tx, account, user, k)
}

// claimKey is AddBusinessKey of a clean key; the caller holds the user.
func claimKey(tx *db.Tx, account, user string, k BusinessKey) error {
	changed, err := tx.Exec(`insert into business_keys (account_id, type, value, user_id, created_ms) values ($1, $2, $3, $4, clock_ms())
		on conflict do nothing`, account, k.Type, k.Value, user)
	if err != nil || changed == 1 {
		return err
	}
	mine, err := db.One[bool](tx, `select exists (select 1 from business_keys where account_id = $1 and type = $2 and value = $3 and user_id = $4)`,
		account, k.Type, k.Value, user)
	if err == nil && !mine {
		err = errs.New(errs.Conflict, "business_key.taken", "Another user of the account has this business key.").On("businessKeys").
			With("type", k.Type).With("value", k.Value)
	}
	return err
}

// UserByBusinessKey finds the account's user of a key, deactivated ones too. NotFound "business_key.unknown".
func UserByBusinessKey(tx *db.Tx, account string, k BusinessKey) (User, error) {
	k, err := k.clean()
	if err != nil {
		return User{}, unknownKey()
	}
	u, err := oneUser(tx, `where u.id = (select b.user_id from business_keys b where b.account_id = $1 and b.type = $2 and b.value = $3)`,
		account, k.Type, k.Value)
	if errs.KindOf(err) == errs.NotFound {
		err = unknownKey()
	}
	return u, err
}

func unknownKey() error {
	return errs.New(errs.NotFound, "business_key.unknown", "No user of the account has this business key.").On("businessKey")
}

// BusinessKeysOf are a user's keys, by type and value.
func BusinessKeysOf(tx *db.Tx, user string) ([]BusinessKey, error) {
	keys, err := db.All[BusinessKey](tx, `select type, value from business_keys where user_id = $1`, user)
	sortKeys(keys)
	return keys, err
}

func sortKeys(keys []BusinessKey) {
	slices.SortFunc(keys, func(a, b BusinessKey) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value)) })
}

// SetBusinessKeys puts keys in the place of those the user has. As AddBusinessKey; Invalid "business_key.too_many" for
// more than 100.
func SetBusinessKeys(tx *db.Tx, account, user string, keys []BusinessKey) error {
	if len(keys) > maxKeys {
		return errs.New(errs.Invalid, "business_key.too_many", "A user has at most %d business keys.", maxKeys).On("businessKeys")
	}
	next := make([]BusinessKey, len(keys))
	for i, k := range keys {
		var err error
		if next[i], err = k.clean(); err != nil {
			return err
		}
	}
	sortKeys(next) // one order, so that two calls with the same keys do not wait for each other
	if _, err := holdOf(tx, account, user); err != nil {
		return err
	}
	was, err := BusinessKeysOf(tx, user)
	if err != nil {
		return err
	}
	for _, k := range was {
		if slices.Contains(next, k) {
			continue
		}
		if _, err = tx.Exec(`delete from business_keys where account_id = $1 and type = $2 and value = $3 and user_id = $4`,
			account, k.Type, k.Value, user); err != nil {
			return err
		}
	}
	for _, k := range slices.Compact(next) {
		if slices.Contains(was, k) {
			continue
		}
		if err = claimKey(tx, account, user, k); err != nil {
			return err
		}
	}
	return nil
}
