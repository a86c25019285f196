package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// Request is an authenticated call on its way to a handler.
type Request struct {
	HTTP *http.Request
	// Principal is the caller; zero on a public route.
	Principal authz.Principal
	// Origin is where the call comes from; Context carries it too, for the audit log.
	Origin        Origin
	ctx           context.Context
	names, values []string // of the route's path
	query         url.Values
}

// Context carries the call's origin and ends when the client goes away; the one of HTTP carries no origin.
func (r *Request) Context() context.Context { return r.ctx }

// WithContext is the same call with another context, which a handler made from its own.
func (r *Request) WithContext(ctx context.Context) *Request {
	c := *r
	c.ctx = ctx
	return &c
}

// Path returns the value of a {name} in the route's path, "" when it has no such name.
func (r *Request) Path(name string) string {
	if i := slices.Index(r.names, name); i >= 0 {
		return r.values[i]
	}
	return ""
}

// Query returns the first value of a query parameter, "" when it was not sent.
func (r *Request) Query(name string) string { return r.query.Get(name) }

// Queries are all the query's parameters; nobody may change them.
func (r *Request) Queries() url.Values { return r.query }

// JSON decodes the body into v; see Decode. A body that declares another media
// type than application/json is refused (Unsupported, "media.unsupported").
func (r *Request) JSON(v any) error {
	if media := r.Media(); media != "" && media != "application/json" {
		return unsupported("application/json")
	}
	body, err := r.Body()
	if err != nil {
		return err
	}
	return Decode(body, v)
}

// Form reads an application/x-www-form-urlencoded body.
// A parameter sent twice is refused (RFC 6749 §3.2; Invalid, "form.repeated").
func (r *Request) Form() (url.Values, error) {
	const media = "application/x-www-form-urlencoded"
	if r.Media() != media {
		return nil, unsupported(media)
	}
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errs.New(errs.Invalid, "form.malformed", "The form cannot be read.") // the cause would show a piece of it
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, errs.New(errs.Invalid, "form.repeated", "A parameter was sent twice.").On(name)
		}
	}
	return form, plainValues(form)
}

// Media is the body's media type in lower case, without parameters; "" when none was sent,
// "?" when it cannot be read or names a charset other than UTF-8.
func (r *Request) Media() string {
	header := r.HTTP.Header.Get("Content-Type")
	if header == "" {
		return ""
	}
	media, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	if err != nil || (charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii") {
		return "?"
	}
	return media
}

// Body reads the whole body, up to the route's limit (TooLarge, "body.too_large").
func (r *Request) Body() ([]byte, error) {
	body, err := io.ReadAll(r.HTTP.Body)
	return body, bodyError(err)
}

// bodyError tells a body that is too large from one that did not arrive whole.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit)
	}
	return errs.New(errs.Invalid, "body.incomplete", "The body did not arrive whole.").Because(err)
}

func bodyTooLarge(limit int64) error {
	return errs.New(errs.TooLarge, "body.too_large", "The body is larger than %s.", Size(limit))
}

// Size words a number of bytes for people.
func Size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

func unsupported(want string) error {
	return errs.New(errs.Unsupported, "media.unsupported", "The content type must be %s.", want)
}

// unescape turns the path's values into the text they stand for.
func unescape(names, values []string) error {
	for i, escaped := range values {
		value, err := url.PathUnescape(escaped)
		if err != nil {
			return fmt.Errorf("path: %w", err) // the server parsed this path before
		}
		if err := plainText(names[i], value); err != nil {
			return err
		}
		values[i] = value
	}
	return nil
}

// plainText refuses text from outside that no room could keep (Invalid, "text.malformed").
func plainText(field, s string) error {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return nil
	}
	return errs.New(errs.Invalid, "text.malformed", "A text holds a NUL character or is not UTF-8.").On(field)
}

func plainValues(values url.Values) error {
	for name, list := range values {
		if err := plainText("", name); err != nil {
			return err
		}
		for _, value := range list {
			if err := plainText(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}
