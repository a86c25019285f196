package congasign

import (
	"cmp"
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (s *surface) roleRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/packages/{package}/roles", Right: authz.Sign, Handle: s.listRoles},
		{Method: "POST", Path: "/packages/{package}/roles", Right: authz.Sign, Handle: s.addRole},
		{Method: "PUT", Path: "/packages/{package}/roles", Right: authz.Sign, Handle: s.changeRoles},
		{Method: "GET", Path: "/packages/{package}/roles/{role}", Right: authz.Sign, Handle: s.getRole},
		{Method: "PUT", Path: "/packages/{package}/roles/{role}", Right: authz.Sign, Handle: s.changeRole},
		{Method: "DELETE", Path: "/packages/{package}/roles/{role}", Right: authz.Sign, Handle: s.removeRole},
		{Method: "POST", Path: "/packages/{package}/roles/{role}/unlock", Right: authz.Sign, Handle: s.unlockRole},
		{Method: "GET", Path: "/packages/{package}/roles/{role}/signingUrl", Right: authz.Sign, Handle: s.signingURL},
		{Method: "POST", Path: "/packages/{package}/roles/{role}/notifications", Right: authz.Sign, Handle: s.notifyRole},
		{Method: "POST", Path: "/packages/{package}/groups", Right: authz.Sign, Handle: s.addAdHocGroup},
		{Method: "PUT", Path: "/packages/{package}/groups", Right: authz.Sign, Handle: s.putAdHocGroup},
	}
}

func (s *surface) listRoles(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	return api.Answer{JSON: wordRoles(p)}, err
}

func wordRoles(p signing.Package) result[roleOut] {
	out := result[roleOut]{Count: len(p.Roles)}
	for _, role := range p.Roles {
		out.Results = append(out.Results, wordRole(role, p))
	}
	return out
}

func (s *surface) getRole(r *api.Request) (api.Answer, error) {
	role, p, err := s.role(r)
	return api.Answer{JSON: wordRole(role, p)}, err
}

func (s *surface) addRole(r *api.Request) (api.Answer, error) {
	var in roleIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	return s.putRole(r, in)
}

func (s *surface) putRole(r *api.Request, in roleIn) (api.Answer, error) {
	role, err := in.core()
	if err != nil {
		return api.Answer{}, err
	}
	added, err := s.signing.AddRole(r.Context(), r.Principal, r.Path("package"), role)
	if err != nil {
		return api.Answer{}, inRole(err)
	}
	return s.answerRole(r, added.OuterID)
}

// inRole words a group that a role names and that does not exist as a mistake in the input.
func inRole(err error) error {
	if errs.Is(err, "group.unknown") {
		return inBody(err)
	}
	return err
}

func (s *surface) answerRole(r *api.Request, id string) (api.Answer, error) {
	role, p, err := s.signing.GetRole(r.Context(), r.Principal, r.Path("package"), id)
	return api.Answer{JSON: wordRole(role, p)}, err
}

func (s *surface) addAdHocGroup(r *api.Request) (api.Answer, error) {
	in, err := adHocGroup(r)
	if err != nil {
		return api.Answer{}, err
	}
	return s.putRole(r, in)
}

// putAdHocGroup changes the ad-hoc group of the id, of the role's or its signer's; one that there is not is added.
func (s *surface) putAdHocGroup(r *api.Request) (api.Answer, error) {
	in, err := adHocGroup(r)
	if err != nil {
		return api.Answer{}, err
	}
	role, _, err := s.signing.GetRole(r.Context(), r.Principal, r.Path("package"), cmp.Or(in.ID, in.Signers[0].ID, in.Signers[0].Group.ID))
	switch {
	case errs.Is(err, "role.unknown"):
		return s.putRole(r, in)
	case err != nil:
		return api.Answer{}, err
	}
	_, err = s.signing.ChangeRoles(r.Context(), r.Principal, r.Path("package"),
		signing.RoleEdit{Role: role.OuterID, Change: func(signing.Role) (signing.NewRole, error) { return in.core() }})
	if err != nil {
		return api.Answer{}, inRole(err)
	}
	return s.answerRole(r, role.OuterID)
}

// adHocGroup reads the role of an ad-hoc group, or its signer or the bare group.
func adHocGroup(r *api.Request) (roleIn, error) {
	var in struct {
		roleIn
		Email   string         `json:"email"`
		Group   *signerGroupIn `json:"group"`
		Members []struct {
			UserID string `json:"userId"`
		} `json:"members"`
	}
	body, err := r.Body()
	if err == nil {
		err = api.Decode(body, &in)
	}
	if err != nil {
		return in.roleIn, err
	}
	if len(in.Signers) == 0 {
		group := in.Group
		if group == nil {
			group = &signerGroupIn{Name: in.Name, Members: in.Members}
		}
		in.Signers = []signerIn{{Email: in.Email, SignerType: adHocSigner, FirstName: group.Name, Group: group}}
	}
	in.Signers[0].SignerType = adHocSigner
	if in.Signers[0].Group == nil {
		in.Signers[0].Group = &signerGroupIn{}
	}
	return in.roleIn, nil
}

// changeRole changes what the body has of the role; the rest stays.
func (s *surface) changeRole(r *api.Request) (api.Answer, error) {
	body, err := bodyOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	role, _, err := s.role(r)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := s.signing.ChangeRoles(r.Context(), r.Principal, r.Path("package"), roleEdit(role.OuterID, body))
	if err != nil {
		return api.Answer{}, inRole(err)
	}
	role, err = p.Role(role.OuterID)
	return api.Answer{JSON: wordRole(role, p)}, err
}

// roleEdit reads a body over the role as it is.
func roleEdit(id string, body []byte) signing.RoleEdit {
	return signing.RoleEdit{Role: id, Change: func(now signing.Role) (signing.NewRole, error) {
		var in roleIn
		if err := over(wordRole(now, signing.Package{}), body, &in); err != nil {
			return signing.NewRole{}, err
		}
		return in.core()
	}}
}

// changeRoles takes [{id, index}] to reorder, or whole roles. Roles that are not named stay as they are.
func (s *surface) changeRoles(r *api.Request) (api.Answer, error) {
	elements, ids, err := elementsOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	var edits []signing.RoleEdit
	for i, element := range elements {
		edits = append(edits, roleEdit(ids[i], element))
	}
	p, err := s.signing.ChangeRoles(r.Context(), r.Principal, r.Path("package"), edits...)
	return api.Answer{JSON: wordRoles(p)}, inRole(err)
}

func (s *surface) removeRole(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.RemoveRole(r.Context(), r.Principal, r.Path("package"), r.Path("role")))
}

func (s *surface) unlockRole(r *api.Request) (api.Answer, error) {
	return api.Answer{Status: http.StatusNoContent}, s.signing.Unlock(r.Context(), r.Principal, r.Path("package"), r.Path("role"))
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
	return s.signing.GetRole(r.Context(), r.Principal, r.Path("package"), r.Path("role"))
}
