package web

import (
	"net/http"

	"countersign.dev/internal/signing"
)

// landing is the view of a link's page.
type landing struct {
	signing.Invitation
	Token, Nonce   string
	Email, Problem string // of a refused attempt to enter
}

// link shows what is waiting behind a mail's link. It changes nothing, whoever
// asks: mail scanners, previews and prefetching browsers do.
func (s *site) link(w http.ResponseWriter, r *http.Request) error {
	return s.landing(w, r, http.StatusOK, landing{Token: r.PathValue("token")})
}

func (s *site) landing(w http.ResponseWriter, r *http.Request, code int, v landing) error {
	invitation, err := s.Signing.Look(r.Context(), v.Token)
	if err != nil {
		return err
	}
	v.Invitation = invitation
	v.Nonce = s.Nonce(browser(r), v.Token)
	return s.Render(w, r, code, "link", v)
}

// linkAgain answers a reload of a link's page, whose address no longer holds the token.
func (s *site) linkAgain(w http.ResponseWriter, r *http.Request) error {
	return s.Render(w, r, http.StatusOK, "again", nil)
}
