package seal

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"countersign.dev/internal/errs"
)

// signedData is what a signature container holds.
type signedData struct {
	version      int
	digests      []algorithm
	certificates [][]byte // DER, in the order found
	otherFormats bool     // certificates of a kind that is not X.509 are present
	revocations  bool     // revocation data is present
	signer       signerInfo
}

type signerInfo struct {
	version    int
	issuer     []byte // DER of the issuer's name, with serial; or keyID alone
	serial     *big.Int
	keyID      []byte
	digest     algorithm
	attributes []attribute
	signed     []byte // the bytes that were signed: the attributes as a SET OF
	algorithm  algorithm
	signature  []byte
	unsigned   []attribute
}

type algorithm struct {
	oid    asn1.ObjectIdentifier
	params []byte // DER with its header; nil when absent
}

type attribute struct {
	oid   asn1.ObjectIdentifier
	value []byte // DER of its only value
}

// bare reports whether the algorithm has no parameters or NULL, which mean the
// same for the digests and for RSA (RFC 5754 §2).
func (a algorithm) bare() bool { return a.params == nil || bytes.Equal(a.params, []byte{5, 0}) }

func malformed(where string, args ...any) error {
	return errs.New(errs.Unprocessable, "signature.malformed", "the signature is not a well-formed CMS SignedData: %s",
		fmt.Sprintf(where, args...))
}

// decode reads one ContentInfo with SignedData in DER. Trailing bytes,
// indefinite lengths, embedded content and more or fewer than one signer are
// refused: each of them has been used to make two readers disagree.
func decode(der []byte) (signedData, error) {
	in := cryptobyte.String(der)
	var info, wrapped, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() {
		return signedData{}, malformed("outer sequence")
	}
	if !info.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidSignedData) {
		return signedData{}, malformed("content type %v", oid)
	}
	if !info.ReadASN1(&wrapped, contextSet0) || !info.Empty() ||
		!wrapped.ReadASN1(&body, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return signedData{}, malformed("content")
	}
	return decodeSignedData(body)
}

func decodeSignedData(in cryptobyte.String) (signedData, error) {
	var sd signedData
	var digests, content, certificates, signers cryptobyte.String
	var oid asn1.ObjectIdentifier
	var hasCertificates bool
	if !in.ReadASN1Integer(&sd.version) || !in.ReadASN1(&digests, cbasn1.SET) {
		return sd, malformed("version and digest algorithms")
	}
	for !digests.Empty() {
		a, err := decodeAlgorithm(&digests)
		if err != nil {
			return sd, err
		}
		sd.digests = append(sd.digests, a)
	}
	if !in.ReadASN1(&content, cbasn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&oid) {
		return sd, malformed("encapsulated content")
	}
	if !oid.Equal(oidData) || !content.Empty() {
		return sd, malformed("the content must be detached data")
	}
	if !in.ReadOptionalASN1(&certificates, &hasCertificates, contextSet0) {
		return sd, malformed("certificates")
	}
	if err := sd.decodeCertificates(certificates); err != nil {
		return sd, err
	}
	if !in.ReadOptionalASN1(new(cryptobyte.String), &sd.revocations, contextSet1) {
		return sd, malformed("revocation data")
	}
	if !in.ReadASN1(&signers, cbasn1.SET) || !in.Empty() {
		return sd, malformed("signers")
	}
	err := sd.signer.decode(&signers)
	if err == nil && !signers.Empty() {
		err = malformed("more than one signer")
	}
	return sd, err
}

func (sd *signedData) decodeCertificates(in cryptobyte.String) error {
	for !in.Empty() {
		var der cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1Element(&der, &tag) {
			return malformed("certificate")
		}
		if tag != cbasn1.SEQUENCE {
			sd.otherFormats = true // attribute certificates and the like: nobody here understands them
			continue
		}
		for _, c := range sd.certificates {
			if bytes.Equal(c, der) {
				return malformed("the same certificate twice")
			}
		}
		sd.certificates = append(sd.certificates, der)
	}
	return nil
}

func (si *signerInfo) decode(in *cryptobyte.String) error {
	var body, attributes cryptobyte.String
	var err error
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&si.version) {
		return malformed("signer")
	}
	if err = si.decodeIdentifier(&body); err != nil {
		return err
	}
	if si.digest, err = decodeAlgorithm(&body); err != nil {
		return err
	}
	if !body.ReadASN1(&attributes, contextSet0) {
		return malformed("signed attributes are missing")
	}
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
	if si.signed, err = set.Bytes(); err != nil {
		return err
	}
	if si.attributes, err = decodeAttributes(attributes); err != nil {
		return err
	}
	if si.algorithm, err = decodeAlgorithm(&body); err != nil {
		return err
	}
	if !body.ReadASN1Bytes(&si.signature, cbasn1.OCTET_STRING) {
		return malformed("signature value")
	}
	var unsigned cryptobyte.String
	if !body.ReadOptionalASN1(&unsigned, nil, contextSet1) || !body.Empty() {
		return malformed("unsigned attributes")
	}
	si.unsigned, err = decodeAttributes(unsigned)
	return err
}

// decodeIdentifier reads a SignerIdentifier (RFC 5652 §5.3).
func (si *signerInfo) decodeIdentifier(in *cryptobyte.String) error {
	byKey := cbasn1.Tag(0).ContextSpecific()
	if in.PeekASN1Tag(byKey) {
		if !in.ReadASN1Bytes(&si.keyID, byKey) || len(si.keyID) == 0 {
			return malformed("signer identifier")
		}
		return nil
	}
	var body, name cryptobyte.String
	si.serial = new(big.Int)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&name, cbasn1.SEQUENCE) ||
		!body.ReadASN1Integer(si.serial) || !body.Empty() {
		return malformed("signer identifier")
	}
	si.issuer = name
	return nil
}

// decodeAttributes reads a SET OF Attribute: in DER order, no type twice, one
// value each (RFC 5652 §5.3, §11; ETSI EN 319 122-1 §5).
func decodeAttributes(in cryptobyte.String) ([]attribute, error) {
	var out []attribute
	var last []byte
	seen := map[string]bool{}
	for !in.Empty() {
		var element, body, values, value cryptobyte.String
		var a attribute
		var tag cbasn1.Tag
		if !in.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return nil, malformed("attribute")
		}
		if bytes.Compare(last, element) > 0 {
			return nil, malformed("attributes are not in DER order")
		}
		last = element
		if !element.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&a.oid) ||
			!body.ReadASN1(&values, cbasn1.SET) || !body.Empty() {
			return nil, malformed("attribute")
		}
		if !values.ReadAnyASN1Element(&value, &tag) || !values.Empty() {
			return nil, malformed("attribute %v must have one value", a.oid)
		}
		if seen[a.oid.String()] {
			return nil, malformed("attribute %v twice", a.oid)
		}
		seen[a.oid.String()] = true
		a.value = value
		out = append(out, a)
	}
	return out, nil
}

func decodeAlgorithm(in *cryptobyte.String) (algorithm, error) {
	var body, params cryptobyte.String
	var a algorithm
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&a.oid) {
		return a, malformed("algorithm identifier")
	}
	if !body.Empty() {
		var tag cbasn1.Tag
		if !body.ReadAnyASN1Element(&params, &tag) || !body.Empty() {
			return a, malformed("algorithm parameters")
		}
		a.params = params
	}
	return a, nil
}

// find returns the value of an attribute; nil when it is absent.
func find(attributes []attribute, oid asn1.ObjectIdentifier) []byte {
	for _, a := range attributes {
		if a.oid.Equal(oid) {
			return a.value
		}
	}
	return nil
}
