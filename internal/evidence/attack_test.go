package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
)

// attack is one crafted change of a sealed file and how it must be called.
type attack struct {
	name string
	file []byte
	code Code // must be among the findings; empty: any or none
}

// catch verifies each attack without trusted authorities, which accepts more
// than with: never Intact, and named.
func catch(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		r := verify(t, a.file, nil)
		if r.Verdict != Altered || r.Verdict.ExitCode() != 1 || len(r.Findings) == 0 || len(r.Proven) > 0 || r.Evidence != nil {
			t.Errorf("%s: passed as\n%s", a.name, text(r))
		}
		if a.code != "" && !r.Has(a.code) {
			t.Errorf("%s: no %s in\n%s", a.name, a.code, text(r))
		}
	}
	t.Logf("%d attacks", len(attacks))
}

// overwrite replaces what pattern finds by text of the same length, filled with spaces.
func overwrite(t *testing.T, file []byte, pattern, text string) []byte {
	t.Helper()
	at := regexp.MustCompile(pattern).FindIndex(file)
	if at == nil || len(text) > at[1]-at[0] {
		t.Fatalf("cannot write %q over %q", text, pattern)
	}
	out := bytes.Clone(file)
	copy(out[at[0]:at[1]], text+strings.Repeat(" ", at[1]-at[0]-len(text)))
	return out
}

// holeOf is the place of the signature's container, with its brackets.
func holeOf(t *testing.T, file []byte) (start, end int) {
	t.Helper()
	m := regexp.MustCompile(`/ByteRange \[0 (\d+) +(\d+) +\d+ *\]`).FindSubmatch(file)
	if m == nil {
		t.Fatal("no byte range")
	}
	start, _ = strconv.Atoi(string(m[1]))
	end, _ = strconv.Atoi(string(m[2]))
	return start, end
}

// filled replaces the container's content by digits, padded with zeros.
func filled(t *testing.T, file []byte, digits string) []byte {
	t.Helper()
	start, end := holeOf(t, file)
	out := bytes.Clone(file)
	copy(out[start+1:end-1], digits+strings.Repeat("0", end-start-2-len(digits)))
	return out
}

// increment appends objects as an incremental update (ISO 32000-1 §7.5.6), as an attacker would.
func increment(t *testing.T, file []byte, objects map[int]string) []byte {
	t.Helper()
	starts := regexp.MustCompile(`startxref\s+(\d+)`).FindAllSubmatch(file, -1)
	roots := regexp.MustCompile(`/Root (\d+ \d+ R)`).FindAllSubmatch(file, -1)
	if starts == nil || roots == nil {
		t.Fatal("no trailer")
	}
	out := append(bytes.Clone(file), '\n')
	table := "xref\n"
	for number, body := range objects {
		table += fmt.Sprintf("%d 1\n%010d 00000 n \n", number, len(out))
		out = fmt.Appendf(out, "%d 0 obj\n%s\nendobj\n", number, body)
	}
	return fmt.Appendf(out, "%strailer\n<</Size 9000/Root %s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n", table,
		roots[len(roots)-1][1], starts[len(starts)-1][1], len(out))
}

// object finds the last text of an object and its number, by something it contains.
func object(t *testing.T, file []byte, contains string) (number int, body string) {
	t.Helper()
	all := regexp.MustCompile(`(?s)(\d+) 0 obj\s(.*?)\sendobj`).FindAllSubmatch(file, -1)
	for i := len(all) - 1; i >= 0; i-- {
		if strings.Contains(string(all[i][2]), contains) {
			number, _ = strconv.Atoi(string(all[i][1]))
			return number, string(all[i][2])
		}
	}
	t.Fatalf("no object contains %s", contains)
	return 0, ""
}

