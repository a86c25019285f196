package intelagree

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/secret"
)

// refusal is one way to be refused; its name is the first column of errors.tsv.
type refusal struct {
	name string
	make func(s *stack) apitest.Answer
}

// with is a sound body with one member replaced or added.
func with(member, value string) func(s *stack) apitest.Answer {
	return func(s *stack) apitest.Answer { return s.post(body(member, value)) }
}

// body is a sound body with one member replaced, added, or, with the value "", left out.
func body(member, value string) string {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(person()), &all); err != nil {
		panic(err)
	}
	delete(all, member)
	var members []string
	for name, raw := range all {
		members = append(members, fmt.Sprintf("%q:%s", name, raw))
	}
	if value != "" {
		members = append(members, fmt.Sprintf("%q:%s", member, value))
	}
	slices.Sort(members)
	return "{" + strings.Join(members, ",") + "}"
}

// changed is a change of a new user that is refused.
func changed(change string) func(s *stack) apitest.Answer {
	return func(s *stack) apitest.Answer {
		return s.send("PATCH", path(s.post(person()).Want(201).At("id")), change)
	}
}

// as is a call in the place of another user, who has the key "other" if he is given.
func as(headers ...string) func(s *stack) apitest.Answer {
	return func(s *stack) apitest.Answer { return s.post(person(), headers...) }
}

var gatewayRefusals = []refusal{
	{"no subscription key", func(s *stack) apitest.Answer { return s.post(person(), subscriptionHeader, "") }},
	{"no subscription key, token", func(s *stack) apitest.Answer {
		return s.send("POST", "/api/Accounts", `{"accountKey":"x"}`, subscriptionHeader, "")
	}},
	{"wrong subscription key", func(s *stack) apitest.Answer { return s.post(person(), subscriptionHeader, "x") }},
	{"ended subscription key", func(s *stack) apitest.Answer {
		id, key, err := s.authn.NewSubscription(s.T.Context(), s.account.OuterID, "Old")
		must(s.T, err)
		must(s.T, s.authn.EndSubscription(s.T.Context(), id))
		return s.post(person(), subscriptionHeader, key)
	}},
	{"unknown path", func(s *stack) apitest.Answer { return s.send("GET", "/api/users/1/roles", "") }},
	{"unknown path below Accounts", func(s *stack) apitest.Answer { return s.send("GET", "/api/Accounts/1", "") }},
	{"other method", func(s *stack) apitest.Answer { return s.send("PUT", "/api/users", person()) }},
	{"too often", func(s *stack) apitest.Answer {
		found, err := s.authn.CheckSubscription(s.T.Context(), s.subscription)
		must(s.T, err)
		for range rate.Quota {
			_, err := s.limit.Take(s.T.Context(), rate, found.ID)
			must(s.T, err)
		}
		return s.send("GET", path(1), "")
	}},
}

