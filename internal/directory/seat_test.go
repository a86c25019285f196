package directory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// holders counts those who hold a seat of an account, and what the account says is used.
func (h *house) holders(a directory.Account) (living, used int) {
	h.t.Helper()
	return h.count(`select count(*) from users where account_id = $1 and status <> 'INACTIVE' and user_type <> 'Integration'`, a.ID),
		h.count(`select used from consumables where account_id = $1 and type = 'SEATS'`, a.ID)
}

// T8: of 50 who are made at once in an account of k seats, k are.
func TestT8SeatsAreExact(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		rounds, over, under := dbtest.Rounds(5, 200), 0, 0
		for round := range rounds {
			cap := 1 + rand.IntN(49)
			a := v.account(fmt.Sprintf("Account%d", round), seats(int64(cap)))
			won := race(t, 50, func(i int) error {
				email := fmt.Sprintf("u%d-%d@partner.example", round, i)
				if i%5 == 0 { // by the way of the house's own accounts
					return d.Write(context.Background(), func(tx *db.Tx) error {
						_, err := directory.AddUser(tx, a.ID, directory.NewUser{Email: email}, directory.Standing{Status: directory.Invited, Sender: true})
						return err
					})
				}
				_, err := v.create(a, email)
				return err
			}, "seats.exceeded")
			living, used := h.holders(a)
			over, under = over+max(0, living-cap), under+max(0, cap-living)
			if won != cap || living != cap || used != cap {
				t.Errorf("T8: round %d, %d seats: %d made, %d live, %d used", round, cap, won, living, used)
			}
		}
		t.Logf("T8: %d rounds of 50 creations at once, %d over seats, %d under", rounds, over, under)
	})
}

// T8: caps change while users are made, deactivated and restored; what is used stays the number of holders.
func TestT8CapsChangeMeanwhile(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		rounds, acts, wrong := dbtest.Rounds(5, 200), 0, 0
		for round := range rounds {
			a := v.account(fmt.Sprintf("Account%d", round))
			users := []directory.User{}
			for i := range 8 {
				users = append(users, v.user(a, fmt.Sprintf("first%d-%d@partner.example", round, i)))
			}
			acts += stir(t, h, v, a, users, round)
			if err := v.setCap(a, 1000); err != nil { // counts anew: must agree with what was counted step by step before
				t.Fatal(err)
			}
			acts += stir(t, h, v, a, users, round+1000)
			if cap := h.count(`select cap from consumables where account_id = $1 and type = 'SEATS'`, a.ID); cap <= 0 {
				continue
			}
			if living, used := h.holders(a); living != used {
				wrong++
				t.Errorf("T8: round %d: %d live, %d used", round, living, used)
			}
		}
		t.Logf("T8: %d rounds, %d acts, %d wrong counts", rounds, acts, wrong)
	})
}

func (v *vendor) setCap(a directory.Account, cap int64) error {
	return v.h.ChangePartnerAccount(context.Background(), v.p, a.OuterID,
		directory.PartnerAccountChange{Name: a.Name, Consumables: []directory.Consumable{seats(cap)}})
}

// stir sets caps while users come and go, and ends with a cap.
func stir(t *testing.T, h *house, v *vendor, a directory.Account, users []directory.User, round int) (acts int) {
	t.Helper()
	var wg sync.WaitGroup
	check := func(err error) {
		if err != nil && !errs.Is(err, "seats.exceeded") {
			t.Error(err)
		}
	}
	for i := range 12 {
		wg.Go(func() { _, err := v.create(a, fmt.Sprintf("new%d-%d@partner.example", round, i)); check(err) })
	}
	for i, u := range users {
		wg.Go(func() {
			if i%2 == 0 {
				check(v.change(u, u.Email, "INACTIVE"))
				check(v.change(u, u.Email, "ACTIVE"))
				return
			}
			check(h.db.Write(context.Background(), func(tx *db.Tx) error { _, err := directory.Deactivate(tx, u.ID); return err }))
			check(h.db.Write(context.Background(), func(tx *db.Tx) error { _, err := directory.Restore(tx, u.ID); return err }))
		})
	}
	caps := []int64{5, 0, 12, -1, 9, 20}
	wg.Go(func() {
		for _, cap := range caps {
			check(v.setCap(a, cap))
		}
	})
	wg.Wait()
	return 12 + 2*len(users) + len(caps)
}

func TestSeats(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One", seats(2))
		first, second := v.user(a, "a@partner.example"), v.user(a, "b@partner.example")
		full := func() {
			t.Helper()
			_, err := v.create(a, "new@partner.example")
			refused(t, err, errs.Denied, "seats.exceeded")
		}
		full()
		locked := directory.Locked
		h.write(func(tx *db.Tx) error {
			_, err := directory.ChangeUser(tx, first.ID, directory.UserChange{Status: &locked})
			return err
		})
		full()                          // the locked hold their seats
		h.write(func(tx *db.Tx) error { // programs hold none
			_, err := directory.AddUser(tx, a.ID, directory.NewUser{Email: "p@partner.example"},
				directory.Standing{Status: directory.Active, UserType: directory.Integration})
			return err
		})
		if err := v.change(second, second.Email, "INACTIVE"); err != nil {
			t.Fatal(err)
		}
		third := v.user(a, "c@partner.example")
		refused(t, v.change(second, second.Email, "ACTIVE"), errs.Denied, "seats.exceeded")
		err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Restore(tx, second.ID); return err })
		refused(t, err, errs.Denied, "seats.exceeded")
		if err := v.setCap(a, 1); err != nil { // below what is used: bars nobody who is there
			t.Fatal(err)
		}
		if living, used := h.holders(a); living != 2 || used != 2 {
			t.Errorf("lowered: %d live, %d used", living, used)
		}
		if err := v.change(third, third.Email, "INACTIVE"); err != nil {
			t.Fatal(err)
		}
		full()
		for _, unlimited := range []int64{0, -1} {
			if err := v.setCap(a, unlimited); err != nil {
				t.Fatal(err)
			}
			v.user(a, fmt.Sprintf("more%d@partner.example", 1+unlimited))
			if _, used := h.holders(a); used != 0 {
				t.Errorf("%d seats counted without a cap", used)
			}
		}
		if err := v.setCap(a, 3); err != nil {
			t.Fatal(err)
		}
		full()
	})
}
