package web

import (
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
	return s.render(w, r, http.StatusOK, "front", nil)
}
