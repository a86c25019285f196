package intelagree

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/secret"
)

// written are the tables that making a user writes to, and the events it is told by.
var written = []string{"users", "user_addresses", "business_keys", "grants", "user_licences", "audit_events", "jobs", "mails"}

// state is how much there is of everything that making a user makes, and how many users each account counts.
func (s *stack) state() string {
	var b strings.Builder
	for _, table := range written {
		fmt.Fprintf(&b, "%s %d, ", table, s.count(`select count(*) from `+table))
	}
	fmt.Fprintf(&b, "counted %d, ", s.count(`select coalesce(sum(active), 0) from user_counts`))
	fmt.Fprintf(&b, "seats %d, ", s.count(`select coalesce(sum(used), 0) from consumables`))
	fmt.Fprintf(&b, "numbers %d", s.count(`select coalesce(sum(last), 0) from user_numbers`))
	return b.String()
}

// Attack T11: the user one acts as is another tenant's, the user one copies is stronger, a limited creator grants what he
// does not hold or everywhere: refused, and nothing is there that was not there before.
func TestT11Escalation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		other := s.fresh(t)
		foreign := other.newUser("foreign", directory.Manager)
		other.key(foreign, "foreign")
		s.newEntity(access.Organization, 1)
		s.newEntity(access.Organization, 2)
		held, unheld := s.newPermission("Approve"), s.newPermission("Purchase")
		preset, err := s.access.DefinePreset(t.Context(), s.operator, access.NewPreset{Name: "Buyers", Contents: []access.Content{{Permission: unheld}}})
		must(t, err)
		strong, lead := s.newUser("strong", directory.Manager), s.newUser("lead", directory.Regular)
		s.key(strong, "strong")
		s.key(lead, "lead")
		s.grant(lead, access.OfPermission, unheld, access.Scope{})
		// Who makes users, and holds one permission in one organisation.
		limited := s.newUser("limited", directory.Regular)
		s.key(limited, "limited")
		s.grant(limited, access.OfPermission, 3, access.Scope{})
		s.grant(limited, access.OfPermission, held, access.Scope{Organizations: []int64{1}})
		as := s.by(limited)
		impersonator := s.newUser("impersonator", directory.Regular)
		s.grant(impersonator, access.OfPermission, 3, access.Scope{})
		s.grant(impersonator, access.OfPermission, 4, access.Scope{})
		weak := s.by(impersonator)

		asForeign, asLimited, asStrong := []string{asTypeHeader, "HR", asKeyHeader, "foreign"}, []string{asTypeHeader, "HR", asKeyHeader, "limited"}, []string{asTypeHeader, "HR", asKeyHeader, "strong"}
		org1 := fmt.Sprintf(`{"permission":%d,"organizationIds":[1]}`, held)
		attacks := []struct {
			name    string
			by      *stack
			more    string
			headers []string
			status  int
			field   string
		}{
			{"acts as another tenant's user", s, ``, asForeign, 400, asKeyHeader},
			{"acts as somebody without the right to", as, ``, asStrong, 403, ""},
			{"copies another tenant's user", s, `"userPermissionsToClone":{"type":"HR","value":"foreign"}`, nil, 400, "userPermissionsToClone"},
			{"copies an administrator", as, `"userPermissionsToClone":{"type":"HR","value":"strong"}`, nil, 403, ""},
			{"copies somebody with more grants", as, `"userPermissionsToClone":{"type":"HR","value":"lead"}`, nil, 403, ""},
			{"everywhere, of what is held in one organisation", as, `"userPermissions":[` + org1 + `],"hasAllOrganizations":true`, nil, 403, ""},
			{"everywhere, of nothing", as, `"hasAllOrganizations":true`, nil, 403, ""},
			{"unscoped, of what is held in one organisation", as, fmt.Sprintf(`"userPermissions":[%d]`, held), nil, 403, ""},
			{"in another organisation", as, fmt.Sprintf(`"userPermissions":[{"permission":%d,"organizationIds":[2]}]`, held), nil, 403, ""},
			{"in one more organisation", as, fmt.Sprintf(`"userPermissions":[{"permission":%d,"organizationIds":[1,2]}]`, held), nil, 403, ""},
			{"what is not held", as, `"userPermissions":["Purchase"]`, nil, 403, ""},
			{"what is not held, in a preset", as, fmt.Sprintf(`"permissionPresets":[%d]`, preset.Number), nil, 403, ""},
			{"a built-in preset", as, `"permissionPresets":["Conga Sign Admin"]`, nil, 403, ""},
			{"manage users", as, `"userPermissions":[1]`, nil, 403, ""},
			{"act as others", as, `"userPermissions":[4]`, nil, 403, ""},
			{"what the API user does not hold, as a stronger user", weak, `"userPermissions":["Purchase"]`, asStrong, 403, ""},
			{"what the other does not hold, by a stronger API user", s, `"userPermissions":["Purchase"]`, asLimited, 403, ""},
			{"everywhere, by a stronger API user as a limited one", s, `"hasAllOrganizations":true`, asLimited, 403, ""},
			{"copies an administrator, as a limited user", s, `"userPermissionsToClone":{"type":"HR","value":"strong"}`, asLimited, 403, ""},
		}
		before := s.state()
		escalations := 0
		for _, a := range attacks {
			more := []string{`"businessKeys":[{"type":"HR","value":"` + secret.Alphanumeric(10) + `"}]`}
			if a.more != "" {
				more = append(more, a.more)
			}
			answer := a.by.post(person(more...), a.headers...)
			if field, _ := told(t, answer); answer.Status != a.status || field != a.field {
				t.Errorf("%s: %d %s", a.name, answer.Status, answer.Body)
			}
			if now := s.state(); now != before {
				escalations++
				t.Errorf("%s: before %s; after %s", a.name, before, now)
			}
		}
		as.post(person(`"userPermissions":[` + org1 + `]`)).Want(201) // what he holds
		s.grant(s.api, access.OfPermission, held, access.Scope{})     // and now both do
		if a := s.post(person(`"userPermissions":[`+org1+`]`), asLimited...).Want(201); a.Text("createdBy.email") != limited.Email || a.Text("createdBy.through.email") != s.api.Email {
			t.Errorf("%s", a.Body)
		}
		t.Logf("%d attacks, %d escalations", len(attacks), escalations)
	})
}

