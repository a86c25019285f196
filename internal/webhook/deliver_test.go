package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

func TestCallOut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
		run(t, w.Webhook)
		for _, c := range []struct {
			r    Registration
			want string
		}{
			{Registration{URL: l.URL, Key: "not:base64 at all", Events: []string{"PACKAGE_COMPLETE"}}, "Basic not:base64 at all"},
			{Registration{URL: l.URL, Events: []string{"PACKAGE_COMPLETE"}}, ""},
			{Registration{URL: l.URL, Style: Basic, User: "ann", Password: "päss:word", All: true}, "Basic YW5uOnDDpHNzOndvcmQ="},
			{Registration{URL: l.URL, Style: Bearer, Token: "t0k3n", All: true}, "Bearer t0k3n"},
			{Registration{URL: l.URL, Style: None, All: true}, ""},
		} {
			before := len(l.all())
			must(t, w.Register(t.Context(), w.account, c.r))
			key := w.secret()
			w.raise("pkg=", "PACKAGE_COMPLETE")
			w.raise("pkg=", "NOT_WANTED")
			w.idle()
			calls := l.all()[before:]
			if c.r.All && len(calls) == 2 { // everything is wanted, also what there is not
				calls = calls[:1]
			}
			if len(calls) != 1 {
				t.Fatalf("%+v: %d calls", c.r, len(calls))
			}
			g := calls[0]
			if auth := g.Header.Get("Authorization"); auth != c.want {
				t.Errorf("Authorization %q, want %q", auth, c.want)
			}
			if _, err := time.Parse(`"createdDate":"2006-01-02T15:04:05.000Z"}`, string(g.Body[bytes.Index(g.Body, []byte(`"createdDate"`)):])); err != nil {
				t.Error(err)
			}
			if !bytes.HasPrefix(g.Body, []byte(`{"@class":"com.silanis.esl.packages.event.ESLProcessEvent","name":"PACKAGE_COMPLETE","sessionUser":"signer1","packageId":"pkg=","message":"","documentId":"","createdDate":"`)) {
				t.Errorf("body %s", g.Body)
			}
			if err := Verify(key, g.Header, g.Body, time.Now()); err != nil || g.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v, %v", err, g.Header)
			}
		}
	})
}

// Order within a package whatever fails, packages beside each other, each event at least once.
func TestOrderOfAPackageUnderFailures(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "127.0.0.1")
		l := listen(t, func(_ got, a http.ResponseWriter) {
			if rand.IntN(3) == 0 {
				a.WriteHeader([]int{301, 400, 404, 410, 429, 500, 503}[rand.IntN(7)])
			}
		})
		w.register(l.URL, "DOCUMENT_SIGNED")
		const packages, events = 6, 10
		var acts sync.WaitGroup
		for p := range packages {
			acts.Go(func() {
				for n := range events {
					err := w.DB.Write(t.Context(), func(tx *db.Tx) error {
						return Raise(tx, Event{Account: w.account.Account, Package: fmt.Sprint("p", p), Name: "DOCUMENT_SIGNED", Document: fmt.Sprint("d", n)})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		acts.Wait()
		run(t, w.Webhook)
		for range 100 {
			if w.idle(); len(w.deliveries("delivered")) == packages*events {
				break
			}
			d.Shift(2 * time.Hour)
		}
		done, ids := map[string]int{}, map[string]string{}
		for _, g := range l.all() {
			n := 0
			if _, err := fmt.Sscanf(g.Document, "d%d", &n); err != nil {
				t.Fatal(err)
			}
			if n != done[g.Package] && n != done[g.Package]-1 { // the same again, or the next
				t.Errorf("%s: %s after %d", g.Package, g.Document, done[g.Package])
			}
			done[g.Package] = n + 1
			if id := ids[g.Package+g.Document]; id != "" && id != g.ID {
				t.Errorf("%s has the ids %s and %s", g.Document, id, g.ID)
			}
			ids[g.Package+g.Document] = g.ID
		}
		if len(ids) != packages*events || len(w.deliveries("waiting")) != 0 {
			t.Errorf("%d of %d were delivered", len(ids), packages*events)
		}
	})
}

// Two queues on one database tell a healthy receiver everything once.
func TestTwoQueues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
		second := d.DB
		if strings.HasPrefix(d.URL, "postgres") {
			var err error
			second, err = db.Open(t.Context(), db.Config{URL: d.URL})
			must(t, err)
			t.Cleanup(func() { second.Close() })
		}
		other := room(t, second, "127.0.0.1")
		w.register(l.URL, "PACKAGE_CREATE", "PACKAGE_ACTIVATE")
		run(t, w.Webhook, other)
		const packages = 60
		for p := range packages {
			w.raise(fmt.Sprint("p", p), "PACKAGE_CREATE")
			w.raise(fmt.Sprint("p", p), "PACKAGE_ACTIVATE")
		}
		w.idle()
		calls, order := l.all(), map[string]string{}
		for _, g := range calls {
			order[g.Package] += g.Name + " "
		}
		if len(calls) != 2*packages {
			t.Errorf("%d calls, want %d", len(calls), 2*packages)
		}
		for p, names := range order {
			if names != "PACKAGE_CREATE PACKAGE_ACTIVATE " {
				t.Errorf("%s: %s", p, names)
			}
		}
	})
}

