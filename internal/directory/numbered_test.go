package directory_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Of many who claim a business key at once one has it, and it is found again.
func TestBusinessKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, p2 := h.account("Other Ltd", "")
		type key = directory.BusinessKey
		k := key{Type: "Salesforce", Value: "005"}
		var users []directory.User
		for i := range 16 {
			users = append(users, h.sender(fmt.Sprintf("s%d@example.com", i), "", ""))
		}
		won := race(t, 16, func(i int) error {
			return d.Write(context.Background(), func(tx *db.Tx) error { return directory.AddBusinessKey(tx, h.home.ID, users[i].ID, k) })
		}, "business_key.taken")
		if won != 1 {
			t.Errorf("%d users have the key", won)
		}
		h.write(func(tx *db.Tx) error {
			u, err := directory.UserByBusinessKey(tx, h.home.ID, key{" Salesforce", "005 "})
			if err != nil {
				return err
			}
			if err = directory.AddBusinessKey(tx, h.home.ID, u.ID, k); err != nil { // again
				t.Error(err)
			}
			_, err = directory.UserByBusinessKey(tx, p2.Account, k)
			refused(t, err, errs.NotFound, "business_key.unknown")
			for _, bad := range []key{{"", "1"}, {"SAP", ""}, {"SAP", "a\nb"}, {"SAP", "\x00"}} {
				refused(t, directory.AddBusinessKey(tx, h.home.ID, u.ID, bad), errs.Invalid, "business_key.malformed")
				_, err = directory.UserByBusinessKey(tx, h.home.ID, bad)
				refused(t, err, errs.NotFound, "business_key.unknown")
			}
			refused(t, directory.AddBusinessKey(tx, p2.Account, u.ID, k), errs.NotFound, "user.unknown")
			next := []key{{"SAP", "2"}, k, {"SAP", "1"}, {"SAP", "2"}}
			if err = directory.SetBusinessKeys(tx, h.home.ID, u.ID, next); err != nil {
				return err
			}
			refused(t, directory.SetBusinessKeys(tx, h.home.ID, users[0].ID, make([]key, 101)), errs.Invalid, "business_key.too_many")
			if keys, err := directory.BusinessKeysOf(tx, u.ID); err != nil || !reflect.DeepEqual(keys, []key{{"SAP", "1"}, {"SAP", "2"}, k}) {
				t.Errorf("keys %v, %v", keys, err)
			}
			return directory.SetBusinessKeys(tx, h.home.ID, u.ID, nil)
		})
		h.write(func(tx *db.Tx) error { return directory.AddBusinessKey(tx, h.home.ID, users[3].ID, k) }) // free again
	})
}

// Numbers are given once, without gaps, whoever asks at the same moment, and to who came without one.
func TestNumbers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		var mu sync.Mutex
		seen := map[int64]bool{}
		race(t, 16, func(i int) error {
			return d.Write(context.Background(), func(tx *db.Tx) error {
				n, err := directory.AddNumbered(tx, h.home.ID, directory.NewUser{Email: fmt.Sprintf("n%d@example.com", i), LastName: "Lee"},
					directory.Numbered{LegalName: "Lee"}, "", "")
				tx.OnCommit(func() { mu.Lock(); defer mu.Unlock(); seen[n.Number] = true })
				return err
			})
		}, "")
		if len(seen) != 16 || !seen[1] || !seen[16] {
			t.Errorf("numbers %v", seen)
		}
		mary := h.sender("mary@example.com", "Mary", "Doe")
		h.write(func(tx *db.Tx) error {
			return directory.AddBusinessKey(tx, h.home.ID, mary.ID, directory.BusinessKey{Type: "SAP", Value: "1"})
		})
		given := map[int64]bool{}
		race(t, 8, func(int) error {
			return d.Write(context.Background(), func(tx *db.Tx) error {
				n, err := directory.NumberedByKey(tx, h.home.ID, directory.BusinessKey{Type: "SAP", Value: "1"})
				tx.OnCommit(func() { mu.Lock(); defer mu.Unlock(); given[n.Number] = true })
				return err
			})
		}, "")
		if len(given) != 1 || !given[17] {
			t.Errorf("one user has the numbers %v", given)
		}
	})
}

func TestNumberedUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		by, api := h.sender("by@example.com", "", ""), h.sender("api@example.com", "", "")
		first, last := directory.NameAs("  Pat van  Example ")
		var made directory.Numbered
		h.write(func(tx *db.Tx) (err error) {
			in := directory.NewUser{Email: "pat@example.com", FirstName: first, LastName: last, Title: "Clerk"}
			_, err = directory.AddNumbered(tx, h.home.ID, in, directory.Numbered{LegalName: " "}, by.ID, api.ID)
			refused(t, err, errs.Invalid, "name.missing")
			_, err = directory.AddNumbered(tx, h.home.ID, in, directory.Numbered{LegalName: "Pat", LegalEntity: -1}, by.ID, api.ID)
			refused(t, err, errs.Invalid, "legal_entity.malformed")
			made, err = directory.AddNumbered(tx, h.home.ID, in, directory.Numbered{LegalName: "Patricia Example", AllOrganisations: true, LegalEntity: 7}, by.ID, api.ID)
			return err
		})
		if made.Name() != "Pat van Example" || made.Status != directory.Active || made.Sender || made.CreatedBy != by.ID || made.CreatedFor != api.ID {
			t.Errorf("made %+v", made)
		}
		if mails := h.subjects("pat@example.com"); len(mails) != 0 {
			t.Errorf("mailed %q", mails)
		}
		h.write(func(tx *db.Tx) error {
			got, err := directory.NumberedUser(tx, h.home.ID, made.Number)
			if err != nil || !reflect.DeepEqual(got, made) {
				t.Errorf("got %+v, %v, want %+v", got, err, made)
			}
			_, err = directory.NumberedUser(tx, h.home.ID, 99)
			refused(t, err, errs.NotFound, "user.unknown")
			_, err = directory.ChangeNumbered(tx, h.home.ID, made.Number, directory.NumberedChange{LegalName: ptr("")})
			refused(t, err, errs.Invalid, "name.missing")
			next, err := directory.ChangeNumbered(tx, h.home.ID, made.Number, directory.NumberedChange{Name: ptr("Kim"), Email: ptr("kim@example.com"), LegalEntity: ptr(int64(0))})
			if err != nil || next.Name() != "Kim" || next.Email != "kim@example.com" || next.LegalEntity != 0 || !next.AllOrganisations || next.LegalName != "Patricia Example" {
				t.Errorf("changed %+v, %v", next, err)
			}
			got, err = directory.NumberedByID(tx, h.home.ID, made.ID)
			if err != nil || !reflect.DeepEqual(got, next) {
				t.Errorf("got %+v, %v, want %+v", got, err, next)
			}
			return nil
		})
	})
}
