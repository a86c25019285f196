package page

import (
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Config of a site. Keys, Log and Pages are needed.
type Config struct {
	// BaseURL is the outside URL of the server without a trailing slash; https makes cookies Secure.
	BaseURL string
	// Root is the path all addresses of the site begin with, such as "/console"; "" is none.
	Root string
	// Keys make the nonces; secret.Box, the same on every replica.
	Keys Keys
	Log  *slog.Logger
	// Files are the site's own static files, in folders, beside the shared ones.
	Files fs.FS
	// Pages holds templates/*.tmpl, which all pages share, and a page in each templates/*.html. They
	// fill the blocks of the shared layout: title, head and body. A page "error" shows a Problem.
	Pages fs.FS
	// Funcs are for the templates, beside asset, moment, machine and plural.
	Funcs template.FuncMap
	// Frame puts a page's own view into what the templates get. Its result has a member Head, a Head.
	Frame func(r *http.Request, view any) any
	// Word changes what is said about an error; nil leaves it as it is.
	Word func(r *http.Request, p Problem) Problem
}

// Keys is a keyed hash.
type Keys interface {
	Hash(purpose, secret string) []byte
	Matches(purpose, secret string, hash []byte) bool
}

// Head is whose page it is, as its head shows it.
type Head struct {
	Name    string // of the account, or the product's
	Logo    string // address of a picture, or empty
	Alt     string // what the picture is, in words
	Theme   string // address of a stylesheet with the account's colours, or empty
	Account bool   // the account has a name or logo of its own
}

// Site serves the pages of one room.
type Site struct {
	config Config
	base   *url.URL
	assets *assets
	pages  map[string]*template.Template
}

// New loads a site. It returns an error when a template or a file is at fault.
func New(c Config) (s *Site, err error) {
	s = &Site{config: c}
	if s.base, err = url.Parse(c.BaseURL); err != nil {
		return nil, err
	}
	if s.assets, err = loadAssets(c.Root, c.Files); err != nil {
		return nil, err
	}
	s.pages, err = s.loadPages()
	return s, err
}

// Shape is the form a route's errors take.
type Shape int

// The shapes: a page for people, or JSON for scripts.
const (
	HTML Shape = iota
	Data
)

// Route is one line of a site's table. Pattern is net/http's, with the site's root.
type Route struct {
	Pattern string
	Shape   Shape
	Handle  func(http.ResponseWriter, *http.Request) error
}

// Handler serves the routes and the static files. Every path that no route has is NotFound "page.unknown".
func (s *Site) Handler(routes []Route) (http.Handler, error) {
	mux := http.NewServeMux()
	routes = append([]Route{{"GET " + s.config.Root + "/assets/{version}/{file}", HTML, s.assets.serve}}, routes...)
	for _, route := range routes {
		mux.Handle(route.Pattern, s.serve(route))
	}
	guard := http.NewCrossOriginProtection()
	if s.base.Host != "" {
		if err := guard.AddTrustedOrigin(s.base.Scheme + "://" + s.base.Host); err != nil {
			return nil, err
		}
	}
	guard.SetDenyHandler(http.HandlerFunc(s.crossOrigin))
	return s.logged(s.hardened(guard.Handler(mux))), nil
}

// Secure tells whether cookies travel by https only.
func (s *Site) Secure() bool { return s.base.Scheme == "https" }

// WantsData tells whether the request speaks JSON rather than a form.
func WantsData(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
}