// W4: a receiver is down for three days; all is delivered then, in order, with the ids of the first try.
func TestW4ReceiverDownThreeDays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, status(503))
		w.register(l.URL, "PACKAGE_CREATE", "PACKAGE_COMPLETE", "PACKAGE_DELETE")
		names := []string{"PACKAGE_CREATE", "PACKAGE_COMPLETE", "PACKAGE_DELETE"}
		const packages = 4
		for _, name := range names {
			for p := range packages {
				w.raise(fmt.Sprint("p", p), name)
			}
		}
		for range 144 {
			w.once()
			d.Shift(30 * time.Minute)
		}
		first := map[string]string{}
		for _, g := range l.all() {
			if first[g.Package+g.Name] == "" {
				first[g.Package+g.Name] = g.ID
			}
		}
		if tries := len(l.all()); tries < packages*30 || tries > packages*144 {
			t.Errorf("%d tries", tries)
		}
		l.says(nil)
		before := len(l.all())
		d.Shift(90 * time.Minute) // the last try that was waiting
		for range 10 {
			w.once()
		}
		order := map[string]string{}
		for _, g := range l.all()[before:] {
			order[g.Package] += g.Name + " "
			if id := first[g.Package+g.Name]; id != "" && id != g.ID {
				t.Errorf("%s: id %s, then %s", g.Name, id, g.ID)
			}
		}
		for p := range packages {
			if got := order[fmt.Sprint("p", p)]; got != strings.Join(names, " ")+" " {
				t.Errorf("p%d: %s", p, got)
			}
		}
		if lost := len(w.deliveries("failed")) + len(w.deliveries("waiting")); lost != 0 {
			t.Errorf("%d lost", lost)
		}
	})
}

// A process that dies between the call and its note leaves a delivery that is made again, alike.
func TestW4KilledBeforeTheNote(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
		w.register(l.URL, "PACKAGE_CREATE")
		w.raise("p", "PACKAGE_CREATE")
		due, err := w.due(t.Context())
		must(t, err)
		lanes, err := w.lanes(t.Context(), due[0], 1)
		must(t, err)
		j, ok, err := w.claim(t.Context(), due[0], lanes[0])
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if _, err := w.try(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		w.once()
		if n := len(l.all()); n != 1 {
			t.Fatalf("%d calls while the claim holds", n)
		}
		d.Shift(claimFor + time.Second)
		w.once()
		calls := l.all()
		if len(calls) != 2 || calls[0].ID != calls[1].ID || !bytes.Equal(calls[0].Body, calls[1].Body) {
			t.Fatalf("%+v", calls)
		}
		// The dead one wakes up: what it says of a claim it lost changes nothing.
		w.raise("p", "PACKAGE_CREATE")
		must(t, w.note(t.Context(), j, 500, errors.New("late")))
		w.once()
		if n := len(w.deliveries("delivered")); n != 2 {
			t.Errorf("%d delivered", n)
		}
	})
}

