package congasign

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
)

func newRequest(url string) (*http.Request, error) { return http.NewRequest("POST", url, nil) }

// Clients that write their whole request before they read, such as Python's and
// Java's, get the JSON of the refusal and no broken pipe.
func testRefusedWhileSending(t *testing.T, s *stack) {
	upload, media := apitest.Multipart(apitest.Part{Name: "file", File: "a.pdf", Data: paper() + strings.Repeat("%", 24<<20)},
		apitest.Part{Name: "payload", Data: `{"name":"x"}`})
	object := []byte(`{"name":"` + strings.Repeat("x", 5<<20) + `"}`)
	for name, c := range map[string]struct {
		path, media, authorization string
		body                       []byte
		status                     int
		key                        string
	}{
		"24 MB file":          {"/api/packages", media, s.Authorization, upload, 413, "error.validation.document.tooLarge"},
		"24 MB without token": {"/api/packages", media, "", upload, 401, "error.unauthorised.token.missing"},
		"24 MB to nowhere":    {"/api/package", media, s.Authorization, upload, 404, "error.notFound.route.unknown"},
		"24 MB stray":         {"/oauth2/tokens", media, "", upload, 404, "error.notFound.route.unknown"},
		"5 MB object":         {"/api/groups", "application/json", s.Authorization, object, 413, "error.validation.body.tooLarge"},
		"5 MB without token":  {"/api/groups", "application/json", "", object, 401, "error.unauthorised.token.missing"},
	} {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n", c.path, c.media, len(c.body))
		if c.authorization != "" {
			head += "Authorization: " + c.authorization + "\r\n"
		}
		status, key, err := s.raw(head+"\r\n", c.body)
		if err != nil || status != c.status || key != c.key {
			t.Errorf("%s: %d %s, %v", name, status, key, err)
		}
	}
}

// raw writes a whole request, then reads.
func (s *stack) raw(head string, body []byte) (status int, key string, err error) {
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if _, err = conn.Write(append([]byte(head), body...)); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var e errorBody
	err = json.NewDecoder(resp.Body).Decode(&e)
	return resp.StatusCode, e.MessageKey, err
}
