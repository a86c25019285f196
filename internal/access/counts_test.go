package access_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// plainCounts are the numbers of an account's users by status and licence, counted in the plainest way.
func (w *world) plainCounts() map[string]int64 {
	w.t.Helper()
	type row struct {
		Status  string
		Sender  bool
		Licence string // "" of the line that every user has
	}
	all := map[string]int64{}
	w.read(func(tx *db.Tx) error {
		rows, err := db.All[row](tx, `select status, sender, '' as licence from users where account_id = $1
			union all select u.status, false, l.licence from users u join user_licences l on l.user_id = u.id
				where u.account_id = $1 and not (u.sender and l.licence = 'conga_sign')`, w.home.ID)
		for _, r := range rows {
			status := "active"
			if r.Status == "LOCKED" || r.Status == "INACTIVE" {
				status = "inactive"
			}
			licences := []string{r.Licence}
			if r.Sender {
				licences = append(licences, directory.LicenceSign)
			}
			for _, licence := range licences {
				all[status+" "+licence]++
				all["all "+licence]++
			}
		}
		return err
	})
	return all
}

// deed does something at random to one of the users; refusals are part of life.
func (w *world) deed(r *rand.Rand, users *[]directory.User, given *[]string, presets []int64) error {
	ctx, u := context.Background(), (*users)[r.IntN(len(*users))]
	preset := presets[r.IntN(len(presets))]
	var err error
	switch r.IntN(12) {
	case 0:
		var made access.Made
		made, err = w.CreateUser(ctx, w.op, access.NewUser{Name: "New One", LegalName: "New", Email: fmt.Sprintf("new%d@example.com", len(*users)),
			Presets: []access.Ref{{Number: preset}}})
		if err == nil {
			*users = append(*users, made.User)
		}
	case 1, 2, 3:
		scope := access.Scope{}
		if r.IntN(2) == 0 {
			scope = inOrgs(1)
		}
		var g access.Grant
		if g, err = w.Grant(ctx, w.op, of(u), access.NewGrant{What: access.OfPreset, Number: preset, Scope: scope}); err == nil {
			*given = append(*given, g.ID)
		}
	case 4, 5:
		if len(*given) > 0 {
			err = w.Revoke(ctx, w.op, (*given)[r.IntN(len(*given))])
		}
	case 6:
		_, err = w.directory.LockUser(ctx, w.op, u.SenderID)
	case 7:
		_, err = w.directory.UnlockUser(ctx, w.op, u.SenderID)
	case 8:
		staff := w.op
		staff.Kind, staff.Rights = "staff", append(staff.Rights[:0:0], staff.Rights...)
		err = w.directory.EndUser(ctx, staff, u.SenderID)
	case 9:
		_, err = w.directory.RestoreUser(ctx, w.op, u.SenderID)
	case 10:
		_, _, err = w.directory.InviteSender(ctx, w.op, directory.NewUser{Email: u.Email, FirstName: "In", LastName: "Vited"})
	case 11:
		w.write(func(tx *db.Tx) error { return directory.SignedIn(tx, u.ID) })
	}
	if errs.KindOf(err) == errs.Fault {
		return err
	}
	return nil
}

// After any history the total, the list, its pages and a plain count agree for each status and licence, and a list that
// changed has another version.
func TestTotalsAgreeAfterAnyHistory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, seed := build(t, d), rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		w.entities(1)
		w.write(func(tx *db.Tx) error { return directory.DefineLicence(tx, w.home.ID, "clm", "CLM") })
		presets := []int64{1, 2}
		for _, licence := range []string{"clm", "clm", directory.LicenceSalesforce} {
			p, err := w.DefinePreset(context.Background(), w.op, access.NewPreset{Name: fmt.Sprint("Set ", len(presets)), Licence: licence})
			if err != nil {
				t.Fatal(err)
			}
			presets = append(presets, p.Number)
		}
		var users []directory.User
		for i := range 6 {
			users = append(users, w.user(directory.Standing{Sender: i%2 == 0}))
		}
		var given []string
		told, version := map[string]string{}, int64(0)
		for range dbtest.Rounds(60, 600) {
			if err := w.deed(r, &users, &given, presets); err != nil {
				t.Fatal(err)
			}
			version = w.totalsAgree(told, version)
		}
	})
}

// totalsAgree compares; told are the lists of the version before.
func (w *world) totalsAgree(told map[string]string, was int64) (version int64) {
	w.t.Helper()
	plain := w.plainCounts()
	for _, status := range []string{"active", "inactive", "all"} {
		for _, licence := range []string{"", directory.LicenceSign, directory.LicenceSalesforce, "clm"} {
			f, name := access.Filter{Status: status, Licence: licence}, status+" "+licence
			list, head := w.list(f)
			if head.Total != plain[name] || int64(len(list)) != plain[name] {
				w.t.Fatalf("%s: %d told, %d listed, %d there", name, head.Total, len(list), plain[name])
			}
			paged := []access.Entry{}
			for page := (access.Page{Limit: 4}); ; {
				next, err := w.List(context.Background(), w.op, f, page, func(access.ListHead) error { return nil },
					func(e access.Entry) error { paged = append(paged, e); return nil })
				if err != nil {
					w.t.Fatal(err)
				}
				if page.Cursor = next; next == "" {
					break
				}
			}
			text := fmt.Sprint(list)
			if fmt.Sprint(paged) != text && len(list) > 0 {
				w.t.Fatalf("%s: pages tell something else", name)
			}
			if before, known := told[name]; known && before != text && head.Version == was {
				w.t.Fatalf("%s changed, its version %d did not", name, was)
			}
			told[name], version = text, head.Version
		}
	}
	return version
}
