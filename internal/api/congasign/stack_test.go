package congasign

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

func TestMain(m *testing.M) {
	pdf.Child()
	flag.Parse()
	publish()
	code := m.Run()
	if code == 0 {
		code = unproven()
	}
	os.Exit(code)
}

// jail keeps its compiled engine in the user's cache, as the tests of pdf do: compiling takes seconds.
var jail = sync.OnceValue(func() *pdf.Jail {
	cache, err := os.UserCacheDir()
	if err != nil {
		panic(err)
	}
	j, err := pdf.Open(context.Background(), pdf.Config{CacheDir: filepath.Join(cache, "countersign-test-pdfium")})
	if err != nil {
		panic(err)
	}
	return j
})

// stack is the surface over real rooms.
type stack struct {
	apitest.Client
	db      *dbtest.DB
	authn   *authn.Authn
	dir     *directory.Directory
	post    *mail.Post
	queue   *jobs.Queue
	signing *signing.Signing
	webhook *webhook.Webhook
	retry   *retry.Retry
	account directory.Account
	server  *httptest.Server
}

func newStack(t *testing.T, d *dbtest.DB) *stack {
	t.Helper()
	s := &stack{db: d}
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	box, err := secret.FromMaster(make([]byte, 32))
	must(t, err)
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	s.queue = jobs.New(d.DB, log)
	s.post, err = mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}, d.DB, box, blobs.Get, s.queue, log)
	must(t, err)
	s.dir = directory.New(d.DB, s.post)
	s.authn, err = authn.New(ctx, d.DB, box, s.post, "https://sign.example.com", log)
	must(t, err)
	keys, err := seal.Open(ctx, d.DB, box, seal.Config{})
	must(t, err)
	s.signing = signing.New(signing.Config{DB: d.DB, Box: box, Blobs: blobs, Jail: jail(), Keys: keys, Authn: s.authn, Post: s.post,
		Queue: s.queue, Log: log, BaseURL: "https://sign.example.com", Product: "Countersign"})
	s.webhook, err = webhook.New(webhook.Config{DB: d.DB, Box: box, Log: log, Allow: []string{"127.0.0.1"}})
	must(t, err)
	s.retry = retry.New(d.DB, s.queue)
	s.run(t, s.authn.Run, s.queue.Run, s.webhook.Run)
	s.server = httptest.NewServer(api.New(api.Config{Log: log, Authenticator: s.authn,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }},
		New(Config{BaseURL: "https://sign.example.com", Version: "test", Signing: s.signing, Directory: s.dir, Authn: s.authn, Webhook: s.webhook, Retry: s.retry})))
	t.Cleanup(s.server.Close)
	return s
}

// fresh is the same surface with a new account, and a client that signs for it.
func (s *stack) fresh(t *testing.T) *stack {
	t.Helper()
	f := *s
	var err error
	f.account, err = s.dir.CreateAccount(t.Context(), directory.NewAccount{Name: "Example Pharmacy " + secret.Alphanumeric(6)})
	must(t, err)
	must(t, s.dir.SetAccount(t.Context(), f.account.OuterID, directory.Settings{MemberIdentification: directory.Link}, nil))
	f.Client = apitest.Client{T: t, URL: s.server.URL, Authorization: s.newClient(f.account, authz.Sign),
		Check: func(c apitest.Call, a apitest.Answer) { neverNull(t, c, a) }}
	return &f
}

