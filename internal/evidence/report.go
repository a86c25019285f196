package evidence

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Verdict is the outcome of a verification.
type Verdict string

// The verdicts.
const (
	Intact     Verdict = "INTACT"     // not a byte differs from what was sealed
	Altered    Verdict = "ALTERED"    // sealed or signed once, but not vouched for as it is
	Unsigned   Verdict = "UNSIGNED"   // no signature in it
	Unreadable Verdict = "UNREADABLE" // not a PDF that can be examined
)

// ExitCode is the status with which `countersign verify` ends.
func (v Verdict) ExitCode() int {
	switch v {
	case Intact:
		return 0
	case Unreadable:
		return 2
	}
	return 1
}

// Code names what a finding looks like. The attack classes are those of
// Mladenov et al., "1 Trillion Dollar Refund" (2019), Mainka et al., "Shadow
// Attacks" (2021) and Rohlmann et al., "Breaking the Specification" (2021).
type Code string

// The codes of findings.
const (
	ContentChanged    Code = "content_changed"    // the signed bytes are not the ones signed
	UniversalForgery  Code = "universal_forgery"  // byte range or content missing, empty or nonsense
	IncrementalSaving Code = "incremental_saving" // something was appended after the signature
	SignatureWrapping Code = "signature_wrapping" // the signature covers something else than the file
	ShadowAttack      Code = "shadow_attack"      // what is shown differs from what was signed
	EvilAnnotation    Code = "evil_annotation"    // annotations or form values added afterwards
	SneakySignature   Code = "sneaky_signature"   // a further signature on a certified document
	ForgedCertificate Code = "certificate"        // certificate swapped, not valid, or not trusted
	WeakAlgorithm     Code = "weak_algorithm"     // MD5, SHA-1, short keys
	MalformedSeal     Code = "malformed_seal"     // the CMS or its container is not well-formed
	BrokenStructure   Code = "broken_structure"   // the file cannot be read in exactly one way
)

// Finding is one thing that speaks against a file.
type Finding struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // a sentence in English
}

// SealReport is the judgement of one signature in a file.
type SealReport struct {
	Field     string    `json:"field"`
	Signer    string    `json:"signer"` // the certificate's distinguished name
	Issuer    string    `json:"issuer"`
	SHA256    Hash      `json:"certificate_sha256,omitzero"`
	Level     string    `json:"level"` // such as "PAdES B-B"
	Algorithm string    `json:"algorithm"`
	Time      time.Time `json:"time,omitzero"` // as stated by the signer
	Trust     string    `json:"issuer_trust"`  // "trusted", "untrusted" or "not checked"
	Certified bool      `json:"certified"`     // forbids every later change (DocMDP 1)
	WholeFile bool      `json:"covers_whole_file"`
	Valid     bool      `json:"valid"` // this signature over its own bytes
}

// Report is what a verification found.
type Report struct {
	Verdict    Verdict      `json:"verdict"`
	Findings   []Finding    `json:"findings"`
	Signatures []SealReport `json:"signatures"`
	Revisions  int          `json:"revisions"`
	SHA256     Hash         `json:"sha256"` // of the file as examined
	Size       int          `json:"size"`   // in bytes
	Proven     []string     `json:"proven"`
	NotProven  []string     `json:"not_proven"`
	NotChecked []string     `json:"not_checked"` // never empty
	// Evidence is what the sealing server recorded; nil unless the verdict is
	// Intact and the file carries it.
	Evidence *Dossier `json:"evidence,omitempty"`
}

// Has reports whether a finding has the code.
func (r Report) Has(c Code) bool {
	for _, f := range r.Findings {
		if f.Code == c {
			return true
		}
	}
	return false
}

// find adds a finding and makes the file altered.
func (r *Report) find(c Code, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, f := range r.Findings {
		if f.Code == c && f.Text == text {
			return
		}
	}
	r.Verdict = Altered
	r.Findings = append(r.Findings, Finding{c, text})
}

// WriteText writes the report for people: the verdict first, and last of all
// what was not checked. Names from the file cannot disturb a terminal.
func (r Report) WriteText(w io.Writer) {
	p := &printer{w}
	p.line("%s", r.Verdict)
	for _, f := range r.Findings {
		p.line("  ! %s (%s)", f.Text, f.Code)
	}
	for i, s := range r.Signatures {
		p.seal(i, s)
	}
	p.list("Proven:", r.Proven)
	p.list("Not proven:", r.NotProven)
	if r.Evidence != nil {
		p.evidence(*r.Evidence)
	}
	p.line("")
	p.line("SHA-256 of the file: %s (%d bytes)", r.SHA256, r.Size)
	p.line("Not checked: %s.", strings.Join(r.NotChecked, "; "))
}

// printer writes lines; a failing writer is the caller's to notice.
type printer struct{ w io.Writer }

func (p *printer) line(text string, args ...any) {
	fmt.Fprintln(p.w, printable(fmt.Sprintf(text, args...)))
}

func (p *printer) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("")
	p.line("%s", heading)
	for _, s := range items {
		p.line("  - %s", s)
	}
}

func (p *printer) seal(i int, s SealReport) {
	p.line("")
	p.line("Signature %d: %s", i+1, either(s.Signer, "unknown signer"))
	p.line("  issuer:     %s (%s)", either(s.Issuer, "unknown"), s.Trust)
	p.line("  level:      %s, %s", s.Level, either(s.Algorithm, "unknown algorithm"))
	p.line("  time:       %s, as stated by the signer", moment(s.Time))
	state := "does not hold"
	if s.Valid {
		state = "holds"
	}
	cover := "covers only a part of the file"
	if s.WholeFile {
		cover = "covers the whole file"
	}
	if s.Certified {
		cover += "; certified: no later change is allowed"
	}
	p.line("  signature:  %s; %s", state, cover)
}

func (p *printer) evidence(d Dossier) {
	p.line("")
	p.line("Recorded by %s for package %q (%s):", either(d.Server, "the sealing server"), d.Package.Name, d.Package.ID)
	for _, s := range d.Signatures {
		behalf := ""
		if s.Group != "" {
			behalf = ", on behalf of " + s.Group
		}
		p.line("  - %s%s signed on %s, identified by %s", somebody(s.Name, s.Email, s.EmailIsAlias), behalf, moment(s.Signed), either(s.Identified, "nothing"))
	}
	p.line("  - %s", plural(len(d.Events), "event", "events"))
}
