package web

import (
	"net/http"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// sign submits the signature. What is sealed are the stored bytes; the browser
// sends only how the signature looks.
func (s *site) sign(w http.ResponseWriter, r *http.Request) error {
	var in submissionJSON
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.affirmed(r, in.Affidavit); err != nil {
		return err
	}
	err := s.Signing.Sign(r.Context(), visit(r), signing.Submission{
		Epoch: in.Epoch, Mark: in.Mark.mark(), Initials: in.Initials.mark(), Optional: in.Optional})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// affirmed refuses a signature on another's device that was not confirmed where the package asks for it.
func (s *site) affirmed(r *http.Request, said bool) error {
	if said {
		return nil
	}
	if c, err := s.Signing.Ceremony(r.Context(), visit(r)); err == nil && atSignature(c) {
		return errs.New(errs.Invalid, "affidavit.missing", "Please confirm that you sign in person.")
	}
	return nil // what else is in the way signing says
}

// atSignature tells whether who signs confirms at the signature that he does so in the presence of the host.
func atSignature(c signing.Ceremony) bool {
	return c.Affidavits.Second && c.InPerson && c.Me.Host != ""
}
