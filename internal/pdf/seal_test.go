package pdf

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	signerOnce sync.Once
	signerDir  string
	signerErr  error
)

// sign makes a throwaway CMS over the byte range with the openssl program: the seal room
// has the real one.
func sign(t testing.TB, p Prepared) []byte {
	t.Helper()
	tool(t, "openssl")
	signerOnce.Do(func() {
		signerDir, signerErr = os.MkdirTemp("", "countersign-signer-")
		if signerErr == nil {
			signerErr = exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Countersign Test",
				"-keyout", filepath.Join(signerDir, "key.pem"), "-out", filepath.Join(signerDir, "cert.pem")).Run()
		}
	})
	if signerErr != nil {
		t.Fatal(signerErr)
	}
	content := filepath.Join(t.TempDir(), "content")
	r := p.ByteRange
	covered := append(append([]byte(nil), p.File[:r[1]]...), p.File[r[2]:]...)
	if err := os.WriteFile(content, covered, 0o600); err != nil {
		t.Fatal(err)
	}
	cms, err := exec.Command("openssl", "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-outform", "DER", "-in", content,
		"-signer", filepath.Join(signerDir, "cert.pem"), "-inkey", filepath.Join(signerDir, "key.pem")).Output()
	if err != nil {
		t.Fatal(err)
	}
	return cms
}

func container() *Container {
	return &Container{Reserve: 8192, Name: "Countersign", Reason: "Sealed after the last signature", Location: "Zürich",
		Time: time.Date(2026, 11, 21, 20, 0, 0, 0, time.FixedZone("", 9*3600)), Certify: true}
}

// composed composes or fails.
func composed(t testing.TB, job Job) Prepared {
	t.Helper()
	p, err := jail.Compose(context.Background(), job)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sealedBlank(t testing.TB) Prepared {
	t.Helper()
	return composed(t, Job{Append: []NewPage{{Width: 300, Height: 400}}, Container: container()})
}
