package signing_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

// called is a callback as a receiver reads it.
type called struct{ Name, SessionUser, PackageID, Message, DocumentID string }

// listener is an account's receiver and the room that calls it.
type listener struct {
	*webhook.Webhook
	t     *testing.T
	mu    sync.Mutex
	calls []called
	heard map[string]bool // ids: the clock is moved, so a call may be made again while it is under way
}

// listens registers a real receiver for every event of the account.
func (w *world) listens() *listener {
	w.t.Helper()
	l := &listener{t: w.t, heard: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var c called
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			w.t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if id := r.Header.Get("webhook-id"); !l.heard[id] {
			l.heard[id] = true
			l.calls = append(l.calls, c)
		}
	}))
	w.t.Cleanup(server.Close)
	var err error
	l.Webhook, err = webhook.New(webhook.Config{DB: w.db.DB, Box: w.box, Log: slog.New(slog.DiscardHandler), Allow: []string{"127.0.0.1"}})
	check(w.t, err)
	check(w.t, l.Register(w.t.Context(), w.client, webhook.Registration{URL: server.URL, All: true}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return l
}

// of are the calls about a package of one of the names, in order.
func (l *listener) of(pkg string, names ...string) (out []called) {
	l.t.Helper()
	check(l.t, l.Idle(l.t.Context()))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.PackageID == pkg && slices.Contains(names, c.Name) {
			out = append(out, c)
		}
	}
	return out
}

// once fails unless the package was told of by exactly this call of its name.
func (l *listener) once(want called) {
	l.t.Helper()
	if got := l.of(want.PackageID, want.Name); len(got) != 1 || got[0] != want {
		l.t.Errorf("%s: %+v, want %+v once", want.Name, got, want)
	}
}

// Each event is told once, of the right package, by the right person, with the right document.
func TestEachCallbackIsToldOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		l, ctx := w.listens(), t.Context()
		integration := w.column(`select sender_id from users where id = $1`, w.client.User)[0]
		made := func(settings string, roles ...signing.NewRole) string {
			in := w.pack(true, roles...)
			in.Settings = []byte(`{"ceremony":` + settings + `}`)
			id, err := w.signing.Create(ctx, w.client, in)
			check(t, err)
			return id
		}
		asked := person("a", "a@example.com", "Ann", "Lee")
		asked.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
		full := made(`{"optOutButton":true}`, asked, person("b", "b@example.com", "Bob", "Ray"))
		ann, bob := w.enter("a@example.com"), w.enter("b@example.com")
		c, err := w.signing.Ceremony(ctx, ann)
		check(t, err)
		for range 2 {
			_, _, err = w.signing.PageImage(ctx, ann, c.Documents[0].ID, 0, 100)
			check(t, err)
		}
		lease := w.take(ann)
		check(t, w.signing.Attach(ctx, ann, lease.Epoch, "licence", "cv.pdf", w.paper))
		lease = w.take(bob)
		wants(t, w.signing.Consent(ctx, ann, lease.Epoch+7), "lease.stale")
		check(t, w.signing.OptOut(ctx, bob, lease.Epoch, "On paper, please."))
		l.once(called{Name: "DOCUMENT_VIEWED", SessionUser: "a-signer", PackageID: full, DocumentID: "doc"})
		l.once(called{Name: "PACKAGE_ATTACHMENT", SessionUser: "a-signer", PackageID: full, Message: "Licence"})
		l.once(called{Name: "LEASE_REFUSED", SessionUser: "a-signer", PackageID: full})
		l.once(called{Name: "PACKAGE_OPT_OUT", SessionUser: "b-signer", PackageID: full})
		l.once(called{Name: "LEASE_VOIDED", PackageID: full}) // Ann's

		moved := made(`{}`, person("c", "c@example.com", "Cat", "Lee"))
		_, err = w.signing.ChangeRoles(ctx, w.client, moved, edit("c", func(r *signing.NewRole) {
			r.Signer.Email, r.Signer.FirstName, r.Signer.LastName = "n@example.com", "Nina", "New"
		}))
		check(t, err)
		l.once(called{Name: "ROLE_REASSIGN", SessionUser: integration, PackageID: moved})

		l.once(called{Name: "TEMPLATE_CREATE", SessionUser: integration, PackageID: w.template()})

		no, in := false, w.pack(true, person("e", "e@example.com", "Eve", "Lee"))
		in.Autocomplete = &no
		ready, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		w.sign(w.enter("e@example.com"))
		l.once(called{Name: "PACKAGE_READY_FOR_COMPLETE", PackageID: ready})
	})
}

// Those that nobody does: time passes, a code is wrong too often, a mailbox refuses.
func TestEachCallbackOfTheServerIsToldOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		l, ctx := w.listens(), t.Context()
		in := w.pack(true, groupRole("g", w.group("Pharmacists", w.senders("Mary Doe", "John Smith")...)), person("a", "a@example.com", "Ann", "Lee"))
		in.Settings = []byte(`{"ceremony":{"maxAuthFailsAllowed":5}}`)
		in.Due = db.Time(int64(w.count(`select clock_ms()`))).Add(time.Hour)
		pkg, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		john := w.enter("signer2@example.com")
		check(t, w.signing.SendCode(ctx, john))
		for range 5 {
			_, err := w.signing.ProveCode(ctx, john, "x00000")
			wants(t, err, "code.wrong")
		}
		w.take(w.enter("a@example.com"))
		w.settle()
		d.Shift(directory.Defaults.SoftLease + time.Second)
		w.settle()
		l.once(called{Name: "SIGNER_LOCKED", SessionUser: w.column(`select sender_id from users where email = 'signer2@example.com'`)[0], PackageID: pkg})
		l.once(called{Name: "LEASE_LAPSED", PackageID: pkg})
		d.Shift(time.Hour)
		w.settle()
		l.once(called{Name: "PACKAGE_EXPIRE", PackageID: pkg})
		if got := l.of(pkg, "LEASE_VOIDED"); len(got) != 0 { // it had lapsed
			t.Errorf("%+v", got)
		}
	})
}