// Attack T11: whoever was acted as, the trail names both, and the call that it was.
func TestT11TrailNamesBoth(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		creator := s.newUser("creator", directory.Manager)
		s.key(creator, "creator")
		as := []string{asTypeHeader, "HR", asKeyHeader, "creator"}
		made := s.post(person(`"userPermissions":["Send And Sign"]`), as...).Want(201)
		one := path(made.At("id"))
		calls := map[string]string{"user.created": made.Header.Get("X-Request-Id"), "grant.given": made.Header.Get("X-Request-Id"),
			"user.changed":     s.send("PATCH", one, `{"title":"x"}`, as...).Want(200).Header.Get("X-Request-Id"),
			"user.deactivated": s.send("DELETE", one, "", as...).Want(204).Header.Get("X-Request-Id")}
		found, err := audit.Open(d.DB).Search(t.Context(), s.operator, audit.Filter{Actor: s.api.ID}, "", 200)
		must(t, err)
		for _, e := range found.Events {
			if calls[e.Type] == e.Origin.RequestID && e.Actor.User == creator.ID && e.Actor.Through == s.api.ID && !e.Altered {
				delete(calls, e.Type)
			}
		}
		if len(calls) > 0 {
			t.Errorf("not in the trail: %v", calls)
		}
	})
}

