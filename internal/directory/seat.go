package directory

import (
	"errors"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// A seat is held by every user who is not INACTIVE and no program. They are
// counted in consumables.used, exactly, while the cap is above 0, and not at all
// without a cap, so that accounts without one have no row that all must wait for.
//
// On PostgreSQL three kinds of lock on the account's row keep the count exact.
// Who makes a user holds FOR KEY SHARE by the users row's foreign key and counts
// in a later statement. Who deactivates or restores one takes FOR NO KEY UPDATE
// before he writes the users row. Who sets a cap changes the unique key
// (id, seats_version), which is FOR UPDATE: it waits for both and keeps both out
// until the new count stands. Nobody goes from a weaker lock to a stronger one:
// two who did would wait for each other.

// holdsSeat reports that a user of this type holds a seat while he lives.
func holdsSeat(userType string) bool { return userType != Integration }

// seats is the cap as it was read; 0 or less is none.
func (a Account) seats() int64 {
	for _, c := range a.Consumables {
		if c.Type == Seats {
			return c.Cap
		}
	}
	return 0
}

// takeSeat counts a seat whose holder's users row was written by an earlier
// statement of this transaction. capped is whether the account seemed to have a
// cap; it saves a statement and decides nothing. Denied "seats.exceeded".
func takeSeat(tx *db.Tx, account string, capped bool) error {
	if !capped {
		cap, err := seatCap(tx, account)
		if err != nil || cap <= 0 {
			return err
		}
	}
	changed, err := tx.Exec(`update consumables set used = used + 1
		where account_id = $1 and type = 'SEATS' and cap > 0 and used < cap`, account)
	if err != nil || changed == 1 {
		return err
	}
	cap, err := seatCap(tx, account)
	if err == nil && cap > 0 {
		err = errs.New(errs.Denied, "seats.exceeded", "All %d seats of the account are taken.", cap)
	}
	return err
}

// seatCap is the cap in force; 0 or less is none.
func seatCap(tx *db.Tx, account string) (int64, error) {
	cap, err := db.One[int64](tx, `select cap from consumables where account_id = $1 and type = 'SEATS'`, account)
	if errors.Is(err, db.ErrNone) {
		return 0, nil
	}
	return cap, err
}

// holdAccount keeps the caps of an account as they are until the transaction ends.
func holdAccount(tx *db.Tx, account string) error {
	_, err := tx.Exec(`update accounts set updated_ms = updated_ms where id = $1`, account)
	return err
}

// freeSeat counts the seat of a user who is deactivated. The caller holds the account.
func freeSeat(tx *db.Tx, account string) error {
	_, err := tx.Exec(`update consumables set used = used - 1
		where account_id = $1 and type = 'SEATS' and cap > 0 and used > 0`, account)
	return err
}

// seatsUnder is how much of a consumable is used when its cap is set; the caller has locked the seats.
func seatsUnder(tx *db.Tx, account string, c Consumable) (int64, error) {
	if c.Type != Seats || c.Cap <= 0 {
		return 0, nil
	}
	return seatsTaken(tx, account)
}

// seatsTaken counts who holds a seat.
func seatsTaken(tx *db.Tx, account string) (int64, error) {
	return db.One[int64](tx, `select count(*) from users where account_id = $1 and status <> 'INACTIVE' and user_type <> $2`,
		account, Integration)
}
