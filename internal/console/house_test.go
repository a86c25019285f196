package console_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/console"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/outward"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

func TestMain(m *testing.M) {
	pdf.Child()
	code := m.Run()
	if window.close != nil {
		window.close()
	}
	os.Exit(code)
}

// house is all rooms behind the console, with a server on a port of this machine.
type house struct {
	t       testing.TB
	db      *dbtest.DB
	dir     *directory.Directory
	authn   *authn.Authn
	access  *access.Access
	post    *mail.Post
	queue   *jobs.Queue
	signing *signing.Signing
	hooks   *webhook.Webhook
	config  console.Config
	handler http.Handler
	url     string
	log     *safeBuffer

	account  directory.Account // of administrator, sender and member
	customer directory.Account // of the partner whose staff partner_admin and partner_developer are
	foreign  directory.Account // of another partner
	partner  directory.Partner
	client   authz.Principal // an integration user of account
	people   map[string]person
}

// person is somebody who signs in.
type person struct{ name, email, sender string }

// safeBuffer is a log that several goroutines write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newHouse starts everything on the test's database, with people of each role.
func newHouse(t *testing.T, d *dbtest.DB) *house {
	t.Helper()
	h := &house{t: t, db: d, log: &safeBuffer{}, people: map[string]person{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }))
	h.url = "http://" + server.Listener.Addr().String()
	h.wire(t)
	server.Start()
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{h.queue.Run, h.authn.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); running.Wait() })
	h.populate(ctx)
	return h
}

func (h *house) wire(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	box := must(secret.FromMaster(bytes.Repeat([]byte{7}, 32)))
	blobs := must(blob.OpenDir(t.TempDir()))
	t.Cleanup(func() { blobs.Close() })
	h.queue = jobs.New(h.db.DB, log)
	h.post = must(mail.New(mail.Config{From: "Countersign <sign@example.com>", BaseURL: h.url, Mailbox: true}, h.db.DB, box, blobs.Get, h.queue, log))
	h.dir = directory.New(h.db.DB, h.post)
	h.access = access.New(h.db.DB)
	h.authn = must(authn.New(ctx, h.db.DB, box, h.post, h.url, log, authn.WithGate(must(outward.New("provider.address", []string{"localhost"})))))
	h.authn.HandleJobs(h.queue)
	h.hooks = must(webhook.New(webhook.Config{DB: h.db.DB, Box: box, Log: log, Post: h.post}))
	keys := must(seal.Open(ctx, h.db.DB, box, seal.Config{}))
	h.signing = signing.New(signing.Config{DB: h.db.DB, Box: box, Blobs: blobs, Jail: jail(), Keys: keys, Authn: h.authn,
		Post: h.post, Queue: h.queue, Log: log, BaseURL: h.url, Product: "Countersign"})
	h.config = console.Config{BaseURL: h.url, Keys: box, Authn: h.authn, Directory: h.dir, Access: h.access, Signing: h.signing, Webhook: h.hooks, Audit: audit.Open(h.db.DB), Log: log}
	h.handler = must(console.New(h.config))
}

// populate makes three accounts and people of each role.
func (h *house) populate(ctx context.Context) {
	h.account = must(h.dir.CreateAccount(ctx, directory.NewAccount{Name: "Northwind Clinics"}))
	h.client = h.newClient(ctx, h.account)
	h.partner, h.customer = h.newPartner(ctx, "Partner Ltd", "partnerdomain.com")
	_, h.foreign = h.newPartner(ctx, "Rival Ltd", "rival.example.com")
	h.staff(ctx, "operator", "Olga Petrova", directory.Operator, "")
	h.staff(ctx, "partner_admin", "Paula Meier", directory.PartnerAdmin, "Partner Ltd")
	h.staff(ctx, "partner_developer", "Dev Patel", directory.PartnerDeveloper, "Partner Ltd")
	h.invite(ctx, "administrator", "Anna", "Berg", directory.Manager)
	h.invite(ctx, "sender", "Ben", "Olsen", directory.Regular)
	made := must(h.access.CreateUser(ctx, h.client, access.NewUser{Name: "Mona Lind", LegalName: "Mona Lind", Email: "member@example.com",
		Keys: []directory.BusinessKey{{Type: "email", Value: "member@example.com"}}}))
	h.people["member"] = person{"Mona Lind", "member@example.com", made.SenderID}
}

func (h *house) newClient(ctx context.Context, a directory.Account) authz.Principal {
	id, password, err := h.authn.CreateClient(ctx, a.ID, []authz.Right{authz.Sign, authz.ManageUsers, authz.IntelAgree}, "Ines Keller")
	if err != nil {
		h.t.Fatal(err)
	}
	return must(h.authn.Authenticate(ctx, must(h.authn.ClientToken(ctx, id, password, "")).Access))
}

