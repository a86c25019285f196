package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

type passed struct{}

// Gate is asked of a call of a route before anybody is authenticated; Admit and the handler see the context that it made.
func TestGate(t *testing.T) {
	asked := 0
	d := testDialect()
	d.Gate = func(r *http.Request) (context.Context, error) {
		asked++
		if r.Header.Get("X-Key") == "" {
			return nil, errs.New(errs.Unauthenticated, "key.missing", "")
		}
		return context.WithValue(r.Context(), passed{}, r.Header.Get("X-Key")), nil
	}
	d.Admit = func(r *http.Request, _ authz.Principal) (map[string]string, error) {
		key, _ := r.Context().Value(passed{}).(string)
		return map[string]string{"X-Admitted": key}, nil
	}
	d.Routes = append(d.Routes, Route{Method: "GET", Path: "/gated", Right: thing, Handle: func(r *Request) (Answer, error) {
		key, _ := r.Context().Value(passed{}).(string)
		return Answer{Header: map[string]string{"X-Handled": key}}, nil
	}})
	server := httptest.NewServer(New(Config{Log: slog.New(slog.DiscardHandler), Authenticator: keys{"good": {Rights: []authz.Right{thing}}}}, d))
	defer server.Close()
	for name, c := range map[string]struct {
		path, key, token, want string
		status, asked          int
	}{
		"passes":          {"/gated", "k", "good", "k", 200, 1},
		"without its key": {"/gated", "", "good", "", 401, 1},
		"without either":  {"/gated", "", "", "", 401, 1},
		"without a token": {"/gated", "k", "", "", 401, 1},
		"no such route":   {"/nothing", "", "", "", 404, 0},
		"bad token":       {"/gated", "k", "bad", "", 401, 1},
	} {
		asked = 0
		r, err := http.NewRequest("GET", server.URL+"/api/test"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for header, value := range map[string]string{"X-Key": c.key, "Authorization": "Bearer " + c.token} {
			if value != "" && value != "Bearer " {
				r.Header.Set(header, value)
			}
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		a.Body.Close()
		if a.StatusCode != c.status || asked != c.asked || a.Header.Get("X-Admitted") != c.want || a.Header.Get("X-Handled") != c.want {
			t.Errorf("%s: %d, asked %d times, %v", name, a.StatusCode, asked, a.Header)
		}
	}
}
