package authn

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// forge signs any header and payload with a key.
func forge(key tokenKey, header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	signature, err := key.sign([]byte(signed))
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(signature)
}

// forger has a good token, the key that made it, our key of the other algorithm and a key of his own.
type forger struct {
	t       *testing.T
	good    string
	parts   []string // of good
	payload string   // of good, decoded
	key     tokenKey
	sibling tokenKey
	other   tokenKey
}

func newForger(t *testing.T, h *house, good string) *forger {
	t.Helper()
	f := &forger{t: t, good: good, parts: strings.Split(good, ".")}
	for _, k := range h.news.Load().keys {
		if strings.HasPrefix(good, k.header) {
			f.key = k
		} else {
			f.sibling = k
		}
	}
	payload, err := base64.RawURLEncoding.DecodeString(f.parts[1])
	if err != nil {
		t.Fatal(err)
	}
	f.payload = string(payload)
	f.other = f.key
	if f.key.alg == RS256 {
		f.other.private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		_, f.other.private, err = ed25519.GenerateKey(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// head is our header with something more.
func (f *forger) head(rest string) string {
	return `{"alg":"` + f.key.alg + `","kid":"` + f.key.kid + `","typ":"at+jwt"` + rest + `}`
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
	return forge(f.key, f.head(""), strings.Replace(f.payload, old, new, 1))
}

// member is the text of a claim.
func (f *forger) member(name string) string {
	f.t.Helper()
	var c map[string]json.RawMessage
	if err := json.Unmarshal([]byte(f.payload), &c); err != nil {
		f.t.Fatal(err)
	}
	return `"` + name + `":` + string(c[name])
}

// headers are attacks through the header.
func (f *forger) headers() map[string]string {
	public := f.key.private.Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		f.t.Fatal(err)
	}
	raw, ok := public.(ed25519.PublicKey)
	if !ok {
		raw = x509.MarshalPKCS1PublicKey(public.(*rsa.PublicKey))
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: f.other.private.Public(), KeyID: f.key.kid})
	if err != nil {
		f.t.Fatal(err)
	}
	return map[string]string{
		"alg none":         b64([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + f.parts[1] + ".",
		"alg None":         b64([]byte(`{"alg":"None","kid":"`+f.key.kid+`","typ":"at+jwt"}`)) + "." + f.parts[1] + ".",
		"alg none, signed": b64([]byte(`{"alg":"none","kid":"`+f.key.kid+`","typ":"at+jwt"}`)) + "." + f.parts[1] + "." + f.parts[2],
		"HS256 public key": f.mac("HS256", raw),
		"HS256 public DER": f.mac("HS256", der),
		"HS256 public PEM": f.mac("HS256", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HS256 JWKS":       f.mac("HS256", jwk),
		"HS256 as our alg": f.mac(f.key.alg, raw),
		"PEM as our alg":   f.mac(f.key.alg, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"RS384":            forge(f.key, `{"alg":"RS384","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"sibling's kid":    forge(f.key, `{"alg":"`+f.key.alg+`","kid":"`+f.sibling.kid+`","typ":"at+jwt"}`, f.payload),
		"sibling's header": forge(f.key, `{"alg":"`+f.sibling.alg+`","kid":"`+f.sibling.kid+`","typ":"at+jwt"}`, f.payload),
		"sibling's key":    forge(f.sibling, f.head(""), f.payload),
		"sibling's alg":    forge(f.sibling, `{"alg":"`+f.sibling.alg+`","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"alg missing":      forge(f.key, `{"kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"alg Ed25519":      forge(f.key, `{"alg":"Ed25519","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
		"other key":        forge(f.other, f.head(""), f.payload),
		"kid unknown":      forge(f.other, `{"alg":"`+f.key.alg+`","kid":"unknown","typ":"at+jwt"}`, f.payload),
		"kid missing":      forge(f.key, `{"alg":"`+f.key.alg+`","typ":"at+jwt"}`, f.payload),
		"kid injection":    forge(f.other, `{"alg":"`+f.key.alg+`","kid":"' or 1=1 --","typ":"at+jwt"}`, f.payload),
		"kid path":         forge(f.other, `{"alg":"`+f.key.alg+`","kid":"../../dev/null","typ":"at+jwt"}`, f.payload),
		"jwk":              forge(f.other, f.head(`,"jwk":`+string(jwk)), f.payload),
		"jku":              forge(f.other, f.head(`,"jku":"https://evil.example/jwks"`), f.payload),
		"x5u":              forge(f.other, f.head(`,"x5u":"https://evil.example/x5u"`), f.payload),
		"jku, our key":     forge(f.key, f.head(`,"jku":"https://evil.example/jwks"`), f.payload),
		"crit":             forge(f.key, f.head(`,"crit":["exp"]`), f.payload),
		"crit b64":         forge(f.key, f.head(`,"crit":["b64"],"b64":false`), f.payload),
		"typ missing":      forge(f.key, `{"alg":"`+f.key.alg+`","kid":"`+f.key.kid+`"}`, f.payload),
		"typ JWT":          forge(f.key, `{"alg":"`+f.key.alg+`","kid":"`+f.key.kid+`","typ":"JWT"}`, f.payload),
		"header twice":     forge(f.key, f.head(`,"alg":"none"`), f.payload),
		"header spaced":    forge(f.key, `{ "alg":"`+f.key.alg+`","kid":"`+f.key.kid+`","typ":"at+jwt"}`, f.payload),
	}
}

// claims are attacks that our own key has signed.
func (f *forger) claims() map[string]string {
	iss, aud := f.member("iss"), f.member("aud")
	return map[string]string{
		"duplicate claim":     f.claim(`"sub":`, `"sub":"admin","sub":`),
		"duplicate by escape": f.claim(`"sub":`, `"\u0073ub":"admin","sub":`),
		"other case":          f.claim(`"sub":`, `"SUB":`),
		"unknown claim":       f.claim(`"sub":`, `"groups":[],"sub":`),
		"nobody acts":         f.claim(`"sub":`, `"act":{},"sub":`),
		"actor by number":     f.claim(`"sub":`, `"act":1,"sub":`),
		"chain of actors":     f.claim(`"sub":`, `"act":{"sub":"a","act":{"sub":"b"}},"sub":`),
		"other issuer":        f.claim(iss, `"iss":"https://evil.example"`),
		"issuer as prefix":    f.claim(iss, strings.TrimSuffix(iss, `"`)+`.evil.example"`),
		"other audience":      f.claim(aud, `"aud":"https://evil.example"`),
		"audience list":       f.claim(aud, `"aud":[`+strings.TrimPrefix(aud, `"aud":`)+`]`),
		"expired":             f.claim(`"exp":`, `"exp":1,"x":`),
		"expiry of old":       f.claim(f.member("exp"), `"exp":`+strconv.FormatInt(time.Now().Unix()-1, 10)),
		"expiry text":         f.claim(f.member("exp"), `"exp":"9999999999"`),
		"expiry missing":      f.claim(f.member("exp")+",", ``),
		"payload trailing":    forge(f.key, f.head(""), f.payload+`{}`),
		"payload not JSON":    forge(f.key, f.head(""), "x"),
		"payload empty":       forge(f.key, f.head(""), ""),
		"payload bad UTF-8":   f.claim(`"sub":"`, "\"sub\":\"\xff"),
	}
}

// embedClaims are attacks on what only the tokens of technical accounts and Embed users say.
func (f *forger) embedClaims(home string) map[string]string {
	standing := f.member(home)
	inside := strings.TrimSuffix(strings.TrimPrefix(standing, `"`+home+`":"`), `"`)
	swap := func(new string) string { return f.claim(standing, `"`+home+`":"`+new+`"`) }
	return map[string]string{
		"refresh token":      f.claim(`"type":"access_token"`, `"type":"refresh_token"`),
		"two ids":            f.claim(f.member("jti"), `"jti":"another"`),
		"standing empty":     swap(""),
		"standing of later":  swap("2" + inside[1:]),
		"standing cut":       swap(inside[:strings.LastIndexByte(inside, ':')]),
		"standing longer":    swap(inside + ":0"),
		"standing no number": swap(inside + "x"),
		"standing a number":  f.claim(standing, `"`+home+`":1`),
		"both standings":     f.claim(`"type":`, `"ext_id":"`+inside+`","aa_id":"`+inside+`","type":`),
		"other standing":     f.claim(`"`+home+`":`, map[string]string{"aa_id": `"ext_id":`, "ext_id": `"aa_id":`}[home]),
		"begins later":       f.claim(f.member("nbf"), `"nbf":`+strconv.FormatInt(time.Now().Unix()+600, 10)),
		"member's claims":    f.claim(`"type":`, `"organisation":"x","account":"x","type":`),
	}
}

// shapes are attacks on how a token is written.
func (f *forger) shapes() map[string]string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(f.parts[2]) - 1 // holds two or four bits that decoders ignore
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

// T1: what is not a token of ours, to the byte, is nobody's: whatever its kind and its algorithm.
func TestT1ForgedTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	defer running(h.Authn)()
	id, sec, _ := h.client(authz.Sign)
	goods := map[string]string{"member": h.token(id, sec)}
	for _, alg := range []string{RS256, EdDSA} {
		v := h.vendor(alg)
		goods["technical "+alg], goods["user "+alg] = v.actor(), v.userToken("ann@partnerdomain.com")
	}
	for name, good := range goods {
		t.Run(name, func(t *testing.T) { forged(t, h, name, good) })
	}
}

func forged(t *testing.T, h *house, name, good string) {
	f := newForger(t, h, good)
	if _, err := h.Authenticate(t.Context(), forge(f.key, f.head(""), f.payload)); err != nil {
		t.Fatalf("the forger cannot make a good token, so his bad ones prove nothing: %v", err)
	}
	vectors := f.headers()
	maps.Copy(vectors, f.claims())
	maps.Copy(vectors, f.shapes())
	switch {
	case strings.HasPrefix(name, "technical"):
		maps.Copy(vectors, f.embedClaims("aa_id"))
	case strings.HasPrefix(name, "user"):
		maps.Copy(vectors, f.embedClaims("ext_id"))
	default:
		vectors["issued later"] = f.claim(f.member("iat"), `"iat":`+strconv.FormatInt(time.Now().Unix()+600, 10))
	}
	accepted := 0
	try := func(name, token string) {
		t.Helper()
		_, err := h.Authenticate(t.Context(), token)
		refused(t, err, errs.Unauthenticated, "token.invalid")
		if err == nil {
			accepted++
			t.Errorf("%s was accepted", name)
		}
		if in, err := h.Inspect(t.Context(), "", "", token); err != nil || in.Valid {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
	for name, v := range vectors {
		if v == f.good {
			t.Errorf("%s is the good token", name)
		}
		try(name, v)
	}
	changed := 0
	for i := range len(f.good) {
		if c := []byte(f.good); c[i] != 'A' {
			c[i] = 'A'
			changed++
			try("changed byte "+strconv.Itoa(i), string(c))
		}
	}
	_, err := h.Authenticate(t.Context(), "")
	refused(t, err, errs.Unauthenticated, "token.missing")
	t.Logf("T1: %s: %d vectors and %d changed bytes, accepted %d", name, len(vectors), changed, accepted)
}