var callRefusals = []refusal{
	{"no version", func(s *stack) apitest.Answer { return s.post(person(), "ApiVersion", "") }},
	{"other version", func(s *stack) apitest.Answer { return s.post(person(), "ApiVersion", "1.0") }},
	{"no token", func(s *stack) apitest.Answer { return s.as("").post(person()) }},
	{"bad token", func(s *stack) apitest.Answer { return s.as("Bearer x").post(person()) }},
	{"API key", func(s *stack) apitest.Answer { return s.as("Basic x").post(person()) }},
	{"another subscription's token", func(s *stack) apitest.Answer {
		_, key, err := s.authn.NewSubscription(s.T.Context(), s.account.OuterID, "Second")
		must(s.T, err)
		return s.post(person(), subscriptionHeader, key)
	}},
	{"wrong account key", func(s *stack) apitest.Answer { return s.as("").send("POST", "/api/Accounts", `{"accountKey":"x"}`) }},
	{"no account key", func(s *stack) apitest.Answer { return s.as("").send("POST", "/api/Accounts", `{}`) }},
	{"account key is a number", func(s *stack) apitest.Answer { return s.as("").send("POST", "/api/Accounts", `{"accountKey":1}`) }},
	{"right missing", func(s *stack) apitest.Answer {
		return s.by(s.newUser("regular", directory.Regular)).send("GET", path(1), "")
	}},
	{"AsUserType alone", as(asTypeHeader, "HR")},
	{"AsUserKey alone", as(asKeyHeader, "1")},
	{"AsUserKey of 201 characters", as(asTypeHeader, "HR", asKeyHeader, strings.Repeat("x", 201))},
	{"AsUser unknown", as(asTypeHeader, "HR", asKeyHeader, "nobody")},
	{"AsUser inactive", func(s *stack) apitest.Answer {
		u := s.newUser("former", directory.Manager)
		s.key(u, "former")
		s.end(u)
		return s.post(person(), asTypeHeader, "HR", asKeyHeader, "former")
	}},
	{"AsUser without the right to impersonate", func(s *stack) apitest.Answer {
		other := s.newUser("other", directory.Manager)
		s.key(other, "other")
		return s.by(s.newUser("second", directory.Manager)).post(person(), asTypeHeader, "HR", asKeyHeader, "other")
	}},
	{"AsUser may not do it", func(s *stack) apitest.Answer {
		s.key(s.newUser("regular", directory.Regular), "regular")
		return s.post(person(), asTypeHeader, "HR", asKeyHeader, "regular")
	}},
	{"no JSON", func(s *stack) apitest.Answer { return s.post(`{"name":`) }},
	{"member twice", func(s *stack) apitest.Answer { return s.post(`{"name":"x","name":"y"}`) }},
	{"no object", func(s *stack) apitest.Answer { return s.post(`[]`) }},
	{"other media type", func(s *stack) apitest.Answer {
		c := s.call("POST", "/api/users", person())
		c.Media = "text/plain"
		return s.Do(c)
	}},
	{"body of 2 MB", func(s *stack) apitest.Answer { return s.post(person(`"z":"` + strings.Repeat("x", 2<<20) + `"`)) }},
	{"broken query", func(s *stack) apitest.Answer { return s.send("GET", "/api/users?userKey=%zz", "") }},
	{"Idempotency-Key without quotes", func(s *stack) apitest.Answer { return s.post(person(), "Idempotency-Key", "x") }},
	{"Idempotency-Key again, other body", func(s *stack) apitest.Answer {
		s.post(person(), "Idempotency-Key", `"once"`).Want(201)
		return s.post(person(), "Idempotency-Key", `"once"`)
	}},
}

var bodyRefusals = []refusal{
	{"no name", with("name", "")}, {"name null", with("name", "null")}, {"name blank", with("name", `" "`)}, {"name a number", with("name", "1")},
	{"name with a line break", with("name", `"a\nb"`)}, {"name of 201 characters", with("name", `"`+strings.Repeat("é", 201)+`"`)},
	{"no legalName", with("legalName", "")}, {"no email", with("email", "")}, {"email malformed", with("email", `"pat"`)},
	{"title a list", with("title", "[]")}, {"title of 201 characters", with("title", `"`+strings.Repeat("x", 201)+`"`)},
	{"businessKeys no list", with("businessKeys", `{}`)}, {"businessKeys of texts", with("businessKeys", `["x"]`)},
	{"business key without type", with("businessKeys", `[{"value":"1"}]`)}, {"business key without value", with("businessKeys", `[{"type":"HR"}]`)},
	{"business key in two forms", with("businessKeys", `[{"type":"HR","businessKeyType":"HR","value":"1"}]`)},
	{"business key of a party", with("businessKeys", `[{"entity":"Party","name":"HR","value":"1"}]`)},
	{"business key of two forms' members", with("businessKeys", `[{"type":"HR","value":"1","businessKeyValue":"2"}]`)},
	{"business key twice", with("businessKeys", `[{"type":"HR","value":"1"},{"businessKeyType":"HR","businessKeyValue":"1"}]`)},
	{"51 business keys", with("businessKeys", `[`+strings.Repeat(`{"type":"HR","value":"1"},`, 50)+`{}]`)},
	{"userPermissions no list", with("userPermissions", `"x"`)}, {"permission true", with("userPermissions", `[true]`)},
	{"permission 0", with("userPermissions", `[0]`)}, {"permission 1.5", with("userPermissions", `[1.5]`)},
	{"permission twice", with("userPermissions", `["Sign","Sign"]`)}, {"permission object without permission", with("userPermissions", `[{}]`)},
	{"scope misspelt", with("userPermissions", `[{"permission":5,"organizationId":[1]}]`)}, {"scope empty", with("userPermissions", `[{"permission":5,"organizationIds":[]}]`)},
	{"scope no list", with("userPermissions", `[{"permission":5,"legalEntityIds":1}]`)}, {"scope of texts", with("userPermissions", `[{"permission":5,"contractTypeIds":["1"]}]`)},
	{"scope with an id twice", with("userPermissions", `[{"permission":5,"organizationIds":[1,1]}]`)},
	{"scope of an unknown organisation", with("userPermissions", `[{"permission":5,"organizationIds":[4711]}]`)},
	{"unknown permission", with("userPermissions", `["Nothing"]`)}, {"unknown permission id", with("userPermissions", `[4711]`)},
	{"unknown preset", with("permissionPresets", `["Nothing"]`)}, {"unknown preset id", with("permissionPresets", `[4711]`)},
	{"permission twice, by name and id", func(s *stack) apitest.Answer {
		s.newEntity(access.Organization, 1)
		return s.post(person(`"userPermissions":["Send And Sign",{"permission":5,"organizationIds":[1]}]`))
	}},
	{"preset an object", with("permissionPresets", `[{}]`)},
	{"clone no key", with("userPermissionsToClone", `"x"`)}, {"clone unknown", with("userPermissionsToClone", `{"type":"HR","value":"nobody"}`)},
	{"hasAllOrganizations a text", with("hasAllOrganizations", `"true"`)}, {"primaryLegalEntityId a text", with("primaryLegalEntityId", `"1"`)},
	{"primaryLegalEntityId beyond 64 bits", with("primaryLegalEntityId", `99999999999999999999`)},
	{"primaryLegalEntityId unknown", with("primaryLegalEntityId", `4711`)},
	{"email taken", func(s *stack) apitest.Answer {
		first := s.post(person()).Want(201)
		return s.post(body("email", `"`+first.Text("email")+`"`))
	}},
	{"business key taken", func(s *stack) apitest.Answer {
		s.post(person(`"businessKeys":[{"type":"HR","value":"taken"}]`)).Want(201)
		return s.post(person(`"businessKeys":[{"type":"HR","value":"taken"}]`))
	}},
	{"grants what he does not hold", func(s *stack) apitest.Answer {
		limited := s.newLimited()
		s.newPermission("Approve")
		return limited.post(person(`"userPermissions":["Approve"]`))
	}},
	{"no seat", func(s *stack) apitest.Answer { defer s.full()(); return s.post(person()) }},
}

