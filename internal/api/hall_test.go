package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// keys is an Authenticator of fixed tokens.
type keys map[string]authz.Principal

func (k keys) Authenticate(_ context.Context, bearer string) (authz.Principal, error) {
	if p, ok := k[bearer]; ok {
		return p, nil
	}
	return authz.Principal{}, errs.New(errs.Unauthenticated, "token.invalid", "The token is not valid.")
}

func (k keys) AuthenticateKey(_ context.Context, key string) (authz.Principal, error) {
	return k.Authenticate(context.Background(), "key "+key)
}

func (k keys) AuthenticateSession(_ context.Context, cookie string) (authz.Principal, error) {
	return k.Authenticate(context.Background(), "session "+cookie)
}

const thing authz.Right = "thing"

// testDialect has one route of every kind the hall must deal with.
func testDialect() *Dialect {
	echo := func(r *Request) (Answer, error) {
		var v struct {
			Name string `json:"name"`
		}
		err := r.JSON(&v)
		return Answer{JSON: map[string]string{"name": v.Name, "id": r.Path("id"), "q": r.Query("q")}}, err
	}
	return &Dialect{
		Name: "test", APIKeys: true, Cookie: "SESSION",
		Claim: func(p string) (string, bool) { return strings.CutPrefix(p, "/api/test") },
		Refuse: func(_ string, e *errs.Error) Answer {
			return Answer{Status: Status(e.Kind), JSON: map[string]string{"what": e.What, "detail": e.Detail, "field": e.Field}}
		},
		Routes: []Route{
			{Method: "POST", Path: "/things", Right: thing, Body: 100, Handle: echo},
			{Method: "GET", Path: "/things", Right: thing, Handle: func(*Request) (Answer, error) { return Answer{JSON: []string(nil)}, nil }},
			{Method: "PUT", Path: "/things/{id}", Right: thing, Handle: echo},
			{Method: "DELETE", Path: "/things/{id}", Right: thing, Handle: func(*Request) (Answer, error) { return Answer{Status: 204}, nil }},
			{Method: "GET", Path: "/things/summary", Right: thing, Handle: func(*Request) (Answer, error) { return Answer{JSON: "summary"}, nil }},
			{Method: "GET", Path: "/own-or", Right: thing, Or: "own", Handle: said("own or")},
			{Method: "GET", Path: "/own-or-two", Right: thing, Or: "own", Also: []authz.Right{"other"}, Handle: said("own or two")},
			{Method: "GET", Path: "/packages/{package}", Right: thing, Handle: said("package")},
			{Method: "POST", Path: "/packages/{package}/copy", Right: thing, Beyond: true, Handle: said("copy")},
			{Method: "POST", Path: "/packages/{package}/copy-or", Right: thing, Or: "own", Beyond: true, Handle: said("copy or")},
			{Method: "GET", Path: "/two", Right: thing, Also: []authz.Right{"other"}, Handle: said("two")},
			{Method: "GET", Path: "/programs", Right: "other", Kinds: []authz.Kind{authz.Technical}, Handle: said("programs")},
			{Method: "GET", Path: "/anyone", Right: Anyone, Handle: said("anyone")},
			{Path: "/rest/{rest...}", Right: Anyone, Handle: func(r *Request) (Answer, error) { return Answer{JSON: r.Path("rest")}, nil }},
			{Method: "GET", Path: "/rest/{id}/one", Right: Anyone, Handle: func(r *Request) (Answer, error) { return Answer{JSON: "one " + r.Path("id")}, nil }},
			{Method: "GET", Path: "/own", Right: thing, Refuse: func(e *errs.Error) Answer {
				return Answer{Status: 418, JSON: map[string]string{"what": "own " + e.What}}
			}, Handle: said("own")},
			{Method: "GET", Path: "/open", Right: Public, Handle: func(*Request) (Answer, error) { return Answer{JSON: "open"}, nil }},
			{Method: "GET", Path: "/undeclared", Handle: func(*Request) (Answer, error) { return Answer{JSON: "never"}, nil }},
			{Method: "GET", Path: "/panic", Right: Public, Handle: func(*Request) (Answer, error) { panic("boom") }},
			{Method: "GET", Path: "/fault", Right: Public, Handle: func(*Request) (Answer, error) { return Answer{}, errors.New("disk on fire") }},
			{Method: "GET", Path: "/unwordable", Right: Public, Handle: func(*Request) (Answer, error) { return Answer{JSON: func() {}}, nil }},
			{Method: "GET", Path: "/file", Right: Public, Handle: func(*Request) (Answer, error) {
				return Answer{File: &File{Name: "Größe 1;\r\n.pdf", Media: "application/pdf", Bytes: []byte("%PDF")}}, nil
			}},
			{Method: "GET", Path: "/cut", Right: Public, Handle: func(*Request) (Answer, error) {
				return Answer{File: &File{Name: "a.zip", Media: "application/zip", Write: func(w io.Writer) error {
					_, _ = w.Write([]byte("half"))
					return errors.New("disk on fire")
				}}}, nil
			}},
			{Method: "POST", Path: "/form", Right: Public, Handle: func(r *Request) (Answer, error) {
				form, err := r.Form()
				return Answer{JSON: map[string]string{"a": form.Get("a")}}, err
			}},
			{Method: "POST", Path: "/parts", Right: Public, Body: 1000, Handle: func(r *Request) (Answer, error) {
				names := map[string]string{}
				for p, err := range r.Parts(func(name string) int64 { return map[string]int64{"file": 20}[name] }) {
					if err != nil {
						return Answer{}, err
					}
					names[p.File] = string(p.Data)
				}
				return Answer{JSON: names}, nil
			}},
		},
	}
}

