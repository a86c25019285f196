package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (s *surface) roleRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/packages/{package}/roles", Right: authz.Sign, Handle: s.listRoles},
		{Method: "GET", Path: "/packages/{package}/roles/{role}", Right: authz.Sign, Handle: s.getRole},
		{Method: "GET", Path: "/packages/{package}/roles/{role}/signingUrl", Right: authz.Sign, Handle: s.signingURL},
		{Method: "POST", Path: "/packages/{package}/roles/{role}/notifications", Right: authz.Sign, Handle: s.notifyRole},
	}
}

func (s *surface) listRoles(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	out := result[roleOut]{Count: len(p.Roles)}
	for _, role := range p.Roles {
		out.Results = append(out.Results, wordRole(role, p))
	}
	return api.Answer{JSON: out}, err
}

func (s *surface) getRole(r *api.Request) (api.Answer, error) {
	role, p, err := s.role(r)
	return api.Answer{JSON: wordRole(role, p)}, err
}

// signingURL is refused for a draft.
func (s *surface) signingURL(r *api.Request) (api.Answer, error) {
	role, p, err := s.role(r)
	if err != nil {
		return api.Answer{}, err
	}
	url, err := s.signing.SigningURL(r.Context(), r.Principal, p.OuterID, role.OuterID)
	return api.Answer{JSON: struct {
		PackageID string `json:"packageId"`
		RoleID    string `json:"roleId"`
		URL       string `json:"url"`
	}{p.OuterID, role.OuterID, url}}, err
}

// role finds a role by its id, else by its signer's: the libraries send both. NotFound "role.unknown".
func (s *surface) role(r *api.Request) (signing.Role, signing.Package, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return signing.Role{}, p, err
	}
	id := r.Path("role")
	for _, role := range p.Roles {
		if role.OuterID == id {
			return role, p, nil
		}
	}
	for _, role := range p.Roles {
		if role.Signer.OuterID == id {
			return role, p, nil
		}
	}
	return signing.Role{}, p, errs.New(errs.NotFound, "role.unknown", "There is no such role.")
}
