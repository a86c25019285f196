package conga

import (
	"net/http"
	"net/url"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/errs"
)

type tokens struct{ authn *authn.Authn }

// The vendor's three error codes (Conga, Authentication). Others are worded by their class.
const (
	badHeader      = "ERROR_AUTHENTICATION_HEADER"
	badCredentials = "ERROR_AUTHENTICATION_NOT_VALID"
	disabled       = "ERROR_AUTHENTICATION_CLIENT_DISABLED"
)

var classes = map[errs.Kind]string{
	errs.NotFound:         "ERROR_NOT_FOUND",
	errs.MethodNotAllowed: "ERROR_METHOD_NOT_ALLOWED",
	errs.TooLarge:         "ERROR_REQUEST_TOO_LARGE",
	errs.Unavailable:      "ERROR_UNAVAILABLE",
	errs.Limited:          "ERROR_TOO_MANY_REQUESTS",
	errs.Fault:            "ERROR_UNEXPECTED",
}

// refuseToken: wrong credentials are 400, not 401; whatever else is wrong with
// the request is a bad header.
func refuseToken(e *errs.Error) api.Answer {
	status, code := http.StatusBadRequest, badHeader
	switch e.What {
	case "client.credentials":
		code = badCredentials
	case "client.disabled":
		status, code = http.StatusForbidden, disabled
	default:
		if class, ok := classes[e.Kind]; ok {
			status, code = api.Status(e.Kind), class
		}
	}
	return api.Answer{Status: status, JSON: struct {
		Error string `json:"error"`
	}{code}}
}

type tokenOut struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
}

func (t *tokens) connect(r *api.Request) (api.Answer, error) {
	form, err := r.Form()
	if err != nil {
		return api.Answer{}, err
	}
	if form.Get("grant_type") != "client_credentials" {
		return api.Answer{}, errs.New(errs.Invalid, "grant.unsupported", "grant_type must be client_credentials.").On("grant_type")
	}
	id, secret, err := credentials(r.HTTP, form)
	if err != nil {
		return api.Answer{}, err
	}
	token, err := t.authn.ClientToken(r.Context(), id, secret, form.Get("scope"))
	return api.Answer{
		Header: map[string]string{"Pragma": "no-cache"}, // RFC 6749 §5.1, beside Cache-Control
		JSON:   tokenOut{token.Access, int(token.ExpiresIn.Seconds()), "Bearer", token.Scope},
	}, err
}

// credentials come in the form or in a Basic header, not in both (RFC 6749
// §2.3). In the header they are form-encoded first (§2.3.1), which leaves ids
// and secrets of ours as they are.
func credentials(r *http.Request, form url.Values) (id, secret string, err error) {
	if r.Header.Get("Authorization") == "" {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	} else {
		var ok bool
		id, secret, ok = r.BasicAuth()
		if !ok || form.Has("client_secret") || form.Has("client_id") && form.Get("client_id") != id {
			return "", "", errs.New(errs.Invalid, "client.header", "Send the client's credentials either in the form or in a Basic header.")
		}
	}
	if id == "" || secret == "" {
		return "", "", errs.New(errs.Invalid, "client.header", "The client's credentials are missing.")
	}
	return id, secret, nil
}