// A half-failed creation creates nothing: whatever of it is refused, be it the last thing of all, leaves no trace.
func TestRefusedCreatesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.post(person(`"businessKeys":[{"type":"HR","value":"taken"}]`)).Want(201)
		sound := []string{`"userPermissions":["Send And Sign"]`, `"permissionPresets":["Conga Sign Admin"]`}
		before := s.state()
		for _, wrong := range []string{
			`"businessKeys":[{"type":"HR","value":"fresh"},{"type":"HR","value":"taken"}]`, `"primaryLegalEntityId":4711`, `"userPermissionsToClone":{"type":"HR","value":"nobody"}`,
			`"title":"a\u202eb"`,
		} {
			if a := s.post(person(append(sound, wrong)...)); a.Status != 400 && a.Status != 409 {
				t.Errorf("%s: %d", wrong, a.Status)
			}
		}
		s.post(person(`"userPermissions":["Send And Sign","Nothing"]`)).Want(400)
		s.post(person(`"permissionPresets":["Conga Sign Admin","Nothing"]`)).Want(400)
		undo := s.full()
		full := s.state()
		s.post(person(sound...)).Want(403)
		if now := s.state(); now != full {
			t.Errorf("before %s; after %s", full, now)
		}
		undo()
		for _, table := range []string{"grants", "business_keys", "user_licences"} { // a fault, late
			execute(s, `alter table `+table+` rename to away`)
			if a := s.post(person(append(sound, `"businessKeys":[{"type":"HR","value":"fresh"}]`)...)); a.Status != 500 && a.Status != 503 { // 503: already who may what cannot be read
				t.Errorf("without %s: %d", table, a.Status)
			}
			execute(s, `alter table away rename to `+table)
		}
		if now := s.state(); now != before {
			t.Errorf("before %s; after %s", before, now)
		}
		s.post(person(append(sound, `"businessKeys":[{"type":"HR","value":"fresh"}]`)...)).Want(201)
	})
}

// Attack T9: one address, and one business key, asked for by many at once, are one user's.
func TestT9DuplicateUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		same := person()
		for name, one := range map[string]func(int) string{
			"address": func(int) string { return same },
			"key":     func(int) string { return person(`"businessKeys":[{"type":"HR","value":"contested"}]`) },
		} {
			var made sync.Map
			var wait sync.WaitGroup
			for i := range 8 {
				text := one(i)
				wait.Go(func() { made.Store(i, s.post(text).Status) })
			}
			wait.Wait()
			got := map[any]int{}
			made.Range(func(_, status any) bool { got[status]++; return true })
			if got[201] != 1 || got[409] != 7 {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// Attack T10: a user who is asked for twice with one Idempotency-Key is made once and answered alike; a key is its user's.
func TestT10Replay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		body := person()
		first := s.post(body, "Idempotency-Key", `"one"`).Want(201)
		again := s.post(body, "Idempotency-Key", `"one"`).Want(201)
		if string(first.Body) != string(again.Body) || first.Header.Get("Location") != again.Header.Get("Location") {
			t.Errorf("%s, then %s", first.Body, again.Body)
		}
		s.post(person(), "Idempotency-Key", `"one"`).Want(422)
		s.post(`{}`, "Idempotency-Key", `"refused"`).Want(400)
		s.post(person(), "Idempotency-Key", `"refused"`).Want(201) // a refusal gives the key back
		creator := s.newUser("creator", directory.Manager)
		s.key(creator, "creator")
		s.post(person(), "Idempotency-Key", `"one"`, asTypeHeader, "HR", asKeyHeader, "creator").Want(201)
		// The process died before it kept the answer.
		execute(s, `update retries set status = 0, answer = ''`)
		if worded := s.post(body, "Idempotency-Key", `"one"`).Want(201); string(worded.Body) != string(first.Body) || worded.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%s, then %s", first.Body, worded.Body)
		}
	})
}

