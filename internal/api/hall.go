package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// Authenticator says who a caller is. It refuses with Unauthenticated or Unavailable.
type Authenticator interface {
	// Authenticate takes the token after "Bearer".
	Authenticate(ctx context.Context, bearer string) (authz.Principal, error)
	// AuthenticateKey takes the API key after "Basic".
	AuthenticateKey(ctx context.Context, key string) (authz.Principal, error)
	// AuthenticateSession takes the cookie of a session.
	AuthenticateSession(ctx context.Context, cookie string) (authz.Principal, error)
}

// Config is what the hall needs from outside.
type Config struct {
	Log           *slog.Logger
	Authenticator Authenticator
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// WithOrigin puts a call's origin into the context of everything it causes; nil leaves it out.
	WithOrigin func(context.Context, Origin) context.Context
	// Realm is named in WWW-Authenticate; "" is Countersign.
	Realm string
	// Origin is the server's own as browsers name it, scheme and host. Pages of other origins, and of
	// other hosts than the call is for, may write nothing with a cookie.
	Origin string
}

// Hall serves the dialects.
type Hall struct {
	Config
	surfaces []*surface
	nobody   *surface // answers for paths that no dialect claims
	guard    *http.CrossOriginProtection
}

// New makes a hall. The dialects are asked in order which one a path belongs to.
// It panics when a route table contradicts itself, or Origin is none.
func New(c Config, dialects ...*Dialect) *Hall {
	if c.Realm == "" {
		c.Realm = "Countersign"
	}
	h := &Hall{Config: c, nobody: newSurface(&Dialect{Name: "none", Refuse: problem}), guard: http.NewCrossOriginProtection()}
	if c.Origin != "" {
		if err := h.guard.AddTrustedOrigin(c.Origin); err != nil {
			panic(err)
		}
	}
	for _, d := range dialects {
		h.surfaces = append(h.surfaces, newSurface(d))
	}
	return h
}

// Claims reports whether the path of r is the hall's: all below /api, in
// whatever letter case and escaping, and what a dialect claims beside it.
func (h *Hall) Claims(r *http.Request) bool {
	s, _ := h.surface(r)
	return s != h.nobody || Under(plainPath(r), "/api")
}

// plainPath is the path of r as a person reads it: unescaped, in lower case, without empty and dot segments.
func plainPath(r *http.Request) string { return strings.ToLower(path.Clean("/" + r.URL.Path)) }

