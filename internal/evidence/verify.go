package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
)

// Verify examines a PDF offline. With roots, an issuer that does not lead to
// one of them makes the file Altered; with nil the issuer is reported as not
// checked. The error is a fault of this program or ctx, never of the file.
func Verify(ctx context.Context, j *pdf.Jail, file []byte, roots *x509.CertPool) (Report, error) {
	r := Report{Verdict: Intact, Findings: []Finding{}, Signatures: []SealReport{}, Proven: []string{}, NotProven: []string{},
		SHA256: sha256.Sum256(file), Size: len(file)}
	st, err := j.Signatures(ctx, file)
	if refusal, refused := errors.AsType[*pdf.Refusal](err); refused {
		r.refused(refusal, file)
		return r, nil
	} else if err != nil {
		return Report{}, err
	}
	e := examination{Report: &r, file: file, structure: st, roots: roots, now: time.Now()}
	r.Revisions = st.Revisions
	if len(st.Signatures) == 0 && !e.traces() {
		r.Verdict = Unsigned
		r.NotProven = []string{"Anything: the file carries no signature."}
		r.NotChecked = []string{"the content, for want of a signature to check it against"}
		return r, nil
	}
	e.problems()
	for i := range st.Signatures {
		e.signature(i)
	}
	if err := e.coverage(ctx, j); err != nil {
		return Report{}, err
	}
	e.conclude()
	return r, nil
}

// refused words a file the strict reader does not accept. A signature in it is
// no longer to be vouched for, which is more than not readable.
func (r *Report) refused(refusal *pdf.Refusal, file []byte) {
	unsound := refusal.Reason == pdf.Broken || refusal.Reason == pdf.NotPDF
	if unsound && signed(file) && bytes.Contains(file, []byte("%PDF-")) {
		r.find(BrokenStructure, "The file carries a signature, but its structure is not sound: %s.", strings.TrimSuffix(refusal.Detail, "."))
		r.NotProven = []string{"Anything: a file that can be read in more than one way can show what was never signed."}
		r.NotChecked = []string{"the signature, the issuer and the evidence inside"}
		return
	}
	r.Verdict = Unreadable
	r.Findings = append(r.Findings, Finding{BrokenStructure, "The file cannot be examined: " + refusal.Error() + "."})
	r.NotProven = []string{"Anything: the file could not be read."}
	r.NotChecked = []string{"everything"}
}

// signed reports whether the raw bytes show traces of a signature. It is a
// search, not a reading: it decides only between words for a bad file.
func signed(file []byte) bool {
	for _, trace := range []string{"/ByteRange", "/Adobe.PPKLite", "/ETSI.CAdES.detached", "/adbe.pkcs7"} {
		if bytes.Contains(file, []byte(trace)) {
			return true
		}
	}
	return false
}

// examination is the judging of one file whose structure could be read.
type examination struct {
	*Report
	file      []byte
	structure pdf.Structure
	roots     *x509.CertPool
	now       time.Time
	judged    []seal.Signature
}

// traces reports whether a file without signatures was meant to look signed.
func (e *examination) traces() bool {
	found := signed(e.file)
	for _, p := range e.structure.Problems {
		found = found || strings.Contains(p, "signature") || strings.Contains(p, "certification")
	}
	if found {
		e.find(UniversalForgery, "The file has parts of a signature, but none that could be verified.")
	}
	return found
}

// words maps phrases of a problem to the attack they tell of; the first match wins.
type words []struct {
	phrase string
	code   Code
}

var structureWords = words{
	{"no byte range", UniversalForgery}, {"is not four numbers", UniversalForgery}, {"of four numbers", UniversalForgery},
	{"is empty", UniversalForgery}, {"not DER", UniversalForgery}, {"cut short", UniversalForgery},
	{"does not start at 0", SignatureWrapping},
	{"does not lie in the file", UniversalForgery}, {"hole", SignatureWrapping}, {"two contents", SignatureWrapping},
	{"overlap", SignatureWrapping}, {"behind the signature", MalformedSeal}, {"belongs to no field", SignatureWrapping},
	{"same signature", SignatureWrapping}, {"byte ranges, but only", SignatureWrapping}, {"certification", SneakySignature},
}

var sealWords = words{
	{"weak", WeakAlgorithm}, {"the signed bytes were changed", ContentChanged}, {"certificate", ForgedCertificate},
	{"issuer", ForgedCertificate},
}

func (w words) code(problem string, otherwise Code) Code {
	for _, x := range w {
		if strings.Contains(problem, x.phrase) {
			return x.code
		}
	}
	return otherwise
}

// sentence makes a problem a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

func (e *examination) problems() {
	for _, p := range e.structure.Problems {
		if strings.Contains(p, "after the last signature") {
			continue // coverage says it, from the file itself
		}
		e.find(structureWords.code(p, BrokenStructure), "%s", sentence(p))
	}
}