// Attack T12: ids, dates, states and creators in bodies are ignored.
func TestT12OverPosting(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	a := s.post(person(`"id":4711`, `"isActive":false`, `"createdBy":{"id":1}`, `"createdDate":"2001-01-01T00:00:00Z"`, `"account":"x"`, `"type":"MANAGER"`, `"sender":true`)).Want(201)
	if a.At("id") == 4711.0 || a.At("isActive") != true || a.Text("createdBy.email") != s.api.Email || strings.HasPrefix(a.Text("createdDate"), "2001") {
		t.Errorf("%s", a.Body)
	}
	b := s.send("PATCH", path(a.At("id")), `{"id":4711,"isActive":true,"createdBy":null,"createdDate":null}`).Want(200)
	if string(b.Body) != string(a.Body) {
		t.Errorf("%s, then %s", a.Body, b.Body)
	}
}

// A caller of the matrix: his credentials, and what each kind of thing is answered.
type caller struct {
	name          string
	subscription  string
	authorization string
	accounts      int            // status of POST /api/Accounts
	own, foreign  map[string]int // of the other routes; foreign: the user who is asked for, or acted as, is another tenant's
}

// Attack T13: every route × every caller × own and another tenant's user.
func TestT13Matrix(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		other := s.fresh(t)
		execute(s, `insert into user_numbers (account_id, last) values ($1, 1000)`, other.account.ID) // so that nobody has a number of the other account here
		target := other.post(person(`"businessKeys":[{"type":"HR","value":"theirs"}]`)).Want(201).At("id")
		cells, surprises := 0, 0
		for _, c := range s.callers(other) {
			for _, route := range New(Config{}).Routes {
				for _, foreign := range []bool{false, true} {
					call, want := s.cell(c, route, foreign, target)
					a := apitest.Client{T: t, URL: s.server.URL, Authorization: c.authorization, Check: s.Check}.Do(call)
					cells++
					if a.Status != want {
						surprises++
						t.Errorf("%s: %s, foreign %v: %d, want %d: %s", c.name, route.Pattern(), foreign, a.Status, want, a.Body)
					}
				}
			}
		}
		t.Logf("%d cells, %d surprises", cells, surprises)
	})
}

// cell is the call of a route, and the status that it must have.
func (s *stack) cell(c caller, route api.Route, foreign bool, target any) (apitest.Call, int) {
	call := s.call(route.Method, route.Path, "", subscriptionHeader, c.subscription)
	if route.Path == accountsPath {
		key := s.accountKey
		if foreign {
			key = "0123456789abcdef"
		}
		call.Body = []byte(`{"accountKey":"` + key + `"}`)
		if foreign && c.accounts == 200 {
			return call, 401
		}
		return call, c.accounts
	}
	want := c.own
	if foreign {
		want = c.foreign
	}
	switch route.Method {
	case "POST":
		call.Body = []byte(person())
		if foreign {
			call.Header[asTypeHeader], call.Header[asKeyHeader] = "HR", "theirs"
		}
	case "PATCH":
		call.Body = []byte(`{"title":"x"}`)
	}
	if strings.Contains(route.Path, "{id}") {
		if !foreign {
			target = s.post(person()).Want(201).At("id")
		}
		call.Path = path(target)
	} else if route.Method == "GET" {
		value := "theirs"
		if !foreign {
			value = secret.Alphanumeric(10)
			s.post(person(`"businessKeys":[{"type":"HR","value":"` + value + `"}]`)).Want(201)
		}
		call.Path += "?userKeyType=HR&userKey=" + value
	}
	return call, want[route.Pattern()]
}

// statuses of the five routes of users, in the order of the table.
func statuses(list ...int) map[string]int {
	out := map[string]int{}
	for i, route := range New(Config{}).Routes[1:] {
		out[route.Pattern()] = list[i]
	}
	return out
}

