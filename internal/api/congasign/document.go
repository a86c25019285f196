package congasign

import (
	"archive/zip"
	"fmt"
	"io"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (s *surface) documentRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/packages/{package}/documents", Right: authz.Sign, Body: maxUpload, Handle: s.addDocuments},
		{Method: "GET", Path: "/packages/{package}/documents/zip", Right: authz.Sign, Handle: s.zipDocuments},
		{Method: "GET", Path: "/packages/{package}/documents/{document}", Right: authz.Sign, Handle: s.getDocument},
		{Method: "DELETE", Path: "/packages/{package}/documents/{document}", Right: authz.Sign, Handle: s.deleteDocument},
		{Method: "GET", Path: "/packages/{package}/documents/{document}/pdf", Right: authz.Sign, Handle: s.documentPDF},
		{Method: "GET", Path: "/packages/{package}/documents/{document}/original", Right: authz.Sign, Handle: s.originalDocument},
	}
}

// addDocuments answers a bare array when the payload was one, else the one document.
func (s *surface) addDocuments(r *api.Request) (api.Answer, error) {
	up, err := readUpload(r)
	if err != nil {
		return api.Answer{}, err
	}
	in, array, err := documentList(up.payload)
	if err != nil {
		return api.Answer{}, err
	}
	docs, err := up.documents(in)
	if err != nil {
		return api.Answer{}, err
	}
	if len(docs) == 0 {
		return api.Answer{}, errs.New(errs.Invalid, "document.none", "There is no document in the request.").On("documents")
	}
	added, err := s.signing.AddDocuments(r.Context(), r.Principal, r.Path("package"), docs)
	if err != nil {
		return api.Answer{}, err
	}
	out := []documentOut{}
	for _, d := range added {
		out = append(out, wordDocument(d))
	}
	if !array && len(out) == 1 {
		return api.Answer{JSON: out[0]}, nil
	}
	return api.Answer{JSON: out}, nil
}

func (s *surface) getDocument(r *api.Request) (api.Answer, error) {
	if r.Path("document") == signing.ConsentID {
		p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
		return api.Answer{JSON: wordConsent(p)}, err
	}
	d, err := s.signing.GetDocument(r.Context(), r.Principal, r.Path("package"), r.Path("document"))
	return api.Answer{JSON: wordDocument(d)}, err
}

func (s *surface) deleteDocument(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.DeleteDocument(r.Context(), r.Principal, r.Path("package"), r.Path("document")))
}

// documentPDF is the sealed file once there is one, before that the uploaded one.
func (s *surface) documentPDF(r *api.Request) (api.Answer, error) {
	name, pdf, err := s.signing.PDF(r.Context(), r.Principal, r.Path("package"), r.Path("document"))
	return file(name, "application/octet-stream", pdf), err
}

func (s *surface) originalDocument(r *api.Request) (api.Answer, error) {
	name, pdf, err := s.signing.Original(r.Context(), r.Principal, r.Path("package"), r.Path("document"))
	return file(name, "application/octet-stream", pdf), err
}

func file(name, media string, data []byte) api.Answer {
	return api.Answer{File: &api.File{Name: name, Media: media, Bytes: data}}
}

// zipDocuments streams the documents, one in memory at a time.
func (s *surface) zipDocuments(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{File: &api.File{Name: p.Name + ".zip", Media: "application/zip", Write: func(w io.Writer) error {
		archive, taken := zip.NewWriter(w), map[string]bool{}
		for _, d := range p.Documents {
			name, pdf, err := s.signing.PDF(r.Context(), r.Principal, p.OuterID, d.OuterID)
			if err != nil {
				return err
			}
			if err := store(archive, unique(name, taken), pdf); err != nil {
				return err
			}
		}
		return archive.Close()
	}}}, nil
}

// store adds a file as it is: a PDF is compressed already.
func store(archive *zip.Writer, name string, data []byte) error {
	w, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// unique gives the second file of a name a number.
func unique(name string, taken map[string]bool) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%d %s", n, name)
	}
	taken[out] = true
	return out
}
