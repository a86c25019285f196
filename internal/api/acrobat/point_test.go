package acrobat

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

const (
	homeHost   = "api.na1.sign.example.com"
	europeHost = "api.eu1.sign.example.com:8443"
)

var twoPoints = []AccessPoint{
	{API: "https://" + homeHost + "/", Web: "https://secure.na1.sign.example.com/"},
	{API: "https://" + europeHost + "/", Web: "https://secure.eu1.sign.example.com/", Countries: []string{"FR", "DE"}},
}

// at is a client that calls a host.
func at(host string, c apitest.Client, method, path string, body object) apitest.Answer {
	c.T.Helper()
	call := apitest.Call{Method: method, Path: path, Header: map[string]string{"Host": host}}
	if body != nil {
		call.Body = []byte(body.String())
	}
	return c.Do(call)
}

// With two access points an account's country says where it lives; calls about
// it are refused at the other one, everything else works at both.
func TestLocation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d, twoPoints...)
		o := s.newTenant()
		hosts := map[string]AccessPoint{homeHost: twoPoints[0], europeHost: twoPoints[1], "API.EU1.sign.example.com:8443": twoPoints[1],
			"unknown.example.com": twoPoints[0], "api.eu1.sign.example.com": twoPoints[0], "": twoPoints[0]}
		cells := 0
		for _, row := range apitest.Errors(t, "errors.tsv") {
			if row["test"] == "TestLocation" && (row["status"] != "403" || row["code"] != otherPoint.code || row["message"] != otherPoint.message) {
				t.Errorf("errors.tsv: %v", row)
			}
		}
		for country, lives := range map[string]AccessPoint{"US": twoPoints[0], "FR": twoPoints[1], "DE": twoPoints[1], "GB": twoPoints[0]} {
			for host, here := range hosts {
				if host == "" {
					continue
				}
				cells += tryLocation(t, o, country, host, here, lives)
			}
		}
		t.Logf("%d cells of countries × hosts × calls", cells)
	})
}

func tryLocation(t *testing.T, o *tenant, country, host string, here, lives AccessPoint) (cells int) {
	t.Helper()
	name := o.unique("Account")
	account := at(host, o.Client, "POST", accountsPath, object{"name": name, "countryCode": country}).Want(201).Text("accountId")
	away := lives.API != here.API
	home := homeHost
	if lives.API == twoPoints[1].API {
		home = europeHost
	}
	email := o.unique("bob") + "@" + o.domain
	body := object{"email": email, "firstName": "a", "lastName": "b", "accountId": account, "roles": []string{"ACCOUNT_ADMIN"}}
	user := at(home, o.Client, "POST", usersPath, body).Want(201).Text("userId")
	admin := o.as(email, bothUserScopes)
	for _, c := range []struct {
		client       apitest.Client
		method, path string
		body         object
		status       int
	}{
		{o.Client, "GET", accountsPath + "/" + account, nil, 200},
		{o.Client, "PUT", accountsPath + "/" + account, object{"id": account, "name": name}, 204},
		{o.Client, "POST", usersPath, body.with("email", o.unique("al")+"@"+o.domain), 201},
		{o.Client, "GET", usersPath + "/" + user, nil, 200},
		{o.Client, "PUT", usersPath + "/" + user, object{"id": user, "email": email, "firstName": "a", "lastName": "b"}, 204},
		{admin, "POST", usersPath, body.without("accountId").with("email", o.unique("al")+"@"+o.domain), 201},
		{admin, "GET", usersPath + "/" + user, nil, 200},
		{admin, "PUT", usersPath + "/" + user, object{"id": user, "email": email, "firstName": "a", "lastName": "b"}, 204},
	} {
		cells++
		a := at(host, c.client, c.method, c.path, c.body)
		if !away && a.Status != c.status {
			t.Errorf("%s %s of %s at %s: %d %s", c.method, c.path, country, host, a.Status, a.Body)
		}
		if away && (verdict(a) != "403 INVALID_API_ACCESS_POINT" || a.Header.Get("X-Api-Access-Point") != lives.API ||
			a.Text("message") != "Request must be made to correct API access point (e.g. use GET /baseUris).") {
			t.Errorf("%s %s of %s at %s: %d %s %v", c.method, c.path, country, host, a.Status, a.Body, a.Header)
		}
	}
	// What works anywhere: base URIs, the list, the exchange, an unknown account's own answer.
	if got := at(host, admin, "GET", urisPath, nil).Want(200); got.Text("apiAccessPoint") != lives.API || got.Text("webAccessPoint") != lives.Web {
		t.Errorf("base URIs of a user of %s: %s", country, got.Body)
	}
	if got := at(host, o.Client, "GET", urisPath, nil).Want(200); got.Text("apiAccessPoint") != twoPoints[0].API {
		t.Errorf("base URIs of a technical account: %s", got.Body)
	}
	at(host, o.Client, "GET", accountsPath, nil).Want(200)
	at(host, o.Client, "GET", accountsPath+"/abcdefghijkl", nil).Want(404)
	at(host, o.Client, "PUT", usersPath+"/abcdefghijkl", object{"id": "abcdefghijkl", "email": email, "firstName": "a", "lastName": "b"}).Want(404)
	return cells + 5
}

