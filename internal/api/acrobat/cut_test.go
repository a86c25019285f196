package acrobat

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

// A body that ends before its announced length is refused as one that cannot be read, in the endpoint's own words.
func TestBodyCutShort(t *testing.T) {
	w := newWorld(newStack(t, dbtest.SQLite(t)))
	calls := map[string]struct{ method, path, media, begin string }{
		"POST partners": {"POST", partnersPath, "application/json", `{"name":`}, "POST accounts": {"POST", accountsPath, "application/json", `{"name":`},
		"PUT accounts/{id}": {"PUT", accountsPath + "/" + w.account, "application/json", `{`}, "POST users": {"POST", usersPath, "application/json", ``},
		"PUT users/{id}": {"PUT", w.userPath(w.plain), "application/json", `{`}, "POST users/migrationStatus": {"POST", statusPath, formMedia, "userId=" + w.plain.id},
		"token": {"POST", tokenPath, formMedia, "client_id=x"}, "ims": {"POST", imsPath + "/v2", formMedia, "client_id=x"},
	}
	for _, row := range apitest.Errors(t, "errors.tsv") {
		if row["test"] != "TestBodyCutShort" {
			continue
		}
		c, ok := calls[row["endpoint"]]
		delete(calls, row["endpoint"])
		status, body := w.cut(c.method, c.path, c.media, c.begin)
		code, twin, _ := strings.Cut(row["code"], " ")
		first := first(body, "code", "error")
		if !ok || strconv.Itoa(status) != row["status"] || first != code || twin != "" && body["error"] != twin ||
			row["message"] != body["message"] && row["message"] != body["error_description"] {
			t.Errorf("%v: %d %v", row, status, body)
		}
	}
	for endpoint := range calls {
		t.Errorf("errors.tsv has no row of %s", endpoint)
	}
}

// cut sends the beginning of a body that was announced as longer.
func (w *world) cut(method, path, media, begin string) (status int, body map[string]any) {
	w.T.Helper()
	host := strings.TrimPrefix(w.URL, "http://")
	conn, err := net.Dial("tcp", host)
	must(w.T, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n%s",
		method, path, host, w.a.Authorization, media, begin)
	must(w.T, err)
	must(w.T, conn.(*net.TCPConn).CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(w.T, err)
	defer answer.Body.Close()
	must(w.T, json.NewDecoder(answer.Body).Decode(&body))
	return answer.StatusCode, body
}
