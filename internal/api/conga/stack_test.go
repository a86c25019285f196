package conga

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

// stack is the surface over real rooms.
type stack struct {
	apitest.Client // acts with the right to manage users
	db             *dbtest.DB
	authn          *authn.Authn
	account        directory.Account
	id, secret     string // of a client that may manage users and sign
}

func newStack(t *testing.T, d *dbtest.DB) *stack {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	box, err := secret.FromMaster(make([]byte, 32))
	must(t, err)
	queue := jobs.New(d.DB, log)
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "http://127.0.0.1", Mailbox: true}, d.DB, box, nil, queue, log)
	must(t, err)
	dir := directory.New(d.DB, post)
	account, err := dir.CreateAccount(ctx, directory.NewAccount{Name: "Example"})
	must(t, err)
	a, err := authn.New(ctx, d.DB, box, post, "http://127.0.0.1", log)
	must(t, err)
	running, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- a.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	s := &stack{db: d, authn: a, account: account}
	s.id, s.secret, err = a.CreateClient(ctx, account.ID, []authz.Right{authz.ManageUsers, authz.Sign}, "Administration")
	must(t, err)
	server := httptest.NewServer(api.New(api.Config{Log: log, Authenticator: a}, New(a)))
	t.Cleanup(server.Close)
	s.Client = apitest.Client{T: t, URL: server.URL}
	s.Authorization = "Bearer " + s.token(s.id, s.secret)
	return s
}

// full gives the account one seat, which is taken, until the function it returns is called.
func (s *stack) full() (undo func()) {
	s.T.Helper()
	exec := func(query string) {
		s.T.Helper()
		if err := s.db.Write(s.T.Context(), func(tx *db.Tx) error { _, err := tx.Exec(query, s.account.ID); return err }); err != nil {
			s.T.Fatal(err)
		}
	}
	exec(`insert into consumables (account_id, type, cap, used) values ($1, 'SEATS', 1, 1)`)
	return func() { exec(`delete from consumables where account_id = $1`) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	usersPath = "/api/user-management/v1/users"
	tokenPath = "/api/v1/auth/connect/token"
	formMedia = "application/x-www-form-urlencoded"
)

func (s *stack) connect(form url.Values, authorization string) apitest.Answer {
	c := s.Client
	c.Authorization = authorization
	return c.Do(apitest.Call{Method: "POST", Path: tokenPath, Media: formMedia, Body: []byte(form.Encode())})
}

func credentialForm(id, secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
}

func (s *stack) token(id, secret string) string {
	s.T.Helper()
	return s.connect(credentialForm(id, secret), "").Want(200).Text("access_token")
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

const seedUser = `{"FirstName":"integrationuser144","LastName":"test01","Email":"integrationuser144@example.com","UserType":"Integration","Role":{"Name":"CongaSign Integration Role"}}`
