package congasign

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

const formMedia = "application/x-www-form-urlencoded"

// credentials are the one record of a client that serves every way in.
type credentials struct{ id, secret string }

func (s *stack) credentials(rights ...authz.Right) credentials {
	s.T.Helper()
	id, secret, err := s.authn.CreateClient(s.T.Context(), s.account.ID, rights, "Integration")
	if err != nil {
		s.T.Fatal(err)
	}
	return credentials{id, secret}
}

func (c credentials) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id)+":"+url.QueryEscape(c.secret)))
}

// oauth asks the token endpoint with a Basic header.
func (s *stack) oauth(c credentials, form string) apitest.Answer {
	s.T.Helper()
	return s.oauthAs(c.basic(), form)
}

func (s *stack) oauthAs(authorization, form string) apitest.Answer {
	s.T.Helper()
	return s.bare(authorization).Do(apitest.Call{Method: "POST", Path: "/oauth2/token", Media: formMedia, Body: []byte(form)})
}

// bare is a client for the token endpoint, whose refusals are not this surface's but RFC 6749's.
func (s *stack) bare(authorization string) apitest.Client {
	c := s.as(authorization)
	c.Check = func(call apitest.Call, a apitest.Answer) { checkDocument(c.T, call, a) }
	return c
}

func (s *stack) oauthForm(form string) apitest.Answer {
	s.T.Helper()
	return s.oauthAs("", form)
}

func (s *stack) clientApp(c credentials, more string) apitest.Answer {
	s.T.Helper()
	return s.as("").Post("/apitoken/clientApp/accessToken", fmt.Sprintf(`{"clientId":%q,"secret":%q,%s}`, c.id, c.secret, more))
}

