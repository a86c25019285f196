package acrobat

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

type technicalTokenOut struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

// technicalToken gives a technical account its token. v2 and v3 are alike.
func (s *surface) technicalToken(r *api.Request) (api.Answer, error) {
	form, err := s.technicalForm(r)
	if err != nil {
		return api.Answer{}, err
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return api.Answer{}, missing("grant_type")
	default:
		return api.Answer{}, errs.New(errs.Invalid, "grant.unsupported", "grant_type must be client_credentials.").On("grant_type")
	}
	for _, name := range []string{"client_id", "client_secret"} {
		if form.Get(name) == "" {
			return api.Answer{}, missing(name)
		}
	}
	scopes, err := splitScopes(form.Get("scope"))
	if err != nil {
		return api.Answer{}, err
	}
	t, err := s.authn.TechnicalToken(r.Context(), form.Get("client_id"), form.Get("client_secret"), scopes)
	return api.Answer{JSON: technicalTokenOut{t.Access, "bearer", left(t.ExpiresIn)}}, err
}

// left is a token's whole seconds as the vendor tells them: less the moment that it took to make it.
func left(life time.Duration) int64 { return int64(math.Ceil(life.Seconds())) - 1 }

// technicalForm takes the parameters from the query and from the body, but none
// from both. A secret in the query may be in the logs of whoever passed it on.
func (s *surface) technicalForm(r *api.Request) (url.Values, error) {
	query := r.Queries()
	if query.Has("client_secret") {
		s.log.WarnContext(r.Context(), "a client secret came in the query string: send it in the body", "request_id", r.Origin.RequestID)
	}
	form := url.Values{}
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	if len(body) > 0 { // else the media type is of nothing
		r.HTTP.Body = io.NopCloser(bytes.NewReader(body))
		if form, err = r.Form(); err != nil {
			return nil, err
		}
	}
	for name, values := range query {
		if form.Has(name) || len(values) > 1 {
			return nil, errs.New(errs.Invalid, "form.repeated", "A parameter was sent twice.").On(name)
		}
		form[name] = values
	}
	return form, nil
}

func missing(name string) error {
	return errs.New(errs.Invalid, "field.missing", "%s is missing.", name).On(name)
}

// splitScopes reads a list of scopes divided by commas, blanks or both; nothing
// is no scopes. An empty element is refused: Invalid "scope.unknown".
func splitScopes(list string) (scopes []string, err error) {
	if list == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		words := strings.FieldsFunc(part, func(c rune) bool { return c == ' ' })
		if len(words) == 0 {
			return nil, errs.New(errs.Invalid, "scope.unknown", "An element of the list is empty.").On("scope")
		}
		scopes = append(scopes, words...)
	}
	return scopes, nil
}

// oauth are the refusals of the token endpoint (RFC 6749 §5.2); the codes are its error members.
var oauth = anywhere.with(table{
	"client.credentials":          says(http.StatusBadRequest, "invalid_client", "invalid client_secret parameter"),
	"client.disabled":             says(http.StatusBadRequest, "invalid_client", "the client is disabled"),
	"field.missing client_id":     says(http.StatusBadRequest, "invalid_client", "invalid client_id parameter"),
	"field.missing client_secret": says(http.StatusBadRequest, "invalid_client", "invalid client_secret parameter"),
	"scope.unknown":               says(http.StatusBadRequest, "invalid_scope", "invalid scope parameter"),
	"grant.unsupported":           says(http.StatusBadRequest, "unsupported_grant_type", "unsupported grant_type parameter"),
	"invalid":                     says(http.StatusBadRequest, "invalid_request", "invalid request"),
	"field.missing":               says(http.StatusBadRequest, "invalid_request", "missing {field} parameter"),
	"media.unsupported":           says(http.StatusBadRequest, "invalid_request", "send the parameters as a form"),
	"fault":                       says(http.StatusInternalServerError, "server_error", "Some miscellaneous error has occurred."),
	"unavailable":                 says(http.StatusServiceUnavailable, "temporarily_unavailable", "The service is not available at the moment."),
})

type oauthErrorOut struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func refuseOAuth(e *errs.Error) api.Answer {
	found := oauth.find(e)
	return api.Answer{Status: found.status, JSON: oauthErrorOut{strings.ToLower(found.code), found.message}}
}
