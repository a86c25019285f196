package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// maxAttached is more than signing takes of one file, in bytes; it says how much.
const maxAttached = 64 << 20

// addFile adds a file the signer was asked for. The body is its bytes; the address says for what. The answer is
// all that is asked for, as it stands now.
func (s *site) addFile(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	epoch, err := strconv.ParseInt(query.Get("epoch"), 10, 64)
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The address names no turn.").On("epoch")
	}
	if r.Header.Get("Content-Type") != "application/octet-stream" {
		return errs.New(errs.Unsupported, "body.type", "Send application/octet-stream.") // what a form of another site cannot send
	}
	file, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAttached))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "attachment.too_large", "The file is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The file did not arrive as a whole.").Because(err)
	}
	if err := s.Signing.Attach(r.Context(), visit(r), epoch, query.Get("attachment"), query.Get("name"), file); err != nil {
		return err
	}
	return s.filesNow(w, r)
}

// removeFile takes back a file the signer added.
func (s *site) removeFile(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Epoch      int64  `json:"epoch"`
		Attachment string `json:"attachment"`
		Number     int    `json:"number"`
	}
	if err := page.Decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Signing.Detach(r.Context(), visit(r), in.Epoch, in.Attachment, in.Number); err != nil {
		return err
	}
	return s.filesNow(w, r)
}

func (s *site) filesNow(w http.ResponseWriter, r *http.Request) error {
	c, err := s.Signing.Ceremony(r.Context(), visit(r))
	if err != nil {
		return err
	}
	page.JSON(w, http.StatusOK, map[string][]attachmentView{"attachments": attachmentViews(c.Attachments)})
	return nil
}

// attachmentViews shows what a role is asked for.
func attachmentViews(list []signing.Attachment) []attachmentView {
	out := make([]attachmentView, len(list))
	for i, a := range list {
		out[i] = attachmentView{ID: a.OuterID, Name: a.Name, Description: a.Description, Required: a.Required,
			Status: a.Status, Comment: a.Comment, Files: make([]fileView, len(a.Files))}
		for n, f := range a.Files {
			out[i].Files[n] = fileView{f.Number, f.Name, size(f.Size)}
		}
	}
	return out
}

// attachmentView is what a signer is asked to add, as shown; in JSON it is the answer to what he added.
type attachmentView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"-"`
	Required    bool       `json:"required"`
	Status      string     `json:"status"`
	Comment     string     `json:"comment"`
	Files       []fileView `json:"files"`
}

type fileView struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Size   string `json:"size"` // in words
}

// size words a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