// activeSender makes an active sender.
func (s *stack) activeSender(email string) (id string) {
	s.T.Helper()
	id = s.Post("/api/account/senders", `{"email":"`+email+`","firstName":"Mary","lastName":"Doe"}`).Want(200).Text("id")
	err := s.db.Write(s.T.Context(), func(tx *db.Tx) error {
		u, err := directory.UserByEmail(tx, s.account.ID, email)
		if err != nil {
			return err
		}
		return directory.MailboxProven(tx, u.ID)
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return id
}

// solo makes and sends a package with one signer and returns its id.
func (s *stack) solo(email string) (id string) {
	s.T.Helper()
	return s.Post("/api/packages", `{"name":"Solo","status":"SENT","roles":[{"id":"role1","signers":[{"id":"signer1","email":"`+email+`","firstName":"Sam","lastName":"Signer"}]}],
		"documents":[{"id":"doc1","name":"Doc","base64Content":"`+base64.StdEncoding.EncodeToString([]byte(paper()))+`",
		"approvals":[{"id":"a1","role":"role1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50}]}]}]}`).
		Want(200).Text("id")
}

func signerBody(pkg string) string { return `{"packageId":"` + pkg + `","signerId":"signer1"}` }

// exchange is a program's exchange of a session token.
func (s *stack) exchange(parameter, token string) apitest.Answer {
	s.T.Helper()
	return s.as("").Do(apitest.Call{Method: "GET", Path: "/auth?" + parameter + "=" + url.QueryEscape(token),
		Header: map[string]string{"Accept": "application/json; esl-api-version=11.68.0"}})
}

// in is the client that has a session and no other credentials.
func (s *stack) in(sessionToken string) apitest.Client {
	c := s.as("")
	c.Cookie = sessionCookie + "=" + sessionToken
	return c
}

func (s *stack) signerSession(pkg string) apitest.Client {
	s.T.Helper()
	token := s.Post("/api/authenticationTokens/signer/singleUse", signerBody(pkg)).Want(200).Text("value")
	return s.in(s.exchange("signerAuthenticationToken", token).Want(200).Text("sessionToken"))
}

func (s *stack) userSession() apitest.Client {
	s.T.Helper()
	return s.in(s.exchange("authenticationToken", s.Post("/api/authenticationTokens/user", "").Want(200).Text("value")).Want(200).Text("sessionToken"))
}

func (s *stack) senderSession(pkg string) apitest.Client {
	s.T.Helper()
	token := s.Post("/api/authenticationTokens/sender", `{"packageId":"`+pkg+`"}`).Want(200).Text("value")
	return s.in(s.exchange("senderAuthenticationToken", token).Want(200).Text("sessionToken"))
}

// aliases of the packages' path.
var aliases = []string{"/api/cs-packages", "/api/packages", "/api/sign/v1/cs-packages", "/api/sign/v1/packages", "/api/sign/v1/sign/cs-packages", "/v1/sign/cs-packages"}

// T13: every way in × what it may × own, other's and foreign package × alias.
func testT13WaysIn(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign)
	s.Client = s.as("Bearer " + s.oauth(c, "grant_type=client_credentials").Want(200).Text("access_token"))
	mary := s.activeSender("mary@example.com")
	own, second := s.solo("sam@example.com"), s.solo("sam@example.com")
	foreign := s.fresh(t).solo("sam@example.com")
	full := map[string]int{"own": 200, "second": 200, "foreign": 404, "groups": 200, "create": 200, "rename": 400, "token": 200, "session": 200, "clone": 200, "bulk": 400}
	user := maps.Clone(full)
	user["token"] = 403
	bound := map[string]int{"own": 200, "second": 404, "foreign": 404, "groups": 403, "create": 403, "rename": 400, "token": 403, "session": 200, "clone": 403, "bulk": 403}
	signer := maps.Clone(bound)
	signer["rename"] = 403
	for name, way := range map[string]struct {
		apitest.Client
		want map[string]int
	}{
		"OAuth":             {s.Client, full},
		"OAuth as a sender": {s.as("Bearer " + s.oauth(c, "grant_type=client_credentials&sender_id="+mary).Want(200).Text("access_token")), full},
		"client app":        {s.as("Bearer " + s.clientApp(c, `"type":"OWNER"`).Want(200).Text("accessToken")), full},
		"client app as a sender": {s.as("Bearer " + s.clientApp(c, `"type":"SENDER","email":"mary@example.com"`).Want(200).Text("accessToken")),
			full},
		"API key":        {s.as(s.apiKey("mary@example.com")), full},
		"user session":   {s.userSession(), user},
		"sender session": {s.senderSession(own), bound},
		"signer session": {s.signerSession(own), signer},
	} {
		for _, alias := range aliases {
			for cell, got := range map[string]int{"own": way.Get(alias + "/" + own).Status, "second": way.Get(alias + "/" + second).Status,
				"foreign": way.Get(alias + "/" + foreign).Status} {
				if got != way.want[cell] {
					t.Errorf("%s, %s, %s package: %d, want %d", name, alias, cell, got, way.want[cell])
				}
			}
		}
		for cell, got := range map[string]apitest.Answer{
			"groups": way.Get("/api/sign/v1/cs-groups"), "create": way.Post("/api/cs-packages", `{"name":"New"}`),
			"rename": way.Put("/api/packages/"+own, `{"status":"COMPLETED"}`), "token": way.Post("/api/cs-authenticationTokens/user", ""),
			"session": way.Get("/api/cs-session"), "clone": way.Post("/api/cs-packages/"+own+"/clone", `{"name":"Copy"}`),
			"bulk": way.Post("/api/packages/"+own+"/bulk_send", `{"signers":[{"email":"m@example.com","firstName":"M","lastName":"N"}]}`),
		} {
			if got.Status != way.want[cell] {
				t.Errorf("%s, %s: %d, want %d: %s", name, cell, got.Status, way.want[cell], got.Body)
			}
			if got.Status >= 400 && got.Text("messageKey") == "" {
				t.Errorf("%s, %s: %s", name, cell, got.Body)
			}
		}
	}
	if name := s.Get("/api/packages/" + own).Text("name"); name != "Solo" {
		t.Errorf("the package is called %s", name)
	}
}

// A signer's session changes nothing of its package but what a signer does.
func testT13SignerSessionWrites(t *testing.T, s *stack) {
	own := s.solo("sam@example.com")
	c, one := s.signerSession(own), "/api/packages/"+own
	for _, body := range []string{`{"name":"Mine"}`, `{"status":"DRAFT"}`, `{"trashed":true}`, `{"autocomplete":false}`, `{"description":"x"}`} {
		for _, method := range []string{"POST", "PUT"} {
			if a := c.Do(apitest.Call{Method: method, Path: one, Body: []byte(body)}); a.Status < 400 {
				t.Errorf("%s %s: %d %s", method, body, a.Status, a.Body)
			}
		}
	}
	for _, a := range []apitest.Answer{c.Delete(one), c.Post(one+"/notifications", `{"email":"sam@example.com"}`), c.Get(one + "/roles/role1/signingUrl"),
		c.Delete(one + "/documents/doc1"), c.Get("/api/account/senders"), c.Post("/api/authenticationTokens/signer/multiUse", signerBody(own)),
		c.Post("/api/sessions?package="+own+"&signer=signer1", "")} {
		a.Want(403)
	}
	p := s.Get(one).Want(200)
	if p.Text("name") != "Solo" || p.Text("status") != "SENT" || p.At("trashed") != false || p.At("autocomplete") != true {
		t.Errorf("%s", p.Body)
	}
}

// The token endpoint of RFC 6749, exactly as OneSpan's libraries read it.
func testOAuth(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign, authz.ManageUsers)
	mary := s.activeSender("mary@example.com")
	for name, a := range map[string]apitest.Answer{
		"basic":              s.oauth(c, "grant_type=client_credentials&unknown=x"),
		"basic with id":      s.oauth(c, "grant_type=client_credentials&client_id="+c.id+"&client_secret=&scope="),
		"post":               s.oauthForm("grant_type=client_credentials&client_id=" + c.id + "&client_secret=" + c.secret),
		"as a sender":        s.oauth(c, "grant_type=client_credentials&sender_id="+mary),
		"one scope":          s.oauth(c, "grant_type=client_credentials&scope=sign"),
		"in another's place": s.oauth(c, "grant_type=client_credentials&delegator_id="+mary),
	} {
		var out map[string]any
		a.Want(200).Into(&out)
		if names := slices.Sorted(maps.Keys(out)); !slices.Equal(names, []string{"access_token", "expires_in", "scope", "token_type"}) {
			t.Errorf("%s: members %v", name, names)
		}
		wantScope := "sign"
		if name == "basic" || name == "basic with id" || name == "post" {
			wantScope = "sign users.manage"
		}
		if out["token_type"] != "Bearer" || out["expires_in"] != 3600.0 || out["scope"] != wantScope {
			t.Errorf("%s: %v", name, out)
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", name, a.Header)
		}
		parts := strings.Split(a.Text("access_token"), ".")
		var claims struct{ Exp int64 }
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || len(parts) != 3 || json.Unmarshal(payload, &claims) != nil || claims.Exp < time.Now().Add(55*time.Minute).Unix() {
			t.Errorf("%s: no JWT with exp: %s", name, payload)
		}
		s.as("Bearer " + a.Text("access_token")).Get("/api/groups").Want(200)
	}
}

