package authn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func TestExchange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		bob := v.user("bob@partnerdomain.com")
		token, err := v.Exchange(t.Context(), v.request("Bob@PartnerDomain.com", "widget_read", "openid", "widget_read"))
		if err != nil {
			t.Fatal(err)
		}
		if token.ExpiresIn != 5*time.Minute || !slices.Equal(token.Scopes, []string{"widget_read", "openid"}) {
			t.Errorf("%s for %q", token.ExpiresIn, token.Scopes)
		}
		p, err := v.Authenticate(t.Context(), token.Access)
		want := authz.Principal{Kind: authz.Delegated, Client: v.tech.ClientID, Credential: v.tech.ClientID, Organisation: v.tech.Organisation, Partner: v.partner.ID,
			Account: v.account.ID, User: bob.ID, Rights: []authz.Right{"widget_read", "openid"}}
		if err != nil || fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("principal %+v, %v", p, err)
		}
		if told := v.told("token.exchanged"); len(told) != 1 || !strings.Contains(told[0], bob.ID) || !strings.Contains(told[0], v.account.ID) ||
			!strings.Contains(told[0], "widget_read openid") || !strings.Contains(told[0], v.tech.ClientID) {
			t.Errorf("told %q", told)
		}
		v.later(4*time.Minute + 59*time.Second)
		if _, err = v.Authenticate(t.Context(), token.Access); err != nil {
			t.Error(err)
		}
		v.later(time.Second)
		_, err = v.Authenticate(t.Context(), token.Access)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}

// told are the audit events of a type, as JSON.
func (h *house) told(event string) (list []string) {
	h.t.Helper()
	if err := h.d.Read(h.t.Context(), func(tx *db.Tx) error {
		for leaf, err := range db.Rows[[]byte](tx, `select canonical from audit_events order by id`) {
			if err != nil {
				return err
			}
			if strings.Contains(string(leaf), `"type":"`+event+`"`) {
				list = append(list, string(leaf))
			}
		}
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	return list
}

// The claims are the vendor's, with the standard ones, and no others.
func TestClaimsOfEmbedTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	for _, alg := range []string{EdDSA, RS256} {
		v := h.vendor(alg)
		ann := v.user("ann.claims@partnerdomain.com")
		for kind, c := range map[string]struct {
			token, claims string
			want          map[string]any
			life          int64
		}{
			"technical": {v.actor("openid", "sign_user_read"), "aa_id as aud client_id created_at exp expires_in iat id iss jti nbf scope sub type user_id", map[string]any{
				"type": "access_token", "client_id": v.tech.ClientID, "user_id": v.tech.ID, "expires_in": "86400000", "scope": "openid,sign_user_read",
				"iss": "oem-prod", "aud": "OEM PARTNERS", "sub": v.tech.ClientID}, 86400},
			"user": {v.userToken("ann.claims@partnerdomain.com"), "aud client_id exp expires_in ext_id iat id iss jti nbf scope sub type user_id", map[string]any{
				"type": "access_token", "client_id": v.tech.ClientID, "user_id": ann.SenderID, "sub": ann.SenderID, "expires_in": 300.0,
				"scope": "agreement_read,sign_user_read", "iss": "oem-prod", "aud": "OEM PARTNERS"}, 300},
		} {
			set, err := h.JWKS(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var keys jose.JSONWebKeySet
			var got map[string]any
			token, err := jwt.ParseSigned(c.token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err == nil {
				err = json.Unmarshal(set, &keys)
			}
			if err == nil {
				err = token.Claims(keys, &got)
			}
			if err != nil || len(keys.Keys) != 1 && alg == EdDSA || len(keys.Keys) != 2 && alg == RS256 {
				t.Fatalf("%s %s: %d keys, %v", alg, kind, len(keys.Keys), err)
			}
			names := []string{}
			for name := range got {
				names = append(names, name)
			}
			slices.Sort(names)
			if s := strings.Join(names, " "); s != c.claims {
				t.Errorf("%s %s has claims %s", alg, kind, s)
			}
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s %s: %s is %v, want %v", alg, kind, name, got[name], want)
				}
			}
			if got["id"] != got["jti"] || !guid.MatchString(got["id"].(string)) || got["nbf"] != got["iat"] ||
				got["exp"].(float64)-got["iat"].(float64) != float64(c.life) {
				t.Errorf("%s %s: %v", alg, kind, got)
			}
			if token.Headers[0].ExtraHeaders["typ"] != "at+jwt" || len(c.token) > maxToken {
				t.Errorf("%s %s: header %v, %d bytes", alg, kind, token.Headers[0], len(c.token))
			}
		}
	}
}

func TestLabelsOfEmbedTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	v := h.vendor(EdDSA)
	a, err := New(t.Context(), h.d.DB, box(t), h.post, issuer, quiet(), WithEmbed(Embed{Issuer: "house", Audience: "guests"}))
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.TechnicalToken(t.Context(), v.tech.ClientID, v.tech.ClientSecret, nil)
	if err != nil || len(token.Scopes) != 26 {
		t.Fatal(token.Scopes, err)
	}
	if _, err = a.Authenticate(t.Context(), token.Access); err != nil {
		t.Error(err)
	}
	_, err = h.Authenticate(t.Context(), token.Access)
	refused(t, err, errs.Unauthenticated, "token.invalid")
	in, err := a.Inspect(t.Context(), v.tech.ClientID, v.tech.ClientSecret, token.Access)
	if err != nil || in.Claims["iss"] != "house" || in.Claims["aud"] != "guests" {
		t.Errorf("%+v, %v", in, err)
	}
}