// run keeps loops running until the test ends.
func (s *stack) run(t *testing.T, loops ...func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, loop := range loops {
		running.Go(func() {
			if err := loop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { stop(); running.Wait() })
}

// newClient makes a client of an account and returns its Authorization header.
func (s *stack) newClient(a directory.Account, rights ...authz.Right) string {
	id, password, err := s.authn.CreateClient(context.Background(), a.ID, rights, "Integration")
	if err != nil {
		panic(err)
	}
	token, err := s.authn.ClientToken(context.Background(), id, password, "")
	if err != nil {
		panic(err)
	}
	return "Bearer " + token.Access
}

// apiKey makes the API key of a sender and returns its Authorization header.
func (s *stack) apiKey(email string) string {
	s.T.Helper()
	users, _, err := s.dir.ListSenders(s.T.Context(), authz.Principal{Account: s.account.ID}, directory.Query{Search: email})
	if err != nil || len(users) != 1 {
		s.T.Fatal(users, err)
	}
	key, err := s.authn.NewAPIKey(s.T.Context(), authz.Principal{Account: s.account.ID, User: users[0].ID})
	if err != nil {
		s.T.Fatal(err)
	}
	return "Basic " + key
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

// paper is a small PDF of one Letter page, the same bytes every time.
func paper() string {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	text := "BT /F1 18 Tf 72 700 Td (Prescription) Tj ET"
	for i, object := range []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(text), text),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	xref := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", xref)
	return b.String()
}

// settle waits until every job is done.
func (s *stack) settle() {
	s.T.Helper()
	if err := s.queue.Idle(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
}

// mails counts the messages an address has got.
func (s *stack) mails(address string) int {
	s.T.Helper()
	s.settle()
	messages, err := s.post.Mailbox(s.T.Context(), address)
	if err != nil {
		s.T.Fatal(err)
	}
	return len(messages)
}

var link = regexp.MustCompile(`/s/([A-Za-z0-9_-]+)`)

// sign has the person of an address sign by his personal link.
func (s *stack) sign(email string) {
	s.T.Helper()
	v := s.enter(email)
	ctx := audit.WithOrigin(s.T.Context(), audit.Origin{IP: "192.0.2.7", UserAgent: "test"})
	lease, err := s.signing.Take(ctx, v)
	if err == nil {
		err = s.signing.Consent(ctx, v, lease.Epoch)
	}
	if err == nil {
		err = s.signing.Sign(ctx, v, signing.Submission{Epoch: lease.Epoch, Mark: signing.Mark{Kind: "typed"}})
	}
	if err != nil {
		s.T.Fatal(err)
	}
	s.settle()
}

func (s *stack) enter(email string) signing.Visit {
	s.T.Helper()
	s.settle()
	messages, err := s.post.Mailbox(s.T.Context(), email)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, m := range messages {
		if found := link.FindStringSubmatch(m.Text); found != nil {
			v, err := s.signing.Enter(s.T.Context(), found[1], "", "")
			if err != nil {
				s.T.Fatal(err)
			}
			return v
		}
	}
	s.T.Fatalf("no link was mailed to %s", email)
	return signing.Visit{}
}

// seedPackage is the payload of "Conga Sign, Adding a Group signer".
const seedPackage = `{
  "roles": [
    {
      "id": "1945f2e1-3390-4297-bc3b-89af3c92e567",
      "type": "SIGNER",
      "index": 0,
      "signers": [
        {
          "group": {
            "id": "GROUP",
            "email": "invitee@example.com",
            "name": "REST Developers"
          },
          "id": "98b9db64-39ca-4b5b-a1eb-629e49c46dec",
          "email": "GROUP@groups.e-signlive.com",
          "firstName": "REST Developers",
          "lastName": ""
        }
      ],
      "name": "Signer1"
    }
  ],
  "status": "DRAFT",
  "language": "en",
  "documents": [
    {
      "id": "90277a614bf73b783fe2a5e04b68a99d4badf449b33ecfbf",
      "approvals": [
        {
          "id": "cVvJzBDX7lwP",
          "role": "1945f2e1-3390-4297-bc3b-89af3c92e567",
          "fields": [
            {
              "id": "cVvJzBDX7lwQ",
              "subtype": "FULLNAME",
              "height": 52,
              "extract": false,
              "width": 235,
              "left": 217,
              "top": 512,
              "type": "SIGNATURE"
            }
          ]
        }
      ],
      "name": "sample_contract"
    }
  ],
  "visibility": "ACCOUNT",
  "type": "PACKAGE",
  "name": "Group Signature Example"
}`

const (
	seedRole     = "1945f2e1-3390-4297-bc3b-89af3c92e567"
	seedDocument = "90277a614bf73b783fe2a5e04b68a99d4badf449b33ecfbf"
)

func packageFor(group string) string { return strings.ReplaceAll(seedPackage, "GROUP", group) }

// senders makes the senders signer1@example.com, John Smith, and signer2@example.com, Mary Doe.
func (s *stack) senders() {
	s.T.Helper()
	s.Post("/api/account/senders", `{"email":"signer1@example.com","firstName":"John","lastName":"Smith"}`).Want(200)
	s.Post("/api/account/senders", `{"email":"signer2@example.com","firstName":"Mary","lastName":"Doe"}`).Want(200)
}

// group makes a group of those two and returns its id.
func (s *stack) group() string {
	s.T.Helper()
	s.senders()
	return s.Post("/api/cs-groups", `{"name":"REST Developers","email":"invitee@example.com","members":[{"email":"signer1@example.com"},{"email":"signer2@example.com"}]}`).
		Want(200).Text("id")
}

// upload posts a payload and files named for their documents.
func (s *stack) upload(path, payload string, files ...string) apitest.Answer {
	s.T.Helper()
	var parts []apitest.Part
	for _, name := range files {
		parts = append(parts, apitest.Part{Name: "file", File: name, Media: "application/pdf", Data: paper()})
	}
	body, media := apitest.Multipart(append(parts, apitest.Part{Name: "payload", Data: payload})...)
	return s.Do(apitest.Call{Method: "POST", Path: path, Media: media, Body: body})
}