func (h *house) newPartner(ctx context.Context, organisation, domain string) (directory.Partner, directory.Account) {
	technical := must(h.authn.CreateTechnicalAccount(ctx, organisation, "Onboarding", "EdDSA"))
	p := must(h.authn.Authenticate(ctx, must(h.authn.TechnicalToken(ctx, technical.ClientID, technical.ClientSecret, nil)).Access))
	must(h.dir.VouchDomain(ctx, organisation, domain))
	partner := must(h.dir.RegisterPartner(ctx, p, directory.NewPartner{Name: organisation}))
	must(h.dir.SetPartnerStatus(ctx, partner.OuterID, directory.PartnerActive))
	return partner, must(h.dir.CreatePartnerAccount(ctx, p, directory.NewPartnerAccount{Name: strings.ReplaceAll(organisation, " ", "") + "Customer", Country: "US"}))
}

func (h *house) staff(ctx context.Context, role, name string, as directory.StaffRole, organisation string) {
	email := strings.ReplaceAll(role, "_", ".") + "@example.com"
	must(h.dir.CreateStaff(ctx, directory.NewStaff{Email: email, Name: name, Role: as, Organisation: organisation}))
	h.people[role] = person{name, email, ""}
}

func (h *house) invite(ctx context.Context, role, first, last, as string) {
	u, _, err := h.dir.InviteSender(ctx, h.client, directory.NewUser{Email: role + "@example.com", FirstName: first, LastName: last, Type: as})
	if err != nil {
		h.t.Fatal(err)
	}
	h.people[role] = person{u.Name(), u.Email, u.SenderID}
}

// newest is the newest letter to an address that has the words.
func (h *house) newest(to, words string) mail.MailboxMessage {
	h.t.Helper()
	if err := h.queue.Idle(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	for _, l := range must(h.post.Mailbox(context.Background(), to)) {
		if strings.Contains(l.Subject+l.Text, words) {
			return l
		}
	}
	h.t.Fatalf("no letter to %s with %q", to, words)
	return mail.MailboxMessage{}
}

// mailed is the newest link to a path of the console that was mailed to somebody.
func (h *house) mailed(to, path string) string {
	h.t.Helper()
	for _, l := range h.newest(to, path).Links {
		if strings.Contains(l, path) {
			return l
		}
	}
	h.t.Fatalf("no link to %s", path)
	return ""
}

// client is a browser without scripts: it keeps cookies and does not follow redirects.
type client struct {
	h    *house
	http *http.Client
}

func (h *house) newBrowser() *client {
	return &client{h, &http.Client{Jar: must(cookiejar.New(nil)),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// cookieOf is a session's cookie of somebody, made without the pages.
func (h *house) cookieOf(role string) string {
	h.t.Helper()
	ctx := context.Background()
	email := h.people[role].email
	h.forget()
	if err := h.authn.SendSignInLink(ctx, email, ""); err != nil {
		h.t.Fatal(err)
	}
	link := must(url.Parse(h.mailed(email, authn.LinkPath)))
	in := must(h.authn.RedeemLink(ctx, link.Query().Get("token"), ""))
	return in.Cookie
}

// signIn is a browser in which somebody is signed in.
func (h *house) signIn(role string) *client {
	h.t.Helper()
	c := h.newBrowser()
	c.http.Jar.SetCookies(must(url.Parse(h.url+"/console")), []*http.Cookie{{Name: "cs_console", Value: h.cookieOf(role), Path: "/console"}})
	return c
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (c *client) do(r *http.Request) answer {
	c.h.t.Helper()
	res, err := c.http.Do(r)
	if err != nil {
		c.h.t.Fatal(err)
	}
	defer res.Body.Close()
	return answer{res, string(must(io.ReadAll(res.Body)))}
}

func (c *client) request(method, path string, values url.Values) *http.Request {
	c.h.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = c.h.url + path
	}
	r := must(http.NewRequest(method, path, strings.NewReader(values.Encode())))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (c *client) get(path string) answer { c.h.t.Helper(); return c.do(c.request("GET", path, nil)) }

// page is a page that must be there.
func (c *client) page(path string) string {
	c.h.t.Helper()
	a := c.get(path)
	if a.StatusCode != http.StatusOK {
		c.h.t.Fatalf("%s: %d %s\n%s", path, a.StatusCode, a.Header.Get("Location"), a.body)
	}
	return a.body
}

var nonceForm = regexp.MustCompile(`name="nonce" value="([^"]*)"`)

// post sends a form with the nonce of the page it stands on.
func (c *client) post(on, path string, values url.Values) answer {
	c.h.t.Helper()
	if values == nil {
		values = url.Values{}
	}
	if m := nonceForm.FindStringSubmatch(c.page(on)); m != nil {
		values.Set("nonce", m[1])
	}
	return c.do(c.request("POST", path, values))
}

// lands posts a form and follows to the page it leads to.
func (c *client) lands(on, path string, values url.Values) string {
	c.h.t.Helper()
	a := c.post(on, path, values)
	if a.StatusCode != http.StatusSeeOther {
		c.h.t.Fatalf("POST %s: %d\n%s", path, a.StatusCode, a.body)
	}
	return c.page(a.Header.Get("Location"))
}

// at is the address of a page of an account.
func at(a directory.Account, path string) string { return "/console/accounts/" + a.OuterID + path }
