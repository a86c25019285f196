package useraccess

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

const usersPath = root + "/users"

// Every route, against the golden samples.
func TestJourney(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		golden := apitest.NewGolden("testdata")
		s.Golden = golden
		pat := s.user("Pat", directory.Regular, true)
		must(t, d.Write(t.Context(), func(tx *db.Tx) error { return directory.SignedIn(tx, pat.ID) }))
		set := s.preset("Salesforce User", directory.LicenceSalesforce)
		_, err := s.access.Grant(t.Context(), s.principal(), access.Holder{Kind: access.OfUser, ID: pat.SenderID}, access.NewGrant{What: access.OfPreset, Number: set})
		must(t, err)
		for name, u := range map[string]directory.User{"pat": pat, "admin": s.admin} {
			golden.Name(name+"'s id", u.SenderID)
			golden.Name(name+"'s address", u.Email)
		}
		list := s.Do(apitest.Call{Route: "GET " + usersPath, Method: "GET", Path: usersPath + "?status=active&license_type=conga_sign"}).Want(200)
		var l listed
		list.Into(&l)
		if i := slices.Index(l.ids(), pat.SenderID); l.Total != 2 || i < 0 || !slices.Equal(l.Users[i].Permissions, []string{"Conga Sign User", "Salesforce User"}) || l.Users[i].LastLogin == nil {
			t.Errorf("%s", list.Body)
		}
		one := s.Get(usersPath + "/" + pat.SenderID).Want(200)
		golden.Name("grant's id", reasonsOf(t, one, "Salesforce User")[0]["grant_id"].(string))
		one = s.Do(apitest.Call{Route: "GET " + usersPath + "/{user}", Method: "GET", Path: usersPath + "/" + pat.SenderID}).Want(200)
		if by := reasonsOf(t, one, "Salesforce User")[0]["granted_by"].(map[string]any); by["user_id"] != s.admin.SenderID {
			t.Errorf("granted by %v", by)
		}
		history := s.Do(apitest.Call{Route: "GET " + root + "/history", Method: "GET", Path: root + "/history?user_id=" + pat.SenderID}).Want(200)
		if history.Text("events.0.event") != "grant.given" || history.Text("events.0.grant.name") != "Salesforce User" {
			t.Errorf("%s", history.Body)
		}
		var patterns []string
		for pattern := range operations {
			patterns = append(patterns, pattern)
		}
		if missing := golden.Unseen(patterns); len(missing) > 0 {
			t.Errorf("no sample of %q", missing)
		}
	})
}

// preset defines a permission set of the account and returns its number.
func (s *stack) preset(name, licence string) int64 {
	s.T.Helper()
	p, err := s.access.DefinePreset(context.Background(), s.principal(), access.NewPreset{Name: name, Licence: licence, Contents: []access.Content{}})
	must(s.T, err)
	return p.Number
}

// reasonsOf are those of a permission set in a user's answer.
func reasonsOf(t *testing.T, a apitest.Answer, set string) []map[string]any {
	t.Helper()
	var body struct {
		Sets []struct {
			Name    string           `json:"name"`
			Reasons []map[string]any `json:"reasons"`
		} `json:"permission_sets"`
	}
	a.Into(&body)
	for _, one := range body.Sets {
		if one.Name == set {
			return one.Reasons
		}
	}
	t.Fatalf("no %s in %s", set, a.Body)
	return nil
}

