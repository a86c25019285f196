package web

import (
	"net/http"

	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// decline ends the signing for everybody, with a reason.
func (s *site) decline(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch  int64  `json:"epoch"`
		Reason string `json:"reason"`
	}
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Decline(r.Context(), visit(r), in.Epoch, in.Reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// optOut ends the signing for everybody: the signer does not sign electronically.
func (s *site) optOut(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch  int64  `json:"epoch"`
		Reason string `json:"reason"`
	}
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.OptOut(r.Context(), visit(r), in.Epoch, in.Reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// refusalChoice is how a signer says no and why: the sender's reasons, his own words, or both.
type refusalChoice struct {
	ID, Sender string // of the text on the page; who reads the reason
	Reasons    []string
	Other      bool
}

func refusalView(id string, r signing.Refusing, sender string) refusalChoice {
	return refusalChoice{ID: id, Sender: sender, Reasons: r.Reasons, Other: r.Other}
}
