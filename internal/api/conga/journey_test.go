package conga

import (
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

// Every route, from making an integration user to its token, against the golden samples.
func TestJourney(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.Golden = apitest.NewGolden("testdata")
		call := func(route, method, path, body string, learn map[string]string) apitest.Answer {
			t.Helper()
			c := apitest.Call{Route: route, Method: method, Path: path, Learn: learn}
			if body != "" {
				c.Body = []byte(body)
			}
			return s.Do(c)
		}
		user := call("POST /user-management/v1/users", "POST", usersPath, seedUser, map[string]string{"userId": "Data"}).Want(201).Text("Data")
		one := usersPath + "/" + user
		id := call("GET /user-management/v1/users/{user}/secret", "GET", one+"/secret", "", map[string]string{"clientId": "Data.ClientId"}).Want(200).Text("Data.ClientId")
		made := call("PATCH /user-management/v1/users/{user}/secret", "PATCH", one+"/secret", "", map[string]string{"clientSecret": "Data.ClientSecret"}).Want(200)
		if got := made.Text("Data.ClientId"); got != id {
			t.Errorf("the secret is for client %s, not %s", got, id)
		}
		form := credentialForm(id, made.Text("Data.ClientSecret"))
		form.Set("scope", "sign")
		public := s.Client
		public.Authorization = ""
		token := public.Do(apitest.Call{Route: "POST /v1/auth/connect/token", Method: "POST", Path: tokenPath, Media: formMedia,
			Body: []byte(form.Encode()), Learn: map[string]string{"token": "access_token"}}).Want(200)
		if token.At("expires_in") != 3600.0 || token.Text("token_type") != "Bearer" || token.Text("scope") != "sign" {
			t.Errorf("token: %s", token.Body)
		}
		call("GET /user-management/v1/users/{user}", "GET", one, "", nil).Want(200)
		call("PATCH /user-management/v1/users/{user}", "PATCH", one, `{"LastName":"test02","PhoneNumber":"+1 555 0100","Language":"en","Timezone":"UTC"}`, nil).Want(200)
		call("GET /user-management/v1/users", "GET", usersPath+"?criteria=IsActive%20=%20%27true%27&sortField=CreatedDate&pageSize=1&pageNumber=1", "", nil).Want(200)
		call("DELETE /user-management/v1/users/{user}", "DELETE", one, "", nil).Want(200)
		call("PUT /user-management/v1/users/{user}/restore", "PUT", one+"/restore", "", nil).Want(200)

		var patterns []string
		for _, route := range New(nil).Routes {
			patterns = append(patterns, route.Pattern())
		}
		if missing := s.Golden.Unseen(patterns); missing != nil {
			t.Errorf("routes without a golden sample: %q", missing)
		}
	})
}

// Attack T7, as far as it shows at this door: a secret is shown once, a new one kills the old one.
func TestSecretRotation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		one := usersPath + "/" + s.Post(usersPath, seedUser).Want(201).Text("Data")
		id := s.Get(one + "/secret").Text("Data.ClientId")
		renew := func() string {
			return s.Do(apitest.Call{Method: "PATCH", Path: one + "/secret"}).Want(200).Text("Data.ClientSecret")
		}
		s.connect(credentialForm(id, "anything"), "").Want(400) // before there is any secret
		first := renew()
		s.token(id, first)
		second := renew()
		if first == second {
			t.Fatal("the secret did not change")
		}
		if got := s.connect(credentialForm(id, first), "").Want(400).Text("error"); got != badCredentials {
			t.Errorf("the old secret: %s", got)
		}
		s.token(id, second)
		s.connect(credentialForm("", ""), basic(id, second)).Want(400) // two methods of authentication at once
		basicOnly := credentialForm("", "")
		basicOnly.Del("client_id")
		basicOnly.Del("client_secret")
		s.connect(basicOnly, basic(id, second)).Want(200)
		for _, path := range []string{one, one + "/secret", usersPath} {
			if body := string(s.Get(path).Want(200).Body); contains(body, second) || contains(body, first) {
				t.Errorf("%s shows a secret: %s", path, body)
			}
		}
	})
}

// The whole account's users can be paged through, each once.
func TestPaging(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		for _, name := range []string{"a", "b", "c", "d"} {
			s.Post(usersPath, `{"FirstName":"`+name+`","LastName":"x","Email":"`+name+`@example.com","UserType":"External","Role":{"Name":"CongaSign User Role"}}`).Want(201)
		}
		seen := map[string]bool{}
		for page, more := 1, true; more; page++ {
			var got struct {
				RecordCount    int
				Data           []struct{ Id string }
				HasMoreRecords bool
			}
			s.Get(usersPath + "?pageSize=2&pageNumber=" + string(rune('0'+page))).Want(200).Into(&got)
			if got.RecordCount != 5 { // with the service user of the stack
				t.Fatalf("RecordCount %d", got.RecordCount)
			}
			for _, u := range got.Data {
				if seen[u.Id] {
					t.Errorf("%s twice", u.Id)
				}
				seen[u.Id] = true
			}
			more = got.HasMoreRecords
		}
		if len(seen) != 5 {
			t.Errorf("%d users", len(seen))
		}
	})
}

// Attack P8 at this surface.
func TestP8BadJSON(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	for name, body := range map[string]string{
		"member twice": `{"Email":"a@example.com","Email":"b@example.com"}`, "unknown member twice": `{"z":1,"z":2}`, "trailing data": seedUser + `{}`,
		"BOM": "\xef\xbb\xbf" + seedUser, "invalid UTF-8": seedWith("test01", "\xff"), "NUL": seedWith("test01", `a\u0000`),
		"surrogate": seedWith("test01", `\ud800`), "number": seedWith("{", `{"z":1e400,`), "null": `null`, "nothing": ``,
		"deep": seedWith("{", `{"z":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`,`), "other case": seedWith("FirstName", "firstname"),
	} {
		a := s.Post(usersPath, body).Want(400)
		if a.At("Success") != false || a.Text("StatusCode") != "BadRequest" {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	if n := s.Get(usersPath).Want(200).At("RecordCount"); n != 1.0 {
		t.Errorf("%v users", n)
	}
}