// After three days a delivery is given up and seen; the next goes on; it can be sent again.
func TestGivenUpAndSentAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "127.0.0.1")
		l := listen(t, func(g got, a http.ResponseWriter) {
			if g.Name == "PACKAGE_CREATE" {
				a.WriteHeader(500)
			}
		})
		w.register(l.URL, "PACKAGE_CREATE", "PACKAGE_COMPLETE")
		w.raise("p", "PACKAGE_CREATE")
		w.raise("p", "PACKAGE_COMPLETE")
		for range 75 {
			w.once()
			d.Shift(time.Hour + 13*time.Minute)
		}
		failed := w.deliveries("failed")
		if len(failed) != 1 || failed[0].LastError != "the receiver answered 500" || failed[0].Status != 500 || failed[0].Tries < 40 ||
			failed[0].Ended.Sub(failed[0].Raised) < tryFor || len(w.deliveries("delivered")) != 1 {
			t.Fatalf("%+v", failed)
		}
		l.says(nil)
		if _, err := w.SendAgain(t.Context(), w.account, "msg_00000000000000000000000000000000"); !errs.Is(err, "delivery.unknown") {
			t.Error(err)
		}
		stranger := w.account
		stranger.Account = "another"
		if _, err := w.SendAgain(t.Context(), stranger, failed[0].ID); !errs.Is(err, "delivery.unknown") {
			t.Error(err)
		}
		n, err := w.SendAgain(t.Context(), w.account, failed[0].ID)
		if err != nil || n != 1 {
			t.Fatal(n, err)
		}
		w.once()
		calls := l.all()
		if last := calls[len(calls)-1]; last.ID != calls[0].ID || last.Name != "PACKAGE_CREATE" || len(w.deliveries("delivered")) != 2 {
			t.Errorf("%+v", last)
		}
		d.Shift(keepDone + time.Hour)
		must(t, w.tidy(t.Context()))
		if n := len(w.deliveries("delivered")); n != 0 {
			t.Errorf("%d were kept", n)
		}
		d.Shift(keepLost)
		must(t, w.tidy(t.Context()))
		w.raise("p", "PACKAGE_COMPLETE") // the lane is made anew
		w.once()
		if n := len(w.deliveries("delivered")); n != 1 {
			t.Errorf("%d delivered after tidying", n)
		}
	})
}

// What is switched off is told nothing more, and what was waiting is not lost.
func TestSwitchedOff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, status(500))
		w.register(l.URL, "PACKAGE_CREATE")
		must(t, w.Register(t.Context(), w.account, Registration{Origin: "Salesforce", URL: l.URL, Events: []string{"PACKAGE_CREATE"}}))
		w.raise("p", "PACKAGE_CREATE")
		w.once()
		if n := len(l.all()); n != 2 {
			t.Fatalf("%d calls", n)
		}
		w.register("")
		w.raise("p", "PACKAGE_CREATE")
		l.says(nil)
		d.Shift(time.Hour)
		w.once()
		w.once()
		if n := len(l.all()); n != 4 { // the connector's two
			t.Errorf("%d calls", n)
		}
		if f := w.deliveries("failed"); len(f) != 1 || f[0].LastError != "the callback was switched off" {
			t.Errorf("%+v", f)
		}
		w.register(l.URL, "PACKAGE_CREATE")
		if n, err := w.SendAgain(t.Context(), w.account, ""); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		w.once()
		if n := len(l.all()); n != 5 {
			t.Errorf("%d calls", n)
		}
	})
}

