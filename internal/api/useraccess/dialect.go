package useraccess

import (
	"strings"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
)

// Config holds the rooms that the surface speaks for.
type Config struct {
	Access *access.Access
	Limit  *limit.Limiter
	// Keys make cursors that nobody can read or make up.
	Keys Sealer
	// Realm is named in WWW-Authenticate; "" is Countersign.
	Realm string
}

// Sealer encrypts what a client carries for us, for one purpose.
type Sealer interface {
	Seal(purpose string, plain []byte) []byte
	Unseal(purpose string, sealed []byte) ([]byte, error)
}

// surface holds the rooms its handlers call.
type surface struct {
	Config
	strangers *limit.Memory // by address
	streams   streams
	whole     int64 // how many users are read before the first of them is sent
}

// New makes the dialect.
func New(c Config) *api.Dialect { return newSurface(c).dialect() }

func newSurface(c Config) *surface {
	if c.Realm == "" {
		c.Realm = "Countersign"
	}
	return &surface{Config: c, strangers: limit.NewMemory(strangersPolicy, maxStrangers), whole: inMemory}
}

func (s *surface) dialect() *api.Dialect {
	return &api.Dialect{Name: "user access", Claim: claim, Stray: stray, Routes: s.routes(), Admit: s.admit, Turned: s.turned, RefuseTo: s.refuse}
}

// root is the vendor's base URL and path: /v2 once ("User Access API", Base URL and Endpoint).
const root = "/v2/access"

func (s *surface) routes() []api.Route {
	list := []api.Route{
		{Method: "GET", Path: root + "/users", Handle: s.list},
		{Method: "GET", Path: root + "/users/{user}", Handle: s.user},
		{Method: "GET", Path: root + "/history", Handle: s.history},
		// Whoever may not see the list is not told either what else there is, and whoever may is told what is left of his quota.
		{Path: root + "/users", Handle: onlyGet},
		{Path: root + "/users/{user}", Handle: onlyGet},
		{Path: root + "/history", Handle: onlyGet},
		{Path: root, Handle: nothing},
		{Path: root + "/{rest...}", Handle: nothing},
	}
	for i := range list {
		list[i].Right, list[i].Kinds = authz.ReadAccess, []authz.Kind{authz.Member}
	}
	return list
}

func onlyGet(*api.Request) (api.Answer, error) {
	return api.Answer{}, errs.New(errs.MethodNotAllowed, "route.method", "This path answers GET and HEAD.").With("allow", "GET, HEAD")
}

func nothing(*api.Request) (api.Answer, error) {
	return api.Answer{}, errs.New(errs.NotFound, "route.unknown", "There is nothing at this path.")
}

func claim(path string) (string, bool) { return path, api.Under(path, root) }

// stray words what lies beside: /v2/v2/access/users, or another letter case.
func stray(path string) bool { return strings.HasPrefix(path, "/v2/") || path == "/v2" }
