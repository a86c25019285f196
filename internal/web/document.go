package web

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"countersign.dev/internal/errs"
)

// dpi of page images when the address names none; a letter page is 1275 pixels wide.
const defaultDPI = 150

// documentPage serves "{n}.png", a page as the server renders it, and "{n}.json",
// the words on it. n counts from 0.
func (s *site) documentPage(w http.ResponseWriter, r *http.Request) error {
	number, kind, _ := strings.Cut(r.PathValue("page"), ".")
	page, err := strconv.Atoi(number)
	if err != nil || page < 0 {
		kind = ""
	}
	switch kind {
	case "png":
		return s.pageImage(w, r, page)
	case "json":
		return s.pageText(w, r, page)
	}
	return errs.New(errs.NotFound, "page.unknown", "There is no such page.")
}

func (s *site) pageImage(w http.ResponseWriter, r *http.Request, page int) error {
	dpi := defaultDPI
	if text := r.URL.Query().Get("dpi"); text != "" {
		var err error
		if dpi, err = strconv.Atoi(text); err != nil {
			return errs.New(errs.Invalid, "dpi.malformed", "dpi is a whole number.").On("dpi")
		}
	}
	png, etag, err := s.Signing.PageImage(r.Context(), visit(r), r.PathValue("doc"), page, dpi)
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

func (s *site) pageText(w http.ResponseWriter, r *http.Request, page int) error {
	words, err := s.Signing.PageText(r.Context(), visit(r), r.PathValue("doc"), page)
	if err != nil {
		return err
	}
	s.json(w, http.StatusOK, map[string]any{"words": words})
	return nil
}

// copy downloads a document: sealed when the package is completed, before as it was uploaded.
func (s *site) copy(w http.ResponseWriter, r *http.Request) error {
	name, pdf, err := s.Signing.Copy(r.Context(), visit(r), r.PathValue("doc"))
	if err != nil {
		return err
	}
	attach(w, name, "application/pdf", pdf)
	return nil
}

// attach sends a file to be saved, never to be shown: its bytes are somebody else's.
func attach(w http.ResponseWriter, name, kind string, b []byte) {
	if _, _, err := mime.ParseMediaType(kind); err != nil {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}
