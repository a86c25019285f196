package congasign

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// maxApprovals is the largest body with approvals, in bytes.
const maxApprovals = maxPayload

// approvalRoutes are the operations on approvals and their fields.
func (s *surface) approvalRoutes() []api.Route {
	const (
		doc    = "/packages/{package}/documents/{document}"
		all    = doc + "/approvals"
		one    = all + "/{approval}"
		fields = one + "/fields"
		field  = fields + "/{field}"
	)
	route := func(method, path string, handle func(*api.Request) (api.Answer, error)) api.Route {
		return api.Route{Method: method, Path: path, Right: authz.Sign, Body: maxApprovals, Handle: handle}
	}
	filling := func(method string) api.Route {
		filled := route(method, field, s.putField)
		filled.Or = authz.SignOwn
		return filled
	}
	return []api.Route{
		route("POST", all, s.addApproval),
		route("PUT", all, s.replaceApprovals),
		route("GET", one, s.getApproval),
		route("PUT", one, s.changeApproval),
		route("DELETE", one, s.removeApproval),
		route("POST", fields, s.addField),
		route("GET", field, s.fieldOf),
		filling("PUT"),
		filling("POST"),
		route("DELETE", field, s.removeField),
		route("PUT", field+"/conditionalFields", s.setConditions),
	}
}

func wordApprovals(in []signing.Approval) []approvalOut {
	out := []approvalOut{}
	for _, a := range in {
		out = append(out, wordApproval(a))
	}
	return out
}

func (s *surface) addApproval(r *api.Request) (api.Answer, error) {
	var in approvalIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	a, err := in.core()
	if err != nil {
		return api.Answer{}, err
	}
	a, err = s.signing.AddApproval(r.Context(), r.Principal, r.Path("package"), r.Path("document"), a)
	return api.Answer{JSON: wordApproval(a)}, err
}

// replaceApprovals puts others in the place of all, and answers a bare array.
func (s *surface) replaceApprovals(r *api.Request) (api.Answer, error) {
	var in []approvalIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	approvals, err := approvalsIn(in)
	if err != nil {
		return api.Answer{}, err
	}
	approvals, err = s.signing.ReplaceApprovals(r.Context(), r.Principal, r.Path("package"), r.Path("document"), approvals)
	return api.Answer{JSON: wordApprovals(approvals)}, err
}

func approvalsIn(in []approvalIn) (out []signing.Approval, err error) {
	for _, a := range in {
		approval, err := a.core()
		if err != nil {
			return nil, err
		}
		out = append(out, approval)
	}
	return out, nil
}

func (s *surface) getApproval(r *api.Request) (api.Answer, error) {
	a, err := s.signing.GetApproval(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"))
	return api.Answer{JSON: wordApproval(a)}, err
}

// changeApproval changes what the body has; fields, if any are sent, are all the fields.
func (s *surface) changeApproval(r *api.Request) (api.Answer, error) {
	body, err := bodyOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	a, err := s.signing.ChangeApproval(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"),
		func(now signing.Approval) (signing.Approval, error) {
			var in approvalIn
			if err := over(wordApproval(now), body, &in); err != nil {
				return now, err
			}
			return in.core()
		})
	return api.Answer{JSON: wordApproval(a)}, err
}

func (s *surface) removeApproval(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.RemoveApproval(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval")))
}

func (s *surface) addField(r *api.Request) (api.Answer, error) {
	var in fieldIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	f, err := in.core()
	if err != nil {
		return api.Answer{}, err
	}
	f, err = s.signing.AddField(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"), f)
	return api.Answer{JSON: wordField(f)}, err
}

func (s *surface) fieldOf(r *api.Request) (api.Answer, error) {
	f, err := s.signing.GetField(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"), r.Path("field"))
	return api.Answer{JSON: wordField(f)}, err
}

// putField changes a field of a draft; of a package that is being signed it enters the value, as its signer may.
func (s *surface) putField(r *api.Request) (api.Answer, error) {
	body, err := bodyOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	if p.Status == signing.Sent || r.Principal.Kind == authz.Signer {
		return s.fillField(r, body)
	}
	f, err := s.signing.ChangeField(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"), r.Path("field"),
		func(now signing.Field) (signing.Field, error) {
			var in fieldIn
			if err := over(wordField(now), body, &in); err != nil {
				return now, err
			}
			return in.core()
		})
	return api.Answer{JSON: wordField(f)}, err
}

func (s *surface) fillField(r *api.Request, body []byte) (api.Answer, error) {
	var in struct {
		Value *string `json:"value"`
	}
	if err := api.Decode(body, &in); err != nil {
		return api.Answer{}, err
	}
	if in.Value == nil {
		return api.Answer{}, errs.New(errs.Invalid, "field.no_value", "While a package is being signed, only a field's value can be sent.").On("value")
	}
	if err := s.signing.FillByAPI(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval")+"/"+r.Path("field"), *in.Value); err != nil {
		return api.Answer{}, err
	}
	return s.fieldOf(r)
}

func (s *surface) removeField(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.RemoveField(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"), r.Path("field")))
}

// setConditions takes a field with its conditions, or the bare array of them.
func (s *surface) setConditions(r *api.Request) (api.Answer, error) {
	var sent jsontext.Value
	if err := r.JSON(&sent); err != nil {
		return api.Answer{}, err
	}
	conditions := sent
	if sent.Kind() == '{' {
		var in struct {
			Conditions jsontext.Value `json:"conditions"`
		}
		if err := api.Decode(sent, &in); err != nil {
			return api.Answer{}, err
		}
		conditions = in.Conditions
	}
	if err := checkConditions(conditions); err != nil {
		return api.Answer{}, err
	}
	f, err := s.signing.SetConditions(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("approval"), r.Path("field"), given(conditions))
	return api.Answer{JSON: wordField(f)}, err
}