var userRefusals = []refusal{
	{"unknown user", func(s *stack) apitest.Answer { return s.send("GET", path(4711), "") }},
	{"id no number", func(s *stack) apitest.Answer { return s.send("GET", path("x"), "") }},
	{"find without parameters", func(s *stack) apitest.Answer { return s.send("GET", "/api/users", "") }},
	{"find with a parameter twice", func(s *stack) apitest.Answer {
		return s.send("GET", "/api/users?userKey=1&userKey=2&userKeyType=HR", "")
	}},
	{"find with a NUL", func(s *stack) apitest.Answer { return s.send("GET", "/api/users?userKey=%00&userKeyType=HR", "") }},
	{"find with a line break", func(s *stack) apitest.Answer { return s.send("GET", "/api/users?userKey=a%0Ab&userKeyType=HR", "") }},
	{"find nobody", func(s *stack) apitest.Answer { return s.send("GET", "/api/users?userKey=nobody&userKeyType=HR", "") }},
	{"change name to null", changed(`{"name":null}`)}, {"change email to null", changed(`{"email":null}`)},
	{"change isActive", changed(`{"isActive":false}`)},
	{"change permissions", changed(`{"userPermissions":[]}`)}, {"change title to a number", changed(`{"title":1}`)},
	{"change to an unknown legal entity", changed(`{"primaryLegalEntityId":4711}`)},
	{"change email to a taken one", func(s *stack) apitest.Answer {
		return changed(`{"email":"` + s.post(person()).Want(201).Text("email") + `"}`)(s)
	}},
	{"change to a taken business key", func(s *stack) apitest.Answer {
		s.post(person(`"businessKeys":[{"type":"HR","value":"taken"}]`)).Want(201)
		return changed(`{"businessKeys":[{"type":"HR","value":"taken"}]}`)(s)
	}},
	{"change a stronger user", func(s *stack) apitest.Answer {
		s.key(s.api, "api")
		strong := s.send("GET", "/api/users?userKey=api&userKeyType=HR", "").Want(200).At("id")
		return s.newLimited().send("PATCH", path(strong), `{"title":"x"}`)
	}},
	{"deactivate a stronger user", func(s *stack) apitest.Answer {
		s.key(s.api, "api")
		strong := s.send("GET", "/api/users?userKey=api&userKeyType=HR", "").Want(200).At("id")
		return s.newLimited().send("DELETE", path(strong), "")
	}},
	{"deactivate the last manager", func(s *stack) apitest.Answer {
		s.key(s.api, "api")
		manager := s.send("GET", "/api/users?userKey=api&userKeyType=HR", "").Want(200).At("id")
		return s.newStrong().send("DELETE", path(manager), "")
	}},
	{"deactivate oneself", func(s *stack) apitest.Answer {
		s.key(s.api, "api")
		return s.send("DELETE", path(s.send("GET", "/api/users?userKey=api&userKeyType=HR", "").Want(200).At("id")), "")
	}},
	{"change an unknown user", func(s *stack) apitest.Answer { return s.send("PATCH", path(4711), `{"title":"x"}`) }},
	{"deactivate an unknown user", func(s *stack) apitest.Answer { return s.send("DELETE", path(4711), "") }},
	{"fault", func(s *stack) apitest.Answer {
		execute(s, `alter table business_keys rename to business_keys_away`)
		defer execute(s, `alter table business_keys_away rename to business_keys`)
		return s.send("GET", "/api/users?userKey=1&userKeyType=HR", "")
	}},
}

