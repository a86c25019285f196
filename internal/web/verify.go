package web

import (
	"errors"
	"io"
	"net/http"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/page"
)

// verifyPage is the view of the verify page.
type verifyPage struct {
	File    string
	Problem string
	Report  *evidence.Report
	MaxMB   int64
}

// verifyForm asks for a file.
func (s *site) verifyForm(w http.ResponseWriter, r *http.Request) error {
	return s.Render(w, r, http.StatusOK, "verify", verifyPage{MaxMB: s.MaxFile >> 20})
}

// verify reports on the file that was dropped. It is read, judged and forgotten.
func (s *site) verify(w http.ResponseWriter, r *http.Request) error {
	view := verifyPage{MaxMB: s.MaxFile >> 20}
	name, file, err := upload(w, r, s.MaxFile)
	if err == nil {
		view.File = name
		var report evidence.Report
		report, err = s.judge(r, file)
		view.Report = &report
	}
	code := http.StatusOK
	if e, ok := errors.AsType[*errs.Error](err); ok {
		code, view.Problem, view.Report = page.StatusOf(err), e.Detail, nil
	} else if err != nil {
		return err
	}
	return s.Render(w, r, code, "verify", view)
}

// judge verifies one file at a time: the page is open to anybody, and an altered
// file takes many renderings, which must not crowd out those who sign.
func (s *site) judge(r *http.Request, file []byte) (evidence.Report, error) {
	select {
	case s.judging <- struct{}{}:
		defer func() { <-s.judging }()
		return s.Verify(r.Context(), file)
	case <-r.Context().Done():
		return evidence.Report{}, r.Context().Err()
	}
}

// upload reads the one file of the form, at most max bytes.
func upload(w http.ResponseWriter, r *http.Request, max int64) (name string, file []byte, err error) {
	tooLarge := errs.New(errs.TooLarge, "file.too_large", "This file is larger than %d MB.", max>>20)
	if r.ContentLength > max+page.MaxBody {
		return "", nil, tooLarge
	}
	r.Body = http.MaxBytesReader(w, r.Body, max+page.MaxBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return "", nil, errs.New(errs.Invalid, "file.missing", "Choose a PDF file.").Because(err)
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return "", nil, errs.New(errs.Invalid, "file.missing", "Choose a PDF file.").Because(err)
		}
		if part.FormName() != "file" {
			continue
		}
		file, err = io.ReadAll(io.LimitReader(part, max+1))
		switch {
		case err != nil:
			return "", nil, errs.New(errs.Invalid, "file.broken", "The file did not arrive completely.").Because(err)
		case int64(len(file)) > max:
			return "", nil, tooLarge
		case len(file) == 0:
			return "", nil, errs.New(errs.Invalid, "file.missing", "Choose a PDF file.")
		}
		return part.FileName(), file, nil
	}
}
