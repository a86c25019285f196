package evidence

import (
	"errors"
	"fmt"
)

// conclude words what is proven, what is not, and what was not checked.
func (e *examination) conclude() {
	e.unchecked()
	if e.Verdict != Intact {
		e.NotProven = append(e.NotProven, "That the document is what was signed.")
		return
	}
	last := e.Signatures[len(e.Signatures)-1]
	e.Proven = append(e.Proven,
		fmt.Sprintf("No byte of the file was changed since %s sealed it.", last.Signer),
		fmt.Sprintf("Its certificate was valid at the stated time, %s.", moment(last.Time)))
	if last.Time.IsZero() {
		e.Proven[1] = "Its certificate is valid now; the signature states no time."
	}
	if e.roots != nil {
		e.Proven = append(e.Proven, fmt.Sprintf("The certificate was issued by an authority you trust: %s.", last.Issuer))
	} else {
		e.NotProven = append(e.NotProven, "Who is behind the certificate: anybody can make one of this name. Name the authority you trust (--trust).")
	}
	if n := len(e.Signatures); n > 1 {
		e.NotProven = append(e.NotProven, fmt.Sprintf("That the signers of the %d earlier signatures agree with what was added after theirs.", n-1))
	}
	e.NotProven = append(e.NotProven, "The time of sealing: it is the sealing server's own clock, not a time-stamp authority's.")
	dossier, err := dossierIn(e.structure.Attachments)
	if err == nil {
		e.Evidence = dossier
		e.Proven = append(e.Proven, "The attached evidence is the sealing server's and was not changed.")
		e.NotProven = append(e.NotProven, "That the persons named signed: that is what the sealing server recorded, and how it identified them.")
	} else if !errors.Is(err, errNoDossier) {
		e.NotProven = append(e.NotProven, sentence(err.Error()))
	}
}

// unchecked lists what this verification leaves open; it is the last line of the text.
func (e *examination) unchecked() {
	if e.roots == nil {
		e.NotChecked = append(e.NotChecked, "the issuer (no trusted authority was given)")
	}
	e.NotChecked = append(e.NotChecked, "revocation of the certificate", "audit log proofs")
	seen := map[string]bool{}
	for _, s := range e.judged {
		for _, u := range s.Unchecked {
			if !seen[u] {
				e.NotChecked = append(e.NotChecked, u)
			}
			seen[u] = true
		}
	}
}
