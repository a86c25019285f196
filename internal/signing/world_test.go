package signing_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
)

func TestMain(m *testing.M) {
	pdf.Child()
	os.Exit(m.Run())
}

var jail = sync.OnceValue(func() *pdf.Jail {
	cache, err := os.MkdirTemp("", "countersign-test-pdfium-")
	if err != nil {
		panic(err)
	}
	j, err := pdf.Open(context.Background(), pdf.Config{CacheDir: cache})
	if err != nil {
		panic(err)
	}
	return j
})

// world is a tenant with every room real: database, documents, mail, jail and keys.
type world struct {
	t       *testing.T
	db      *dbtest.DB
	dir     *directory.Directory
	authn   *authn.Authn
	post    *mail.Post
	queue   *jobs.Queue
	blobs   *blob.Dir
	blobDir string
	box     *secret.Box
	signing *signing.Signing
	account directory.Account
	client  authz.Principal
	paper   []byte
	onMail  atomic.Pointer[func()] // called as a message is written
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld makes a tenant; identification is how members prove who they are.
func newWorld(t *testing.T, d *dbtest.DB, identification string) *world {
	t.Helper()
	w := &world{t: t, db: d, blobDir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	box, err := secret.FromMaster([]byte(strings.Repeat("k", 32)))
	check(t, err)
	w.blobs, err = blob.OpenDir(w.blobDir)
	check(t, err)
	w.box = box
	w.queue = jobs.New(d.DB, log)
	w.post, err = mail.New(mail.Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true,
		Branding: mail.Branding{Of: func(tx *db.Tx, account string) (mail.Brand, error) {
			if f := w.onMail.Load(); f != nil {
				(*f)()
			}
			b, err := directory.BrandOf(tx, account)
			return mail.Brand{Name: b.Name, Logo: b.Logo}, err
		}}}, d.DB, box, w.blobs.Get, w.queue, log)
	check(t, err)
	w.dir = directory.New(d.DB, w.post)
	w.authn, err = authn.New(t.Context(), d.DB, box, w.post, "https://sign.example.com", log)
	check(t, err)
	keys, err := seal.Open(t.Context(), d.DB, box, seal.Config{})
	check(t, err)
	w.signing = signing.New(signing.Config{DB: d.DB, Box: box, Blobs: w.blobs, Jail: jail(), Keys: keys, Authn: w.authn,
		Post: w.post, Queue: w.queue, Log: log, BaseURL: "https://sign.example.com", Product: "Countersign"})
	w.account, err = w.dir.CreateAccount(t.Context(), directory.NewAccount{Organisation: "Example Health", Name: "Example Pharmacy"})
	check(t, err)
	check(t, w.dir.SetAccount(t.Context(), w.account.OuterID, directory.Settings{MemberIdentification: identification}, nil))
	id, password, err := w.authn.CreateClient(t.Context(), w.account.ID, []authz.Right{authz.ManageUsers, authz.Sign}, "Integration")
	check(t, err)
	token, err := w.authn.ClientToken(t.Context(), id, password, "")
	check(t, err)
	w.client, err = w.authn.Authenticate(t.Context(), token.Access)
	check(t, err)
	w.paper = paper(t, 1)
	return w
}

// paper is a PDF of so many pages.
func paper(t testing.TB, pages int) []byte {
	t.Helper()
	job := pdf.Job{Title: "Prescription"}
	for i := range pages {
		job.Append = append(job.Append, pdf.NewPage{Width: 612, Height: 792, Items: []pdf.Item{
			pdf.Text{X: 72, Y: 90, Size: 20, String: fmt.Sprintf("Prescription, page %d", i+1)}}})
	}
	out, err := jail().Compose(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return out.File
}

// work runs the queue until the test ends.
func (w *world) work() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.queue.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// settle waits until every job is done.
func (w *world) settle() {
	w.t.Helper()
	check(w.t, w.queue.Idle(w.t.Context()))
}

// senders makes users of the account who can be members.
func (w *world) senders(names ...string) []directory.User {
	w.t.Helper()
	var out []directory.User
	for i, name := range names {
		first, last, _ := strings.Cut(name, " ")
		u, _, err := w.dir.InviteSender(w.t.Context(), w.client, directory.NewUser{
			Email: fmt.Sprintf("signer%d@example.com", i+1), FirstName: first, LastName: last})
		check(w.t, err)
		out = append(out, u)
	}
	return out
}

func (w *world) group(name string, members ...directory.User) directory.Group {
	w.t.Helper()
	in := directory.NewGroup{Name: name}
	for _, m := range members {
		in.Members = append(in.Members, directory.NewMember{Email: m.Email})
	}
	g, err := w.dir.CreateGroup(w.t.Context(), w.client, in)
	check(w.t, err)
	return g
}

// block is a signature field of 200 × 50 points for a role.
func block(id, role string) signing.Approval {
	return signing.Approval{OuterID: id, Role: role, Fields: []signing.Field{
		{OuterID: "signature", Type: "SIGNATURE", Subtype: "FULLNAME", Left: 100, Top: 300, Width: 200, Height: 50}}}
}

func groupRole(id string, g directory.Group) signing.NewRole {
	return signing.NewRole{OuterID: id, Type: "SIGNER", Signer: signing.NewSigner{Group: g.OuterID}}
}

// send makes and sends a package with one document that every role signs.
func (w *world) send(roles ...signing.NewRole) string {
	w.t.Helper()
	id, err := w.signing.Create(w.t.Context(), w.client, w.pack(true, roles...))
	check(w.t, err)
	return id
}

func (w *world) pack(send bool, roles ...signing.NewRole) signing.NewPackage {
	in := signing.NewPackage{Name: "Prescription", Roles: roles, Send: send}
	doc := signing.NewDocument{OuterID: "doc", Name: "Prescription", PDF: w.paper}
	for i, r := range roles {
		a := block(fmt.Sprintf("approval%d", i), r.OuterID)
		a.Fields[0].Top += 60 * float64(i)
		doc.Approvals = append(doc.Approvals, a)
	}
	in.Documents = []signing.NewDocument{doc}
	return in
}

var linkToken = regexp.MustCompile(`/s/([A-Za-z0-9_-]+)`)

// token is the newest link mailed to an address.
func (w *world) token(email string) string {
	w.t.Helper()
	w.settle()
	messages, err := w.post.Mailbox(w.t.Context(), email)
	check(w.t, err)
	for _, m := range messages {
		if found := linkToken.FindStringSubmatch(m.Text); found != nil {
			return found[1]
		}
	}
	w.t.Fatalf("no link was mailed to %s", email)
	return ""
}

// enter opens the newest link of an address in a new browser.
func (w *world) enter(email string) signing.Visit {
	w.t.Helper()
	v, err := w.signing.Enter(w.t.Context(), w.token(email), "", "")
	check(w.t, err)
	return v
}

var codeForm = regexp.MustCompile(`(?m)^\s*(\d{6})\s*$`)

// prove proves the mailbox of an address by the code mailed to it.
func (w *world) prove(v signing.Visit, email string) signing.Visit {
	w.t.Helper()
	check(w.t, w.signing.SendCode(w.t.Context(), v))
	w.settle()
	messages, err := w.post.Mailbox(w.t.Context(), email)
	check(w.t, err)
	for _, m := range messages {
		if code := codeForm.FindStringSubmatch(m.Text); code != nil {
			v, err = w.signing.ProveCode(w.t.Context(), v, code[1])
			check(w.t, err)
			return v
		}
	}
	w.t.Fatalf("no code was mailed to %s", email)
	return v
}

// sign takes, consents and signs.
func (w *world) sign(v signing.Visit) {
	w.t.Helper()
	lease, err := w.signing.Take(w.t.Context(), v)
	check(w.t, err)
	check(w.t, w.signing.Consent(w.t.Context(), v, lease.Epoch))
	check(w.t, w.signing.Sign(w.t.Context(), v, signing.Submission{Epoch: lease.Epoch}))
}

// events are the types of a package's audit events, oldest first.
func (w *world) events(pkg string) []string {
	w.t.Helper()
	trail, err := w.signing.Trail(w.t.Context(), w.client, pkg)
	check(w.t, err)
	var out []string
	for _, r := range trail {
		name := r.Type
		if r.Refused {
			name += "!"
		}
		out = append(out, name)
	}
	return out
}

// count reads a number from the database.
func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	check(w.t, w.db.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		n, err = db.One[int](tx, sql, args...)
		return err
	}))
	return n
}

// column reads texts from the database.
func (w *world) column(sql string, args ...any) (out []string) {
	w.t.Helper()
	check(w.t, w.db.Read(w.t.Context(), func(tx *db.Tx) (err error) {
		out, err = db.All[string](tx, sql, args...)
		return err
	}))
	return out
}

// from is a context with an address, as the front hall makes it.
func from(ctx context.Context, ip string) context.Context {
	return audit.WithOrigin(ctx, audit.Origin{IP: ip, UserAgent: "test"})
}

// restart puts new rooms in the place of those that kept state in memory.
func (w *world) restart() {
	w.t.Helper()
	a, err := authn.New(w.t.Context(), w.db.DB, w.box, w.post, "https://sign.example.com", slog.New(slog.DiscardHandler))
	check(w.t, err)
	c := w.signing.Config
	c.Authn, c.Queue = a, jobs.New(w.db.DB, c.Log)
	w.authn, w.signing = a, signing.New(c)
}
