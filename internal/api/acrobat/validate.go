package acrobat

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// tells are the members that validate answers beside "valid" and "expires_at" to
// who sends the client's secret, and the claims they come from.
var tells = map[string]string{
	"id": "id", "type": "type", "client_id": "client_id", "user_id": "user_id", "issuer": "iss", "subject": "sub",
	"audience": "aud", "issued_at": "iat", "expires_in": "expires_in", "scope": "scope",
}

type validateOut struct {
	Valid     bool           `json:"valid"`
	ExpiresAt int64          `json:"expires_at,omitzero"` // epoch seconds
	Told      map[string]any `json:",embed"`
}

// validate tells whether a token is good. A token of another client, or one we
// never gave, is not valid; neither is any token of an unknown client.
func (s *surface) validate(r *api.Request) (api.Answer, error) {
	form, err := authForm(r, "client_id", "token", "type")
	if err != nil {
		return api.Answer{}, err
	}
	if form.Get("type") != accessToken {
		return api.Answer{}, errs.New(errs.Invalid, "parameter.value", "type must be %s.", accessToken).On("type")
	}
	found, err := s.authn.Inspect(r.Context(), form.Get("client_id"), form.Get("client_secret"), form.Get("token"))
	out := validateOut{Valid: found.Valid}
	if !found.Expires.IsZero() {
		out.ExpiresAt = found.Expires.Unix()
	}
	if found.Claims != nil {
		out.Told = map[string]any{}
	}
	for member, claim := range tells {
		if value, ok := found.Claims[claim]; ok {
			out.Told[member] = value
		}
	}
	return api.Answer{JSON: out}, err
}

// invalidate ends a token. The answer is the same whether there was one to end
// and whether the credentials were right: validate tells the outcome.
func (s *surface) invalidate(r *api.Request) (api.Answer, error) {
	form, err := authForm(r, "token", "token_type")
	if err != nil {
		return api.Answer{}, err
	}
	err = s.authn.Invalidate(r.Context(), form.Get("client_id"), form.Get("client_secret"), form.Get("token"))
	if kind := errs.KindOf(err); kind == errs.Unauthenticated || kind == errs.Denied {
		err = nil
	}
	return api.Answer{JSON: struct{}{}}, err
}
