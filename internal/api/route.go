package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// Public is declared by a route that needs no credentials.
const Public authz.Right = "public"

// defaultBody is the largest request body, in bytes, of a route that sets no limit.
const defaultBody = 1 << 20

// Route is one operation of a surface.
type Route struct {
	Method string
	// Path is a ServeMux pattern without host: literal segments and {name}.
	Path string
	// Right is what the caller must hold, or Public. None declared: nobody may call it.
	Right authz.Right
	// Body is the largest request body in bytes; 0 is 1 MiB.
	Body   int64
	Handle func(*Request) (Answer, error)
}

// Pattern names the route in the log and in tests.
func (r Route) Pattern() string { return r.Method + " " + r.Path }

// Dialect is one vendor's surface.
type Dialect struct {
	// Name appears in the log.
	Name string
	// Claim takes an escaped request path without a trailing slash and returns
	// the path as the routes write it; false if the path is not the dialect's.
	Claim func(escaped string) (path string, ok bool)
	// Stray tells whether the dialect words the 404 of a path that no dialect
	// claims, given unescaped, in lower case and clean; nil is never.
	Stray  func(path string) bool
	Routes []Route
	// APIKeys says that "Authorization: Basic" carries an API key.
	APIKeys bool
	// Refuse words a refusal of a call to a path, as Claim returned it. A fault arrives as Kind Fault with no text.
	Refuse func(path string, e *errs.Error) Answer
}

// surface is a dialect ready to serve.
type surface struct {
	*Dialect
	mux *http.ServeMux
}

// matched makes a Route a value a ServeMux can hold; the hall calls its Handle itself.
type matched struct {
	http.Handler
	route *Route
}

// newSurface panics when two routes contradict each other, as ServeMux does.
func newSurface(d *Dialect) *surface {
	s := &surface{Dialect: d, mux: http.NewServeMux()}
	for i := range d.Routes {
		s.mux.Handle(d.Routes[i].Pattern(), matched{route: &d.Routes[i]})
	}
	return s
}

// match finds the route for an escaped path and the values of its {names}.
// Refusals: NotFound "route.unknown", MethodNotAllowed "route.method" (Params allow).
func (s *surface) match(method, escaped string) (*Route, map[string]string, error) {
	if !clean(escaped) {
		return nil, nil, noRoute()
	}
	if route := s.lookup(method, escaped); route != nil {
		values, err := pathValues(route.Path, escaped)
		return route, values, err
	}
	var allow []string
	for _, m := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"} {
		if s.lookup(m, escaped) != nil {
			allow = append(allow, m)
		}
	}
	if allow == nil {
		return nil, nil, noRoute()
	}
	list := strings.Join(allow, ", ")
	return nil, nil, errs.New(errs.MethodNotAllowed, "route.method", "This path answers %s.", list).With("allow", list)
}

func noRoute() error {
	return errs.New(errs.NotFound, "route.unknown", "There is nothing at this path.")
}

// lookup asks the mux; it answers a matched only for one of our routes.
func (s *surface) lookup(method, escaped string) *Route {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil
	}
	h, _ := s.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path, RawPath: escaped}})
	if m, ok := h.(matched); ok {
		return m.route
	}
	return nil
}

// clean reports whether a path has no empty and no dot segments, which a
// ServeMux would answer with a redirect.
func clean(escaped string) bool {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	return strings.HasPrefix(escaped, "/") && !slices.ContainsFunc(segments, func(s string) bool {
		return s == "" || s == "." || s == ".."
	})
}

func pathValues(pattern, escaped string) (map[string]string, error) {
	want, got := strings.Split(pattern, "/"), strings.Split(escaped, "/")
	values := map[string]string{}
	for i, segment := range want {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		name := strings.Trim(segment, "{}")
		value, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", pattern, err) // the server parsed this path before
		}
		if err := plainText(name, value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}
