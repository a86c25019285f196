package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"countersign.dev/internal/errs"
)

var content = []byte("the bytes that were sealed")

func sign(t testing.TB, k *Keys) []byte {
	t.Helper()
	cms, err := k.Sign(sha256.Sum256(content))
	if err != nil {
		t.Fatal(err)
	}
	return cms
}

// judge verifies cms over content and returns all that speaks against it.
func judge(t testing.TB, cms []byte, roots *x509.CertPool) (Signature, string) {
	t.Helper()
	s, err := Verify(cms, bytes.NewReader(content), time.Now(), roots)
	if err != nil {
		return s, err.Error()
	}
	return s, strings.Join(s.Problems, "; ")
}

func TestSeal(t *testing.T) {
	g, err := successor(nil, "Test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keys{
		"ECDSA P-256 with SHA-256": keysOf(t, g.leaf, g.ca),
		"RSA 3072 with SHA-256":    keysOf(t, rsaLeaf(t, g.ca, 3072), g.ca),
	} {
		cms := sign(t, k)
		s, problems := judge(t, cms, k.Roots())
		if problems != "" || s.Level != LevelBB || s.Trusted != Trusted || s.Algorithm != name || !s.Signer.Equal(k.chain[0]) ||
			!s.Issuer.Equal(g.ca.certificate) {
			t.Errorf("%s: %s, %+v", name, problems, s)
		}
		if s, _ := judge(t, cms, nil); s.Trusted != NotChecked {
			t.Errorf("%s: trust was judged without authorities", name)
		}
		sd, err := decode(cms)
		if err != nil {
			t.Fatal(err)
		}
		if find(sd.signer.attributes, oidSigningTime) != nil || len(sd.signer.attributes) != 3 {
			t.Errorf("%s: not the three attributes of EN 319 142-1 §6.3", name)
		}
	}
}

// No bit of a seal may change without being noticed, whether it is covered by
// the signature or not.
func TestFlippedBits(t *testing.T) {
	k := made(t)
	cms := sign(t, k)
	for i := range cms {
		for bit := range 8 {
			changed := bytes.Clone(cms)
			changed[i] ^= 1 << bit
			if _, problems := judge(t, changed, nil); problems == "" {
				t.Errorf("bit %d of byte %d was changed unnoticed", bit, i)
			}
		}
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	cms := sign(t, made(t))
	for i := range cms {
		if _, err := Verify(cms[:i], bytes.NewReader(content), time.Now(), nil); !errs.Is(err, "signature.malformed") {
			t.Fatalf("%d of %d bytes: %v", i, len(cms), err)
		}
	}
	if _, err := Verify(append(cms, 0), bytes.NewReader(content), time.Now(), nil); !errs.Is(err, "signature.malformed") {
		t.Error("a trailing byte was accepted")
	}
}

func TestContentChanged(t *testing.T) {
	s, err := Verify(sign(t, made(t)), strings.NewReader("other bytes"), time.Now(), nil)
	if err != nil || s.Valid() || !strings.Contains(s.Problems[0], "changed") {
		t.Errorf("%v %v", err, s.Problems)
	}
}

// S6: another installation's CA of the same name is unknown.
func TestTrust(t *testing.T) {
	cms := sign(t, made(t))
	s, problems := judge(t, cms, made(t).Roots())
	if s.Trusted != Untrusted || !strings.Contains(problems, "not trusted") {
		t.Errorf("%v: %s", s.Trusted, problems)
	}
}

func TestValidityAtTheTime(t *testing.T) {
	k := made(t)
	cms := sign(t, k)
	for years, valid := range map[int]bool{-1: false, 0: true, 9: true, 11: false} {
		s, err := Verify(cms, bytes.NewReader(content), time.Now().AddDate(years, 0, 0), k.Roots())
		if err != nil || s.Valid() != valid {
			t.Errorf("after %d years: valid = %v, %v", years, s.Valid(), s.Problems)
		}
	}
}

// forgery builds a SignedData that is correct but for what change does to it.
type forgery struct {
	key          crypto.Signer
	certificate  *x509.Certificate
	certificates []*x509.Certificate
	digest       digest
	scheme       scheme
	attributes   [][]byte // DER
	unordered    bool     // write the attributes as they are
	unsigned     []byte   // DER of the attributes
	version      int64
	signers      int
}

func attributeOf(oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, value)
	})
	return b.BytesOrPanic()
}