// Filters choose users, and all of them must fit; by themselves active users are listed. A user is told of whole.
func TestFilters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		sender, plain, gone := s.user("sender", directory.Regular, true), s.user("plain", directory.Regular, false), s.user("gone", directory.Regular, true)
		must(t, s.dir.DeleteSender(t.Context(), s.principal(), gone.SenderID))
		must(t, d.Write(t.Context(), func(tx *db.Tx) error { return directory.SignedIn(tx, sender.ID) }))
		set := s.preset("Salesforce User", directory.LicenceSalesforce)
		for _, u := range []directory.User{sender, plain} {
			_, err := s.access.Grant(t.Context(), s.principal(), access.Holder{Kind: access.OfUser, ID: u.SenderID}, access.NewGrant{What: access.OfPreset, Number: set})
			must(t, err)
		}
		other := s.fresh("other").user("elsewhere", directory.Regular, true)
		admin := s.admin
		soon := url.QueryEscape(time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		for query, want := range map[string][]directory.User{
			"":                         {admin, sender, plain},
			"?status=active":           {admin, sender, plain},
			"?status=inactive":         {gone},
			"?status=all":              {admin, sender, plain, gone},
			"?license_type=conga_sign": {admin, sender},
			"?license_type=salesforce": {sender, plain},
			"?license_type=conga_sign&status=inactive":                 {gone},
			"?license_type=salesforce&status=inactive":                 {},
			"?user_id=" + plain.SenderID:                               {plain},
			"?user_id=" + gone.SenderID:                                {},
			"?user_id=" + other.SenderID:                               {},
			"?user_id=nobody":                                          {},
			"?email=" + url.QueryEscape(strings.ToUpper(sender.Email)): {sender},
			"?email=nobody@example.com":                                {},
			"?permission=Salesforce+User":                              {sender, plain},
			"?permission=Conga%20Sign%20Admin":                         {admin},
			"?permission=Salesforce+User&license_type=conga_sign":      {sender},
			"?last_login_before=2020-01-01T00:00:00Z":                  {admin, plain}, // who never signed in did so before all times
			"?last_login_before=" + soon:                               {admin, sender, plain},
			"?Status=inactive&unknown=&unknown=&page=2":                {admin, sender, plain},
		} {
			got := s.list(query)
			var ids []string
			for _, u := range want {
				ids = append(ids, u.SenderID)
			}
			if !slices.Equal(got.ids(), ids) || got.Total != len(ids) || got.Next != "" {
				t.Errorf("%s: %d %v, want %v", query, got.Total, got.ids(), ids)
			}
		}
		for _, u := range s.list("?license_type=salesforce").Users {
			if u.ID == sender.SenderID && !slices.Equal(u.Permissions, []string{"Conga Sign User", "Salesforce User"}) {
				t.Errorf("the filter trimmed %q", u.Permissions)
			}
		}
	})
}

// pages follows cursors, or links, to the end.
func (s *stack) pages(query string) (ids []string, n int) {
	s.T.Helper()
	for path := usersPath + query; path != ""; n++ {
		a := s.Get(path).Want(200)
		var l listed
		a.Into(&l)
		ids = append(ids, l.ids()...)
		link, next := a.Header.Get("Link"), ""
		if link != "" {
			target, rel, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">; ")
			u, err := url.Parse(target)
			if !ok || rel != `rel="next"` || err != nil || u.Query().Get("cursor") != l.Next {
				s.T.Fatalf("Link %q of %s", link, a.Body)
			}
			next = target
		}
		if (l.Next == "") != (next == "") || l.Total != 6 {
			s.T.Fatalf("%q %s", link, a.Body)
		}
		path = next
	}
	return ids, n
}

