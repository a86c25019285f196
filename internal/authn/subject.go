package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
)

// skew is how much a partner's clock may be ahead of ours.
const skew = time.Minute

// subjectHeader is what of a subject token's header counts.
type subjectHeader struct {
	Alg  string         `json:"alg"`
	Kid  string         `json:"kid"`
	Crit jsontext.Value `json:"crit"`
}

// subjectClaims are the claims that count; all others are ignored.
type subjectClaims struct {
	Email     jsontext.Value `json:"email"`
	UserEmail jsontext.Value `json:"user_email"`
	Expires   jsontext.Value `json:"exp"`
	NotBefore jsontext.Value `json:"nbf"`
	IssuedAt  jsontext.Value `json:"iat"`
	Audience  jsontext.Value `json:"aud"`
}

// doubts says why a subject token may not name the user, for the log, with nothing
// of the token in it; nil: it may (Acrobat Sign Embed 2.0, Create an Embed user token). The token proves nothing by itself: trust
// comes from the client's secret and the actor's token. So it may be unsecured
// (alg none, in two or three parts), or HS256 under whatever key. Of a partner
// who asks for signed ones it must be signed: HS256 with the client's secret, or
// RS256 or ES256 with a key that the partner registered; it then needs exp, iat
// and aud.
func (a *Authn) doubts(s subject, p directory.Delegation, clientSecret string, now time.Time) error {
	signed := p.RequireSignedSubjectToken
	switch s.header.Alg {
	case "none":
		if signed || len(s.signature) > 0 {
			return errors.New("alg is none: the partner must sign the token, or send no signature")
		}
	case "HS256":
		if s.parts != 3 || signed && !s.macBy(clientSecret) {
			return errors.New("HS256: the signature is missing, or not made with the client's secret")
		}
	case RS256, "ES256":
		if signed = true; !s.signedBy(p.SubjectKeys) {
			return errors.New("RS256 or ES256: no registered key of the partner made the signature (see alg, kid and use)")
		}
	default:
		return errors.New("alg is none of none, HS256, RS256, ES256")
	}
	if err := s.claims.timely(now); err != nil || !signed {
		return err
	}
	return a.meant(s.claims, now)
}

// subject is a subject token taken apart.
type subject struct {
	parts     int
	text      string // what a signature signs
	signature []byte
	header    subjectHeader
	claims    subjectClaims
	email     string // canonical
}

// readSubject reads a subject token and believes nothing of it.
func readSubject(token string) (s subject, ok bool) {
	if len(token) > maxToken {
		return s, false
	}
	parts := strings.Split(token, ".")
	if s.parts = len(parts); s.parts != 2 && s.parts != 3 {
		return s, false
	}
	s.text = parts[0] + "." + parts[1]
	if !decodePart(parts[0], &s.header) || !decodePart(parts[1], &s.claims) || s.header.Crit != nil {
		return s, false
	}
	if s.email, ok = s.claims.address(); ok && s.parts == 3 {
		s.signature, ok = anyBase64(parts[2])
	}
	return s, ok
}

// decodePart refuses what is not one JSON object without duplicate members.
func decodePart(part string, into any) bool {
	text, ok := anyBase64(part)
	return ok && jsontext.Value(text).Kind() == '{' && json.Unmarshal(text, into) == nil
}

// anyBase64 decodes base64url or standard base64, padded or not.
func anyBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	if bare := strings.TrimRight(s, "="); len(bare) != len(s) {
		if len(s)%4 != 0 || len(s)-len(bare) > 2 {
			return nil, false
		}
		s = bare
	}
	out, err := base64.RawURLEncoding.Strict().DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(s))
	return out, err == nil
}

func (s subject) macBy(clientSecret string) bool {
	mac := hmac.New(sha256.New, []byte(clientSecret))
	mac.Write([]byte(s.text))
	return hmac.Equal(mac.Sum(nil), s.signature)
}

// signedBy checks the signature against the keys of a set that are for the
// token's algorithm and, if it names one, of its kid.
func (s subject) signedBy(set []byte) bool {
	var keys struct {
		Keys []stdjson.RawMessage `json:"keys"`
	}
	if s.parts != 3 || set == nil || stdjson.Unmarshal(set, &keys) != nil {
		return false
	}
	return slices.ContainsFunc(keys.Keys, func(raw stdjson.RawMessage) bool {
		var k jose.JSONWebKey
		return k.UnmarshalJSON(raw) == nil && s.signedWith(k)
	})
}

func (s subject) signedWith(k jose.JSONWebKey) bool {
	if s.header.Kid != "" && s.header.Kid != k.KeyID || k.Algorithm != "" && k.Algorithm != s.header.Alg || k.Use != "" && k.Use != "sig" {
		return false
	}
	sum := sha256.Sum256([]byte(s.text))
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return s.header.Alg == RS256 && public.N.BitLen() >= rsaBits && rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], s.signature) == nil
	case *ecdsa.PublicKey:
		return s.header.Alg == "ES256" && public.Curve == elliptic.P256() && len(s.signature) == 64 &&
			ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(s.signature[:32]), new(big.Int).SetBytes(s.signature[32:]))
	}
	return false
}

// timely honours exp and nbf when they are there.
func (c subjectClaims) timely(now time.Time) error {
	expires, ok := numericDate(c.Expires)
	if !ok || c.Expires != nil && float64(now.UnixMilli()) >= expires*1000 {
		return errors.New("exp is over, or no number")
	}
	begins, ok := numericDate(c.NotBefore)
	if !ok || c.NotBefore != nil && float64(now.Add(skew).Unix()) < begins {
		return errors.New("nbf is to come, or no number")
	}
	return nil
}

// meant asks for what a signed token must say: when it was made, until when it
// holds, and that it is for us.
func (a *Authn) meant(c subjectClaims, now time.Time) error {
	issued, ok := numericDate(c.IssuedAt)
	if c.Expires == nil {
		return errors.New("exp is missing")
	}
	if !ok || c.IssuedAt == nil || issued > float64(now.Add(skew).Unix()) {
		return errors.New("iat is missing, to come, or no number")
	}
	var audience []string
	if c.Audience.Kind() == '"' {
		audience = make([]string, 1)
		ok = json.Unmarshal(c.Audience, &audience[0]) == nil
	} else {
		ok = json.Unmarshal(c.Audience, &audience) == nil
	}
	if !ok || !slices.ContainsFunc(audience, func(aud string) bool {
		return strings.TrimSuffix(aud, "/") == strings.TrimSuffix(a.issuer, "/") || slices.Contains(a.embed.TokenEndpoints, aud)
	}) {
		return errors.New("aud is neither this server's outside URL nor its token endpoint")
	}
	return nil
}

// numericDate is a number of seconds (RFC 7519 §2), 0 when there is none.
func numericDate(v jsontext.Value) (seconds float64, ok bool) {
	if v == nil {
		return 0, true
	}
	return seconds, v.Kind() == '0' && json.Unmarshal(v, &seconds) == nil
}

// address is the e-mail address of claim email or user_email, which must not be at odds.
func (c subjectClaims) address() (email string, ok bool) {
	for _, v := range []jsontext.Value{c.Email, c.UserEmail} {
		if v == nil {
			continue
		}
		var text string
		if v.Kind() != '"' || json.Unmarshal(v, &text) != nil {
			return "", false
		}
		found, err := directory.CanonicalEmail(text)
		if err != nil || email != "" && email != found {
			return "", false
		}
		email = found
	}
	return email, email != ""
}
