package server

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// What the listener answers itself: health, the keys that check our tokens, and JSON on every path of an interface.
func TestOwnPaths(t *testing.T) {
	data := t.TempDir()
	h := startHere(t, config(t, "sqlite:"+filepath.Join(data, "test.db"), data))
	must(t, h.Jail.Ready(t.Context()))
	for path, want := range map[string]struct {
		status int
		media  string
	}{
		"/healthz":               {http.StatusOK, "application/json"},
		"/readyz":                {http.StatusOK, "application/json"},
		"/.well-known/jwks.json": {http.StatusOK, "application/jwk-set+json"},
		"/api//packages":         {http.StatusNotFound, "application/json"},
		"/api/nothing":           {http.StatusNotFound, "application/json"},
		"/api/users":             {http.StatusUnauthorized, "application/json"},
		"/API/Users/1":           {http.StatusUnauthorized, "application/json"},
		"/api/Accounts":          {http.StatusNotFound, "application/json"},
		"/openapi/intelagree":    {http.StatusOK, "text/html"},
		"/nothing":               {http.StatusNotFound, "text/html"},
	} {
		answer, err := http.Get(h.url + path)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		answer.Body.Close()
		if media := answer.Header.Get("Content-Type"); answer.StatusCode != want.status || !strings.HasPrefix(media, want.media) {
			t.Errorf("%s: %d %s %s", path, answer.StatusCode, media, body)
		}
		if path != "/.well-known/jwks.json" {
			continue
		}
		var set struct{ Keys []map[string]string }
		if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) == 0 || set.Keys[0]["kty"] != "OKP" || set.Keys[0]["d"] != "" {
			t.Errorf("the keys: %s %v", body, err)
		}
	}
}
