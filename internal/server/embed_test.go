package server

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// A second is what a token may outlive what it was given for.
const oneSecond = time.Second

// T6: rotating and revoking a technical account, deactivating its partner, ends tokens within a
// second on two servers over PostgreSQL.
func TestT6TokensDieOnBothServers(t *testing.T) {
	c := config(t, dbtest.PostgresURL(t), t.TempDir())
	rooms, err := OpenRooms(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { rooms.Close() })
	one, two := start(t, c, ""), start(t, c, "")
	for name, end := range map[string]func(*vendor) error{
		"rotate": func(v *vendor) error {
			fresh, err := rooms.Authn.RotateSecret(t.Context(), v.id, 0)
			v.secret = fresh
			return err
		},
		"revoke": func(v *vendor) error { return rooms.Authn.RevokeClient(t.Context(), v.id) },
		"deactivate the partner": func(v *vendor) error {
			_, err := rooms.Directory.SetPartnerStatus(t.Context(), v.partner, directory.PartnerInactive)
			return err
		},
		"deactivate the user": func(v *vendor) error {
			v.base = one.url
			v.does(204, "PUT", embedPath+"users/"+v.user, v.token, map[string]any{"id": v.user, "email": "deactivate.the.user@partnerdomain.com",
				"firstName": "Bob", "lastName": "Smith", "status": "INACTIVE"})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, rooms, one.url, "EdDSA")
			v.register(rooms)
			email := strings.ReplaceAll(name, " ", ".") + "@partnerdomain.com"
			v.user = v.newUser(v.newAccount("Customer", "US"), email)
			user := v.userToken(email)
			paths := map[string]string{"/api/rest/v6/baseUris": v.token, embedPath + "users/" + v.user: user}
			if strings.HasPrefix(name, "deactivate") {
				delete(paths, "/api/rest/v6/baseUris") // the technical account's own token lives on
			}
			for path, token := range paths {
				for _, at := range []*process{one, two} {
					v.base = at.url
					v.does(200, "GET", path, token, nil)
				}
			}
			must(t, end(v))
			since := time.Now()
			for path, token := range paths {
				for i, at := range []*process{one, two} {
					v.base = at.url
					took := v.dies(path, token, since)
					t.Logf("server %d, %s: dead after %d ms", i+1, path, took.Milliseconds())
					if took > oneSecond {
						t.Errorf("server %d: the token outlived its end by %v", i+1, took)
					}
				}
			}
			if name == "rotate" {
				v.login()
			}
			if name != "revoke" {
				v.does(200, "GET", "/api/rest/v6/baseUris", v.token, nil)
			}
		})
	}
}

// One person, whole: the partner's program makes him, he becomes a member of a signer group of the
// same account through Conga Sign, is invited by mail, and signs with his name; then the program
// deactivates him, which ends his token within a second and his lease at its next statement.
func TestProvisionedPersonSigns(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		data := t.TempDir()
		provisionedPersonSigns(t, config(t, "sqlite:"+filepath.Join(data, "test.db"), data))
	})
	t.Run("postgres", func(t *testing.T) { provisionedPersonSigns(t, config(t, dbtest.PostgresURL(t), t.TempDir())) })
}

