package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
)

// tenant is an account with a manager and a regular sender, and a room that has a post office.
type tenant struct {
	*world
	post             *mail.Post
	queue            *jobs.Queue
	dir              *directory.Directory
	manager, regular directory.User
}

func newTenant(t *testing.T, d *dbtest.DB) *tenant {
	t.Helper()
	w := &tenant{world: newWorld(t, d, "127.0.0.1")}
	log := slog.New(slog.DiscardHandler)
	w.queue = jobs.New(d.DB, log)
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { _ = blobs.Close() })
	w.post, err = mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}, d.DB, w.Box, blobs.Get, w.queue, log)
	must(t, err)
	w.Post = w.post
	w.dir = directory.New(d.DB, w.post)
	account, err := w.dir.CreateAccount(t.Context(), directory.NewAccount{Organisation: "Example Health", Name: "Example Pharmacy"})
	must(t, err)
	w.account.Account = account.ID
	w.manager, _, err = w.dir.InviteSender(t.Context(), w.account, directory.NewUser{Email: "manager@example.com", FirstName: "Mona", LastName: "Ger", Type: directory.Manager})
	must(t, err)
	w.regular, _, err = w.dir.InviteSender(t.Context(), w.account, directory.NewUser{Email: "regular@example.com", FirstName: "Reg", LastName: "Ular"})
	must(t, err)
	return w
}

func (w *tenant) as(u directory.User) authz.Principal {
	return authz.Principal{Account: u.Account, User: u.ID, Rights: []authz.Right{authz.Sign}}
}

// work delivers mails until the test ends.
func (w *tenant) work() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.queue.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
}

// told is how many mails about lost events somebody got.
func (w *tenant) told(email string) (n int) {
	w.Helper()
	must(w.T, w.queue.Idle(w.Context()))
	messages, err := w.post.Mailbox(w.Context(), email)
	must(w.T, err)
	for _, m := range messages {
		if m.Subject == "Events cannot be delivered to 127.0.0.1" {
			n++
		}
	}
	return n
}

// W5: only who manages the account says where its events go and reads the key of calls; a refusal changes nothing.
func TestT13OnlyManagersRegister(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newTenant(t, d)
		ours := Registration{URL: "https://hooks.example.com/ours", Key: "ours-alone", Events: []string{"PACKAGE_CREATE"}}
		must(t, w.Register(t.Context(), w.as(w.manager), ours))
		stranger := w.as(w.manager)
		stranger.Account = "another"
		for what, p := range map[string]authz.Principal{"account.not_manager": w.as(w.regular), "user.inactive": stranger} {
			for _, url := range []string{"https://hooks.example.net/theirs", ""} {
				err := w.Register(t.Context(), p, Registration{URL: url})
				if !errs.Is(err, what) || errs.KindOf(err) != errs.Denied {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		for what, p := range map[string]authz.Principal{"account.not_manager": w.as(w.regular), "user.inactive": stranger} {
			if got, err := w.Registered(t.Context(), p, ""); !errs.Is(err, what) || got.URL != "" || got.Key != "" {
				t.Errorf("%s reads %+v, %v", what, got, err)
			}
		}
		got, err := w.Registered(t.Context(), w.as(w.manager), "")
		if err != nil || got.URL != ours.URL || got.Key != ours.Key {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// What is given up after three days is told to who registered the callback, once a day; to the managers when he is none.
func TestGivenUpIsTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newTenant(t, d)
		w.work()
		l := listen(t, status(500))
		other, _, err := w.dir.InviteSender(t.Context(), w.account, directory.NewUser{Email: "other@example.com", FirstName: "O", LastName: "Ther", Type: directory.Manager})
		must(t, err)
		must(t, w.Register(t.Context(), w.as(other), Registration{URL: l.URL, Events: []string{"PACKAGE_CREATE"}}))
		lose := func(packages ...string) {
			t.Helper()
			for _, p := range packages {
				w.raise(p, "PACKAGE_CREATE")
			}
			w.once()
			d.Shift(tryFor + time.Hour)
			w.once()
			d.Shift(time.Hour)
		}
		lose("a", "b", "c")
		if n := len(w.deliveries("failed")); n != 3 {
			t.Fatalf("%d were given up", n)
		}
		if o, m, r := w.told("other@example.com"), w.told("manager@example.com"), w.told("regular@example.com"); o != 1 || m != 0 || r != 0 {
			t.Errorf("who registered was told %d times, the manager %d, the sender %d", o, m, r)
		}
		must(t, w.dir.DeleteSender(t.Context(), w.account, other.SenderID))
		lose("d")
		if o, m, r := w.told("other@example.com"), w.told("manager@example.com"), w.told("regular@example.com"); o != 1 || m != 1 || r != 0 {
			t.Errorf("later who registered was told %d times, the manager %d, the sender %d", o, m, r)
		}
	})
}

// W5: an account has so many connectors and no more, however many ask at once. Those that are switched off do not count.
func TestConnectorsAreBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d)
		register := func(origin, url string) error {
			return w.Register(t.Context(), w.account, Registration{Origin: origin, URL: url, Events: []string{"PACKAGE_CREATE"}})
		}
		const url = "https://hooks.example.com/x"
		must(t, register("", url)) // the account's own does not count
		must(t, register("off", ""))
		var wg sync.WaitGroup
		var refused atomic.Int64
		for i := range maxOrigins + 5 {
			wg.Go(func() {
				if err := register(fmt.Sprint("c", i), url); errs.Is(err, "callback.too_many") {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.raise("p", "PACKAGE_CREATE")
		if n := len(w.deliveries("waiting")); n != maxOrigins+1 || refused.Load() != 5 {
			t.Errorf("%d are told, %d were refused", n, refused.Load())
		}
		must(t, register("", "https://hooks.example.com/y")) // a change of what there is
		if err := register("off", url); !errs.Is(err, "callback.too_many") {
			t.Errorf("one more: %v", err)
		}
	})
}
