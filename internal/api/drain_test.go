package api

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// exchange writes a whole request before it reads, as many clients do.
func exchange(t *testing.T, server *httptest.Server, head string, body []byte) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, b := range [][]byte{[]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"), body} {
		if _, err := c.Write(b); err != nil {
			t.Errorf("cut while writing: %v", err)
			return nil
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("no answer: %v", err)
		return nil
	}
	resp.Body.Close()
	return resp
}

// A client that reads late sees why it is refused.
func TestRefusedWhileSending(t *testing.T) {
	server, _ := newHall(t)
	body := make([]byte, 24<<20)
	chunks := append([]byte(fmt.Sprintf("%x\r\n", len(body))), append(body, "\r\n0\r\n\r\n"...)...)
	length := fmt.Sprintf("\nContent-Length: %d", len(body))
	for name, c := range map[string]struct {
		head   string
		body   []byte
		status int
	}{
		"too large":   {"POST /api/test/things HTTP/1.1\nHost: x\nAuthorization: Bearer good" + length, body, 413},
		"chunked":     {"POST /api/test/things HTTP/1.1\nHost: x\nAuthorization: Bearer good\nTransfer-Encoding: chunked", chunks, 413},
		"no token":    {"POST /api/test/things HTTP/1.1\nHost: x" + length, body, 401},
		"no route":    {"POST /api/test/nothing HTTP/1.1\nHost: x" + length, body, 404},
		"no dialect":  {"POST /api/nobody HTTP/1.1\nHost: x" + length, body, 404},
		"other media": {"POST /api/test/form HTTP/1.1\nHost: x\nContent-Type: text/plain" + length, body, 413},
	} {
		t.Run(name, func(t *testing.T) {
			if resp := exchange(t, server, c.head, c.body); resp != nil && resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
}

// Neither is an endless body read to its end, nor one that a client first asks for.
func TestDrainIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		length int64
		expect string
		want   int64
	}{
		"unknown length": {-1, "", drainBytes},
		"beyond bounds":  {1 << 40, "", 0},
		"asks first":     {1000, "100-continue", 0},
		"small":          {1000, "", 1000},
	} {
		r := httptest.NewRequest("POST", "/api/nobody", nil)
		body := &counted{left: c.length}
		r.Body, r.ContentLength = body, c.length
		if c.expect != "" {
			r.Header.Set("Expect", c.expect)
		}
		New(Config{Log: quiet}, testDialect()).ServeHTTP(httptest.NewRecorder(), r)
		if body.read != c.want {
			t.Errorf("%s: read %d bytes, want %d", name, body.read, c.want)
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)

// counted gives as many bytes as are left, without end when that is negative.
type counted struct{ left, read int64 }

func (c *counted) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := int64(len(b))
	if c.left > 0 {
		n = min(n, c.left)
		c.left -= n
	}
	c.read += n
	return int(n), nil
}

func (c *counted) Close() error { return nil }