func honest(k *Keys) *forgery {
	f := &forgery{key: k.key, certificate: k.chain[0], certificates: k.chain, digest: digests[0], scheme: schemes[0],
		version: 1, signers: 1}
	f.attribute()
	return f
}

// attribute writes the three attributes anew, for the forgery's digest and certificate.
func (f *forgery) attribute() {
	h := f.digest.hash.New()
	h.Write(content)
	hash := sha256.Sum256(f.certificate.Raw)
	f.attributes = [][]byte{
		attributeOf(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) }),
		attributeOf(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(h.Sum(nil)) }),
		attributeOf(oidCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, hash[:]) }),
	}
}

func (f *forgery) build(t *testing.T) []byte {
	t.Helper()
	if !f.unordered {
		slices.SortFunc(f.attributes, bytes.Compare)
	}
	body := bytes.Join(f.attributes, nil)
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(body) })
	h := f.digest.hash.New()
	h.Write(set.BytesOrPanic())
	signature, err := f.key.Sign(rand.Reader, h.Sum(nil), f.digest.hash)
	if err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(contextSet0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { f.signedData(b, body, signature) })
		})
	})
	return b.BytesOrPanic()
}

func (f *forgery) signedData(b *cryptobyte.Builder, attributes, signature []byte) {
	b.AddASN1Int64(f.version)
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, f.digest.oid, false) })
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
	b.AddASN1(contextSet0, func(b *cryptobyte.Builder) { addCertificates(b, f.certificates) })
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		for range f.signers {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(f.certificate.RawIssuer)
					b.AddASN1BigInt(f.certificate.SerialNumber)
				})
				addAlgorithm(b, f.digest.oid, false)
				b.AddASN1(contextSet0, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
				addAlgorithm(b, f.scheme.oid, f.scheme.null)
				b.AddASN1OctetString(signature)
				if f.unsigned != nil {
					b.AddASN1(contextSet1, func(b *cryptobyte.Builder) { b.AddBytes(f.unsigned) })
				}
			})
		}
	})
}

func add(attribute []byte) func(*forgery) {
	return func(f *forgery) { f.attributes = append(f.attributes, attribute) }
}

