package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

var reader = authz.Principal{Account: "acc", User: "usr", Rights: []authz.Right{authz.ReadAudit}}

// search follows a filter to its end and returns the types found, the newest first.
func search(t *testing.T, d *dbtest.DB, p authz.Principal, f Filter, limit int) (types []string, pages int) {
	t.Helper()
	for after, n := "", 0; ; n++ {
		found, err := Open(d.DB).Search(t.Context(), p, f, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found.Events {
			types = append(types, e.Type)
		}
		if found.Next == "" {
			return types, n + 1
		}
		after = found.Next
	}
}

func TestSearch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		ctx := WithOrigin(t.Context(), Origin{IP: "192.0.2.9"})
		var ids []string
		var middle time.Time
		for i := range 12 {
			e := Event{Type: fmt.Sprintf("lease.n%d", i), Account: "acc", Package: []string{"one", "two"}[i%2], Actor: Person("usr", "José Müller", "jose@example.com", "", "")}
			if i%3 == 0 {
				e.Type, e.Actor = fmt.Sprintf("package.n%d", i), Actor{Kind: KindClient, Client: "c", User: "other", Through: "api"}
			}
			e.Refused = i == 5
			e.Detail = map[string]string{"note": fmt.Sprintf(`a "type":"lease. %d`, i)}
			ids = append(ids, appendEvent(t, d, ctx, e))
			if d.Shift(time.Second); i == 5 {
				check(t, d.Read(ctx, func(tx *db.Tx) (err error) { middle, err = tx.Now(); return err }))
			}
		}
		appendEvent(t, d, ctx, Event{Type: "lease.theirs", Account: "another", Actor: System})
		appendEvent(t, d, ctx, Event{Type: "server.started", Actor: System})
		all := []string{"lease.n11", "lease.n10", "package.n9", "lease.n8", "lease.n7", "package.n6", "lease.n5", "lease.n4", "package.n3", "lease.n2", "lease.n1", "package.n0"}
		lease := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.HasPrefix(s, "package.") })
		for name, c := range map[string]struct {
			f    Filter
			want []string
		}{
			"everything": {Filter{}, all},
			"type":       {Filter{Type: "lease."}, lease}, // not those whose detail only says so
			"one type":   {Filter{Type: "lease.n10"}, all[1:2]},
			"actor":      {Filter{Actor: "other"}, []string{all[2], all[5], all[8], all[11]}},
			"through":    {Filter{Actor: "api"}, []string{all[2], all[5], all[8], all[11]}},
			"package":    {Filter{Package: "two"}, []string{all[0], all[2], all[4], all[6], all[8], all[10]}},
			"refused":    {Filter{Refused: true}, all[6:7]},
			"name":       {Filter{Text: "josé müller", Type: "lease.n1"}, []string{all[0], all[1], all[10]}},
			"address":    {Filter{Text: "192.0.2.9"}, all},
			"short id":   {Filter{Text: strings.ToLower(ShortID(ids[3]))}, all[8:9]},
			"from":       {Filter{From: middle}, all[:6]},
			"before":     {Filter{Before: middle}, all[6:]},
			"nothing":    {Filter{Text: "nobody"}, nil},
		} {
			for _, limit := range []int{2, 5, 200} {
				got, pages := search(t, d, reader, c.f, limit)
				if !slices.Equal(got, c.want) || pages > len(c.want)/limit+1 {
					t.Errorf("%s by %d: %v in %d pages, want %v", name, limit, got, pages, c.want)
				}
			}
		}
		operator := authz.Principal{Kind: authz.Staff, Rights: []authz.Right{authz.Operate}}
		if got, _ := search(t, d, operator, Filter{}, 10); !slices.Equal(got, []string{"server.started"}) {
			t.Errorf("without an account there are %v", got)
		}
	})
}