func provisionedPersonSigns(t *testing.T, c Config) {
	h := startHere(t, c)
	c.URL = h.url
	rooms, err := OpenRooms(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { rooms.Close() })
	v := newVendor(t, rooms, h.url, "RS256")
	v.register(rooms)
	must(t, rooms.Directory.SetPartner(t.Context(), v.partner,
		directory.PartnerChange{Settings: directory.Settings{MemberIdentification: directory.Link}}))
	account := v.newAccount("SignEmbedCustomer", "US")
	const email = "bob.smith_customer@partnerdomain.com"
	bob := v.newUser(account, email)
	user := v.userToken(email)
	w := &tenant{t: t, rooms: rooms}
	w.bearer = v.signer(rooms, account)
	made := v.does(200, "POST", "/api/cs-groups", w.bearer, map[string]any{"name": "Approvers", "email": "approvers@example.com",
		"members": []any{map[string]any{"email": email, "memberType": "REGULAR", "firstName": "Bob", "lastName": "Smith"}}})
	w.group.OuterID = v.str(made, "id")
	pkg := w.send(h.url, 1)
	b := w.enterAs(h.url, email)
	b.sign()
	w.completed(pkg)
	v.signedBy(rooms, pkg, "Bob Smith")

	w.send(h.url, 1)
	b = w.enterAs(h.url, email)
	epoch := b.epoch()
	b.must("beat", map[string]any{"epoch": epoch})
	path := embedPath + "users/" + bob
	v.does(200, "GET", path, user, nil)
	v.does(204, "PUT", path, v.token, map[string]any{"id": bob, "email": email, "firstName": "Bob", "lastName": "Smith", "status": "INACTIVE"})
	since := time.Now()
	out, err := b.act("beat", map[string]any{"epoch": epoch})
	must(t, err)
	if out.Status < 400 {
		t.Errorf("the lease of a deactivated user goes on: %d", out.Status)
	}
	took := v.dies(path, user, since)
	t.Logf("the lease ended at its next statement (%s); the token was dead after %d ms", out.Error.What, took.Milliseconds())
	if took > oneSecond {
		t.Errorf("the token lived %v", took)
	}
	if s := v.call("POST", authPath+"token", "", v.exchange(email)); s.status != http.StatusForbidden {
		t.Errorf("a new exchange: %d %s", s.status, s.text)
	}
}

// signer is a bearer token of a Conga Sign client of an account.
func (v *vendor) signer(rooms *Rooms, account string) string {
	v.t.Helper()
	id, secret, err := rooms.NewClient(v.t.Context(), account, "Orders", []string{"sign"})
	must(v.t, err)
	token, err := rooms.Authn.ClientToken(v.t.Context(), id, secret, "sign")
	must(v.t, err)
	return token.Access
}

// signedBy looks for the signer's name in the audit trail of a package.
func (v *vendor) signedBy(rooms *Rooms, pkg, name string) {
	v.t.Helper()
	err := rooms.DB.Read(v.t.Context(), func(tx *db.Tx) error {
		n, err := db.One[int](tx, `select count(*) from audit_events e join packages k on k.id = e.package join audit_personal p on p.event_id = e.id
			where k.outer_id = $1 and p.data like '%' || $2 || '%'`, pkg, name)
		if err == nil && n == 0 {
			err = fmt.Errorf("no event names %s", name)
		}
		return err
	})
	must(v.t, err)
}

// The id of a request is the same in the answer, in the log and in the audit event, whether the
// caller chose it or the server.
func TestRequestIDEverywhere(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	h := startHere(t, c)
	v := newVendor(t, &h.Rooms, h.url, "EdDSA")
	v.register(&h.Rooms)
	for i, sent := range []string{"", "onboarding/4711~b:c", strings.Repeat("x", 128), strings.Repeat("x", 129), "two words"} {
		s := v.does(201, "POST", embedPath+"accounts", v.token,
			map[string]any{"name": fmt.Sprintf("Customer%d", i), "countryCode": "US"}, "X-Request-Id", sent)
		got := s.header.Get("X-Request-Id")
		chosen := sent != "" && len(sent) <= 128 && !strings.Contains(sent, " ")
		if got == "" || chosen != (got == sent) {
			t.Errorf("%q is answered with %q", sent, got)
		}
		if !strings.Contains(h.log.String(), `"request_id":"`+got+`"`) {
			t.Errorf("%q is not in the log", got)
		}
		n := 0
		must(t, h.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
			all, err := db.All[[]byte](tx, `select canonical from audit_events`)
			for _, one := range all {
				if strings.Contains(string(one), `"`+got+`"`) {
					n++
				}
			}
			return err
		}))
		if n == 0 {
			t.Errorf("%q is in no audit event", got)
		}
	}
	s, err := http.Get(h.url + "/verify")
	must(t, err)
	s.Body.Close()
	if id := s.Header.Get("X-Request-Id"); id == "" || !strings.Contains(h.log.String(), `"request_id":"`+id+`"`) {
		t.Errorf("the id of a page, %q, is not in the log", id)
	}
	for line := range strings.Lines(h.log.String()) {
		if n := strings.Count(line, `"request_id"`); n > 1 {
			t.Errorf("a line names its request %d times: %s", n, line)
		}
	}
}

