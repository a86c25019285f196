package congasign

import (
	"bytes"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// upload is the payload and the files of a request that carries documents.
type upload struct {
	payload []byte
	files   []api.Part
}

// readUpload reads a multipart body of one part "payload" and any number of
// parts "file", in any order; or a JSON body, which is the payload.
//
// Refusals: those of api.Request.Parts and Body; Unsupported "media.unsupported";
// Invalid "payload.missing", "payload.repeated"; TooLarge "document.too_large".
func readUpload(r *api.Request) (upload, error) {
	switch r.Media() {
	case "application/json", "":
		r.HTTP.Body = http.MaxBytesReader(nil, r.HTTP.Body, maxInline)
		body, err := r.Body()
		return upload{payload: body}, err
	case "multipart/form-data":
	default:
		return upload{}, errs.New(errs.Unsupported, "media.unsupported", "The content type must be multipart/form-data or application/json.")
	}
	var up upload
	for part, err := range r.Parts(partLimit) {
		if e, ok := errors.AsType[*errs.Error](err); ok && e.What == "part.too_large" && e.Field == "file" {
			return up, tooLarge(part.File)
		}
		switch {
		case err != nil:
			return up, err
		case part.Name == "file":
			up.files = append(up.files, part)
		case up.payload != nil:
			return up, errs.New(errs.Invalid, "payload.repeated", "The part payload was sent twice.").On("payload")
		default:
			up.payload = part.Data
		}
	}
	if up.payload == nil {
		return up, errs.New(errs.Invalid, "payload.missing", "The part payload is missing.").On("payload")
	}
	return up, nil
}

func partLimit(name string) int64 {
	return map[string]int64{"file": maxFile, "payload": maxPayload}[name]
}

func tooLarge(name string) error {
	return errs.New(errs.TooLarge, "document.too_large", "A document is larger than %s.", api.Size(maxFile)).On("documents").With("document", name)
}

// documents joins what the payload says of documents with their bytes: base64
// inside the payload, else the file of the same name, else the next file in
// order. Files that the payload does not mention become documents of their own
// only if it mentions no document at all. The consent, which comes with every package, is passed over.
//
// Refusals: Invalid "document.no_file", "file.unmatched", "name.missing" and those of
// documentIn.core; TooLarge "document.too_large".
func (up upload) documents(in []documentIn) ([]signing.NewDocument, error) {
	in = slices.DeleteFunc(in, func(d documentIn) bool { return d.ID == signing.ConsentID && len(d.Base64Content) == 0 })
	if len(in) == 0 {
		for _, f := range up.files {
			in = append(in, documentIn{Name: documentName(f.File)})
		}
	}
	for _, d := range in {
		if given(d.External) != nil {
			return nil, notTaken("documents.external", "Documents are not fetched from other places: send the file.")
		}
	}
	files, err := up.match(in)
	if err != nil {
		return nil, err
	}
	var out []signing.NewDocument
	for i, d := range in {
		if d.Name == "" {
			d.Name = documentName(files[i].File)
		}
		if d.Name == "" {
			return nil, errs.New(errs.Invalid, "name.missing", "A document needs a name, or a file that has one.").On("documents.name")
		}
		if len(files[i].Data) > maxFile {
			return nil, tooLarge(d.Name)
		}
		doc, err := d.core(files[i].Data)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// one is the bytes of the only document of the request, in a part or inside the payload; nil when there are none.
func (up upload) one(inline []byte) ([]byte, error) {
	switch {
	case len(up.files) > 1 || len(up.files) == 1 && len(inline) > 0:
		return nil, errs.New(errs.Invalid, "file.unmatched", "There are more files than documents.").On("file").With("file", up.files[0].File)
	case len(inline) > maxFile:
		return nil, tooLarge("")
	case len(up.files) == 1:
		return up.files[0].Data, nil
	case len(inline) > 0:
		return inline, nil
	}
	return nil, nil
}

// match finds the file of each document; base64 is a file without a name.
func (up upload) match(in []documentIn) ([]api.Part, error) {
	out, free := make([]api.Part, len(in)), append([]api.Part{}, up.files...)
	take := func(i, j int) {
		out[i] = free[j]
		free = append(free[:j], free[j+1:]...)
	}
	for i, d := range in {
		if len(d.Base64Content) > 0 {
			out[i].Data = d.Base64Content
			continue
		}
		for j, f := range free {
			if d.Name != "" && (f.File == d.Name || documentName(f.File) == d.Name) {
				take(i, j)
				break
			}
		}
	}
	for i, d := range in {
		if out[i].Data != nil {
			continue
		}
		if len(free) == 0 {
			return nil, errs.New(errs.Invalid, "document.no_file", "There is no file for a document.").On("documents").With("document", d.Name)
		}
		take(i, 0)
	}
	if len(free) > 0 {
		return nil, errs.New(errs.Invalid, "file.unmatched", "There are more files than documents.").On("file").With("file", free[0].File)
	}
	return out, nil
}

// documentName is a file's name without the ending.
func documentName(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// documentList decodes a payload that is one document or an array of them.
func documentList(payload []byte) (docs []documentIn, array bool, err error) {
	if bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("[")) {
		err = api.Decode(payload, &docs)
		return docs, true, err
	}
	var doc documentIn
	err = api.Decode(payload, &doc)
	return []documentIn{doc}, false, err
}
