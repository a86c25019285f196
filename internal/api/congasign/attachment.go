package congasign

import (
	"archive/zip"
	"errors"
	"io"
	"strconv"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// attachmentRoutes are the operations on files that signers attach.
func (s *surface) attachmentRoutes() []api.Route {
	const one = "/packages/{package}/attachment/{attachment}"
	route := func(method, path string, handle func(*api.Request) (api.Answer, error)) api.Route {
		return api.Route{Method: method, Path: path, Right: authz.Sign, Or: authz.SignOwn, Body: maxUpload, Handle: handle}
	}
	return []api.Route{
		route("GET", "/packages/{package}/attachment/zip", s.zipAttachments),
		route("GET", "/packages/{package}/attachment/zip/{role}", s.zipAttachments),
		route("GET", "/packages/{package}/attachment/verifications", s.verifyAttachments),
		route("GET", one, s.getAttachment),
		route("POST", one, s.attach),
		route("GET", one+"/exists", s.attachmentExists),
		route("GET", one+"/file/{file}", s.getAttachment),
		route("DELETE", one+"/file/{file}", s.detach),
		route("GET", one+"/file/{file}/exists", s.attachmentExists),
	}
}

// attach takes the files of a multipart body, in parts of whatever of the names that libraries use. All that came before
// one that is refused stay.
func (s *surface) attach(r *api.Request) (api.Answer, error) {
	attached := 0
	for part, err := range r.Parts(func(name string) int64 {
		return map[string]int64{"payload": signing.MaxAttached, "file": signing.MaxAttached, "files": signing.MaxAttached}[name]
	}) {
		if e, ok := errors.AsType[*errs.Error](err); ok && e.What == "part.too_large" {
			return api.Answer{}, errs.New(errs.TooLarge, "attachment.too_large", "A file to attach has at most %s.", api.Size(signing.MaxAttached)).On("file")
		}
		if err != nil {
			return api.Answer{}, err
		}
		if part.File == "" { // the Node library names the file in a part of its own
			continue
		}
		if err := s.signing.AttachByAPI(r.Context(), r.Principal, r.Path("package"), r.Path("attachment"), part.File, part.Data); err != nil {
			return api.Answer{}, err
		}
		attached++
	}
	if attached == 0 {
		return api.Answer{}, errs.New(errs.Invalid, "attachment.no_file", "There is no file in the request.").On("payload")
	}
	return s.answerAttached(r)
}

// answerAttached is the list of the attachment's files.
func (s *surface) answerAttached(r *api.Request) (api.Answer, error) {
	files, err := s.signing.AttachedFiles(r.Context(), r.Principal, r.Path("package"), "", r.Path("attachment"), 0)
	out := []attachedOut{}
	for _, f := range files {
		out = append(out, wordAttached(f.AttachmentFile))
	}
	return api.Answer{JSON: out}, err
}

// fileNumber is the file of the path; 0 when the path has none. NotFound "attachment_file.unknown".
func fileNumber(r *api.Request) (int, error) {
	text := r.Path("file")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, errs.New(errs.NotFound, "attachment_file.unknown", "There is no such file.")
	}
	return int(n), nil
}

// getAttachment downloads one file, without a number the newest; never to be shown by a browser.
func (s *surface) getAttachment(r *api.Request) (api.Answer, error) {
	n, err := fileNumber(r)
	if err != nil {
		return api.Answer{}, err
	}
	f, err := s.signing.ReadAttached(r.Context(), r.Principal, r.Path("package"), r.Path("attachment"), n)
	return sandboxed(f), err
}

// sandboxed is a file that browsers keep and never show, whatever is in it.
func sandboxed(f signing.Attached) api.Answer {
	a := file(f.Name, f.Media, f.Bytes)
	a.Header = map[string]string{"Content-Security-Policy": "sandbox; default-src 'none'"}
	return a
}

func (s *surface) attachmentExists(r *api.Request) (api.Answer, error) {
	n, err := fileNumber(r)
	if err != nil {
		return api.Answer{}, err
	}
	files, err := s.signing.AttachedFiles(r.Context(), r.Principal, r.Path("package"), "", r.Path("attachment"), n)
	return api.Answer{JSON: struct {
		Exists bool `json:"exists"`
	}{len(files) > 0}}, err
}

func (s *surface) detach(r *api.Request) (api.Answer, error) {
	n, err := fileNumber(r)
	if err != nil {
		return api.Answer{}, err
	}
	return noContent(s.signing.DetachByAPI(r.Context(), r.Principal, r.Path("package"), r.Path("attachment"), n))
}

// verifyAttachments lists what is asked of whom, and whether it is there.
func (s *surface) verifyAttachments(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	type verification struct {
		RoleID       string `json:"roleId"`
		AttachmentID string `json:"attachmentId"`
		Name         string `json:"name"`
		Required     bool   `json:"required"`
		Status       string `json:"status"`
		Files        int    `json:"files"`
	}
	out := result[verification]{Results: []verification{}}
	for _, role := range p.Roles {
		for _, a := range role.Attachments {
			if r.Principal.Kind == authz.Signer && role.ID != r.Principal.Role {
				continue
			}
			out.Results = append(out.Results, verification{role.OuterID, a.OuterID, a.Name, a.Required, a.Status, len(a.Files)})
		}
	}
	out.Count = len(out.Results)
	return api.Answer{JSON: out}, err
}

// zipAttachments streams the files of the package or of one role, one in memory at a time.
func (s *surface) zipAttachments(r *api.Request) (api.Answer, error) {
	files, err := s.signing.AttachedFiles(r.Context(), r.Principal, r.Path("package"), r.Path("role"), "", 0)
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{File: &api.File{Name: "attachments.zip", Media: "application/zip", Write: func(w io.Writer) error {
		archive, taken := zip.NewWriter(w), map[string]bool{}
		for _, f := range files {
			whole, err := s.signing.ReadAttached(r.Context(), r.Principal, r.Path("package"), f.Attachment, f.Number)
			if errs.KindOf(err) == errs.NotFound { // taken back meanwhile
				continue
			}
			if err != nil {
				return err
			}
			if err := store(archive, unique(whole.Name, taken), whole.Bytes); err != nil {
				return err
			}
		}
		return archive.Close()
	}}}, nil
}
