package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// cookieName is the cookie of the browser's session.
const cookieName = "cs_browser"

// visit is the browser at the invitation of the address.
func visit(r *http.Request) signing.Visit {
	return signing.Visit{Handle: r.PathValue("handle"), Browser: browser(r)}
}

// browser is the session cookie, or "".
func browser(r *http.Request) string { return page.Cookie(r, cookieName) }

// remember gives the browser its session cookie. It ends with the browser;
// the server ends it after half an hour of inactivity.
func (s *site) remember(w http.ResponseWriter, value string) { s.SetCookie(w, cookieName, value, "/") }

// admitted lets in whom the route is for.
func (s *site) admitted(t route) page.Route {
	return page.Route{Pattern: t.pattern, Shape: t.shape, Handle: func(w http.ResponseWriter, r *http.Request) error {
		if err := s.admit(r, t.who); err != nil {
			return err
		}
		return t.handle(w, r)
	}}
}

// admit refuses (NotFound) callers of another machine on loopback routes. The
// host name is checked too, so that a foreign site whose name was pointed at this
// machine cannot read along.
func (s *site) admit(r *http.Request, who audience) error {
	if who != loopback {
		return nil
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	origin := audit.OriginOf(r.Context()).IP
	if isLoopback(host) && (origin == "" || isLoopback(origin)) && s.ownHost(r.Host) {
		return nil
	}
	return errs.New(errs.NotFound, "page.unknown", "There is no such page.")
}

func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().IsLoopback()
}

func (s *site) ownHost(host string) bool {
	if base, err := url.Parse(s.BaseURL); err == nil && base.Host != "" && strings.EqualFold(base.Host, host) {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	return strings.EqualFold(name, "localhost") || isLoopback(name)
}
