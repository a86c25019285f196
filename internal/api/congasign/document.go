package congasign

import (
	"archive/zip"
	"fmt"
	"io"
	"strconv"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func (s *surface) documentRoutes() []api.Route {
	const (
		all = "/packages/{package}/documents"
		one = all + "/{document}"
	)
	editing := func(method, path string, body int64, handle func(*api.Request) (api.Answer, error)) api.Route {
		return api.Route{Method: method, Path: path, Right: authz.Sign, Body: body, Handle: handle}
	}
	reading := func(path string, handle func(*api.Request) (api.Answer, error)) api.Route {
		return api.Route{Method: "GET", Path: path, Right: authz.Sign, Or: authz.SignOwn, Handle: handle}
	}
	return []api.Route{
		editing("POST", all, maxUpload, s.addDocuments),
		editing("PUT", all, maxPayload, s.reorderDocuments),
		editing("DELETE", all, 0, s.deleteDocuments),
		reading(all+"/zip", s.zipDocuments),
		editing("GET", all+"/visibility", 0, s.getVisibility),
		editing("POST", all+"/visibility", maxPayload, s.setVisibility),
		editing("POST", all+"/localize-consent", 0, s.localizeConsent),
		reading(one, s.getDocument),
		editing("PUT", one, maxUpload, s.changeDocument),
		editing("POST", one, maxUpload, s.changeDocument),
		editing("DELETE", one, 0, s.deleteDocument),
		reading(one+"/pdf", s.documentPDF),
		reading(one+"/original", s.originalDocument),
		reading(one+"/pages/{page}", s.documentPage),
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
	header := documentNotices(added...)
	if !array && len(out) == 1 {
		return api.Answer{JSON: out[0], Header: header}, nil
	}
	return api.Answer{JSON: out, Header: header}, nil
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

// deleteDocuments takes an array of ids; all go, or none.
func (s *surface) deleteDocuments(r *api.Request) (api.Answer, error) {
	var ids []string
	if err := r.JSON(&ids); err != nil {
		return api.Answer{}, err
	}
	if len(ids) == 0 || len(ids) > maxElements {
		return api.Answer{}, errs.New(errs.Invalid, "document.none", "The body names the documents to delete, at most %d.", maxElements).On("documents")
	}
	return noContent(s.signing.DeleteDocuments(r.Context(), r.Principal, r.Path("package"), ids))
}

// changeDocument renames a document or changes what else the body has; a file in it takes the document's place. The
// consent comes back as it is: it is nobody's to change.
func (s *surface) changeDocument(r *api.Request) (api.Answer, error) {
	if r.Path("document") == signing.ConsentID {
		return s.getDocument(r)
	}
	up, err := readUpload(r)
	if err != nil {
		return api.Answer{}, err
	}
	var in documentChangeIn
	if err := api.Decode(up.payload, &in); err != nil {
		return api.Answer{}, err
	}
	change, err := in.core()
	if err != nil {
		return api.Answer{}, err
	}
	if change.PDF, err = up.one(in.Base64Content); err != nil {
		return api.Answer{}, err
	}
	d, err := s.signing.ChangeDocument(r.Context(), r.Principal, r.Path("package"), r.Path("document"), change)
	return api.Answer{JSON: wordDocument(d), Header: documentNotices(d)}, err
}

// reorderDocuments takes documents with their new index. The consent always comes first, so it is passed over.
func (s *surface) reorderDocuments(r *api.Request) (api.Answer, error) {
	var in []struct {
		ID          string  `json:"id"`
		Index       *int    `json:"index"`
		Name        *string `json:"name"`
		Description *string `json:"description"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	var order []signing.Place
	for _, d := range in {
		if d.ID == signing.ConsentID {
			continue
		}
		if d.Index == nil {
			return api.Answer{}, errs.New(errs.Invalid, "document.no_index", "Every document needs its index.").On("documents.index")
		}
		if err := within("documents.index", float64(*d.Index), 0, 10_000); err != nil {
			return api.Answer{}, err
		}
		order = append(order, signing.Place{Document: d.ID, Index: *d.Index, Name: filled(d.Name), Description: d.Description})
	}
	if err := s.signing.ReorderDocuments(r.Context(), r.Principal, r.Path("package"), order); err != nil {
		return api.Answer{}, err
	}
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	return api.Answer{JSON: wordPackage(p).Documents}, err
}

// documentPage is a page as a PNG; pages count from 0.
func (s *surface) documentPage(r *api.Request) (api.Answer, error) {
	page, err := strconv.Atoi(strings.TrimSuffix(r.Path("page"), ".png"))
	if err != nil {
		return api.Answer{}, errs.New(errs.NotFound, "page.unknown", "The document has no such page.")
	}
	png, err := s.signing.PagePNG(r.Context(), r.Principal, r.Path("package"), r.Path("document"), page)
	return file("page-"+strconv.Itoa(page)+".png", "image/png", png), err
}

// flattened reads the parameter that asks for a file without form fields. Fields that were taken over at the upload are
// part of the page in any case, and other form fields stay as the sender made them: both values give the same file.
func flattened(r *api.Request) error {
	return choice("flatten", r.Query("flatten"), "true or false", "true", "false")
}

// documentPDF is the sealed file once there is one, before that the uploaded one.
func (s *surface) documentPDF(r *api.Request) (api.Answer, error) {
	if err := flattened(r); err != nil {
		return api.Answer{}, err
	}
	if r.Path("document") == signing.ConsentID {
		return s.consentPDF(r)
	}
	name, pdf, err := s.signing.PDF(r.Context(), r.Principal, r.Path("package"), r.Path("document"))
	return file(name, "application/octet-stream", pdf), err
}

// consentPDF is what the consent says; programs fetch every document that a package names.
func (s *surface) consentPDF(r *api.Request) (api.Answer, error) {
	if _, err := s.signing.Get(r.Context(), r.Principal, r.Path("package")); err != nil {
		return api.Answer{}, err
	}
	pdf, err := s.signing.ConsentPDF(r.Context())
	return file(consentName+".pdf", "application/octet-stream", pdf), err
}

func (s *surface) originalDocument(r *api.Request) (api.Answer, error) {
	if r.Path("document") == signing.ConsentID {
		return s.consentPDF(r)
	}
	name, pdf, err := s.signing.Original(r.Context(), r.Principal, r.Path("package"), r.Path("document"))
	return file(name, "application/octet-stream", pdf), err
}

func file(name, media string, data []byte) api.Answer {
	return api.Answer{File: &api.File{Name: name, Media: media, Bytes: data}}
}

// zipDocuments streams the documents, one in memory at a time; a signer's own session gets those that he sees.
func (s *surface) zipDocuments(r *api.Request) (api.Answer, error) {
	if err := flattened(r); err != nil {
		return api.Answer{}, err
	}
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{File: &api.File{Name: pathless(p.Name) + ".zip", Media: "application/zip", Write: func(w io.Writer) error {
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

// pathless is a name that no program takes for a path.
func pathless(name string) string { return strings.NewReplacer("/", "_", `\`, "_").Replace(name) }

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
