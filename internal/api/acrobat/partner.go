package acrobat

import (
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
)

type partnerOut struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name"`
	OrgGUID            string   `json:"orgGuid"`
	IMSClientID        string   `json:"imsClientId"`
	TechnicalAccountID string   `json:"technicalAccountId"`
	Status             string   `json:"status"`
	UpdatedBy          string   `json:"updatedBy"`
	Created            string   `json:"created"`
	Modified           string   `json:"modified"`
	Domains            []string `json:"domains"`
}

// registerPartner is called once for a technical account. It is all that a
// partner can do before the operator activates it.
func (s *surface) registerPartner(r *api.Request) (api.Answer, error) {
	b := readBody(r, "name")
	in := directory.NewPartner{Name: b.text("name"), Domains: b.texts("domains")}
	if b.err != nil {
		return api.Answer{}, b.err
	}
	p, err := s.dir.RegisterPartner(r.Context(), r.Principal, in)
	return api.Answer{Status: http.StatusCreated, JSON: partnerOut{
		ID: p.OuterID, Name: p.Name, OrgGUID: p.OrganisationOuterID, IMSClientID: p.Client, TechnicalAccountID: p.TechnicalAccount,
		Status: string(p.Status), UpdatedBy: p.UpdatedBy, Created: date(p.Created), Modified: date(p.Modified), Domains: p.Domains,
	}}, err
}