// Under reports whether a path is prefix or lies below it.
func Under(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// surface finds who answers a call, and the path as his routes write it. A path
// that no dialect claims is "", which no route has.
func (h *Hall) surface(r *http.Request) (*surface, string) {
	escaped := r.URL.EscapedPath()
	if len(escaped) > 1 {
		escaped = strings.TrimSuffix(escaped, "/") // accepted and never redirected
	}
	for _, s := range h.surfaces {
		if path, ok := s.Claim(escaped); ok {
			return s, path
		}
	}
	for _, s := range h.surfaces {
		if s.Stray != nil && s.Stray(plainPath(r)) {
			return s, ""
		}
	}
	return h.nobody, ""
}

// event is one call, for its log line.
type event struct {
	start   time.Time
	origin  Origin
	surface *surface
	path    string // never logged
	route   *leaf
	by      authz.Principal
	err     error
}

// ServeHTTP answers one call.
func (h *Hall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &event{start: time.Now(), origin: OriginOf(r, h.TrustedProxies)}
	e.surface, e.path = h.surface(r)
	out := &answerWriter{ResponseWriter: w}
	defer func() { h.log(r, e, out) }()
	out.Header().Set("X-Request-Id", e.origin.RequestID)
	body := watch(r)
	answer, err := h.answer(out, r, e)
	if err != nil {
		answer = h.refuse(r, e, err)
		drain(w, r, body)
	}
	if err := write(out, answer); err != nil {
		e.err = errors.Join(e.err, fmt.Errorf("write the answer: %w", err))
		if out.status != 0 {
			panic(http.ErrAbortHandler) // the client must see that it is cut short
		}
		_ = write(out, h.refuse(r, e, e.err))
	}
}

// answer runs a call through the hall up to its handler.
func (h *Hall) answer(w http.ResponseWriter, r *http.Request, e *event) (a Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	route, values, err := e.surface.match(r.Method, e.path)
	if err == nil {
		e.route = route
		r, err = h.enter(r, e)
	}
	if err = e.admit(w, r, err); err != nil {
		return Answer{}, err
	}
	if err := unescape(route.names, values); err != nil {
		return Answer{}, err
	}
	if err := limitBody(w, r, route); err != nil {
		return Answer{}, err
	}
	query, err := readQuery(r)
	if err != nil {
		return Answer{}, err
	}
	ctx := r.Context()
	if h.WithOrigin != nil {
		ctx = h.WithOrigin(ctx, e.origin)
	}
	return route.Handle(&Request{HTTP: r, Principal: e.by, Origin: e.origin, ctx: ctx, names: route.names, values: values, query: query})
}

// enter finds out who makes a call, and whether the route is for him.
func (h *Hall) enter(r *http.Request, e *event) (*http.Request, error) {
	passed, err := e.surface.gate(r)
	if err != nil {
		return r, err
	}
	if e.by, err = h.authenticate(passed, e.surface, e.route); err != nil {
		return passed, err
	}
	return passed, declared(e.route, e.by)
}

// admit asks the dialect whether a call may be made now, or tells it of one that may not be made at all.
func (e *event) admit(w http.ResponseWriter, r *http.Request, refused error) error {
	var header map[string]string
	err := refused
	switch {
	case refused != nil && e.surface.Turned != nil:
		var instead error
		if header, instead = e.surface.Turned(e.refusal(r, refused)); instead != nil {
			err = instead
		}
	case refused == nil && e.surface.Admit != nil:
		header, err = e.surface.Admit(r, e.by)
	}
	for name, value := range header {
		w.Header().Set(name, value)
	}
	return err
}

// refusal is what a dialect is told of a call that is refused. A fault is told as one, and nothing of it.
func (e *event) refusal(r *http.Request, err error) Refusal {
	refused, ok := errors.AsType[*errs.Error](err)
	if !ok {
		refused = errs.New(errs.Fault, "fault", "")
	}
	return Refusal{HTTP: r, Origin: e.origin, Principal: e.by, Error: refused}
}

// gate asks the dialect before anybody is authenticated.
func (s *surface) gate(r *http.Request) (*http.Request, error) {
	if s.Gate == nil {
		return r, nil
	}
	ctx, err := s.Gate(r)
	if err != nil {
		return nil, err
	}
	return r.WithContext(ctx), nil
}

func (h *Hall) authenticate(r *http.Request, s *surface, route *leaf) (authz.Principal, error) {
	if route.Right == Public {
		return authz.Principal{}, nil
	}
	headers := r.Header.Values("Authorization")
	if cookies := r.CookiesNamed(s.Cookie); len(headers) == 0 && s.Cookie != "" && len(cookies) > 0 {
		return h.session(r, cookies)
	}
	if len(headers) == 0 {
		return authz.Principal{}, errs.New(errs.Unauthenticated, "token.missing", "An access token is needed.")
	}
	scheme, credentials, _ := strings.Cut(headers[0], " ")
	credentials = strings.TrimSpace(credentials)
	switch {
	case len(headers) > 1:
	case strings.EqualFold(scheme, "Bearer") && credentials != "":
		return h.Authenticator.Authenticate(r.Context(), credentials)
	case strings.EqualFold(scheme, "Basic") && credentials != "" && s.APIKeys:
		return h.Authenticator.AuthenticateKey(r.Context(), credentials)
	}
	return authz.Principal{}, errs.New(errs.Unauthenticated, "token.invalid", "The Authorization header cannot be used.")
}

// session authenticates by a cookie. Browsers send one whoever's page makes the call, so a write must not come from a
// foreign page (OWASP, Cross-Site Request Forgery Prevention: Fetch Metadata, else Origin).
func (h *Hall) session(r *http.Request, cookies []*http.Cookie) (authz.Principal, error) {
	if h.guard.Check(r) != nil {
		return authz.Principal{}, errs.New(errs.Denied, "origin.foreign", "This request came from another site and was refused.")
	}
	if len(cookies) > 1 {
		return authz.Principal{}, errs.New(errs.Unauthenticated, "token.invalid", "There are several session cookies.")
	}
	return h.Authenticator.AuthenticateSession(r.Context(), cookies[0].Value)
}

// declared keeps the house rule that every route names its right.
func declared(route *leaf, p authz.Principal) error {
	switch {
	case route.Right == Public:
		return nil
	case route.Right == "":
		return errs.New(errs.Denied, "right.undeclared", "Nobody may call this.")
	case route.Kinds != nil && !slices.Contains(route.Kinds, p.Kind):
		return errs.New(errs.Denied, "kind.denied", "This kind of caller may not call this.")
	case p.Package != "" && (route.Beyond || route.Or == "" && !slices.Contains(route.names, packageName)):
		return errs.New(errs.Denied, "session.package", "This session is for one package only.")
	case route.Or != "" && p.Has(route.Or):
		return nil
	case route.Right != Anyone && !p.Has(route.Right):
		return p.Need(route.Right)
	}
	return p.Need(route.Also...)
}

// packageName is what routes call the package in their path. Who reaches one package only may call
// these, unless they go beyond it, and what a signer's session may: the rooms see to it that it is that package.
const packageName = "package"

func limitBody(w http.ResponseWriter, r *http.Request, route *leaf) error {
	if r.Body == http.NoBody {
		return nil
	}
	limit := route.Body
	if limit == 0 {
		limit = defaultBody
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return errs.New(errs.Unsupported, "media.encoding", "Send the body without a content encoding.")
	}
	if r.ContentLength > limit {
		return bodyTooLarge(limit)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	return nil
}

func readQuery(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errs.New(errs.Invalid, "query.malformed", "The query cannot be read.") // the cause would show a piece of it
	}
	return query, plainValues(query)
}

// refuse has the dialect word an error. Only a refusal is told, never a fault.
func (h *Hall) refuse(r *http.Request, e *event, err error) Answer {
	e.err = err
	refusal := e.refusal(r, err)
	a := e.word(refusal)
	if a.Header == nil {
		a.Header = map[string]string{}
	}
	switch a.Status {
	case http.StatusUnauthorized:
		if a.Header["WWW-Authenticate"] == "" {
			a.Header["WWW-Authenticate"] = h.challenge(refusal.Error)
		}
	case http.StatusMethodNotAllowed:
		a.Header["Allow"] = refusal.Error.Params["allow"]
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		a.Header["Retry-After"] = cmp.Or(a.Header["Retry-After"], "1")
	}
	return a
}

// word has the route, else the dialect, word a refusal.
func (e *event) word(r Refusal) Answer {
	switch {
	case e.route != nil && e.route.Refuse != nil:
		return e.route.Refuse(r.Error)
	case e.surface.RefuseTo != nil:
		return e.surface.RefuseTo(r)
	}
	return e.surface.Refuse(e.path, r.Error)
}

// challenge has no error when no credentials were sent (RFC 6750 §3.1).
func (h *Hall) challenge(e *errs.Error) string {
	c := fmt.Sprintf("Bearer realm=%q", h.Realm)
	if e.What != "token.missing" {
		c += `, error="invalid_token"`
	}
	return c
}

// log writes the one line of a call: the route's pattern, never the path or
// query, which may hold personal data or a link's secret.
func (h *Hall) log(r *http.Request, e *event, out *answerWriter) {
	var room [12]slog.Attr
	level, attrs := slog.LevelInfo, append(room[:0],
		slog.String("request_id", e.origin.RequestID),
		slog.String("surface", e.surface.Name),
		slog.String("method", printable(r.Method, 20)),
		slog.Int("status", out.status),
		slog.Duration("duration", time.Since(e.start)),
	)
	if e.route != nil {
		attrs = append(attrs, slog.String("route", e.route.pattern))
	}
	if e.by.Client != "" {
		attrs = append(attrs, slog.String("client", e.by.Client))
	}
	if e.by.Account != "" {
		attrs = append(attrs, slog.String("account", e.by.Account), slog.String("user", e.by.User))
	}
	if e.err != nil {
		attrs = append(attrs, slog.String("error", e.err.Error()))
	}
	if e.err != nil && errs.KindOf(e.err) == errs.Fault && r.Context().Err() == nil {
		level = slog.LevelError
	}
	h.Log.LogAttrs(r.Context(), level, "api call", attrs...)
}

// answerWriter remembers the status.
type answerWriter struct {
	http.ResponseWriter
	status int
}

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets a handler reach the connection (http.ResponseController).
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