// Refusals in the shape of RFC 6749 §5.2.
func testOAuthErrors(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign)
	wrong := credentials{c.id, "wrong"}
	disabled := s.credentials(authz.Sign)
	must(t, s.authn.RevokeClient(t.Context(), disabled.id))
	weak := s.credentials(authz.ManageUsers)
	const grant = "grant_type=client_credentials"
	post := grant + "&client_id=" + c.id + "&client_secret=" + c.secret
	raw := s.oauthAs
	for name, r := range map[string]struct {
		apitest.Answer
		status int
		code   string
	}{
		"no grant":              {s.oauth(c, "x=1"), 400, "invalid_request"},
		"empty grant":           {s.oauth(c, "grant_type="), 400, "invalid_request"},
		"password":              {s.oauth(c, "grant_type=password&username=a&password=b"), 400, "unsupported_grant_type"},
		"code":                  {s.oauth(c, "grant_type=authorization_code&code=x"), 400, "unsupported_grant_type"},
		"repeated":              {s.oauth(c, grant+"&"+grant), 400, "invalid_request"},
		"unknown repeated":      {s.oauth(c, grant+"&x=1&x=1"), 400, "invalid_request"},
		"scope":                 {s.oauth(c, grant+"&scope=users.manage"), 400, "invalid_scope"},
		"scope of the operator": {s.oauth(c, grant+"&scope=operator"), 400, "invalid_scope"},
		"wrong secret":          {s.oauth(wrong, grant), 401, "invalid_client"},
		"unknown client":        {s.oauth(credentials{"nobody", "x"}, grant), 401, "invalid_client"},
		"wrong secret in form":  {s.oauthForm(post + "x"), 401, "invalid_client"},
		"disabled":              {s.oauth(disabled, grant), 401, "invalid_client"},
		"nobody":                {s.oauthForm(grant), 401, "invalid_client"},
		"no secret":             {s.oauthForm(grant + "&client_id=" + c.id), 401, "invalid_client"},
		"two methods":           {raw(c.basic(), post), 400, "invalid_request"},
		"two ids":               {raw(c.basic(), grant+"&client_id=other"), 400, "invalid_request"},
		"assertion":             {raw("", grant+"&client_assertion=x&client_assertion_type=y"), 401, "invalid_client"},
		"bearer":                {raw("Bearer x", grant), 401, "invalid_client"},
		"broken basic":          {raw("Basic !", grant), 401, "invalid_client"},
		"broken encoding":       {raw("Basic "+base64.StdEncoding.EncodeToString([]byte("%zz:x")), grant), 401, "invalid_client"},
		"NUL":                   {raw("Basic "+base64.StdEncoding.EncodeToString([]byte("a%00:x")), grant), 401, "invalid_client"},
		"unknown sender":        {s.oauth(c, grant+"&sender_id=nobody"), 400, "invalid_grant"},
		"unknown delegator":     {s.oauth(c, grant+"&delegator_id=nobody"), 400, "invalid_grant"},
		"may not sign":          {s.oauth(weak, grant+"&sender_id=nobody"), 400, "unauthorized_client"},
		"JSON":                  {s.bare(c.basic()).Post("/oauth2/token", `{"grant_type":"client_credentials"}`), 400, "invalid_request"},
		"secret in the query": {s.bare("").Do(apitest.Call{Method: "POST", Path: "/oauth2/token?" + post, Media: formMedia, Body: []byte(grant)}),
			401, "invalid_client"},
		"GET":       {s.bare("").Get("/oauth2/token"), 405, "invalid_request"},
		"too large": {s.oauth(c, strings.Repeat("x", 2<<20)), 413, "invalid_request"},
	} {
		var body map[string]string
		r.Into(&body)
		if r.Status != r.status || body["error"] != r.code || body["error_description"] == "" || len(body) != 2 || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d %s", name, r.Status, r.Body, r.status, r.code)
		}
		if challenge := r.Header.Get("WWW-Authenticate"); (r.Status == 401) != strings.HasPrefix(challenge, "Basic ") {
			t.Errorf("%s: challenge %q", name, challenge)
		}
		if strings.Contains(string(r.Body), c.secret) {
			t.Errorf("%s tells the secret", name)
		}
	}
}