// refusingRelay is a mail server that takes no message for anybody.
func refusingRelay(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 relay.example.com\r\n")
				for in := bufio.NewScanner(c); in.Scan(); {
					answer := "250 ok"
					if strings.HasPrefix(in.Text(), "RCPT") {
						answer = "550 no such user"
					}
					fmt.Fprint(c, answer+"\r\n")
				}
			}()
		}
	}()
	return l.Addr().String()
}

// An invitation that its mailbox refuses is told once.
func TestBounceIsToldOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		log := slog.New(slog.DiscardHandler)
		w.queue = jobs.New(d.DB, log)
		post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com",
			SMTP: &mail.SMTP{Addr: refusingRelay(t), TLS: mail.Plain}}, d.DB, w.box, w.blobs.Get, w.queue, log)
		check(t, err)
		c := w.signing.Config
		c.Post, c.Queue = post, w.queue
		w.signing = signing.New(c)
		w.work()
		l := w.listens()
		pkg := w.send(person("a", "a@example.com", "Ann", "Lee"))
		w.settle()
		d.Shift(24 * time.Hour)
		w.settle()
		l.once(called{Name: "EMAIL_BOUNCE", PackageID: pkg, Message: "UNKNOWN"})
	})
}

// Rule 14: a renewal from idle, a lapse without a successor, and every refusal for want of the lease are events and callbacks.
func TestRule14EveryMoveOfALeaseIsTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, _ := duo(t, d)
		l, ctx := w.listens(), t.Context()
		beat := func(lease signing.Lease, renewed int) {
			t.Helper()
			_, err := w.signing.Beat(ctx, mary, lease.Epoch)
			check(t, err)
			if n := w.many(pkg, "lease.renewed"); n != renewed {
				t.Errorf("renewed %d times, want %d", n, renewed)
			}
		}
		lease := w.take(mary)
		beat(lease, 1) // soft turns hard
		beat(lease, 1)
		d.Shift(7 * time.Minute)
		beat(lease, 1)
		d.Shift(8 * time.Minute)
		beat(lease, 2)
		w.settle() // the looks at the first ends find it renewed
		if n := w.count(`select count(*) from jobs where kind = 'lease.lapsed'`); n < 1 || n > 2 {
			t.Errorf("%d jobs watch one lease", n)
		}
		d.Shift(directory.Defaults.HardLease + time.Second)
		w.settle()
		if w.many(pkg, "lease.lapsed") != 1 || w.count(`select count(*) from roles where holder is not null`) != 0 {
			t.Errorf("nobody noticed the lapse: %v", w.events(pkg))
		}
		wants(t, w.signing.Consent(ctx, mary, lease.Epoch), "lease.stale")
		wants(t, w.signing.Sign(ctx, mary, signing.Submission{Epoch: lease.Epoch}), "lease.stale")
		john := w.enter(users[1].Email)
		lease = w.take(john)
		wants(t, second(w.signing.Take(ctx, mary)), "lease.held")
		wants(t, w.api(users[0], pkg, signing.APISignature{}), "lease.held")
		wants(t, w.api(w.stranger(), pkg, signing.APISignature{}), "signer.other")
		wants(t, w.signing.Sign(ctx, john, signing.Submission{Epoch: lease.Epoch}), "consent.missing") // not about the lease
		check(t, w.signing.Leave(ctx, john, lease.Epoch))
		lease = w.take(john)
		w.sign(john)
		d.Shift(2 * directory.Defaults.HardLease)
		w.settle()
		if w.many(pkg, "lease.lapsed") != 1 {
			t.Error("a lease that was released or signed has lapsed")
		}
		if n := w.count(`select count(*) from jobs where kind = 'lease.lapsed'`); n != 0 {
			t.Errorf("%d jobs are left", n)
		}
		if got := l.of(pkg, "LEASE_REFUSED"); len(got) != 5 {
			t.Errorf("refusals: %+v", got)
		}
		if got := l.of(pkg, "LEASE_RENEWED"); len(got) != 2 || got[0].SessionUser != users[0].SenderID {
			t.Errorf("renewals: %+v", got)
		}
		l.once(called{Name: "LEASE_LAPSED", PackageID: pkg})
	})
}

// stranger is a user of the account who signs nothing.
func (w *world) stranger() directory.User {
	w.t.Helper()
	u, _, err := w.dir.InviteSender(w.t.Context(), w.client, directory.NewUser{Email: "stranger@example.com", FirstName: "Stan", LastName: "Ger"})
	check(w.t, err)
	return u
}

// Two beats at once of a lease that was idle are one renewal.
func TestRule14RenewedOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, _ := duo(t, d)
		for round := range dbtest.Rounds(5, 200) {
			lease := w.take(mary)
			var at sync.WaitGroup
			for range 4 {
				at.Go(func() {
					if _, err := w.signing.Beat(t.Context(), mary, lease.Epoch); err != nil {
						t.Error(err)
					}
				})
			}
			at.Wait()
			check(t, w.signing.Leave(t.Context(), mary, lease.Epoch))
			if n := w.many(pkg, "lease.renewed"); n != round+1 {
				t.Fatalf("%d renewals after round %d", n, round)
			}
		}
	})
}
