package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/api"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
)

// statusOf is the HTTP status of a refusal; a fault's is 500.
func statusOf(err error) int { return api.Status(errs.KindOf(err)) }

// entry is what the request's one log line will say besides the route.
type entry struct{ err error }

type entryKey struct{}

// logged writes one line per request. It names the route's pattern and never the
// path, which may hold a link's token.
func (s *site) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, e, sent := time.Now(), &entry{}, &status{ResponseWriter: w}
		r = attributed(r)
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		next.ServeHTTP(sent, r)
		level, attributes := slog.LevelInfo, []slog.Attr{
			slog.String("method", r.Method), slog.String("route", r.Pattern), slog.Int("status", sent.code),
			slog.Duration("took", time.Since(start)), slog.String("request_id", audit.OriginOf(r.Context()).RequestID)}
		if e.err != nil {
			attributes = append(attributes, slog.String("error", e.err.Error()))
			if errs.KindOf(e.err) == errs.Fault {
				level = slog.LevelError
			}
		}
		s.Log.LogAttrs(r.Context(), level, "page", attributes...)
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
func (s *site) serve(t route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form := t.shape
		if wantsData(r) {
			form = data
		}
		if err := s.run(t, w, r); err != nil {
			s.refuse(w, r, form, err)
		}
	})
}

func (s *site) run(t route, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := s.admit(r, t.who); err != nil {
		return err
	}
	return t.handle(w, r)
}

// refuse answers with an error, as JSON or as a page, unless the answer has begun.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, form shape, err error) {
	if e, ok := r.Context().Value(entryKey{}).(*entry); ok {
		e.err = err
	}
	if sent, ok := w.(*status); ok && sent.code != 0 {
		return // the answer had begun: most likely the client went away
	}
	w.Header().Del("Content-Disposition")
	w.Header().Set("Cache-Control", "no-store")
	if form == data {
		s.json(w, statusOf(err), refusalWire(err))
		return
	}
	if err := s.render(w, r, statusOf(err), "error", problemView(err)); err != nil {
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// json writes v.
func (s *site) json(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{"error":{"what":"fault"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

// maxBody is the largest JSON body or form: a drawn signature of 10,000 points fits.
const maxBody = 1 << 20

// decode reads the JSON body into v; refusals: Unsupported "body.type", TooLarge
// "body.too_large", Invalid "body.malformed".
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if !wantsData(r) {
		return errs.New(errs.Unsupported, "body.type", "Send application/json.")
	}
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxBody), v, json.RejectUnknownMembers(true))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "body.too_large", "The request is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The request is not well-formed JSON.").Because(err)
	}
	return nil
}

// form reads a form's values; refusals as decode.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "body.too_large", "The request is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The form is not well-formed.").Because(err)
	}
	return nil
}

// render writes a page. It is composed in memory first, so that an error half-way
// is an error page and not half a page.
func (s *site) render(w http.ResponseWriter, r *http.Request, code int, name string, view any) error {
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, "layout", s.frame(r, view)); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, err := w.Write(b.Bytes())
	return err
}

// seeOther sends the browser to one of our own paths; it is never made from what a client sent.
func seeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
