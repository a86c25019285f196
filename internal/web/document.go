package web

import (
	"net/http"
	"strconv"
	"strings"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// dpi of page images when the address names none; a letter page is 1275 pixels wide.
const defaultDPI = 150

// documentPage serves "{n}.png", a page as the server renders it, and "{n}.json",
// the words on it. n counts from 0.
func (s *site) documentPage(w http.ResponseWriter, r *http.Request) error {
	text, kind, _ := strings.Cut(r.PathValue("page"), ".")
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		kind = ""
	}
	switch kind {
	case "png":
		return s.pageImage(w, r, number)
	case "json":
		return s.pageText(w, r, number)
	}
	return errs.New(errs.NotFound, "page.unknown", "There is no such page.")
}

func (s *site) pageImage(w http.ResponseWriter, r *http.Request, number int) error {
	dpi := defaultDPI
	if text := r.URL.Query().Get("dpi"); text != "" {
		var err error
		if dpi, err = strconv.Atoi(text); err != nil {
			return errs.New(errs.Invalid, "dpi.malformed", "dpi is a whole number.").On("dpi")
		}
	}
	png, etag, err := s.Signing.PageImage(r.Context(), visit(r), r.PathValue("doc"), number, dpi)
	if err != nil {
		return err
	}
	// The image may be kept by this browser, but is asked for again each time: who
	// may no longer see it must not.
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("ETag", strconv.Quote(strings.Trim(etag, `"`)))
	if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "image/png")
	_, err = w.Write(png)
	return err
}

func (s *site) pageText(w http.ResponseWriter, r *http.Request, number int) error {
	words, err := s.Signing.PageText(r.Context(), visit(r), r.PathValue("doc"), number)
	if err != nil {
		return err
	}
	page.JSON(w, http.StatusOK, map[string]any{"words": words})
	return nil
}

// copy downloads a document: sealed when the package is completed, before as it was uploaded.
func (s *site) copy(w http.ResponseWriter, r *http.Request) error {
	name, pdf, err := s.Signing.Copy(r.Context(), visit(r), r.PathValue("doc"))
	if err != nil {
		return err
	}
	page.Attach(w, name, "application/pdf", pdf)
	return nil
}
