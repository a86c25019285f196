package congasign

import (
	"net/http"
	"net/url"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/errs"
)

// oauthPath is the token endpoint (RFC 6749 §3.2), which OneSpan's libraries call at the root of the host.
const oauthPath = "/oauth2/token"

// oauthOut is the answer of the client credentials grant (RFC 6749 §5.1): these members and no other, because client
// libraries of this surface refuse what they do not know.
type oauthOut struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// oauthToken serves the client credentials grant. sender_id and delegator_id are OneSpan Sign's (OAuth 2.0 Client
// Credentials Flow).
func (s *surface) oauthToken(r *api.Request) (api.Answer, error) {
	form, err := r.Form()
	if err != nil {
		return api.Answer{}, err
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return api.Answer{}, errs.New(errs.Invalid, "grant.missing", "grant_type is missing.").On("grant_type")
	default:
		return api.Answer{}, errs.New(errs.Invalid, "grant.unsupported", "grant_type must be client_credentials.").On("grant_type")
	}
	id, secret, err := clientOf(r.HTTP, form)
	if err != nil {
		return api.Answer{}, err
	}
	token, err := s.authn.ClientTokenAs(r.Context(), id, secret, form.Get("scope"),
		authn.As{Sender: form.Get("sender_id"), Delegator: form.Get("delegator_id")})
	return api.Answer{
		Header: map[string]string{"Pragma": "no-cache"}, // beside Cache-Control, RFC 6749 §5.1
		JSON:   oauthOut{token.Access, "Bearer", int(token.ExpiresIn.Seconds()), token.Scope},
	}, err
}

// clientOf reads the client's credentials from a Basic header or from the form, not from both (RFC 6749 §2.3). In the
// header they are form-encoded first (§2.3.1). A parameter without a value is as if it were not sent (§3.2).
func clientOf(r *http.Request, form url.Values) (id, secret string, err error) {
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return "", "", errs.New(errs.Unauthenticated, "client.method", "Client assertions are not supported.")
	}
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	} else if id, secret, err = basicClient(r, headers); err != nil {
		return "", "", err
	} else if form.Get("client_secret") != "" || form.Get("client_id") != "" && form.Get("client_id") != id {
		return "", "", errs.New(errs.Invalid, "client.several", "Send the client's credentials either in the form or in a Basic header.")
	}
	if id == "" || secret == "" {
		return "", "", errs.New(errs.Unauthenticated, "client.missing", "The client's credentials are missing.")
	}
	return id, secret, nil
}

func basicClient(r *http.Request, headers []string) (id, secret string, err error) {
	id, secret, ok := r.BasicAuth()
	if len(headers) > 1 || !ok {
		return "", "", errs.New(errs.Unauthenticated, "client.method", "The Authorization header must be Basic with the client's id and secret.")
	}
	plainID, failed := url.QueryUnescape(id)
	plainSecret, bad := url.QueryUnescape(secret)
	if failed != nil || bad != nil {
		return "", "", errs.New(errs.Unauthenticated, "client.credentials", "The client id or secret is wrong.")
	}
	return plainID, plainSecret, nil
}

// oauthErrors are the codes of refusals (RFC 6749 §5.2); what is not here is invalid_request, or by its kind below.
var oauthErrors = map[string]string{
	"client.credentials": "invalid_client",
	"client.disabled":    "invalid_client",
	"client.missing":     "invalid_client",
	"client.method":      "invalid_client",
	"grant.unsupported":  "unsupported_grant_type",
	"grant.sender":       "invalid_grant",
	"scope.unknown":      "invalid_scope",
	"right.missing":      "unauthorized_client",
}

// refuseOAuth words a refusal of the token endpoint. A client that is disabled is as one that is not there.
func refuseOAuth(e *errs.Error) api.Answer {
	code, a := oauthErrors[e.What], api.Answer{Status: http.StatusBadRequest, Header: map[string]string{"Pragma": "no-cache"}}
	detail := e.Detail
	switch {
	case code == "invalid_client":
		a.Status = http.StatusUnauthorized
		a.Header["WWW-Authenticate"] = `Basic realm="token"` // also for who used the form: a 401 has a challenge (RFC 9110 §15.5.2)
		if e.What == "client.disabled" {
			detail = "The client id or secret is wrong."
		}
	case code != "":
	case e.Kind == errs.Fault:
		code, a.Status, detail = "server_error", http.StatusInternalServerError, "An unexpected error occurred."
	case e.Kind == errs.Unavailable:
		code, a.Status = "temporarily_unavailable", http.StatusServiceUnavailable
	case e.Kind == errs.MethodNotAllowed, e.Kind == errs.TooLarge:
		code, a.Status = "invalid_request", api.Status(e.Kind)
	default:
		code = "invalid_request"
	}
	a.JSON = struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, oauthText(detail)}
	return a
}

// oauthText keeps to the characters that a description may have (RFC 6749 §5.2).
func oauthText(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '"' || c == '\\' {
			return '\''
		}
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, s)
}
