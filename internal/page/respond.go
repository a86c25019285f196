package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
)

// entry is what the request's one log line will say besides the route.
type entry struct{ err error }

type entryKey struct{}

// logged writes one line per request. It names the route's pattern and never the
// path, which may hold a link's token.
func (s *Site) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, e, sent := time.Now(), &entry{}, &status{ResponseWriter: w}
		r = attributed(r)
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		defer func() { // also of what is cut off
			level, attributes := slog.LevelInfo, []slog.Attr{
				slog.String("method", r.Method), slog.String("route", r.Pattern), slog.Int("status", sent.code),
				slog.Duration("took", time.Since(start)), slog.String("request_id", audit.OriginOf(r.Context()).RequestID)}
			if e.err != nil {
				attributes = append(attributes, slog.String("error", e.err.Error()))
				if errs.KindOf(e.err) == errs.Fault {
					level = slog.LevelError
				}
			}
			s.config.Log.LogAttrs(r.Context(), level, "page", attributes...)
		}()
		next.ServeHTTP(sent, r)
	})
}

// status remembers the code that was sent.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// serve runs one route and words its error in one place.
func (s *Site) serve(t Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shape := t.Shape
		if WantsData(r) {
			shape = Data
		}
		if err := run(t, w, r); err != nil {
			s.refuse(w, r, shape, err)
		}
	})
}

func run(t Route, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // cuts the connection, so that half an answer is not taken for one
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return t.Handle(w, r)
}

// Note puts an error into the request's log line, for a page that shows it in its own way.
func Note(r *http.Request, err error) {
	if e, ok := r.Context().Value(entryKey{}).(*entry); ok {
		e.err = err
	}
}

// refuse answers with an error, as JSON or as a page, unless the answer has begun.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, shape Shape, err error) {
	Note(r, err)
	if sent, ok := w.(*status); ok && sent.code != 0 {
		return // the answer had begun: most likely the client went away
	}
	w.Header().Del("Content-Disposition")
	w.Header().Set("Cache-Control", "no-store")
	if shape == Data {
		JSON(w, StatusOf(err), refusalOf(err))
		return
	}
	p := ProblemOf(err)
	if s.config.Word != nil {
		p = s.config.Word(r, p)
	}
	if err := s.Render(w, r, p.Status, "error", p); err != nil {
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// JSON answers with v.
func JSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error":{"what":"fault"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

// MaxBody is the largest JSON body or form in bytes: a drawn signature of 10,000 points fits.
const MaxBody = 1 << 20

// Decode reads the JSON body into v. Unsupported "body.type", TooLarge
// "body.too_large", Invalid "body.malformed".
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	if !WantsData(r) {
		return errs.New(errs.Unsupported, "body.type", "Send application/json.")
	}
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, MaxBody), v, json.RejectUnknownMembers(true))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "body.too_large", "The request is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The request is not well-formed JSON.").Because(err)
	}
	return nil
}

// Form reads a form's values. TooLarge "body.too_large", Invalid "body.malformed".
func Form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "body.too_large", "The request is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The form is not well-formed.").Because(err)
	}
	return nil
}

// SeeOther sends the browser to one of our own paths; it is never made from what a client sent.
func SeeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// Attach sends a file to be saved, never to be shown: its bytes are somebody else's.
func Attach(w http.ResponseWriter, name, kind string, b []byte) {
	AsDownload(w, name, kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

// AsDownload sets the headers of a file to be saved, whose bytes follow.
func AsDownload(w http.ResponseWriter, name, kind string) {
	if _, _, err := mime.ParseMediaType(kind); err != nil {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
}
