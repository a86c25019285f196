package useraccess

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// errorBody is the surface's error. The vendor's page has none; another of the same author's has this shape.
type errorBody struct {
	Status  string       `json:"status"` // always "error"
	Message string       `json:"message"`
	Code    string       `json:"code"`
	Errors  []fieldIssue `json:"errors"` // of the parameters to blame; never null
}

type fieldIssue struct {
	Field string `json:"field"`
	Issue string `json:"issue"`
}

// problemBody is the same as problem details (RFC 9457), for who asks for them.
type problemBody struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Instance  string       `json:"instance"`
	Code      string       `json:"code"`
	Errors    []fieldIssue `json:"errors"`
	RequestID string       `json:"request_id"`
}

// wording is the code and the sentence of a refusal.
type wording struct{ code, message string }

// The vendor's sentences (User Access API, Updated Status Codes) are those of 401, 403, 429 and 500.
var classes = map[errs.Kind]wording{
	errs.Fault:            {"server_error", "An unexpected error occurred. Please contact Conga Support."},
	errs.Invalid:          {"invalid_request", "The request is not valid."},
	errs.Unauthenticated:  {"invalid_token", "Your Bearer Token is invalid or expired."},
	errs.Denied:           {"insufficient_privileges", `Your account does not have "Admin" rights to view user access lists.`},
	errs.NotFound:         {"not_found", "There is nothing at this path."},
	errs.MethodNotAllowed: {"method_not_allowed", "This path answers GET and HEAD."},
	errs.TooLarge:         {"request_too_large", "The request is too large."},
	errs.Unsupported:      {"unsupported_media_type", "The request has a body that cannot be read."},
	errs.Limited:          {"rate_limit_exceeded", "You have exceeded the administrative request quota. Please wait 60 seconds."},
	errs.Unavailable:      {"service_unavailable", "The service is not available at the moment. Please try again."},
}

// wordings are the refusals that say more than their class.
var wordings = map[string]wording{
	"user.unknown":    {"user_not_found", "There is no such user in your account."},
	"group.unknown":   {"group_not_found", "There is no such group in your account."},
	"query.invalid":   {"invalid_parameter", "A parameter has a value that cannot be used."},
	"text.malformed":  {"invalid_parameter", "A parameter has a value that cannot be used."},
	"query.malformed": {"invalid_parameter", "The query cannot be read."},
	"stream.busy":     {"service_unavailable", "Too many complete lists are being sent. Please try again, or ask for a page with limit."},
}

// refuse words a refusal as the caller accepts it.
func (s *surface) refuse(r api.Refusal) api.Answer {
	e, status := r.Error, api.Status(r.Error.Kind)
	w, own := wordings[e.What]
	if !own {
		w = classes[e.Kind]
	}
	if w.code == "" {
		w = classes[errs.Fault]
	}
	a := api.Answer{Status: status, Header: map[string]string{}, JSON: errorBody{"error", w.message, w.code, issues(e)}}
	if problemsWanted(r.HTTP.Header) {
		a.Header["Content-Type"] = "application/problem+json"
		a.JSON = problemBody{"about:blank", http.StatusText(status), status, w.message, r.HTTP.URL.EscapedPath(), w.code, issues(e), r.Origin.RequestID}
	}
	switch {
	case e.Kind == errs.Limited:
		a.Header["Retry-After"] = cmp.Or(e.Params["retry_after"], "60")
	case e.Kind == errs.Denied: // RFC 6750 §3.1
		a.Header["WWW-Authenticate"] = fmt.Sprintf("Bearer realm=%q, error=\"insufficient_scope\", scope=%q", s.Realm, authz.ReadAccess)
	}
	return a
}

// issues are the parameters to blame, by name.
func issues(e *errs.Error) []fieldIssue {
	list := []fieldIssue{}
	switch e.What {
	case "query.invalid":
		for field, issue := range e.Params {
			list = append(list, fieldIssue{field, issue})
		}
	case "text.malformed":
		list = append(list, fieldIssue{e.Field, "must be UTF-8 text without NUL"})
	}
	slices.SortFunc(list, func(a, b fieldIssue) int { return cmp.Compare(a.Field, b.Field) })
	return list
}