func said(what string) func(*Request) (Answer, error) {
	return func(*Request) (Answer, error) { return Answer{JSON: what}, nil }
}

// newHall serves the test dialect and returns what it logs.
func newHall(t *testing.T) (*httptest.Server, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	hall := New(Config{
		Log: slog.New(slog.NewJSONHandler(log, nil)),
		Authenticator: keys{"good": {Account: "acc", User: "usr", Client: "cli", Rights: []authz.Right{thing}}, "weak": {Account: "acc"},
			"both": {Client: "cli", Rights: []authz.Right{thing, "other"}}, "program": {Kind: authz.Technical, Client: "cli", Rights: []authz.Right{"other"}}, "key k1": {Account: "acc", Rights: []authz.Right{thing}},
			"session s1": {Account: "acc", Rights: []authz.Right{thing}}, "session own": {Kind: authz.Signer, Package: "p", Rights: []authz.Right{"own"}},
			"session bound": {Package: "p", Rights: []authz.Right{thing}}},
		Origin: "https://sign.example.com",
	}, testDialect())
	server := httptest.NewServer(hall)
	t.Cleanup(server.Close)
	return server, log
}

type call struct {
	method, path, body string
	header             map[string]string
}

func (c call) do(t *testing.T, server *httptest.Server) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(c.method, server.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer good")
	for name, value := range c.header {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	client := *server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestEveryStatusHasTheDialectsJSON(t *testing.T) {
	server, _ := newHall(t)
	jsonType := map[string]string{"Content-Type": "application/json"}
	for name, c := range map[string]struct {
		call
		status int
		what   string
	}{
		"no credentials":        {call{"GET", "/api/test/things", "", map[string]string{"Authorization": ""}}, 401, "token.missing"},
		"wrong token":           {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Bearer bad"}}, 401, "token.invalid"},
		"wrong scheme":          {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Digest good"}}, 401, "token.invalid"},
		"empty token":           {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Bearer"}}, 401, "token.invalid"},
		"wrong key":             {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Basic nope"}}, 401, "token.invalid"},
		"too little":            {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Bearer weak"}}, 403, "right.missing"},
		"right undeclared":      {call{"GET", "/api/test/undeclared", "", nil}, 403, "right.undeclared"},
		"one right of two":      {call{"GET", "/api/test/two", "", nil}, 403, "right.missing"},
		"kind before right":     {call{"GET", "/api/test/programs", "", map[string]string{"Authorization": "Bearer weak"}}, 403, "kind.denied"},
		"wrong kind":            {call{"GET", "/api/test/programs", "", map[string]string{"Authorization": "Bearer both"}}, 403, "kind.denied"},
		"anyone, not nobody":    {call{"GET", "/api/test/anyone", "", map[string]string{"Authorization": ""}}, 401, "token.missing"},
		"route's own words":     {call{"GET", "/api/test/own", "", map[string]string{"Authorization": "Bearer weak"}}, 418, "own right.missing"},
		"rest without any":      {call{"GET", "/api/test/rest", "", nil}, 404, "route.unknown"},
		"dot segment in rest":   {call{"GET", "/api/test/rest/a/../b", "", nil}, 404, "route.unknown"},
		"NUL in rest":           {call{"GET", "/api/test/rest/a/b%00", "", nil}, 400, "text.malformed"},
		"no such path":          {call{"GET", "/api/test/nothing", "", nil}, 404, "route.unknown"},
		"empty segment":         {call{"GET", "/api/test//things", "", nil}, 404, "route.unknown"},
		"dot segment":           {call{"GET", "/api/test/things/%2e%2e/open", "", nil}, 404, "route.unknown"},
		"prefix only":           {call{"GET", "/api/test", "", nil}, 404, "route.unknown"},
		"other method":          {call{"PATCH", "/api/test/things", "", nil}, 405, "route.method"},
		"options":               {call{"OPTIONS", "/api/test/things", "", nil}, 405, "route.method"},
		"body too large":        {call{"POST", "/api/test/things", `{"name":"` + strings.Repeat("x", 200) + `"}`, jsonType}, 413, "body.too_large"},
		"other media":           {call{"POST", "/api/test/things", `name=x`, map[string]string{"Content-Type": "text/plain"}}, 415, "media.unsupported"},
		"other charset":         {call{"POST", "/api/test/things", `{}`, map[string]string{"Content-Type": "application/json; charset=utf-16"}}, 415, "media.unsupported"},
		"compressed":            {call{"POST", "/api/test/things", `{}`, map[string]string{"Content-Encoding": "gzip"}}, 415, "media.encoding"},
		"no JSON":               {call{"POST", "/api/test/things", `name=x`, jsonType}, 400, "json.malformed"},
		"empty body":            {call{"POST", "/api/test/things", "", jsonType}, 400, "json.malformed"},
		"wrong type":            {call{"POST", "/api/test/things", `{"name":1}`, jsonType}, 400, "json.type"},
		"NUL in path":           {call{"PUT", "/api/test/things/a%00b", `{}`, jsonType}, 400, "text.malformed"},
		"bad UTF-8 in path":     {call{"PUT", "/api/test/things/a%ff", `{}`, jsonType}, 400, "text.malformed"},
		"NUL in query":          {call{"GET", "/api/test/things?q=%00", "", nil}, 400, "text.malformed"},
		"NUL in query name":     {call{"GET", "/api/test/things?%00=q", "", nil}, 400, "text.malformed"},
		"broken query":          {call{"GET", "/api/test/things?q=%zz", "", nil}, 400, "query.malformed"},
		"panic":                 {call{"GET", "/api/test/panic", "", nil}, 500, "fault"},
		"fault":                 {call{"GET", "/api/test/fault", "", nil}, 500, "fault"},
		"answer cannot be said": {call{"GET", "/api/test/unwordable", "", nil}, 500, "fault"},
		"form media":            {call{"POST", "/api/test/form", "a=1", jsonType}, 415, "media.unsupported"},
		"form repeats":          {call{"POST", "/api/test/form", "a=1&a=2", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 400, "form.repeated"},
		"form broken":           {call{"POST", "/api/test/form", "a=%zz", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 400, "form.malformed"},
		"form NUL":              {call{"POST", "/api/test/form", "a=%00", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 400, "text.malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := c.do(t, server)
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%d %q: %v", resp.StatusCode, body, err)
			}
			if resp.StatusCode != c.status || got["what"] != c.what {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, got["what"], c.status, c.what)
			}
			if media := resp.Header.Get("Content-Type"); media != "application/json" {
				t.Errorf("content type %q", media)
			}
			if c.status == 500 && (got["detail"] != "" || strings.Contains(body, "fire")) {
				t.Errorf("a fault tells the client %q", body)
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	server, _ := newHall(t)
	for header, want := range map[string]string{
		"":           `Bearer realm="Countersign"`,
		"Bearer bad": `Bearer realm="Countersign", error="invalid_token"`,
	} {
		resp, _ := call{"GET", "/api/test/things", "", map[string]string{"Authorization": header}}.do(t, server)
		if got := resp.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("with %q: %q, want %q", header, got, want)
		}
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	server, _ := newHall(t)
	req, err := http.NewRequest("GET", server.URL+"/api/test/things", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer good", "Bearer good"}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestRouting(t *testing.T) {
	server, _ := newHall(t)
	for name, c := range map[string]struct {
		call
		status int
		body   string
	}{
		"trailing slash":       {call{"GET", "/api/test/things/", "", nil}, 200, `[]`},
		"raw id":               {call{"PUT", "/api/test/things/9s-_A=?q=%2B1", `{"name":"n"}`, nil}, 200, `{"id":"9s-_A=","name":"n","q":"+1"}`},
		"escaped id":           {call{"PUT", "/api/test/things/a%2Fb%3D", `{"name":"n"}`, nil}, 200, `{"id":"a/b=","name":"n","q":""}`},
		"media with parameter": {call{"POST", "/api/test/things", `{"name":"n"}`, map[string]string{"Content-Type": "application/json; esl-api-version=11.68.0"}}, 200, `{"id":"","name":"n","q":""}`},
		"media on GET":         {call{"GET", "/api/test/things", "", map[string]string{"Content-Type": "application/json"}}, 200, `[]`},
		"literal before name":  {call{"GET", "/api/test/things/summary", "", nil}, 200, `"summary"`},
		"both rights":          {call{"GET", "/api/test/two", "", map[string]string{"Authorization": "Bearer both"}}, 200, `"two"`},
		"right kind":           {call{"GET", "/api/test/programs", "", map[string]string{"Authorization": "Bearer program"}}, 200, `"programs"`},
		"anyone":               {call{"GET", "/api/test/anyone", "", map[string]string{"Authorization": "Bearer weak"}}, 200, `"anyone"`},
		"rest":                 {call{"PURGE", "/api/test/rest/a/b%20c/d", "", nil}, 200, `"a/b c/d"`},
		"before the rest":      {call{"GET", "/api/test/rest/a/one", "", nil}, 200, `"one a"`},
		"other method: rest":   {call{"PUT", "/api/test/rest/a/one", "", nil}, 200, `"a/one"`},
		"HEAD":                 {call{"HEAD", "/api/test/things/summary", "", nil}, 200, ``},
		"no content":           {call{"DELETE", "/api/test/things/1", "", nil}, 204, ``},
		"public":               {call{"GET", "/api/test/open", "", map[string]string{"Authorization": ""}}, 200, `"open"`},
		"API key":              {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "Basic k1"}}, 200, `[]`},
		"scheme in any case":   {call{"GET", "/api/test/things", "", map[string]string{"Authorization": "bearer good"}}, 200, `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := c.do(t, server)
			if resp.StatusCode != c.status || body != c.body {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, c.status, c.body)
			}
		})
	}
}

func TestAllow(t *testing.T) {
	server, _ := newHall(t)
	resp, _ := call{"PATCH", "/api/test/things", "", nil}.do(t, server)
	if got := resp.Header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", got)
	}
}

func TestPathsOfNobody(t *testing.T) {
	server, _ := newHall(t)
	resp, body := call{"GET", "/api/rest/v6/users", "", nil}.do(t, server)
	if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != "application/problem+json" || !json.Valid([]byte(body)) {
		t.Errorf("got %d %s %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	hall := server.Config.Handler.(*Hall)
	for path, want := range map[string]bool{"/api": true, "/api/x": true, "/api/test/things": true, "/apix": false, "/": false, "/sign/abc": false} {
		if got := hall.Claims(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("Claims(%s) = %v", path, got)
		}
	}
}

func TestDownload(t *testing.T) {
	server, _ := newHall(t)
	resp, body := call{"GET", "/api/test/file", "", nil}.do(t, server)
	if body != "%PDF" || resp.Header.Get("Content-Length") != "4" {
		t.Errorf("%q, %v", body, resp.Header)
	}
	if got, want := resp.Header.Get("Content-Disposition"), "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201%3B%0D%0A.pdf"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A stream that fails half-way must not look whole.
func TestStreamCutShort(t *testing.T) {
	server, log := newHall(t)
	resp, err := server.Client().Get(server.URL + "/api/test/cut")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the client saw a whole answer")
	}
	server.Close() // waits for the log line
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("log: %s", log)
	}
}

func TestRequestID(t *testing.T) {
	server, _ := newHall(t)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for sent, kept := range map[string]bool{"abc-1.2_Z": true, `!"<%0a>~`: true, strings.Repeat("x", 128): true,
		"": false, "a b": false, "ä": false, "a\tb": false, strings.Repeat("x", 129): false} {
		resp, _ := call{"GET", "/api/test/open", "", map[string]string{"X-Request-Id": sent}}.do(t, server)
		got := resp.Header.Get("X-Request-Id")
		if kept && got != sent || !kept && !uuid.MatchString(got) {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

// The log has the route's pattern, never what is in the path or the query.
func TestLogLine(t *testing.T) {
	server, log := newHall(t)
	call{"PUT", "/api/test/things/SECRETPATH?token=SECRETQUERY", `{"name":"SECRETBODY"}`, map[string]string{"X-Request-Id": "r1"}}.do(t, server)
	call{"GET", "/api/test/SECRETPATH?token=SECRETQUERY", "", map[string]string{"Authorization": "Bearer SECRETTOKEN"}}.do(t, server)
	call{"GET", "/api/test/panic", "", nil}.do(t, server)
	server.Close() // waits for the log lines
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), log)
	}
	if strings.Contains(log.String(), "SECRET") {
		t.Errorf("the log tells: %s", log)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"request_id": "r1", "surface": "test", "route": "PUT /things/{id}", "status": 200.0, "client": "cli", "account": "acc", "user": "usr", "level": "INFO"} {
		if line[name] != want {
			t.Errorf("%s = %v, want %v", name, line[name], want)
		}
	}
	if !strings.Contains(lines[2], "boom") || !strings.Contains(lines[2], "hall_test.go") || !strings.Contains(lines[2], `"level":"ERROR"`) {
		t.Errorf("a panic is logged as %s", lines[2])
	}
}

func TestClientIP(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for name, c := range map[string]struct{ remote, forwarded, want string }{
		"direct":                   {"192.0.2.7:1234", "", "192.0.2.7"},
		"forged, no proxy":         {"192.0.2.7:1234", "198.51.100.1", "192.0.2.7"},
		"one proxy":                {"10.0.0.1:1234", "198.51.100.1", "198.51.100.1"},
		"forged before a proxy":    {"10.0.0.1:1234", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		"two proxies":              {"10.0.0.1:1234", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
		"garbage ends the chain":   {"10.0.0.1:1234", "198.51.100.1, unknown", "10.0.0.1"},
		"IPv6 proxy":               {"[::1]:1234", "2001:db8::1", "2001:db8::1"},
		"IPv4 in IPv6":             {"[::ffff:10.0.0.1]:1234", "198.51.100.1", "198.51.100.1"},
		"every hop is a proxy":     {"10.0.0.1:1234", "10.0.0.3", "10.0.0.3"},
		"address cannot be parsed": {"@", "198.51.100.1", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := ClientIP(r, proxies); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOrigin(t *testing.T) {
	var got Origin
	hall := New(Config{Log: slog.New(slog.DiscardHandler), WithOrigin: func(ctx context.Context, o Origin) context.Context { got = o; return ctx }}, testDialect())
	r := httptest.NewRequest("GET", "/api/test/open", nil)
	r.RemoteAddr = "192.0.2.7:1"
	r.Header.Set("X-Request-Id", "r1")
	r.Header["User-Agent"] = []string{"A\x07\u202e\r\ngent " + strings.Repeat("ü", 600) + "\xff"}
	hall.ServeHTTP(httptest.NewRecorder(), r)
	if got.IP != "192.0.2.7" || got.RequestID != "r1" || !strings.HasPrefix(got.UserAgent, "Agent ü") || len([]rune(got.UserAgent)) != 500 {
		t.Errorf("%+v", got)
	}
}
