package congasign

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
)

// withKey makes a call with an Idempotency-Key.
func (s *stack) withKey(key, path, body string) apitest.Answer {
	s.T.Helper()
	return s.Do(apitest.Call{Method: "POST", Path: path, Body: []byte(body), Header: map[string]string{"Idempotency-Key": key}})
}

func (s *stack) count(path string) float64 {
	s.T.Helper()
	return s.Get(path).Want(200).At("count").(float64)
}

func wantKey(t *testing.T, a apitest.Answer, status int, key string) {
	t.Helper()
	if a.Want(status).Text("messageKey") != key {
		t.Errorf("%s, want %s", a.Body, key)
	}
}

// Attack T10: packages, groups and senders, each asked for twice, are made once and answered alike, byte for byte.
func testT10Replay(t *testing.T, s *stack) {
	for path, bodies := range map[string][2]string{
		"/api/packages":           {`{"name":"Once"}`, `{"name":"Other"}`},
		"/api/cs-groups":          {`{"name":"Once"}`, `{"name":"Other"}`},
		"/api/cs-account/senders": {`{"email":"once@example.com","firstName":"O"}`, `{"email":"other@example.com","firstName":"O"}`},
	} {
		first := s.withKey(`"key-1"`, path, bodies[0]).Want(200)
		if path == "/api/cs-groups" { // what happens to it later does not change the answer
			s.Put(path+"/"+first.Text("id"), `{"name":"Renamed"}`).Want(200)
		}
		mails := s.mails("once@example.com")
		again := s.withKey(`"key-1"`, path, bodies[0]).Want(200)
		if string(first.Body) != string(again.Body) || first.Header.Get("Content-Type") != again.Header.Get("Content-Type") {
			t.Errorf("%s: %s, then %s", path, first.Body, again.Body)
		}
		if now := s.mails("once@example.com"); now != mails {
			t.Errorf("%s: %d more mails", path, now-mails)
		}
		wantKey(t, s.withKey(`"key-1"`, path, bodies[1]), 422, "error.unprocessableEntity.idempotencyKey.reused")
	}
	if p, g, n := s.count("/api/packages"), s.count("/api/groups"), s.count("/api/account/senders"); p != 1 || g != 1 || n != 2 {
		t.Errorf("%v packages, %v groups, %v senders", p, g, n)
	}
	s.withKey(`"key-2"`, "/api/packages", `{"name":"Once"}`).Want(200)
	s.Post("/api/packages", `{"name":"Once"}`).Want(200)
	if n := s.count("/api/packages"); n != 3 {
		t.Errorf("%v packages", n)
	}
	other := s.fresh(t)
	if got := other.withKey(`"key-1"`, "/api/packages", `{"name":"Mine"}`).Want(200); other.count("/api/packages") != 1 {
		t.Errorf("the key of another account counts: %s", got.Body)
	}
	same := *s // another caller of the same account
	same.Client = s.as(s.newClient(s.account, authz.Sign))
	same.withKey(`"key-1"`, "/api/packages", `{"name":"Mine, too"}`).Want(200)
}

// A multipart body is the same with another boundary, and another one with another file.
func testT10Multipart(t *testing.T, s *stack) {
	post := func(pdf, boundary string) apitest.Answer {
		body, media := apitest.Multipart(apitest.Part{Name: "payload", Data: `{"name":"Once","documents":[{"name":"a"}]}`},
			apitest.Part{Name: "file", File: "a.pdf", Media: "application/pdf", Data: pdf})
		_, was, _ := strings.Cut(media, "boundary=")
		return s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: strings.ReplaceAll(media, was, boundary),
			Body: []byte(strings.ReplaceAll(string(body), was, boundary)), Header: map[string]string{"Idempotency-Key": `"file"`}})
	}
	first := post(paper(), "one").Want(200)
	if again := post(paper(), "two").Want(200); string(again.Body) != string(first.Body) {
		t.Errorf("%s, then %s", first.Body, again.Body)
	}
	wantKey(t, post(paper()+"\n", "one"), 422, "error.unprocessableEntity.idempotencyKey.reused")
	if n := s.count("/api/packages"); n != 1 {
		t.Errorf("%v packages", n)
	}
}

// A refused call frees its key.
func testT10Refused(t *testing.T, s *stack) {
	s.withKey(`"r"`, "/api/groups", `{"name":"Half","members":[{"email":"stranger@example.com"}]}`).Want(400)
	s.withKey(`"r"`, "/api/groups", `{"name":"a\u0000"}`).Want(400)
	s.withKey(`"r"`, "/api/groups", `{"name":"Whole"}`).Want(200)
}

