package seal

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Reserve is the number of bytes a signature container must hold (twice as
// many hexadecimal digits in the file): a CMS of ours has about 1,200, an
// operator's RSA chain up to 8,000, and a time-stamp token may come on top.
const Reserve = 16 << 10

// purpose binds the encryption of private keys to this use.
const purpose = "seal.key"

// Config says whose key seals. The zero value makes one.
type Config struct {
	// Organisation is the O, and begins the CN, of certificates made here;
	// "Countersign" when empty.
	Organisation string
	// KeyFile is the operator's own key: a PEM file with the private key (not
	// encrypted) and its certificate chain, or a PKCS#12 file. Empty: one is made
	// at the first start.
	KeyFile string
	// Password opens a PKCS#12 file.
	Password string
}

// Keys seals and tells what to trust. It may be used by many at once.
type Keys struct {
	key    crypto.Signer
	scheme scheme
	chain  []*x509.Certificate // the signing certificate first
	roots  []*x509.Certificate // every authority this installation ever sealed under
	now    func() time.Time
}

// Open loads the signing key, or makes it at the first start, and proves it
// with a test seal. It returns an Invalid error "seal.key" when the operator's
// key cannot be used, and an Unavailable error "seal.test" when the test seal
// fails; in either case the server must not start.
func Open(ctx context.Context, d *db.DB, box *secret.Box, c Config) (*Keys, error) {
	if c.Organisation == "" {
		c.Organisation = "Countersign"
	}
	all, now, err := loadGenerations(ctx, d, box)
	if err != nil {
		return nil, err
	}
	opened := time.Now()
	k := &Keys{now: func() time.Time { return now.Add(time.Since(opened)) }}
	if c.KeyFile != "" {
		k.key, k.chain, err = loadOperator(c.KeyFile, c.Password)
	} else if all, err = ensure(ctx, d, box, c.Organisation, all, now); err == nil {
		last := all[len(all)-1]
		k.key, k.chain = last.leaf.key, []*x509.Certificate{last.leaf.certificate, last.ca.certificate}
	}
	if err != nil {
		return nil, err
	}
	if k.scheme, err = schemeFor(k.key.Public()); err != nil {
		return nil, badKey("%v", err)
	}
	k.roots = k.authorities(all)
	if err := k.test(); err != nil {
		return nil, errs.New(errs.Unavailable, "seal.test", "the test seal failed: %v", err).Because(err)
	}
	return k, nil
}

// authorities lists the top of the present chain and every CA made here, none twice.
func (k *Keys) authorities(all []generation) []*x509.Certificate {
	roots := []*x509.Certificate{k.chain[len(k.chain)-1]}
	for i := len(all) - 1; i >= 0; i-- {
		known := false
		for _, r := range roots {
			known = known || bytes.Equal(r.Raw, all[i].ca.certificate.Raw)
		}
		if !known {
			roots = append(roots, all[i].ca.certificate)
		}
	}
	return roots
}

// test seals random bytes and verifies the result as a stranger would.
func (k *Keys) test() error {
	content := secret.Bytes(64)
	cms, err := k.Sign(sha256.Sum256(content))
	if err != nil {
		return err
	}
	s, err := Verify(cms, bytes.NewReader(content), k.now(), k.Roots())
	if err == nil && !s.Valid() {
		err = errors.New(s.Problems[0])
	}
	if err == nil && s.Level != LevelBB {
		err = fmt.Errorf("the level is %s", s.Level)
	}
	return err
}

// Sign makes a PAdES B-B signature (ETSI EN 319 142-1 §6.3) over the SHA-256
// digest of a document's byte range: a detached CMS in DER, at most Reserve
// bytes. It returns an Unavailable error "seal.key_expired" when the
// certificate is not valid now, because readers would reject the seal.
func (k *Keys) Sign(digest [32]byte) ([]byte, error) {
	if now := k.now(); now.Before(k.chain[0].NotBefore) || now.After(k.chain[0].NotAfter) {
		return nil, errs.New(errs.Unavailable, "seal.key_expired", "the sealing certificate is valid from %s to %s",
			moment(k.chain[0].NotBefore), moment(k.chain[0].NotAfter))
	}
	attributes, err := encodeAttributes(digest, k.chain[0].Raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(attributes)
	signature, err := k.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	cms, err := encodeSignedData(k.chain, attributes, k.scheme, signature)
	if err == nil && len(cms) > Reserve {
		err = fmt.Errorf("the signature has %d bytes, more than the %d reserved", len(cms), Reserve)
	}
	return cms, err
}

// Chain is the signing certificate, then its issuers upwards.
func (k *Keys) Chain() []*x509.Certificate { return append([]*x509.Certificate(nil), k.chain...) }

// Roots holds every authority this installation seals or sealed under.
func (k *Keys) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range k.roots {
		pool.AddCert(c)
	}
	return pool
}

// TrustPEM is Roots as PEM, the present authority first: what a verifier
// elsewhere needs to trust this installation.
func (k *Keys) TrustPEM() []byte {
	var b bytes.Buffer
	for _, c := range k.roots {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Buffer does not fail
	}
	return b.Bytes()
}