// T2: the subject token proves nothing, so everything else must.
func TestT2Exchange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		defer running(h.Authn)()
		a, b := h.vendor(EdDSA), h.vendor(RS256)
		b.user("bob@partnerdomain.com")
		gone := a.user("gone@partnerdomain.com")
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, gone.ID); return err })
		bare := &vendor{house: h, tech: h.technical(EdDSA)}
		sleeping := &vendor{house: h, tech: h.technical(EdDSA)}
		sleeping.register(directory.PartnerInactive)
		member, memberSecret, _ := h.client(authz.Sign)
		disabled := &vendor{house: h, tech: h.technical(EdDSA)}
		dead := disabled.actor()
		if err := h.RevokeClient(t.Context(), disabled.tech.ClientID); err != nil {
			t.Fatal(err)
		}
		old := a.actor()
		a.later(24*time.Hour - time.Second) // the other tokens are made now
		fresh := a.actor()
		a.later(time.Second)
		cells := 0
		for _, c := range []struct {
			name   string
			change func(r *ExchangeRequest)
			kind   errs.Kind
			what   string
		}{
			{"secret missing", func(r *ExchangeRequest) { r.ClientSecret = "" }, errs.Unauthenticated, "client.credentials"},
			{"secret wrong", func(r *ExchangeRequest) { r.ClientSecret = b.tech.ClientSecret }, errs.Unauthenticated, "client.credentials"},
			{"client unknown", func(r *ExchangeRequest) { r.ClientID = "\x00" }, errs.Unauthenticated, "client.credentials"},
			{"client of a member", func(r *ExchangeRequest) { r.ClientID, r.ClientSecret = member, memberSecret }, errs.Unauthenticated, "client.credentials"},
			{"client revoked", func(r *ExchangeRequest) {
				r.ClientID, r.ClientSecret, r.ActorToken = disabled.tech.ClientID, disabled.tech.ClientSecret, dead
			}, errs.Unauthenticated, "client.credentials"},
			{"forged subject without actor", func(r *ExchangeRequest) { r.ActorToken = "" }, errs.Unauthenticated, "actor.invalid"},
			{"subject as actor", func(r *ExchangeRequest) { r.ActorToken = r.SubjectToken }, errs.Unauthenticated, "actor.invalid"},
			{"expired actor", func(r *ExchangeRequest) { r.ActorToken = old }, errs.Unauthenticated, "actor.invalid"},
			{"actor of another client", func(r *ExchangeRequest) { r.ActorToken = b.actor() }, errs.Unauthenticated, "actor.invalid"},
			{"actor of a revoked client", func(r *ExchangeRequest) { r.ActorToken = dead }, errs.Unauthenticated, "actor.invalid"},
			{"user token as actor", func(r *ExchangeRequest) { r.ActorToken = a.userToken("ann@partnerdomain.com") }, errs.Unauthenticated, "actor.invalid"},
			{"member's token as actor", func(r *ExchangeRequest) { r.ActorToken = h.token(member, memberSecret) }, errs.Unauthenticated, "actor.invalid"},
			{"actor without the scope", func(r *ExchangeRequest) { r.ActorToken = a.actor("agreement_read", "sign_user_read") }, errs.Denied, "right.missing"},
			{"the scope alone", func(r *ExchangeRequest) { r.ActorToken = a.actor("sign_oem_user_impersonate") }, errs.Invalid, "scope.unknown"},
			{"no partner", func(r *ExchangeRequest) { *r = bare.request("ann@partnerdomain.com") }, errs.Denied, "partner.inactive"},
			{"inactive partner", func(r *ExchangeRequest) { *r = sleeping.request("ann@partnerdomain.com") }, errs.Denied, "partner.inactive"},
			{"inactive partner before scopes", func(r *ExchangeRequest) { *r = sleeping.request("", "nonsense") }, errs.Denied, "partner.inactive"},
			{"no scope before no partner", func(r *ExchangeRequest) { *r = bare.request(""); r.ActorToken = bare.actor("openid") }, errs.Denied, "right.missing"},
			{"scopes before subject", func(r *ExchangeRequest) { r.Scopes, r.SubjectToken = nil, "" }, errs.Invalid, "scope.unknown"},
			{"subject missing", func(r *ExchangeRequest) { r.SubjectToken = "" }, errs.Invalid, "subject.malformed"},
			{"subject an access token", func(r *ExchangeRequest) { r.SubjectToken = r.ActorToken }, errs.Invalid, "subject.malformed"},
			{"user of another partner", func(r *ExchangeRequest) { r.SubjectToken = unsecured(`{"email":"bob@partnerdomain.com"}`) }, errs.Denied, "subject.unknown"},
			{"user of the operator's account", func(r *ExchangeRequest) { r.SubjectToken = unsecured(`{"email":"` + h.outsider() + `"}`) }, errs.Denied, "subject.unknown"},
			{"user deactivated", func(r *ExchangeRequest) { r.SubjectToken = unsecured(`{"email":"gone@partnerdomain.com"}`) }, errs.Denied, "subject.unknown"},
			{"user unknown", func(r *ExchangeRequest) { r.SubjectToken = unsecured(`{"email":"nobody@partnerdomain.com"}`) }, errs.Denied, "subject.unknown"},
		} {
			r := a.request("ann@partnerdomain.com")
			r.ActorToken = fresh
			if _, err := a.Exchange(t.Context(), r); err != nil {
				t.Fatalf("the good request: %v", err)
			}
			c.change(&r)
			before := len(h.told("token.exchange_refused"))
			token, err := a.Exchange(t.Context(), r)
			t.Run(c.name, func(t *testing.T) { refused(t, err, c.kind, c.what) })
			if token.Access != "" {
				t.Errorf("%s: a token", c.name)
			}
			recorded := len(h.told("token.exchange_refused")) - before
			if want := map[bool]int{true: 1}[c.kind == errs.Denied]; recorded != want {
				t.Errorf("%s: %d refusals recorded, want %d", c.name, recorded, want)
			}
			cells++
		}
		t.Logf("T2: %d cells", cells)
	})
}

