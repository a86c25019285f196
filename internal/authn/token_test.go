package authn

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// forge signs any header and payload with a key.
func forge(key ed25519.PrivateKey, header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(ed25519.Sign(key, []byte(signed)))
}

// forger has a good token, the key that made it, and a key of his own.
type forger struct {
	t       *testing.T
	good    string
	parts   []string // of good
	payload string   // of good, decoded
	key     tokenKey
	other   ed25519.PrivateKey
}

func newForger(t *testing.T, h *house) *forger {
	t.Helper()
	id, sec, _ := h.client(authz.Sign)
	f := &forger{t: t, good: h.token(id, sec), key: h.news.Load().keys[0]}
	f.parts = strings.Split(f.good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(f.parts[1])
	if err != nil {
		t.Fatal(err)
	}
	f.payload = string(payload)
	if _, f.other, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// head is our header with something more.
func (f *forger) head(rest string) string {
	return `{"alg":"EdDSA","kid":"` + f.key.kid + `","typ":"at+jwt"` + rest + `}`
}

func (f *forger) mac(alg string, secret []byte) string {
	signed := b64([]byte(`{"alg":"`+alg+`","kid":"`+f.key.kid+`","typ":"at+jwt"}`)) + "." + f.parts[1]
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(signed))
	return signed + "." + b64(m.Sum(nil))
}

// claim is our token, signed by our key, with its claims altered.
func (f *forger) claim(old, new string) string {
	f.t.Helper()
	if !strings.Contains(f.payload, old) {
		f.t.Fatalf("no %s in %s", old, f.payload)
	}
	return forge(f.key.private, f.head(""), strings.Replace(f.payload, old, new, 1))
}

// number is the text of a numeric claim.
func (f *forger) number(name string) string {
	f.t.Helper()
	var c map[string]json.RawMessage
	if err := json.Unmarshal([]byte(f.payload), &c); err != nil {
		f.t.Fatal(err)
	}
	return `"` + name + `":` + string(c[name])
}

// headers are attacks through the header.
func (f *forger) headers() map[string]string {
	public := f.key.private.Public().(ed25519.PublicKey)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: f.other.Public(), KeyID: f.key.kid})
	if err != nil {
		f.t.Fatal(err)
	}
	return map[string]string{
		"alg none":          b64([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + f.parts[1] + ".",
		"alg None":          b64([]byte(`{"alg":"None","kid":"`+f.key.kid+`","typ":"at+jwt"}`)) + "." + f.parts[1] + ".",
		"alg none, signed":  b64([]byte(`{"alg":"none","kid":"`+f.key.kid+`","typ":"at+jwt"}`)) + "." + f.parts[1] + "." + f.parts[2],
		"HS256 public key":  f.mac("HS256", public),
		"HS256 JWKS":        f.mac("HS256", jwk),
		"HS256 under EdDSA": f.mac("EdDSA", public),
		"alg missing":       forge(f.key.private, `{"kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"alg Ed25519":       forge(f.key.private, `{"alg":"Ed25519","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"other key":         forge(f.other, f.head(""), f.payload),
		"kid unknown":       forge(f.other, `{"alg":"EdDSA","kid":"unknown","typ":"at+jwt"}`, f.payload),
		"kid missing":       forge(f.key.private, `{"alg":"EdDSA","typ":"at+jwt"}`, f.payload),
		"kid injection":     forge(f.other, `{"alg":"EdDSA","kid":"' or 1=1 --","typ":"at+jwt"}`, f.payload),
		"kid path":          forge(f.other, `{"alg":"EdDSA","kid":"../../dev/null","typ":"at+jwt"}`, f.payload),
		"jwk":               forge(f.other, f.head(`,"jwk":`+string(jwk)), f.payload),
		"jku":               forge(f.other, f.head(`,"jku":"https://evil.example/jwks"`), f.payload),
		"x5u":               forge(f.other, f.head(`,"x5u":"https://evil.example/x5u"`), f.payload),
		"jku, our key":      forge(f.key.private, f.head(`,"jku":"https://evil.example/jwks"`), f.payload),
		"crit":              forge(f.key.private, f.head(`,"crit":["exp"]`), f.payload),
		"crit b64":          forge(f.key.private, f.head(`,"crit":["b64"],"b64":false`), f.payload),
		"typ missing":       forge(f.key.private, `{"alg":"EdDSA","kid":"`+f.key.kid+`"}`, f.payload),
		"typ JWT":           forge(f.key.private, `{"alg":"EdDSA","kid":"`+f.key.kid+`","typ":"JWT"}`, f.payload),
		"header twice":      forge(f.key.private, f.head(`,"alg":"none"`), f.payload),
		"header spaced":     forge(f.key.private, `{ "alg":"EdDSA","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
	}
}

// claims are attacks that our own key has signed.
func (f *forger) claims() map[string]string {
	return map[string]string{
		"duplicate claim":     f.claim(`"sub":`, `"sub":"admin","sub":`),
		"duplicate by escape": f.claim(`"sub":`, `"\u0073ub":"admin","sub":`),
		"other case":          f.claim(`"sub":`, `"SUB":`),
		"unknown claim":       f.claim(`"sub":`, `"act":{},"sub":`),
		"other issuer":        f.claim(`"iss":"`+issuer, `"iss":"https://evil.example`),
		"issuer as prefix":    f.claim(`"iss":"`+issuer, `"iss":"`+issuer+`.evil.example`),
		"other audience":      f.claim(`"aud":"`+issuer, `"aud":"https://evil.example`),
		"audience list":       f.claim(`"aud":"`+issuer+`"`, `"aud":["`+issuer+`"]`),
		"expired":             f.claim(`"exp":`, `"exp":1,"x":`),
		"expiry of old":       f.claim(f.number("exp"), `"exp":`+strconv.FormatInt(time.Now().Unix()-1, 10)),
		"expiry text":         f.claim(f.number("exp"), `"exp":"9999999999"`),
		"expiry missing":      f.claim(f.number("exp")+",", ``),
		"issued later":        f.claim(f.number("iat"), `"iat":`+strconv.FormatInt(time.Now().Unix()+600, 10)),
		"payload trailing":    forge(f.key.private, f.head(""), f.payload+`{}`),
		"payload not JSON":    forge(f.key.private, f.head(""), "x"),
		"payload empty":       forge(f.key.private, f.head(""), ""),
		"payload bad UTF-8":   f.claim(`"sub":"`, "\"sub\":\"\xff"),
	}
}

// shapes are attacks on how a token is written.
func (f *forger) shapes() map[string]string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(f.parts[2]) - 1 // holds four bits that decoders ignore
	unusedBits := f.parts[2][:last] + string(alphabet[strings.IndexByte(alphabet, f.parts[2][last])|1])
	sig, err := base64.RawURLEncoding.DecodeString(f.parts[2])
	if err != nil {
		f.t.Fatal(err)
	}
	return map[string]string{
		"trailing data":        f.good + "x",
		"trailing dot":         f.good + ".",
		"fourth part":          f.good + "." + f.parts[2],
		"trailing newline":     f.good + "\n",
		"newline in signature": f.parts[0] + "." + f.parts[1] + "." + f.parts[2][:10] + "\n" + f.parts[2][10:],
		"leading blank":        " " + f.good,
		"padding":              f.good + "==",
		"unused bits":          f.parts[0] + "." + f.parts[1] + "." + unusedBits,
		"standard base64":      f.parts[0] + "." + f.parts[1] + "." + base64.RawStdEncoding.EncodeToString(append(bytes.Repeat([]byte{0xff}, 3), sig[3:]...)),
		"signature missing":    f.parts[0] + "." + f.parts[1] + ".",
		"signature cut":        f.parts[0] + "." + f.parts[1] + "." + f.parts[2][:80],
		"signature zero":       f.parts[0] + "." + f.parts[1] + "." + b64(make([]byte, 64)),
		"two parts":            f.parts[0] + "." + f.parts[1],
		"one part":             f.parts[0],
		"dots":                 "..",
		"Bearer":               "Bearer " + f.good,
		"huge":                 f.good + strings.Repeat("A", 1<<20),
		"flattened JSON":       `{"protected":"` + f.parts[0] + `","payload":"` + f.parts[1] + `","signature":"` + f.parts[2] + `"}`,
		"NUL":                  "\x00",
	}
}

// T1: what is not a token of ours, to the byte, is nobody's.
func TestT1ForgedTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	f := newForger(t, h)
	if _, err := h.Authenticate(t.Context(), forge(f.key.private, f.head(""), f.payload)); err != nil {
		t.Fatalf("the forger cannot make a good token, so his bad ones prove nothing: %v", err)
	}
	vectors := f.headers()
	maps.Copy(vectors, f.claims())
	maps.Copy(vectors, f.shapes())
	accepted := 0
	try := func(name, token string) {
		t.Helper()
		_, err := h.Authenticate(t.Context(), token)
		refused(t, err, errs.Unauthenticated, "token.invalid")
		if err == nil {
			accepted++
			t.Errorf("%s was accepted", name)
		}
	}
	for name, v := range vectors {
		if v == f.good {
			t.Errorf("%s is the good token", name)
		}
		try(name, v)
	}
	for i := range len(f.good) {
		if c := []byte(f.good); c[i] != 'A' {
			c[i] = 'A'
			try("changed byte "+strconv.Itoa(i), string(c))
		}
	}
	_, err := h.Authenticate(t.Context(), "")
	refused(t, err, errs.Unauthenticated, "token.missing")
	t.Logf("T1: %d vectors and %d changed bytes, accepted %d", len(vectors), len(f.good), accepted)
}

// Another program checks our tokens with our JWKS and finds the claims of RFC 9068 §2.2.
func TestStrangerVerifiesTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	id, sec, p := h.client(authz.Sign)
	set, err := h.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(set, []byte(`"d"`)) {
		t.Fatal("the JWKS holds private keys")
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(h.token(id, sec), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var std jwt.Claims
	var own claims
	if err := token.Claims(keys, &std, &own); err != nil {
		t.Fatal(err)
	}
	if err := std.Validate(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{issuer}, Subject: p.User, Time: time.Now()}); err != nil {
		t.Error(err)
	}
	if own.ClientID != id || own.Scope != "sign" || std.ID == "" || std.Expiry.Time().Sub(std.IssuedAt.Time()) != time.Hour {
		t.Errorf("claims %+v %+v", std, own)
	}
	if typ := token.Headers[0].ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
}

func TestTokenExpires(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token := h.token(id, sec)
		d.Shift(59 * time.Minute)
		h.hear()
		if _, err := h.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		d.Shift(time.Minute)
		h.hear()
		_, err := h.Authenticate(t.Context(), token)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}

func TestStaleProcessAnswersNothing(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	id, sec, _ := h.client(authz.Sign)
	token := h.token(id, sec)
	real := h.sinceStart
	h.sinceStart = func() time.Duration { return real() + staleAfter }
	_, err := h.Authenticate(t.Context(), token)
	refused(t, err, errs.Unavailable, "authn.stale")
	h.hear()
	if _, err := h.Authenticate(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// T6: what is taken away is dead within a second on every replica.
func TestT6TakenAwayOnEveryReplica(t *testing.T) {
	d := dbtest.Postgres(t)
	h := build(t, d)
	second, err := db.Open(t.Context(), db.Config{URL: d.URL, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	replica := h.replica(second, h.post)
	defer running(h.Authn)()
	defer running(replica)()
	_, _, admin := h.client(authz.ManageUsers)
	worst := time.Duration(0)
	for name, take := range map[string]func(u directory.User) error{
		"secret renewed": func(u directory.User) error {
			_, _, err := h.NewSecret(t.Context(), admin, u.PlatformID)
			return err
		},
		"user deactivated": func(u directory.User) error {
			_, err := h.DeactivatePlatformUser(t.Context(), admin, u.PlatformID)
			return err
		},
		"user locked": func(u directory.User) error {
			locked := directory.Locked
			_, err := h.UpdatePlatformUser(t.Context(), admin, u.PlatformID, directory.UserChange{Status: &locked})
			return err
		},
	} {
		u, token := h.integration(admin, name)
		for _, a := range []*Authn{h.Authn, replica} {
			if _, err := a.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if err := take(u); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for _, a := range []*Authn{h.Authn, replica} {
			for _, err = a.Authenticate(t.Context(), token); err == nil; _, err = a.Authenticate(t.Context(), token) {
				if time.Since(at) > 5*time.Second {
					t.Fatalf("%s: the token still lives", name)
				}
				runtime.Gosched()
			}
			refused(t, err, errs.Unauthenticated, "token.invalid")
		}
		worst = max(worst, time.Since(at))
	}
	if worst > time.Second {
		t.Errorf("T6: dead after %s", worst)
	}
	t.Logf("T6: dead on both replicas after at most %s", worst)
}

// integration makes an integration user and a token for it.
func (h *house) integration(admin authz.Principal, name string) (directory.User, string) {
	h.t.Helper()
	ctx := context.Background()
	u, err := h.CreatePlatformUser(ctx, admin, NewPlatformUser{FirstName: name, LastName: "User", UserType: "Integration",
		Email: strings.ReplaceAll(name, " ", ".") + "@example.com", RoleName: "CongaSign Integration Role"})
	if err != nil {
		h.t.Fatal(err)
	}
	id, sec, err := h.NewSecret(ctx, admin, u.PlatformID)
	if err != nil {
		h.t.Fatal(err)
	}
	return u, h.token(id, sec)
}

// T6: the token of a new secret lives at once on a replica that has not heard of the change.
func TestT6NewTokenLivesBeforeTheNewsIsHeard(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, admin := h.client(authz.ManageUsers)
		behind := h.replica(d.DB, h.post)
		u, old := h.integration(admin, "program")
		id, sec, err := h.NewSecret(t.Context(), admin, u.PlatformID)
		if err != nil {
			t.Fatal(err)
		}
		fresh := h.token(id, sec)
		if _, err := behind.Authenticate(t.Context(), fresh); err != nil {
			t.Error(err)
		}
		h.hear()
		if _, err := h.Authenticate(t.Context(), fresh); err != nil {
			t.Error(err)
		}
		_, err = h.Authenticate(t.Context(), old)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}

func TestKeysRenew(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		other := h.replica(d.DB, h.post)
		id, sec, _ := h.client(authz.Sign)
		tend := func() {
			t.Helper()
			for _, a := range []*Authn{h.Authn, other} {
				err := a.follow(t.Context())
				if err == nil {
					err = a.tendKeys(t.Context())
				}
				if err == nil {
					err = a.follow(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		kid := func(token string) string { head, _, _ := strings.Cut(token, "."); return head }
		d.Shift(renewAfter + time.Minute)
		tend()
		if n := len(other.news.Load().keys); n != 2 {
			t.Fatalf("%d keys, want 2", n)
		}
		before := h.token(id, sec)
		d.Shift(keyDelay + time.Second)
		tend()
		after := h.token(id, sec)
		if kid(before) == kid(after) {
			t.Error("the new key does not sign")
		}
		for _, token := range []string{before, after} {
			if _, err := other.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		}
		d.Shift(keepFor)
		tend()
		tend()
		if keys := h.news.Load().keys; len(keys) != 1 || keys[0].header != kid(after)+"." {
			t.Errorf("%d keys are left", len(keys))
		}
	})
}

func TestReplicasStartWithOneKey(t *testing.T) {
	d := dbtest.Postgres(t)
	var wg sync.WaitGroup
	headers := make([]string, 8)
	for i := range headers {
		wg.Go(func() {
			a, err := New(t.Context(), d.DB, box(t), nil, issuer, quiet())
			if err != nil {
				t.Error(err)
				return
			}
			headers[i] = a.news.Load().keys[0].header
		})
	}
	wg.Wait()
	for _, header := range headers {
		if header != headers[0] {
			t.Fatal("two first keys")
		}
	}
}

func TestWrongMasterKey(t *testing.T) {
	d := dbtest.SQLite(t)
	build(t, d)
	wrong, err := secret.FromMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), d.DB, wrong, nil, issuer, quiet()); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Errorf("started with another master key: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	key := func(i int) [sha256.Size]byte { return sha256.Sum256([]byte(strconv.Itoa(i))) }
	c.put(key(0), verified{expires: 7})
	for i := range 10 * cacheHalf {
		c.put(key(i+1), verified{})
		if v, ok := c.get(key(0)); !ok || v.expires != 7 {
			t.Fatalf("what is in use was forgotten after %d", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*cacheHalf {
		t.Errorf("%d entries", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	h := build(b, dbtest.SQLite(b))
	id, sec, _ := h.client(authz.Sign)
	token := h.token(id, sec)
	real := h.news.Load().seen
	h.sinceStart = func() time.Duration { return real }
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Authenticate(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			h.verified = newCache()
			if _, err := h.Authenticate(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkClientToken(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func(testing.TB) *dbtest.DB
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			h := build(b, engine.open(b))
			id, sec, _ := h.client(authz.Sign)
			for b.Loop() {
				if _, err := h.ClientToken(b.Context(), id, sec, "sign"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// T6: an account's generation kills every token of it, and nobody else's.
func TestT6AccountRaised(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token := h.token(id, sec)
		for _, c := range []struct {
			kind, id string
			dead     bool
		}{{directory.OfAccount, "another", false}, {directory.OfUser, h.home.ID, false}, {directory.OfAccount, h.home.ID, true}} {
			h.write(func(tx *db.Tx) error { _, err := directory.Raise(tx, c.kind, c.id); return err })
			h.hear()
			if _, err := h.Authenticate(t.Context(), token); (err != nil) != c.dead {
				t.Errorf("%s %s raised: %v", c.kind, c.id, err)
			}
		}
		if _, err := h.Authenticate(t.Context(), h.token(id, sec)); err != nil {
			t.Error(err)
		}
	})
}