// Page by page is the same list, each user once, also while the list is sent in pieces from a snapshot.
func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		for i := range 5 {
			s.user(fmt.Sprint("user", i), directory.Regular, i%2 == 0)
		}
		all := s.list("").ids()
		if len(all) != 6 {
			t.Fatalf("%d users", len(all))
		}
		for size, want := range map[int]int{1: 6, 4: 2, 5: 2, 6: 1, 1000: 1} {
			if ids, n := s.pages(fmt.Sprintf("?limit=%d", size)); !slices.Equal(ids, all) || n != want {
				t.Errorf("limit %d: %d pages of %v", size, n, ids)
			}
		}
		s.surface.whole = 2
		if ids, n := s.pages(""); !slices.Equal(ids, all) || n != 1 || s.surface.streams.all != 0 {
			t.Errorf("streamed: %v, %d streams left", ids, s.surface.streams.all)
		}
		next := s.list("?limit=2").Next
		if got := s.list("?cursor=" + next); !slices.Equal(got.ids(), all[2:]) || got.Total != 6 {
			t.Errorf("the rest: %v", got.ids())
		}
		beside := s.fresh("beside")
		for what, a := range map[string]apitest.Answer{
			"another account's": beside.Get(usersPath + "?cursor=" + next),
			"another filter's":  s.Get(usersPath + "?status=all&cursor=" + next),
			"another list's":    s.Get(root + "/history?cursor=" + next),
			"cut short":         s.Get(usersPath + "?cursor=" + next[:len(next)-1]),
			"changed":           s.Get(usersPath + "?cursor=" + swapped(next)),
			"made up":           s.Get(usersPath + "?cursor=abcd"),
		} {
			if a.Status != 400 || a.Text("errors.0.field") != "cursor" {
				t.Errorf("%s: %d %s", what, a.Status, a.Body)
			}
		}
	})
}

// swapped is a cursor with another character in its middle.
func swapped(cursor string) string {
	b := []byte(cursor)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// A tag stands for the state of the directory, the filters and the form; whoever has the answer is spared it, and pays for asking.
func TestNotModified(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		ask := func(path, tag, accept string) apitest.Answer {
			return s.Do(apitest.Call{Method: "GET", Path: path, Header: map[string]string{"If-None-Match": tag, "Accept": accept}})
		}
		for _, path := range []string{usersPath, usersPath + "?limit=1", usersPath + "/" + s.admin.SenderID, root + "/history"} {
			first := s.Get(path).Want(200)
			tag := first.Header.Get("ETag")
			again := ask(path, `"other", `+tag, "").Want(304)
			if len(again.Body) != 0 || again.Header.Get("ETag") != tag || again.Header.Get("Content-Type") != "" || left(t, again) != left(t, first)-1 {
				t.Errorf("%s: %v %q", path, again.Header, again.Body)
			}
			ask(path, "*", "").Want(304)
			ask(path, `"other"`, "").Want(200)
		}
		tag := s.Get(usersPath).Header.Get("ETag")
		for path, accept := range map[string]string{usersPath + "?status=all": "", usersPath + "?limit=1": "", usersPath: "text/csv"} {
			ask(path, tag, accept).Want(200)
		}
		beside := s.fresh("beside")
		beside.Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"If-None-Match": tag}}).Want(200)
		pat := s.user("pat", directory.Regular, true)
		one := s.Get(usersPath + "/" + pat.SenderID).Header.Get("ETag")
		changes := map[string]func(){
			"a sign-in": func() {
				must(t, d.Write(t.Context(), func(tx *db.Tx) error { return directory.SignedIn(tx, pat.ID) }))
			},
			"a grant": func() {
				_, err := s.access.Grant(t.Context(), s.principal(), access.Holder{Kind: access.OfUser, ID: pat.SenderID}, access.NewGrant{What: access.OfPreset, Number: s.preset("Salesforce User", "")})
				must(t, err)
			},
			"the end of a user": func() { must(t, s.dir.DeleteSender(t.Context(), s.principal(), pat.SenderID)) },
		}
		for _, what := range []string{"a sign-in", "a grant", "the end of a user"} {
			tag := s.Get(usersPath + "?status=all").Header.Get("ETag")
			changes[what]()
			ask(usersPath+"?status=all", tag, "").Want(200)
			now := ask(usersPath+"/"+pat.SenderID, one, "").Want(200).Header.Get("ETag")
			if one == now {
				t.Errorf("%s left the user's tag", what)
			}
			one = now
		}
	})
}