// S1: universal forgery. Parts of the signature are missing, empty or nonsense.
func TestUniversalForgery(t *testing.T) {
	k := keys(t)
	file := brief(t, k)
	var attacks []attack
	for _, text := range []string{"/ByteRange [0 0 0 0]", "/ByteRange [0 -1 -2 5]", "/ByteRange null", "/ByteRange []", "",
		"/ByteRange [0 1 2]", "/ByteRange [0 9999 99999 9]", "/ByteRange (0 1 2 3)", "/ByteRange [-0 a b c]"} {
		attacks = append(attacks, attack{"byte range " + text, overwrite(t, file, `/ByteRange \[[^\]]*\]`, text), ""})
	}
	for i := range attacks[:4] {
		attacks[i].code = UniversalForgery
	}
	start, end := holeOf(t, file)
	for _, text := range []string{"<>", "null", "()", "<00>", "[]", "1 0 R"} {
		out := bytes.Clone(file)
		copy(out[start:end], text+strings.Repeat(" ", end-start-len(text)))
		attacks = append(attacks, attack{"contents " + text, out, ""})
	}
	attacks = append(attacks,
		attack{"contents all zero", filled(t, file, ""), UniversalForgery},
		attack{"contents an empty sequence", filled(t, file, "3000"), MalformedSeal},
		attack{"contents random", filled(t, file, "30820400"+strings.Repeat("a5", 1024)), MalformedSeal},
		attack{"no contents key", overwrite(t, file, `/Contents <`, "/Contenta <"), ""},
		attack{"no filter", overwrite(t, file, `/ETSI.CAdES.detached`, "/ETSI.CAdES.detachee"), MalformedSeal})
	catch(t, attacks)
}

// S2: incremental saving. Something stands after what was signed.
func TestIncrementalSaving(t *testing.T) {
	k := keys(t)
	file := brief(t, k)
	with := func(tail string) []byte { return append(bytes.Clone(file), tail...) }
	number, catalog := object(t, file, "/Perms")
	attacks := []attack{
		{"a line end", with("\n"), ""},
		{"a comment", with("% nothing to see\n"), ""},
		{"a second end", with("%%EOF\n"), ""},
		{"zeros", with(strings.Repeat("\x00", 300)), ""},
		{"an object outside any table", with("\n9 0 obj\n<</Length 0>>\nendobj\n"), ""},
		{"an empty update", increment(t, file, nil), ""},
		{"the same catalog again", increment(t, file, map[int]string{number: catalog}), IncrementalSaving},
		{"the certification removed", increment(t, file, map[int]string{number: strings.Replace(catalog, "/Perms", "/Parms", 1)}), IncrementalSaving},
		{"the form removed", increment(t, file, map[int]string{number: strings.Replace(catalog, "/AcroForm", "/AcroFarm", 1)}), ""},
		{"the whole file again", with(string(file)), ""},
		{"junk before", append([]byte("junk\n"), file...), ""},
		{"cut short", file[:len(file)-100], ""},
	}
	catch(t, attacks)
}

// S3: wrapping. The hole holds more than the signature, so something unsigned hides there.
func TestSignatureWrapping(t *testing.T) {
	k := keys(t)
	file := brief(t, k)
	start, end := holeOf(t, file)
	wider := fmt.Sprintf("/ByteRange [0 %d %d %d]", start-40, end, len(file)-end)
	longer := fmt.Sprintf("/ByteRange [0 %d %d %d]", start, end+50, len(file)-end-50)
	later := fmt.Sprintf("/ByteRange [9 %d %d %d]", start-9, end, len(file)-end)
	hidden := bytes.Clone(file)
	copy(hidden[end-60:], "><</JS (app.alert)>> <")
	moved := append(append(bytes.Clone(file[:end]), "/Hidden (text)"...), file[end:]...)
	catch(t, []attack{
		{"hole widened to the left", overwrite(t, file, `/ByteRange \[[^\]]*\]`, wider), SignatureWrapping},
		{"hole widened to the right", overwrite(t, file, `/ByteRange \[[^\]]*\]`, longer), SignatureWrapping},
		{"range not from the start", overwrite(t, file, `/ByteRange \[[^\]]*\]`, later), SignatureWrapping},
		{"objects inside the hole", hidden, ""},
		{"second half moved", moved, ""},
		{"digits behind the signature", overwrite(t, file, `00000000000000>`, "000000000000ff>"), MalformedSeal},
		{"digits of mixed case", func() []byte {
			out := bytes.Clone(file)
			at := start + bytes.IndexAny(out[start:end], "abcdef")
			out[at] -= 'a' - 'A'
			return out
		}(), MalformedSeal},
	})
}