// Attack T10: two senders who act in the place of the same third have keys of their own.
func testT10KeysOfDelegates(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign)
	one, two, boss := s.activeSender("one@example.com"), s.activeSender("two@example.com"), s.activeSender("boss@example.com")
	made := map[string]bool{}
	for _, sender := range []string{one, two, one} {
		as := *s
		as.Client = s.as("Bearer " + s.oauth(c, "grant_type=client_credentials&sender_id="+sender+"&delegator_id="+boss).Want(200).Text("access_token"))
		made[as.withKey(`"same"`, "/api/packages", `{"name":"Mine"}`).Want(200).Text("id")] = true
	}
	if len(made) != 2 {
		t.Errorf("made %v", made)
	}
}

func testT10Malformed(t *testing.T, s *stack) {
	for _, key := range []string{`abc`, `""`, `"`, `"abc`, `abc"`, `"a"b"`, `"a\b"`, `"a` + "\t" + `b"`, `"ü"`, `"a", "b"`, `"a";p=1`, `"` + strings.Repeat("x", 256) + `"`, `8e03978e-40d5-43dd-bc93-6894a57f9324`} {
		wantKey(t, s.withKey(key, "/api/packages", `{"name":"x"}`), 400, "error.validation.idempotencyKey.malformed")
	}
	for _, key := range []string{`"a"`, `"a\"\\"`, `"` + strings.Repeat("x", 255) + `"`, `" ~"`} {
		s.withKey(key, "/api/packages", `{"name":"x"}`).Want(200)
	}
	if n := s.count("/api/packages"); n != 4 {
		t.Errorf("%v packages", n)
	}
	s.Do(apitest.Call{Method: "GET", Path: "/api/packages", Header: map[string]string{"Idempotency-Key": "not a call that makes"}}).Want(200)
}

// Attack T10: of 16 callers at the same moment one makes a package; the others hear the same or 409.
func testT10Concurrent(t *testing.T, s *stack) {
	answers := make([]apitest.Answer, 16)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() { answers[i] = s.withKey(`"race"`, "/api/packages", `{"name":"Race"}`) })
	}
	calls.Wait()
	id := s.withKey(`"race"`, "/api/packages", `{"name":"Race"}`).Want(200).Text("id")
	for _, a := range answers {
		switch a.Status {
		case 200:
			if a.Text("id") != id {
				t.Errorf("another package: %s", a.Body)
			}
		case 409:
			wantKey(t, a, 409, "error.conflict.idempotencyKey.inProgress")
		default:
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := s.count("/api/packages"); n != 1 {
		t.Errorf("%v packages", n)
	}
}

// Attack T10: the process dies before the act, or after it and before the answer.
func testT10Crash(t *testing.T, s *stack) {
	sf := &surface{signing: s.signing, dir: s.dir, authn: s.authn, retry: s.retry}
	before, after := true, true
	die := func(h handler) handler {
		return func(r *api.Request) (api.Answer, error) {
			if before {
				before = false
				panic("crash before the act")
			}
			a, err := h(r)
			if after {
				after = false
				panic("crash before the answer")
			}
			return a, err
		}
	}
	d := &api.Dialect{Name: "crashing", Claim: claim, Refuse: refuse, Routes: []api.Route{
		{Method: "POST", Path: "/packages", Right: authz.Sign, Handle: sf.once(die(sf.createPackage))},
		{Method: "POST", Path: "/groups", Right: authz.Sign, Handle: sf.onceAs(die(sf.createGroup), sf.groupAgain)},
		{Method: "POST", Path: "/account/senders", Right: authz.Sign, Handle: sf.onceAs(die(sf.inviteSender), sf.senderAgain)},
	}}
	server := httptest.NewServer(api.New(api.Config{Log: slog.New(slog.DiscardHandler), Authenticator: s.authn}, d))
	defer server.Close()
	dying := *s
	dying.URL = server.URL
	for path, body := range map[string]string{"/api/packages": `{"name":"Crash"}`, "/api/groups": `{"name":"Crash"}`, "/api/account/senders": `{"email":"crash@example.com","firstName":"C"}`} {
		before, after = true, true
		dying.withKey(`"c"`, path, body).Want(500)
		wantKey(t, s.withKey(`"c"`, path, body), 409, "error.conflict.idempotencyKey.inProgress")
		s.db.Shift(time.Minute + time.Second)
		dying.withKey(`"c"`, path, body).Want(500) // it was made
		s.db.Shift(time.Minute)
		got := s.withKey(`"c"`, path, body).Want(200)
		list := map[string]string{"/api/account/senders": "?search=crash@example.com"}[path]
		if ids := s.Get(path + list).Want(200); ids.At("count") != 1.0 || ids.Text("results.0.id") != got.Text("id") {
			t.Errorf("%s: %s, of %s", path, got.Body, ids.Body)
		}
		if again := s.withKey(`"c"`, path, body).Want(200); string(again.Body) != string(got.Body) {
			t.Errorf("%s: %s, then %s", path, got.Body, again.Body)
		}
	}
}
