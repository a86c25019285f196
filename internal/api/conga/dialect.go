package conga

import (
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// New makes the dialect.
func New(a *authn.Authn) *api.Dialect {
	return &api.Dialect{Name: "conga", Claim: claim, Refuse: refuse, Routes: routes(&users{a}, &tokens{a})}
}

func routes(u *users, t *tokens) []api.Route {
	const right = authz.ManageUsers
	return []api.Route{
		{Method: "POST", Path: "/user-management/v1/users", Right: right, Handle: u.create},
		{Method: "GET", Path: "/user-management/v1/users", Right: right, Handle: u.list},
		{Method: "GET", Path: "/user-management/v1/users/{user}", Right: right, Handle: u.get},
		{Method: "PATCH", Path: "/user-management/v1/users/{user}", Right: right, Handle: u.update},
		{Method: "DELETE", Path: "/user-management/v1/users/{user}", Right: right, Handle: u.deactivate},
		{Method: "PUT", Path: "/user-management/v1/users/{user}/restore", Right: right, Handle: u.restore},
		{Method: "GET", Path: "/user-management/v1/users/{user}/secret", Right: right, Handle: u.clientID},
		{Method: "PATCH", Path: "/user-management/v1/users/{user}/secret", Right: right, Handle: u.newSecret},
		{Method: "POST", Path: authPath + "/connect/token", Right: api.Public, Handle: t.connect},
	}
}

const authPath = "/v1/auth"

// claim takes the two parts of the vendor's tree below /api.
func claim(path string) (string, bool) {
	path, ok := strings.CutPrefix(path, "/api")
	return path, ok && (api.Under(path, "/user-management") || api.Under(path, authPath))
}

func refuse(path string, e *errs.Error) api.Answer {
	if api.Under(path, authPath) {
		return refuseToken(e)
	}
	return refuseUser(e)
}
