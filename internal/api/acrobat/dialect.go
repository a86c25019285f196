package acrobat

import (
	"log/slog"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Config is what the dialect needs from outside.
type Config struct {
	Authn     *authn.Authn
	Directory *directory.Directory
	// Points are the access points, at least one; the first is the default.
	Points []AccessPoint
	Log    *slog.Logger
}

// surface holds what the handlers call.
type surface struct {
	authn  *authn.Authn
	dir    *directory.Directory
	points points
	log    *slog.Logger
}

// New makes the dialect.
func New(c Config) *api.Dialect {
	s := &surface{authn: c.Authn, dir: c.Directory, points: newPoints(c.Points), log: c.Log}
	return &api.Dialect{Name: "acrobat sign", Claim: claim, Stray: stray, Refuse: refuse, Routes: s.routes()}
}

// The prefixes of the surface's parts.
const (
	imsPath   = "/ims/token"
	restPath  = "/api/rest/v6"
	gateway   = "/api/gateway"
	authPath  = gateway + "/adobesignauthservice/api/v1"
	embedPath = gateway + "/signembed/v1"
)

var (
	technical = []authz.Kind{authz.Technical}
	tokens    = []authz.Kind{authz.Technical, authz.Delegated}
)

func (s *surface) routes() []api.Route {
	partnerScopes := []authz.Right{authz.UserRead, authz.AccountWrite, authz.AccountRead, authz.UserImpersonate}
	return []api.Route{
		{Method: "POST", Path: imsPath + "/v2", Right: api.Public, Handle: s.technicalToken},
		{Method: "POST", Path: imsPath + "/v3", Right: api.Public, Handle: s.technicalToken},

		{Method: "GET", Path: restPath + "/baseUris", Right: api.Anyone, Kinds: tokens, Handle: s.baseURIs},
		{Path: restPath + "/baseUris", Right: api.Anyone, Kinds: tokens, Handle: otherMethod},
		{Path: restPath + "/{rest...}", Right: api.Anyone, Kinds: tokens, Handle: notServed},

		{Method: "POST", Path: authPath + "/token", Right: api.Public, Handle: s.exchange},
		{Method: "POST", Path: authPath + "/validate_token", Right: api.Public, Handle: s.validate},
		{Method: "POST", Path: authPath + "/invalidate_token", Right: api.Public, Handle: s.invalidate},

		{Method: "POST", Path: embedPath + "/partners", Right: authz.UserWrite, Also: partnerScopes, Kinds: technical,
			Handle: s.registerPartner, Refuse: registering.refuse},
		{Method: "POST", Path: embedPath + "/accounts", Right: authz.AccountWrite, Kinds: technical,
			Handle: s.createAccount, Refuse: creatingAccount.refuse},
		{Method: "GET", Path: embedPath + "/accounts", Right: authz.AccountRead, Kinds: technical,
			Handle: s.listAccounts, Refuse: listingAccounts.refuse},
		{Method: "GET", Path: embedPath + "/accounts/{accountId}", Right: authz.AccountRead, Kinds: technical,
			Handle: s.getAccount, Refuse: readingAccount.refuse},
		{Method: "PUT", Path: embedPath + "/accounts/{accountId}", Right: authz.AccountWrite, Kinds: technical,
			Handle: s.changeAccount, Refuse: changingAccount.refuse},
		{Method: "POST", Path: embedPath + "/users", Right: authz.UserWrite, Kinds: tokens,
			Handle: s.createUser, Refuse: creatingUser.refuse},
		{Method: "GET", Path: embedPath + "/users/{userId}", Right: authz.UserRead, Kinds: tokens,
			Handle: s.getUser, Refuse: readingUser.refuse},
		{Method: "PUT", Path: embedPath + "/users/{userId}", Right: authz.UserWrite, Kinds: tokens,
			Handle: s.changeUser, Refuse: changingUser.refuse},
		{Method: "POST", Path: embedPath + "/users/migrationStatus", Right: authz.UserRead, Kinds: technical,
			Handle: s.migrationStatus, Refuse: migrating.refuse},
	}
}

// claim takes the surface's trees, also after more slashes: access points end
// with one, and clients that follow the vendor's templates add another.
func claim(path string) (string, bool) {
	path = "/" + strings.TrimLeft(path, "/")
	return path, api.Under(path, restPath) || api.Under(path, gateway) || api.Under(path, imsPath)
}

// stray takes the ways to write the token endpoint that are none: whoever would
// redirect them would put the secret of a query into Location.
func stray(path string) bool { return api.Under(path, imsPath) }

// refuse words what no route words itself.
func refuse(path string, e *errs.Error) api.Answer {
	switch {
	case api.Under(path, imsPath):
		return refuseOAuth(e)
	case api.Under(path, authPath):
		return refuseAuth(e)
	case api.Under(path, restPath):
		return rest.refuse(e)
	}
	return common.refuse(e)
}
