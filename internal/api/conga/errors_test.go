package conga

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
)

func contains(s, part string) bool { return part != "" && strings.Contains(s, part) }

// refusal is one way to be refused; its name is the first column of errors.tsv.
type refusal struct {
	name string
	make func(s *stack) apitest.Answer
}

func postUser(s *stack, body string) apitest.Answer { return s.Post(usersPath, body) }

func seedWith(oldnew ...string) string { return strings.NewReplacer(oldnew...).Replace(seedUser) }

// refusals produce every row of errors.tsv through HTTP.
var refusals = []refusal{
	{"no FirstName", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"FirstName":"integrationuser144",`, "")) }},
	{"null LastName", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"test01"`, "null")) }},
	{"empty Email", func(s *stack) apitest.Answer { return postUser(s, seedWith("integrationuser144@example.com", "")) }},
	{"no UserType", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"Integration"`, `""`)) }},
	{"no Role", func(s *stack) apitest.Answer {
		return postUser(s, seedWith(`{"Name":"CongaSign Integration Role"}`, `{}`))
	}},
	{"blank FirstName", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"integrationuser144",`, `" ",`)) }},
	{"bad Email", func(s *stack) apitest.Answer { return postUser(s, seedWith("integrationuser144@", "a@b@")) }},
	{"CR LF in a name", func(s *stack) apitest.Answer { return postUser(s, seedWith("test01", `a\r\nBcc: x@example.com`)) }},
	{"right-to-left mark in a name", func(s *stack) apitest.Answer { return postUser(s, seedWith("test01", `a\u202eb`)) }},
	{"name of 10 kB", func(s *stack) apitest.Answer { return postUser(s, seedWith("test01", strings.Repeat("x", 10_000))) }},
	{"unknown UserType", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"Integration"`, `"Robot"`)) }},
	{"unknown Role", func(s *stack) apitest.Answer { return postUser(s, seedWith("CongaSign Integration Role", "Boss")) }},
	{"e-mail taken", func(s *stack) apitest.Answer { postUser(s, seedUser).Want(201); return postUser(s, seedUser) }},
	{"no JSON", func(s *stack) apitest.Answer { return postUser(s, `FirstName=x`) }},
	{"member twice", func(s *stack) apitest.Answer { return postUser(s, seedWith(`{`, `{"Email":"b@example.com",`)) }},
	{"wrong type", func(s *stack) apitest.Answer { return postUser(s, seedWith(`"test01"`, "1")) }},
	{"wrong media", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: usersPath, Media: "text/xml", Body: []byte("<x/>")})
	}},
	{"too large", func(s *stack) apitest.Answer { return postUser(s, `{"x":"`+strings.Repeat("x", 2<<20)+`"}`) }},
	{"unknown user", func(s *stack) apitest.Answer {
		return s.Get(usersPath + "/717e5ad5-152b-265c-1ea6-76300cf2aca0/secret")
	}},
	{"NUL in the id", func(s *stack) apitest.Answer { return s.Get(usersPath + "/a%00b/secret") }},
	{"secret of an External user", func(s *stack) apitest.Answer {
		id := postUser(s, seedWith(`"Integration"`, `"External"`)).Want(201).Text("Data")
		if got := s.Get(usersPath + "/" + id + "/secret").Want(200).At("Data.ClientId"); got != nil {
			s.T.Errorf("an External user has the ClientId %v", got)
		}
		return s.Do(apitest.Call{Method: "PATCH", Path: usersPath + "/" + id + "/secret"})
	}},
	{"secret of an inactive user", func(s *stack) apitest.Answer {
		id := postUser(s, seedUser).Want(201).Text("Data")
		s.Delete(usersPath + "/" + id).Want(200)
		return s.Do(apitest.Call{Method: "PATCH", Path: usersPath + "/" + id + "/secret"})
	}},
	{"secret of an ended client", func(s *stack) apitest.Answer {
		one := usersPath + "/" + postUser(s, seedUser).Want(201).Text("Data")
		if err := s.authn.RevokeClient(s.T.Context(), s.Get(one+"/secret").Want(200).Text("Data.ClientId")); err != nil {
			s.T.Fatal(err)
		}
		return s.Do(apitest.Call{Method: "PATCH", Path: one + "/secret"})
	}},
	{"no seat for a new user", func(s *stack) apitest.Answer {
		defer s.full()()
		postUser(s, seedUser).Want(201) // a program needs none
		return postUser(s, seedWith(`"Integration"`, `"External"`, "integrationuser144@", "second@"))
	}},
	{"no seat for a restored user", func(s *stack) apitest.Answer {
		one := usersPath + "/" + postUser(s, seedWith(`"Integration"`, `"External"`)).Want(201).Text("Data")
		s.Delete(one).Want(200)
		defer s.full()()
		return s.Put(one+"/restore", "")
	}},
	{"unknown criteria", func(s *stack) apitest.Answer { return s.Get(usersPath + "?criteria=Name%20=%20%27x%27") }},
	{"unknown sortField", func(s *stack) apitest.Answer { return s.Get(usersPath + "?sortField=Name") }},
	{"bad pageSize", func(s *stack) apitest.Answer { return s.Get(usersPath + "?pageSize=0") }},
	{"no token", func(s *stack) apitest.Answer { c := s.Client; c.Authorization = ""; return c.Get(usersPath) }},
	{"bad token", func(s *stack) apitest.Answer { c := s.Client; c.Authorization = "Bearer x"; return c.Get(usersPath) }},
	{"API key", func(s *stack) apitest.Answer {
		c := s.Client
		c.Authorization = basic(s.id, s.secret)
		return c.Get(usersPath)
	}},
	{"right missing", func(s *stack) apitest.Answer {
		id, secret, err := s.authn.CreateClient(s.T.Context(), s.account.ID, []authz.Right{authz.Sign}, "Signs only")
		if err != nil {
			s.T.Fatal(err)
		}
		c := s.Client
		c.Authorization = "Bearer " + s.token(id, secret)
		return c.Get(usersPath)
	}},
	{"unknown path", func(s *stack) apitest.Answer { return s.Get("/api/user-management/v1/nothing") }},
	{"other method", func(s *stack) apitest.Answer { return s.Put(usersPath, "{}") }},

	{"token: wrong secret", func(s *stack) apitest.Answer { return s.connect(credentialForm(s.id, "wrong"), "") }},
	{"token: unknown client", func(s *stack) apitest.Answer {
		return s.connect(credentialForm("717e5ad5-152b-265c-1ea6-76300cf2aca0", s.secret), "")
	}},
	{"token: Basic, wrong secret", func(s *stack) apitest.Answer {
		return s.connect(map[string][]string{"grant_type": {"client_credentials"}}, basic(s.id, "wrong"))
	}},
	{"token: no credentials", func(s *stack) apitest.Answer {
		return s.connect(map[string][]string{"grant_type": {"client_credentials"}}, "")
	}},
	{"token: both ways", func(s *stack) apitest.Answer { return s.connect(credentialForm(s.id, s.secret), basic(s.id, s.secret)) }},
	{"token: bearer header", func(s *stack) apitest.Answer { return s.connect(credentialForm(s.id, s.secret), "Bearer x") }},
	{"token: other grant", func(s *stack) apitest.Answer {
		form := credentialForm(s.id, s.secret)
		form.Set("grant_type", "password")
		return s.connect(form, "")
	}},
	{"token: unknown scope", func(s *stack) apitest.Answer {
		form := credentialForm(s.id, s.secret)
		form.Set("scope", "everything")
		return s.connect(form, "")
	}},
	{"token: parameter twice", func(s *stack) apitest.Answer {
		form := credentialForm(s.id, s.secret)
		form.Add("client_id", s.id)
		return s.connect(form, "")
	}},
	{"token: JSON", func(s *stack) apitest.Answer { return s.Post(tokenPath, `{"grant_type":"client_credentials"}`) }},
	{"token: disabled", func(s *stack) apitest.Answer {
		one := usersPath + "/" + postUser(s, seedUser).Want(201).Text("Data")
		made := s.Do(apitest.Call{Method: "PATCH", Path: one + "/secret"}).Want(200)
		s.Delete(one).Want(200)
		return s.connect(credentialForm(made.Text("Data.ClientId"), made.Text("Data.ClientSecret")), "")
	}},
	{"token: unknown path", func(s *stack) apitest.Answer { return s.Get("/api/v1/auth/nothing") }},
	{"token: other method", func(s *stack) apitest.Answer { return s.Get(tokenPath) }},
	{"token: too large", func(s *stack) apitest.Answer {
		form := credentialForm(s.id, strings.Repeat("x", 2<<20))
		return s.connect(form, "")
	}},
}

// Every error of errors.tsv is produced, and every way to be refused is in it.
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
			// Every refusal starts with no user but the stack's own.
			s.forget()
			got := errorRow(r.name, r.make(s))
			if row == nil {
				t.Errorf("not in errors.tsv: %s", got)
			} else if line := row["when"] + "\t" + row["status"] + "\t" + row["code"] + "\t" + row["text"]; line != got {
				t.Errorf("\nwant %s\ngot  %s", line, got)
			}
		}
		for name := range want {
			t.Errorf("nothing produces %s", name)
		}
	})
}

// forget deactivates every user a refusal before has made, which frees the address.
func (s *stack) forget() {
	var got struct {
		Data []struct{ Id, Email string }
	}
	s.Get(usersPath + "?criteria=IsActive%20=%20%27true%27&pageSize=100").Want(200).Into(&got)
	for _, u := range got.Data {
		if strings.HasSuffix(u.Email, "@example.com") {
			s.Delete(usersPath + "/" + u.Id).Want(200)
		}
	}
}

// errorRow words an answer as a line of errors.tsv.
func errorRow(name string, a apitest.Answer) string {
	var body struct {
		Success    bool
		StatusCode string
		Errors     []struct{ Message string }
		Error      string `json:"error"`
	}
	a.Into(&body)
	if media := a.Header.Get("Content-Type"); media != "application/json" || body.Success {
		return "a wrong answer: " + media + " " + string(a.Body)
	}
	code, text := body.Error, ""
	if code == "" {
		code, text = body.StatusCode, body.Errors[0].Message
		if code != strings.ReplaceAll(http.StatusText(a.Status), " ", "") {
			return "status and StatusCode differ: " + string(a.Body)
		}
	}
	return name + "\t" + strconv.Itoa(a.Status) + "\t" + code + "\t" + text
}