// outsider makes a user of an account that is no partner's.
func (h *house) outsider() string {
	h.t.Helper()
	h.write(func(tx *db.Tx) error {
		_, err := directory.AddUser(tx, h.home.ID, directory.NewUser{Email: "outsider@partnerdomain.com"}, directory.Standing{Status: directory.Active})
		return err
	})
	return "outsider@partnerdomain.com"
}

// T3: nobody gets a scope that is not his.
func TestT3Scopes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		defer running(h.Authn)()
		v := h.vendor(EdDSA)
		bad := [][]string{{""}, {"openid", ""}, {" openid"}, {"OpenID"}, {"openid\x00"}, {"openid\n"}, {"\xff"}, {"openid,widget_read"}, {"sign"}, {"operator"}, {"*"}}
		cells := 0
		for _, scopes := range bad {
			_, err := v.TechnicalToken(t.Context(), v.tech.ClientID, v.tech.ClientSecret, scopes)
			refused(t, err, errs.Invalid, "scope.unknown")
			cells++
		}
		r := v.request("ann@partnerdomain.com")
		for _, blocked := range authz.PartnerScopes {
			bad = append(bad, []string{string(blocked)}, []string{"openid", string(blocked)})
		}
		for _, scopes := range append(bad, nil, []string{}) {
			r.Scopes = scopes
			_, err := v.Exchange(t.Context(), r)
			refused(t, err, errs.Invalid, "scope.unknown")
			cells++
		}
		r.ActorToken = v.actor("openid", "sign_oem_user_impersonate")
		r.Scopes = []string{"openid", "agreement_read"}
		_, err := v.Exchange(t.Context(), r)
		refused(t, err, errs.Invalid, "scope.unknown")
		r.Scopes = []string{"openid", "openid"}
		token, err := v.Exchange(t.Context(), r)
		if err != nil || !slices.Equal(token.Scopes, []string{"openid"}) || token.Scope != "openid" {
			t.Errorf("%q, %v", token.Scopes, err)
		}
		r.ActorToken, r.Scopes = v.actor(), nil
		for _, s := range slices.Backward(authz.UserScopes) {
			r.Scopes = append(r.Scopes, string(s))
		}
		token, err = v.Exchange(t.Context(), r)
		if err != nil || !slices.Equal(token.Scopes, r.Scopes) {
			t.Errorf("%q, %v", token.Scopes, err)
		}
		if p, err := v.Authenticate(t.Context(), token.Access); err != nil || len(p.Rights) != 21 || p.Has(authz.UserImpersonate) {
			t.Errorf("%q, %v", p.Rights, err)
		}
		t.Logf("T3: %d cells", cells+3)
	})
}