// An act that is refused tells nobody, and an account that wants nothing has no rows.
func TestRaisedWithItsAct(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
		w.register(l.URL, "PACKAGE_CREATE")
		refused := errs.New(errs.Invalid, "x", "No.")
		err := w.DB.Write(t.Context(), func(tx *db.Tx) error {
			must(t, Raise(tx, Event{Account: w.account.Account, Package: "p", Name: "PACKAGE_CREATE"}))
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		w.raise("p", "PACKAGE_CREATED")
		w.raise("p", "PACKAGE_TRASH")
		stranger := *w
		stranger.account.Account = "another"
		stranger.raise("p", "PACKAGE_CREATE")
		if n := len(w.deliveries("waiting")); n != 0 {
			t.Errorf("%d wait", n)
		}
		must(t, w.DB.Write(t.Context(), func(tx *db.Tx) error {
			for name, want := range map[string]bool{"PACKAGE_CREATE": true, "PACKAGE_TRASH": false} {
				if got, err := Wanted(tx, w.account.Account, name); err != nil || got != want {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			}
			return nil
		}))
	})
}

func TestRegistration(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d)
		long := "https://hooks.example.com/" + strings.Repeat("x", maxURL)
		for url, ok := range map[string]bool{
			"https://hooks.example.com/esign": true, "http://hooks.example.com:8080/?a=b": true, "": true, "HTTPS://HOOKS.EXAMPLE.COM": true,
			"https://[2001:db8::1]/": true, "ftp://hooks.example.com": false, "hooks.example.com": false, "https://": false, "https:///x": false,
			"https://ann:secret@hooks.example.com": false, "https://hooks.example.com/#x": false, "https://hooks.example.com:0/": false,
			"https://hooks.example.com:99999/": false, "https://hooks.example.com:/": false, "https:hooks.example.com": false, "//hooks.example.com": false,
			"https://hooks.example.com/%zz": false, "https://hooks.exa\nmple.com": false, "javascript:alert(1)": false, "file:///etc/passwd": false, long: false,
		} {
			err := w.Register(t.Context(), w.account, Registration{URL: url})
			if ok && err != nil || !ok && !errs.Is(err, "callback.url") {
				t.Errorf("%q: %v", url, err)
			}
		}
		for what, r := range map[string]Registration{
			"callback.event":      {Events: []string{"PACKAGE_COMPLETED"}},
			"callback.origin":     {Origin: "a/b"},
			"callback.credential": {Key: "a\r\nX-Forged: 1"},
			"callback.style":      {Style: "Digest"},
		} {
			r.URL = "https://hooks.example.com"
			if err := w.Register(t.Context(), w.account, r); !errs.Is(err, what) {
				t.Errorf("%s: %v", what, err)
			}
		}
		r := Registration{Origin: "Salesforce", URL: "https://hooks.example.com/x", Style: Key, Key: "very-secret-key", Events: []string{"SIGNER_COMPLETE", "PACKAGE_CREATE"}}
		must(t, w.Register(t.Context(), w.account, r))
		got, err := w.Registered(t.Context(), w.account, "Salesforce")
		slices.Sort(r.Events)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("%+v, %v", got, err)
		}
		if none, err := w.Registered(t.Context(), w.account, "Other"); err != nil || none.URL != "" {
			t.Errorf("%+v, %v", none, err)
		}
		must(t, w.DB.Read(t.Context(), func(tx *db.Tx) error { // T7: neither key nor secret is kept in the clear
			for row, err := range db.Rows[callback](tx, `select `+columns+` from callbacks`) {
				if err != nil || bytes.Contains(row.Credential, []byte("secret")) || bytes.Contains(row.Secret, []byte(secretPrefix)) {
					t.Errorf("%q %v", row.Credential, err)
				}
			}
			return nil
		}))
	})
}

