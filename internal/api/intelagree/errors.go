package intelagree

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// problemOut is a refusal of the service (RFC 9457), as ASP.NET writes it.
type problemOut struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitzero"`
	Code   string `json:"code,omitzero"`
	// TraceID is the request's id, also in X-Request-Id, the log and the audit events.
	TraceID string `json:"traceId"`
	// Errors are sentences by field; "$" is the body as a whole.
	Errors map[string][]string `json:"errors,omitzero"`
}

// gatewayOut is a refusal of the gateway, which the call does not pass.
type gatewayOut struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
}

// fieldsInvalid is the refusal of a body: Params has the sentences of each field, a line each.
const fieldsInvalid = "fields.invalid"

// subscriptionHeader carries the gateway's key, on every call.
const subscriptionHeader = "Ocp-Apim-Subscription-Key"

// gateway are the refusals in the gateway's words (Azure API Management).
var gateway = map[string]gatewayOut{
	"subscription.missing": {http.StatusUnauthorized,
		"Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."},
	"subscription.invalid": {http.StatusUnauthorized,
		"Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."},
	"route.unknown": {http.StatusNotFound, "Resource not found"},
	"route.method":  {http.StatusNotFound, "Resource not found"},
}

// wording is how this surface says one refusal of a room; what is empty is the refusal's own.
type wording struct{ field, text string }

// refuse words a refusal.
func refuse(r api.Refusal) api.Answer {
	e := r.Error
	if out, ok := gateway[e.What]; ok {
		return throughGateway(out)
	}
	status := api.Status(e.Kind)
	if status == http.StatusTooManyRequests {
		return throughGateway(gatewayOut{status, "Rate limit is exceeded. Try again in " + seconds(e.Params["retry"]) + "."}, "Retry-After", e.Params["retry"])
	}
	p := problemOut{Type: "about:blank", Title: http.StatusText(status), Status: status, TraceID: r.Origin.RequestID}
	if section, ok := sections[status]; ok {
		p.Type = "https://tools.ietf.org/html/" + section
	}
	said := wordings[e.What]
	switch {
	case e.What == versionUnsupported:
		p.Type, p.Title, p.Code, p.Detail = "https://docs.api-versioning.org/problems#unsupported", "Unsupported API version", "UnsupportedApiVersion", e.Detail
	case status == http.StatusBadRequest:
		p.Title, p.Errors = "One or more validation errors occurred.", fieldErrors(e, said)
	default:
		p.Detail = cmp.Or(said.text, e.Detail)
	}
	a := api.Answer{Status: status, Header: map[string]string{"Content-Type": "application/problem+json"}, JSON: p}
	switch e.What {
	case versionUnsupported:
		a.Header["Api-Supported-Versions"] = version
	case "account_key.invalid": // no token was sent (RFC 6750 §3.1)
		a.Header["WWW-Authenticate"] = `Bearer realm="Accounts"`
	}
	return a
}

// throughGateway is a refusal in the gateway's shape, with headers as pairs of name and value.
func throughGateway(out gatewayOut, headers ...string) api.Answer {
	a := api.Answer{Status: out.StatusCode, JSON: out, Header: map[string]string{}}
	for i := 0; i+1 < len(headers); i += 2 {
		a.Header[headers[i]] = headers[i+1]
	}
	if out.StatusCode == http.StatusUnauthorized {
		a.Header["WWW-Authenticate"] = `AzureApiManagementKey realm="api", name="` + subscriptionHeader + `", type="header"`
	}
	return a
}

func seconds(n string) string {
	if n == "1" {
		return "1 second"
	}
	return n + " seconds"
}

// sections define the statuses.
var sections = map[int]string{400: "rfc9110#section-15.5.1", 401: "rfc9110#section-15.5.2", 403: "rfc9110#section-15.5.4",
	404: "rfc9110#section-15.5.5", 409: "rfc9110#section-15.5.10", 413: "rfc9110#section-15.5.14", 415: "rfc9110#section-15.5.16",
	422: "rfc9110#section-15.5.21", 500: "rfc9110#section-15.6.1", 503: "rfc9110#section-15.6.4"}

// fieldErrors are the sentences of a refused request, by field.
func fieldErrors(e *errs.Error, said wording) map[string][]string {
	out := map[string][]string{}
	if e.What == fieldsInvalid {
		for field, lines := range e.Params {
			out[field] = strings.Split(lines, "\n")
		}
		return out
	}
	out[cmp.Or(said.field, e.Field, "$")] = []string{cmp.Or(said.text, e.Detail)}
	return out
}

// faults gathers what is wrong with a request, to be told all at once.
type faults map[string][]string

// add says what is wrong with a field; the sentence may hold fmt verbs.
func (f faults) add(field, sentence string, args ...any) {
	f[field] = append(f[field], fmt.Sprintf(sentence, args...))
}

// count is how many faults there are.
func (f faults) count() (n int) {
	for _, sentences := range f {
		n += len(sentences)
	}
	return n
}

// refusal is nil when nothing is wrong. Invalid "fields.invalid".
func (f faults) refusal() error {
	if len(f) == 0 {
		return nil
	}
	e := errs.New(errs.Invalid, fieldsInvalid, "Fields are not as they must be.")
	for field, sentences := range f {
		e.With(field, strings.Join(sentences, "\n"))
	}
	return e
}

// wordings are the refusals of the rooms that this surface says in its own words.
var wordings = map[string]wording{
	"json.malformed":         {field: "$"},
	"json.type":              {field: "$", text: "The body must be a JSON object."},
	"json.too_many":          {field: "$"},
	"body.incomplete":        {field: "$"},
	"impersonation.unknown":  {field: asKeyHeader, text: "The " + asTypeHeader + " and " + asKeyHeader + " headers name no user of the account."},
	"impersonation.inactive": {text: "The user whom the " + asTypeHeader + " and " + asKeyHeader + " headers name is not active."},
	"business_key.unknown":   {text: "There is no user with this business key."},
	"clone.unknown":          {field: "userPermissionsToClone", text: "The userPermissionsToClone field names no user of the account."},
	"account_key.invalid":    {text: "The account key is not valid for this subscription."},
	"right.missing":          {text: "The user may not do this."},
	"name.missing":           {text: "The name field is required."},
	"user.active":            {text: "The isActive field cannot be changed here; DELETE deactivates a user."},
	"business_key.taken":     {text: "Another user has one of these business keys."},
	"fault":                  {text: "An unexpected error occurred."},
}
