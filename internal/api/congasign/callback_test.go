package congasign

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/signing"
)

// playCallbacks has a golden sample of every operation on callbacks.
func (s *stack) playCallbacks() {
	s.T.Helper()
	const registration = `{"url":"https://hooks.example.com/esign","key":"abc123","events":["PACKAGE_COMPLETE","SIGNER_COMPLETE"]}`
	s.sample("POST /callback", "POST", "/api/callback", registration).Want(200)
	s.sample("GET /callback", "GET", "/api/callback", "").Want(200)
	s.sample("POST /callback/connectors/{origin}", "POST", "/api/callback/connectors/Salesforce", registration).Want(200)
	s.sample("GET /callback/connectors/{origin}", "GET", "/api/callback/connectors/Salesforce", "").Want(200)
	s.sample("PUT /callback/register", "PUT", "/api/sign/v1/callback/register",
		`{"callbackUrl":"https://hooks.example.com/esign","authType":"Basic","username":"ann","password":"secret"}`).Want(200)
	s.sample("PUT /sign/callback/v1/register", "PUT", "/api/sign/callback/v1/register", `{"callbackUrl":"","authType":"None"}`).Want(200)
	s.Post("/api/callback/connectors/Salesforce", `{"url":""}`).Want(200)
}

// callbackRefusals are the ways to be refused a registration.
var callbackRefusals = []refusal{
	{"callback URL without https", func(s *stack) apitest.Answer { return s.Post("/api/callback", `{"url":"ftp://hooks.example.com"}`) }},
	{"callback URL with a password", func(s *stack) apitest.Answer {
		return s.Post("/api/callback", `{"url":"https://ann:secret@hooks.example.com"}`)
	}},
	{"unknown callback event", func(s *stack) apitest.Answer {
		return s.Post("/api/callback", `{"url":"https://hooks.example.com","events":["PACKAGE_COMPLETED"]}`)
	}},
	{"callback key with a line break", func(s *stack) apitest.Answer {
		return s.Post("/api/callback", `{"url":"https://hooks.example.com","key":"a\r\nb"}`)
	}},
	{"connector with a bad name", func(s *stack) apitest.Answer { return s.Get("/api/callback/connectors/a%2Fb") }},
	{"unknown callback authentication", func(s *stack) apitest.Answer {
		return s.Put("/api/callback/register", `{"callbackUrl":"https://hooks.example.com","authType":"Digest"}`)
	}},
	{"Bearer callback without token", func(s *stack) apitest.Answer {
		return s.Put("/api/callback/register", `{"callbackUrl":"https://hooks.example.com","authType":"Bearer"}`)
	}},
	{"one connector too many", func(s *stack) (a apitest.Answer) {
		for i := range 21 {
			a = s.Post("/api/callback/connectors/c"+strconv.Itoa(i), `{"url":"https://hooks.example.com","key":"","events":["PACKAGE_CREATE"]}`)
		}
		for i := range 21 {
			s.Post("/api/callback/connectors/c"+strconv.Itoa(i), `{"url":"","key":"","events":[]}`).Want(200)
		}
		return a
	}},
}

// hook is a real receiver of callbacks.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	told []told
}

type told struct{ Name, SessionUser, PackageID, Message, DocumentID, CreatedDate, auth string }

func (s *stack) hook(events ...string) *hook {
	s.T.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		t := told{auth: r.Header.Get("Authorization")}
		if err = errors.Join(err, json.Unmarshal(text, &t)); err != nil {
			s.T.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, t)
	}))
	s.T.Cleanup(h.Close)
	s.Post("/api/callback", `{"url":"`+h.URL+`","key":"abc123","events":["`+strings.Join(events, `","`)+`"]}`).Want(200)
	return h
}