// ranges returns the bytes a signature covers and what its hole holds. It
// relies on nothing the child said but four numbers.
func ranges(file []byte, r [4]int64) (covered io.Reader, hole []byte, ok bool) {
	size := int64(len(file))
	if r[0] != 0 || r[1] <= 0 || r[1] > size || r[2] <= r[1] || r[2] > size || r[3] < 0 || r[3] > size-r[2] {
		return nil, nil, false
	}
	return io.MultiReader(bytes.NewReader(file[:r[1]]), bytes.NewReader(file[r[2]:r[2]+r[3]])), file[r[1]:r[2]], true
}

// container decodes "<hex>" and cuts the zero padding behind the CMS. Since no
// signature covers the hole, nothing but one spelling is accepted: digits of
// one case, and zeros to the end.
func container(hole, cms []byte) error {
	n := len(hole)
	if n < 2 || hole[0] != '<' || hole[n-1] != '>' {
		return errors.New("the signature's container is not a hexadecimal string")
	}
	digits := hole[1 : n-1]
	if bytes.ContainsAny(digits, "abcdef") && bytes.ContainsAny(digits, "ABCDEF") {
		return errors.New("the signature's container was rewritten: its digits have mixed case")
	}
	all := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(all, digits); err != nil {
		return errors.New("the signature's container is not a hexadecimal string")
	}
	if len(cms) == 0 || !bytes.HasPrefix(all, cms) || len(bytes.Trim(all[len(cms):], "\x00")) > 0 {
		return errors.New("the signature's container holds something else than its signature")
	}
	return nil
}

// signature judges one signature over its own bytes.
func (e *examination) signature(i int) {
	f := e.structure.Signatures[i]
	r := SealReport{Field: f.Field, Time: f.SigningTime, Certified: f.DocMDP == 1, Level: seal.LevelCMS, Trust: seal.NotChecked.String()}
	before := len(e.Findings)
	e.judged = append(e.judged, seal.Signature{})
	covered, hole, ok := ranges(e.file, f.ByteRange)
	if !ok {
		e.find(UniversalForgery, "Signature %d has no byte range that lies in the file.", i+1)
		e.Signatures = append(e.Signatures, r)
		return
	}
	r.WholeFile = f.ByteRange[2]+f.ByteRange[3] == int64(len(e.file)) && f.CoversWholeFile && f.GapExact
	if len(bytes.Trim(hole, "<0>")) == 0 {
		e.find(UniversalForgery, "Signature %d is empty.", i+1)
	} else if err := container(hole, f.CMS); err != nil {
		e.find(MalformedSeal, "%s", sentence(err.Error()))
	}
	e.form(i, f)
	s, err := seal.Verify(f.CMS, covered, f.SigningTime, e.roots)
	if err != nil {
		e.find(MalformedSeal, "Signature %d cannot be read: %s.", i+1, detail(err))
	}
	for _, p := range s.Problems {
		e.find(sealWords.code(p, MalformedSeal), "Signature %d: %s.", i+1, strings.TrimSuffix(p, "."))
	}
	e.judged[i] = s
	r.Signer, r.Algorithm, r.Trust = s.Subject, s.Algorithm, s.Trusted.String()
	if s.Signer != nil {
		r.Issuer, r.SHA256 = s.Signer.Issuer.String(), sha256.Sum256(s.Signer.Raw)
	}
	if f.SubFilter == subFilterPAdES && !f.SigningTime.IsZero() {
		r.Level = s.Level // EN 319 142-1 §6.3 asks for both in the dictionary
	}
	r.Valid = len(e.Findings) == before
	e.Signatures = append(e.Signatures, r)
}

func detail(err error) string {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}

const (
	subFilterPAdES = "ETSI.CAdES.detached" // EN 319 142-1 §6.3
	subFilterCMS   = "adbe.pkcs7.detached" // ISO 32000-1 §12.8.3.3
)

// form checks what the signature dictionary says of itself.
func (e *examination) form(i int, f pdf.SignatureField) {
	switch {
	case f.SubFilter == "adbe.pkcs7.sha1" || f.SubFilter == "adbe.x509.rsa_sha1":
		e.find(WeakAlgorithm, "Signature %d is of the kind %s, which rests on SHA-1.", i+1, f.SubFilter)
	case f.SubFilter != subFilterPAdES && f.SubFilter != subFilterCMS:
		e.find(MalformedSeal, "Signature %d is of the kind %q, which is not verified here.", i+1, f.SubFilter)
	}
	if f.SigningTime.After(e.now.Add(24 * time.Hour)) {
		e.find(ForgedCertificate, "Signature %d states a time in the future.", i+1)
	}
}
