package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/errs"
)

// Answer is what a handler, or a dialect that refuses, says.
type Answer struct {
	// Status is the HTTP status; 0 is 200.
	Status int
	// JSON is the body; a nil slice is written as [], a nil map as {}.
	JSON any
	// File is the body instead of JSON.
	File *File
	// Header is added to the answer's.
	Header map[string]string
	// Cookies are set.
	Cookies []*http.Cookie
}

// File is a download.
type File struct {
	Name  string // with its ending; "" is no download but an answer in another form than JSON
	Media string
	Bytes []byte
	// Write streams instead of Bytes; what fails after the first byte cuts the connection.
	Write func(io.Writer) error
	// Patience is how long the client may take for each piece that Write writes, in the place of the server's time for
	// the whole answer; 0 leaves it at that.
	Patience time.Duration
}

// Status is the HTTP status for a kind of refusal (RFC 9110 §15).
func Status(k errs.Kind) int {
	if status, ok := statuses[k]; ok {
		return status
	}
	return http.StatusInternalServerError
}

var statuses = map[errs.Kind]int{
	errs.Invalid:          http.StatusBadRequest,
	errs.Unauthenticated:  http.StatusUnauthorized,
	errs.Denied:           http.StatusForbidden,
	errs.NotFound:         http.StatusNotFound,
	errs.Conflict:         http.StatusConflict,
	errs.Unprocessable:    http.StatusUnprocessableEntity,
	errs.TooLarge:         http.StatusRequestEntityTooLarge,
	errs.Unsupported:      http.StatusUnsupportedMediaType,
	errs.Limited:          http.StatusTooManyRequests,
	errs.Unavailable:      http.StatusServiceUnavailable,
	errs.NotServed:        http.StatusNotImplemented,
	errs.MethodNotAllowed: http.StatusMethodNotAllowed,
}

// Headers of every answer, ready made: they are many, and nobody changes them.
var (
	noStore   = []string{"no-store"}
	noSniff   = []string{"nosniff"}
	jsonMedia = []string{"application/json"}
)

// write sends an answer. It returns an error when the client did not get it whole.
func write(w http.ResponseWriter, a Answer) error {
	h := w.Header()
	for name, value := range a.Header {
		h.Set(name, value)
	}
	for _, c := range a.Cookies {
		http.SetCookie(w, c)
	}
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if a.File != nil {
		return writeFile(w, status, a.File)
	}
	if a.JSON == nil {
		w.WriteHeader(status)
		return nil
	}
	body, err := json.Marshal(a.JSON, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("word the answer: %w", err)
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = jsonMedia
	}
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

func writeFile(w http.ResponseWriter, status int, f *File) error {
	h := w.Header()
	h.Set("Content-Type", f.Media)
	if f.Name != "" {
		h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+extValue(f.Name))
	}
	if f.Write != nil {
		w.WriteHeader(status)
		if f.Patience > 0 {
			return f.Write(&patientWriter{w, http.NewResponseController(w), f.Patience})
		}
		return f.Write(w)
	}
	h.Set("Content-Length", strconv.Itoa(len(f.Bytes)))
	w.WriteHeader(status)
	_, err := w.Write(f.Bytes)
	return err
}

// patientWriter gives the client some time for each piece.
type patientWriter struct {
	io.Writer
	control  *http.ResponseController
	patience time.Duration
}

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) // not every writer can; the server's own deadline holds then
	return w.Writer.Write(b)
}

// extValue encodes a parameter value as RFC 8187 §3.2.1 demands. Clients of the
// Conga Sign surface read only this form of a file's name.
func extValue(s string) string {
	const attrChar = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(attrChar, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// problem words the refusals of paths that belong to no dialect (RFC 9457).
func problem(_ string, e *errs.Error) Answer {
	status := Status(e.Kind)
	return Answer{
		Status: status,
		Header: map[string]string{"Content-Type": "application/problem+json"},
		JSON: struct {
			Type   string `json:"type"`
			Title  string `json:"title"`
			Status int    `json:"status"`
			Detail string `json:"detail,omitzero"`
		}{"about:blank", http.StatusText(status), status, e.Detail},
	}
}
