package conga

import (
	"net/http"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// envelope is around every answer (Conga, User Management API v1). Members that
// are empty are left out, as in the vendor's samples.
type envelope struct {
	Success        bool      `json:"Success"`
	RecordCount    *int      `json:"RecordCount,omitzero"`
	Data           any       `json:"Data,omitzero"`
	Errors         []message `json:"Errors,omitzero"`
	StatusCode     string    `json:"StatusCode"`
	HasMoreRecords bool      `json:"HasMoreRecords,omitzero"`
}

type message struct {
	Message string `json:"Message"`
}

// answer wraps data; status is 200 or 201.
func answer(status int, data any) api.Answer {
	return api.Answer{Status: status, JSON: envelope{Success: true, Data: data, StatusCode: statusName(status)}}
}

// statusName is the name of a .NET HttpStatusCode: "OK", "BadRequest".
func statusName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

// sentences word the refusals whose own sentence speaks of the core's fields.
var sentences = map[string]string{
	"name.missing":      "{field} is required.",
	"user_type.missing": "UserType is required.",
	"user_type.unknown": "UserType must be External, Guest, Community, Integration or Contact.",
	"role.missing":      "Role is required.",
	"email.missing":     "Email is required.",
	"email.malformed":   "Email is not a valid e-mail address.",
	"email.taken":       "A user with this e-mail address already exists.",
	"user.unknown":      "This user doesn't exist.",
	"client.none":       "The user is not an Integration user.",
	"user.inactive":     "The user is inactive.",
	"role.unknown":      "Role is not known.",
	"seats.exceeded":    "All seats of the account are taken.",
	"right.missing":     "You are not authorized to manage users.",
	"token.missing":     "An access token is needed.",
	"token.invalid":     "The access token is not valid.",
	"fault":             "An unexpected error occurred.",
}

// refuseUser words a refusal in the envelope.
func refuseUser(e *errs.Error) api.Answer {
	status := api.Status(e.Kind)
	text := sentences[e.What]
	if text == "" {
		text = e.Detail
	}
	if text == "" {
		text = http.StatusText(status)
	}
	text = strings.ReplaceAll(text, "{field}", pascal(e.Field))
	return api.Answer{Status: status, JSON: envelope{Errors: []message{{text}}, StatusCode: statusName(status)}}
}

// pascal is the core's field name as this surface writes it.
func pascal(field string) string {
	if field == "" {
		return ""
	}
	return strings.ToUpper(field[:1]) + field[1:]
}
