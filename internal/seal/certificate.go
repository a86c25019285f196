package seal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"strings"
	"time"
)

// Lifetimes of what is made here. A certificate is replaced when less than
// renewBefore is left, so a server restarted once a year never meets its end.
const (
	caYears     = 20
	leafYears   = 10
	renewBefore = 400 * 24 * time.Hour
)

// authority is a certificate with its private key.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// newCA makes a self-signed authority that may issue signing certificates only
// (path length 0). Its name carries the start of its key's hash, so that the
// authorities of two installations are not mistaken for each other.
func newCA(organisation string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return authority{}, err
	}
	hash := sha256.Sum256(public)
	id := strings.ToUpper(hex.EncodeToString(hash[:4]))
	t := template(organisation, "Document CA "+id, now)
	t.NotAfter = now.AddDate(caYears, 0, 0)
	t.IsCA, t.MaxPathLenZero = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return issue(t, t, key, key)
}

// newLeaf issues a certificate for sealing. It has no extended key usage:
// readers take that to mean any, whereas each of them asks for another one.
func newLeaf(ca authority, organisation string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	t := template(organisation, "Document Seal", now)
	if t.NotAfter = now.AddDate(leafYears, 0, 0); t.NotAfter.After(ca.certificate.NotAfter) {
		t.NotAfter = ca.certificate.NotAfter
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	return issue(t, ca.certificate, key, ca.key)
}

func template(organisation, name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails, see crypto/rand
	serial[0] = serial[0]&0x7f | 0x40
	return &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{Organization: []string{organisation}, CommonName: organisation + " " + name},
		NotBefore:             now.Add(-time.Hour), // replicas' and readers' clocks differ
		BasicConstraintsValid: true,
	}
}

func issue(t, parent *x509.Certificate, key, signer crypto.Signer) (authority, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return authority{}, err
	}
	c, err := x509.ParseCertificate(der)
	return authority{c, key}, err
}
