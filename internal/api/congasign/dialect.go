package congasign

import (
	"cmp"
	"net/url"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

// Config holds the rooms that the surface speaks for.
type Config struct {
	Signing   *signing.Signing
	Directory *directory.Directory
	Authn     *authn.Authn
	// BaseURL is the outside URL without a trailing slash, the only place where browsers are sent; https makes cookies Secure.
	BaseURL string
	// Version of the server, as it tells clients.
	Version string
	Webhook *webhook.Webhook
	// Retry remembers calls that carry an Idempotency-Key; nil takes no notice of keys.
	Retry *retry.Retry
}

// surface holds the rooms its handlers call.
type surface struct {
	signing *signing.Signing
	dir     *directory.Directory
	authn   *authn.Authn
	base    *url.URL // nil when none is known
	version string
	webhook *webhook.Webhook
	retry   *retry.Retry
}

// New makes the dialect.
func New(c Config) *api.Dialect {
	sf := &surface{signing: c.Signing, dir: c.Directory, authn: c.Authn, version: cmp.Or(c.Version, "development"), webhook: c.Webhook, retry: c.Retry}
	if base, err := url.Parse(c.BaseURL); err == nil && base.Host != "" {
		sf.base = base
	}
	return &api.Dialect{Name: "conga sign", Claim: claim, Stray: stray, Routes: sf.routes(), APIKeys: true, Cookie: sessionCookie,
		Refuse: func(path string, e *errs.Error) api.Answer {
			if path == oauthPath {
				return refuseOAuth(e)
			}
			return refuse(path, e)
		}}
}
