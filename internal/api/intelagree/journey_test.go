package intelagree

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// Every route, from the account key to a user's end, against the golden samples. The bodies are the document's examples.
func TestJourney(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.Golden = apitest.NewGolden("testdata")
		sample := func(route, path, body string, learn map[string]string, headers ...string) apitest.Answer {
			t.Helper()
			method, _, _ := strings.Cut(route, " ")
			c := s.call(method, path, body, headers...)
			c.Route, c.Learn = route, learn
			return s.Do(c)
		}
		s.Golden.Name("accountKey", s.accountKey)
		s.Golden.Name("api", s.api.Email)
		token := sample("POST /api/accounts", "/api/Accounts", `{"accountKey":"`+s.accountKey+`"}`, map[string]string{"token": "token"}).Want(200)
		s.Authorization = "Bearer " + token.Text("token")
		s.key(s.api, "4700")
		creator := s.newUser("creator", directory.Manager)
		s.key(creator, "4710")
		s.Golden.Name("creator", creator.Email)
		made := sample("POST /api/users", "/api/users", newUserExample, nil, asTypeHeader, "HR", asKeyHeader, "4710").Want(201)
		one := strings.TrimPrefix(made.Header.Get("Location"), "https://sign.example.com")
		if one != path(made.At("id")) || made.Text("createdBy.email") != creator.Email || made.Text("createdBy.through.email") != s.api.Email {
			t.Errorf("at %s: %s", one, made.Body)
		}
		sample("GET /api/users", "/api/users?userKey=0055e000001TjLw&userKeyType=Salesforce", "", nil).Want(200)
		sample("PATCH /api/users/{id}", one, changeExample, nil).Want(200)
		sample("GET /api/users/{id}", one, "", nil).Want(200)
		sample("DELETE /api/users/{id}", one, "", nil).Want(204)
		if s.send("GET", one, "").Want(200).At("isActive") != false {
			t.Error("he is active")
		}
		s.send("DELETE", one, "").Want(204)
		var patterns []string
		for _, route := range New(Config{}).Routes {
			patterns = append(patterns, route.Pattern())
		}
		if missing := s.Golden.Unseen(patterns); missing != nil {
			t.Errorf("routes without a golden sample: %q", missing)
		}
	})
}