// now is the time of the database, which other tests may have moved on.
func (s *stack) now() (now time.Time) {
	s.T.Helper()
	if err := s.db.Read(s.T.Context(), func(tx *db.Tx) (err error) { now, err = tx.Now(); return err }); err != nil {
		s.T.Fatal(err)
	}
	return now
}

func testClientApp(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign)
	s.activeSender("mary@example.com")
	a := s.clientApp(c, `"type":"OWNER","email":null,"unknown":1`).Want(200)
	expires, _ := a.At("expiresAt").(float64)
	left := time.UnixMilli(int64(expires)).Sub(s.now())
	if want := fmt.Sprintf(`{"accessToken":"%s","expiresAt":%d}`, a.Text("accessToken"), int64(expires)); string(a.Body) != want {
		t.Errorf("%s", a.Body)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(a.Text("accessToken")) || left > 31*time.Minute || left < 28*time.Minute {
		t.Errorf("%s, good for %s", a.Body, left)
	}
	hers := s.as("Bearer " + s.clientApp(c, `"type":"SENDER","email":"MARY@example.com"`).Want(200).Text("accessToken"))
	one := hers.Post("/api/packages", `{"name":"Hers"}`).Want(200).Text("id")
	if got := hers.Get("/api/packages/" + one).Text("sender.email"); got != "mary@example.com" {
		t.Errorf("the package is of %s", got)
	}
	owner := s.as("Bearer " + a.Text("accessToken"))
	owner.Get("/api/groups").Want(200)
	if _, err := s.authn.RotateSecret(t.Context(), c.id, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []apitest.Client{owner, hers} {
		if key := c.Get("/api/groups").Want(401).Text("messageKey"); key != "error.unauthorised.token.invalid" {
			t.Error(key)
		}
	}
}

// No throttling: libraries fetch a token for each client object.
func testManyTokens(t *testing.T, s *stack) {
	c := s.credentials(authz.Sign)
	for range 130 {
		s.oauth(c, "grant_type=client_credentials").Want(200)
		s.clientApp(c, `"type":"OWNER"`).Want(200)
	}
}

// Session tokens answer what was asked for, with the token, and are spent as their name says.
func testSessionTokens(t *testing.T, s *stack) {
	pkg := s.solo("sam@example.com")
	for path, c := range map[string]struct{ body, parameter, want string }{
		"user":             {"", "authenticationToken", `{"value":"TOKEN"}`},
		"sender":           {`{"packageId":"` + pkg + `","value":"","x":1}`, "senderAuthenticationToken", `{"packageId":"` + pkg + `","value":"TOKEN"}`},
		"signer/multiUse":  {`{"packageId":"` + pkg + `","signerId":"signer1","delegateeId":null,"sessionFields":{"a":"b"},"value":""}`, "signerAuthenticationToken", `{"packageId":"` + pkg + `","signerId":"signer1","delegateeId":null,"sessionFields":{"a":"b"},"value":"TOKEN"}`},
		"signer/singleUse": {`{"packageId":"` + pkg + `","signerId":"role1"}`, "signerAuthenticationToken", `{"packageId":"` + pkg + `","signerId":"role1","delegateeId":null,"sessionFields":{},"value":"TOKEN"}`},
	} {
		a := s.Post("/api/authenticationTokens/"+path, c.body).Want(200)
		token := a.Text("value")
		if got := strings.Replace(string(a.Body), token, "TOKEN", 1); got != c.want || len(token) < 40 {
			t.Errorf("%s: %s", path, got)
		}
		first := s.exchange(c.parameter, token).Want(200)
		if got := string(first.Body); got != `{"sessionToken":"`+first.Text("sessionToken")+`"}` {
			t.Errorf("%s: %s", path, got)
		}
		again, want := s.exchange(c.parameter, token), 401
		if path == "signer/multiUse" {
			want = 200
		}
		if again.Want(want); want == 401 && again.Text("messageKey") != "error.unauthorised.sessionToken.invalid" {
			t.Errorf("%s: %s", path, again.Body)
		}
		s.in(first.Text("sessionToken")).Get("/api/packages/" + pkg).Want(200)
		s.as("Bearer " + first.Text("sessionToken")).Get("/api/packages/" + pkg).Want(401)
	}
	old := s.Post("/api/sessions?package="+url.QueryEscape(pkg)+"&signer=signer1", "").Want(200).Text("sessionToken")
	if who := s.in(old).Get("/api/session").Want(200); who.Text("user.email") != "sam@example.com" || who.Text("packages.0") != pkg || who.At("restricted") != true {
		t.Errorf("%s", who.Body)
	}
}

// HEAD, a prefetch and a refused target spend nothing; 16 exchanges at once give one session.
func testSingleUseOverHTTP(t *testing.T, s *stack) {
	pkg := s.solo("sam@example.com")
	token := s.Post("/api/authenticationTokens/signer/singleUse", signerBody(pkg)).Want(200).Text("value")
	path := "/auth?signerAuthenticationToken=" + token
	s.as("").Do(apitest.Call{Method: "HEAD", Path: path}) // 405, without a body
	for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "purpose": "preview", "X-Purpose": "Preview", "X-Moz": "prefetch"} {
		s.as("").Do(apitest.Call{Method: "GET", Path: path, Header: map[string]string{name: value}}).Want(503)
	}
	s.as("").Get(path + "&target=https://evil.example.com/").Want(400)
	var group sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 16 {
		group.Go(func() {
			resp, err := http.Get(s.URL + path)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			statuses[resp.StatusCode]++
			mu.Unlock()
		})
	}
	group.Wait()
	if statuses[200] != 1 || statuses[401] != 15 {
		t.Errorf("%v", statuses)
	}
}

