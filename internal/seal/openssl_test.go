package seal

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
)

// openssl runs openssl in dir, or skips the test where there is none.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		dbtest.Missing(t, "openssl is not installed")
	}
	c := exec.Command(program, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func put(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOpenSSLVerifiesOurs: an independent program accepts our seals, with the
// check of the signing certificate that CAdES demands.
func TestOpenSSLVerifiesOurs(t *testing.T) {
	g, err := successor(nil, "Test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keys{
		"ECDSA": keysOf(t, g.leaf, g.ca),
		"RSA":   keysOf(t, rsaLeaf(t, g.ca, 2048), g.ca),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "content", content)
			put(t, dir, "cms", sign(t, k))
			put(t, dir, "ca.pem", k.TrustPEM())
			openssl(t, dir, "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "cms", "-content", "content",
				"-CAfile", "ca.pem", "-purpose", "any", "-out", "verified")
			listing := openssl(t, dir, "cms", "-cmsout", "-print", "-inform", "DER", "-in", "cms")
			if !strings.Contains(listing, "id-smime-aa-signingCertificateV2") || strings.Contains(listing, "signingTime") {
				t.Errorf("attributes:\n%s", listing)
			}
		})
	}
}

// TestOpenSSLMade: what openssl signs, we verify.
func TestOpenSSLMade(t *testing.T) {
	cases := map[string]struct {
		key, sign []string
		named     string
	}{
		"RSA":          {[]string{"rsa:2048"}, []string{"-md", "sha256"}, ""},
		"RSA SHA-512":  {[]string{"rsa:2048"}, []string{"-md", "sha512"}, ""},
		"RSA-PSS":      {[]string{"rsa:2048"}, []string{"-md", "sha256", "-keyopt", "rsa_padding_mode:pss"}, ""},
		"P-256":        {[]string{"ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, []string{"-md", "sha256"}, ""},
		"P-384":        {[]string{"ec", "-pkeyopt", "ec_paramgen_curve:P-384"}, []string{"-md", "sha384"}, ""},
		"key id":       {[]string{"rsa:2048"}, []string{"-md", "sha256", "-keyid"}, ""},
		"CAdES":        {[]string{"rsa:2048"}, []string{"-md", "sha256", "-cades"}, ""},
		"SHA-1":        {[]string{"rsa:2048"}, []string{"-md", "sha1"}, "SHA-1 is weak"},
		"RSA 1024":     {[]string{"rsa:1024"}, []string{"-md", "sha256"}, "weak: 1024 bits"},
		"no signedatt": {[]string{"rsa:2048"}, []string{"-md", "sha256", "-noattr"}, "signed attributes are missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "content", content)
			openssl(t, dir, append([]string{"req", "-x509", "-nodes", "-subj", "/CN=Someone", "-keyout", "key.pem",
				"-out", "cert.pem", "-days", "30", "-newkey"}, c.key...)...)
			openssl(t, dir, append([]string{"cms", "-sign", "-binary", "-in", "content", "-signer", "cert.pem",
				"-inkey", "key.pem", "-outform", "DER", "-out", "cms"}, c.sign...)...)
			cms, err := os.ReadFile(filepath.Join(dir, "cms"))
			if err != nil {
				t.Fatal(err)
			}
			_, judgement := judge(t, cms, nil)
			if (c.named == "") != (judgement == "") || !strings.Contains(judgement, c.named) {
				t.Errorf("judged %q, want %q", judgement, c.named)
			}
		})
	}
}

// TestTrustPEM: what verifiers are told to trust is the authorities and nothing else.
func TestTrustPEM(t *testing.T) {
	k := made(t)
	block, rest := pem.Decode(k.TrustPEM())
	if block == nil || !bytes.Equal(block.Bytes, k.chain[1].Raw) || len(rest) != 0 {
		t.Error("the CA alone should be trusted")
	}
}
