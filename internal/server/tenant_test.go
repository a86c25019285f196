package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

// tenant is an account with a group of members, made beside the servers that serve it.
type tenant struct {
	t       *testing.T
	rooms   *Rooms
	account directory.Account
	client  authz.Principal
	bearer  string
	group   directory.Group
	sent    int // packages, of which the last is "Prescription <sent>"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newTenant makes an account whose members need no code, and a group of so many.
func newTenant(t *testing.T, c Config, members int) *tenant {
	t.Helper()
	w := &tenant{t: t}
	var err error
	w.rooms, err = OpenRooms(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { w.rooms.Close() })
	w.account, err = w.rooms.NewAccount(t.Context(), "Example Health", "Example Pharmacy")
	must(t, err)
	must(t, w.rooms.Directory.SetAccount(t.Context(), w.account.OuterID, directory.Settings{MemberIdentification: directory.Link}, nil))
	id, secret, err := w.rooms.NewClient(t.Context(), w.account.OuterID, "Integration", []string{"sign"})
	must(t, err)
	token, err := w.rooms.Authn.ClientToken(t.Context(), id, secret, "sign")
	must(t, err)
	w.bearer = token.Access
	w.client, err = w.rooms.Authn.Authenticate(t.Context(), token.Access)
	must(t, err)
	in := directory.NewGroup{Name: "Pharmacists"}
	for i := range members {
		u, _, err := w.rooms.Directory.InviteSender(t.Context(), w.client, directory.NewUser{
			Email: fmt.Sprintf("signer%d@example.com", i), FirstName: "Member", LastName: fmt.Sprintf("Number%d", i)})
		must(t, err)
		in.Members = append(in.Members, directory.NewMember{Email: u.Email})
	}
	w.group, err = w.rooms.Directory.CreateGroup(t.Context(), w.client, in)
	must(t, err)
	return w
}

// blankPage is the smallest document worth signing.
const blankPage = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n" +
	"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>\nendobj\nxref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n" +
	"0000000054 00000 n \n0000000105 00000 n \ntrailer\n<</Size 4/Root 1 0 R>>\nstartxref\n170\n%%EOF\n"

// send sends a package of so many documents to the group, by the API of a server.
func (w *tenant) send(base string, documents int) string {
	w.t.Helper()
	w.sent++
	id, err := w.trySend(base, documents)
	must(w.t, err)
	return id
}

func (w *tenant) trySend(base string, documents int) (id string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	var docs []any
	for i := range documents {
		name := fmt.Sprintf("doc%d", i)
		file, err := form.CreateFormFile("file", name+".pdf")
		must(w.t, err)
		_, err = file.Write([]byte(blankPage))
		must(w.t, err)
		docs = append(docs, map[string]any{"id": name, "name": name, "approvals": []any{map[string]any{"role": "r", "fields": []any{
			map[string]any{"type": "SIGNATURE", "subtype": "FULLNAME", "left": 100, "top": 100, "width": 200, "height": 50, "page": 0}}}}})
	}
	payload, err := json.Marshal(map[string]any{"name": w.lastName(), "type": "PACKAGE", "status": "SENT", "documents": docs,
		"roles": []any{map[string]any{"id": "r", "signers": []any{map[string]any{"group": map[string]string{"id": w.group.OuterID}}}}}})
	must(w.t, err)
	must(w.t, form.WriteField("payload", string(payload)))
	must(w.t, form.Close())
	r, err := http.NewRequestWithContext(w.t.Context(), "POST", base+"/api/packages", &body)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+w.bearer)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var made struct{ ID string }
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, json.Unmarshal(text, &made)); err != nil || made.ID == "" {
		return "", fmt.Errorf("send: %s %s %w", answer.Status, text, err)
	}
	return made.ID, nil
}

// mailed waits for a mail to an address that find likes.
func (w *tenant) mailed(email string, find func(mail.MailboxMessage) bool) mail.MailboxMessage {
	w.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for tick := time.Tick(20 * time.Millisecond); time.Now().Before(deadline); <-tick {
		messages, err := w.rooms.post.Mailbox(w.t.Context(), email)
		must(w.t, err)
		for _, m := range messages {
			if find(m) {
				return m
			}
		}
	}
	w.t.Fatalf("no such mail came to %s", email)
	return mail.MailboxMessage{}
}

// member is a browser at the page of one member's invitation.
type member struct {
	t      *testing.T
	http   *http.Client
	base   string
	handle string
	nonce  string
}

var (
	linkForm  = regexp.MustCompile(`/s/([A-Za-z0-9_-]+)`)
	codeForm  = regexp.MustCompile(`(?m)^\s*(\d{6})\s*$`)
	nonceForm = regexp.MustCompile(`name="nonce" value="([^"]+)"`)
)

func (w *tenant) lastName() string { return fmt.Sprintf("Prescription %d", w.sent) }

