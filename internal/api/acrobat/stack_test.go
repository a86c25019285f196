package acrobat

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

// checkAnswer, when set, sees every call of every test of this package and its answer.
var checkAnswer func(testing.TB, apitest.Call, apitest.Answer)

// stack is the surface over real rooms.
type stack struct {
	apitest.Client // without credentials
	db             *dbtest.DB
	dir            *directory.Directory
	authn          *authn.Authn
	log            *lines
	count          atomic.Int64
}

// onePoint is the access point of a server that has one.
var onePoint = AccessPoint{API: "https://sign.example.com/", Web: "https://pages.example.com/"}

func newStack(t *testing.T, d *dbtest.DB, points ...AccessPoint) *stack {
	t.Helper()
	s := &stack{db: d, log: &lines{}}
	ctx, log := t.Context(), slog.New(slog.NewJSONHandler(s.log, nil))
	box, err := secret.FromMaster(make([]byte, 32))
	must(t, err)
	queue := jobs.New(d.DB, log)
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}, d.DB, box, nil, queue, log)
	must(t, err)
	s.dir = directory.New(d.DB, post)
	s.authn, err = newAuthn(ctx, d, box, post, log)
	must(t, err)
	running, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { _ = s.authn.Run(running) })
	t.Cleanup(func() { stop(); following.Wait() })
	if points == nil {
		points = []AccessPoint{onePoint}
	}
	server := httptest.NewServer(api.New(api.Config{Log: log, Authenticator: s.authn,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }},
		New(Config{Authn: s.authn, Directory: s.dir, Points: points, Log: log})))
	t.Cleanup(server.Close)
	s.Client = apitest.Client{T: t, URL: server.URL, Check: func(c apitest.Call, a apitest.Answer) {
		if checkAnswer != nil {
			checkAnswer(t, c, a)
		}
	}}
	return s
}

func newAuthn(ctx context.Context, d *dbtest.DB, box *secret.Box, post *mail.Post, log *slog.Logger) (*authn.Authn, error) {
	return authn.New(ctx, d.DB, box, post, "https://sign.example.com", log)
}

// lines is a log that a test may read while it is written.
type lines struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unique is a word that no call before has got, of letters and digits.
func (s *stack) unique(word string) string { return fmt.Sprintf("%s%d", word, s.count.Add(1)) }

// tenant is a technical account of an organisation, and a client with its token.
type tenant struct {
	apitest.Client
	*stack
	organisation, domain string
	account              authn.TechnicalAccount
	partner              string // its id; empty: not registered
}

// newTechnical makes a technical account of an organisation that has vouched domains, a first of its own and more.
func (s *stack) newTechnical(more ...string) *tenant {
	t := s.T
	t.Helper()
	o := &tenant{stack: s, organisation: s.unique("Organisation "), domain: s.unique("d") + ".example.com"}
	o.technical()
	for _, domain := range append([]string{o.domain}, more...) {
		_, err := s.dir.VouchDomain(t.Context(), o.organisation, domain)
		must(t, err)
	}
	return o
}

// technical gives the tenant a new technical account, with all scopes.
func (o *tenant) technical() {
	t := o.stack.T
	t.Helper()
	var err error
	o.account, err = o.authn.CreateTechnicalAccount(t.Context(), o.organisation, "Program", "")
	must(t, err)
	o.Client = o.stack.As("Bearer " + o.token(""))
}

// newPartner is newTechnical, registered but not active.
func (s *stack) newPartner(more ...string) *tenant {
	s.T.Helper()
	o := s.newTechnical(more...)
	o.partner = o.Post(embedPath+"/partners", `{"name":"Partner Name"}`).Want(201).Text("id")
	return o
}

// newTenant is newPartner, active.
func (s *stack) newTenant(more ...string) *tenant {
	s.T.Helper()
	o := s.newPartner(more...)
	o.activate(directory.PartnerActive)
	return o
}

func (o *tenant) activate(status directory.PartnerStatus) {
	o.stack.T.Helper()
	_, err := o.dir.SetPartnerStatus(o.stack.T.Context(), o.partner, status)
	must(o.stack.T, err)
}

const formMedia = "application/x-www-form-urlencoded"

// form posts a form without credentials.
func (s *stack) form(path string, form url.Values) apitest.Answer {
	s.T.Helper()
	return s.Do(apitest.Call{Method: "POST", Path: path, Media: formMedia, Body: []byte(form.Encode())})
}

func (o *tenant) imsForm(scope string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {o.account.ClientID}, "client_secret": {o.account.ClientSecret},
		"scope": {scope}}
}

// token is a technical token with some scopes; "" is all.
func (o *tenant) token(scope string) string {
	o.stack.T.Helper()
	return o.stack.form(imsPath+"/v2", o.imsForm(scope)).Want(200).Text("access_token")
}

// with is the tenant's client with some scopes alone.
func (o *tenant) with(scopes ...string) apitest.Client {
	o.stack.T.Helper()
	return o.stack.As("Bearer " + o.token(strings.Join(scopes, ",")))
}

// newAccount makes an account with a seat cap; 0 is none.
func (o *tenant) newAccount(seats int) string {
	o.stack.T.Helper()
	return o.Post(embedPath+"/accounts", fmt.Sprintf(`{"name":%q,"countryCode":"US","consumables":[{"type":"SEATS","attributes":{"cap":%d}}]}`,
		o.unique("Account"), seats)).Want(201).Text("accountId")
}

// person is a user and his address.
type person struct{ id, email string }

// newUser makes a user with roles.
func (o *tenant) newUser(account string, roles ...string) person {
	o.stack.T.Helper()
	email := o.unique("bob") + "@" + o.domain
	list := ""
	if len(roles) > 0 {
		list = `,"roles":["` + strings.Join(roles, `","`) + `"]`
	}
	id := o.Post(embedPath+"/users", fmt.Sprintf(`{"email":%q,"firstName":"Bob","lastName":"Smith","accountId":%q%s}`, email, account, list)).
		Want(201).Text("userId")
	return person{id, email}
}

// subject is an unsigned subject token for an address.
func subject(email string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(fmt.Appendf(nil, `{"email":%q}`, email)) + "."
}

// exchangeForm asks for a token of a user.
func (o *tenant) exchangeForm(email, scope string) url.Values {
	return url.Values{
		"client_id": {o.account.ClientID}, "client_secret": {o.account.ClientSecret},
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {subject(email)}, "subject_token_type": {"jwt"},
		"actor_token": {strings.TrimPrefix(o.Authorization, "Bearer ")}, "actor_token_type": {"access_token"},
		"scope": {scope},
	}
}

const bothUserScopes = "sign_user_read,sign_user_write"

// as is a client that acts as a user.
func (o *tenant) as(email, scope string) apitest.Client {
	o.stack.T.Helper()
	return o.stack.As("Bearer " + o.form(authPath+"/token", o.exchangeForm(email, scope)).Want(200).Text("access_token"))
}

// member is a client of a token that this house gives, not the surface.
func (s *stack) member() apitest.Client {
	s.T.Helper()
	ctx := s.T.Context()
	a, err := s.dir.CreateAccount(ctx, directory.NewAccount{Name: s.unique("House")})
	must(s.T, err)
	id, password, err := s.authn.CreateClient(ctx, a.ID, []authz.Right{authz.Sign}, "Member")
	must(s.T, err)
	token, err := s.authn.ClientToken(ctx, id, password, "")
	must(s.T, err)
	return s.As("Bearer " + token.Access)
}