// T15: unknown, foreign and inactive users get one answer.
func TestT15SubjectsLookAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		defer running(h.Authn)()
		v, other := h.vendor(EdDSA), h.vendor(EdDSA)
		other.user("foreign@partnerdomain.com")
		gone := v.user("gone@partnerdomain.com")
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, gone.ID); return err })
		answers := map[string]bool{}
		fastest := map[string]time.Duration{}
		for range dbtest.Rounds(30, 300) {
			for _, email := range []string{"nobody@partnerdomain.com", "foreign@partnerdomain.com", "gone@partnerdomain.com"} {
				r := v.request(email)
				start := time.Now()
				_, err := v.Exchange(t.Context(), r)
				if took := time.Since(start); fastest[email] == 0 || took < fastest[email] {
					fastest[email] = took
				}
				answers[fmt.Sprint(err)] = true
			}
		}
		if len(answers) != 1 {
			t.Errorf("T15: %d answers: %v", len(answers), answers)
		}
		t.Logf("T15: the fastest of each: %v", fastest)
	})
}

// subjectEmail is the address that a subject token may name.
func (h *house) subjectEmail(token string, p directory.Delegation, clientSecret string, now time.Time) (string, error) {
	s, ok := readSubject(token)
	if !ok {
		return "", errs.New(errs.Invalid, "subject.malformed", "")
	}
	if doubt := h.doubts(s, p, clientSecret, now); doubt != nil {
		return "", errs.New(errs.Invalid, "subject.malformed", "").Because(doubt)
	}
	return s.email, nil
}