// names are the events of a package in the order they came in, with their documents.
func (h *hook) names(s *stack, pkg string) []string {
	s.T.Helper()
	s.settle()
	if err := s.webhook.Idle(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, t := range h.told {
		if t.PackageID == pkg {
			out = append(out, strings.TrimSpace(t.Name+" "+t.DocumentID))
		}
	}
	return out
}

// Every event a package of a group can raise through the interface and the signing page, in its order.
func testCallbacks(t *testing.T, s *stack) {
	all := []string{"PACKAGE_CREATE", "PACKAGE_ACTIVATE", "PACKAGE_DEACTIVATE", "PACKAGE_READY_FOR_COMPLETE", "PACKAGE_COMPLETE", "PACKAGE_TRASH",
		"PACKAGE_RESTORE", "PACKAGE_DELETE", "PACKAGE_ARCHIVE", "PACKAGE_DECLINE", "DOCUMENT_SIGNED", "SIGNER_COMPLETE",
		"LEASE_TAKEN", "LEASE_TAKEN_OVER", "LEASE_REFUSED", "LEASE_RELEASED", "LEASE_VOIDED", "LEASE_LAPSED"}
	h := s.hook(all...)
	one := s.draft()
	id := strings.TrimPrefix(one, "/api/packages/")
	s.Post(one, `{"status":"SENT"}`).Want(200)
	s.Put(one, `{"status":"DRAFT"}`).Want(200)
	s.Post(one, `{"status":"SENT"}`).Want(200)
	mary, john := s.enter("signer2@example.com"), s.enter("signer1@example.com")
	lease, err := s.signing.Take(t.Context(), mary)
	must(t, err)
	if _, err := s.signing.Take(t.Context(), john); err == nil {
		t.Fatal("two have the lease")
	}
	lease, err = s.signing.Take(t.Context(), mary)
	must(t, err)
	must(t, s.signing.Leave(t.Context(), mary, lease.Epoch))
	lease, err = s.signing.Take(t.Context(), john)
	must(t, err)
	must(t, s.signing.Consent(t.Context(), john, lease.Epoch))
	must(t, s.signing.Sign(t.Context(), john, signing.Submission{Epoch: lease.Epoch, Mark: signing.Mark{Kind: "typed"}}))
	s.settle()
	s.Post(one, `{"trashed":true}`).Want(200)
	s.Post(one, `{"trashed":false}`).Want(200)
	s.Post(one, `{"status":"ARCHIVED"}`).Want(200)
	s.Delete(one).Want(204)
	want := []string{"PACKAGE_CREATE", "PACKAGE_ACTIVATE", "PACKAGE_DEACTIVATE", "PACKAGE_ACTIVATE", "LEASE_TAKEN", "LEASE_REFUSED",
		"LEASE_TAKEN_OVER", "LEASE_RELEASED", "LEASE_TAKEN", "DOCUMENT_SIGNED default-consent", "DOCUMENT_SIGNED " + seedDocument, "SIGNER_COMPLETE",
		"PACKAGE_COMPLETE", "PACKAGE_TRASH", "PACKAGE_RESTORE", "PACKAGE_ARCHIVE", "PACKAGE_DELETE"}
	if got := h.names(s, id); !slices.Equal(got, want) {
		t.Errorf("\ngot  %q\nwant %q", got, want)
	}
	john1 := s.Get("/api/account/senders?search=signer1@example.com").Text("results.0.id")
	for _, c := range h.told {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", c.CreatedDate); err != nil || c.auth != "Basic abc123" {
			t.Errorf("%+v", c)
		}
		if c.Name == "SIGNER_COMPLETE" && c.SessionUser != john1 || c.Name == "PACKAGE_COMPLETE" && c.SessionUser != "" || c.Name == "PACKAGE_CREATE" && c.SessionUser == "" {
			t.Errorf("%s by %q", c.Name, c.SessionUser)
		}
	}
	two := "/api/packages/" + s.upload("/api/packages", packageFor(s.Get("/api/groups").Text("results.0.id")), "a.pdf").Want(200).Text("id")
	s.Post(two, `{"status":"SENT"}`).Want(200)
	s.Post(two, decline("Wrong")).Want(200)
	if got := h.names(s, strings.TrimPrefix(two, "/api/packages/")); !slices.Contains(got, "PACKAGE_DECLINE") {
		t.Errorf("%q", got)
	}
}

// A registration is read, changed and sent again, as libraries do; other accounts know nothing of it.
func testCallbackRoundTrip(t *testing.T, s *stack) {
	none := s.Get("/api/callback").Want(200)
	wantBody(t, none, `{"url":"","key":"","events":[]}`)
	const sent = `{"url":"https://hooks.example.com/esign","key":"abc123","events":["PACKAGE_COMPLETE"]}`
	wantBody(t, s.Post("/api/callback", sent).Want(200), sent)
	wantBody(t, s.Post("/api/callback", string(s.Get("/api/callback").Body)).Want(200), sent)
	wantBody(t, s.fresh(t).Get("/api/callback").Want(200), `{"url":"","key":"","events":[]}`)
	s.Post("/api/callback", `{"url":"bad"}`).Want(400)
	wantBody(t, s.Get("/api/callback").Want(200), sent)
	basic := `{"callbackUrl":"https://hooks.example.com/conga","authType":"Basic","username":"ann","password":"secret"}`
	wantBody(t, s.Put("/api/sign/v1/callback/register", basic).Want(200), basic)
	a := s.Get("/api/callback").Want(200)
	if a.Text("url") != "https://hooks.example.com/conga" || a.Text("key") != "" || !strings.Contains(string(a.Body), "LEASE_TAKEN") {
		t.Errorf("%s", a.Body)
	}
	wantBody(t, s.Put("/api/sign/v1/callback/register", `{"callbackUrl":"","authType":"None"}`).Want(200), `{"callbackUrl":"","authType":"None"}`)
	if url := s.Get("/api/callback").Text("url"); url != "" {
		t.Errorf("still %s", url)
	}
	if _, err := s.webhook.NewSecret(t.Context(), s.account.ID, "", 0); err != nil {
		t.Error(err)
	}
}
