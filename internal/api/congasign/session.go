package congasign

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// browserOf is the browser's session with the pages, or "".
func browserOf(r *http.Request) string {
	c, err := r.Cookie(signing.BrowserCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// target reads where a browser wants to go: a page of this server, named by its path or by its whole address, and
// nothing else (attack L11). "" is nil. Invalid "session.target".
func (s *surface) target(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || strings.ContainsAny(text, "\\\t\r\n") || u.Opaque != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || !s.ours(u) {
		return nil, errs.New(errs.Invalid, "session.target", "target is no page of this server.").On("target")
	}
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, nil
}

// ours reports that an address has no host, or this server's scheme and host.
func (s *surface) ours(u *url.URL) bool {
	if u.Scheme == "" && u.Host == "" {
		return true
	}
	return s.base != nil && strings.EqualFold(u.Scheme, s.base.Scheme) && strings.EqualFold(hostOf(u), hostOf(s.base))
}

// hostOf is the host with its port, also where that is the scheme's own.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return u.Hostname() + ":" + port
}

// absolute is the address of a page of this server; nil is the front page.
func (s *surface) absolute(page *url.URL) string {
	if page == nil {
		page = &url.URL{Path: "/"}
	}
	if s.base == nil {
		// Two slashes at the beginning would be another host.
		return (&url.URL{Path: path.Clean(page.Path), RawQuery: page.RawQuery}).String()
	}
	return (&url.URL{Scheme: s.base.Scheme, Host: s.base.Host, Path: page.Path, RawPath: page.RawPath, RawQuery: page.RawQuery}).String()
}

func (s *surface) secure() bool { return s.base != nil && s.base.Scheme == "https" }

// The vendor's pages on which somebody signs, as libraries and guides write them.
var signingPages = regexp.MustCompile(`^/(?:(?:packages|transaction)/[^/]+/sign|access)/?$`)

// isSigningPage tells whether a target stands for the page on which the session's signer signs.
func isSigningPage(target *url.URL) bool {
	return target == nil || target.Path == "/" || signingPages.MatchString(target.Path)
}

// sessionOut is whom the caller acts as (Conga Sign, Session).
type sessionOut struct {
	Account    accountOut `json:"account"`
	User       any        `json:"user"` // a sender, or a signer's userOut
	Packages   []string   `json:"packages"`
	InPerson   bool       `json:"inPerson"`
	Restricted bool       `json:"restricted"` // to the one package named
}

func (s *surface) getSession(r *api.Request) (api.Answer, error) {
	self, err := s.signing.Whoami(r.Context(), r.Principal)
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	out := sessionOut{Account: wordAccount(account), Packages: []string{}}
	if self.User != nil && self.Signer == "" {
		out.User = wordSender(*self.User, account)
	} else {
		out.User = userOut{ID: self.Signer, Name: self.Name, Email: self.Email}
	}
	if self.Package != "" {
		out.Packages, out.Restricted = []string{self.Package}, true
	}
	return api.Answer{JSON: out}, err
}

func (s *surface) systemInfo(*api.Request) (api.Answer, error) {
	return api.Answer{JSON: struct {
		Version string `json:"version"`
	}{s.version}}, nil
}