func TestSubjectForms(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	std, url := base64.StdEncoding, base64.RawURLEncoding
	none, hs := `{"alg":"none"}`, `{"alg":"HS256","typ":"JWT"}`
	claims := `{"email":"ann@partnerdomain.com","x":"???>>>~~~"}` // on which the two alphabets differ
	now := time.Now()
	text := func(alphabet *base64.Encoding, parts ...string) string {
		for i := range parts {
			parts[i] = alphabet.EncodeToString([]byte(parts[i]))
		}
		return strings.Join(parts, ".")
	}
	claim := func(payload string) string { return unsecured(payload) }
	mail := `"email":"ann@partnerdomain.com"`
	if text(std, claims) == text(base64.URLEncoding, claims) {
		t.Error("the alphabets do not differ")
	}
	good := map[string]string{
		"unsecured, 2 parts":          text(url, none, claims),
		"unsecured, 3 parts":          text(url, none, claims) + ".",
		"unsecured, padded":           text(std, none, claims),
		"unsecured, padded, 3 parts":  text(std, none, claims) + ".",
		"unsecured, unpadded std":     text(base64.RawStdEncoding, none, claims),
		"HS256, any signature":        text(url, hs, claims) + "." + b64([]byte("signature")),
		"HS256, no signature":         text(url, hs, claims) + ".",
		"user_email":                  claim(`{"user_email":"ann@partnerdomain.com"}`),
		"both":                        claim(`{` + mail + `,"user_email":"ANN@PartnerDomain.COM"}`),
		"expires later":               claim(fmt.Sprintf(`{%s,"exp":%d}`, mail, now.Unix()+60)),
		"expires with a fraction":     claim(fmt.Sprintf(`{%s,"exp":%d.5}`, mail, now.Unix()+60)),
		"began, a little ahead":       claim(fmt.Sprintf(`{%s,"nbf":%d}`, mail, now.Unix()+30)),
		"accountId and more, ignored": claim(`{"accountId":"x","aud":7,"iat":"x","nested":{"a":[1]},` + mail + `}`),
	}
	for name, token := range good {
		email, err := h.subjectEmail(token, directory.Delegation{}, "", now)
		if err != nil || !strings.HasSuffix(email, "@partnerdomain.com") {
			t.Errorf("%s: %q, %v", name, email, err)
		}
	}
	bad := map[string]string{
		"empty":              "",
		"one part":           text(url, none),
		"four parts":         text(url, none, claims, "", ""),
		"none, but signed":   text(url, none, claims, "signature"),
		"None":               text(url, `{"alg":"None"}`, claims),
		"HS256 of 2 parts":   text(url, hs, claims),
		"HS384":              text(url, `{"alg":"HS384"}`, claims, "x"),
		"RS256 without keys": text(url, `{"alg":"RS256"}`, claims, "x"),
		"alg missing":        text(url, `{}`, claims) + ".",
		"alg a number":       text(url, `{"alg":0}`, claims) + ".",
		"alg twice":          text(url, `{"alg":"none","alg":"none"}`, claims) + ".",
		"crit":               text(url, `{"alg":"none","crit":["x"]}`, claims) + ".",
		"header a list":      text(url, `["none"]`, claims) + ".",
		"not base64":         "!." + b64([]byte(claims)) + ".",
		"line break":         text(url, none) + ".\n" + b64([]byte(claims)) + ".",
		"too much padding":   text(url, none) + "=====." + b64([]byte(claims)) + ".",
		"no e-mail":          claim(`{"sub":"ann@partnerdomain.com"}`),
		"other case":         claim(`{"Email":"ann@partnerdomain.com"}`),
		"e-mail empty":       claim(`{"email":""}`),
		"e-mail no address":  claim(`{"email":"ann"}`),
		"e-mail null":        claim(`{"email":null}`),
		"e-mail a list":      claim(`{"email":["ann@partnerdomain.com"]}`),
		"e-mail an object":   claim(`{"email":{"value":"ann@partnerdomain.com"}}`),
		"e-mail twice":       claim(`{` + mail + `,` + mail + `}`),
		"e-mail by escape":   claim(`{` + mail + `,"\u0065mail":"bob@partnerdomain.com"}`),
		"at odds":            claim(`{` + mail + `,"user_email":"bob@partnerdomain.com"}`),
		"one null":           claim(`{` + mail + `,"user_email":null}`),
		"expired":            claim(fmt.Sprintf(`{%s,"exp":%d}`, mail, now.Unix()-1)),
		"expiring":           claim(fmt.Sprintf(`{%s,"exp":%d}`, mail, now.Unix())),
		"expiry text":        claim(`{` + mail + `,"exp":"9999999999"}`),
		"expiry null":        claim(`{` + mail + `,"exp":null}`),
		"expiry huge":        claim(`{` + mail + `,"exp":1e999}`),
		"begins later":       claim(fmt.Sprintf(`{%s,"nbf":%d}`, mail, now.Unix()+600)),
		"trailing data":      claim(`{` + mail + `}{}`),
		"payload a text":     claim(`"ann@partnerdomain.com"`),
		"bad UTF-8":          claim("{\"email\":\"a\xff@partnerdomain.com\"}"),
		"NUL":                claim(`{"email":"ann\u0000@partnerdomain.com"}`),
		"two addresses":      claim(`{"email":"ann@partnerdomain.com,bob@partnerdomain.com"}`),
		"more than 4 kB":     claim(`{` + mail + `,"x":"` + strings.Repeat("x", 4096) + `"}`),
		"nested without end": claim(`{` + mail + `,"x":` + strings.Repeat("[", 2000) + `}`),
	}
	for name, token := range bad {
		email, err := h.subjectEmail(token, directory.Delegation{}, "", now)
		if email != "" {
			t.Errorf("%s names %q", name, email)
		}
		refused(t, err, errs.Invalid, "subject.malformed")
	}
	t.Logf("T2: %d good and %d bad subject tokens", len(good), len(bad))
}