// W5: what was raised for one address is never called out to a later one by itself, not even when its act was committed
// after the address had changed; a change of the key alone loses nothing. By command it goes to the new address.
func TestNothingToALaterAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, ours, theirs := newWorld(t, d, "127.0.0.1"), listen(t, status(500)), listen(t, nil)
		w.register(ours.URL, "PACKAGE_CREATE")
		w.raise("p", "PACKAGE_CREATE")
		w.once()
		w.register(ours.URL, "PACKAGE_CREATE", "PACKAGE_TRASH")
		if n := len(w.deliveries("waiting")); n != 1 {
			t.Errorf("%d wait after a change of the events", n)
		}
		w.register(theirs.URL, "PACKAGE_CREATE")
		w.raise("p", "PACKAGE_CREATE")
		w.raise("late", "PACKAGE_CREATE")
		// What an act raised that had read the former address, and was committed after the change.
		for pkg, n := range map[string]string{"p": "1", "late": "0"} {
			must(t, w.DB.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(`update deliveries set generation = 0, state = 'waiting', ended_ms = null
					where seq = `+n+` or lane_id in (select id from lanes where package = $1) and $1 = 'late'`, pkg)
				return err
			}))
		}
		d.Shift(time.Hour)
		for range 4 {
			w.once()
		}
		if got := theirs.all(); len(got) != 1 || got[0].Package != "p" {
			t.Errorf("the later address was told of %+v", got)
		}
		f := w.deliveries("failed")
		if len(f) != 2 || f[0].LastError != "the callback has another address now" || len(w.deliveries("waiting")) != 0 {
			t.Errorf("%+v", f)
		}
		if n, err := w.SendAgain(t.Context(), w.account, ""); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		for range 2 {
			w.once()
		}
		if n := len(theirs.all()); n != 3 || len(ours.all()) != 1 {
			t.Errorf("by command %d calls, %d at the former address", n, len(ours.all()))
		}
	})
}

// An act raises in the middle and locks rows of its own after that, which another act holds that raises about the same
// package: neither waits for the other's lane, so neither is run twice. The order of a lane is that of the commits.
func TestLanesAreLockedLast(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d)
		w.register("https://hooks.example.com", "PACKAGE_TRASH")
		w.raise("p", "PACKAGE_TRASH") // the lane is there
		do := func(act func(tx *db.Tx) error) error { return w.DB.Write(t.Context(), act) }
		must(t, do(func(tx *db.Tx) error {
			_, err := tx.Exec(`create table own (id bigint primary key, n bigint)`)
			return err
		}))
		must(t, do(func(tx *db.Tx) error { _, err := tx.Exec(`insert into own values (1, 0)`); return err }))
		hold := func(tx *db.Tx) error { _, err := tx.Exec(`update own set n = n + 1`); return err }
		var runs atomic.Int64
		raise := func(tx *db.Tx, by string) error {
			runs.Add(1)
			err := Raise(tx, Event{Account: w.account.Account, Package: "p", Name: "PACKAGE_TRASH", SessionUser: by})
			_, sent := tx.Now() // whatever waited for the next statement has been sent
			return errors.Join(err, sent)
		}
		holds, raised := make(chan struct{}), make(chan struct{})
		held, told := sync.OnceFunc(func() { close(holds) }), sync.OnceFunc(func() { close(raised) })
		if strings.HasPrefix(d.URL, "sqlite:") {
			told() // its acts come one after the other
		}
		var acts sync.WaitGroup
		acts.Go(func() {
			if err := do(func(tx *db.Tx) error {
				err := hold(tx)
				held()
				<-raised
				return errors.Join(err, raise(tx, "first"))
			}); err != nil {
				t.Error(err)
			}
		})
		<-holds
		acts.Go(func() {
			if err := do(func(tx *db.Tx) error {
				err := raise(tx, "second")
				told()
				return errors.Join(err, hold(tx))
			}); err != nil {
				t.Error(err)
			}
		})
		acts.Wait()
		if runs.Load() != 2 {
			t.Errorf("the acts were run %d times", runs.Load())
		}
		var bodies [][]byte
		must(t, w.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
			bodies, err = db.All[[]byte](tx, `select body from deliveries order by seq`)
			return err
		}))
		if len(bodies) != 3 || !bytes.Contains(bodies[1], []byte(`"first"`)) || !bytes.Contains(bodies[2], []byte(`"second"`)) {
			t.Errorf("%s", bodies)
		}
	})
}
