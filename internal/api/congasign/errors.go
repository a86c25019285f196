package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// errorBody is the surface's error (OneSpan Sign, Error codes). message,
// messageKey and name are never null; code is the HTTP status.
type errorBody struct {
	Code       int               `json:"code"`
	MessageKey string            `json:"messageKey"`
	Message    string            `json:"message"`
	Name       string            `json:"name"`
	Technical  string            `json:"technical,omitzero"`
	Parameters map[string]string `json:"parameters,omitzero"`
}

// wording is how this surface says one refusal. What is empty is the class's.
type wording struct {
	key     string
	message string
	// params maps the surface's parameter names to the core's.
	params map[string]string
}

// classes word a refusal by its kind: the first part of the key, the name, and
// the message of a refusal that says nothing itself.
var classes = map[errs.Kind]struct{ class, name, message string }{
	errs.Fault:            {"internal", "Internal Error", "An unexpected error occurred."},
	errs.Invalid:          {"validation", "Validation Error", "The request is not valid."},
	errs.Unauthenticated:  {"unauthorised", "Unauthorized", "Unauthorized."},
	errs.Denied:           {"forbidden", "Access Denied", "Access denied."},
	errs.NotFound:         {"notFound", "Not Found", "Not found."},
	errs.Conflict:         {"conflict", "Conflict", "The request conflicts with the present state."},
	errs.Unprocessable:    {"unprocessableEntity", "Unprocessable Entity", "The request cannot be carried out."},
	errs.TooLarge:         {"validation", "Payload Too Large", "The request is too large."},
	errs.Unsupported:      {"validation", "Unsupported Media Type", "The media type is not supported."},
	errs.Limited:          {"limit", "Too Many Requests", "Too many requests."},
	errs.Unavailable:      {"unavailable", "Service Unavailable", "The service is not available at the moment."},
	errs.NotServed:        {"notServed", "Not Implemented", "This server does not offer the operation."},
	errs.MethodNotAllowed: {"validation", "Method Not Allowed", "The method is not allowed here."},
}

// wordings are the refusals with words of their own. Their sentences
// are the vendor's.
var wordings = map[string]wording{
	"package.transition":     {key: "error.validation.cannotChangePackageStatus", message: "Cannot change package status."},
	"package.decline_reason": {key: "error.validation.optOut.invalidComment", message: "Invalid comment provided. Please provide a valid comment."},
	"field.outside": {key: "error.validation.invalidPageLocation", message: "Invalid position. Object placed outside of document page boundary.",
		params: map[string]string{"approvalDataName": "approval", "documentName": "document"}},
	"group.id_malformed": {key: "error.validation.group.invalidId", message: "Invalid Group Id"},
	"group.name_taken":   {key: "error.validation.group.nameInUse", message: "The group name is already in use."},
	"group.not_manager": {key: "error.forbidden.group.notManager",
		message: "Only Managers of this Account or Group can update the Group."},
	"fault":            {key: "error.internal.unexpected"},
	"right.missing":    {message: "Access denied."},
	"seats.exceeded":   {message: "All seats of the account are taken."},
	"package.unknown":  {message: "There is no such package."},
	"document.unknown": {message: "There is no such document."},
	"role.unknown":     {message: "There is no such role."},
}

// refuse words a refusal: its own wording if it has one, else "error.<class>.<what>"
// and the sentence of the refusal.
func refuse(_ string, e *errs.Error) api.Answer {
	class, own := classes[e.Kind], wordings[e.What]
	body := errorBody{Code: api.Status(e.Kind), MessageKey: own.key, Message: own.message, Name: class.name}
	if body.MessageKey == "" {
		body.MessageKey = "error." + class.class + "." + camel(e.What)
	}
	if body.Message == "" {
		body.Message = e.Detail
	} else {
		body.Technical = e.Detail
	}
	if body.Message == "" {
		body.Message = class.message
	}
	body.Parameters = parameters(e, own)
	return api.Answer{Status: body.Code, JSON: body}
}

// parameters are those the wording names, or all of a refusal without one, and the field to blame.
func parameters(e *errs.Error, own wording) map[string]string {
	out := map[string]string{}
	for theirs, ours := range own.params {
		out[theirs] = e.Params[ours]
	}
	if own.params == nil {
		for name, value := range e.Params {
			out[name] = value
		}
	}
	if e.Field != "" && own.params == nil {
		out["field"] = e.Field
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// camel turns the underscores of a What into the vendor's camel case.
func camel(what string) string {
	out := make([]byte, 0, len(what))
	for i := 0; i < len(what); i++ {
		if what[i] == '_' && i+1 < len(what) {
			i++
			out = append(out, what[i]-'a'+'A')
			continue
		}
		out = append(out, what[i])
	}
	return string(out)
}