// signer makes subject tokens.
func signer(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string) func(claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(claims map[string]any) string {
		token, err := jwt.Signed(s).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

func TestStrictSubject(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	h.embed.TokenEndpoints = []string{issuer + "/token"}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const sec = "0123456789012345678901234567890123456789012"
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: []byte(sec + "registered"), KeyID: "mac"}, {Key: rsaKey.Public(), KeyID: "rsa"}, {Key: ecKey.Public(), KeyID: "ec", Algorithm: "ES256", Use: "sig"},
		{Key: stranger.Public(), KeyID: "enc", Use: "enc"}, {Key: rsaKey.Public(), KeyID: "pss", Algorithm: "PS256"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := directory.Delegation{RequireSignedSubjectToken: true, SubjectKeys: set}
	now := time.Now()
	claims := func(change ...any) map[string]any {
		c := map[string]any{"email": "ann@partnerdomain.com", "iat": now.Unix(), "exp": now.Unix() + 60, "aud": issuer}
		for i := 0; i < len(change); i += 2 {
			if c[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(c, change[i].(string))
			}
		}
		return c
	}
	hs := signer(t, jose.HS256, []byte(sec), "")
	rs, es := signer(t, jose.RS256, rsaKey, "rsa"), signer(t, jose.ES256, ecKey, "ec")
	good := map[string]string{
		"HS256": hs(claims()), "RS256": rs(claims()), "ES256": es(claims()),
		"RS256 without kid":   signer(t, jose.RS256, rsaKey, "")(claims()),
		"audience with slash": es(claims("aud", issuer+"/")), "token endpoint": es(claims("aud", issuer+"/token")),
		"audiences": es(claims("aud", []string{"https://other.example", issuer})),
	}
	for name, token := range good {
		if email, err := h.subjectEmail(token, p, sec, now); err != nil || email != "ann@partnerdomain.com" {
			t.Errorf("%s: %q, %v", name, email, err)
		}
	}
	head, _, _ := strings.Cut(es(claims()), ".")
	public, err := json.Marshal(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"unsecured":                 unsecured(`{"email":"ann@partnerdomain.com"}`),
		"HS256 of another secret":   signer(t, jose.HS256, []byte(sec+"x"), "")(claims()),
		"HS256 of a registered key": signer(t, jose.HS256, []byte(sec+"registered"), "mac")(claims()),
		"HS256 of the public key":   signer(t, jose.HS256, public, "rsa")(claims()),
		"HS512":                     signer(t, jose.HS512, []byte(sec+sec), "")(claims()),
		"ES256 of a stranger":       signer(t, jose.ES256, stranger, "ec")(claims()),
		"ES256 of a key for others": signer(t, jose.ES256, stranger, "enc")(claims()),
		"RS256 under the EC's kid":  signer(t, jose.RS256, rsaKey, "ec")(claims()),
		"RS256 under the PSS key":   signer(t, jose.RS256, rsaKey, "pss")(claims()),
		"PS256":                     signer(t, jose.PS256, rsaKey, "pss")(claims()),
		"kid unknown":               signer(t, jose.RS256, rsaKey, "x")(claims()),
		"signature of other claims": head + "." + b64([]byte(`{"email":"bob@partnerdomain.com"}`)) + "." + strings.Split(es(claims()), ".")[2],
		"exp missing":               es(claims("exp", nil)),
		"exp over":                  es(claims("exp", now.Unix())),
		"iat missing":               es(claims("iat", nil)),
		"iat later":                 es(claims("iat", now.Unix()+600)),
		"aud missing":               es(claims("aud", nil)),
		"aud another":               es(claims("aud", "https://other.example")),
		"aud as prefix":             es(claims("aud", issuer+".evil.example")),
		"aud a number":              es(claims("aud", 1)),
		"auds of others":            es(claims("aud", []string{"a", "b"})),
	}
	for name, token := range bad {
		if email, err := h.subjectEmail(token, p, sec, now); email != "" {
			t.Errorf("%s names %q, %v", name, email, err)
		}
	}
	for name, why := range map[string]string{"unsecured": "alg is none: the partner must sign", "HS256 of another secret": "HS256: the signature", "HS512": "alg is none of",
		"ES256 of a stranger": "no registered key", "exp missing": "exp is missing", "exp over": "exp is over", "iat missing": "iat is missing", "iat later": "iat is",
		"aud missing": "aud is neither", "aud another": "aud is neither"} {
		if _, err := h.subjectEmail(bad[name], p, sec, now); !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "other.example") {
			t.Errorf("%s: the log would say %v", name, err)
		}
	}
	// Where signed ones are not asked for, one that says RS256 or ES256 must be, nevertheless.
	p.RequireSignedSubjectToken = false
	for _, name := range []string{"ES256 of a stranger", "RS256 under the EC's kid", "aud another", "exp missing"} {
		_, err := h.subjectEmail(bad[name], p, sec, now)
		refused(t, err, errs.Invalid, "subject.malformed")
	}
	if _, err := h.subjectEmail(bad["HS256 of another secret"], p, sec, now); err != nil {
		t.Errorf("HS256 is not verified: %v", err)
	}
	t.Logf("T2: strict: %d good and %d bad subject tokens", len(good), len(bad))
}