// Two access points on one server: an account lives where its country does, and is not served elsewhere.
func TestTwoAccessPoints(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	const na, eu = "api.na1.sign.example.com", "api.eu1.sign.example.com"
	c.AccessPoints = []string{"https://" + na + ",https://secure.na1.sign.example.com", "https://" + eu + "/,https://secure.eu1.sign.example.com/,DE:FR"}
	h := startHere(t, c)
	v := newVendor(t, &h.Rooms, h.url, "EdDSA")
	v.host = na
	v.register(&h.Rooms)
	where := func(host, token string) string {
		v.host = host
		s := v.does(200, "GET", "//api/rest/v6/baseUris", token, nil)
		return v.str(s, "apiAccessPoint") + " " + v.str(s, "webAccessPoint")
	}
	american, german := v.newAccount("American", "US"), v.newAccount("German", "DE")
	v.newUser(american, "us@partnerdomain.com")
	v.host = eu
	hans := v.newUser(german, "de@partnerdomain.com")
	user := v.userToken("de@partnerdomain.com")
	for _, host := range []string{na, eu} {
		if got := where(host, v.token); got != "https://"+na+"/ https://secure.na1.sign.example.com/" {
			t.Errorf("at %s a technical token is sent to %s", host, got)
		}
		if got := where(host, user); got != "https://"+eu+"/ https://secure.eu1.sign.example.com/" {
			t.Errorf("at %s the user token is sent to %s", host, got)
		}
	}
	v.host = na
	for _, call := range []struct {
		method, path, token string
		in                  any
	}{
		{"GET", embedPath + "users/" + hans, user, nil},
		{"GET", embedPath + "accounts/" + german, v.token, nil},
		{"POST", embedPath + "users", v.token, person(german, "more@partnerdomain.com")},
	} {
		v.host = na
		if s := v.call(call.method, call.path, call.token, call.in); s.status != 403 || s.body["code"] != "INVALID_API_ACCESS_POINT" {
			t.Errorf("%s %s at the wrong access point: %d %s", call.method, call.path, s.status, s.text)
		}
		v.host = eu
		if s := v.call(call.method, call.path, call.token, call.in); s.status >= 300 {
			t.Errorf("%s %s at the right one: %d %s", call.method, call.path, s.status, s.text)
		}
	}
}

// What cannot be an access point is refused with a sentence that says why.
func TestAccessPointSettings(t *testing.T) {
	const good = "https://api.example.com,https://secure.example.com"
	for name, in := range map[string]struct {
		points []string
		want   string // part of the refusal; "": accepted
	}{
		"none":                {nil, ""},
		"one":                 {[]string{good}, ""},
		"slashes and case":    {[]string{"HTTPS://API.example.com/,https://secure.example.com/,US"}, ""},
		"two":                 {[]string{good, "https://eu.example.com,https://eu.example.com,DE:FR"}, ""},
		"one address":         {[]string{"https://api.example.com"}, "want API_URL,WEB_URL"},
		"four parts":          {[]string{good + ",US,DE"}, "want API_URL,WEB_URL"},
		"a path":              {[]string{"https://api.example.com/sign,https://secure.example.com"}, "without a path"},
		"a query":             {[]string{"https://api.example.com?x,https://secure.example.com"}, "without a path"},
		"a person":            {[]string{"https://me@api.example.com,https://secure.example.com"}, "without a path"},
		"another scheme":      {[]string{"ftp://api.example.com,https://secure.example.com"}, "http(s)://HOST"},
		"no host":             {[]string{"https://,https://secure.example.com"}, "http(s)://HOST"},
		"no such country":     {[]string{good + ",US:XX"}, `"XX" is no country`},
		"small letters":       {[]string{good + ",us"}, `"us" is no country`},
		"three letters":       {[]string{good + ",USA"}, `"USA" is no country`},
		"UK":                  {[]string{good + ",UK"}, `"UK" is no country`},
		"no country":          {[]string{good + ","}, `"" is no country`},
		"a country twice":     {[]string{good + ",US:DE", "https://eu.example.com,https://eu.example.com,DE"}, "DE is named twice"},
		"an address twice":    {[]string{good, good + ",DE"}, "is named twice"},
		"the scheme's port":   {[]string{good, "https://API.example.com:443,https://secure.example.com,DE"}, "is named twice"},
		"a port alone":        {[]string{"https://:443,https://secure.example.com"}, "http(s)://HOST"},
		"second without land": {[]string{good, "https://eu.example.com,https://eu.example.com"}, "name the countries"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, "sqlite:none", t.TempDir())
			c.AccessPoints = in.points
			err := c.check()
			if in.want == "" && err != nil || in.want != "" && (err == nil || !strings.Contains(err.Error(), in.want)) {
				t.Errorf("%q: %v", in.points, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "--access-point ") {
				t.Errorf("%v does not name the flag", err)
			}
		})
	}
}

