package api

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

const boundary = "XyZ"

func part(disposition, data string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + data + "\r\n"
}

// Attack P7, the hall's half of it.
func TestP7PartsRefused(t *testing.T) {
	server, _ := newHall(t)
	end := "--" + boundary + "--\r\n"
	for name, c := range map[string]struct {
		media, body string
		status      int
		what        string
	}{
		"not multipart":   {"application/json", `{}`, 415, "media.unsupported"},
		"no boundary":     {"multipart/form-data", `x`, 400, "multipart.malformed"},
		"no end":          {"", part(`name="file"; filename="a"`, "x"), 400, "multipart.malformed"},
		"garbage":         {"", "garbage", 400, "multipart.malformed"},
		"empty":           {"", "", 400, "multipart.malformed"},
		"unknown part":    {"", part(`name="other"`, "x") + end, 400, "multipart.part_unknown"},
		"part too large":  {"", part(`name="file"; filename="a"`, strings.Repeat("x", 21)) + end, 413, "part.too_large"},
		"body too large":  {"", strings.Repeat(part(`name="file"; filename="a"`, "x"), 100) + end, 413, "body.too_large"},
		"name with a NUL": {"", part("name=\"file\"; filename*=UTF-8''a%00b", "x") + end, 400, "text.malformed"},
		"name not UTF-8":  {"", part("name=\"file\"; filename=\"\xff\"", "x") + end, 400, "text.malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			media := c.media
			if media == "" {
				media = "multipart/form-data; boundary=" + boundary
			}
			resp, body := call{"POST", "/api/test/parts", c.body, map[string]string{"Content-Type": media}}.do(t, server)
			if resp.StatusCode != c.status || !strings.Contains(body, `"`+c.what+`"`) {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, body, c.status, c.what)
			}
		})
	}
}

func TestPartsRead(t *testing.T) {
	server, _ := newHall(t)
	body := part(`name="file"; filename="../../etc/passwd"`, "1") + part(`name="file"; filename="..\..\boot.ini"`, "2") +
		part(`name="file"; filename="C:\\a\\b.pdf"`, "3") + part(`name="file"; filename*=UTF-8''%E2%82%AC.pdf`, "4") + "--" + boundary + "--\r\n"
	resp, got := call{"POST", "/api/test/parts", body, map[string]string{"Content-Type": "multipart/form-data; boundary=" + boundary}}.do(t, server)
	if want := `{"b.pdf":"3","boot.ini":"2","passwd":"1","€.pdf":"4"}`; resp.StatusCode != http.StatusOK || got != want {
		t.Errorf("got %d %s, want %s", resp.StatusCode, got, want)
	}
}

// A hundred thousand parts are refused after two hundred, without keeping them.
func TestP7PartsCounted(t *testing.T) {
	d := testDialect()
	for i := range d.Routes {
		if d.Routes[i].Path == "/parts" {
			d.Routes[i].Body = 1 << 30
		}
	}
	server, _ := newHall(t)
	server.Config.Handler.(*Hall).surfaces[0] = newSurface(d)
	var before, after runtime.MemStats
	body := strings.Repeat(part(`name="file"; filename="a"`, "x"), 100_000)
	runtime.GC()
	runtime.ReadMemStats(&before)
	resp, answer := call{"POST", "/api/test/parts", body, map[string]string{"Content-Type": "multipart/form-data; boundary=" + boundary}}.do(t, server)
	runtime.ReadMemStats(&after)
	if resp.StatusCode != 400 || !strings.Contains(answer, "multipart.too_many") {
		t.Errorf("got %d %s", resp.StatusCode, answer)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d bytes", grown)
	}
	fmt.Fprintf(t.Output(), "100000 parts: allocated %d kB\n", (after.TotalAlloc-before.TotalAlloc)>>10)
}