// as is the surface with another Authorization header.
func (s *stack) as(authorization string) *stack {
	f := *s
	f.Authorization = authorization
	return &f
}

// newLimited is the surface as a user who makes users and may do nothing else.
func (s *stack) newLimited() *stack {
	s.T.Helper()
	u := s.newUser("limited", directory.Regular)
	s.grant(u, access.OfPermission, 3, access.Scope{})
	return s.by(u)
}

// newStrong is the surface as a user who manages nothing by his role, and holds by grant all that the API user does.
func (s *stack) newStrong() *stack {
	s.T.Helper()
	u := s.newUser("strong", directory.Regular)
	s.grant(u, access.OfPreset, 1, access.Scope{})
	s.grant(u, access.OfPermission, 4, access.Scope{})
	return s.by(u)
}

// told is a refusal as errors.tsv writes it: the shape or the field, and the sentence.
func told(t *testing.T, a apitest.Answer) (field, text string) {
	t.Helper()
	var out struct {
		Title, Detail, Message, TraceID string
		Status, StatusCode              int
		Errors                          map[string][]string
	}
	a.Into(&out)
	if out.Message != "" {
		if out.StatusCode != a.Status || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s: %s", a.Status, a.Header.Get("Content-Type"), a.Body)
		}
		return "gateway", out.Message
	}
	if out.Status != a.Status || a.Header.Get("Content-Type") != "application/problem+json" || out.TraceID != a.Header.Get("X-Request-Id") {
		t.Errorf("%d %s: %s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	if len(out.Errors) == 0 {
		return "", out.Detail
	}
	fields := slices.Sorted(maps.Keys(out.Errors))
	var sentences []string
	for _, f := range fields {
		sentences = append(sentences, out.Errors[f]...)
	}
	return strings.Join(fields, " "), strings.Join(sentences, " ")
}

// TestErrors makes every row of errors.tsv through HTTP, and no other refusals are there.
func TestErrors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		base := newStack(t, d)
		made := map[string]func(s *stack) apitest.Answer{}
		for _, r := range slices.Concat(gatewayRefusals, callRefusals, bodyRefusals, userRefusals) {
			if made[r.name] != nil {
				t.Errorf("two are %q", r.name)
			}
			made[r.name] = r.make
		}
		if updating() {
			writeErrors(t, base)
		}
		for _, row := range apitest.Errors(t, "errors.tsv") {
			make := made[row["when"]]
			delete(made, row["when"])
			t.Run(row["when"], func(t *testing.T) {
				if make == nil {
					t.Fatal("nothing makes it")
				}
				s := base.fresh(t)
				a := make(s)
				field, text := told(t, a)
				if got := []string{fmt.Sprint(a.Status), field, anonymous(text)}; !slices.Equal(got, []string{row["status"], row["field"], row["text"]}) {
					t.Errorf("got %q, want %q", got, row)
				}
				if challenge := a.Header.Get("WWW-Authenticate"); (a.Status == http.StatusUnauthorized) != (challenge != "") {
					t.Errorf("challenge %q", challenge)
				}
			})
		}
		for name := range made {
			t.Errorf("%q is not in errors.tsv", name)
		}
	})
}

// anonymous takes out what differs from run to run.
func anonymous(text string) string {
	for n := 60; n > 1; n-- {
		text = strings.ReplaceAll(text, fmt.Sprintf(" %d seconds", n), " N seconds")
	}
	return strings.ReplaceAll(text, " 1 second.", " N seconds.")
}

// writeErrors writes errors.tsv anew, to be read before it is believed.
func writeErrors(t *testing.T, base *stack) {
	t.Helper()
	var b strings.Builder
	b.WriteString("when\tstatus\tfield\ttext\n")
	for _, r := range slices.Concat(gatewayRefusals, callRefusals, bodyRefusals, userRefusals) {
		a := r.make(base.fresh(t))
		field, text := told(t, a)
		fmt.Fprintf(&b, "%s\t%d\t%s\t%s\n", r.name, a.Status, field, anonymous(text))
	}
	writeFile(t, "errors.tsv", b.String())
}