// T13: the log of an account is for who holds the right to it there; that of the server for the operator.
func TestT13AuditIsReadByRight(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		id := appendEvent(t, d, t.Context(), sample())
		server := appendEvent(t, d, t.Context(), Event{Type: "server.started", Actor: System})
		log := Open(d.DB)
		for name, p := range map[string]authz.Principal{
			"a member without the right":    {Account: "acc", User: "usr", Rights: []authz.Right{authz.Sign, authz.ManageUsers}},
			"a partner's administrator":     {Kind: authz.Staff, Account: "acc", Rights: []authz.Right{authz.Administer}},
			"a signer":                      {Kind: authz.Signer, Account: "acc", Package: "pkg", Rights: []authz.Right{authz.ReadAudit}},
			"a session for one package":     {Account: "acc", Package: "pkg", Rights: []authz.Right{authz.ReadAudit}},
			"the right without an account":  {Rights: []authz.Right{authz.ReadAudit}},
			"a technical account":           {Kind: authz.Technical, Rights: []authz.Right{authz.ReadAudit}},
			"a delegated one with the name": {Kind: authz.Delegated, Account: "acc", Rights: []authz.Right{authz.ReadAudit}},
		} {
			if _, err := log.Search(t.Context(), p, Filter{}, "", 10); !errs.Is(err, "right.missing") {
				t.Errorf("%s searches: %v", name, err)
			}
			if _, err := log.Event(t.Context(), p, id); !errs.Is(err, "right.missing") {
				t.Errorf("%s reads: %v", name, err)
			}
		}
		other := reader
		other.Account = "another"
		for name, c := range map[string]struct {
			p  authz.Principal
			id string
		}{"another account's": {other, id}, "the server's": {reader, server}, "nothing": {reader, "none"}} {
			if _, err := log.Event(t.Context(), c.p, c.id); !errs.Is(err, "event.unknown") {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, bad := range []string{"x", "1", "1.", ".a", "1e3.a", "1." + strings.Repeat("a", 65)} {
			if _, err := log.Search(t.Context(), reader, Filter{}, bad, 10); !errs.Is(err, "audit.cursor") {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// A3: one event says whether its personal data is what it was, was altered, or was erased; a list is not stopped by it.
func TestA3FullEvent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		log := Open(d.DB)
		whole, altered, erased := appendEvent(t, d, t.Context(), sample()), appendEvent(t, d, t.Context(), sample()), appendEvent(t, d, t.Context(), sample())
		exec(t, d, `update audit_personal set data = replace(data, 'jose@', 'mary@') where event_id = $1`, altered)
		exec(t, d, `delete from audit_personal where event_id = $1`, erased)
		for id, want := range map[string]struct{ holds, altered, erased bool }{whole: {holds: true}, altered: {altered: true}, erased: {erased: true}} {
			e, err := log.Event(t.Context(), reader, id)
			check(t, err)
			if e.Holds != want.holds || e.Altered != want.altered || e.Erased != want.erased || (e.Computed == e.Committed) != want.holds || len(e.Committed) != 64 {
				t.Errorf("%+v, want %+v", e, want)
			}
			if !strings.Contains(e.Leaf, `"type":"package.signed"`) || strings.Contains(e.Leaf, "Müller") || (e.Personal == "") != want.erased {
				t.Errorf("leaf %s, personal %s", e.Leaf, e.Personal)
			}
			if want.altered && e.Actor.Name != "" {
				t.Errorf("what was altered is shown as %s", e.Actor.Name)
			}
		}
		found, err := log.Search(t.Context(), reader, Filter{}, "", 10)
		check(t, err)
		n := 0
		for _, e := range found.Events {
			if e.Altered {
				n++
			}
		}
		if len(found.Events) != 3 || n != 1 {
			t.Errorf("%d events, %d altered", len(found.Events), n)
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A search for what hardly happens answers in pages of what it looked at, and comes to its end.
func TestSearchIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		log := Open(d.DB)
		log.most = 2 * lookAtOnce
		rare := appendEvent(t, d, t.Context(), Event{Type: "rare.one", Account: "acc", Actor: System})
		check(t, d.Write(t.Context(), func(tx *db.Tx) error {
			for range log.most + 10 {
				if _, err := Append(tx, Event{Type: "lease.taken", Account: "acc", Actor: System}); err != nil {
					return err
				}
			}
			return nil
		}))
		first, err := log.Search(t.Context(), reader, Filter{Type: "rare."}, "", 10)
		check(t, err)
		if len(first.Events) != 0 || first.Next == "" || first.Back.IsZero() {
			t.Fatalf("%d events, next %q", len(first.Events), first.Next)
		}
		second, err := log.Search(t.Context(), reader, Filter{Type: "rare."}, first.Next, 10)
		check(t, err)
		if len(second.Events) != 1 || second.Events[0].ID != rare || second.Next != "" {
			t.Errorf("%+v", second)
		}
	})
}
