package congasign

import (
	"encoding/base64"
	"strings"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// signingRoutes are the operations on signing by API.
func (s *surface) signingRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/packages/{package}/documents/signed_documents", Right: authz.Sign, Or: authz.SignOwn, Body: maxPayload, Handle: s.signDocuments},
		{Method: "POST", Path: "/packages/{package}/documents/signConfirm", Right: authz.Sign, Or: authz.SignOwn, Body: maxPayload, Handle: s.signDocument},
		{Method: "GET", Path: "/packages/{package}/documents/{document}/signers/{signer}/approvals", Right: authz.Sign, Or: authz.SignOwn, Handle: s.signableApprovals},
	}
}

// signedDocument is a document as clients send it back to be signed: what they read, with the values entered.
type signedDocument struct {
	ID        string `json:"id"`
	Approvals []struct {
		ID     string `json:"id"`
		Fields []struct {
			ID    string  `json:"id"`
			Type  string  `json:"type"`
			Value *string `json:"value"`
		} `json:"fields"`
	} `json:"approvals"`
}

// values adds what is entered in the document's fields.
func (d signedDocument) values(to map[string]map[string]string) {
	for _, a := range d.Approvals {
		for _, f := range a.Fields {
			if f.Type == "SIGNATURE" || f.Value == nil || f.ID == "" {
				continue
			}
			if to[d.ID] == nil {
				to[d.ID] = map[string]string{}
			}
			to[d.ID][a.ID+"/"+f.ID] = *f.Value
		}
	}
}

// signature makes the core's input. The consent is accepted with the signature: alone it is nothing to sign.
func signature(docs []signedDocument, handdrawn string) (in signing.APISignature, nothing bool, err error) {
	in.Values = map[string]map[string]string{}
	for _, d := range docs {
		if d.ID == "" {
			return in, false, errs.New(errs.Invalid, "document.unnamed", "A document to sign is named by its id.").On("documents.id")
		}
		if d.ID != signing.ConsentID {
			in.Documents = append(in.Documents, d.ID)
			d.values(in.Values)
		}
	}
	if _, data, found := strings.Cut(handdrawn, ";base64,"); found {
		handdrawn = data
	}
	if in.HandDrawn, err = base64.StdEncoding.DecodeString(handdrawn); err != nil {
		err = errs.New(errs.Invalid, "mark.malformed", "handdrawn is no base64.").On("handdrawn").Because(err)
	}
	return in, len(docs) > 0 && len(in.Documents) == 0, err
}

// signDocuments signs the documents named, or all, for whoever calls (OneSpan Sign, sign documents).
func (s *surface) signDocuments(r *api.Request) (api.Answer, error) {
	var in struct {
		Documents []signedDocument `json:"documents"`
		Handdrawn string           `json:"handdrawn"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	p, err := s.sign(r, in.Documents, in.Handdrawn)
	out := struct {
		Documents []documentOut `json:"documents"`
	}{[]documentOut{}}
	for _, d := range p.Documents {
		out.Documents = append(out.Documents, wordDocument(d))
	}
	return api.Answer{JSON: out}, err
}

// signDocument signs one document.
func (s *surface) signDocument(r *api.Request) (api.Answer, error) {
	var in struct {
		signedDocument
		Handdrawn string `json:"handdrawn"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	p, err := s.sign(r, []signedDocument{in.signedDocument}, in.Handdrawn)
	if err != nil {
		return api.Answer{}, err
	}
	for _, d := range p.Documents {
		if d.OuterID == in.ID {
			return api.Answer{JSON: wordDocument(d)}, nil
		}
	}
	return api.Answer{JSON: wordConsent(p)}, nil
}

// sealPatience is how long an act that completes a package waits for the seal.
const sealPatience = 3 * time.Second

func (s *surface) sign(r *api.Request, docs []signedDocument, handdrawn string) (signing.Package, error) {
	in, nothing, err := signature(docs, handdrawn)
	if err != nil {
		return signing.Package{}, err
	}
	if !nothing {
		if err := s.signing.SignByAPI(r.Context(), r.Principal, r.Path("package"), in); err != nil {
			return signing.Package{}, err
		}
		if err := s.signing.AwaitSeal(r.Context(), r.Principal, r.Path("package"), sealPatience); err != nil {
			return signing.Package{}, err
		}
	}
	return s.signing.Get(r.Context(), r.Principal, r.Path("package"))
}

// signableApprovals are what a signer may sign on a document now, a bare array.
func (s *surface) signableApprovals(r *api.Request) (api.Answer, error) {
	approvals, err := s.signing.Signable(r.Context(), r.Principal, r.Path("package"), r.Path("document"), r.Path("signer"))
	out := []approvalOut{}
	for _, a := range approvals {
		out = append(out, wordApproval(a))
	}
	return api.Answer{JSON: out}, err
}
