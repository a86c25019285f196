package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Trust tells whether a signature's issuer is one the verifier trusts.
type Trust uint8

const (
	// NotChecked: the verifier named no authorities.
	NotChecked Trust = iota
	// Trusted: the chain ends at one of the verifier's authorities.
	Trusted
	// Untrusted: it does not.
	Untrusted
)

func (t Trust) String() string { return [...]string{"not checked", "trusted", "untrusted"}[t] }

// Signature levels. A level above B-B is never claimed here, because time
// stamps and revocation data are not verified yet.
const (
	LevelBB  = "PAdES B-B" // ETSI EN 319 142-1 §6
	LevelCMS = "CMS"       // a plain RFC 5652 signature
)

// Signature is the judgement of one CMS signature.
type Signature struct {
	// Signer is the certificate that made the signature; nil when it is missing
	// or cannot be read.
	Signer *x509.Certificate
	// Issuer is the certificate in the container that issued Signer; nil when
	// absent, Signer itself when self-signed.
	Issuer *x509.Certificate
	// Subject is the signer's distinguished name.
	Subject string
	// Level is LevelBB or LevelCMS.
	Level string
	// Algorithm is such as "ECDSA P-256 with SHA-256".
	Algorithm string
	Trusted   Trust
	// Problems are sentences; a signature with any is not valid.
	Problems []string
	// Unchecked are sentences about parts that were found but not examined.
	Unchecked []string
}

// Valid reports whether nothing speaks against the signature.
func (s Signature) Valid() bool { return len(s.Problems) == 0 }

func (s *Signature) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// Verify checks a detached CMS signature over content, following RFC 5652 §5.6
// and, where the attributes are there, ETSI EN 319 142-1 §6: one signer,
// digest, signature value, signing-certificate-v2, strength of the algorithms,
// validity of the certificates at the time at (zero: now) and, when roots is
// not nil, that the chain ends at one of them.
//
// It returns an Unprocessable error "signature.malformed" when cms cannot be
// read at all, or the error of content. Everything else that speaks against the
// signature is in Problems.
func Verify(cms []byte, content io.Reader, at time.Time, roots *x509.CertPool) (Signature, error) {
	s := Signature{Level: LevelCMS}
	sd, err := decode(cms)
	if err != nil {
		return s, err
	}
	if at.IsZero() {
		at = time.Now()
	}
	chain := s.readChain(sd)
	s.checkForm(sd)
	d, known := digestOf(sd.signer.digest)
	if !known {
		s.problem("the digest algorithm %v is not known", sd.signer.digest.oid)
		return s, nil
	}
	if d.weak {
		s.problem("the digest algorithm %s is weak", d.name)
	}
	h := d.hash.New()
	if _, err := io.Copy(h, content); err != nil {
		return s, err
	}
	s.checkAttributes(sd, h.Sum(nil))
	if s.Signer == nil {
		return s, nil
	}
	s.Algorithm = algorithmName(s.Signer.PublicKey, sd.signer.algorithm, d)
	if err := verifyValue(s.Signer.PublicKey, sd.signer.algorithm, d, sd.signer.signed, sd.signer.signature); err != nil {
		s.problem("the signature does not hold: %v", err)
	}
	s.checkSigner(sd)
	s.checkChain(chain, at)
	s.checkTrust(chain, at, roots)
	return s, nil
}