// L6: what a spreadsheet would take for a formula is text, and the rest is as it is in JSON.
func TestL6CSV(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		names := []string{`=HYPERLINK("http://x.example.com","a")`, "+1", "-1", "@SUM(A1)", "＝1", `Ann "the, quote"`, "Zoë", "plain"}
		for _, name := range names {
			s.user(name, directory.Regular, true)
		}
		s.exec(`update users set first_name = $1 where id = $2`, "\t=1", s.admin.ID) // which the directory would not take
		a := s.Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"Accept": "application/json;q=0.5, text/csv"}}).Want(200)
		if media := a.Header.Get("Content-Type"); media != "text/csv; charset=utf-8; header=present" || !strings.HasSuffix(a.Header.Get("Content-Disposition"), "users.csv") {
			t.Errorf("%q %q", media, a.Header.Get("Content-Disposition"))
		}
		if n := strings.Count(string(a.Body), "\n"); n != strings.Count(string(a.Body), "\r\n") || n != len(names)+2 {
			t.Errorf("%d lines of %q", n, a.Body)
		}
		rows, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
		must(t, err)
		list := s.list("")
		if !slices.Equal(rows[0], []string{"user_id", "name", "email", "permissions", "last_login"}) {
			t.Errorf("%q", rows[0])
		}
		for i, u := range list.Users {
			want := u.Name
			if strings.ContainsAny(want[:1], "=+-@\t") || strings.HasPrefix(want, "＝") {
				want = "'" + want
			}
			if row := rows[i+1]; row[0] != u.ID || row[1] != want || row[2] != u.Email || row[3] != strings.Join(u.Permissions, "; ") || row[4] != "" {
				t.Errorf("%q, the user is %+v", row, u)
			}
			if strings.ContainsAny(rows[i+1][1][:1], "=+-@\t") {
				t.Errorf("a formula: %q", rows[i+1][1])
			}
		}
		s.surface.whole = 2
		streamed := s.Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"Accept": "text/csv"}}).Want(200)
		if string(streamed.Body) != string(a.Body) {
			t.Errorf("streamed it is %q", streamed.Body)
		}
		page := s.Do(apitest.Call{Method: "GET", Path: usersPath + "?limit=3", Header: map[string]string{"Accept": "text/csv"}}).Want(200)
		if strings.Count(string(page.Body), "\n") != 4 || page.Header.Get("Link") == "" {
			t.Errorf("%q %q", page.Header.Get("Link"), page.Body)
		}
	})
}

// What a client accepts decides the form.
func TestAccept(t *testing.T) {
	for accept, want := range map[string][2]bool{
		"":                           {false, false},
		"*/*":                        {false, false},
		"application/json":           {false, false},
		"text/csv":                   {true, false},
		"text/*":                     {true, false},
		"text/csv;q=0":               {false, false},
		"TEXT/CSV;header=present":    {true, false},
		"text/csv, application/json": {false, false},
		"text/csv;q=0.9, */*;q=0.1":  {true, false},
		"application/problem+json":   {false, true},
		"application/json, application/problem+json":         {false, true},
		"application/json, application/problem+json;q=0.5":   {false, false},
		"text/csv, application/problem+json":                 {true, true},
		"application/problem+json;q=0, */*":                  {false, false},
		"text/csv;q=x, nonsense, ;;, application/json;q=1.5": {false, false},
		"image/png": {false, false},
	} {
		h := http.Header{}
		if accept != "" {
			h.Set("Accept", accept)
		}
		if got := [2]bool{csvWanted(h), problemsWanted(h)}; got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// HEAD is GET without the body, and counts.
func TestHead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.user("second", directory.Regular, true)
		for _, path := range []string{usersPath, usersPath + "?limit=1", usersPath + "/" + s.admin.SenderID, root + "/history"} {
			get := s.Get(path).Want(200)
			head := s.Do(apitest.Call{Method: "HEAD", Path: path}).Want(200)
			if len(head.Body) != 0 || head.Header.Get("ETag") != get.Header.Get("ETag") || head.Header.Get("Content-Type") != "application/json" ||
				head.Header.Get("Content-Length") != get.Header.Get("Content-Length") || (head.Header.Get("Link") == "") != (get.Header.Get("Link") == "") || left(t, head) != left(t, get)-1 {
				t.Errorf("%s: %v", path, head.Header)
			}
		}
	})
}