// L11, L2, L4: a browser is sent to pages of this server only, with cookies, without the token, and into the ceremony.
func testL11Redirects(t *testing.T, s *stack) {
	pkg := s.solo("sam@example.com")
	token := s.Post("/api/authenticationTokens/signer/multiUse", signerBody(pkg)).Want(200).Text("value")
	open := func(target, accept string) apitest.Answer {
		return s.as("").Do(apitest.Call{Method: "GET", Path: "/auth?signerAuthenticationToken=" + token + "&target=" + url.QueryEscape(target), Header: map[string]string{"Accept": accept}})
	}
	for _, target := range []string{"https://evil.example.com/", "//evil.example.com/", "https://sign.example.com.evil.example.com/", "https://sign.example.com@evil.example.com/",
		"https://evil.example.com@sign.example.com/", "http://sign.example.com/", "https://sign.example.com:8443/", "javascript:alert(1)", "data:text/html,x", "/\\evil.example.com",
		"https:/\\evil.example.com", "\\\\evil.example.com", "/\t/evil.example.com", "https:evil.example.com", "evil.example.com/x", "../x", "?x", "https://sign.example.com", "/\r\nSet-Cookie: a=b", "https://"} {
		if a := open(target, "text/html").Want(400); a.Text("messageKey") != "error.validation.session.target" || len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%q: %s", target, a.Body)
		}
	}
	for target, want := range map[string]string{
		"https://sign.example.com/inbox?x=1":     "https://sign.example.com/inbox?x=1",
		"HTTPS://SIGN.example.com:443/inbox":     "https://sign.example.com/inbox",
		"/verify":                                "https://sign.example.com/verify",
		"///evil.example.com/":                   "https://sign.example.com///evil.example.com/",
		"https://sign.example.com//evil.example": "https://sign.example.com//evil.example",
		"/%0d%0aSet-Cookie:%20a=b":               "https://sign.example.com/%0d%0aSet-Cookie:%20a=b",
	} {
		if a := open(target, "*/*").Want(302); a.Header.Get("Location") != want || a.Header.Get("Referrer-Policy") != "no-referrer" || len(a.Header.Values("Set-Cookie")) != 2 {
			t.Errorf("%q: %v", target, a.Header)
		}
	}
	for _, target := range []string{"", "/", "https://sign.example.com/packages/" + pkg + "/sign", "/transaction/" + pkg + "/sign"} {
		a := open(target, "text/html,application/xhtml+xml").Want(302)
		handle, ok := strings.CutPrefix(a.Header.Get("Location"), "https://sign.example.com/sign/")
		cookies := a.Header.Values("Set-Cookie")
		if !ok || strings.Contains(a.Header.Get("Location"), token) || len(cookies) != 2 {
			t.Fatalf("%q: %v", target, a.Header)
		}
		api, page := cookies[0], cookies[1]
		if !strings.HasPrefix(api, sessionCookie+"=") || !strings.Contains(api, "; HttpOnly; Secure; SameSite=Strict") ||
			!strings.HasPrefix(page, signing.BrowserCookie+"=") || !strings.Contains(page, "; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("cookies %q", cookies)
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(page, signing.BrowserCookie+"="), ";")
		v := signing.Visit{Handle: handle, Browser: value}
		ceremony, err := s.signing.Ceremony(t.Context(), v)
		if err != nil || ceremony.Me.Email != "sam@example.com" || ceremony.Me.Identified != "session made by the sender's application" {
			t.Errorf("%+v, %v", ceremony.Me, err)
		}
	}
	opened := 0
	for _, r := range s.trailOf(pkg) {
		if r.Type == "invitation.opened" {
			t.Error("T1: an address that was followed opened the invitation")
		}
		if r.Type == "session.opened" && r.Detail["by_client"] != "" && r.Origin.IP != "" {
			opened++
		}
	}
	if opened != 10 {
		t.Errorf("%d sessions in the trail", opened)
	}
}

