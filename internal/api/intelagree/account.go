package intelagree

import "countersign.dev/internal/api"

// tokenOut is an access token as it is answered.
type tokenOut struct {
	Token   string `json:"token"`
	Expires string `json:"expires"`
}

// ticks is how .NET writes a time: with seven digits after the second.
const ticks = "2006-01-02T15:04:05.0000000Z"

// token gives a token for an account key.
func (s *surface) token(r *api.Request) (api.Answer, error) {
	in, err := readForm(r)
	if err != nil {
		return api.Answer{}, err
	}
	key := in.text("accountKey")
	if key == nil && in.count() == 0 || key != nil && *key == "" {
		in.required("accountKey")
	}
	if err := in.refusal(); err != nil {
		return api.Answer{}, err
	}
	token, expires, err := s.authn.AccountToken(r.Context(), r.HTTP.Header.Get(subscriptionHeader), *key)
	return api.Answer{JSON: tokenOut{token, expires.UTC().Format(ticks)}}, err
}
