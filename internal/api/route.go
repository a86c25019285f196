package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// What a route may declare in the place of a right.
const (
	// Public routes need no credentials.
	Public authz.Right = "public"
	// Anyone is every caller who proves who he is, whatever he may do.
	Anyone authz.Right = "anyone"
)

// defaultBody is the largest request body, in bytes, of a route that sets no limit.
const defaultBody = 1 << 20

// Route is one operation of a surface.
type Route struct {
	// Method; "" is every method that no other route of the path has.
	Method string
	// Path has literal segments, {name} for one segment, and as its last one {name...} for
	// one or more (what they hold is unescaped: a slash may have been sent as %2F). Literal segments go before names, names before the rest.
	Path string
	// Right is what the caller must hold, or Public, or Anyone. None declared: nobody may call it.
	Right authz.Right
	// Or is another right that will do in the place of Right and Also; "" is none.
	Or authz.Right
	// Also are more rights, all needed beside Right.
	Also []authz.Right
	// Kinds are the kinds of caller that may call; nil is any. Others are refused
	// (Denied, "kind.denied") before anybody asks for their rights.
	Kinds []authz.Kind
	// Beyond says that the route makes something outside the package in its path: who reaches that package only
	// may not call it (Denied, "session.package").
	Beyond bool
	// Body is the largest request body in bytes; 0 is 1 MiB.
	Body   int64
	Handle func(*Request) (Answer, error)
	// Refuse words this route's refusals; nil leaves them to the dialect.
	Refuse func(*errs.Error) Answer
}

// Pattern names the route in the log and in tests.
func (r Route) Pattern() string { return strings.TrimPrefix(r.Method+" "+r.Path, " ") }

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
	// Cookie is the name of the cookie that carries a session, a way in where no Authorization header is sent; "" is none.
	Cookie string
	// Gate looks at a call of a route before anybody asks who makes it, and may put what it found out into the
	// context it returns; nil lets all pass.
	Gate func(r *http.Request) (context.Context, error)
	// Refuse words a refusal of a call to a path, as Claim returned it. A fault arrives as Kind Fault with no text.
	Refuse func(path string, e *errs.Error) Answer
	// RefuseTo words a refusal in the way that the caller asked for, in the place of Refuse; nil leaves it to that.
	RefuseTo func(Refusal) Answer
	// Admit is asked after the declared right and before anything else of the call is read. Its headers go on the answer
	// of the call, whatever becomes of it; its error refuses the call. nil admits everybody.
	Admit func(r *http.Request, p authz.Principal) (header map[string]string, err error)
	// Turned hears of the calls that were refused before Admit was asked: for want of a route, of credentials or of a right.
	// Its headers go on the answer; its error, if any, is told in the place of the refusal. nil is told nothing.
	Turned func(Refusal) (header map[string]string, err error)
}

// Refusal is a call that is refused.
type Refusal struct {
	HTTP   *http.Request
	Origin Origin
	// Principal is the caller; zero as long as nobody knows him.
	Principal authz.Principal
	Error     *errs.Error
}

// surface is a dialect ready to serve.
type surface struct {
	*Dialect
	root node
}

// node is a place in the tree of paths.
type node struct {
	literal map[string]*node
	name    *node // {name}
	rest    *node // {name...}
	routes  []*leaf
}

// leaf is a route, its names in the order of their segments, and its pattern, which every log line has.
type leaf struct {
	*Route
	pattern string
	names   []string
}

// newSurface panics when two routes have the same method and path.
func newSurface(d *Dialect) *surface {
	s := &surface{Dialect: d}
	for i := range d.Routes {
		s.root.add(&d.Routes[i])
	}
	return s
}

func (n *node) add(r *Route) {
	l := &leaf{Route: r, pattern: r.Pattern()}
	for segment := range strings.SplitSeq(strings.TrimPrefix(r.Path, "/"), "/") {
		name, named := strings.CutPrefix(segment, "{")
		if !named {
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			n = child(n.literal[segment], func(made *node) { n.literal[segment] = made })
			continue
		}
		name = strings.TrimSuffix(name, "}")
		if rest, all := strings.CutSuffix(name, "..."); all {
			name = rest
			n = child(n.rest, func(made *node) { n.rest = made })
		} else {
			n = child(n.name, func(made *node) { n.name = made })
		}
		l.names = append(l.names, name)
	}
	if n.of(r.Method) != nil && n.of(r.Method).Method == r.Method {
		panic("two routes are " + l.pattern)
	}
	n.routes = append(n.routes, l)
}

func child(n *node, keep func(*node)) *node {
	if n == nil {
		n = &node{}
		keep(n)
	}
	return n
}

// of is the route for a method here; a GET answers HEAD too (RFC 9110 §9.3.2).
func (n *node) of(method string) (found *leaf) {
	for _, l := range n.routes {
		switch {
		case l.Method == method:
			return l
		case l.Method == "GET" && method == "HEAD", l.Method == "" && found == nil:
			found = l
		}
	}
	return found
}

// find walks the escaped path, which starts with a slash or is at its end. values grows by what stands for names.
func (n *node) find(method, path string, values []string) (*leaf, []string) {
	if path == "" {
		return n.of(method), values
	}
	segment, after := path[1:], ""
	if i := strings.IndexByte(segment, '/'); i >= 0 {
		segment, after = segment[:i], segment[i:]
	}
	if next := n.literal[segment]; next != nil {
		if l, v := next.find(method, after, values); l != nil {
			return l, v
		}
	}
	if n.name != nil {
		if l, v := n.name.find(method, after, append(values, segment)); l != nil {
			return l, v
		}
	}
	if n.rest != nil {
		return n.rest.of(method), append(values, path[1:])
	}
	return nil, nil
}

// match finds the route for an escaped path and the values of its {names}, still escaped.
// Refusals: NotFound "route.unknown", MethodNotAllowed "route.method" (Params allow).
func (s *surface) match(method, escaped string) (*leaf, []string, error) {
	if !clean(escaped) {
		return nil, nil, noRoute()
	}
	if l, values := s.root.find(method, escaped, nil); l != nil {
		return l, values, nil
	}
	var allow []string
	for _, m := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"} {
		if l, _ := s.root.find(m, escaped, nil); l != nil {
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

// clean reports whether a path has no empty and no dot segments.
func clean(escaped string) bool {
	if !strings.HasPrefix(escaped, "/") {
		return false
	}
	for segment := range strings.SplitSeq(escaped[1:], "/") {
		if slices.Contains([]string{"", ".", ".."}, segment) {
			return false
		}
	}
	return true
}
