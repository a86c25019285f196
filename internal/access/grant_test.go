package access_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

const liveGrants = `select count(*) from grants where ended_ms is null`

// Granting again changes nothing; another scope ends the former grant; what was ended can be given anew.
func TestGrantsFollowEachOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(3)
		u, x := w.plain(), w.permission("Approve")
		first := w.give(of(u), access.OfPermission, x, inOrgs(2, 1, 2))
		again := w.give(of(u), access.OfPermission, x, inOrgs(1, 2))
		if !first.Created || again.Created || again.ID != first.ID || first.HolderName != u.Name() || first.Name != "Approve" || first.By.Name != "Operator" {
			t.Errorf("%+v, then %+v", first, again)
		}
		wider := w.give(of(u), access.OfPermission, x, access.Scope{})
		if !wider.Created || wider.ID == first.ID {
			t.Errorf("%+v", wider)
		}
		for range 2 {
			if err := w.Revoke(context.Background(), w.op, wider.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.give(of(u), access.OfPermission, x, inOrgs(3))
		if n := w.count(liveGrants); n != 1 {
			t.Errorf("%d grants", n)
		}
		events, _, err := w.History(context.Background(), w.op, access.HistoryFilter{Holder: of(u)}, access.Page{})
		var told []string
		for _, e := range slices.Backward(events) {
			told = append(told, e.Event)
			if e.By.Name != "Operator" || e.By.Kind != "operator" || e.Grant.Holder != of(u) {
				t.Errorf("%+v", e)
			}
		}
		if want := []string{access.Given, access.Ended, access.Given, access.Ended, access.Given}; err != nil || !slices.Equal(told, want) {
			t.Errorf("%v, %v", told, err)
		}
		if g, e := w.events(access.Given), w.events(access.Ended); g != 3 || e != 2 {
			t.Errorf("%d and %d audit events", g, e)
		}
	})
}

// Two who give the same at once write one row, and the history tells of one.
func TestGrantRace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(2)
		x := w.permission("Approve")
		g := w.group(directory.NewMember{SenderID: w.user(directory.Standing{Sender: true}).SenderID})
		for _, h := range []access.Holder{of(w.plain()), {Kind: access.OfGroup, ID: g.OuterID}} {
			for round := range dbtest.Rounds(3, 50) {
				scope := inOrgs(int64(round%2 + 1))
				var created atomic.Int64
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						made, err := w.Grant(context.Background(), w.op, h, access.NewGrant{What: access.OfPermission, Number: x, Scope: scope})
						if err != nil {
							t.Error(err)
						}
						if made.Created {
							created.Add(1)
						}
					})
				}
				wg.Wait()
				if created.Load() != 1 {
					t.Errorf("%d made it", created.Load())
				}
				if n := w.count(`select count(*) from grants where ended_ms is null and number = $1`, x) - map[string]int{access.OfGroup: 1}[h.Kind]; n != 1 {
					t.Errorf("%d rows live", n)
				}
			}
		}
		if n := w.count(`select count(*) from grants a join grants b on a.holder_id = b.holder_id and a.id < b.id
				where coalesce(a.ended_ms, 9000000000000000) > b.granted_ms`); n != 0 {
			t.Errorf("%d grants of one thing were held at the same time", n)
		}
	})
}

// Grants and ends of two presets with one licence, at once: whoever is left with a preset has the licence, and who is
// left with none has not.
func TestLicenceRace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		ctx := context.Background()
		var sets []int64
		for _, name := range []string{"Salesforce User", "Salesforce Admin"} {
			p, err := w.DefinePreset(ctx, w.op, access.NewPreset{Name: name, Licence: directory.LicenceSalesforce})
			if err != nil {
				t.Fatal(err)
			}
			sets = append(sets, p.Number)
		}
		u := w.plain()
		licences := func() (names []string) {
			w.read(func(tx *db.Tx) (err error) { names, err = directory.LicencesOf(tx, u.ID); return err })
			return names
		}
		for range dbtest.Rounds(5, 100) {
			old := w.give(of(u), access.OfPreset, sets[0], access.Scope{})
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := w.Revoke(ctx, w.op, old.ID); err != nil {
					t.Error(err)
				}
			})
			var fresh access.Grant
			wg.Go(func() {
				var err error
				if fresh, err = w.Grant(ctx, w.op, of(u), access.NewGrant{What: access.OfPreset, Number: sets[1]}); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if got := licences(); !slices.Equal(got, []string{directory.LicenceSalesforce}) {
				t.Fatal("with a preset he has", got)
			}
			if err := w.Revoke(ctx, w.op, fresh.ID); err != nil {
				t.Fatal(err)
			}
			if got := licences(); len(got) != 0 {
				t.Fatal("without one he has", got)
			}
		}
	})
}

