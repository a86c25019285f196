package useraccess

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// refusal is one way to be refused; its name is the first column of errors.tsv. It is made with headers that every call of it sends.
type refusal struct {
	name string
	make func(s *stack, header map[string]string) apitest.Answer
}

func get(path string) func(*stack, map[string]string) apitest.Answer {
	return func(s *stack, header map[string]string) apitest.Answer {
		return s.Do(apitest.Call{Method: "GET", Path: path, Header: header})
	}
}

func query(name, value string) func(*stack, map[string]string) apitest.Answer {
	return get(usersPath + "?" + name + "=" + url.QueryEscape(value))
}

// as is a call with another Authorization header.
func as(authorization func(s *stack) string) func(*stack, map[string]string) apitest.Answer {
	return func(s *stack, header map[string]string) apitest.Answer {
		return s.As(authorization(s)).Do(apitest.Call{Method: "GET", Path: usersPath, Header: header})
	}
}

// without is a call while a table is not there.
func without(table string, fresh bool) func(*stack, map[string]string) apitest.Answer {
	return func(s *stack, header map[string]string) apitest.Answer {
		who := s.Client
		if fresh { // its token is nowhere remembered
			who = s.As(s.token(s.admin))
		}
		s.exec(`alter table ` + table + ` rename to gone`)
		defer s.exec(`alter table gone rename to ` + table)
		return who.Do(apitest.Call{Method: "GET", Path: usersPath, Header: header})
	}
}

// refusals produce every row of errors.tsv through HTTP.
var refusals = []refusal{
	{"unknown status", query("status", "locked")},
	{"status in another letter case", query("status", "Active")},
	{"empty status", query("status", "")},
	{"status twice", get(usersPath + "?status=active&status=active")},
	{"unknown license_type", query("license_type", "conga_composer")},
	{"license_type in another letter case", query("license_type", "Salesforce")},
	{"unknown license_type, and not modified", func(s *stack, h map[string]string) apitest.Answer {
		all := map[string]string{"If-None-Match": "*"}
		maps.Copy(all, h)
		return query("license_type", "conga_composer")(s, all)
	}},
	{"empty license_type", query("license_type", "")},
	{"license_type twice", get(usersPath + "?license_type=salesforce&license_type=conga_sign")},
	{"empty user_id", query("user_id", "")},
	{"malformed email", query("email", "nobody")},
	{"empty email", query("email", "")},
	{"unknown permission", query("permission", "Conga Sign Boss")},
	{"permission in another letter case", query("permission", "conga sign admin")},
	{"last_login_before is no date", query("last_login_before", "yesterday")},
	{"last_login_before without a time", query("last_login_before", "2025-12-18")},
	{"last_login_before of another age", query("last_login_before", "0001-01-01T00:00:00Z")},
	{"limit 0", query("limit", "0")},
	{"limit 1001", query("limit", "1001")},
	{"limit is no number", query("limit", "ten")},
	{"limit with a sign", query("limit", "+5")},
	{"made-up cursor", query("cursor", "bm90aGluZw")},
	{"empty cursor", query("cursor", "")},
	{"several parameters", get(usersPath + "?status=x&limit=-1&email=")},
	{"history of a user and a group", get(root + "/history?user_id=a&group_id=b")},
	{"history: from is no date", get(root + "/history?from=now")},
	{"history: to twice", get(root + "/history?to=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z")},
	{"history: made-up cursor", get(root + "/history?cursor=bm90aGluZw")},
	{"NUL in a parameter", get(usersPath + "?email=a%00b")},
	{"NUL in the id", get(usersPath + "/a%00b")},
	{"a query that cannot be read", get(usersPath + "?status=%zz")},
	{"no token", as(func(*stack) string { return "" })},
	{"unknown token", as(func(*stack) string { return "Bearer cst_" + strings.Repeat("A", 43) })},
	{"no bearer token", as(func(*stack) string { return "Basic YTpi" })},
	{"revoked token", as(func(s *stack) string {
		id, token, _, err := s.authn.NewAccessToken(context.Background(), operator, s.account.OuterID, s.admin.SenderID, "Audit", 0)
		must(s.T, err)
		must(s.T, s.authn.RevokeAccessToken(context.Background(), operator, id))
		return "Bearer " + token
	})},
	{"token of a deactivated user", as(func(s *stack) string {
		second := s.user("second", directory.Manager, true)
		token := s.token(second)
		must(s.T, s.dir.DeleteSender(context.Background(), s.principal(), second.SenderID))
		return token
	})},
	{"not Admin", as(func(s *stack) string { return s.clientToken(s.client(authz.Sign)) })},
	{"Admin no more", as(func(s *stack) string {
		second := s.user("second", directory.Manager, true)
		token := s.token(second)
		_, err := s.dir.RetypeUser(context.Background(), s.principal(), second.SenderID, directory.Regular)
		must(s.T, err)
		return token
	})},
	{"unknown user", get(usersPath + "/nobody")},
	{"history of an unknown user", get(root + "/history?user_id=nobody")},
	{"history of an unknown group", get(root + "/history?group_id=nobody")},
	{"unknown path", get(root + "/nothing")},
	{"base path", get(root)},
	{"/v2 twice", get("/v2" + usersPath)},
	{"path in another letter case", get("/V2/Access/Users")},
	{"empty segment", get(root + "//users")},
	{"other method", func(s *stack, h map[string]string) apitest.Answer {
		return s.Do(apitest.Call{Method: "DELETE", Path: usersPath, Header: h})
	}},
	{"body too large", func(s *stack, h map[string]string) apitest.Answer {
		return s.Do(apitest.Call{Method: "GET", Path: usersPath, Media: "text/plain", Body: make([]byte, 2<<20), Header: h})
	}},
	{"encoded body", func(s *stack, h map[string]string) apitest.Answer {
		encoded := map[string]string{"Content-Encoding": "gzip"}
		maps.Copy(encoded, h)
		return s.Do(apitest.Call{Method: "GET", Path: usersPath, Media: "text/plain", Body: []byte("x"), Header: encoded})
	}},
	{"quota used up", func(s *stack, h map[string]string) apitest.Answer {
		s = s.fresh("busy")
		s.useUp()
		return s.Do(apitest.Call{Method: "GET", Path: usersPath, Header: h})
	}},
	{"too many wrong tokens", func(s *stack, h map[string]string) apitest.Answer {
		for s.surface.strangers.Take("127.0.0.1").Allowed {
		}
		a := as(func(*stack) string { return "Bearer x" })(s, h)
		s.serve() // another process knows nothing of it
		return a
	}},
	{"calls cannot be counted", without("limit_windows", false)},
	{"users cannot be read", without("user_counts", false)},
	{"tokens cannot be checked", without("access_tokens", true)},
	{"too many long lists", func(s *stack, h map[string]string) apitest.Answer {
		s.user("second", directory.Regular, true)
		s.surface.whole = 1
		for range maxStreamsOne {
			end, _ := s.surface.streams.begin(s.account.ID)
			defer end()
		}
		defer func() { s.surface.whole = inMemory }()
		return get(usersPath)(s, h)
	}},
}

