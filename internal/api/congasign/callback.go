package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/webhook"
)

// callbackRoutes are the operations on callbacks: OneSpan Sign's, a connector's own, and Conga's, whose preview pages
// have the last path.
func (s *surface) callbackRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/callback", Right: authz.Sign, Handle: s.getCallback},
		{Method: "POST", Path: "/callback", Right: authz.Sign, Handle: s.setCallback},
		{Method: "GET", Path: "/callback/connectors/{origin}", Right: authz.Sign, Handle: s.getCallback},
		{Method: "POST", Path: "/callback/connectors/{origin}", Right: authz.Sign, Handle: s.setCallback},
		{Method: "PUT", Path: "/callback/register", Right: authz.Sign, Handle: s.registerCallback},
		{Method: "PUT", Path: "/sign/callback/v1/register", Right: authz.Sign, Handle: s.registerCallback},
	}
}

// callbackIn and callbackOut are OneSpan Sign's Callback.
type callbackIn struct {
	URL    *string   `json:"url"`
	Key    *string   `json:"key"`
	Events *[]string `json:"events"`
}

type callbackOut struct {
	URL    string   `json:"url"`
	Key    string   `json:"key"`
	Events []string `json:"events"`
}

// registerIn and registerOut are Conga's registration.
type registerIn struct {
	CallbackURL *string `json:"callbackUrl"`
	AuthType    *string `json:"authType"`
	Username    *string `json:"username"`
	Password    *string `json:"password"`
	BearerToken *string `json:"bearerToken"`
}

type registerOut struct {
	CallbackURL string `json:"callbackUrl"`
	AuthType    string `json:"authType"`
	Username    string `json:"username,omitzero"`
	Password    string `json:"password,omitzero"`
	BearerToken string `json:"bearerToken,omitzero"`
}

func (s *surface) getCallback(r *api.Request) (api.Answer, error) {
	c, err := s.webhook.Registered(r.Context(), r.Principal, r.Path("origin"))
	return api.Answer{JSON: wordCallback(c)}, err
}

// setCallback puts a registration in the place of the former. The key comes back as it was sent: libraries read the
// registration, change the events and send it again.
func (s *surface) setCallback(r *api.Request) (api.Answer, error) {
	var in callbackIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	c := webhook.Registration{Origin: r.Path("origin"), Style: webhook.Key, URL: or(in.URL, ""), Key: or(in.Key, ""), Events: or(in.Events, nil)}
	if err := s.webhook.Register(r.Context(), r.Principal, c); err != nil {
		return api.Answer{}, err
	}
	return s.getCallback(r)
}

func wordCallback(c webhook.Registration) callbackOut {
	out := callbackOut{URL: c.URL, Key: c.Key, Events: c.Events}
	if out.Events == nil {
		out.Events = []string{}
	}
	return out
}

// registerCallback is the account's one registration, for every event, with credentials by RFC 7617 or RFC 6750.
func (s *surface) registerCallback(r *api.Request) (api.Answer, error) {
	var in registerIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	c := webhook.Registration{URL: or(in.CallbackURL, ""), Style: webhook.Style(or(in.AuthType, string(webhook.None))), All: true}
	switch c.Style {
	case webhook.Basic:
		c.User, c.Password = or(in.Username, ""), or(in.Password, "")
	case webhook.Bearer:
		c.Token = or(in.BearerToken, "")
	case webhook.Key: // not among Conga's names
		c.Style = "unknown"
	}
	if err := s.webhook.Register(r.Context(), r.Principal, c); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{JSON: registerOut{c.URL, string(c.Style), c.User, c.Password, c.Token}}, nil
}