// One account has no more than two long lists on their way, and all of them six; who goes away ends his.
func TestO1Streams(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.user("second", directory.Regular, true)
		s.surface.whole = 1
		var ends []func()
		for range maxStreamsOne {
			end, ok := s.surface.streams.begin(s.account.ID)
			if !ok {
				t.Fatal("refused")
			}
			ends = append(ends, end)
		}
		s.Get(usersPath).Want(503)
		s.Get(usersPath + "?limit=1").Want(200)
		beside := s.fresh("beside")
		beside.user("second", directory.Regular, true)
		beside.Get(usersPath).Want(200)
		for i := range maxStreams - maxStreamsOne {
			end, ok := s.surface.streams.begin(fmt.Sprint(i))
			if !ok {
				t.Fatal("refused")
			}
			ends = append(ends, end)
		}
		beside.Get(usersPath).Want(503)
		for _, end := range ends {
			end()
		}
		s.Get(usersPath).Want(200)
		request := httptest.NewRequest("GET", usersPath, nil)
		request.Header.Set("Authorization", s.Authorization)
		func() {
			defer func() {
				if cut := recover(); cut != http.ErrAbortHandler {
					t.Errorf("a client that went away: %v", cut)
				}
			}()
			s.hall.ServeHTTP(gone{httptest.NewRecorder()}, request)
		}()
		if s.surface.streams.all != 0 || len(s.surface.streams.of) != 0 {
			t.Errorf("%+v", s.surface.streams.of)
		}
	})
}

// gone is a client that went away.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// T13: a token sees its own account only, whatever it names.
func TestT13OwnAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		beside := s.fresh("beside")
		victim := beside.user("victim", directory.Regular, true)
		group, err := s.dir.CreateGroup(t.Context(), beside.principal(), directory.NewGroup{Name: "Theirs"})
		must(t, err)
		s.Get(usersPath + "/" + victim.SenderID).Want(404)
		s.Get(root + "/history?user_id=" + victim.SenderID).Want(404)
		s.Get(root + "/history?group_id=" + group.OuterID).Want(404)
		beside.Get(root + "/history?group_id=" + group.OuterID).Want(200)
		for _, query := range []string{"", "?status=all", "?email=" + url.QueryEscape(victim.Email), "?user_id=" + victim.SenderID} {
			if l := s.list(query); slices.Contains(l.ids(), victim.SenderID) {
				t.Errorf("%s tells of another account's user", query)
			}
		}
	})
}

// T6: who is no administrator any more, or whose token was revoked, sees nothing within a second.
func TestT6NoAdministratorAnyMore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		second := s.user("second", directory.Manager, true)
		id, token, _, err := s.authn.NewAccessToken(t.Context(), operator, s.account.OuterID, second.SenderID, "Audit", 0)
		must(t, err)
		his := s.As("Bearer " + token)
		his.Get(usersPath).Want(200)
		_, err = s.dir.RetypeUser(t.Context(), s.principal(), second.SenderID, directory.Regular)
		must(t, err)
		until(t, func() bool { return his.Get(usersPath).Status == 403 })
		must(t, s.authn.RevokeAccessToken(t.Context(), operator, id))
		until(t, func() bool { return his.Get(usersPath).Status == 401 })
	})
}

// until waits for what must come to be within a second.
func until(t *testing.T, so func() bool) {
	t.Helper()
	start := time.Now()
	for !so() {
		if time.Since(start) > time.Second {
			t.Fatal("it did not come to be within a second")
		}
		<-time.After(20 * time.Millisecond)
	}
}

// A program with the right access.read reads the list, whichever of its tokens it shows.
func TestClientToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		id, password := s.client(authz.ReadAccess)
		first, second := s.As(s.clientToken(id, password)), s.As(s.clientToken(id, password))
		a := first.Get(usersPath).Want(200)
		if b := second.Get(usersPath).Want(200); left(t, a) != 99 || left(t, b) != 98 {
			t.Errorf("%d and %d are left", left(t, a), left(t, b))
		}
	})
}
