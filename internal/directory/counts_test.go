package directory_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// recounted are the numbers of an account's users by licence and status: as the counters tell, and as the users do.
func (h *house) recounted(account string, licences ...string) (counted, real map[string]int64) {
	h.t.Helper()
	counted, real = map[string]int64{}, map[string]int64{}
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		for _, licence := range append(licences, "") {
			for _, status := range []string{"active", "inactive", "all"} {
				f := directory.ListedFilter{Status: status, Licence: licence}
				n, err := directory.CountUsers(tx, account, f)
				if err != nil {
					return err
				}
				list, err := directory.ListUsersAfter(tx, account, f, "", 10_000)
				if err != nil {
					return err
				}
				counted[licence+" "+status], real[licence+" "+status] = n, int64(len(list))
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return counted, real
}

// Acts of many kinds on the same users at once: the counters are what a count of the users says, and none is lost to a deadlock.
func TestUserCountsEqualARecount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		var users []directory.User
		for i := range 8 {
			users = append(users, v.user(a, fmt.Sprintf("first%d@partner.example", i)))
		}
		h.write(func(tx *db.Tx) error {
			for i := range 4 {
				u, err := directory.AddUser(tx, a.ID, directory.NewUser{Email: fmt.Sprintf("plain%d@partner.example", i)}, directory.Standing{Status: directory.Active})
				if err != nil {
					return err
				}
				users = append(users, u)
			}
			return directory.DefineLicence(tx, a.ID, "clm", "CLM")
		})
		rounds := dbtest.Rounds(3, 100)
		for round := range rounds {
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for n := range 12 {
						if err := h.randomAct(v, a, users, fmt.Sprintf("%d-%d-%d", round, i, n)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			counted, real := h.recounted(a.ID, directory.LicenceSign, directory.LicenceSalesforce, "clm")
			if !maps.Equal(counted, real) {
				t.Fatalf("round %d: counted %v, are %v", round, counted, real)
			}
		}
		t.Logf("%d rounds of 96 acts at once", rounds)
	})
}

// randomAct does something to a user; refusals are part of life.
func (h *house) randomAct(v *vendor, a directory.Account, users []directory.User, name string) error {
	u := users[rand.IntN(len(users))]
	licence := []string{directory.LicenceSign, directory.LicenceSalesforce, "clm"}[rand.IntN(3)]
	p := v.operatorAt(a)
	write := func(act func(tx *db.Tx) error) error { return h.db.Write(context.Background(), act) }
	var err error
	switch rand.IntN(10) {
	case 0:
		_, err = v.create(a, "new"+name+"@partner.example")
	case 1:
		err = h.EndUser(context.Background(), p, u.SenderID)
	case 2:
		_, err = h.RestoreUser(context.Background(), p, u.SenderID)
	case 3:
		_, err = h.LockUser(context.Background(), p, u.SenderID)
	case 4:
		_, err = h.UnlockUser(context.Background(), p, u.SenderID)
	case 5, 6:
		err = write(func(tx *db.Tx) error { _, err := directory.GiveLicence(tx, a.ID, licence, u.ID); return err })
	case 7:
		err = write(func(tx *db.Tx) error { _, err := directory.TakeLicence(tx, a.ID, licence, u.ID); return err })
	case 8:
		_, _, err = h.InviteSender(context.Background(), p, directory.NewUser{Email: u.Email})
	case 9:
		err = v.change(u, u.Email, []string{"ACTIVE", "INACTIVE"}[rand.IntN(2)])
	}
	if err != nil && errs.KindOf(err) == errs.Fault {
		return fmt.Errorf("act %s: %w", name, err)
	}
	return nil
}

// A list is in pages, each user once, whatever the filter; how many there are is told without looking at them.
func TestListedUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		var ended, plain directory.User
		for i := range 7 {
			if u := h.sender(fmt.Sprintf("s%d@example.com", i), "Mary", fmt.Sprintf("Doe%d", i)); i == 3 {
				ended = u
			}
		}
		h.write(func(tx *db.Tx) (err error) {
			if plain, err = directory.AddUser(tx, h.home.ID, directory.NewUser{Email: "plain@example.com", Title: "Clerk"}, directory.Standing{Status: directory.Active}); err != nil {
				return err
			}
			if _, err = directory.GiveLicence(tx, h.home.ID, directory.LicenceSalesforce, plain.ID); err != nil {
				return err
			}
			return directory.SignedIn(tx, plain.ID)
		})
		if err := h.EndUser(t.Context(), h.p, ended.SenderID); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name  string
			f     directory.ListedFilter
			total int64
		}{
			{"all", directory.ListedFilter{}, 9}, {"all", directory.ListedFilter{Status: "all"}, 9},
			{"active", directory.ListedFilter{Status: "active"}, 8}, {"inactive", directory.ListedFilter{Status: "inactive"}, 1},
			{"licence", directory.ListedFilter{Licence: directory.LicenceSign}, 8},
			{"licence of the living", directory.ListedFilter{Status: "active", Licence: directory.LicenceSign}, 7},
			{"licence", directory.ListedFilter{Licence: directory.LicenceSalesforce}, 1}, {"licence", directory.ListedFilter{Licence: "none"}, 0},
			{"sender", directory.ListedFilter{SenderID: plain.SenderID}, 1}, {"sender", directory.ListedFilter{SenderID: "none\x00"}, 0},
			{"e-mail", directory.ListedFilter{Email: "Plain@Example.com"}, 1}, {"search", directory.ListedFilter{Search: "mary"}, 7},
			{"dormant", directory.ListedFilter{LastLoginBefore: plain.Created}, 8}, {"dormant", directory.ListedFilter{LastLoginBefore: time.Unix(0, 0)}, 8},
			{"dormant", directory.ListedFilter{LastLoginBefore: plain.Created.AddDate(1, 0, 0)}, 9},
		} {
			seen, after := map[string]bool{}, ""
			for {
				page, err := h.Users(t.Context(), h.p, c.f, after, 2)
				if err != nil || page.Total != c.total || page.Version == 0 {
					t.Fatalf("%s: %+v, %v, want %d in all", c.name, page, err, c.total)
				}
				for _, u := range page.Users {
					seen[u.ID] = true
					if u.Alive != (u.ID != ended.ID) || u.ID == plain.ID && (u.Title != "Clerk" || u.LastLogin.IsZero() || fmt.Sprint(u.Licences) != "[salesforce]") ||
						u.Sender && fmt.Sprint(u.Licences) != "[conga_sign]" {
						t.Errorf("%s: %+v", c.name, u)
					}
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if int64(len(seen)) != c.total {
				t.Errorf("%s: %d users, want %d", c.name, len(seen), c.total)
			}
		}
		_, err := h.Users(t.Context(), h.p, directory.ListedFilter{Status: "ACTIVE"}, "", 10)
		refused(t, err, errs.Invalid, "query.status")
		_, err = h.Users(t.Context(), h.p, directory.ListedFilter{}, "", 1001)
		refused(t, err, errs.Invalid, "query.limit")
	})
}