// useUp makes calls until nothing is left.
func (s *stack) useUp() {
	for s.Get(usersPath).Status != http.StatusTooManyRequests {
	}
}

// Every error of errors.tsv is produced, every way to be refused is in it, and problem details say the same.
func TestErrors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		want := map[string]map[string]string{}
		for _, row := range apitest.Errors(t, "errors.tsv") {
			want[row["when"]] = row
		}
		for _, r := range refusals {
			row := want[r.name]
			delete(want, r.name)
			s.forget()
			got := errorRow(t, r.name, r.make(s, nil))
			if row == nil {
				t.Errorf("not in errors.tsv: %s", got)
			} else if line := strings.Join([]string{row["when"], row["status"], row["code"], row["message"], row["errors"]}, "\t"); line != got {
				t.Errorf("\nwant %s\ngot  %s", line, got)
			}
			s.forget()
			if problem := problemRow(t, r.name, r.make(s, map[string]string{"Accept": "application/problem+json"})); problem != got {
				t.Errorf("as problem details\nwant %s\ngot  %s", got, problem)
			}
		}
		for name := range want {
			t.Errorf("nothing produces %s", name)
		}
	})
}

// forget empties the windows: the calls of a test are more than a minute's.
func (s *stack) forget() {
	s.T.Helper()
	must(s.T, s.db.Write(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(`delete from limit_windows`); return err }))
}

// errorRow words an answer as a line of errors.tsv.
func errorRow(t *testing.T, name string, a apitest.Answer) string {
	t.Helper()
	var body errorBody
	a.Into(&body)
	if media := a.Header.Get("Content-Type"); media != "application/json" || body.Status != "error" || body.Errors == nil {
		t.Errorf("%s: %s %s", name, media, a.Body)
	}
	checkRefusal(t, name, a)
	return row(name, a.Status, body.Code, body.Message, body.Errors)
}

func problemRow(t *testing.T, name string, a apitest.Answer) string {
	t.Helper()
	var body problemBody
	a.Into(&body)
	if media := a.Header.Get("Content-Type"); media != "application/problem+json" || body.Type != "about:blank" || body.Status != a.Status ||
		body.Title != http.StatusText(a.Status) || body.Errors == nil || body.RequestID != a.Header.Get("X-Request-Id") || !strings.HasPrefix(body.Instance, "/") {
		t.Errorf("%s: %s %s", name, media, a.Body)
	}
	checkRefusal(t, name, a)
	return row(name, a.Status, body.Code, body.Detail, body.Errors)
}

func row(name string, status int, code, message string, issues []fieldIssue) string {
	var list []string
	for _, i := range issues {
		list = append(list, i.Field+" "+i.Issue)
	}
	return strings.Join([]string{name, strconv.Itoa(status), code, message, strings.Join(list, "; ")}, "\t")
}

// checkRefusal holds the headers of a refusal: challenges (RFC 6750 §3), and what is left to whom nobody knows.
func checkRefusal(t *testing.T, name string, a apitest.Answer) {
	t.Helper()
	const challenge = `Bearer realm="Countersign"`
	want := ""
	switch {
	case name == "no token":
		want = challenge
	case a.Status == 401:
		want = challenge + `, error="invalid_token"`
	case a.Status == 403:
		want = challenge + `, error="insufficient_scope", scope="access.read"`
	}
	if got := a.Header.Get("WWW-Authenticate"); got != want {
		t.Errorf("%s: WWW-Authenticate %q", name, got)
	}
	if a.Status == 401 && left(t, a) != 0 {
		t.Errorf("%s: RateLimit %q", name, a.Header.Get("RateLimit"))
	}
	if allow := a.Header.Get("Allow"); a.Status == 405 && allow != "GET, HEAD" {
		t.Errorf("%s: Allow %q", name, allow)
	}
}

// What went wrong inside is not told.
func TestT7FaultsTellNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		a := without("user_counts", false)(s, nil).Want(500)
		var body map[string]any
		must(t, json.Unmarshal(a.Body, &body))
		if strings.Contains(string(a.Body), "user_counts") || len(body) != 4 {
			t.Errorf("%s", a.Body)
		}
	})
}
