package authn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/outward"
)

const (
	opClient = "countersign"
	opSecret = "client secret / with % signs"
)

// op is an OpenID provider: discovery, keys, and a token endpoint that checks the client, the code, the redirect URI and
// the proof key. Whoever is sent to it is signed in as claims say.
type op struct {
	t      *testing.T
	server *httptest.Server
	key    *rsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any
	forge  func(payload map[string]any) (token string) // nil: signed as it should be
	extra  map[string]any                              // of discovery
	codes  map[string]url.Values                       // the authorization request by its code
	asked  atomic.Int32                                // calls of the token endpoint
}

var opKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return keys
})

func newOP(t *testing.T) *op {
	o := &op{t: t, key: opKeys()[0], codes: map[string]url.Values{}, extra: map[string]any{}}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", o.discovery)
	routes.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		o.answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: o.key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	})
	routes.HandleFunc("POST /token", o.token)
	o.server = httptest.NewServer(routes)
	t.Cleanup(o.server.Close)
	o.is("sub-1", "ann@example.com", true)
	return o
}

// is says who is signed in at the provider.
func (o *op) is(subject, email string, verified any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claims, o.forge = map[string]any{"sub": subject, "email": email, "email_verified": verified}, nil
}

func (o *op) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (o *op) discovery(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	config := map[string]any{"issuer": o.server.URL, "authorization_endpoint": o.server.URL + "/authorize", "token_endpoint": o.server.URL + "/token",
		"jwks_uri": o.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "none", "HS256"}}
	maps.Copy(config, o.extra)
	o.answer(w, http.StatusOK, config)
}

// authorize is what a browser does at the provider: it checks the request as a provider would, and comes back with an answer.
func (o *op) authorize(address string) OIDCAnswer {
	o.t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, o.server.URL+"/authorize?") {
		o.t.Fatalf("sent to %q, %v", address, err)
	}
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": opClient, "redirect_uri": issuer + "/console/sign-in/provider",
		"code_challenge_method": "S256", "scope": "openid email profile"} {
		if q.Get(name) != want {
			o.t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 || len(q.Get("code_challenge")) != 43 || strings.Contains(address, "secret") {
		o.t.Errorf("sent to %q", address)
	}
	code := rand.Text()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.codes[code] = q
	return OIDCAnswer{State: q.Get("state"), Code: code}
}

func (o *op) token(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	id, _ = url.QueryUnescape(id) // RFC 6749 §2.3.1
	secret, _ = url.QueryUnescape(secret)
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	asked := o.codes[r.PostFormValue("code")]
	delete(o.codes, r.PostFormValue("code"))
	proof := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if id != opClient || secret != opSecret || asked == nil || r.PostFormValue("grant_type") != "authorization_code" ||
		r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(proof[:]) {
		o.answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	payload := map[string]any{"iss": o.server.URL, "aud": opClient, "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	maps.Copy(payload, o.claims)
	answer := map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 300}
	if o.forge == nil {
		answer["id_token"] = o.sign(jose.RS256, o.key, payload)
	} else if token := o.forge(payload); token != "" {
		answer["id_token"] = token
	}
	o.answer(w, http.StatusOK, answer)
}

func (o *op) sign(alg jose.SignatureAlgorithm, key any, payload map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "one"))
	if err != nil {
		o.t.Error(err)
		return ""
	}
	text, _ := json.Marshal(payload)
	signed, err := s.Sign(text)
	if err != nil {
		o.t.Error(err)
		return ""
	}
	compact, _ := signed.CompactSerialize()
	return compact
}

