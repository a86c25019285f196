package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Pages of any size tell what the whole list tells, with the same total.
func TestListPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		var users []directory.User
		for i := range 12 {
			u := w.user(directory.Standing{Sender: i%2 == 0})
			if i%3 == 0 {
				w.give(of(u), access.OfPermission, 6, access.Scope{})
			}
			users = append(users, u)
		}
		if err := w.directory.DeleteSender(context.Background(), w.op, users[2].SenderID); err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *db.Tx) error { return directory.SignedIn(tx, users[4].ID) })
		for _, f := range []access.Filter{{}, {Status: "inactive"}, {Status: "all"}, {Permission: "Read Audit"}, {Permission: "Conga Sign User", Status: "all"},
			{Licence: "conga_sign"}, {Email: users[3].Email}, {Search: "USER 1"}, {UserID: users[5].SenderID}, {UserID: "nobody"}, {UserID: "a\x00"},
			{LastLoginBefore: time.Now().Add(-time.Hour)}} {
			whole, head := w.list(f)
			if int(head.Total) != len(whole) {
				t.Errorf("%+v: %d of %d", f, len(whole), head.Total)
			}
			for _, limit := range []int{1, 2, 5, 1000} {
				var told []access.Entry
				for page := (access.Page{Limit: limit}); ; {
					n := 0
					next, err := w.List(context.Background(), w.op, f, page, func(h access.ListHead) error {
						if h != head {
							t.Errorf("%+v, then %+v", head, h)
						}
						return nil
					}, func(e access.Entry) error { n++; told = append(told, e); return nil })
					if err != nil || n > limit || n < limit && next != "" || n == 0 && len(whole) > 0 {
						t.Fatal(n, next, err)
					}
					if page.Cursor = next; next == "" {
						break
					}
				}
				if fmt.Sprint(told) != fmt.Sprint(whole) {
					t.Errorf("%+v by %d tells something else", f, limit)
				}
			}
		}
		if all, _ := w.list(access.Filter{Email: users[3].Email}); len(all) != 1 || all[0].SenderID != users[3].SenderID {
			t.Errorf("%+v", all)
		}
		if all, _ := w.list(access.Filter{LastLoginBefore: time.Now().Add(-time.Hour)}); len(all) != 10 {
			t.Errorf("%d are dormant", len(all))
		}
	})
}

func TestListRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		sender, boss := w.user(directory.Standing{Sender: true}), w.manager()
		head := func(access.ListHead) error { return nil }
		yield := func(access.Entry) error { return nil }
		ctx := context.Background()
		for _, c := range []struct {
			f    access.Filter
			page access.Page
			what string
		}{
			{access.Filter{Status: "Active"}, access.Page{}, "filter.status"},
			{access.Filter{Licence: "nothing"}, access.Page{}, "licence.unknown"},
			{access.Filter{Permission: "conga sign user"}, access.Page{}, "permission.unknown"},
			{access.Filter{Email: "x"}, access.Page{}, "email.malformed"},
			{access.Filter{}, access.Page{Cursor: "!"}, "cursor.unknown"},
			{access.Filter{}, access.Page{Cursor: "YWJj"}, "cursor.unknown"},
		} {
			_, err := w.List(ctx, w.as(boss), c.f, c.page, head, yield)
			is(t, err, errs.Invalid, c.what)
		}
		_, err := w.List(ctx, w.as(sender), access.Filter{}, access.Page{}, head, yield)
		is(t, err, errs.Denied, "right.missing")
		_, err = w.One(ctx, w.as(sender), sender.SenderID)
		is(t, err, errs.Denied, "right.missing")
		_, _, err = w.History(ctx, w.as(sender), access.HistoryFilter{}, access.Page{})
		is(t, err, errs.Denied, "right.missing")
		_, err = w.One(ctx, w.as(boss), "nobody")
		is(t, err, errs.NotFound, "user.unknown")
		stop := errors.New("stop")
		if _, err = w.List(ctx, w.op, access.Filter{}, access.Page{}, func(access.ListHead) error { return stop }, yield); !errors.Is(err, stop) {
			t.Error(err)
		}
		if _, err = w.List(ctx, w.op, access.Filter{}, access.Page{}, head, func(access.Entry) error { return stop }); !errors.Is(err, stop) {
			t.Error(err)
		}
		one, err := w.One(ctx, w.as(boss), boss.SenderID)
		if err != nil || one.SenderID != boss.SenderID || len(one.Sets) != 1 || len(one.Held) != 5 || one.Version == 0 ||
			!slices.Equal(one.Permissions, []string{"Conga Sign Admin"}) {
			t.Errorf("%+v %v", one, err)
		}
	})
}

// The list is one snapshot: what is done while it is told is not in it.
func TestListIsOneSnapshot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		for range 5 {
			w.plain()
		}
		before, head := w.list(access.Filter{})
		var told []access.Entry
		var first access.ListHead
		_, err := w.List(context.Background(), w.op, access.Filter{}, access.Page{}, func(h access.ListHead) error {
			first = h
			for _, e := range before {
				w.give(access.Holder{Kind: access.OfUser, ID: e.SenderID}, access.OfPermission, 6, access.Scope{})
			}
			w.plain()
			return nil
		}, func(e access.Entry) error { told = append(told, e); return nil })
		if err != nil || first != head || fmt.Sprint(told) != fmt.Sprint(before) {
			t.Errorf("%+v, then %+v: %v", head, first, err)
		}
		if after, now := w.list(access.Filter{}); len(after) != 6 || now.Version <= head.Version || !slices.Equal(after[0].Permissions, []string{"Read Audit"}) {
			t.Errorf("%+v %+v", now, after)
		}
	})
}

// A list longer than what is read at once has everybody once, with his own grants.
func TestListBeyondOneChunk(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		const n = 2001
		var want []string
		w.write(func(tx *db.Tx) error {
			for i := range n {
				u, err := directory.AddUser(tx, w.home.ID, directory.NewUser{Email: fmt.Sprintf("many%d@example.com", i)}, directory.Standing{Status: directory.Active})
				if err != nil {
					return err
				}
				want = append(want, u.SenderID)
			}
			return nil
		})
		for i := 0; i < n; i += 500 {
			w.give(access.Holder{Kind: access.OfUser, ID: want[i]}, access.OfPermission, 6, access.Scope{})
		}
		all, head := w.list(access.Filter{})
		if head.Total != n || len(all) != n {
			t.Fatalf("%d of %d", len(all), head.Total)
		}
		for i, e := range all {
			if e.SenderID != want[i] || (len(e.Permissions) == 1) != (i%500 == 0) {
				t.Errorf("%d: %+v", i, e)
			}
		}
		if some, head := w.list(access.Filter{Permission: "Read Audit"}); head.Total != 5 || len(some) != 5 {
			t.Errorf("%d of %d", len(some), head.Total)
		}
	})
}