// A group gives its members what it holds, not licences; a sender keeps his.
func TestLicencesOfGroupsAndSenders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		s := w.user(directory.Standing{Sender: true})
		g := w.group(directory.NewMember{SenderID: s.SenderID})
		p, err := w.DefinePreset(context.Background(), w.op, access.NewPreset{Name: "Salesforce User", Licence: directory.LicenceSalesforce})
		if err != nil {
			t.Fatal(err)
		}
		w.give(access.Holder{Kind: access.OfGroup, ID: g.OuterID}, access.OfPreset, p.Number, access.Scope{})
		if e := w.entry(s); !slices.Equal(e.Licences, []string{directory.LicenceSign}) || !slices.Equal(e.Permissions, []string{"Conga Sign User", "Salesforce User"}) {
			t.Errorf("%+v", e)
		}
		own := w.give(of(s), access.OfPreset, 2, access.Scope{})
		if err := w.Revoke(context.Background(), w.op, own.ID); err != nil {
			t.Fatal(err)
		}
		if e := w.entry(s); !slices.Equal(e.Licences, []string{directory.LicenceSign}) {
			t.Errorf("%+v", e)
		}
		_, err = w.DefinePreset(context.Background(), w.op, access.NewPreset{Name: "salesforce user", Licence: directory.LicenceSign})
		is(t, err, errs.Conflict, "preset.held")
	})
}

// What a preset holds changes for all who hold it.
func TestPresetChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u := w.plain()
		n := w.preset("Auditor", access.Content{Permission: 6})
		w.give(of(u), access.OfPreset, n, access.Scope{})
		if got := w.rights(u); !slices.Equal(got, []authz.Right{authz.ReadAudit}) {
			t.Error(got)
		}
		before, _ := w.Version(context.Background(), w.op)
		if same := w.preset("auditor", access.Content{Permission: 6}, access.Content{Permission: 5}); same != n {
			t.Errorf("%d is not %d", same, n)
		}
		if got := w.rights(u); !slices.Equal(got, []authz.Right{authz.Sign, authz.ReadAudit}) {
			t.Error(got)
		}
		if after, _ := w.Version(context.Background(), w.op); after <= before {
			t.Errorf("version %d, then %d", before, after)
		}
		if _, err := w.DefinePreset(context.Background(), w.op, access.NewPreset{Name: "Auditor", Description: "Reads."}); err != nil {
			t.Fatal(err)
		}
		if got := w.rights(u); len(got) != 2 {
			t.Error("a preset that was only described lost its contents:", got)
		}
		for _, c := range []struct {
			in   access.NewPreset
			kind errs.Kind
			what string
		}{
			{access.NewPreset{Name: ""}, errs.Invalid, "name.missing"},
			{access.NewPreset{Name: "Conga sign admin"}, errs.Conflict, "preset.taken"},
			{access.NewPreset{Name: "Other", Number: n}, errs.Conflict, "preset.taken"},
			{access.NewPreset{Name: "Other", Number: 17}, errs.Invalid, "preset.number"},
			{access.NewPreset{Name: "Other", Licence: "nothing"}, errs.Invalid, "licence.unknown"},
			{access.NewPreset{Name: "Other", Contents: []access.Content{{Permission: 99}}}, errs.Invalid, "permission.unknown"},
			{access.NewPreset{Name: "Other", Contents: []access.Content{{Permission: 5}, {Permission: 5}}}, errs.Invalid, "permission.twice"},
			{access.NewPreset{Name: "Other", Contents: []access.Content{{Permission: 5, Scope: inOrgs(9)}}}, errs.Invalid, "entity.unknown"},
		} {
			_, err := w.DefinePreset(context.Background(), w.op, c.in)
			is(t, err, c.kind, c.what)
		}
	})
}

// The history is complete and in order whatever the size of its pages.
func TestHistoryPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u, v := w.plain(), w.plain()
		for i := range 7 {
			for _, h := range []directory.User{u, v} {
				g := w.give(of(h), access.OfPermission, 5, access.Scope{})
				if i%3 != 0 {
					if err := w.Revoke(context.Background(), w.op, g.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		whole, next, err := w.History(context.Background(), w.op, access.HistoryFilter{}, access.Page{Limit: 1000})
		if err != nil || next != "" || len(whole) != w.count(`select count(*) from grants`)+w.count(`select count(*) from grants where ended_ms is not null`) {
			t.Fatal(len(whole), next, err)
		}
		for _, limit := range []int{1, 2, 3, 5} {
			var told []access.GrantEvent
			for page := (access.Page{Limit: limit}); ; {
				some, next, err := w.History(context.Background(), w.op, access.HistoryFilter{}, page)
				if err != nil || len(some) > limit {
					t.Fatal(len(some), err)
				}
				told = append(told, some...)
				if page.Cursor = next; next == "" {
					break
				}
			}
			if !slices.EqualFunc(told, whole, func(a, b access.GrantEvent) bool { return a.Event == b.Event && a.Grant.ID == b.Grant.ID }) {
				t.Errorf("pages of %d tell something else", limit)
			}
		}
		for _, bad := range []string{"!", "YQ", "\x00"} {
			_, _, err := w.History(context.Background(), w.op, access.HistoryFilter{}, access.Page{Cursor: bad})
			is(t, err, errs.Invalid, "cursor.unknown")
		}
		of, _, err := w.History(context.Background(), w.op, access.HistoryFilter{Holder: access.Holder{Kind: access.OfUser, ID: v.SenderID}}, access.Page{})
		if err != nil || len(of) != len(whole)/2 {
			t.Error(len(of), err)
		}
	})
}