// A token's end is written as .NET does, and is a day away.
func TestTokenExpires(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	text := s.as("").send("POST", "/api/Accounts", `{"accountKey":"`+s.accountKey+`"}`).Want(200).Text("expires")
	end, err := time.Parse(time.RFC3339Nano, text)
	must(t, err)
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`).MatchString(text) || time.Until(end) > 24*time.Hour || time.Until(end) < 23*time.Hour {
		t.Error(text)
	}
}

// Letter case of paths and a slash at the end do not count; paths of other surfaces are not taken.
func TestPaths(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	id := s.post(person(`"businessKeys":[{"type":"HR","value":"1"}]`)).Want(201).At("id")
	for _, p := range []string{"/API/Users", "/api/USERS/", "/Api/users"} {
		s.send("GET", p+"?userKey=1&userKeyType=HR", "").Want(200)
	}
	s.send("GET", strings.ToUpper(path(id)), "").Want(200)
	s.as("").send("POST", "/api/accounts/", `{"accountKey":"`+s.accountKey+`"}`).Want(200)
	for path, ours := range map[string]bool{"/api/users": true, "/api/Accounts": true, "/api/users/1/x": true, "/api/usersx": false, "/api/account": false, "/api/cs-users": false,
		"/api/sign/v1/users": false, "/api/account/senders": false, "/api/user-management/v1/users": false, "/users": false, "/api/gateway/signembed/v1/users": false, "/api": false} {
		if _, got := claim(path); got != ours {
			t.Errorf("%s: claimed %v", path, got)
		}
	}
	for _, p := range []string{"/api/users/%2e%2e", "/api/users//1", "/api/users/1/", "/api/users/+1", "/api/users/01", "/api/users/1e0", "/api/users/-1"} {
		if a := s.send("GET", p, ""); p != "/api/users/1/" && a.Status != 404 {
			t.Errorf("%s: %d", p, a.Status)
		}
	}
}

// A name is split at its last space, and told back as one.
func TestNames(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	for name, want := range map[string]string{"Pat Example": "Pat|Example", "Mary Jane  Watson": "Mary Jane|Watson", "Cher": "|Cher", "  Ada Lovelace ": "Ada|Lovelace"} {
		a := s.post(body("name", `"`+name+`"`)).Want(201)
		if got := a.Text("name"); got != strings.TrimSpace(strings.ReplaceAll(want, "|", " ")) {
			t.Errorf("%q is %q", name, got)
		}
		var u directory.User
		s.read(func(tx tx) (err error) { u, err = directory.UserByEmail(tx, s.account.ID, a.Text("email")); return err })
		if got := u.FirstName + "|" + u.LastName; got != want || u.Sender || u.Status != directory.Active {
			t.Errorf("%q is %s, %+v", name, got, u)
		}
	}
}

// The three ways to write a business key, all of which the answer writes in the first; null is nothing.
func TestBusinessKeyForms(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	a := s.post(person(`"businessKeys":[{"type":"Salesforce","value":"1"},{"businessKeyType":"HR","businessKeyValue":"2","entity":null,"type":null,"name":null,"value":null},{"entity":"User","name":"SAP","value":"3"}]`)).Want(201)
	var out userOut
	a.Into(&out)
	if got := out.BusinessKeys; len(got) != 3 || got[0] != (keyOut{"HR", "2"}) || got[1] != (keyOut{"SAP", "3"}) || got[2] != (keyOut{"Salesforce", "1"}) {
		t.Errorf("%+v", got)
	}
	for kind, value := range map[string]string{"Salesforce": "1", "HR": "2", "SAP": "3"} {
		if s.send("GET", "/api/users?userKeyType="+kind+"&userKey="+value, "").Want(200).At("id") != float64(out.ID) {
			t.Errorf("another user has %s", kind)
		}
	}
	for _, clone := range []string{`{"type":"SAP","value":"3"}`, `{"businessKeyType":"SAP","businessKeyValue":"3"}`, `{"entity":"User","name":"SAP","value":"3"}`} {
		s.post(person(`"userPermissionsToClone":` + clone)).Want(201)
	}
	for _, nothing := range []string{"null", "[]"} {
		s.post(person(`"businessKeys":`+nothing, `"userPermissions":`+nothing, `"permissionPresets":`+nothing, `"userPermissionsToClone":null`,
			`"hasAllOrganizations":null`, `"primaryLegalEntityId":null`, `"title":null`, `"unknown":{"deep":[1]}`)).Want(201)
	}
}

// Permissions are given by name, by number and in a scope; presets by name and number; what is given is held.
func TestPermissionsAreHeld(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.newEntity(access.Organization, 7)
		s.newEntity(access.LegalEntity, 8)
		approve, read, sign := s.newPermission("Approve Contracts"), s.newPermission("Read Contracts"), s.newPermission("Sign Contracts")
		a := s.post(person(`"userPermissions":["approve contracts",`+text(read)+`,{"permission":"Sign Contracts","organizationIds":[7],"legalEntityIds":[8],"contractTypeIds":null}]`,
			`"permissionPresets":["Conga Sign User"]`, `"primaryLegalEntityId":8`, `"businessKeys":[{"type":"HR","value":"first"}]`)).Want(201)
		if a.At("primaryLegalEntityId") != 8.0 || a.At("hasAllOrganizations") != false {
			t.Errorf("%s", a.Body)
		}
		held := s.held(a.Text("email"))
		for number, scope := range map[int64]string{approve: "", read: "", sign: "[7] [8] []"} {
			if got, ok := held[number]; !ok || scope != "" && got != scope {
				t.Errorf("%d: %q %v in %v", number, got, ok, held)
			}
		}
		copied := s.post(person(`"userPermissionsToClone":{"type":"HR","value":"first"}`, `"userPermissions":["Sign Contracts"]`)).Want(201)
		if got := s.held(copied.Text("email")); len(got) != len(held) || got[sign] != "[] [] []" || got[approve] != held[approve] {
			t.Errorf("copied %v, of %v", got, held)
		}
		all := s.post(person(`"userPermissions":["Approve Contracts"]`, `"hasAllOrganizations":true`)).Want(201)
		if all.At("hasAllOrganizations") != true {
			t.Errorf("%s", all.Body)
		}
	})
}

// What is absent from a change stays; null removes what may be missing.
func TestChange(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	s.newEntity(access.LegalEntity, 8)
	made := s.post(person(`"title":"Clerk"`, `"primaryLegalEntityId":8`, `"businessKeys":[{"type":"HR","value":"1"}]`)).Want(201)
	one := path(made.At("id"))
	for _, c := range []struct {
		body, member string
		want         any
	}{
		{`{}`, "title", "Clerk"}, {`{"name":"Ada King Lovelace"}`, "name", "Ada King Lovelace"}, {`{"legalName":"Ada, Countess"}`, "legalName", "Ada, Countess"},
		{`{"title":null}`, "title", ""}, {`{"unknown":1}`, "legalName", "Ada, Countess"}, {`{"primaryLegalEntityId":null}`, "primaryLegalEntityId", nil},
		{`{"businessKeys":[{"type":"SAP","value":"2"}]}`, "businessKeys.0.type", "SAP"}, {`{"hasAllOrganizations":true}`, "hasAllOrganizations", true},
		{`{"hasAllOrganizations":null}`, "hasAllOrganizations", false}, {`{"email":"` + strings.ToUpper(address("new")) + `"}`, "id", made.At("id")},
	} {
		if got := s.send("PATCH", one, c.body).Want(200).At(c.member); got != c.want {
			t.Errorf("%s: %s is %v", c.body, c.member, got)
		}
	}
	s.send("GET", "/api/users?userKeyType=HR&userKey=1", "").Want(404)
	if got := s.send("PATCH", one, `{"businessKeys":null}`).Want(200); !strings.Contains(string(got.Body), `"businessKeys":[]`) {
		t.Errorf("%s", got.Body)
	}
}
