package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// admitting serves the test dialect with hooks that tell what they saw. A call with ?full is refused by Admit, and one with the
// header X-Known is told something else by Turned.
func admitting(t *testing.T) *httptest.Server {
	t.Helper()
	d := testDialect()
	d.Admit = func(r *http.Request, p authz.Principal) (map[string]string, error) {
		header := map[string]string{"X-Left": "admitted " + p.Client}
		if r.URL.RawQuery == "full" {
			return header, errs.New(errs.Limited, "test.full", "").With("wait", "17")
		}
		return header, nil
	}
	d.Turned = func(r Refusal) (map[string]string, error) {
		header := map[string]string{"X-Left": fmt.Sprint("turned ", r.Principal.Account, " ", r.Error.What, " ", r.Origin.IP)}
		if r.HTTP.Header.Get("X-Known") != "" {
			return header, errs.New(errs.Limited, "test.known", "")
		}
		return header, nil
	}
	d.RefuseTo = func(r Refusal) Answer {
		a := Answer{Status: Status(r.Error.Kind), JSON: map[string]string{"what": r.Error.What, "accept": r.HTTP.Header.Get("Accept"), "id": r.Origin.RequestID}}
		if wait := r.Error.Params["wait"]; wait != "" {
			a.Header = map[string]string{"Retry-After": wait}
		}
		return a
	}
	who := keys{"good": {Account: "acc", Client: "cli", Rights: []authz.Right{thing}}, "weak": {Account: "weak"}}
	server := httptest.NewServer(New(Config{Log: slog.New(slog.DiscardHandler), Authenticator: who}, d))
	t.Cleanup(server.Close)
	return server
}

// Admit is asked of who may call, before the call is read, and has its headers on whatever comes of it; Turned hears of all others.
func TestAdmitAndTurned(t *testing.T) {
	server := admitting(t)
	weak, bad := map[string]string{"Authorization": "Bearer weak"}, map[string]string{"Authorization": "Bearer bad"}
	for name, c := range map[string]struct {
		call
		status     int
		what, left string
	}{
		"accepted":         {call{"GET", "/api/test/things", "", nil}, 200, "", "admitted cli"},
		"nobody":           {call{"GET", "/api/test/open", "", nil}, 200, "", "admitted"},
		"full":             {call{"GET", "/api/test/things?full", "", nil}, 429, "test.full", "admitted cli"},
		"full, too large":  {call{"POST", "/api/test/things?full", strings.Repeat("x", 200), nil}, 429, "test.full", "admitted cli"},
		"too large":        {call{"POST", "/api/test/things", strings.Repeat("x", 200), nil}, 413, "body.too_large", "admitted cli"},
		"bad query":        {call{"GET", "/api/test/things?a=%zz", "", nil}, 400, "query.malformed", "admitted cli"},
		"NUL in the path":  {call{"DELETE", "/api/test/things/a%00", "", nil}, 400, "text.malformed", "admitted cli"},
		"fault":            {call{"GET", "/api/test/fault", "", nil}, 500, "fault", "admitted"},
		"panic":            {call{"GET", "/api/test/panic", "", nil}, 500, "fault", "admitted"},
		"unwordable":       {call{"GET", "/api/test/unwordable", "", nil}, 500, "fault", "admitted"},
		"wrong token":      {call{"GET", "/api/test/things?full", "", bad}, 401, "token.invalid", "turned  token.invalid 127.0.0.1"},
		"no right":         {call{"GET", "/api/test/things?full", "", weak}, 403, "right.missing", "turned weak right.missing 127.0.0.1"},
		"no route":         {call{"GET", "/api/test/nothing", "", nil}, 404, "route.unknown", "turned  route.unknown 127.0.0.1"},
		"no method":        {call{"PATCH", "/api/test/things", "", nil}, 405, "route.method", "turned  route.method 127.0.0.1"},
		"told otherwise":   {call{"GET", "/api/test/nothing", "", map[string]string{"X-Known": "1"}}, 429, "test.known", "turned  route.unknown 127.0.0.1"},
		"another dialects": {call{"GET", "/elsewhere", "", nil}, 404, "", ""},
	} {
		resp, body := c.do(t, server)
		if resp.StatusCode != c.status || resp.Header.Get("X-Left") != c.left || !strings.Contains(body, c.what) {
			t.Errorf("%s: %d %q %s", name, resp.StatusCode, resp.Header.Get("X-Left"), body)
		}
	}
}

// A dialect words a refusal as the caller asks for it, and says itself how long to wait.
func TestRefuseTo(t *testing.T) {
	server := admitting(t)
	resp, body := call{"GET", "/api/test/things?full", "", map[string]string{"Accept": "text/x", "X-Request-Id": "abc"}}.do(t, server)
	if want := `{"accept":"text/x","id":"abc","what":"test.full"}`; body != want || resp.Header.Get("Retry-After") != "17" {
		t.Errorf("%s %q", body, resp.Header.Get("Retry-After"))
	}
	resp, _ = call{"GET", "/api/test/nothing", "", map[string]string{"X-Known": "1"}}.do(t, server)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

// Who does not read what is streamed to him is given up, and who reads slowly is not.
func TestO1PatienceWithSlowReaders(t *testing.T) {
	given := make(chan error, 1)
	d := &Dialect{Name: "streams", Claim: func(p string) (string, bool) { return p, true }, Refuse: problem, Routes: []Route{
		{Method: "GET", Path: "/endless", Right: Public, Handle: func(*Request) (Answer, error) {
			return Answer{File: &File{Media: "text/plain", Patience: 100 * time.Millisecond, Write: func(w io.Writer) error {
				for piece := make([]byte, 1<<16); ; {
					if _, err := w.Write(piece); err != nil {
						given <- err
						return err
					}
				}
			}}}, nil
		}}}}
	server := httptest.NewServer(New(Config{Log: slog.New(slog.DiscardHandler)}, d))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for time.Since(start) < 300*time.Millisecond { // he takes longer than the patience for all of it, not for a piece
		if _, err := io.CopyN(io.Discard, conn, 1<<16); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-given:
		t.Fatalf("given up while he reads: %v", err)
	default:
	}
	if err := <-given; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("given up because of %v", err)
	}
}
