package directory

import (
	"slices"
	"strconv"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// The types of Consumable, in the order in which they are answered.
const (
	Seats     = "SEATS"
	PhoneAuth = "PHONE_AUTH"
	KBA       = "KBA"
)

var consumableTypes = []string{Seats, PhoneAuth, KBA}

// Consumable is one quota of an account. A Cap of 0 is no limit; -1 is no limit
// for SEATS and "not at all" for the others.
type Consumable struct {
	Type string // SEATS, PHONE_AUTH or KBA
	Cap  int64  // -1 or more
}

// goodConsumables refuses what cannot be stored. Invalid "consumable.unknown",
// "consumable.twice", "consumable.cap".
func goodConsumables(list []Consumable) error {
	seen := map[string]bool{}
	for _, c := range list {
		switch {
		case !slices.Contains(consumableTypes, c.Type):
			return errs.New(errs.Invalid, "consumable.unknown", "A consumable is SEATS, PHONE_AUTH or KBA.").On("consumables.type")
		case seen[c.Type]:
			return errs.New(errs.Invalid, "consumable.twice", "A consumable is named twice.").On("consumables.type")
		case c.Cap < -1:
			return errs.New(errs.Invalid, "consumable.cap", "A cap is -1, 0 or a positive number.").On("consumables.attributes.cap")
		}
		seen[c.Type] = true
	}
	return nil
}

// storeConsumables sets the caps of an account; what is not in the list stays as
// it is. The account is new, or the caller keeps everybody from its seats.
func storeConsumables(tx *db.Tx, account string, list []Consumable) error {
	for _, c := range list {
		used, err := seatsUnder(tx, account, c)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(`insert into consumables (account_id, type, cap, used) values ($1, $2, $3, $4)
			on conflict (account_id, type) do update set cap = excluded.cap, used = excluded.used`, account, c.Type, c.Cap, used); err != nil {
			return err
		}
	}
	return nil
}

// consumablesText says in an audit event which caps were set.
func consumablesText(list []Consumable) map[string]string {
	detail := map[string]string{}
	for _, c := range list {
		detail[c.Type] = strconv.FormatInt(c.Cap, 10)
	}
	return detail
}
