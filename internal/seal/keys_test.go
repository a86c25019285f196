package seal

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

func testBox(t testing.TB, fill byte) *secret.Box {
	t.Helper()
	box, err := secret.FromMaster(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// made are keys like those Open makes, without a database.
func made(t testing.TB) *Keys {
	t.Helper()
	g, err := successor(nil, "Test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(t, g.leaf, g.ca)
}

// keysOf seals with the first authority, issued by the second, and so on.
func keysOf(t testing.TB, chain ...authority) *Keys {
	t.Helper()
	k := &Keys{key: chain[0].key, now: time.Now}
	for _, a := range chain {
		k.chain = append(k.chain, a.certificate)
	}
	k.roots = k.chain[len(k.chain)-1:]
	var err error
	if k.scheme, err = schemeFor(k.key.Public()); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpenAgrees(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		var group sync.WaitGroup
		opened := make([]*Keys, 8)
		errors := make([]error, len(opened))
		for i := range opened {
			group.Go(func() { opened[i], errors[i] = Open(context.Background(), d.DB, testBox(t, 1), Config{}) })
		}
		group.Wait()
		for i, k := range opened {
			if errors[i] != nil {
				t.Fatal(errors[i])
			}
			if !k.Chain()[0].Equal(opened[0].Chain()[0]) || !bytes.Equal(k.TrustPEM(), opened[0].TrustPEM()) {
				t.Error("replicas that started together have different keys")
			}
		}
	})
}

func TestOpenOtherMasterKey(t *testing.T) {
	d := dbtest.SQLite(t)
	if _, err := Open(context.Background(), d.DB, testBox(t, 1), Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), d.DB, testBox(t, 2), Config{}); err == nil {
		t.Error("keys were opened with another master key")
	}
}

// S8: a certificate near its end is replaced, and what it sealed stays verifiable.
func TestRotation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		box := testBox(t, 1)
		first, err := Open(context.Background(), d.DB, box, Config{})
		if err != nil {
			t.Fatal(err)
		}
		content := []byte("sealed long ago")
		old, err := first.Sign(sha256.Sum256(content))
		if err != nil {
			t.Fatal(err)
		}
		sealed := time.Now()
		years := []struct{ shift, cas int }{{1, 1}, {8, 1}, {9, 2}} // leaf kept, leaf replaced, CA replaced too
		leaf := first.Chain()[0]
		for i, y := range years {
			d.Shift(time.Duration(y.shift) * 365 * 24 * time.Hour)
			k, err := Open(context.Background(), d.DB, box, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if replaced := !k.Chain()[0].Equal(leaf); replaced != (i > 0) {
				t.Errorf("step %d: replaced = %v", i, replaced)
			}
			if len(k.roots) != y.cas {
				t.Errorf("step %d: %d authorities, want %d", i, len(k.roots), y.cas)
			}
			s, err := Verify(old, bytes.NewReader(content), sealed, k.Roots())
			if err != nil || !s.Valid() {
				t.Errorf("step %d: the old seal does not verify: %v %v", i, err, s.Problems)
			}
			leaf = k.Chain()[0]
		}
	})
}

func TestExpiredKeyDoesNotSign(t *testing.T) {
	k := made(t)
	k.now = func() time.Time { return k.chain[0].NotAfter.Add(time.Second) }
	if _, err := k.Sign([32]byte{}); !errs.Is(err, "seal.key_expired") {
		t.Errorf("an expired key signed: %v", err)
	}
}

func TestMadeCertificates(t *testing.T) {
	k := made(t)
	ca, leaf := k.chain[1], k.chain[0]
	if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Error("the CA's constraints are wrong")
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment || leaf.ExtKeyUsage != nil {
		t.Error("the signing certificate's usages are wrong")
	}
	if years := ca.NotAfter.Sub(ca.NotBefore).Hours() / 24 / 365; years < 19.9 || years > 20.1 {
		t.Errorf("the CA lives %.1f years", years)
	}
}

