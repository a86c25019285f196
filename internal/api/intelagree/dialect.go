package intelagree

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/retry"
)

// Config holds the rooms that the surface speaks for.
type Config struct {
	Authn  *authn.Authn
	Access *access.Access
	Limit  *limit.Limiter
	Retry  *retry.Retry // remembers calls that carry an Idempotency-Key
	// BaseURL is the outside URL without a trailing slash, for Location.
	BaseURL string
}

// surface holds the rooms its handlers call.
type surface struct {
	authn  *authn.Authn
	access *access.Access
	limit  *limit.Limiter
	retry  *retry.Retry
	base   string
}

// New makes the dialect.
func New(c Config) *api.Dialect {
	s := &surface{authn: c.Authn, access: c.Access, limit: c.Limit, retry: c.Retry, base: c.BaseURL}
	return &api.Dialect{Name: "intelagree", Claim: claim, Routes: s.routes(), Gate: s.gate, Admit: s.admit, RefuseTo: refuse}
}

// The surface's paths. Letter case does not count: the vendor writes /Accounts and /users.
const (
	accountsPath = "/api/accounts"
	usersPath    = "/api/users"
)

// claim takes the two trees, in lower case: what stands for names in them are numbers.
func claim(escaped string) (string, bool) {
	path := strings.ToLower(escaped)
	return path, api.Under(path, accountsPath) || api.Under(path, usersPath)
}

func (s *surface) routes() []api.Route {
	const right = authz.IntelAgree
	return []api.Route{
		{Method: "POST", Path: accountsPath, Right: api.Public, Handle: s.token},
		{Method: "POST", Path: usersPath, Right: right, Handle: s.as(s.once(s.create, s.recreated))},
		{Method: "GET", Path: usersPath, Right: right, Handle: s.as(s.find)},
		{Method: "GET", Path: usersPath + "/{id}", Right: right, Handle: s.as(s.get)},
		{Method: "PATCH", Path: usersPath + "/{id}", Right: right, Handle: s.as(s.change)},
		{Method: "DELETE", Path: usersPath + "/{id}", Right: right, Handle: s.as(s.deactivate)},
	}
}

// version is the one that is served.
const version = "2.0"

const versionUnsupported = "version.unsupported"

// subscribed is the context's key of the subscription that a call came by.
type subscribed struct{}

// gate checks what the vendor's gateway does before it passes a call on: the subscription's key and the version.
//
// Unauthenticated "subscription.missing", "subscription.invalid"; Invalid "version.unsupported".
func (s *surface) gate(r *http.Request) (context.Context, error) {
	keys := r.Header.Values(subscriptionHeader)
	if len(keys) > 1 {
		return nil, errs.New(errs.Unauthenticated, "subscription.invalid", "There are several subscription keys.")
	}
	subscription, err := s.authn.CheckSubscription(r.Context(), r.Header.Get(subscriptionHeader))
	if err != nil {
		return nil, err
	}
	if asked := r.Header.Values("ApiVersion"); len(asked) != 1 || asked[0] != version {
		return nil, errs.New(errs.Invalid, versionUnsupported, "The ApiVersion header must be %s, the one version that is supported.", version)
	}
	return context.WithValue(r.Context(), subscribed{}, subscription.ID), nil
}

// rate is how often a subscription may call.
var rate = limit.Policy{Name: "intelagree", Quota: 600, Window: time.Minute}

// admit sees to it that token and subscription belong together, and counts the call.
//
// Unauthenticated "token.invalid"; Limited "rate.exceeded".
func (s *surface) admit(r *http.Request, p authz.Principal) (map[string]string, error) {
	subscription, _ := r.Context().Value(subscribed{}).(string)
	if p.Account != "" && p.Credential != subscription {
		return nil, errs.New(errs.Unauthenticated, "token.invalid", "The access token was given for another subscription.")
	}
	d, err := s.limit.Take(r.Context(), rate, subscription)
	if err == nil && !d.Allowed {
		seconds := max(int64((d.Retry+time.Second-1)/time.Second), 1)
		err = errs.New(errs.Limited, "rate.exceeded", "The subscription calls too often.").With("retry", strconv.FormatInt(seconds, 10))
	}
	return nil, err
}
