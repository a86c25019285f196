package web

import (
	"cmp"
	"errors"
	"net/http"

	"countersign.dev/internal/errs"
)

// problem is what an error page says.
type problem struct {
	Status int
	Title  string
	Detail string
	What   string
	Inbox  bool // the way on is the visitor's inbox
}

var problemTitles = map[int]string{
	http.StatusBadRequest:            "That did not work",
	http.StatusUnauthorized:          "We do not know this browser yet",
	http.StatusForbidden:             "This is not possible",
	http.StatusNotFound:              "Nothing is here",
	http.StatusConflict:              "Something changed in the meantime",
	http.StatusRequestEntityTooLarge: "That is too large",
	http.StatusTooManyRequests:       "One moment, please",
	http.StatusServiceUnavailable:    "One moment, please",
}

// endings are the refusals after which an invitation's visitor can do nothing here: what the page
// is called, what it says instead of the refusal's words, and what it adds to them.
var endings = map[string]struct{ title, detail, advice string }{
	"visit.unknown": {"This package is no longer there", "It was deleted, most likely by its sender, who can tell you more. There is nothing left for you to do here.", ""},
	"member.moved":  {"This invitation went to an old address", "", ""},
	"signer.locked": {"You are locked out of this package", "", ""},
	"role.viewer":   {"There is nothing for you to sign", "", ""},
	"name.glyphs": {"Your name cannot be written into the document", "",
		" Please ask the sender, or whoever looks after this server, to enter your name in a script the server has fonts for. Then open the link again."},
}

// problemView words an error for people; a fault tells nothing of its cause.
func problemView(err error) problem {
	p := problem{Status: statusOf(err), Title: "Something went wrong", What: "fault",
		Detail: "The mistake is ours and has been noted. Please try again in a moment."}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		p.Detail, p.What = e.Detail, e.What
		p.Title = "That did not work"
	}
	if title, ok := problemTitles[p.Status]; ok {
		p.Title = title
	}
	if end, ok := endings[p.What]; ok {
		p.Title, p.Inbox = end.title, true
		p.Detail = cmp.Or(end.detail, p.Detail) + end.advice
	}
	if p.What == "identify.link" {
		p.Detail = "Please open the link in the e-mail you received: it tells us who you are."
	}
	return p
}

// unknown answers every path that has no page.
func (s *site) unknown(http.ResponseWriter, *http.Request) error {
	return errs.New(errs.NotFound, "page.unknown", "There is no page at this address. The link may be incomplete: open it from the e-mail again.")
}

// front is the page at the root.
func (s *site) front(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "front", s.References)
}
