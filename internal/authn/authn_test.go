package authn

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuer = "https://sign.example.com"

// house is an Authn with one account.
type house struct {
	*Authn
	t     testing.TB
	d     *dbtest.DB
	queue *jobs.Queue
	dir   *directory.Directory
	home  directory.Account
}

func build(t testing.TB, d *dbtest.DB) *house {
	t.Helper()
	h := &house{t: t, d: d, queue: jobs.New(d.DB, quiet())}
	noBlobs := func(context.Context, string) ([]byte, error) { return nil, errors.New("no attachments here") }
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: issuer, Mailbox: true}, d.DB, box(t), noBlobs, h.queue, quiet())
	if err != nil {
		t.Fatal(err)
	}
	h.Authn = h.replica(d.DB, post)
	h.HandleJobs(h.queue)
	h.dir = directory.New(d.DB, post)
	if h.home, err = h.dir.CreateAccount(context.Background(), directory.NewAccount{Name: "Example Ltd"}); err != nil {
		t.Fatal(err)
	}
	return h
}

// replica is another process on the same database.
func (h *house) replica(d *db.DB, post *mail.Post) *Authn {
	h.t.Helper()
	a, err := New(context.Background(), d, box(h.t), post, issuer, quiet())
	if err != nil {
		h.t.Fatal(err)
	}
	a.argon = argon{memory: 64, passes: 1, threads: 1} // a production hash takes a tenth of a second
	return a
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func box(t testing.TB) *secret.Box {
	t.Helper()
	b, err := secret.FromMaster(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// client makes a client and tells its credentials and whom it acts as.
func (h *house) client(rights ...authz.Right) (id, secret string, p authz.Principal) {
	h.t.Helper()
	id, secret, err := h.CreateClient(context.Background(), h.home.ID, rights, "Program")
	if err != nil {
		h.t.Fatal(err)
	}
	p, err = h.Authenticate(context.Background(), h.token(id, secret))
	if err != nil {
		h.t.Fatal(err)
	}
	return id, secret, p
}

func (h *house) token(id, secret string) string {
	h.t.Helper()
	t, err := h.ClientToken(context.Background(), id, secret, "")
	if err != nil {
		h.t.Fatal(err)
	}
	return t.Access
}

// hear makes a see at once what Run would tell it within a quarter of a second.
func (h *house) hear() {
	h.t.Helper()
	if err := h.follow(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) write(act func(tx *db.Tx) error) {
	h.t.Helper()
	if err := h.d.Write(context.Background(), act); err != nil {
		h.t.Fatal(err)
	}
}

func refused(t testing.TB, err error, kind errs.Kind, what string) {
	t.Helper()
	if errs.KindOf(err) != kind || !errs.Is(err, what) {
		t.Errorf("got %v, want %s %s", err, kind, what)
	}
}

// running runs a until the function it returns is called.
func running(a *Authn) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() { cancel(); <-done }
}