// Outside addresses are written in one way: clients leave the scheme's own port out of Host.
func TestOutsideURLSettings(t *testing.T) {
	for in, want := range map[string]string{"https://Sign.example.com:443/": "https://sign.example.com", "http://sign.example.com:80": "http://sign.example.com",
		"https://sign.example.com:80": "https://sign.example.com:80", "http://sign.example.com:443": "http://sign.example.com:443", "https://sign.example.com:8443": "https://sign.example.com:8443",
		"http://[::1]:80": "http://[::1]", " https://sign.example.com: ": "https://sign.example.com",
		"https://sign.example.com/path": "", "https://sign.example.com?x": "", "https://me@sign.example.com": "", "ftp://sign.example.com": "", "sign.example.com": ""} {
		c := config(t, "sqlite:none", t.TempDir())
		c.URL, c.AccessPoints = in, nil
		err := c.check()
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "--url: ") {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		points, _ := c.accessPoints()
		if err != nil || c.URL != want || points[0].API != want+"/" || points[0].Web != want+"/" {
			t.Errorf("%q is %q at %+v, %v", in, c.URL, points, err)
		}
		c.AccessPoints = []string{in + "," + in}
		if points, err = c.accessPoints(); err != nil || points[0].API != want+"/" || points[0].Web != want+"/" {
			t.Errorf("--access-point %q is %+v, %v", in, points, err)
		}
	}
}

// What a developer sets: partners that nobody has to let in, and tokens with names of his own.
func TestDevelopmentSettings(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	c.AutoActivatePartners, c.TokenIssuer, c.TokenAudience = true, "example-issuer", "Example Audience"
	h := startHere(t, c)
	if !strings.Contains(h.log.String(), "for development") {
		t.Error("the server does not warn")
	}
	v := newVendor(t, &h.Rooms, h.url, "RS256")
	v.login()
	made := v.does(201, "POST", embedPath+"partners", v.token, map[string]any{"name": "Example Software"})
	if made.body["status"] != "ACTIVE" {
		t.Errorf("registered as %v", made.body["status"])
	}
	v.newUser(v.newAccount("Customer", "US"), "bob@partnerdomain.com")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(v.userToken("bob@partnerdomain.com"), ".")[1])
	must(t, err)
	if !strings.Contains(string(payload), `"iss":"example-issuer"`) || !strings.Contains(string(payload), `"aud":"Example Audience"`) {
		t.Errorf("the claims are %s", payload)
	}
}

// A line written with a request's context names the request, once; a line of background work names none.
func TestLinesNameTheirRequest(t *testing.T) {
	var out lockedBuffer
	log := slog.New(traced{Handler: slog.NewJSONHandler(&out, nil)})
	request := audit.WithOrigin(t.Context(), audit.Origin{RequestID: "r1"})
	log.InfoContext(request, "plain")
	log.With("a", 1).InfoContext(request, "with")
	log.With(requestID, "own").InfoContext(request, "with its own")
	log.InfoContext(request, "own", requestID, "own")
	log.Info("background")
	log.InfoContext(t.Context(), "background")
	want := []string{"r1", "r1", "own", "own", "", ""}
	for line := range strings.Lines(out.String()) {
		if n := strings.Count(line, requestID); want[0] == "" && n != 0 || want[0] != "" && (n != 1 || !strings.Contains(line, `"`+requestID+`":"`+want[0]+`"`)) {
			t.Errorf("want %q in %s", want[0], line)
		}
		want = want[1:]
	}
	if len(want) != 0 {
		t.Errorf("%d lines are missing", len(want))
	}
}
