package intelagree

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/secret"
)

func TestMain(m *testing.M) {
	flag.Parse()
	publish()
	code := m.Run()
	if code == 0 {
		code = unproven()
	}
	os.Exit(code)
}

// stack is the surface over real rooms.
type stack struct {
	apitest.Client // of the API user
	db             *dbtest.DB
	dir            *directory.Directory
	authn          *authn.Authn
	access         *access.Access
	limit          *limit.Limiter
	server         *httptest.Server
	staff          directory.Staff // the operator
	tenant
}

// tenant is an account with an API user, who manages users and may act as others.
type tenant struct {
	account      directory.Account
	operator     authz.Principal
	subscription string // the key
	accountKey   string
	api          directory.User
}

func newStack(t *testing.T, d *dbtest.DB) *stack {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	box, err := secret.FromMaster(make([]byte, 32))
	must(t, err)
	queue := jobs.New(d.DB, log)
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}, d.DB, box, nil, queue, log)
	must(t, err)
	s := &stack{db: d, dir: directory.New(d.DB, post), access: access.New(d.DB), limit: limit.New(d.DB)}
	s.staff, err = s.dir.CreateStaff(ctx, directory.NewStaff{Email: address("operator"), Name: "Olga Operator", Role: directory.Operator})
	must(t, err)
	s.authn, err = authn.New(ctx, d.DB, box, post, "https://sign.example.com", log)
	must(t, err)
	running, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.authn.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	s.server = httptest.NewServer(api.New(api.Config{Log: log, Authenticator: s.authn,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }},
		New(Config{Authn: s.authn, Access: s.access, Limit: s.limit, Retry: retry.New(d.DB, queue), BaseURL: "https://sign.example.com"})))
	t.Cleanup(s.server.Close)
	return s.fresh(t)
}

// fresh is the same surface with a new account.
func (s *stack) fresh(t *testing.T) *stack {
	t.Helper()
	f := *s
	f.Client = apitest.Client{T: t, URL: s.server.URL, Check: func(c apitest.Call, a apitest.Answer) { checkDocument(t, c, a) }}
	var err error
	f.account, err = s.dir.CreateAccount(t.Context(), directory.NewAccount{Name: "Example " + secret.Alphanumeric(6)})
	must(t, err)
	f.operator = authz.Principal{Kind: authz.Staff, By: f.staff.ID, Organisation: f.account.Organisation, Account: f.account.ID, Rights: []authz.Right{authz.Operate}}
	_, f.subscription, err = s.authn.NewSubscription(t.Context(), f.account.OuterID, "Contracts")
	must(t, err)
	f.api = f.newUser("api", directory.Manager)
	f.grant(f.api, access.OfPermission, 4, access.Scope{})
	f.accountKey = f.newAccountKey(f.api)
	f.Authorization = "Bearer " + f.token(f.accountKey)
	return &f
}

// newUser makes a user of the account, of a type, whom nothing but that lets do anything.
func (s *stack) newUser(name, kind string) directory.User {
	s.T.Helper()
	u, _, err := s.dir.InviteSender(s.T.Context(), s.operator, directory.NewUser{Email: address(name), FirstName: "Ann", LastName: name, Type: kind})
	must(s.T, err)
	return u
}

// address is one that no other test has.
func address(name string) string { return name + "-" + secret.Alphanumeric(10) + "@example.com" }

func (s *stack) newAccountKey(u directory.User) string {
	s.T.Helper()
	_, key, err := s.authn.NewAccountKey(s.T.Context(), s.account.OuterID, u.SenderID, "Provisioning")
	must(s.T, err)
	return key
}

// grant is the operator's.
func (s *stack) grant(u directory.User, what string, number int64, scope access.Scope) {
	s.T.Helper()
	_, err := s.access.Grant(s.T.Context(), s.operator, access.Holder{Kind: access.OfUser, ID: u.SenderID}, access.NewGrant{What: what, Number: number, Scope: scope})
	must(s.T, err)
}

// newPermission defines a permission of the account.
func (s *stack) newPermission(name string) int64 {
	s.T.Helper()
	p, err := s.access.DefinePermission(s.T.Context(), s.operator, access.NewPermission{Name: name})
	must(s.T, err)
	return p.Number
}