func TestLicences(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		u := h.sender("mary@example.com", "Mary", "Doe")
		h.write(func(tx *db.Tx) error {
			give := func(licence string, want bool) {
				t.Helper()
				if changed, err := directory.GiveLicence(tx, h.home.ID, licence, u.ID); err != nil || changed != want {
					t.Errorf("given %s: %v, %v", licence, changed, err)
				}
			}
			_, err := directory.GiveLicence(tx, h.home.ID, "clm", u.ID)
			refused(t, err, errs.Invalid, "licence.unknown")
			for _, name := range []string{"", "Clm", "1clm", "conga_sign", "clm\x00"} {
				refused(t, directory.DefineLicence(tx, h.home.ID, name, ""), errs.Invalid, "licence.name")
			}
			for _, title := range []string{"", "Conga CLM"} {
				if err := directory.DefineLicence(tx, h.home.ID, "clm", title); err != nil {
					t.Error(err)
				}
			}
			give("clm", true)
			give("clm", false)
			give(directory.LicenceSign, false)
			_, err = directory.TakeLicence(tx, h.home.ID, directory.LicenceSign, u.ID)
			refused(t, err, errs.Conflict, "licence.sender")
			_, err = directory.GiveLicence(tx, "another account", directory.LicenceSalesforce, u.ID)
			refused(t, err, errs.NotFound, "user.unknown")
			if of, err := directory.LicencesOf(tx, u.ID); fmt.Sprint(of) != "[clm conga_sign]" || err != nil {
				t.Errorf("has %v, %v", of, err)
			}
			if all, err := directory.Licences(tx, h.home.ID); fmt.Sprint(all) != "[{clm Conga CLM false} {conga_sign Conga Sign true} {salesforce Salesforce true}]" || err != nil {
				t.Errorf("are %v, %v", all, err)
			}
			for _, want := range []bool{true, false} {
				if changed, err := directory.TakeLicence(tx, h.home.ID, "clm", u.ID); err != nil || changed != want {
					t.Errorf("taken: %v, %v", changed, err)
				}
			}
			return nil
		})
	})
}
