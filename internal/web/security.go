package web

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// cookieName is the cookie of the browser's session.
const cookieName = "cs_browser"

// policy is the content policy of every page. form-action keeps forms on this
// host, frame-ancestors keeps the pages out of other people's frames.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// hardened sets the headers every answer carries. Routes may loosen Cache-Control
// for what is nobody's in particular.
func (s *site) hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// crossOrigin answers a write that came from another origin.
func (s *site) crossOrigin(w http.ResponseWriter, r *http.Request) {
	form := html
	if wantsData(r) {
		form = data
	}
	s.refuse(w, r, form, errs.New(errs.Denied, "origin.foreign", "This request came from another site and was refused."))
}

// visit is the browser at the invitation of the address.
func visit(r *http.Request) signing.Visit {
	return signing.Visit{Handle: r.PathValue("handle"), Browser: browser(r)}
}

// browser is the session cookie, or "".
func browser(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// remember gives the browser its session cookie. It ends with the browser;
// the server ends it after half an hour of inactivity.
func (s *site) remember(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/",
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode})
}

// nonceRandom is the length of a nonce's random part in bytes.
const nonceRandom = 16

// nonce of one load of a page, bound to the browser's cookie and to the page's subject.
func (s *site) nonce(browser, subject string) string {
	random := make([]byte, nonceRandom)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	mac := s.Keys.Hash("page.nonce", nonceText(random, browser, subject))
	return base64.RawURLEncoding.EncodeToString(append(random, mac...))
}

// checkNonce refuses (Denied, "page.nonce") a nonce this browser was not given for the subject.
func (s *site) checkNonce(nonce, browser, subject string) error {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err == nil && len(b) > nonceRandom &&
		s.Keys.Matches("page.nonce", nonceText(b[:nonceRandom], browser, subject), b[nonceRandom:]) {
		return nil
	}
	return errs.New(errs.Denied, "page.nonce", "This page is out of date. Please load it again.")
}

func nonceText(random []byte, browser, subject string) string {
	return string(random) + "\x00" + browser + "\x00" + subject
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

// attributed makes sure that acts know where they came from. The server sets the
// origin itself when it stands behind proxies it trusts.
func attributed(r *http.Request) *http.Request {
	if audit.OriginOf(r.Context()) != (audit.Origin{}) {
		return r
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{IP: host, UserAgent: r.UserAgent()}))
}
