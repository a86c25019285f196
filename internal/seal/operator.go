package seal

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"countersign.dev/internal/errs"
)

// loadOperator reads the operator's own key with its chain. Errors never hold
// the password or any key material.
func loadOperator(file, password string) (crypto.Signer, []*x509.Certificate, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read the sealing key: %w", err)
	}
	load := loadPKCS12
	if bytes.Contains(content, []byte("-----BEGIN ")) {
		load = loadPEM
	}
	key, found, err := load(content, password)
	if err != nil {
		return nil, nil, badKey("%s: %v", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, badKey("%s: keys of type %T cannot sign", file, key)
	}
	chain, err := arrange(signer, found)
	if err != nil {
		return nil, nil, badKey("%s: %v", file, err)
	}
	return signer, chain, nil
}

func badKey(format string, args ...any) error {
	return errs.New(errs.Invalid, "seal.key", format, args...)
}

func loadPKCS12(content []byte, password string) (any, []*x509.Certificate, error) {
	key, leaf, others, err := pkcs12.DecodeChain(content, password)
	return key, append([]*x509.Certificate{leaf}, others...), err
}

// loadPEM reads PEM blocks in any order (RFC 7468): one private key in PKCS#8,
// SEC 1 or PKCS#1, not encrypted, and the certificates.
func loadPEM(content []byte, _ string) (any, []*x509.Certificate, error) {
	var chain []*x509.Certificate
	var keyPEM, leafPEM []byte
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, err
			}
			chain = append(chain, c)
		case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return nil, nil, fmt.Errorf("the private key is encrypted; use a PKCS#12 file instead")
		case strings.HasSuffix(block.Type, "PRIVATE KEY") && keyPEM != nil:
			return nil, nil, fmt.Errorf("more than one private key")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keyPEM = pem.EncodeToMemory(block)
		}
	}
	// tls.X509KeyPair knows every form of private key; it insists on the matching certificate.
	for _, c := range chain {
		leafPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if pair, err := tls.X509KeyPair(leafPEM, keyPEM); err == nil {
			return pair.PrivateKey, chain, nil
		}
	}
	return nil, nil, fmt.Errorf("no private key with a matching certificate")
}

// arrange orders the certificates from the key's own upwards and drops those
// that do not belong to its chain.
func arrange(key crypto.Signer, found []*x509.Certificate) ([]*x509.Certificate, error) {
	if _, err := schemeFor(key.Public()); err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, fmt.Errorf("keys of type %T cannot be compared", key.Public())
	}
	var chain []*x509.Certificate
	for _, c := range found {
		if public.Equal(c.PublicKey) {
			chain = append(chain, c)
			break
		}
	}
	if chain == nil {
		return nil, fmt.Errorf("no certificate for the private key")
	}
	for last := chain[0]; last != nil && !selfIssued(last) && len(chain) <= len(found); {
		last = issuerOf(last, found)
		if last != nil {
			chain = append(chain, last)
		}
	}
	return chain, nil
}

func issuerOf(c *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	for _, candidate := range among {
		if bytes.Equal(candidate.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(candidate) == nil {
			return candidate
		}
	}
	return nil
}