// federated is a house whose organisation's people sign in at a provider.
func federated(t *testing.T, d *dbtest.DB) (*house, *op) {
	h, o := build(t, d), newOP(t)
	var err error
	if h.gate, err = outward.New("provider.address", []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	o.server.URL = strings.Replace(o.server.URL, "127.0.0.1", "localhost", 1)
	h.provided("Example Ltd", o)
	if _, err := h.dir.VouchDomain(bg, "Example Ltd", "example.com"); err != nil {
		t.Fatal(err)
	}
	return h, o
}

func (h *house) provided(organisation string, o *op) {
	h.t.Helper()
	if err := h.SetIdentityProvider(bg, organisation, o.server.URL, opClient, opSecret); err != nil {
		h.t.Fatal(err)
	}
}

// through signs a browser in at the provider.
func (h *house) through(o *op) (Entered, error) {
	h.t.Helper()
	address, browser, err := h.BeginOIDC(from("192.0.2.7"), "Example Ltd", "", "/console/users")
	if err != nil {
		h.t.Fatal(err)
	}
	return h.FinishOIDC(from("192.0.2.7"), o.authorize(address), browser)
}

func TestOIDCSignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		ann := h.active("ann@example.com", "Ann Doe")
		if name, err := h.ProviderFor(bg, "Anybody@Example.com"); err != nil || name != "Example Ltd" {
			t.Errorf("%q, %v", name, err)
		}
		e, err := h.through(o)
		if err != nil || e.Cookie == "" || e.ReturnTo != "/console/users" {
			t.Fatalf("%+v, %v", e, err)
		}
		p, s := h.console(e.Cookie)
		if p.User != ann.ID || s.How != HowOIDC || s.IP != "192.0.2.7" || h.user(ann.ID).LastLogin.IsZero() {
			t.Errorf("%+v %+v", p, s)
		}
		// From now on it is issuer and subject that count, whatever the provider says of the address.
		bob := h.active("bob@example.com", "Bob Doe")
		for _, c := range []struct {
			email    string
			verified any
		}{{"bob@example.com", true}, {"", false}, {"elsewhere@example.org", false}} {
			o.is("sub-1", c.email, c.verified)
			if e, err = h.through(o); err != nil {
				t.Fatal(err)
			}
			if p, _ := h.console(e.Cookie); p.User != ann.ID || p.User == bob.ID {
				t.Errorf("%+v: %+v", c, p)
			}
		}
		if err := h.deactivate(ann); err != nil {
			t.Fatal(err)
		}
		_, err = h.through(o)
		refused(t, err, errs.Denied, "provider.unlinked")
	})
}

// Whom a provider may speak for the first time.
func TestOIDCLinksOnlyItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		h.active("ann@example.com", "Ann Doe")
		h.active("sub@mail.example.com", "Sub Doe")
		h.active("out@example.org", "Out Doe")
		h.active("two@example.com", "Two Doe")
		h.staff("two@example.com", directory.PartnerAdmin, "Example Ltd")
		h.staff("root@example.com", directory.Operator, "")
		other, err := h.dir.CreateAccount(bg, directory.NewAccount{Name: "Other Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = h.dir.InviteSender(bg, authz.Principal{Account: other.ID, Rights: byCommand.Rights}, directory.NewUser{Email: "next@example.com", FirstName: "Next"}); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			email    string
			verified any
		}{
			"not verified":             {"ann@example.com", false},
			"verified, by word":        {"ann@example.com", "true"},
			"not said":                 {"ann@example.com", nil},
			"nobody":                   {"nobody@example.com", true},
			"no address":               {"", true},
			"malformed":                {"ann@@example.com", true},
			"a domain below":           {"sub@mail.example.com", true},
			"another's domain":         {"out@example.org", true},
			"two people":               {"two@example.com", true},
			"an operator":              {"root@example.com", true},
			"a user of next door":      {"next@example.com", true},
			"a homograph of a letter":  {"\u0430nn@example.com", true},
			"with something before it": {"evil@example.org ann@example.com", true},
		} {
			o.is("sub of "+name, c.email, c.verified)
			e, err := h.through(o)
			if !errs.Is(err, "provider.unlinked") || e.Cookie != "" {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		o.is("sub of ann", " Ann@EXAMPLE.com", true)
		if _, err = h.through(o); err != nil {
			t.Errorf("ann: %v", err)
		}
	})
}

// One provider for two organisations: each sees its own people.
func TestOIDCOneSubjectInTwoOrganisations(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		ann := h.active("ann@example.com", "Ann Doe")
		if _, err := h.through(o); err != nil {
			t.Fatal(err)
		}
		if _, err := h.dir.CreateAccount(bg, directory.NewAccount{Name: "Other Ltd"}); err != nil {
			t.Fatal(err)
		}
		h.provided("Other Ltd", o)
		address, browser, err := h.BeginOIDC(bg, "Other Ltd", "", "")
		if err != nil {
			t.Fatal(err)
		}
		e, err := h.FinishOIDC(bg, o.authorize(address), browser)
		if !errs.Is(err, "provider.unlinked") {
			t.Errorf("%s came in as one of Other Ltd: %+v, %v", ann.Email, e, err)
		}
	})
}

