package acrobat

import (
	"maps"
	"net/http"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// row is a line of an error table. {field} and {account} in the message stand
// for the parameter to blame and for an account's id.
type row struct {
	status        int
	code, message string
	oauth         string // the auth service's second code (RFC 6749 §5.2)
	retryAfter    int    // seconds, of the REST API's body alone
}

// says is a row whose OAuth word is its code in lower case.
func says(status int, code, message string) row {
	return row{status: status, code: code, message: message, oauth: strings.ToLower(code)}
}

// as is the row with another OAuth word.
func (r row) as(oauth string) row {
	r.oauth = oauth
	return r
}

// after is the row with seconds to wait.
func (r row) after(seconds int) row {
	r.retryAfter = seconds
	return r
}

// table words the refusals of one endpoint. Its keys, the exact one before the
// general: "what field", "on field", "what", "kind", and for what is invalid
// without a parameter to blame, unnamed.
type table map[string]row

// unnamed is the row of the invalid that no row words without naming a parameter.
const unnamed = "invalid, unnamed"

// with is a table with more rows, or other words for some.
func (t table) with(more table) table {
	out := maps.Clone(t)
	maps.Copy(out, more)
	return out
}

// find words a refusal. What blames no parameter cannot be worded by naming one.
func (t table) find(e *errs.Error) row {
	if e.What == "json.type" && e.Field == "" {
		return t.find(errs.New(e.Kind, "json.malformed", ""))
	}
	for _, key := range []string{e.What + " " + e.Field, "on " + e.Field, e.What, e.Kind.String()} {
		if found, ok := t[key]; ok && (e.Field != "" || !strings.Contains(found.message, "{field}")) {
			found.message = strings.ReplaceAll(found.message, "{field}", parameter(e.Field))
			found.message = strings.ReplaceAll(found.message, "{account}", e.Params["account"])
			return found
		}
	}
	if e.Kind == errs.Invalid {
		return t[unnamed]
	}
	return t["fault"]
}

// parameter is a field as the surface writes it: "/consumables/0/type" is "consumables.type".
func parameter(field string) string {
	pointer, ok := strings.CutPrefix(field, "/")
	if !ok {
		return field
	}
	var names []string
	for name := range strings.SplitSeq(pointer, "/") {
		if strings.Trim(name, "0123456789") != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ".")
}

// Rows that stand in more than one table.
var (
	badRequest     = says(http.StatusBadRequest, "BAD_REQUEST", "The request provided is invalid.")
	invalidInput   = says(http.StatusBadRequest, "INVALID_INPUT", "An invalid input is provided.")
	invalidJSON    = says(http.StatusBadRequest, "INVALID_JSON", "An invalid JSON was specified.")
	invalidParam   = says(http.StatusBadRequest, "INVALID_PARAMETER", "The {field} value specified is invalid.")
	invalidQuery   = says(http.StatusBadRequest, "INVALID_PARAMETER", "The query value specified is invalid.")
	missingParam   = says(http.StatusBadRequest, "MISSING_REQUIRED_PARAM", "Required parameter {field} is missing.")
	missingParams  = says(http.StatusBadRequest, "MISSING_REQUIRED_PARAMS", "Required parameter {field} is missing.")
	noHeader       = says(http.StatusUnauthorized, "NO_AUTHORIZATION_HEADER", "Authorization header not provided.")
	invalidToken   = says(http.StatusUnauthorized, "INVALID_ACCESS_TOKEN", "Access token provided is invalid or has expired.")
	missingScopes  = says(http.StatusForbidden, "MISSING_SCOPES", "The token does not contain the required scopes.")
	notOnboarded   = says(http.StatusForbidden, "AUTHENTICATION_FAILED", "Partner is not onboarded successfully.")
	denied         = says(http.StatusForbidden, "PERMISSION_DENIED", "The API caller does not have the permission to execute this operation.")
	seatsExceeded  = says(http.StatusForbidden, "MAXIMUM_USERS_FOR_ACCOUNT_LIMIT_EXCEEDED", "Maximum active user limit reached for the account.")
	otherPoint     = says(http.StatusForbidden, "INVALID_API_ACCESS_POINT", "Request must be made to correct API access point (e.g. use GET /baseUris).")
	unknownAccount = says(http.StatusNotFound, "ACCOUNT_NOT_FOUND", "Account does not exist.")
	unknownUser    = says(http.StatusNotFound, "USER_NOT_FOUND", "User does not exist.")
	nameTaken      = says(http.StatusConflict, "ACCOUNT_ALREADY_EXISTS", "Account with this name already exists.")
	emailTaken     = says(http.StatusConflict, "USER_ALREADY_EXISTS", "User with this email already exists.")
	internalError  = says(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Some miscellaneous error has occurred.")
	miscError      = says(http.StatusInternalServerError, "MISC_SERVER_ERROR", "Some miscellaneous error has occurred.")
)

// anywhere are the refusals of every path; the vendor's tables have none of them but 429 and 415.
var anywhere = table{
	"fault":              internalError,
	"not found":          says(http.StatusNotFound, "RESOURCE_NOT_FOUND", "The requested resource does not exist."),
	"method not allowed": says(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The method is not allowed for the requested resource."),
	"too large":          says(http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "The request is too large."),
	"unsupported":        says(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type was not provided or is not supported."),
	"limited":            says(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "The request rate limit has reached"),
	"unavailable":        says(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "The service is not available at the moment."),
}

// common are the refusals of every endpoint that takes a bearer token and JSON.
var common = anywhere.with(table{
	"token.missing":    noHeader,
	"unauthenticated":  invalidToken,
	"right.missing":    missingScopes,
	"partner.inactive": notOnboarded,
	"denied":           denied,
	"point.other":      otherPoint,
	"json.malformed":   invalidJSON,
	"body.incomplete":  invalidJSON,
	"invalid":          invalidParam,
	unnamed:            invalidQuery,
	"field.missing":    missingParams,
	"seats.exceeded":   seatsExceeded,
	"account.unknown":  unknownAccount,
	"user.unknown":     unknownUser,
	"account.taken":    nameTaken,
	"email.taken":      emailTaken,
})

// The tables of the endpoints.
var (
	rest = anywhere.with(table{
		"token.missing": noHeader, "unauthenticated": invalidToken, "kind.denied": invalidToken, "denied": denied,
		"header.x_api_user": says(http.StatusBadRequest, "INVALID_X_API_USER_HEADER", "The x-api-user header must not be sent."),
		"invalid":           badRequest,
		"limited":           says(http.StatusTooManyRequests, "THROTTLING_TOO_MANY_REQUESTS", "The request rate limit has reached").after(1),
		"fault":             miscError,
	})
	registering = common.with(table{
		"kind.denied":         missingScopes,
		"field.missing":       missingParam,
		"name.missing":        missingParam,
		"domain.not_eligible": says(http.StatusBadRequest, "DOMAIN_NOT_ELIGIBLE", "One or more domains are not allowed for the given partner."),
		"domains.none":        says(http.StatusNotFound, "ORG_DOMAINS_NOT_FOUND", "Org does not have any owned or trusted federated domains."),
		"partner.exists":      says(http.StatusConflict, "TECHNICAL_ACCOUNT_ID_ALREADY_EXISTS", "Partner already exists for this Technical Account Id."),
	})
	creatingAccount = common.with(table{
		"kind.denied": missingScopes,
		"account.unconfigured": says(http.StatusInternalServerError, "ACCOUNT_COULD_NOT_BE_CONFIGURED",
			"Account with accountId {account} could not be configured properly."),
	})
	changingAccount = common.with(table{
		"field.missing": says(http.StatusBadRequest, "MISSING_REQUIRED_PARAMS", "Missing required parameters {field}."),
		"account.taken": says(http.StatusConflict, "ACCOUNT_ALREADY_EXISTS", "An account with this name already exists."),
		malformedID:     invalidInput,
		"id.mismatch":   invalidInput,
		unnamed:         invalidInput,
	})
	readingAccount  = common.with(table{malformedID: invalidInput, unnamed: invalidInput})
	listingAccounts = common.with(table{
		"page.small": says(http.StatusBadRequest, "INVALID_PARAMETER", "The pageSize specified must be greater than or equal to 1."),
		"page.large": says(http.StatusBadRequest, "PAGE_SIZE_LIMIT_EXCEEDED", "Page size has exceeded the maximum length of 100."),
	})
	creatingUser = common.with(table{
		"unauthenticated": says(http.StatusUnauthorized, "INVALID_ACCESS_TOKEN", "Token provided is invalid or has expired."),
		"denied":          says(http.StatusForbidden, "PERMISSION_DENIED", "The API caller does not have permission to execute this operation."),
		"user.unstored":   says(http.StatusInternalServerError, "USER_COULD_NOT_BE_CREATED", "User could not be created."),
	})
	changingUser = common.with(table{
		malformedUserID: invalidInput,
		"id.mismatch":   invalidInput,
		unnamed:         invalidInput,
		"user.unstored": says(http.StatusInternalServerError, "USER_COULD_NOT_BE_UPDATED", "User could not be updated."),
	})
	readingUser = common
	migrating   = common.with(table{
		"unauthenticated":   says(http.StatusUnauthorized, "INVALID_TOKEN", "Token provided is invalid or expired."),
		"field.missing":     missingParam,
		"media.unsupported": badRequest,
		"form.repeated":     badRequest,
		"body.incomplete":   badRequest,
		unnamed:             badRequest,
		"user.unknown":      says(http.StatusNotFound, "USER_NOT_FOUND", "User not found."),
		"fault":             miscError,
	})
)

// The refusals of an id in the path that no database could look for.
const (
	malformedID     = "text.malformed accountId"
	malformedUserID = "text.malformed userId"
)

type errorOut struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// RetryAfter, in seconds, is the REST API's only.
	RetryAfter int `json:"retryAfter,omitzero"`
}

// refuse words a refusal as {"code", "message"}.
func (t table) refuse(e *errs.Error) api.Answer {
	found := t.find(e)
	a := api.Answer{Status: found.status, JSON: errorOut{found.code, found.message, found.retryAfter}}
	if found == otherPoint {
		a.Header = map[string]string{"X-Api-Access-Point": e.Params["point"]}
	}
	return a
}