// A body's faults are told all at once, each by its field.
func TestAllFaultsAtOnce(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	a := s.post(`{"name":1,"email":"x","title":[],"businessKeys":[{"type":"HR"},{"value":"1"}],"userPermissions":["a",0,{"permission":true,"organizationIds":[]}],
		"permissionPresets":[null],"userPermissionsToClone":{},"hasAllOrganizations":0,"primaryLegalEntityId":1.5}`).Want(400)
	var out problemOut
	a.Into(&out)
	got := slices.Sorted(maps.Keys(out.Errors))
	want := []string{"businessKeys[0].value", "businessKeys[1].type", "email", "hasAllOrganizations", "legalName", "name", "permissionPresets[0]", "primaryLegalEntityId",
		"title", "userPermissions[1]", "userPermissions[2].organizationIds", "userPermissions[2].permission", "userPermissionsToClone.type", "userPermissionsToClone.value"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if out.Title != "One or more validation errors occurred." || !slices.Equal(out.Errors["legalName"], []string{"The legalName field is required."}) {
		t.Errorf("%s", a.Body)
	}
	both := s.post(person(), asTypeHeader, " ", asKeyHeader, " ").Want(400)
	if field, _ := told(t, both); field != asKeyHeader+" "+asTypeHeader {
		t.Errorf("%s", both.Body)
	}
}

// Of several things that are wrong the first is told: subscription, version, token, right, subscription's token, whom one acts as, body.
func TestCheckOrder(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	regular := s.by(s.newUser("regular", directory.Regular)).Authorization
	_, second, err := s.authn.NewSubscription(t.Context(), s.account.OuterID, "Second")
	must(t, err)
	faults := []struct {
		name          string
		header, value string
		status        int
		field, text   string // of the refusal; text is a part
	}{
		{"subscription", subscriptionHeader, "x", 401, "gateway", "subscription"},
		{"version", "ApiVersion", "3.0", 400, "", "ApiVersion"},
		{"token", "Authorization", "Bearer x", 401, "", "access token"},
		{"right", "Authorization", regular, 403, "", "may not"},
		{"token's subscription", subscriptionHeader, second, 401, "", "another subscription"},
		{"acting as", asKeyHeader, "x", 400, asTypeHeader, asTypeHeader},
		{"body", "", `{}`, 400, "email legalName name", "required"},
	}
	cells := 0
	for i, first := range faults {
		for _, later := range faults[i:] {
			c := s.call("POST", "/api/users", person())
			for _, f := range []int{1, 0} {
				fault := []struct{ header, value string }{{first.header, first.value}, {later.header, later.value}}[f]
				if fault.header == "" {
					c.Body = []byte(fault.value)
				} else {
					c.Header[fault.header] = fault.value
				}
			}
			a := s.Do(c)
			field, text := told(t, a)
			if a.Status != first.status || field != first.field || !strings.Contains(text, first.text) {
				t.Errorf("%s before %s: %d %s", first.name, later.name, a.Status, a.Body)
			}
			cells++
		}
	}
	t.Logf("%d pairs", cells)
}

// The Principal of other interfaces has no way in: their tokens are bound to no subscription.
func TestOtherTokens(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	for _, rights := range [][]authz.Right{{authz.Sign}, {authz.ManageUsers}} {
		id, password, err := s.authn.CreateClient(t.Context(), s.account.ID, rights, "Client "+secret.Alphanumeric(6))
		must(t, err)
		token, err := s.authn.ClientToken(t.Context(), id, password, "")
		must(t, err)
		if a := s.as("Bearer " + token.Access).post(person()); a.Status != 403 && a.Status != 401 {
			t.Errorf("%v: %d %s", rights, a.Status, a.Body)
		}
	}
}

// A version that is not served is told with the one that is, in the body and in a header.
func TestUnsupportedVersion(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	for _, asked := range []string{"", "1.0", "2", "v2.0", "2.0, 2.0", "3.0"} {
		for _, call := range []apitest.Call{s.call("POST", "/api/users", person(), "ApiVersion", asked), s.call("POST", "/api/Accounts", `{"accountKey":"`+s.accountKey+`"}`, "ApiVersion", asked)} {
			a := s.Do(call).Want(400)
			if a.Text("code") != "UnsupportedApiVersion" || !strings.Contains(a.Text("detail"), version) || a.Header.Get("Api-Supported-Versions") != version {
				t.Errorf("%q: %v %s", asked, a.Header, a.Body)
			}
		}
	}
}