// trailOf is a package's trail, as the core keeps it.
func (s *stack) trailOf(pkg string) []audit.Record {
	s.T.Helper()
	list, err := s.signing.Trail(s.T.Context(), authz.Principal{Account: s.account.ID}, pkg)
	if err != nil {
		s.T.Fatal(err)
	}
	return list
}

// L7: a foreign page writes nothing with the cookie; the same call of a program goes through.
func testL7CookieWrites(t *testing.T, s *stack) {
	c := s.userSession()
	write := func(header map[string]string) apitest.Answer {
		return c.Do(apitest.Call{Method: "POST", Path: "/api/groups", Body: []byte(`{"name":"` + strconv.Itoa(len(header)) + `"}`), Header: header})
	}
	write(nil).Want(200)
	for _, foreign := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com", "X": "1"}} {
		if key := write(foreign).Want(403).Text("messageKey"); key != "error.forbidden.origin.foreign" {
			t.Error(key)
		}
	}
	if count := s.Get("/api/groups").At("count"); count != 1.0 {
		t.Errorf("%v groups", count)
	}
}

// tokenRefusals are the ways to be refused by tokens and sessions, for errors.tsv.
var tokenRefusals = []refusal{
	{"client app with a wrong secret", func(s *stack) apitest.Answer {
		return s.clientApp(credentials{"nobody", "x"}, `"type":"OWNER"`)
	}},
	{"client app that is disabled", func(s *stack) apitest.Answer {
		c := s.credentials(authz.Sign)
		if err := s.authn.RevokeClient(s.T.Context(), c.id); err != nil {
			s.T.Fatal(err)
		}
		return s.clientApp(c, `"type":"OWNER"`)
	}},
	{"client app of no type", func(s *stack) apitest.Answer { return s.clientApp(s.credentials(authz.Sign), `"type":"ADMIN"`) }},
	{"client app as a sender without an address", func(s *stack) apitest.Answer { return s.clientApp(s.credentials(authz.Sign), `"type":"SENDER"`) }},
	{"client app as an unknown sender", func(s *stack) apitest.Answer {
		return s.clientApp(s.credentials(authz.Sign), `"type":"SENDER","email":"nobody@example.com"`)
	}},
	{"session token of no signer", func(s *stack) apitest.Answer {
		return s.Post("/api/authenticationTokens/signer/singleUse", `{"packageId":"x"}`)
	}},
	{"session token of an unknown package", func(s *stack) apitest.Answer {
		return s.Post("/api/authenticationTokens/sender", `{"packageId":"9sKhW-h-qS9m6Ho3zRv3n2a-rkI="}`)
	}},
	{"session token of a group without a member", func(s *stack) apitest.Answer {
		one := s.sent()
		return s.Post("/api/authenticationTokens/signer/singleUse", `{"packageId":"`+strings.TrimPrefix(one, "/api/packages/")+`","signerId":"`+seedRole+`"}`)
	}},
	{"session token of a stranger to the group", func(s *stack) apitest.Answer {
		one := s.sent()
		return s.Post("/api/authenticationTokens/signer/singleUse", `{"packageId":"`+strings.TrimPrefix(one, "/api/packages/")+`","signerId":"`+seedRole+`","delegateeId":"nobody"}`)
	}},
	{"session fields of 256 characters", func(s *stack) apitest.Answer {
		return s.Post("/api/authenticationTokens/signer/multiUse", `{"packageId":"`+s.solo("sam@example.com")+`","signerId":"signer1","sessionFields":{"a":"`+strings.Repeat("x", 256)+`"}}`)
	}},
	{"no session token", func(s *stack) apitest.Answer { return s.as("").Get("/auth") }},
	{"two session tokens", func(s *stack) apitest.Answer {
		return s.as("").Get("/auth?authenticationToken=a&signerAuthenticationToken=b")
	}},
	{"bad session token", func(s *stack) apitest.Answer { return s.exchange("authenticationToken", "x") }},
	{"foreign target", func(s *stack) apitest.Answer {
		return s.as("").Get("/auth?authenticationToken=a&target=//example.org/")
	}},
	{"session token fetched ahead", func(s *stack) apitest.Answer {
		return s.as("").Do(apitest.Call{Method: "GET", Path: "/auth?authenticationToken=a", Header: map[string]string{"Sec-Purpose": "prefetch"}})
	}},
	{"bad session", func(s *stack) apitest.Answer { return s.in("x").Get("/api/groups") }},
	{"session that makes a session", func(s *stack) apitest.Answer { return s.userSession().Post("/api/authenticationTokens/user", "") }},
	{"sender session elsewhere", func(s *stack) apitest.Answer {
		return s.senderSession(s.solo("sam@example.com")).Get("/api/groups")
	}},
	{"session written with by a foreign page", func(s *stack) apitest.Answer {
		return s.userSession().Do(apitest.Call{Method: "POST", Path: "/api/groups", Body: []byte(`{}`), Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	}},
}

// playAccess makes the golden samples of tokens and sessions.
func (s *stack) playAccess() {
	s.T.Helper()
	c, pkg := s.credentials(authz.Sign), s.solo("sam@example.com")
	s.Golden.Name("clientId", c.id)
	s.Golden.Name("clientSecret", c.secret)
	s.Golden.Name("signedPackage", pkg)
	s.Golden.Name("signedPackage", url.QueryEscape(pkg))
	s.as("").Do(apitest.Call{Route: "POST /oauth2/token", Method: "POST", Path: "/oauth2/token", Media: formMedia, Learn: map[string]string{"jwt": "access_token"},
		Body: []byte("grant_type=client_credentials&client_id=" + c.id + "&client_secret=" + c.secret)}).Want(200)
	app := s.as("")
	app.Check = func(call apitest.Call, a apitest.Answer) {
		neverNull(s.T, call, a)
		s.Golden.Name("epochMilliseconds", strconv.FormatFloat(a.At("expiresAt").(float64), 'f', 0, 64))
	}
	app.Do(apitest.Call{Route: "POST /apitoken/clientApp/accessToken", Method: "POST", Path: "/apitoken/clientApp/accessToken", Learn: map[string]string{"opaque": "accessToken"},
		Body: []byte(`{"clientId":"` + c.id + `","secret":"` + c.secret + `","type":"OWNER"}`)}).Want(200)
	s.sample("POST /authenticationTokens/user", "POST", "/api/cs-authenticationTokens/user", "", "userToken", "value").Want(200)
	s.sample("POST /authenticationTokens/sender", "POST", "/api/cs-authenticationTokens/sender", `{"packageId":"`+pkg+`","value":""}`, "senderToken", "value").Want(200)
	body := `{"packageId":"` + pkg + `","signerId":"signer1","delegateeId":null,"sessionFields":{},"value":""}`
	s.sample("POST /authenticationTokens/signer/multiUse", "POST", "/api/cs-authenticationTokens/signer/multiUse", body, "multiUseToken", "value").Want(200)
	token := s.sample("POST /authenticationTokens/signer/singleUse", "POST", "/api/cs-authenticationTokens/signer/singleUse", body, "singleUseToken", "value").Want(200).Text("value")
	s.as("").Do(apitest.Call{Route: "GET /auth", Method: "GET", Path: "/auth?signerAuthenticationToken=" + token, Learn: map[string]string{"sessionToken": "sessionToken"}}).Want(200)
	s.sample("POST /sessions", "POST", "/api/sessions?package="+url.QueryEscape(pkg)+"&signer=signer1", "", "secondSession", "sessionToken").Want(200)
	s.sample("GET /session", "GET", "/api/cs-session", "").Want(200)
	s.sample("GET /sysinfo", "GET", "/api/sysinfo", "").Want(200)
}
