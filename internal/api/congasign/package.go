package congasign

import (
	"cmp"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (s *surface) packageRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/packages", Right: authz.Sign, Body: maxUpload, Handle: s.once(s.createPackage)},
		{Method: "GET", Path: "/packages", Right: authz.Sign, Handle: s.listPackages},
		{Method: "GET", Path: "/packages/{package}", Right: authz.Sign, Or: authz.SignOwn, Handle: s.getPackage},
		{Method: "POST", Path: "/packages/{package}", Right: authz.Sign, Or: authz.SignOwn, Body: maxPayload, Handle: s.updatePackage},
		{Method: "PUT", Path: "/packages/{package}", Right: authz.Sign, Or: authz.SignOwn, Body: maxPayload, Handle: s.updatePackage},
		{Method: "DELETE", Path: "/packages/{package}", Right: authz.Sign, Handle: s.deletePackage},
		{Method: "GET", Path: "/packages/{package}/signingStatus", Right: authz.Sign, Or: authz.SignOwn, Handle: s.signingStatus},
		{Method: "GET", Path: "/packages/{package}/audit", Right: authz.Sign, Handle: s.trail},
		{Method: "GET", Path: "/packages/{package}/evidence/summary", Right: authz.Sign, Handle: s.evidenceSummary},
		{Method: "POST", Path: "/packages/{package}/notifications", Right: authz.Sign, Handle: s.notifySigner},
	}
}

// idOut is the answer to creating a package: exactly this member, for client libraries refuse others.
type idOut struct {
	ID string `json:"id"`
}

func (s *surface) createPackage(r *api.Request) (api.Answer, error) {
	up, err := readUpload(r)
	if err != nil {
		return api.Answer{}, err
	}
	var in packageIn
	if err := api.Decode(up.payload, &in); err != nil {
		return api.Answer{}, err
	}
	docs, err := up.documents(in.Documents)
	if err != nil {
		return api.Answer{}, err
	}
	pkg, err := in.create(docs)
	if err != nil {
		return api.Answer{}, err
	}
	id, err := s.signing.Create(r.Context(), r.Principal, pkg)
	if err != nil {
		return api.Answer{}, inBody(err)
	}
	notes, err := s.signing.Notes(r.Context(), r.Principal, id)
	return api.Answer{JSON: idOut{id}, Header: notice(notes...)}, err
}

func (s *surface) getPackage(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	return api.Answer{JSON: wordPackage(p)}, err
}

func (s *surface) listPackages(r *api.Request) (api.Answer, error) {
	q, err := packageQuery(r)
	if err != nil {
		return api.Answer{}, err
	}
	page, err := s.signing.List(r.Context(), r.Principal, q)
	if err != nil {
		return api.Answer{}, err
	}
	if q.Bare {
		return api.Answer{JSON: wordPage(page, func(p signing.Package) idOut { return idOut{p.OuterID} })}, nil
	}
	return api.Answer{JSON: wordPage(page, wordPackage)}, nil
}

func wordPage[T any](page signing.Page, word func(signing.Package) T) result[T] {
	out := result[T]{Count: page.Count}
	for _, p := range page.Packages {
		out.Results = append(out.Results, word(p))
	}
	return out
}

// updatePackage takes POST and PUT alike: libraries send with one and edit with the other.
func (s *surface) updatePackage(r *api.Request) (api.Answer, error) {
	var in packageIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	change, err := in.change()
	if err != nil {
		return api.Answer{}, err
	}
	if err := s.signing.Update(r.Context(), r.Principal, r.Path("package"), change); err != nil {
		return api.Answer{}, err
	}
	if change.Status == signing.Completed {
		if err := s.signing.AwaitSeal(r.Context(), r.Principal, r.Path("package"), sealPatience); err != nil {
			return api.Answer{}, err
		}
	}
	return s.getPackage(r)
}

func (s *surface) deletePackage(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.Delete(r.Context(), r.Principal, r.Path("package")))
}

// signingStatus passes empty query values on as not given.
func (s *surface) signingStatus(r *api.Request) (api.Answer, error) {
	status, err := s.signing.Status(r.Context(), r.Principal, r.Path("package"), r.Query("signer"), r.Query("document"))
	return api.Answer{JSON: struct {
		Status string `json:"status"`
	}{status}}, err
}

func (s *surface) evidenceSummary(r *api.Request) (api.Answer, error) {
	name, pdf, err := s.signing.EvidenceSummary(r.Context(), r.Principal, r.Path("package"))
	return file(name, "application/pdf", pdf), err
}

// notifySigner sends the invitation again to the signer with an e-mail address.
func (s *surface) notifySigner(r *api.Request) (api.Answer, error) {
	var in struct {
		Email   string `json:"email"`
		Message string `json:"message"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if in.Email == "" {
		return api.Answer{}, errs.New(errs.Invalid, "email.missing", "The e-mail address of a signer is needed.").On("email")
	}
	return noContent(s.signing.Notify(r.Context(), r.Principal, r.Path("package"), cmp.Or(groupOfAddress(in.Email), in.Email), in.Message))
}

func (s *surface) notifyRole(r *api.Request) (api.Answer, error) {
	role, _, err := s.role(r)
	if err != nil {
		return api.Answer{}, err
	}
	return noContent(s.signing.Notify(r.Context(), r.Principal, r.Path("package"), role.OuterID, ""))
}
