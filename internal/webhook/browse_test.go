package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

// browse follows a filter to its end and returns package and event of what is found, the newest first.
func (w *world) browse(p authz.Principal, f DeliveryFilter, limit int) (out []string) {
	w.Helper()
	for after := ""; ; {
		page, next, err := w.Browse(w.Context(), p, f, after, limit)
		must(w.T, err)
		for _, d := range page {
			out = append(out, d.Package+" "+d.Event+" "+d.State)
		}
		if next == "" {
			return out
		}
		if next == after || len(page) != limit {
			w.Fatalf("a page of %d ends at %q", len(page), next)
		}
		after = next
	}
}

// Deliveries are read in pages, the newest first, and one of them with what was sent and answered; a failed one is sent again.
func TestBrowse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newTenant(t, d)
		l := listen(t, func(g got, rw http.ResponseWriter) {
			if g.Package == "bad" {
				rw.WriteHeader(503)
			}
		})
		me := w.as(w.manager)
		must(t, w.Register(t.Context(), me, Registration{URL: l.URL + "/own", Key: "k", All: true}))
		must(t, w.Register(t.Context(), me, Registration{Origin: "crm", URL: l.URL + "/crm", Style: None, Events: []string{"PACKAGE_COMPLETE"}}))
		for _, pkg := range []string{"a", "bad", "c"} {
			w.raise(pkg, "PACKAGE_CREATE")
			w.raise(pkg, "PACKAGE_COMPLETE")
		}
		for range 8 {
			w.once()
		}
		var between time.Time
		must(t, w.DB.Read(t.Context(), func(tx *db.Tx) (err error) { between, err = tx.Now(); return err }))
		d.Shift(tryFor + time.Hour)
		for range 8 {
			w.once()
		}
		want := []string{"c PACKAGE_COMPLETE delivered", "c PACKAGE_COMPLETE delivered", "c PACKAGE_CREATE delivered",
			"bad PACKAGE_COMPLETE failed", "bad PACKAGE_COMPLETE failed", "bad PACKAGE_CREATE failed",
			"a PACKAGE_COMPLETE delivered", "a PACKAGE_COMPLETE delivered", "a PACKAGE_CREATE delivered"}
		for name, c := range map[string]struct {
			f    DeliveryFilter
			want []string
		}{
			"all": {DeliveryFilter{}, want}, "failed": {DeliveryFilter{State: "failed"}, want[3:6]}, "package": {DeliveryFilter{Package: "a"}, want[6:]},
			"event": {DeliveryFilter{Event: "PACKAGE_CREATE"}, []string{want[2], want[5], want[8]}}, "connector": {DeliveryFilter{Origin: "crm"}, []string{want[0], want[3], want[6]}},
			"own": {DeliveryFilter{Origin: Own, State: "delivered"}, []string{want[0], want[2], want[6], want[8]}}, "later": {DeliveryFilter{From: between}, nil},
			"before": {DeliveryFilter{Before: between}, want},
		} {
			for _, limit := range []int{1, 4, 200} {
				if got := w.browse(me, c.f, limit); !slices.Equal(got, c.want) {
					t.Errorf("%s by %d: %q, want %q", name, limit, got, c.want)
				}
			}
		}
		if _, _, err := w.Browse(t.Context(), me, DeliveryFilter{State: "lost"}, "", 1); !errs.Is(err, "callback.state") {
			t.Error(err)
		}
		failed, _, err := w.Browse(t.Context(), me, DeliveryFilter{State: "failed", Origin: "crm"}, "", 1)
		must(t, err)
		one, err := w.Delivery(t.Context(), me, failed[0].ID)
		must(t, err)
		if one.ID != failed[0].ID || one.Status != 503 || one.Tries < 2 || !one.Again || one.URL != l.URL+"/crm" || !strings.Contains(one.Body, `"packageId":"bad"`) {
			t.Errorf("%+v", one)
		}
		all, err := w.Callbacks(t.Context(), me)
		must(t, err)
		if len(all) != 2 || all[0].Origin != "" || !all[0].All || all[0].Failed != 2 || all[1].Origin != "crm" || all[1].Failed != 1 || fmt.Sprint(all[1].Events) != "[PACKAGE_COMPLETE]" {
			t.Errorf("%+v", all)
		}
		l.says(nil)
		n, err := w.Resend(t.Context(), me, failed[0].ID)
		must(t, err)
		for range 3 {
			w.once()
		}
		if one, err = w.Delivery(t.Context(), me, failed[0].ID); n != 1 || err != nil || one.State != "delivered" || one.Again {
			t.Errorf("%d sent again; %+v, %v", n, one, err)
		}
	})
}

// T13: an account's callbacks are seen by who manages it and by nobody of another.
func TestT13OnlyManagersBrowse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newTenant(t, d)
		must(t, w.Register(t.Context(), w.as(w.manager), Registration{URL: "https://hooks.example.com/x", Events: []string{"PACKAGE_CREATE"}}))
		w.raise("p", "PACKAGE_CREATE")
		seen, _, err := w.Browse(t.Context(), w.as(w.manager), DeliveryFilter{}, "", 10)
		if err != nil || len(seen) != 1 {
			t.Fatalf("%d, %v", len(seen), err)
		}
		for name, p := range map[string]authz.Principal{"regular": w.as(w.regular), "nobody": {Account: w.account.Account},
			"a stranger's staff": {Kind: authz.Staff, By: "x", Organisation: "another", Account: w.account.Account}} {
			_, _, browse := w.Browse(t.Context(), p, DeliveryFilter{}, "", 10)
			_, read := w.Delivery(t.Context(), p, seen[0].ID)
			_, list := w.Callbacks(t.Context(), p)
			_, send := w.Resend(t.Context(), p, "")
			for act, err := range map[string]error{"browse": browse, "read": read, "list": list, "send": send} {
				if errs.KindOf(err) != errs.Denied {
					t.Errorf("%s may %s: %v", name, act, err)
				}
			}
		}
		operator := authz.Principal{Account: "another", Rights: []authz.Right{authz.Operate}}
		if _, err := w.Delivery(t.Context(), operator, seen[0].ID); !errs.Is(err, "delivery.unknown") {
			t.Errorf("in another account: %v", err)
		}
	})
}