func (s *stack) callers(other *stack) []caller {
	all := func(status int) map[string]int { return statuses(status, status, status, status, status) }
	client := func(rights ...authz.Right) string {
		id, password, err := s.authn.CreateClient(s.T.Context(), s.account.ID, rights, "Client "+secret.Alphanumeric(6))
		must(s.T, err)
		token, err := s.authn.ClientToken(s.T.Context(), id, password, "")
		must(s.T, err)
		return "Bearer " + token.Access
	}
	_, reader, _, err := s.authn.NewAccessToken(s.T.Context(), s.operator, s.account.OuterID, s.api.SenderID, "reader", 0)
	must(s.T, err)
	_, second, err := s.authn.NewSubscription(s.T.Context(), s.account.OuterID, "Second")
	must(s.T, err)
	ended := s.newUser("ended", directory.Manager)
	dead := s.by(ended).Authorization
	s.end(ended)
	regular := s.by(s.newUser("regular", directory.Regular)).Authorization
	maker := s.newLimited().Authorization
	manager := s.by(s.newUser("manager", directory.Manager)).Authorization
	return []caller{
		{"API user", s.subscription, s.Authorization, 200, statuses(201, 200, 200, 200, 204), statuses(400, 404, 404, 404, 404)},
		{"manager who may not act as others", s.subscription, manager, 200, statuses(201, 200, 200, 200, 204), statuses(403, 404, 404, 404, 404)},
		{"who only makes users", s.subscription, maker, 200, statuses(201, 200, 200, 200, 204), statuses(403, 404, 404, 404, 404)},
		{"regular user", s.subscription, regular, 200, all(403), all(403)},
		{"deactivated user", s.subscription, dead, 200, all(401), all(401)},
		{"another tenant's token", s.subscription, other.Authorization, 200, all(401), all(401)},
		{"another tenant's token and subscription", other.subscription, other.Authorization, 401, statuses(201, 404, 404, 404, 404), statuses(403, 200, 200, 200, 204)},
		{"another tenant's subscription", other.subscription, s.Authorization, 401, all(401), all(401)},
		{"another subscription of the account", second, s.Authorization, 200, all(401), all(401)},
		{"no token", s.subscription, "", 200, all(401), all(401)},
		{"no subscription", "", s.Authorization, 401, all(401), all(401)},
		{"neither", "", "", 401, all(401), all(401)},
		{"client that signs", s.subscription, client(authz.Sign), 200, all(403), all(403)},
		{"client that manages users", s.subscription, client(authz.ManageUsers), 200, all(403), all(403)},
		{"access token", s.subscription, "Bearer " + reader, 200, all(403), all(403)},
		{"garbage", s.subscription, "Bearer " + strings.Repeat("0", 64), 200, all(401), all(401)},
	}
}