// twin is another certificate for the same key, issued by the same CA.
func twin(t *testing.T, key crypto.Signer, ca authority, usage x509.KeyUsage) *x509.Certificate {
	t.Helper()
	c := template("Test", "Twin", time.Now())
	c.NotAfter = time.Now().AddDate(1, 0, 0)
	c.KeyUsage = usage
	a, err := issue(c, ca.certificate, key, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return a.certificate
}

// forgeryCase is a change to an honest signature and how it must be named; "": valid.
type forgeryCase struct {
	change func(*forgery)
	named  string
}

// S6 and the tricks played on CMS readers: each is named.
func TestForgeries(t *testing.T) {
	g, err := successor(nil, "Test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k := keysOf(t, g.leaf, g.ca)
	for _, cases := range []map[string]forgeryCase{certificateForgeries(t, g, made(t)), structureForgeries()} {
		for name, c := range cases {
			f := honest(k)
			c.change(f)
			s, judgement := judge(t, f.build(t), nil)
			if (c.named == "") != (judgement == "") || !strings.Contains(judgement, c.named) {
				t.Errorf("%s: judged %q, want %q", name, judgement, c.named)
			}
			if name == "signing time" && s.Level != LevelCMS {
				t.Error("a signing-time attribute is not PAdES baseline")
			}
		}
	}
}

func certificateForgeries(t *testing.T, g generation, stranger *Keys) map[string]forgeryCase {
	t.Helper()
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issued := func(key crypto.Signer, usage x509.KeyUsage, bind bool) func(*forgery) {
		return func(f *forgery) {
			f.key, f.certificate = key, twin(t, key, g.ca, usage)
			f.certificates = []*x509.Certificate{f.certificate, g.ca.certificate}
			if bind {
				f.attribute()
			}
		}
	}
	return map[string]forgeryCase{
		"honest":                 {func(*forgery) {}, ""},
		"certificate swapped":    {issued(g.leaf.key, x509.KeyUsageDigitalSignature, false), "made for another certificate"},
		"not for signatures":     {issued(g.leaf.key, x509.KeyUsageKeyEncipherment, true), "may not be used"},
		"weak curve":             {issued(small, x509.KeyUsageDigitalSignature, true), "ECDSA key is weak"},
		"another's chain":        {func(f *forgery) { f.certificates = stranger.chain }, "certificate is not in"},
		"a certificate too many": {func(f *forgery) { f.certificates = append(slices.Clone(f.certificates), stranger.chain[0]) }, "does not belong"},
		"no certificate":         {func(f *forgery) { f.certificates = nil }, "certificate is not in"},
		"another's key":          {func(f *forgery) { f.key = stranger.key }, "does not hold"},
		"weak RSA": {func(f *forgery) {
			a := rsaLeaf(t, g.ca, 1024)
			f.key, f.certificate, f.scheme = a.key, a.certificate, schemes[4]
			f.certificates = []*x509.Certificate{a.certificate, g.ca.certificate}
			f.attribute()
		}, "RSA key is weak"},
		"issuer of the same name": {func(f *forgery) {
			c := template("Test", "CA", time.Now())
			c.RawSubject, c.NotAfter, c.IsCA = g.ca.certificate.RawSubject, g.ca.certificate.NotAfter, true
			impostor, err := issue(c, c, stranger.key, stranger.key)
			if err != nil {
				t.Fatal(err)
			}
			f.certificates = []*x509.Certificate{f.certificate, impostor.certificate}
		}, "does not hold"},
	}
}

func structureForgeries() map[string]forgeryCase {
	kind := attributeOf(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
	moment := attributeOf(oidSigningTime, func(b *cryptobyte.Builder) { b.AddASN1UTCTime(time.Now()) })
	unknown := attributeOf(asn1.ObjectIdentifier{1, 2, 3}, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
	return map[string]forgeryCase{
		"SHA-1":                {func(f *forgery) { f.digest, f.scheme = digests[3], schemes[3]; f.attribute() }, "SHA-1 is weak"},
		"MD5":                  {func(f *forgery) { f.digest = digests[4]; f.attribute() }, "MD5 is weak"},
		"digests disagree":     {func(f *forgery) { f.digest = digests[1]; f.attribute() }, "disagree"},
		"two signers":          {func(f *forgery) { f.signers = 2 }, "more than one signer"},
		"no signer":            {func(f *forgery) { f.signers = 0 }, "signer"},
		"wrong version":        {func(f *forgery) { f.version = 3 }, "version"},
		"no digest":            {func(f *forgery) { f.attributes = [][]byte{f.attributes[0], f.attributes[2]} }, "message digest is missing"},
		"no content type":      {func(f *forgery) { f.attributes = f.attributes[1:] }, "content type"},
		"attribute twice":      {add(kind), "twice"},
		"attributes unordered": {func(f *forgery) { slices.Reverse(f.attributes); f.unordered = true }, "DER order"},
		"unsigned attribute":   {func(f *forgery) { f.unsigned = unknown }, "is not known"},
		"SHA-1 binding": {func(f *forgery) {
			f.attributes[2] = attributeOf(oidCertificateV1, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
		}, "SHA-1 hash"},
		"signing time": {add(moment), ""},
	}
}

// An indefinite length is BER, not DER (X.690 §10.1).
func TestIndefiniteLength(t *testing.T) {
	cms := sign(t, made(t))
	body := cms[4:] // after SEQUENCE with a length of two bytes
	ber := append(append([]byte{0x30, 0x80}, body...), 0, 0)
	if _, err := Verify(ber, bytes.NewReader(content), time.Now(), nil); !errs.Is(err, "signature.malformed") {
		t.Errorf("an indefinite length was accepted: %v", err)
	}
}

// S7: a time stamp that nobody verified raises no level and is said to be unchecked.
func TestTimeStampIsNotClaimed(t *testing.T) {
	f := honest(made(t))
	f.unsigned = attributeOf(oidTimeStamp, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
	s, problems := judge(t, f.build(t), nil)
	if problems != "" || s.Level != LevelBB || len(s.Unchecked) != 1 {
		t.Errorf("%s, level %s, unchecked %q", problems, s.Level, s.Unchecked)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(sign(f, made(f)))
	f.Fuzz(func(t *testing.T, cms []byte) {
		s, err := Verify(cms, strings.NewReader("content nobody signed"), time.Now(), nil)
		if err == nil && s.Valid() {
			t.Error("valid over bytes nobody signed")
		}
	})
}

func BenchmarkSign(b *testing.B) {
	k := made(b)
	for b.Loop() {
		if _, err := k.Sign(sha256.Sum256(content)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := made(b)
	cms, roots := sign(b, k), k.Roots()
	for b.Loop() {
		if s, err := Verify(cms, bytes.NewReader(content), time.Now(), roots); err != nil || !s.Valid() {
			b.Fatal(err, s.Problems)
		}
	}
}