// S4: shadow attacks. Content prepared or added later shows something else.
func TestShadow(t *testing.T) {
	k := keys(t)
	file := brief(t, k)
	p, err := jail.Compose(context.Background(), pdf.Job{Doc: file, Overlays: []pdf.Overlay{{Items: []pdf.Item{
		pdf.Rect{X: 60, Y: 150, Width: 400, Height: 40, Fill: &white},
		pdf.Text{X: 72, Y: 170, Size: 14, String: "The rent is 9,000 a month."}}}}})
	if err != nil {
		t.Fatal(err)
	}
	appended, err := jail.Compose(context.Background(), pdf.Job{Doc: file, Append: []pdf.NewPage{{Width: 595, Height: 842,
		Items: []pdf.Item{pdf.Text{X: 72, Y: 100, Size: 14, String: "Addendum"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	number, page := object(t, file, "/Type /Page")
	tree, pages := object(t, file, "/Kids")
	catch(t, []attack{
		{"content replaced", p.File, ShadowAttack},
		{"page added", appended.File, ShadowAttack},
		{"page emptied", increment(t, file, map[int]string{number: strings.Replace(page, "/Contents", "/Content", 1)}), ""},
		{"pages hidden", increment(t, file, map[int]string{tree: regexp.MustCompile(`/Kids *\[ *(\d+ \d+ R)[^\]]*\]`).ReplaceAllString(
			regexp.MustCompile(`/Count \d+`).ReplaceAllString(pages, "/Count 1"), "/Kids [$1]")}), ""},
		{"page resized", increment(t, file, map[int]string{number: strings.Replace(page, "/MediaBox", "/MediaBax", 1)}), ""},
	})
}

// S5: evil annotation and sneaky signature on a certified document.
func TestEvilAnnotation(t *testing.T) {
	k, stranger := keys(t), keys(t)
	file := brief(t, k)
	number, page := object(t, file, "/Annots")
	annotation := `<</Type/Annot/Subtype/FreeText/Rect[60 650 500 700]/Contents(The rent is 9,000)/DA(/Helv 14 Tf)/F 4>>`
	evil := increment(t, file, map[int]string{8000: annotation, number: strings.Replace(page, "/Annots [", "/Annots [8000 0 R ", 1)})
	again := `<</Type/Annot/Subtype/Widget/FT/Sig/T(again)/V 1 0 R/Rect[0 0 0 0]>>`
	attacks := []attack{
		{"free text", evil, EvilAnnotation},
		{"signature copied into a new field", increment(t, file, map[int]string{8000: again}), SneakySignature},
	}
	// A further signature, correct in itself and over the whole file, by a stranger.
	catalog, body := object(t, file, "/Perms")
	reserved := strings.Repeat("0", 2*seal.Reserve)
	second := increment(t, file, map[int]string{
		8001: `<</Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached
			/ByteRange [0 ********** ********** **********] /Contents <` + reserved + `>>>`,
		8002:    `<</Type /Annot /Subtype /Widget /FT /Sig /T (second) /V 8001 0 R /Rect [0 0 0 0] /F 132>>`,
		catalog: regexp.MustCompile(`/Fields *\[`).ReplaceAllString(body, "/Fields [8002 0 R "),
	})
	attacks = append(attacks, attack{"a stranger's second signature", countersigned(t, stranger, second), SneakySignature},
		attack{"our own second signature", countersigned(t, k, second), SneakySignature})
	catch(t, attacks)
}

// countersigned fills the byte range and container of an increment.
func countersigned(t *testing.T, k *seal.Keys, file []byte) []byte {
	t.Helper()
	at := bytes.LastIndex(file, []byte("/Contents <")) + len("/Contents ")
	end := at + bytes.IndexByte(file[at:], '>') + 1
	text := fmt.Sprintf("/ByteRange [0 %010d %010d %010d]", at, end, len(file)-end)
	out := overwrite(t, file, `/ByteRange \[0 \*+ \*+ \*+\]`, text)
	p := pdf.Prepared{File: out, ByteRange: [4]int64{0, int64(at), int64(end), int64(len(out) - end)}}
	covered, _, ok := ranges(out, p.ByteRange)
	if !ok {
		t.Fatal("bad range")
	}
	p.Digest = sum(t, covered)
	return patched(t, k, p)
}

// S6: certificates swapped, unknown roots, weak algorithms.
func TestCertificates(t *testing.T) {
	k, stranger := keys(t), keys(t)
	file, other := brief(t, k), sealed(t, k, pdf.Job{Doc: contract(t, "The rent is 9,000 a month.")})
	start, end := holeOf(t, other)
	covered, _, _ := ranges(file, rangeOf(t, file))
	resigned, err := stranger.Sign(sum(t, covered))
	if err != nil {
		t.Fatal(err)
	}
	catch(t, []attack{{"another document's signature", filled(t, file, string(other[start+1:end-1])), ContentChanged}})
	swapped := filled(t, file, hex.EncodeToString(resigned))
	if r := verify(t, swapped, k); r.Verdict != Altered || !r.Has(ForgedCertificate) || r.Signatures[0].Trust != "untrusted" {
		t.Errorf("signed again by a stranger of the same name:\n%s", text(r))
	}
	// Without authorities nobody can tell, and the report must say so.
	said := text(verify(t, swapped, nil))
	if !strings.Contains(said, "Not checked: the issuer") || !strings.Contains(said, "anybody can make one of this name") {
		t.Error(said)
	}
}

func rangeOf(t *testing.T, file []byte) [4]int64 {
	t.Helper()
	start, end := holeOf(t, file)
	return [4]int64{0, int64(start), int64(end), int64(len(file) - end)}
}

// S6: what openssl signs with weak algorithms is called weak.
func TestWeakAlgorithms(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		dbtest.Missing(t, "openssl is not installed")
	}
	var attacks []attack
	for name, c := range map[string][2]string{"SHA-1": {"rsa:2048", "sha1"}, "RSA 1024": {"rsa:1024", "sha256"}} {
		dir := t.TempDir()
		p, err := jail.Compose(context.Background(), pdf.Job{Doc: contract(t, "weak"),
			Container: &pdf.Container{Reserve: seal.Reserve, Time: time.Now(), Certify: true}})
		if err != nil {
			t.Fatal(err)
		}
		covered, _, _ := ranges(p.File, p.ByteRange)
		for _, args := range [][]string{
			{"req", "-x509", "-nodes", "-subj", "/CN=Seal", "-newkey", c[0], "-keyout", "key", "-out", "cert", "-days", "30"},
			{"cms", "-sign", "-binary", "-in", "content", "-signer", "cert", "-inkey", "key", "-md", c[1],
				"-outform", "DER", "-out", "cms"},
		} {
			if err := os.WriteFile(filepath.Join(dir, "content"), all(t, covered), 0o600); err != nil {
				t.Fatal(err)
			}
			covered, _, _ = ranges(p.File, p.ByteRange)
			run := exec.Command("openssl", args...)
			run.Dir = dir
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		cms, err := os.ReadFile(filepath.Join(dir, "cms"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := p.Patch(cms)
		if err != nil {
			t.Fatal(err)
		}
		attacks = append(attacks, attack{name, file, WeakAlgorithm})
	}
	catch(t, attacks)
}

// Two signatures: what was added in between must come from the same authority,
// or from one that is trusted. Otherwise anybody could cover a page and sign.
func TestTwoSignatures(t *testing.T) {
	k, stranger := keys(t), keys(t)
	plain := func() *pdf.Container { return &pdf.Container{Reserve: seal.Reserve, Time: time.Now()} }
	first := sealed(t, k, pdf.Job{Doc: contract(t, "The rent is 1,000 a month."), Container: plain()})
	cover := []pdf.Overlay{{Items: []pdf.Item{pdf.Rect{X: 60, Y: 150, Width: 400, Height: 40, Fill: &navy}}}}
	both := k.Roots()
	for _, c := range stranger.Chain()[1:] {
		both.AddCert(c)
	}
	ours := sealed(t, k, pdf.Job{Doc: first, Overlays: cover, Container: plain()})
	theirs := sealed(t, stranger, pdf.Job{Doc: first, Overlays: cover, Container: plain()})
	for _, c := range []struct {
		name  string
		file  []byte
		roots *x509.CertPool
		want  Verdict
	}{
		{"ours, nobody trusted", ours, nil, Intact},
		{"ours, trusted", ours, k.Roots(), Intact},
		{"a stranger's, nobody trusted", theirs, nil, Altered},
		{"a stranger's, only we are trusted", theirs, k.Roots(), Altered},
		{"a stranger's, both trusted", theirs, both, Intact},
	} {
		r, err := Verify(context.Background(), jail, c.file, c.roots)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != c.want || len(r.Signatures) != 2 {
			t.Errorf("%s:\n%s", c.name, text(r))
		}
		if c.want == Altered && (!r.Has(SneakySignature) || !r.Has(ShadowAttack)) {
			t.Errorf("%s is not named: %v", c.name, r.Findings)
		}
		if c.want == Intact && !strings.Contains(text(r), "earlier signatures agree") {
			t.Errorf("%s: the report does not tell what is open", c.name)
		}
	}
}

func all(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sum(t *testing.T, r io.Reader) [32]byte {
	t.Helper()
	return sha256.Sum256(all(t, r))
}