// The scheme's own port may stand in Host and in the configuration, or not.
func TestPointOfHost(t *testing.T) {
	ps := newPoints([]AccessPoint{{API: "https://default.example.com/"}, {API: "https://bare.example.com/"}, {API: "https://own.example.com:443/"},
		{API: "http://plain.example.com/"}, {API: "https://other.example.com:8443/"}, {API: "http://[::1]/"}})
	for host, want := range map[string]int{"bare.example.com": 1, "BARE.example.com:443": 1, "bare.example.com:80": 0, "own.example.com": 2, "own.example.com:443": 2,
		"plain.example.com": 3, "plain.example.com:80": 3, "plain.example.com:443": 0, "other.example.com:8443": 4, "other.example.com": 0, "[::1]": 5, "[::1]:80": 5} {
		if got := ps.at(&http.Request{Host: host}); got.API != ps[want].API {
			t.Errorf("%s is %s, want %s", host, got.API, ps[want].API)
		}
	}
}

// Looking up where an account lives passes over refusals, which the act words itself, and over nothing else.
func TestLocationOfNothing(t *testing.T) {
	w := newWorld(newStack(t, dbtest.SQLite(t), twoPoints...))
	s := &surface{dir: w.dir, points: newPoints(twoPoints)}
	look := func(find func(*api.Request, string) error) func(*api.Request) (api.Answer, error) {
		return func(r *api.Request) (api.Answer, error) { return api.Answer{JSON: "no more"}, find(r, r.Path("id")) }
	}
	probe := &api.Dialect{Name: "probe", Claim: func(path string) (string, bool) { return path, true }, Refuse: refuse, Routes: []api.Route{
		{Method: "GET", Path: "/accounts/{id}", Right: api.Anyone, Kinds: technical, Handle: look(s.hereAccount)},
		{Method: "GET", Path: "/users/{id}", Right: api.Anyone, Kinds: technical, Handle: look(s.hereUser)},
	}}
	server := httptest.NewServer(api.New(api.Config{Log: slog.New(slog.NewJSONHandler(w.log, nil)), Authenticator: w.authn}, probe))
	t.Cleanup(server.Close)
	at := func(o *tenant, path string) apitest.Answer {
		return apitest.Client{T: t, URL: server.URL, Authorization: o.Authorization}.Get(path)
	}
	for _, path := range []string{"/accounts/x", "/users/x"} {
		at(w.a, path).Want(200)
	}
	for _, path := range []string{"/accounts/" + w.account, "/users/" + w.plain.id} {
		at(w.nobody, path).Want(200) // no partner's
		w.gone("accounts", func() apitest.Answer { return at(w.a, path) }).Want(500)
	}
}

// With one access point every host is right.
func TestOneLocation(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	o := s.newTenant()
	account := at("elsewhere.example.com", o.Client, "POST", accountsPath, object{"name": "Acme", "countryCode": "FR"}).Want(201).Text("accountId")
	at("sign.example.com", o.Client, "GET", accountsPath+"/"+account, nil).Want(200)
	uris := at("elsewhere.example.com", o.Client, "GET", urisPath, nil).Want(200)
	if uris.Text("apiAccessPoint") != onePoint.API || uris.Text("webAccessPoint") != onePoint.Web {
		t.Errorf("base URIs: %s", uris.Body)
	}
}
