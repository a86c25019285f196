package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
)

// keys makes a seal of its own.
func keys(t testing.TB) *seal.Keys {
	t.Helper()
	box, err := secret.FromMaster(secret.Bytes(32))
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Open(context.Background(), dbtest.SQLite(t).DB, box, seal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sealed composes a job and fills its container.
func sealed(t testing.TB, k *seal.Keys, job pdf.Job) []byte {
	t.Helper()
	if job.Container == nil {
		job.Container = &pdf.Container{Reserve: seal.Reserve, Name: "Countersign", Reason: "Sealed", Time: time.Now(), Certify: true}
	}
	p, err := jail.Compose(context.Background(), job)
	if err != nil {
		t.Fatal(err)
	}
	return patched(t, k, p)
}

func patched(t testing.TB, k *seal.Keys, p pdf.Prepared) []byte {
	t.Helper()
	cms, err := k.Sign(p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	file, err := p.Patch(cms)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// contract is a one-page document as somebody uploads it.
func contract(t testing.TB, text string) []byte {
	t.Helper()
	return compose(t, []pdf.NewPage{{Width: 595, Height: 842, Items: []pdf.Item{
		pdf.Text{X: 72, Y: 120, Size: 24, Bold: true, String: "Contract"},
		pdf.Text{X: 72, Y: 170, Size: 14, String: text}}}})
}

// finished is a contract with its evidence, sealed.
func finished(t testing.TB, k *seal.Keys) []byte {
	t.Helper()
	d := sample()
	return sealed(t, k, pdf.Job{Doc: contract(t, "The rent is 1,000 a month."), Append: Pages(jail, d, &d.Documents[0]),
		Attach: []pdf.Attachment{Attachment(d)}, Title: "Lease"})
}

// brief is a contract of one page, sealed, with its evidence attached.
func brief(t testing.TB, k *seal.Keys) []byte {
	t.Helper()
	return sealed(t, k, pdf.Job{Doc: contract(t, "The rent is 1,000 a month."), Attach: []pdf.Attachment{Attachment(sample())}})
}

func verify(t testing.TB, file []byte, k *seal.Keys) Report {
	t.Helper()
	var r Report
	var err error
	if k == nil {
		r, err = Verify(context.Background(), jail, file, nil)
	} else {
		r, err = Verify(context.Background(), jail, file, k.Roots())
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(r Report) string {
	var b strings.Builder
	r.WriteText(&b)
	return b.String()
}

func TestIntact(t *testing.T) {
	k := keys(t)
	file := finished(t, k)
	for _, roots := range []*seal.Keys{nil, k} {
		r := verify(t, file, roots)
		if r.Verdict != Intact || r.Verdict.ExitCode() != 0 || len(r.Signatures) != 1 {
			t.Fatalf("%s", text(r))
		}
		s := r.Signatures[0]
		if s.Level != seal.LevelBB || !s.Valid || !s.WholeFile || !s.Certified || s.Time.IsZero() {
			t.Errorf("%+v", s)
		}
		if trust := map[bool]string{true: "trusted", false: "not checked"}[roots != nil]; s.Trust != trust {
			t.Errorf("trust is %q, want %q", s.Trust, trust)
		}
		if r.Evidence == nil || len(r.Evidence.Signatures) != len(sample().Signatures) {
			t.Error("the evidence was not read back")
		}
		lines := strings.Split(strings.TrimSpace(text(r)), "\n")
		last := lines[len(lines)-1]
		if !strings.HasPrefix(last, "Not checked: ") || strings.Contains(last, "issuer") != (roots == nil) ||
			!strings.Contains(last, "audit log proofs") {
			t.Errorf("last line: %s", last)
		}
	}
}

// Independent programs agree with us about a sealed document.
func TestOtherPrograms(t *testing.T) {
	k := keys(t)
	name := filepath.Join(t.TempDir(), "sealed.pdf")
	if err := os.WriteFile(name, finished(t, k), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		want    []string
	}{
		{[]string{"pdfsig", "-nocert", name}, []string{"Signature is Valid", "Total document signed", "ETSI.CAdES.detached", "SHA-256"}},
		{[]string{"qpdf", "--check", name}, []string{"No syntax or stream encoding errors found"}},
		{[]string{"mutool", "info", name}, []string{"Pages: "}},
	} {
		t.Run(c.command[0], func(t *testing.T) {
			if _, err := exec.LookPath(c.command[0]); err != nil {
				dbtest.Missing(t, c.command[0]+" is not installed")
			}
			out, err := exec.Command(c.command[0], c.command[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range c.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// Files as other programs write them are sealed and verified without a false alarm.
func TestNoFalseAlarms(t *testing.T) {
	if _, err := exec.LookPath("qpdf"); err != nil {
		dbtest.Missing(t, "qpdf is not installed")
	}
	k := keys(t)
	dir := t.TempDir()
	d := sample()
	source := filepath.Join(dir, "in.pdf")
	if err := os.WriteFile(source, compose(t, Pages(jail, d, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"--linearize", "--object-streams=generate", "--object-streams=disable", "--qdf",
		"--stream-data=uncompress", "--newline-before-endstream", "--force-version=1.4", "--min-version=2.0"} {
		name := filepath.Join(dir, strings.Trim(options, "-")+".pdf")
		if out, err := exec.Command("qpdf", options, source, name).CombinedOutput(); err != nil {
			t.Fatalf("qpdf %s: %v\n%s", options, err, out)
		}
		upload, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := jail.Inspect(context.Background(), upload)
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		if info.Repaired != nil {
			upload = info.Repaired
		}
		file := sealed(t, k, pdf.Job{Doc: upload, Append: Pages(jail, d, &d.Documents[0]), Attach: []pdf.Attachment{Attachment(d)}})
		if r := verify(t, file, k); r.Verdict != Intact || !bytes.HasPrefix(file, upload) {
			t.Errorf("%s: %s", options, text(r))
		}
	}
}

// The report for machines has a value in every member.
func TestReportJSON(t *testing.T) {
	for _, file := range [][]byte{nil, contract(t, "unsigned"), brief(t, keys(t))} {
		out, err := json.Marshal(verify(t, file, nil))
		if err != nil || bytes.Contains(out, []byte("null")) {
			t.Errorf("%v %s", err, out)
		}
		var back Report
		if err := json.Unmarshal(out, &back); err != nil || back.Verdict == "" || len(back.NotChecked) == 0 {
			t.Errorf("%v %+v", err, back)
		}
	}
}

// A changed byte is never passed over, wherever it is.
func TestFlippedBytes(t *testing.T) {
	k := keys(t)
	file := finished(t, k)
	positions := dbtest.Rounds(60, 300)
	places := make(chan int)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for at := range places {
				changed := bytes.Clone(file)
				changed[at] ^= 1 << (at % 8)
				r, err := Verify(context.Background(), jail, changed, nil)
				if err != nil || r.Verdict == Intact {
					t.Errorf("byte %d of %d (%q → %q): %s %v", at, len(file), file[at], changed[at], r.Verdict, err)
				}
			}
		})
	}
	for i := range positions {
		places <- i*len(file)/positions + i%7
	}
	close(places)
	group.Wait()
}

func TestUnsigned(t *testing.T) {
	r := verify(t, contract(t, "nobody signed this"), nil)
	if r.Verdict != Unsigned || r.Verdict.ExitCode() != 1 {
		t.Errorf("%s", text(r))
	}
}

func TestUnreadable(t *testing.T) {
	for _, file := range []string{"", "hello", "%PDF-1.7\nnothing more", "PK\x03\x04"} {
		r := verify(t, []byte(file), nil)
		if r.Verdict != Unreadable || r.Verdict.ExitCode() != 2 {
			t.Errorf("%q: %s", file, text(r))
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := keys(b)
	file, roots := finished(b, k), k.Roots()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if r, err := Verify(context.Background(), jail, file, roots); err != nil || r.Verdict != Intact {
			b.Fatal(err, r.Findings)
		}
	}
}

func BenchmarkPages(b *testing.B) {
	d := sample()
	for b.Loop() {
		if len(Pages(jail, d, nil)) == 0 {
			b.Fatal("no pages")
		}
	}
}

func TestAttachmentIsCanonical(t *testing.T) {
	d := sample()
	d.Package.Name = "bad \xff byte"
	a := Attachment(d)
	d.Package.Created = d.Package.Created.In(time.FixedZone("", 3600))
	if b := Attachment(d); sha256.Sum256(a.Data) != sha256.Sum256(b.Data) {
		t.Error("equal dossiers have different attachments")
	}
	got, err := dossierIn([]pdf.Attachment{{Name: "other"}, a})
	if err != nil {
		t.Fatal(err)
	}
	if got.Documents[0].Original != d.Documents[0].Original || got.Package.Name != "bad \uFFFD byte" || len(got.Events) != len(d.Events) {
		t.Errorf("%+v", got.Package)
	}
	if _, err := dossierIn([]pdf.Attachment{a, a}); err == nil {
		t.Error("two sets of evidence were accepted")
	}
}
