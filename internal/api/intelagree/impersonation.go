package intelagree

import (
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

// handler answers a call.
type handler = func(*api.Request) (api.Answer, error)

// The headers that name, by a business key, the user as whom the API user acts; both or none are sent.
const (
	asTypeHeader = "AsUserType"
	asKeyHeader  = "AsUserKey"
)

// as has a call act as the user whom the headers name: both he and the API user must be allowed what is done.
func (s *surface) as(h handler) handler {
	return func(r *api.Request) (api.Answer, error) {
		key, err := asUser(r.HTTP.Header)
		if err != nil {
			return api.Answer{}, err
		}
		if key == nil {
			return h(r)
		}
		acting := *r
		acting.Principal, err = s.authn.Impersonated(r.Context(), r.Principal, *key)
		if err == nil {
			err = acting.Principal.Need(authz.IntelAgree)
		}
		if err != nil {
			return api.Answer{}, err
		}
		return h(&acting)
	}
}

// asUser reads the headers; nil when neither is there. Invalid "fields.invalid".
func asUser(h http.Header) (*directory.BusinessKey, error) {
	if len(h.Values(asTypeHeader)) == 0 && len(h.Values(asKeyHeader)) == 0 {
		return nil, nil
	}
	wrong := faults{}
	k := directory.BusinessKey{Type: headerLine(h, asTypeHeader, wrong), Value: headerLine(h, asKeyHeader, wrong)}
	return &k, wrong.refusal()
}

// headerLine is the one line of text, in UTF-8, of a header that must be there.
func headerLine(h http.Header, name string, wrong faults) string {
	values := h.Values(name)
	if len(values) > 1 {
		wrong.add(name, "The %s header must be sent once.", name)
		return ""
	}
	clean, err := directory.PersonName(h.Get(name))
	switch {
	case err != nil:
		wrong.add(name, "The %s header must be one line of at most %d visible characters.", name, maxLine)
	case clean == "":
		wrong.add(name, "The %s header is required; %s and %s go together.", name, asTypeHeader, asKeyHeader)
	}
	return clean
}
