package page

import (
	"errors"
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// StatusOf is the HTTP status of a refusal; a fault's is 500.
func StatusOf(err error) int { return api.Status(errs.KindOf(err)) }

// Problem is what an error page says.
type Problem struct {
	Status int
	Title  string
	Detail string
	What   string // the broken rule, as in errs.Error; "fault" when something broke
	Back   string // a path the way goes on by, or empty
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

// ProblemOf words an error for people; a fault tells nothing of its cause.
func ProblemOf(err error) Problem {
	p := Problem{Status: StatusOf(err), Title: "Something went wrong", What: "fault",
		Detail: "The mistake is ours and has been noted. Please try again in a moment."}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		p.Detail, p.What = e.Detail, e.What
		p.Title = "That did not work"
	}
	if title, ok := problemTitles[p.Status]; ok {
		p.Title = title
	}
	return p
}

// refusal is a Problem as scripts read it.
type refusal struct {
	Error refusalBody `json:"error"`
}

type refusalBody struct {
	What   string            `json:"what"`
	Detail string            `json:"detail"`
	Field  string            `json:"field,omitempty"`
	Params map[string]string `json:"params,omitempty"`
}

func refusalOf(err error) refusal {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return refusal{refusalBody{What: "fault", Detail: "Something went wrong on our side. Please try again."}}
	}
	return refusal{refusalBody{What: e.What, Detail: e.Detail, Field: e.Field, Params: e.Params}}
}
