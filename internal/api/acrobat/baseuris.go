package acrobat

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

type baseURIsOut struct {
	API string `json:"apiAccessPoint"`
	Web string `json:"webAccessPoint"`
}

// baseURIs tells a user the access point of his account, a technical account
// the default one. It asks nobody whether the partner is active.
func (s *surface) baseURIs(r *api.Request) (api.Answer, error) {
	if err := noImpersonation(r); err != nil {
		return api.Answer{}, err
	}
	p := s.points[0]
	if len(s.points) > 1 && r.Principal.Kind == authz.Delegated {
		a, err := s.dir.Account(r.Context(), r.Principal)
		if err != nil {
			return api.Answer{}, err
		}
		p = s.points.of(a.Country)
	}
	return api.Answer{JSON: baseURIsOut{p.API, p.Web}}, nil
}

// notServed answers for the rest of the REST API: callers prove who they are first.
func notServed(r *api.Request) (api.Answer, error) {
	if err := noImpersonation(r); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{}, errs.New(errs.NotFound, "route.unknown", "There is nothing at this path.")
}

func otherMethod(r *api.Request) (api.Answer, error) {
	if err := noImpersonation(r); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{}, errs.New(errs.MethodNotAllowed, "route.method", "This path answers GET, HEAD.").With("allow", "GET, HEAD")
}

// noImpersonation: Embed 2.0 has no x-api-user header.
func noImpersonation(r *api.Request) error {
	if len(r.HTTP.Header.Values("X-Api-User")) > 0 {
		return errs.New(errs.Invalid, "header.x_api_user", "The header x-api-user is not taken.")
	}
	return nil
}
