package seal

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5652, RFC 5035 and RFC 3161.
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidCertificateV1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidTimeStamp     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
)

var (
	contextSet0 = cbasn1.Tag(0).ContextSpecific().Constructed()
	contextSet1 = cbasn1.Tag(1).ContextSpecific().Constructed()
)

// encodeAttributes returns the DER of the SET OF signed attributes: the exact
// bytes that are signed (RFC 5652 §5.4).
func encodeAttributes(digest [32]byte, certificate []byte) ([]byte, error) {
	hash := sha256.Sum256(certificate)
	attributes := make([][]byte, 0, 3)
	for _, a := range []struct {
		oid   asn1.ObjectIdentifier
		value func(*cryptobyte.Builder)
	}{
		{oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) }},
		{oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest[:]) }},
		{oidCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificate(b, hash[:]) }},
	} {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(a.oid)
			b.AddASN1(cbasn1.SET, a.value)
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		attributes = append(attributes, der)
	}
	slices.SortFunc(attributes, bytes.Compare) // DER orders a SET OF by its elements' encodings (X.690 §11.6)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(attributes, nil)) })
	return b.Bytes()
}

// addSigningCertificate adds a SigningCertificateV2 with one ESSCertIDv2. Its
// hash algorithm is left out because SHA-256 is the default, which DER omits
// (RFC 5035 §3).
func addSigningCertificate(b *cryptobyte.Builder, hash []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(hash) })
		})
	})
}

// encodeSignedData returns a ContentInfo holding a SignedData with no content,
// one signer and the whole chain (RFC 5652 §3, §5.1).
func encodeSignedData(chain []*x509.Certificate, attributes []byte, s scheme, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(contextSet0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, oidSHA256, false) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
				b.AddASN1(contextSet0, func(b *cryptobyte.Builder) { addCertificates(b, chain) })
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					addSignerInfo(b, chain[0], attributes, s, signature)
				})
			})
		})
	})
	return b.Bytes()
}

func addCertificates(b *cryptobyte.Builder, chain []*x509.Certificate) {
	raw := make([][]byte, len(chain))
	for i, c := range chain {
		raw[i] = c.Raw
	}
	slices.SortFunc(raw, bytes.Compare)
	b.AddBytes(bytes.Join(raw, nil))
}

func addSignerInfo(b *cryptobyte.Builder, c *x509.Certificate, attributes []byte, s scheme, signature []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(c.RawIssuer)
			b.AddASN1BigInt(c.SerialNumber)
		})
		addAlgorithm(b, oidSHA256, false)
		b.AddASN1(contextSet0, func(b *cryptobyte.Builder) {
			set := cryptobyte.String(attributes)
			var inner cryptobyte.String
			if !set.ReadASN1(&inner, cbasn1.SET) {
				panic("seal: signed attributes are not a SET") // encodeAttributes made them
			}
			b.AddBytes(inner)
		})
		addAlgorithm(b, s.oid, s.null)
		b.AddASN1OctetString(signature)
	})
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}
