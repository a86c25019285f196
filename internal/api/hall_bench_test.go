package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign.dev/internal/authz"
)

// What the hall costs beside a bare handler: a GET with a token, a log line and a small answer.
func BenchmarkHall(b *testing.B) {
	d := testDialect()
	hall := New(Config{Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Authenticator: keys{"good": {Client: "cli", Rights: []authz.Right{thing}}}}, d)
	r := httptest.NewRequest(http.MethodGet, "/api/test/things/summary", nil)
	r.Header.Set("Authorization", "Bearer good")
	r.Header.Set("User-Agent", "benchmark")
	b.ReportAllocs()
	for b.Loop() {
		hall.ServeHTTP(httptest.NewRecorder(), r)
	}
}
