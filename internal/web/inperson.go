package web

import (
	"net/http"
	"net/url"
	"regexp"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// Signing in person: one device hosts several signers. Its owner's page lists them; each takes the device,
// confirms who he is and signs; then the device goes back to the list.

// hostCookie holds the handle of the host's page, for the way back. It is an address and opens nothing by itself.
const hostCookie = "cs_host"

var isHandle = regexp.MustCompile(`^[A-Za-z0-9_-]{8,128}$`)

// hostPage is the view of the list.
type hostPage struct {
	ceremonyPage
	Signers []signing.InPersonSigner
	Open    int // how many may sign now
	Over    bool
}

// handOverPage is the view of the page on which a signer takes the device.
type handOverPage struct {
	signing.Ceremony
	Handle, Nonce string
	Signer        signing.InPersonSigner
	Problem       string
}

// host shows who may sign on this device.
func (s *site) host(w http.ResponseWriter, r *http.Request, page ceremonyPage) error {
	signers, err := s.Signing.InPerson(r.Context(), visit(r))
	if err != nil {
		return err
	}
	view := hostPage{ceremonyPage: page, Signers: signers}
	for _, one := range signers {
		if one.Phase == "free" || one.Phase == "mine" {
			view.Open++
		}
	}
	s.rememberHost(w, page.Handle)
	return s.Render(w, r, http.StatusOK, "host", view)
}

// handOver asks the signer in front of the device to confirm who he is.
func (s *site) handOver(w http.ResponseWriter, r *http.Request) error {
	return s.askAffidavit(w, r, http.StatusOK, r.URL.Query().Get("signer"), "")
}

func (s *site) askAffidavit(w http.ResponseWriter, r *http.Request, status int, signer, problem string) error {
	v := visit(r)
	c, err := s.Signing.Ceremony(r.Context(), v)
	if err != nil {
		return err
	}
	signers, err := s.Signing.InPerson(r.Context(), v)
	if err != nil {
		return err
	}
	for _, one := range signers {
		if one.ID == signer {
			return s.Render(w, r, status, "handover", handOverPage{Ceremony: c, Handle: v.Handle,
				Nonce: s.Nonce(v.Browser, v.Handle), Signer: one, Problem: problem})
		}
	}
	return errs.New(errs.NotFound, "signer.unknown", "This person does not sign on this device.")
}

// takeOver hands the device to a signer who confirmed who he is, and shows him the documents.
func (s *site) takeOver(w http.ResponseWriter, r *http.Request) error {
	if err := page.Form(w, r); err != nil {
		return err
	}
	v := visit(r)
	if err := s.CheckNonce(r.PostFormValue("nonce"), v.Browser, v.Handle); err != nil {
		return err
	}
	signer := r.PostFormValue("signer")
	c, err := s.Signing.Ceremony(r.Context(), v)
	if err != nil {
		return err
	}
	if c.Affidavits.First && r.PostFormValue("affidavit") != "yes" {
		return s.askAffidavit(w, r, http.StatusUnprocessableEntity, signer, "Please confirm who you are.")
	}
	handle, err := s.Signing.HandOver(r.Context(), v, signer)
	if err != nil {
		return err
	}
	s.rememberHost(w, v.Handle)
	return s.start(w, r, signing.Visit{Handle: handle, Browser: v.Browser})
}

func (s *site) rememberHost(w http.ResponseWriter, handle string) {
	s.SetCookie(w, hostCookie, handle, "/sign/")
}

// hostOf is the path of the list from which a signer was handed the device, or "".
func hostOf(r *http.Request, c signing.Ceremony) string {
	cookie, err := r.Cookie(hostCookie)
	if err != nil || c.Me.Host == "" || !isHandle.MatchString(cookie.Value) || cookie.Value == r.PathValue("handle") {
		return ""
	}
	return "/sign/" + url.PathEscape(cookie.Value)
}
