package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/web"
)

// shared is what all tests of the package use: compiling PDFium takes seconds.
var shared struct {
	once sync.Once
	dir  string
	jail *pdf.Jail
	err  error
}

func TestMain(m *testing.M) {
	pdf.Child()
	code := m.Run()
	if window.close != nil {
		window.close()
	}
	if shared.jail != nil {
		if err := shared.jail.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func jail(t testing.TB) *pdf.Jail {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "countersign-web-"); shared.err == nil {
			shared.jail, shared.err = pdf.Open(context.Background(), pdf.Config{CacheDir: shared.dir})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.jail
}

// house is all rooms behind the pages, with a server on a port of this machine.
type house struct {
	t       testing.TB
	db      *dbtest.DB
	dir     *directory.Directory
	authn   *authn.Authn
	post    *mail.Post
	queue   *jobs.Queue
	signing *signing.Signing
	config  web.Config
	handler http.Handler
	url     string
	account directory.Account
	client  authz.Principal
	log     *safeBuffer
}

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

// newHouse starts everything on the test's database.
func newHouse(t *testing.T, d *dbtest.DB) *house {
	t.Helper()
	h := &house{t: t, db: d, log: &safeBuffer{}}
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
	h.account = must(h.dir.CreateAccount(ctx, directory.NewAccount{Name: "Northwind Clinics"}))
	h.client = h.newClient(ctx)
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
	h.post = must(mail.New(mail.Config{From: "Countersign <sign@example.com>", BaseURL: h.url, Mailbox: true, Branding: h.branding()}, h.db.DB, box, blobs.Get, h.queue, log))
	h.dir = directory.New(h.db.DB, h.post)
	h.authn = must(authn.New(ctx, h.db.DB, box, h.post, h.url, log))
	keys := must(seal.Open(ctx, h.db.DB, box, seal.Config{}))
	h.signing = signing.New(signing.Config{DB: h.db.DB, Box: box, Blobs: blobs, Jail: jail(t), Keys: keys, Authn: h.authn,
		Post: h.post, Queue: h.queue, Log: log, BaseURL: h.url, Product: "Countersign"})
	h.config = web.Config{BaseURL: h.url, Signing: h.signing, Keys: box, Log: log, Logo: h.dir.Logo,
		References: []web.Reference{{Name: "acrobat-sign", Title: "Acrobat Sign Embed 2.0", Document: must(os.ReadFile("../api/acrobat/openapi.json"))}},
		Verify: func(ctx context.Context, file []byte) (evidence.Report, error) {
			return evidence.Verify(ctx, jail(t), file, keys.Roots())
		},
		Mailbox: &web.Mailbox{List: h.letters, Attachment: h.post.MailboxAttachment}}
	h.handler = must(web.New(h.config))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (h *house) letters(ctx context.Context, to string) ([]web.Letter, error) {
	messages, err := h.post.Mailbox(ctx, to)
	var out []web.Letter
	for _, m := range messages {
		l := web.Letter{ID: m.ID, From: m.From, To: m.To, Subject: m.Subject, Date: m.Date, Text: m.Text, HTML: m.HTML, Links: m.Links}
		for _, a := range m.Attachments {
			l.Attachments = append(l.Attachments, web.Attachment{Name: a.Name, MIME: a.MIME, Size: a.Size})
		}
		out = append(out, l)
	}
	return out, err
}

// newClient is an integration user that sends packages.
func (h *house) newClient(ctx context.Context) authz.Principal {
	h.t.Helper()
	id, password, err := h.authn.CreateClient(ctx, h.account.ID, []authz.Right{authz.Sign, authz.ManageUsers}, "Ines Keller")
	if err != nil {
		h.t.Fatal(err)
	}
	token := must(h.authn.ClientToken(ctx, id, password, ""))
	return must(h.authn.Authenticate(ctx, token.Access))
}

// person is a member in a test.
type person struct{ first, last, email string }

var (
	mary = person{"Mary", "Doe", "mary.doe@example.com"}
	john = person{"John", "Smith", "john.smith@example.com"}
)

// group makes a signer group of these people.
func (h *house) group(name string, members ...person) directory.Group {
	h.t.Helper()
	var list []directory.NewMember
	for _, p := range members {
		if _, _, err := h.dir.InviteSender(context.Background(), h.client, directory.NewUser{Email: p.email, FirstName: p.first, LastName: p.last}); err != nil {
			h.t.Fatal(err)
		}
		list = append(list, directory.NewMember{Email: p.email, MemberType: "REGULAR"})
	}
	g, err := h.dir.CreateGroup(context.Background(), h.client, directory.NewGroup{Name: name, Members: list})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// agreement is a package for a group, with fields of several kinds.
func agreement(group string) signing.NewPackage {
	value := func(rule string) []byte { return []byte(rule) }
	field := func(id, kind, subtype string, top float64) signing.Field {
		return signing.Field{OuterID: id, Type: kind, Subtype: subtype, Left: 80, Top: top, Width: 180, Height: 36}
	}
	text, note := field("licence", "INPUT", "TEXTFIELD", 560), field("note", "INPUT", "TEXTAREA", 620)
	text.Name, text.Height, text.Validation = "Licence number", 20, value(`{"required":true,"maxLength":40}`)
	note.Name, note.Left = "Note", 330
	duty := field("duty", "INPUT", "CHECKBOX", 680)
	duty.Name, duty.Width, duty.Height = "On duty", 16, 16
	name := field("name", "INPUT", "LABEL", 540)
	name.Binding, name.Height = "{signer.name}", 16
	second := field("second", "SIGNATURE", "FULLNAME", 600)
	second.Page = 1
	return signing.NewPackage{Name: "Supply agreement 2027", EmailMessage: "Please sign by Friday.\nCall me if anything is unclear.", Send: true,
		Roles: []signing.NewRole{{OuterID: "pharmacist", Name: "Pharmacist", Type: "SIGNER", Signer: signing.NewSigner{Group: group}}},
		Documents: []signing.NewDocument{{OuterID: "contract", Name: "Supply agreement", PDF: samplePDF(2), Approvals: []signing.Approval{
			{OuterID: "main", Role: "pharmacist", Fields: []signing.Field{field("signature", "SIGNATURE", "FULLNAME", 500), name, text, note, duty}},
			{OuterID: "annex", Role: "pharmacist", Fields: []signing.Field{second}},
		}}}}
}

// send makes and sends a package.
func (h *house) send(in signing.NewPackage) (id string) {
	h.t.Helper()
	id, err := h.signing.Create(context.Background(), h.client, in)
	if err != nil {
		h.t.Fatal(err)
	}
	h.idle()
	return id
}

// idle waits until no job is left to do.
func (h *house) idle() {
	h.t.Helper()
	if err := h.queue.Idle(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// newest is the newest letter to an address whose subject or text has the words.
func (h *house) newest(to, words string) web.Letter {
	h.t.Helper()
	h.idle()
	letters, err := h.letters(context.Background(), to)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, l := range letters {
		if strings.Contains(l.Subject+l.Text, words) {
			return l
		}
	}
	h.t.Fatalf("no letter to %s with %q among %d", to, words, len(letters))
	return web.Letter{}
}

// link is the address in the newest invitation to somebody.
func (h *house) link(p person) string {
	h.t.Helper()
	for _, l := range h.newest(p.email, "/s/").Links {
		if strings.Contains(l, "/s/") {
			return l
		}
	}
	h.t.Fatal("the invitation has no link")
	return ""
}

var codeForm = regexp.MustCompile(`\b\d{6}\b`)

// code is the newest code mailed to somebody.
func (h *house) code(p person) string {
	h.t.Helper()
	return codeForm.FindString(h.newest(p.email, "code").Text)
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
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.h.t.Fatal(err)
	}
	return answer{res, string(body)}
}

func (c *client) request(method, path, kind, body string) *http.Request {
	c.h.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = c.h.url + path
	}
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		c.h.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

func (c *client) get(path string) answer {
	c.h.t.Helper()
	return c.do(c.request("GET", path, "", ""))
}

func (c *client) form(path string, values url.Values) answer {
	c.h.t.Helper()
	return c.do(c.request("POST", path, "application/x-www-form-urlencoded", values.Encode()))
}

func (c *client) json(path, body string) answer {
	c.h.t.Helper()
	return c.do(c.request("POST", path, "application/json", body))
}

var hidden = regexp.MustCompile(`name="(token|nonce)" value="([^"]*)"`)

// hiddenFields are the token and nonce of a page's form.
func hiddenFields(body string) url.Values {
	values := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		values.Set(m[1], m[2])
	}
	return values
}

// press opens somebody's link and presses "Start signing"; it returns the redirect's path.
func (c *client) press(link string) string {
	c.h.t.Helper()
	a := c.form("/s", hiddenFields(c.get(link).body))
	if a.StatusCode != http.StatusSeeOther {
		c.h.t.Fatalf("POST /s: %d\n%s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}

// start goes from the mail to the signing page; it returns the page's path and the lease's epoch.
func (c *client) start(p person) (base, epoch string) {
	c.h.t.Helper()
	path := c.press(c.h.link(p))
	if base, sent := strings.CutSuffix(path, "?sent"); sent {
		a := c.form(base+"/code", url.Values{"code": {c.h.code(p)}})
		if a.StatusCode != http.StatusSeeOther {
			c.h.t.Fatalf("POST code: %d\n%s", a.StatusCode, a.body)
		}
		path = a.Header.Get("Location")
	}
	base, epoch, _ = strings.Cut(path, "?lease=")
	return base, epoch
}

// samplePDF is a small file of the given number of pages, letter size.
func samplePDF(pages int) []byte {
	var b bytes.Buffer
	var offsets []int
	object := func(body string) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(offsets), body)
	}
	b.WriteString("%PDF-1.7\n")
	object("<</Type/Catalog/Pages 2 0 R>>")
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*i))
	}
	object(fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]>>", pages, strings.Join(kids, " ")))
	object("<</Type/Font/Subtype/Type1/BaseFont/Times-Roman/Encoding/WinAnsiEncoding>>")
	for i := range pages {
		object(fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>", 5+2*i))
		text := pageText(i + 1)
		object(fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(text), text))
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, start)
	return b.Bytes()
}

// pageText draws a page that looks like a contract.
func pageText(page int) string {
	lines := []string{
		"between Northwind Clinics and the pharmacists of Riverside Pharmacy", "",
		"1. Purpose. The pharmacy prepares and hands out the prescriptions of the patients",
		"named in the annex. Any pharmacist on duty may sign for the pharmacy; whoever signs",
		"does so on its behalf and in his own name.", "",
		"2. Term. This agreement begins on the day of the last signature and runs for two",
		"years. It is renewed by a year unless one side gives notice three months before.", "",
		"3. Records. Both sides keep the records the law asks for and show them to each other",
		"on request. Nothing in them is given to third parties.",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "BT /F 24 Tf 80 700 Td (Supply agreement, page %d) Tj /F 12.5 Tf 0 -36 Td 19 TL\n", page)
	for _, l := range lines {
		fmt.Fprintf(&b, "(%s) Tj T*\n", l)
	}
	b.WriteString("ET")
	return b.String()
}