// newEntity defines something that grants are scoped by.
func (s *stack) newEntity(kind string, number int64) {
	s.T.Helper()
	must(s.T, s.access.DefineEntity(s.T.Context(), s.operator, access.Entity{Kind: kind, Number: number, Name: fmt.Sprintf("%s %d", kind, number)}))
}

// key gives a user a business key.
func (s *stack) key(u directory.User, value string) {
	s.T.Helper()
	must(s.T, s.db.Write(s.T.Context(), func(tx *db.Tx) error {
		return directory.AddBusinessKey(tx, s.account.ID, u.ID, directory.BusinessKey{Type: "HR", Value: value})
	}))
}

// end deactivates a user.
func (s *stack) end(u directory.User) {
	s.T.Helper()
	must(s.T, s.db.Write(s.T.Context(), func(tx *db.Tx) error { _, err := directory.Deactivate(tx, u.ID); return err }))
}

// token asks for a token of an account key.
func (s *stack) token(accountKey string) string {
	s.T.Helper()
	return s.As("").Do(s.call("POST", "/api/Accounts", `{"accountKey":"`+accountKey+`"}`)).Want(200).Text("token")
}

// call is a call with subscription and version, and more headers as pairs of name and value.
func (s *stack) call(method, path, body string, headers ...string) apitest.Call {
	c := apitest.Call{Method: method, Path: path, Header: map[string]string{subscriptionHeader: s.subscription, "ApiVersion": version}}
	if body != "" {
		c.Body = []byte(body)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		c.Header[headers[i]] = headers[i+1]
	}
	maps.DeleteFunc(c.Header, func(_, value string) bool { return value == "" })
	return c
}

// send makes a call as the API user.
func (s *stack) send(method, path, body string, headers ...string) apitest.Answer {
	s.T.Helper()
	return s.Do(s.call(method, path, body, headers...))
}

// post makes a user.
func (s *stack) post(body string, headers ...string) apitest.Answer {
	s.T.Helper()
	return s.send("POST", "/api/users", body, headers...)
}

// by is the surface as another user, who has an account key of his own.
func (s *stack) by(u directory.User) *stack {
	s.T.Helper()
	f := *s
	f.Authorization = "Bearer " + s.token(s.newAccountKey(u))
	return &f
}

// person is a body that is refused for nothing, with more members: `"title":"x"`.
func person(more ...string) string {
	body := `{"name":"Pat Example","legalName":"Patricia Example","email":"` + address("pat") + `"`
	for _, m := range more {
		body += "," + m
	}
	return body + "}"
}

// path of a user.
func path(id any) string { return fmt.Sprintf("/api/users/%v", id) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(name, []byte(text), 0o644))
}

// execute changes the database beside the rooms.
func execute(s *stack, query string, args ...any) {
	s.T.Helper()
	must(s.T, s.db.Write(s.T.Context(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err }))
}

// full gives the account one seat, which is taken, until the function it returns is called.
func (s *stack) full() (undo func()) {
	s.T.Helper()
	execute(s, `insert into consumables (account_id, type, cap, used) values ($1, 'SEATS', 1, 1)`, s.account.ID)
	return func() { execute(s, `delete from consumables where account_id = $1`, s.account.ID) }
}

// count is the number that a query gives.
func (s *stack) count(query string, args ...any) (n int64) {
	s.T.Helper()
	must(s.T, s.db.Read(s.T.Context(), func(tx *db.Tx) (err error) { n, err = db.One[int64](tx, query, args...); return err }))
	return n
}

// tx is short for what reads are made of.
type tx = *db.Tx

func (s *stack) read(do func(tx tx) error) {
	s.T.Helper()
	must(s.T, s.db.Read(s.T.Context(), do))
}

func text(n int64) string { return fmt.Sprint(n) }

// held is what the user of an address holds: permissions by number, and the scope of the last reason that is not overridden.
func (s *stack) held(email string) map[int64]string {
	s.T.Helper()
	out := map[int64]string{}
	s.read(func(tx tx) error {
		u, err := directory.UserByEmail(tx, s.account.ID, email)
		if err != nil {
			return err
		}
		held, _, err := access.Effective(tx, u)
		for _, h := range held {
			for _, r := range h.Reasons {
				if !r.Overridden {
					out[h.Number] = fmt.Sprintf("%v %v %v", r.Scope.Organizations, r.Scope.LegalEntities, r.Scope.ContractTypes)
				}
			}
		}
		return err
	})
	return out
}
