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
}

// table words the refusals of one endpoint. Its keys, the exact one before the
// general: "what field", "what", "kind".
type table map[string]row

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
	for _, key := range []string{e.What + " " + e.Field, e.What, e.Kind.String()} {
		if found, ok := t[key]; ok && (e.Field != "" || !strings.Contains(found.message, "{field}")) {
			found.message = strings.ReplaceAll(found.message, "{field}", parameter(e.Field))
			found.message = strings.ReplaceAll(found.message, "{account}", e.Params["account"])
			return found
		}
	}
	if e.Kind == errs.Invalid {
		return invalidInput
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
	badRequest     = row{http.StatusBadRequest, "BAD_REQUEST", "The request provided is invalid."}
	invalidInput   = row{http.StatusBadRequest, "INVALID_INPUT", "An invalid input is provided."}
	invalidJSON    = row{http.StatusBadRequest, "INVALID_JSON", "An invalid JSON was specified."}
	invalidParam   = row{http.StatusBadRequest, "INVALID_PARAMETER", "The {field} value specified is invalid."}
	missingParam   = row{http.StatusBadRequest, "MISSING_REQUIRED_PARAM", "Required parameter {field} is missing."}
	missingParams  = row{http.StatusBadRequest, "MISSING_REQUIRED_PARAMS", "Required parameter {field} is missing."}
	noHeader       = row{http.StatusUnauthorized, "NO_AUTHORIZATION_HEADER", "Authorization header not provided."}
	invalidToken   = row{http.StatusUnauthorized, "INVALID_ACCESS_TOKEN", "Access token provided is invalid or has expired."}
	missingScopes  = row{http.StatusForbidden, "MISSING_SCOPES", "The token does not contain the required scopes."}
	notOnboarded   = row{http.StatusForbidden, "AUTHENTICATION_FAILED", "Partner is not onboarded successfully."}
	denied         = row{http.StatusForbidden, "PERMISSION_DENIED", "The API caller does not have the permission to execute this operation."}
	seatsExceeded  = row{http.StatusForbidden, "MAXIMUM_USERS_FOR_ACCOUNT_LIMIT_EXCEEDED", "Maximum active user limit reached for the account."}
	otherPoint     = row{http.StatusForbidden, "INVALID_API_ACCESS_POINT", "Request must be made to correct API access point (e.g. use GET /baseUris)."}
	unknownAccount = row{http.StatusNotFound, "ACCOUNT_NOT_FOUND", "Account does not exist."}
	unknownUser    = row{http.StatusNotFound, "USER_NOT_FOUND", "User does not exist."}
	nameTaken      = row{http.StatusConflict, "ACCOUNT_ALREADY_EXISTS", "Account with this name already exists."}
	emailTaken     = row{http.StatusConflict, "USER_ALREADY_EXISTS", "User with this email already exists."}
	internalError  = row{http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Some miscellaneous error has occurred."}
	miscError      = row{http.StatusInternalServerError, "MISC_SERVER_ERROR", "Some miscellaneous error has occurred."}
)

// anywhere are the refusals of every path; the vendor's tables have none of them but 429 and 415.
var anywhere = table{
	"fault":              internalError,
	"not found":          {http.StatusNotFound, "RESOURCE_NOT_FOUND", "The requested resource does not exist."},
	"method not allowed": {http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The method is not allowed for the requested resource."},
	"too large":          {http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "The request is too large."},
	"unsupported":        {http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type was not provided or is not supported."},
	"limited":            {http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "The request rate limit has reached"},
	"unavailable":        {http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "The service is not available at the moment."},
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
	"invalid":          invalidParam,
	"id.mismatch":      invalidInput,
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
		"header.x_api_user": {http.StatusBadRequest, "INVALID_X_API_USER_HEADER", "Value provided in x-api-user header is in invalid format."},
		"invalid":           badRequest,
		"limited":           {http.StatusTooManyRequests, "THROTTLING_TOO_MANY_REQUESTS", "The request rate limit has reached"},
		"fault":             miscError,
	})
	registering = common.with(table{
		"kind.denied":         missingScopes,
		"field.missing":       missingParam,
		"name.missing":        missingParam,
		"domain.not_eligible": {http.StatusBadRequest, "DOMAIN_NOT_ELIGIBLE", "One or more domains are not allowed for the given partner."},
		"domains.none":        {http.StatusNotFound, "ORG_DOMAINS_NOT_FOUND", "Org does not have any owned or trusted federated domains."},
		"partner.exists":      {http.StatusConflict, "TECHNICAL_ACCOUNT_ID_ALREADY_EXISTS", "Partner already exists for this Technical Account Id."},
	})
	creatingAccount = common.with(table{
		"kind.denied": missingScopes,
		"account.unconfigured": {http.StatusInternalServerError, "ACCOUNT_COULD_NOT_BE_CONFIGURED",
			"Account with accountId {account} could not be configured properly."},
	})
	changingAccount = common.with(table{
		"field.missing": {http.StatusBadRequest, "MISSING_REQUIRED_PARAMS", "Missing required parameters {field}."},
		"account.taken": {http.StatusConflict, "ACCOUNT_ALREADY_EXISTS", "An account with this name already exists."},
		malformedID:     invalidInput,
	})
	readingAccount  = common.with(table{malformedID: invalidInput})
	listingAccounts = common.with(table{
		"page.small": {http.StatusBadRequest, "INVALID_PARAMETER", "The pageSize specified must be greater than or equal to 1."},
		"page.large": {http.StatusBadRequest, "PAGE_SIZE_LIMIT_EXCEEDED", "Page size has exceeded the maximum length of 100."},
	})
	creatingUser = common.with(table{
		"unauthenticated": {http.StatusUnauthorized, "INVALID_ACCESS_TOKEN", "Token provided is invalid or has expired."},
		"denied":          {http.StatusForbidden, "PERMISSION_DENIED", "The API caller does not have permission to execute this operation."},
		"user.unstored":   {http.StatusInternalServerError, "USER_COULD_NOT_BE_CREATED", "User could not be created."},
	})
	changingUser = common.with(table{
		malformedUserID: invalidInput,
		"user.unstored": {http.StatusInternalServerError, "USER_COULD_NOT_BE_UPDATED", "User could not be updated."},
	})
	readingUser = common
	migrating   = common.with(table{
		"unauthenticated":   {http.StatusUnauthorized, "INVALID_TOKEN", "Token provided is invalid or expired."},
		"field.missing":     missingParam,
		"media.unsupported": badRequest,
		"form.malformed":    badRequest,
		"form.repeated":     badRequest,
		"user.unknown":      {http.StatusNotFound, "USER_NOT_FOUND", "User not found."},
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
	a := api.Answer{Status: found.status}
	out := errorOut{Code: found.code, Message: found.message}
	if found.code == "THROTTLING_TOO_MANY_REQUESTS" {
		out.RetryAfter = 1
	}
	a.JSON = out
	if found == otherPoint {
		a.Header = map[string]string{"X-Api-Access-Point": e.Params["point"]}
	}
	return a
}
