package acrobat

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/errs"
)

// exchangeParameters are all required; the first that is missing is named.
var exchangeParameters = []string{"client_id", "client_secret", "grant_type", "subject_token", "subject_token_type",
	"actor_token_type", "actor_token", "scope"}

type exchangeOut struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`      // divided by commas
}

// exchange gives a technical account a token that acts as one of its users.
func (s *surface) exchange(r *api.Request) (api.Answer, error) {
	form, err := authForm(r, exchangeParameters...)
	if err != nil {
		return api.Answer{}, err
	}
	for _, p := range [][2]string{{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
		{"subject_token_type", "jwt"}, {"actor_token_type", accessToken}} {
		if form.Get(p[0]) != p[1] {
			return api.Answer{}, errs.New(errs.Invalid, "parameter.value", "%s must be %s.", p[0], p[1]).On(p[0])
		}
	}
	t, err := s.authn.Exchange(r.Context(), authn.ExchangeRequest{
		ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"),
		ActorToken: form.Get("actor_token"), SubjectToken: form.Get("subject_token"),
		Scopes: exchangeScopes(form.Get("scope")),
	})
	return api.Answer{JSON: exchangeOut{t.Access, accessToken, int64(t.ExpiresIn.Seconds()), strings.Join(t.Scopes, ",")}}, err
}

// accessToken is the vendor's word for the type of both tokens.
const accessToken = "access_token"

// exchangeScopes leaves a list that cannot be read as one scope that nobody
// has: what is wrong with the client and its token is told first.
func exchangeScopes(list string) []string {
	scopes, err := splitScopes(list)
	if err != nil {
		return []string{list}
	}
	return scopes
}

// authForm reads a form of the auth service and refuses it when one of the
// required parameters is missing or empty.
func authForm(r *api.Request, required ...string) (url.Values, error) {
	form, err := r.Form()
	if err != nil {
		return nil, err
	}
	for _, name := range required {
		if form.Get(name) == "" {
			return nil, missing(name)
		}
	}
	return form, nil
}

// auth are the refusals of the auth service. What is missing and what is wrong
// has one sentence.
var auth = anywhere.with(table{
	"invalid":                    invalidRequest,
	unnamed:                      malformedRequest,
	"media.unsupported":          malformedRequest,
	"parameter.value grant_type": invalidRequest.as("unsupported_grant_type"),
	"scope.unknown":              invalidRequest.as("invalid_scope"),
	"unauthenticated":            says(http.StatusBadRequest, "INVALID_REQUEST", "client_secret is missing or invalid.").as("invalid_client"),
	"on actor_token":             says(http.StatusUnauthorized, "INVALID_AUTHENTICATING_TOKEN", "actor_token is missing or invalid."),
	"denied":                     denied,
	"partner.inactive":           notOnboarded,
})

var (
	invalidRequest   = says(http.StatusBadRequest, "INVALID_REQUEST", "{field} is missing or invalid.")
	malformedRequest = badRequest.as("invalid_request")
)

type authErrorOut struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refuseAuth words a refusal in both ways at once: the vendor's and OAuth's. It
// repeats no name that a client made up.
func refuseAuth(e *errs.Error) api.Answer {
	if !slices.Contains(authParameters, e.Field) {
		nameless := *e
		nameless.Field = ""
		e = &nameless
	}
	found := auth.find(e)
	return api.Answer{Status: found.status, JSON: authErrorOut{found.code, found.message, found.oauth, found.message}}
}

// authParameters are those of the auth service.
var authParameters = append([]string{"token", "type", "token_type"}, exchangeParameters...)