// Attack P8 at this surface: refused alike, and nobody is made.
func TestP8BadJSON(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	sound := person()
	in := func(member string) string { return strings.Replace(person(), "{", "{"+member+",", 1) }
	before := s.state()
	for name, text := range map[string]string{
		"member twice": `{"name":"a","name":"b"}`, "unknown member twice": in(`"z":1,"z":2`), "twice in a key": in(`"businessKeys":[{"type":"a","type":"b","value":"1"}]`),
		"twice in a scope": in(`"userPermissions":[{"permission":5,"organizationIds":[1],"organizationIds":[2]}]`), "twice by escape": in(`"title":"a","t\u0069tle":"b"`),
		"trailing data": sound + "{}", "BOM": "\xef\xbb\xbf" + sound, "UTF-16": "\xff\xfe{\x00}\x00", "invalid UTF-8": in("\"title\":\"\xff\""), "NUL": in(`"title":"a\u0000"`),
		"surrogate": in(`"title":"\ud800"`), "1e400": in(`"z":1e400`), "big id": in(`"primaryLegalEntityId":` + strings.Repeat("9", 101)), "null": `null`, "nothing": ``, "blank": ` `,
		"deep": in(`"z":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), "deep scope": in(`"userPermissions":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)),
		"a text": `"x"`, "cut short": sound[:len(sound)-1], "comment": in(`/*x*/"z":1`), "single quotes": `{'name':'x'}`,
	} {
		c := s.call("POST", "/api/users", text)
		if text == "" {
			c.Body, c.Media = []byte{}, "application/json"
		}
		a := s.Do(c).Want(400)
		if field, _ := told(t, a); field != "$" || a.Text("title") != "One or more validation errors occurred." {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	for _, number := range []string{"1e2", "1.0", "-1", "9223372036854775808", "1e-1", "0"} {
		if a := s.post(in(`"primaryLegalEntityId":` + number)); a.Status != 400 {
			t.Errorf("%s: %d", number, a.Status)
		}
	}
	if now := s.state(); now != before {
		t.Errorf("before %s; after %s", before, now)
	}
}

// Attacks L9 and L10 in headers and names: one line of what can be seen, or refused.
func TestL9L10DeceivingText(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	for _, text := range []string{`a\r\nb`, `a\u202eb`, `a\u200bb`, strings.Repeat("x", 10_000)} {
		for _, member := range []string{"name", "legalName", "title"} {
			s.post(body(member, `"`+text+`"`)).Want(400)
		}
		s.post(person(`"businessKeys":[{"type":"` + text + `","value":"1"}]`)).Want(400)
		s.post(person(`"businessKeys":[{"type":"HR","value":"` + text + `"}]`)).Want(400)
	}
	for _, value := range []string{"a\u202eb", "\xff", strings.Repeat("x", 1000)} {
		s.post(person(), asTypeHeader, "HR", asKeyHeader, value).Want(400)
	}
}

// A refusal's words hold nothing of the keys and the token that were sent, nor does the log line's error.
func TestT7SecretsAreNotTold(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	wrong := strings.Repeat("a1", 32)
	for _, a := range []apitest.Answer{s.post(person(), subscriptionHeader, wrong), s.as("Bearer " + wrong).post(person()),
		s.as("").send("POST", "/api/Accounts", `{"accountKey":"`+wrong+`"}`), s.as("").send("POST", "/api/Accounts", `{"accountKey":"`+wrong+`",}`)} {
		headers := slices.Concat(slices.Collect(maps.Values(a.Header))...)
		if a.Status < 400 || strings.Contains(string(a.Body)+strings.Join(headers, " "), wrong) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
}

// Attack T14: a subscription's calls are counted together, whoever makes them and as whom; those that are refused do not count, and another
// subscription has calls of its own.
func TestT14RateOfASubscription(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		found, err := s.authn.CheckSubscription(t.Context(), s.subscription)
		must(t, err)
		second := s.by(s.newUser("second", directory.Manager))
		now, err := s.limit.Look(t.Context(), rate, found.ID)
		must(t, err)
		for range now.Remaining - 2 {
			_, err := s.limit.Take(t.Context(), rate, found.ID)
			must(t, err)
		}
		s.as("Bearer x").post(person()).Want(401)
		s.post(person(), "ApiVersion", "1.0").Want(400)
		s.send("GET", path(4711), "").Want(404)
		second.send("GET", path(4711), "", "X-Forwarded-For", "192.0.2.7").Want(404)
		for _, a := range []apitest.Answer{s.post(person()), second.send("GET", path(4711), "", "X-Forwarded-For", "192.0.2.8"),
			s.as("").send("POST", "/api/Accounts", `{"accountKey":"`+s.accountKey+`"}`)} {
			wait := a.Want(429).Header.Get("Retry-After")
			if n, err := strconv.Atoi(wait); err != nil || n < 1 || n > 60 || !strings.Contains(a.Text("message"), " "+wait+" second") {
				t.Errorf("%s: %s", wait, a.Body)
			}
		}
		s.subscribe()
		s.send("GET", path(4711), "").Want(404)
	})
}

// subscribe gives the account another subscription, and the API user a token of it.
func (s *stack) subscribe() {
	s.T.Helper()
	var err error
	_, s.subscription, err = s.authn.NewSubscription(s.T.Context(), s.account.OuterID, "Another")
	must(s.T, err)
	s.Authorization = "Bearer " + s.token(s.accountKey)
}