// enter opens member i's link to the last package in a browser of its own, and presses the button.
func (w *tenant) enter(base string, i int) *member {
	w.t.Helper()
	return w.enterAs(base, fmt.Sprintf("signer%d@example.com", i))
}

// enterAs does so for the member with an address.
func (w *tenant) enterAs(base, email string) *member {
	w.t.Helper()
	m := w.mailed(email, func(m mail.MailboxMessage) bool {
		return strings.Contains(m.Subject, "asks you to sign “"+w.lastName()+"”")
	})
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	b := &member{t: w.t, http: &http.Client{Jar: jar}, base: base}
	token := linkForm.FindStringSubmatch(m.Text)[1]
	page, _ := b.get(base + "/s/" + token)
	_, at := b.post(base+"/s", url.Values{"token": {token}, "nonce": {nonceForm.FindStringSubmatch(page)[1]}})
	b.handle = strings.TrimPrefix(at, "/sign/")
	return b
}

func (b *member) get(address string) (body, path string) {
	b.t.Helper()
	answer, err := b.http.Get(address)
	must(b.t, err)
	return b.read(answer)
}

func (b *member) post(address string, form url.Values) (body, path string) {
	b.t.Helper()
	answer, err := b.http.PostForm(address, form)
	must(b.t, err)
	return b.read(answer)
}

func (b *member) read(answer *http.Response) (body, path string) {
	b.t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(b.t, err)
	return string(text), answer.Request.URL.Path
}

// answer is what the ceremony's JSON answers: a lease, or a refusal.
type answer struct {
	Status int
	Epoch  int64
	Error  struct {
		What   string
		Detail string
		Params map[string]string
	}
}

// act calls one of the ceremony's acts.
func (b *member) act(name string, in map[string]any) (out answer, err error) {
	text, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	r, err := http.NewRequest("POST", b.base+"/sign/"+b.handle+"/"+name, bytes.NewReader(text))
	if err != nil {
		return out, err
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := b.http.Do(r)
	if err != nil {
		return out, err
	}
	defer reply.Body.Close()
	out.Status = reply.StatusCode
	body, err := io.ReadAll(reply.Body)
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &out)
	}
	return out, err
}

// take takes the lease. Its nonce comes from the lobby and serves for every take of this page.
func (b *member) take() (answer, error) { return b.act("take", map[string]any{"nonce": b.nonce}) }

// lobby loads the page of a lease that is free, and keeps the nonce of its button.
func (b *member) lobby() {
	b.t.Helper()
	page, _ := b.get(b.base + "/sign/" + b.handle)
	found := nonceForm.FindStringSubmatch(page)
	if found == nil {
		b.t.Fatalf("the page has no button:\n%s", page)
	}
	b.nonce = found[1]
}

// mine is the lease of a member who holds it.
type mine struct {
	Epoch int64
	Mine  bool
}

// lease is the lease the member holds, or nil.
func (b *member) lease() *mine {
	b.t.Helper()
	body, _ := b.get(b.base + "/sign/" + b.handle + "/state")
	var s struct{ Lease *mine }
	must(b.t, json.Unmarshal([]byte(body), &s))
	if s.Lease == nil || !s.Lease.Mine {
		return nil
	}
	return s.Lease
}

// epoch of the lease the member holds.
func (b *member) epoch() int64 {
	b.t.Helper()
	l := b.lease()
	if l == nil {
		b.t.Fatal("the member holds no lease")
	}
	return l.Epoch
}

// must fails the test unless an act was done.
func (b *member) must(name string, in map[string]any) {
	b.t.Helper()
	out, err := b.act(name, in)
	if err != nil || out.Status >= 300 {
		b.t.Fatalf("%s: %d %+v %v", name, out.Status, out.Error, err)
	}
}

// sign signs with the lease it holds.
func (b *member) sign() {
	b.t.Helper()
	epoch := b.epoch()
	b.must("consent", map[string]any{"epoch": epoch})
	b.must("sign", map[string]any{"epoch": epoch, "mark": map[string]string{"kind": "typed"}, "initials": map[string]string{"kind": "typed"}})
}

// since is when the lease the member sees began.
func (b *member) since() (began time.Time, err error) {
	b.t.Helper()
	body, _ := b.get(b.base + "/sign/" + b.handle + "/state")
	var s struct{ Lease struct{ Since time.Time } }
	err = json.Unmarshal([]byte(body), &s)
	return s.Lease.Since, err
}

// moved is a cookie jar whose cookies go to another address of the same site.
func moved(t *testing.T, jar http.CookieJar, from, to string) http.CookieJar {
	t.Helper()
	old, err := url.Parse(from)
	must(t, err)
	now, err := url.Parse(to)
	must(t, err)
	next, err := cookiejar.New(nil)
	must(t, err)
	next.SetCookies(now, jar.Cookies(old))
	return next
}