// readChain parses the certificates and orders them from the signer upwards.
// Certificates that do not belong to that chain are a problem: they are not
// covered by any signature, so they could be there to mislead.
func (s *Signature) readChain(sd signedData) []*x509.Certificate {
	rest := make([]*x509.Certificate, 0, len(sd.certificates))
	for _, der := range sd.certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			s.problem("a certificate in the signature cannot be read: %v", err)
			continue
		}
		rest = append(rest, c)
	}
	var chain []*x509.Certificate
	next := func(match func(*x509.Certificate) bool) bool {
		for i, c := range rest {
			if match(c) {
				chain = append(chain, c)
				rest = append(rest[:i:i], rest[i+1:]...)
				return true
			}
		}
		return false
	}
	if !next(sd.signer.names) {
		s.problem("the signer's certificate is not in the signature")
		return nil
	}
	s.Signer, s.Subject = chain[0], chain[0].Subject.String()
	for {
		last := chain[len(chain)-1]
		if selfIssued(last) || !next(func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, last.RawIssuer) }) {
			break
		}
	}
	if len(rest) > 0 {
		s.problem("a certificate in the signature does not belong to the signer's chain")
	}
	if selfIssued(s.Signer) {
		s.Issuer = s.Signer
	} else if len(chain) > 1 {
		s.Issuer = chain[1]
	}
	return chain
}

// names reports whether c is the certificate the signer identifier points at.
func (si signerInfo) names(c *x509.Certificate) bool {
	if si.keyID != nil {
		return bytes.Equal(si.keyID, c.SubjectKeyId)
	}
	return bytes.Equal(si.issuer, c.RawIssuer) && si.serial.Cmp(c.SerialNumber) == 0
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// checkForm checks what no signature covers and so must be exactly what the
// standard demands: versions (RFC 5652 §5.1, §5.3), the list of digest
// algorithms and the unsigned attributes.
func (s *Signature) checkForm(sd signedData) {
	want := 1
	if sd.signer.keyID != nil {
		want = 3
	}
	if sd.signer.version != want || sd.version != want && !(sd.otherFormats && sd.version >= 3 && sd.version <= 5) {
		s.problem("the version numbers do not fit the structure")
	}
	if len(sd.digests) != 1 || !sd.digests[0].oid.Equal(sd.signer.digest.oid) || !sd.digests[0].bare() {
		s.problem("the list of digest algorithms is not the signer's")
	}
	if sd.otherFormats {
		s.problem("the signature carries certificates that are not X.509")
	}
	if sd.revocations {
		s.Unchecked = append(s.Unchecked, "revocation data inside the signature")
	}
	for _, a := range sd.signer.unsigned {
		if !a.oid.Equal(oidTimeStamp) {
			s.problem("the unsigned attribute %v is not known", a.oid)
			continue
		}
		s.Unchecked = append(s.Unchecked, "the time stamp inside the signature")
	}
}

// checkAttributes checks the signed attributes against the digest of the
// content. The signing certificate is checked by checkSigner.
func (s *Signature) checkAttributes(sd signedData, sum []byte) {
	var oid asn1.ObjectIdentifier
	kind := cryptobyte.String(find(sd.signer.attributes, oidContentType))
	if !kind.ReadASN1ObjectIdentifier(&oid) || !kind.Empty() || !oid.Equal(oidData) {
		s.problem("the signed content type is not data")
	}
	var got []byte
	value := cryptobyte.String(find(sd.signer.attributes, oidMessageDigest))
	if !value.ReadASN1Bytes(&got, cbasn1.OCTET_STRING) || !value.Empty() {
		s.problem("the signed message digest is missing")
	} else if subtle.ConstantTimeCompare(got, sum) != 1 {
		s.problem("the signed bytes were changed: their digest is not the one that was signed")
	}
	if find(sd.signer.attributes, oidCertificateV2) != nil && find(sd.signer.attributes, oidSigningTime) == nil {
		s.Level = LevelBB
	}
}

// checkSigner checks the certificate's key and that the signature was made for
// this very certificate (RFC 5035 §3 and §5), which foils swapping it for
// another one with the same key or the same name.
func (s *Signature) checkSigner(sd signedData) {
	switch k := s.Signer.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			s.problem("the signer's RSA key is weak: %d bits", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			s.problem("the signer's ECDSA key is weak: %s", k.Curve.Params().Name)
		}
	}
	usage := s.Signer.KeyUsage
	if usage != 0 && usage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		s.problem("the certificate may not be used for signatures")
	}
	if value := find(sd.signer.attributes, oidCertificateV2); value != nil {
		if !refersTo(value, s.Signer) {
			s.problem("the signature was made for another certificate than the one it carries")
		}
		return
	}
	if find(sd.signer.attributes, oidCertificateV1) != nil {
		s.problem("the certificate is bound by a SHA-1 hash, which is weak")
	}
}

