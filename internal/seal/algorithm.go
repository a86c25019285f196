package seal

import (
	"crypto"
	"crypto/ecdsa"
	_ "crypto/md5" // to name it as weak, not to trust it
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5754, RFC 8017 and RFC 5758.
var (
	oidMD5       = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}
	oidSHA1      = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSAMD5    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}
	oidRSASHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidMGF1      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidRSAPSS    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidRSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidRSASHA384 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}
	oidRSASHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}
	oidECSHA1    = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	oidECSHA256  = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECSHA384  = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidECSHA512  = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}
)

// digest is a hash function by its identifier and its name for people.
type digest struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
	name string
	weak bool
}

var digests = []digest{
	{oidSHA256, crypto.SHA256, "SHA-256", false},
	{oidSHA384, crypto.SHA384, "SHA-384", false},
	{oidSHA512, crypto.SHA512, "SHA-512", false},
	{oidSHA1, crypto.SHA1, "SHA-1", true},
	{oidMD5, crypto.MD5, "MD5", true},
}

// digestOf knows the digest algorithms that may be read. Weak ones are known
// only to be named.
func digestOf(a algorithm) (digest, bool) {
	for _, d := range digests {
		if d.oid.Equal(a.oid) && a.bare() {
			return d, true
		}
	}
	return digest{}, false
}

type padding uint8

const (
	rsaPKCS1 padding = iota
	rsaPSS
	ecdsaDER
)

// scheme is a signature algorithm: its identifier, the digest it is tied to (0:
// the signer's) and whether its parameters are written as NULL.
type scheme struct {
	oid     asn1.ObjectIdentifier
	hash    crypto.Hash
	padding padding
	name    string
	null    bool
}

var schemes = []scheme{
	{oidECSHA256, crypto.SHA256, ecdsaDER, "ECDSA", false},
	{oidECSHA384, crypto.SHA384, ecdsaDER, "ECDSA", false},
	{oidECSHA512, crypto.SHA512, ecdsaDER, "ECDSA", false},
	{oidECSHA1, crypto.SHA1, ecdsaDER, "ECDSA", false},
	{oidRSASHA256, crypto.SHA256, rsaPKCS1, "RSA", true},
	{oidRSASHA384, crypto.SHA384, rsaPKCS1, "RSA", true},
	{oidRSASHA512, crypto.SHA512, rsaPKCS1, "RSA", true},
	{oidRSASHA1, crypto.SHA1, rsaPKCS1, "RSA", true},
	{oidRSAMD5, crypto.MD5, rsaPKCS1, "RSA", true},
	{oidRSA, 0, rsaPKCS1, "RSA", true},
	{oidRSAPSS, 0, rsaPSS, "RSA-PSS", false},
}

func schemeOf(a algorithm) (scheme, bool) {
	for _, s := range schemes {
		if s.oid.Equal(a.oid) {
			return s, s.padding == rsaPSS || a.params == nil || s.null && a.bare()
		}
	}
	return scheme{}, false
}

// schemeFor is the scheme our own key signs with, SHA-256 always.
func schemeFor(key crypto.PublicKey) (scheme, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return scheme{}, errors.New("the key's curve is weaker than 256 bits")
		}
		return schemes[0], nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return scheme{}, fmt.Errorf("the RSA key has %d bits; at least %d are needed", k.N.BitLen(), minRSA)
		}
		return schemes[4], nil
	}
	return scheme{}, fmt.Errorf("keys of type %T cannot seal; use ECDSA or RSA", key)
}

// minRSA is the least RSA modulus in bits that is not called weak (ETSI TS 119 312 §6.2).
const minRSA = 2048

var errSignature = errors.New("signature value does not verify")

// verifyValue checks a signature value over signed under the certificate's key.
func verifyValue(key crypto.PublicKey, a algorithm, d digest, signed, signature []byte) error {
	s, ok := schemeOf(a)
	if !ok {
		return fmt.Errorf("signature algorithm %v is not known", a.oid)
	}
	if s.hash != 0 && s.hash != d.hash {
		return errors.New("signature and digest algorithms disagree")
	}
	h := d.hash.New()
	h.Write(signed)
	sum := h.Sum(nil)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if s.padding == ecdsaDER && ecdsa.VerifyASN1(k, sum, signature) {
			return nil
		}
	case *rsa.PublicKey:
		return verifyRSA(k, s, a, d, sum, signature)
	}
	return errSignature
}

func verifyRSA(k *rsa.PublicKey, s scheme, a algorithm, d digest, sum, signature []byte) error {
	switch s.padding {
	case rsaPKCS1:
		if rsa.VerifyPKCS1v15(k, d.hash, sum, signature) == nil {
			return nil
		}
	case rsaPSS:
		salt, err := pssSalt(a.params, d)
		if err != nil {
			return err
		}
		if rsa.VerifyPSS(k, d.hash, sum, signature, &rsa.PSSOptions{SaltLength: salt, Hash: d.hash}) == nil {
			return nil
		}
	}
	return errSignature
}

// pssSalt reads RSASSA-PSS-params (RFC 8017 §A.2.3): both hashes must be the
// signer's digest; it returns the length of the salt in bytes.
func pssSalt(params []byte, d digest) (int, error) {
	bad := errors.New("RSA-PSS parameters do not fit the digest")
	in := cryptobyte.String(params)
	var body, hash, mask cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&hash, contextSet0) ||
		!body.ReadASN1(&mask, contextSet1) {
		return 0, bad // absent members mean SHA-1, which is refused anyway
	}
	inner, err := decodeAlgorithm(&hash)
	if got, ok := digestOf(inner); err != nil || !ok || got.hash != d.hash || !hash.Empty() {
		return 0, bad
	}
	mgf, err := decodeAlgorithm(&mask)
	if err != nil || !mgf.oid.Equal(oidMGF1) || !mask.Empty() {
		return 0, bad
	}
	of := cryptobyte.String(mgf.params)
	inner, err = decodeAlgorithm(&of)
	if got, ok := digestOf(inner); err != nil || !ok || got.hash != d.hash || !of.Empty() {
		return 0, bad
	}
	salt := 20 // the default of RFC 8017
	var explicit cryptobyte.String
	var present bool
	tag := cbasn1.Tag(2).ContextSpecific().Constructed()
	if !body.ReadOptionalASN1(&explicit, &present, tag) || !body.Empty() {
		return 0, bad
	}
	if present && (!explicit.ReadASN1Integer(&salt) || !explicit.Empty() || salt <= 0) {
		return 0, bad
	}
	return salt, nil
}
