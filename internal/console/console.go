package console

import (
	"context"
	"embed"
	"log/slog"
	"net"
	"net/http"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

// root is the path below which all pages lie.
const root = "/console"

// Config of the console. All rooms are needed.
type Config struct {
	// BaseURL is the outside URL without a trailing slash; https makes cookies Secure.
	BaseURL string
	// Product is the name on every page; "" is Countersign.
	Product string
	// Keys make the page nonce; secret.Box, the same on every replica.
	Keys      page.Keys
	Authn     *authn.Authn
	Directory *directory.Directory
	Access    *access.Access
	Signing   *signing.Signing
	Webhook   *webhook.Webhook
	Audit     *audit.Log
	// Resolver proves domains; nil is this machine\'s.
	Resolver directory.Resolver
	Log      *slog.Logger
}

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// console serves the pages.
type console struct {
	Config
	*page.Site
	seen map[string]route // the table by pattern
}

// New returns the handler of all pages. It answers every path below /console.
func New(c Config) (http.Handler, error) {
	if c.Product == "" {
		c.Product = "Countersign"
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	s := &console{Config: c, seen: map[string]route{}}
	var err error
	if s.Site, err = page.New(page.Config{BaseURL: c.BaseURL, Root: root, Keys: c.Keys, Log: c.Log, Files: assetFiles,
		Pages: templateFiles, Funcs: funcs(), Frame: s.frame, Word: word}); err != nil {
		return nil, err
	}
	var routes []page.Route
	for _, t := range s.routes() {
		s.seen[t.pattern] = t
		routes = append(routes, s.guarded(t))
	}
	handler, err := s.Handler(routes)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{c: s, w: w, r: r})))
	}), nil
}
