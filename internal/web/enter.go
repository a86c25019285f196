package web

import (
	"net/http"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// enter exchanges the token of a link for the browser's cookie and goes on with
// what the person asked for by "Start signing": the lease, or first the code. The
// token is in the body, so no address after this one holds it.
func (s *site) enter(w http.ResponseWriter, r *http.Request) error {
	if err := page.Form(w, r); err != nil {
		return err
	}
	token, email := r.PostFormValue("token"), r.PostFormValue("email")
	if err := s.CheckNonce(r.PostFormValue("nonce"), browser(r), token); err != nil {
		return err
	}
	v, err := s.Signing.Enter(r.Context(), token, email, browser(r))
	switch errs.KindOf(err) {
	case errs.Conflict: // closed since the page was shown: the page says how
		return s.landing(w, r, http.StatusConflict, landing{Token: token})
	case errs.Invalid, errs.Denied, errs.Unprocessable:
		return s.landing(w, r, page.StatusOf(err), landing{Token: token, Email: email, Problem: word(r, page.ProblemOf(err)).Detail})
	}
	if err != nil {
		return err
	}
	s.remember(w, v.Browser)
	return s.start(w, r, v)
}

// start takes the lease for a person who asked for it and shows the signing page.
// Who must first prove his mailbox is sent a code; what else stands in the way, the
// page of the ceremony says.
func (s *site) start(w http.ResponseWriter, r *http.Request, v signing.Visit) error {
	lease, err := s.Signing.Take(r.Context(), v)
	if err == nil {
		return page.SeeOther(w, r, atLease(v, lease))
	}
	if errs.Is(err, "identify.code") {
		return s.startCode(w, r, v)
	}
	if errs.Is(err, "role.viewer") {
		return err // the page of the ceremony would ask him to start again
	}
	switch errs.KindOf(err) {
	case errs.Conflict, errs.Denied, errs.Unauthenticated:
		return page.SeeOther(w, r, at(v))
	}
	return err
}

func (s *site) startCode(w http.ResponseWriter, r *http.Request, v signing.Visit) error {
	err := s.Signing.SendCode(r.Context(), v)
	if errs.KindOf(err) == errs.Limited {
		return s.codeProblem(w, r, v, err)
	}
	if err != nil {
		return err
	}
	return page.SeeOther(w, r, at(v)+"?sent")
}