// L7: an answer is taken once, from the browser that began, and in time.
func TestL7OIDCStateIsTheBrowsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		h.active("ann@example.com", "Ann Doe")
		address, mine, err := h.BeginOIDC(bg, "Example Ltd", "", "")
		if err != nil {
			t.Fatal(err)
		}
		_, evil, err := h.BeginOIDC(bg, "Example Ltd", "", "")
		if err != nil || evil == mine {
			t.Fatal(err)
		}
		if _, same, err := h.BeginOIDC(bg, "Example Ltd", mine, ""); err != nil || same != mine {
			t.Errorf("%q, %v", same, err)
		}
		answer := o.authorize(address)
		unknown := answer
		unknown.State = strings.Repeat("A", 43)
		for name, c := range map[string]struct {
			in      OIDCAnswer
			browser string
		}{"another browser": {answer, evil}, "no browser": {answer, ""}, "no state": {OIDCAnswer{Code: answer.Code}, mine}, "another state": {unknown, mine},
			"NUL": {OIDCAnswer{State: "\x00", Code: "x"}, mine}, "long": {OIDCAnswer{State: strings.Repeat("x", 1000)}, mine}} {
			if _, err := h.FinishOIDC(bg, c.in, c.browser); !errs.Is(err, "provider.attempt") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if o.asked.Load() != 0 {
			t.Error("a code was sent for a forged answer")
		}
		var wait sync.WaitGroup
		var in atomic.Int32
		for range 8 {
			wait.Go(func() {
				if _, err := h.FinishOIDC(bg, answer, mine); err == nil {
					in.Add(1)
				} else if !errs.Is(err, "provider.attempt") {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if in.Load() != 1 || o.asked.Load() != 1 {
			t.Errorf("taken %d times, asked %d times", in.Load(), o.asked.Load())
		}
		address, mine, err = h.BeginOIDC(bg, "Example Ltd", "", "")
		if err != nil {
			t.Fatal(err)
		}
		late := o.authorize(address)
		d.Shift(10 * time.Minute)
		_, err = h.FinishOIDC(bg, late, mine)
		refused(t, err, errs.Unauthenticated, "provider.attempt")
	})
}

// A provider's answer that is not to be believed signs nobody in.
func TestOIDCForgedTokens(t *testing.T) {
	d := dbtest.SQLite(t)
	h, o := federated(t, d)
	h.active("ann@example.com", "Ann Doe")
	with := func(change map[string]any) func(map[string]any) string {
		return func(p map[string]any) string {
			for k, v := range change {
				if p[k] = v; v == nil {
					delete(p, k)
				}
			}
			return o.sign(jose.RS256, o.key, p)
		}
	}
	unsecured := func(header string) func(map[string]any) string {
		return func(p map[string]any) string {
			text, _ := json.Marshal(p)
			b64 := base64.RawURLEncoding.EncodeToString
			return b64([]byte(header)) + "." + b64(text) + "."
		}
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for name, forge := range map[string]func(map[string]any) string{
		"another audience":          with(map[string]any{"aud": "another"}),
		"no audience":               with(map[string]any{"aud": nil}),
		"two audiences without azp": with(map[string]any{"aud": []string{opClient, "another"}}),
		"azp of another":            with(map[string]any{"aud": []string{opClient, "another"}, "azp": "another"}),
		"azp of another, one aud":   with(map[string]any{"azp": "another"}),
		"another issuer":            with(map[string]any{"iss": "https://evil.example.com"}),
		"an issuer with a slash":    with(map[string]any{"iss": o.server.URL + "/"}),
		"no issuer":                 with(map[string]any{"iss": nil}),
		"another nonce":             with(map[string]any{"nonce": strings.Repeat("A", 43)}),
		"no nonce":                  with(map[string]any{"nonce": nil}),
		"expired":                   with(map[string]any{"exp": now - 1}),
		"no expiry":                 with(map[string]any{"exp": nil}),
		"of the future":             with(map[string]any{"iat": now + 600, "exp": now + 900}),
		"never issued":              with(map[string]any{"iat": nil}),
		"not yet good":              with(map[string]any{"nbf": now + 3600}),
		"no subject":                with(map[string]any{"sub": nil}),
		"a long subject":            with(map[string]any{"sub": strings.Repeat("x", 256)}),
		"a subject with NUL":        with(map[string]any{"sub": "a\x00"}),
		"alg none":                  unsecured(`{"alg":"none"}`),
		"alg None":                  unsecured(`{"alg":"None","kid":"one"}`),
		"no alg":                    unsecured(`{}`),
		"another key":               func(p map[string]any) string { return o.sign(jose.RS256, opKeys()[1], p) },
		"another kind of key":       func(p map[string]any) string { return o.sign(jose.ES256, ec, p) },
		"HS256 by the secret":       func(p map[string]any) string { return o.sign(jose.HS256, []byte(strings.Repeat(opSecret, 2)), p) },
		"HS256 by the public key":   func(p map[string]any) string { return o.sign(jose.HS256, o.key.N.Bytes(), p) },
		"cut off":                   func(p map[string]any) string { s := o.sign(jose.RS256, o.key, p); return s[:len(s)-4] },
		"changed":                   func(p map[string]any) string { return "A" + o.sign(jose.RS256, o.key, p) },
		"none at all":               func(map[string]any) string { return "" },
		"no JWT":                    func(map[string]any) string { return "x" },
		"very long":                 func(map[string]any) string { return strings.Repeat("x", 100_000) },
	} {
		o.is("sub-1", "ann@example.com", true)
		o.forge = forge
		e, err := h.through(o)
		if !errs.Is(err, "provider.answer") || e.Cookie != "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	o.is("sub-1", "ann@example.com", true)
	o.forge = with(map[string]any{"aud": []string{opClient, "another"}, "azp": opClient})
	if _, err := h.through(o); err != nil {
		t.Errorf("a good one with two audiences: %v", err)
	}
	var sessions int
	h.write(func(tx *db.Tx) (err error) {
		sessions, err = db.One[int](tx, `select count(*) from console_sessions`)
		return err
	})
	if recorded := len(h.told("console.provider_refused")); sessions != 1 || recorded < 25 {
		t.Errorf("%d sessions, %d refusals on record", sessions, recorded)
	}
}

// Codes that are another's, and providers that are mixed up (RFC 9700 §4.4, RFC 9207).
func TestOIDCCodes(t *testing.T) {
	d := dbtest.SQLite(t)
	h, o := federated(t, d)
	h.active("ann@example.com", "Ann Doe")
	begin := func() (OIDCAnswer, string) {
		address, browser, err := h.BeginOIDC(bg, "Example Ltd", "", "")
		if err != nil {
			t.Fatal(err)
		}
		return o.authorize(address), browser
	}
	for name, change := range map[string]func(in *OIDCAnswer){
		"no code":            func(in *OIDCAnswer) { in.Code = "" },
		"an unknown code":    func(in *OIDCAnswer) { in.Code = "x" },
		"an error":           func(in *OIDCAnswer) { in.Error = "access_denied" },
		"another provider":   func(in *OIDCAnswer) { in.Issuer = "https://evil.example.com" },
		"another's code":     func(in *OIDCAnswer) { evil, _ := begin(); in.Code = evil.Code }, // its proof key is another
		"a code used before": func(in *OIDCAnswer) { o.mu.Lock(); delete(o.codes, in.Code); o.mu.Unlock() },
	} {
		in, browser := begin()
		change(&in)
		if _, err := h.FinishOIDC(bg, in, browser); !errs.Is(err, "provider.answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
	in, browser := begin()
	in.Issuer = o.server.URL
	if _, err := h.FinishOIDC(bg, in, browser); err != nil {
		t.Errorf("named: %v", err)
	}
	o.extra = map[string]any{"authorization_response_iss_parameter_supported": true, "token_endpoint_auth_methods_supported": []string{"client_secret_post"}}
	h.provided("Example Ltd", o)
	in, browser = begin()
	_, err := h.FinishOIDC(bg, in, browser)
	refused(t, err, errs.Unauthenticated, "provider.answer") // it would have named itself
	in, browser = begin()
	in.Issuer = o.server.URL
	if _, err := h.FinishOIDC(bg, in, browser); err != nil {
		t.Errorf("with the secret in the form: %v", err)
	}
}

func TestIdentityProviderSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		list, err := h.IdentityProviders(bg)
		if err != nil || len(list) != 1 || list[0].Organisation != "Example Ltd" || list[0].Issuer != o.server.URL || !list[0].Enabled {
			t.Errorf("%+v, %v", list, err)
		}
		var kept []byte
		h.write(func(tx *db.Tx) (err error) {
			kept, err = db.One[[]byte](tx, `select secret from identity_providers`)
			return err
		})
		if strings.Contains(string(kept), opSecret) {
			t.Error("the secret is kept as it is")
		}
		address, browser, err := h.BeginOIDC(bg, "Example Ltd", "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err = h.EndIdentityProvider(bg, "Example Ltd"); err != nil {
			t.Fatal(err)
		}
		_, err = h.FinishOIDC(bg, o.authorize(address), browser)
		refused(t, err, errs.Unauthenticated, "provider.attempt")
		_, _, err = h.BeginOIDC(bg, "Example Ltd", "", "")
		refused(t, err, errs.NotFound, "provider.unknown")
		for _, email := range []string{"ann@example.com", "ann@example.org"} {
			if name, err := h.ProviderFor(bg, email); err != nil || name != "" {
				t.Errorf("%q, %v", name, err)
			}
		}
		_, _, err = h.BeginOIDC(bg, "Nobody Ltd", "", "")
		refused(t, err, errs.NotFound, "organisation.unknown")
		refused(t, h.SetIdentityProvider(bg, "Nobody Ltd", o.server.URL, "x", ""), errs.NotFound, "organisation.unknown")
		refused(t, h.SetIdentityProvider(bg, "Example Ltd", o.server.URL, "", ""), errs.Invalid, "provider.client")
		for _, bad := range []string{"", "localhost", "http://op.example.com", "https://user@op.example.com", "https://op.example.com?x", "https://op.example.com#x", "file:///etc/passwd", "https://"} {
			refused(t, h.SetIdentityProvider(bg, "Example Ltd", bad, "x", ""), errs.Invalid, "provider.issuer")
		}
	})
}

// W1: a provider inside is called only if the operator allows it, also when it only points there; and it is not believed to be another.
func TestW1IdentityProviders(t *testing.T) {
	d := dbtest.SQLite(t)
	h, o := build(t, d), newOP(t)
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a provider inside was called") }))
	t.Cleanup(inside.Close)
	for _, issuer := range []string{inside.URL, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1), "https://[::1]:8443", "https://169.254.169.254", "https://10.0.0.1"} {
		refused(t, h.SetIdentityProvider(bg, "Example Ltd", issuer, "x", ""), errs.Unavailable, "provider.unavailable")
	}
	h.gate, _ = outward.New("provider.address", []string{"localhost"})
	o.server.URL = strings.Replace(o.server.URL, "127.0.0.1", "localhost", 1)
	for name, extra := range map[string]map[string]any{
		"another issuer":          {"issuer": "https://evil.example.com"},
		"a script as endpoint":    {"authorization_endpoint": "javascript:alert(1)"},
		"plain HTTP for the code": {"token_endpoint": "http://op.example.com/token"},
		"a very long answer":      {"x": strings.Repeat("x", providerAnswers)},
	} {
		o.extra = extra
		if err := h.SetIdentityProvider(bg, "Example Ltd", o.server.URL, "x", ""); !errs.Is(err, "provider.unavailable") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.extra = nil
	away := httptest.NewServer(http.RedirectHandler(o.server.URL+"/.well-known/openid-configuration", http.StatusFound))
	t.Cleanup(away.Close)
	refused(t, h.SetIdentityProvider(bg, "Example Ltd", strings.Replace(away.URL, "127.0.0.1", "localhost", 1), "x", ""), errs.Unavailable, "provider.unavailable")
	if err := h.SetIdentityProvider(bg, "Example Ltd", o.server.URL, "x", ""); err != nil {
		t.Error(err)
	}
}