// refersTo reports whether a SigningCertificateV2 value names c first.
func refersTo(value []byte, c *x509.Certificate) bool {
	in := cryptobyte.String(value)
	var body, list, id cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!list.ReadASN1(&id, cbasn1.SEQUENCE) {
		return false
	}
	d, known := digest{hash: crypto.SHA256}, true
	if id.PeekASN1Tag(cbasn1.SEQUENCE) {
		a, err := decodeAlgorithm(&id)
		if d, known = digestOf(a); err != nil || !known || d.weak {
			return false
		}
	}
	var hash []byte
	if !id.ReadASN1Bytes(&hash, cbasn1.OCTET_STRING) {
		return false
	}
	h := d.hash.New()
	h.Write(c.Raw)
	if !bytes.Equal(h.Sum(nil), hash) {
		return false
	}
	return id.Empty() || issuerSerialIs(id, c)
}

// issuerSerialIs checks the optional IssuerSerial of an ESSCertIDv2.
func issuerSerialIs(in cryptobyte.String, c *x509.Certificate) bool {
	var body, names, name cryptobyte.String
	serial := new(big.Int)
	directory := cbasn1.Tag(4).ContextSpecific().Constructed()
	return in.ReadASN1(&body, cbasn1.SEQUENCE) && in.Empty() && body.ReadASN1(&names, cbasn1.SEQUENCE) &&
		names.ReadASN1(&name, directory) && names.Empty() && bytes.Equal(name, c.RawIssuer) &&
		body.ReadASN1Integer(serial) && body.Empty() && serial.Cmp(c.SerialNumber) == 0
}

// checkChain checks that each certificate was signed by the next and was valid at the time.
func (s *Signature) checkChain(chain []*x509.Certificate, at time.Time) {
	for i, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			s.problem("the certificate of %s was not valid on %s (valid from %s to %s)", c.Subject,
				moment(at), moment(c.NotBefore), moment(c.NotAfter))
		}
		var err error
		switch {
		case i+1 < len(chain):
			err = c.CheckSignatureFrom(chain[i+1])
		case selfIssued(c) || i > 0 && claimsRoot(c):
			err = c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
			if err == nil && !selfIssued(c) {
				err = errors.New("it names an issuer but signs itself")
			}
		}
		if err != nil {
			s.problem("the certificate of %s does not hold: %v", c.Subject, err)
		}
	}
}

// claimsRoot reports whether c must be self-signed, because only such a
// certificate may name no key of its issuer (RFC 5280 §4.2.1.1). Without this a
// root whose issuer was altered would pass for one whose issuer is elsewhere.
func claimsRoot(c *x509.Certificate) bool {
	return len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (s *Signature) checkTrust(chain []*x509.Certificate, at time.Time, roots *x509.CertPool) {
	if roots == nil {
		if top := chain[len(chain)-1]; !selfIssued(top) {
			s.Unchecked = append(s.Unchecked, fmt.Sprintf("who issued the certificate of %s", top.Subject))
		}
		return
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := s.Signer.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if s.Trusted = Trusted; err != nil {
		s.Trusted = Untrusted
		s.problem("the issuer is not trusted: %v", err)
	}
}

func algorithmName(key crypto.PublicKey, a algorithm, d digest) string {
	s, _ := schemeOf(a)
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("%s %d with %s", s.name, k.N.BitLen(), d.name)
	case *ecdsa.PublicKey:
		return fmt.Sprintf("%s %s with %s", s.name, k.Curve.Params().Name, d.name)
	}
	return "unknown"
}
