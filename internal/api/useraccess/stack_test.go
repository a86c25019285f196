package useraccess

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"sync"
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stack is the surface over real rooms. Its client has the token of an administrator of an account of its own.
type stack struct {
	apitest.Client
	db      *dbtest.DB
	box     *secret.Box
	dir     *directory.Directory
	authn   *authn.Authn
	access  *access.Access
	account directory.Account
	admin   directory.User
	surface *surface
	hall    http.Handler
}

var operator = authz.Principal{Rights: []authz.Right{authz.Operate}}

func newStack(t *testing.T, d *dbtest.DB) *stack {
	t.Helper()
	s := &stack{db: d, access: access.New(d.DB)}
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	var err error
	s.box, err = secret.FromMaster(make([]byte, 32))
	must(t, err)
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}, d.DB, s.box, nil, jobs.New(d.DB, log), log)
	must(t, err)
	s.dir = directory.New(d.DB, post)
	s.authn, err = authn.New(ctx, d.DB, s.box, post, "https://sign.example.com", log)
	must(t, err)
	running, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { _ = s.authn.Run(running) })
	t.Cleanup(func() { stop(); following.Wait() })
	s.T = t
	s.serve()
	return s.fresh("Admin")
}

// serve is a process that begins: it remembers nothing.
func (s *stack) serve(trusted ...netip.Prefix) {
	s.surface = newSurface(Config{Access: s.access, Limit: limit.New(s.db.DB), Keys: s.box})
	log := slog.New(slog.NewTextHandler(s.T.Output(), &slog.HandlerOptions{Level: slog.LevelError})) // a test that fails shows what broke
	s.hall = api.New(api.Config{Log: log, Authenticator: s.authn, TrustedProxies: trusted,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }}, s.surface.dialect())
	server := httptest.NewServer(s.hall)
	s.T.(*testing.T).Cleanup(server.Close)
	s.URL, s.Check = server.URL, func(c apitest.Call, a apitest.Answer) { checkAnswer(s.T, c, a) }
}

// fresh is the same surface with a new account and an administrator.
func (s *stack) fresh(name string) *stack {
	s.T.Helper()
	f := *s
	var err error
	f.account, err = s.dir.CreateAccount(context.Background(), directory.NewAccount{Name: "Example " + secret.Alphanumeric(6)})
	must(s.T, err)
	f.admin = f.user(name, directory.Manager, true)
	f.Authorization = f.token(f.admin)
	return &f
}

// user makes an active user of the account.
func (s *stack) user(name, kind string, sender bool) (u directory.User) {
	s.T.Helper()
	must(s.T, s.db.Write(context.Background(), func(tx *db.Tx) (err error) {
		u, err = directory.AddUser(tx, s.account.ID, directory.NewUser{FirstName: name, LastName: "Example", Type: kind,
			Email: fmt.Sprintf("u%s-%s@example.com", regexp.MustCompile(`[^a-z]`).ReplaceAllString(name, ""), secret.Digits(10))},
			directory.Standing{Status: directory.Active, Sender: sender})
		return err
	}))
	return u
}

// token makes an access token of a user and returns its Authorization header.
func (s *stack) token(u directory.User) string {
	s.T.Helper()
	_, token, _, err := s.authn.NewAccessToken(context.Background(), operator, s.account.OuterID, u.SenderID, "Audit", 0)
	must(s.T, err)
	return "Bearer " + token
}

// client makes a client of the account with some rights and returns its id and secret.
func (s *stack) client(rights ...authz.Right) (id, password string) {
	s.T.Helper()
	id, password, err := s.authn.CreateClient(context.Background(), s.account.ID, rights, "Integration")
	must(s.T, err)
	return id, password
}

func (s *stack) clientToken(id, password string) string {
	s.T.Helper()
	token, err := s.authn.ClientToken(context.Background(), id, password, "")
	must(s.T, err)
	return "Bearer " + token.Access
}

// principal is the administrator as the room sees a person of the console.
func (s *stack) principal() authz.Principal {
	return authz.Principal{Account: s.account.ID, Organisation: s.account.Organisation, User: s.admin.ID,
		Rights: []authz.Right{authz.ManageUsers, authz.ReadAccess, authz.IntelAgree, authz.Sign, authz.ReadAudit}}
}

// exec runs a statement beside the rooms.
func (s *stack) exec(query string, args ...any) {
	s.T.Helper()
	must(s.T, s.db.Write(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err }))
}

// listed is an answer of the list.
type listed struct {
	Total int `json:"total_results"`
	Users []struct {
		ID          string   `json:"user_id"`
		Name        string   `json:"name"`
		Email       string   `json:"email"`
		Permissions []string `json:"permissions"`
		LastLogin   *string  `json:"last_login"`
	} `json:"users"`
	Next string `json:"next_cursor"`
}

func (s *stack) list(query string) (l listed) {
	s.T.Helper()
	s.Get("/v2/access/users" + query).Want(200).Into(&l)
	return l
}

// ids are the users of an answer.
func (l listed) ids() (ids []string) {
	for _, u := range l.Users {
		ids = append(ids, u.ID)
	}
	return ids
}

var rateLimit = regexp.MustCompile(`^"admin";r=(\d+);t=(\d+)$`)

// checkAnswer holds every answer of every test against the document, and against what every answer has.
func checkAnswer(t testing.TB, c apitest.Call, a apitest.Answer) {
	t.Helper()
	if published != nil {
		if err := published.Fault(c, a); err != nil {
			t.Errorf("openapi.json: %v", err)
		}
	}
	if policy := a.Header.Values("RateLimit-Policy"); len(policy) != 1 || policy[0] != `"admin";q=100;w=60` {
		t.Errorf("%s %s: %d with RateLimit-Policy %q", c.Method, c.Path, a.Status, policy)
	}
	m := rateLimit.FindStringSubmatch(a.Header.Get("RateLimit"))
	if m == nil {
		t.Errorf("%s %s: %d with RateLimit %q", c.Method, c.Path, a.Status, a.Header.Values("RateLimit"))
	} else if wait, _ := strconv.Atoi(m[2]); wait > 60 {
		t.Errorf("%s %s: RateLimit %q", c.Method, c.Path, m[0])
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s %s: the headers %v", c.Method, c.Path, a.Header)
	}
	if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); a.Status == 429 && (err != nil || wait < 1 || wait > 60) {
		t.Errorf("%s %s: Retry-After %q", c.Method, c.Path, a.Header.Get("Retry-After"))
	}
	if a.Status >= 400 && c.Method != "HEAD" && !json.Valid(a.Body) {
		t.Errorf("%s %s: %d %q", c.Method, c.Path, a.Status, a.Body)
	}
}

// left is what an answer says is left of the quota.
func left(t testing.TB, a apitest.Answer) int {
	t.Helper()
	m := rateLimit.FindStringSubmatch(a.Header.Get("RateLimit"))
	if m == nil {
		t.Fatalf("RateLimit %q", a.Header.Get("RateLimit"))
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