// operatorFile writes blocks as PEM into a file of the test.
func operatorFile(t *testing.T, blocks ...*pem.Block) string {
	t.Helper()
	var b bytes.Buffer
	for _, block := range blocks {
		if err := pem.Encode(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	return writeFile(t, "operator.pem", b.Bytes())
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func keyBlock(t *testing.T, key crypto.Signer) *pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

func certificateBlock(a authority) *pem.Block {
	return &pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}
}

// rsaLeaf is a signing certificate with an RSA key of so many bits.
func rsaLeaf(t testing.TB, ca authority, bits int) authority {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	c := template("Operator", "RSA", time.Now())
	c.NotAfter = time.Now().AddDate(1, 0, 0)
	a, err := issue(c, ca.certificate, key, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOperatorKey(t *testing.T) {
	g, err := successor(nil, "Operator", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := successor(nil, "Other", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	large, weak := rsaLeaf(t, g.ca, 2048), rsaLeaf(t, g.ca, 1024)
	p12, err := pkcs12.Modern.Encode(g.leaf.key, g.leaf.certificate, []*x509.Certificate{g.ca.certificate}, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := pkcs12.Legacy.Encode(large.key, large.certificate, []*x509.Certificate{g.ca.certificate}, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	leaf, ca := certificateBlock(g.leaf), certificateBlock(g.ca)
	cases := map[string]operatorCase{
		"PEM":                operatorFileCase(t, g.leaf.certificate, keyBlock(t, g.leaf.key), leaf, ca),
		"PEM in any order":   operatorFileCase(t, g.leaf.certificate, ca, keyBlock(t, g.leaf.key), leaf),
		"PEM, stray chain":   operatorFileCase(t, g.leaf.certificate, certificateBlock(other.ca), leaf, ca, keyBlock(t, g.leaf.key)),
		"RSA":                operatorFileCase(t, large.certificate, keyBlock(t, large.key), certificateBlock(large), ca),
		"weak RSA":           operatorFileCase(t, nil, keyBlock(t, weak.key), certificateBlock(weak), ca),
		"another's key":      operatorFileCase(t, nil, keyBlock(t, other.leaf.key), leaf, ca),
		"two keys":           operatorFileCase(t, nil, keyBlock(t, g.leaf.key), keyBlock(t, g.leaf.key), leaf),
		"no key":             operatorFileCase(t, nil, leaf, ca),
		"a CA that may not":  operatorFileCase(t, nil, keyBlock(t, g.ca.key), ca),
		"encrypted":          operatorFileCase(t, nil, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}, leaf),
		"PKCS#12":            {writeFile(t, "operator.p12", p12), g.leaf.certificate},
		"PKCS#12 of old":     {writeFile(t, "operator.p12", legacy), large.certificate},
		"PKCS#12, truncated": {writeFile(t, "operator.p12", p12[:len(p12)/2]), nil},
		"no such file":       {filepath.Join(t.TempDir(), "none"), nil},
	}
	d := dbtest.SQLite(t)
	for name, c := range cases {
		k, err := Open(context.Background(), d.DB, testBox(t, 1), Config{KeyFile: c.file, Password: "open sesame"})
		switch {
		case c.leaf == nil && err == nil:
			t.Errorf("%s: accepted", name)
		case c.leaf != nil && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.leaf != nil && (!k.Chain()[0].Equal(c.leaf) || len(k.Chain()) != 2):
			t.Errorf("%s: wrong chain", name)
		}
	}
}

// operatorCase is a key file and the certificate it must seal with; nil: refused.
type operatorCase struct {
	file string
	leaf *x509.Certificate
}

func operatorFileCase(t *testing.T, leaf *x509.Certificate, blocks ...*pem.Block) operatorCase {
	t.Helper()
	return operatorCase{operatorFile(t, blocks...), leaf}
}
