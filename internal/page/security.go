package page

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/http"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/errs"
)

// Policy is the content policy of every page. form-action keeps forms on this
// host, frame-ancestors keeps the pages out of other people's frames.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// hardened sets the headers every answer carries. Routes may loosen Cache-Control
// for what is nobody's in particular.
func (s *Site) hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if s.Secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// crossOrigin answers a write that came from another origin.
func (s *Site) crossOrigin(w http.ResponseWriter, r *http.Request) {
	shape := HTML
	if WantsData(r) {
		shape = Data
	}
	s.refuse(w, r, shape, errs.New(errs.Denied, "origin.foreign", "This request came from another site and was refused."))
}

// nonceRandom is the length of a nonce's random part in bytes.
const nonceRandom = 16

// Nonce is one load of a page's, bound to the browser's cookie and to the page's subject.
func (s *Site) Nonce(browser, subject string) string {
	random := make([]byte, nonceRandom)
	_, _ = rand.Read(random) // never fails, see crypto/rand
	mac := s.config.Keys.Hash("page.nonce", nonceText(random, browser, subject))
	return base64.RawURLEncoding.EncodeToString(append(random, mac...))
}

// CheckNonce refuses (Denied, "page.nonce") a nonce this browser was not given for the subject.
func (s *Site) CheckNonce(nonce, browser, subject string) error {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err == nil && len(b) > nonceRandom &&
		s.config.Keys.Matches("page.nonce", nonceText(b[:nonceRandom], browser, subject), b[nonceRandom:]) {
		return nil
	}
	return errs.New(errs.Denied, "page.nonce", "This page is out of date. Please load it again.")
}

func nonceText(random []byte, browser, subject string) string {
	return string(random) + "\x00" + browser + "\x00" + subject
}

// SetCookie gives the browser a cookie that no script reads, no other site's write carries, and that ends
// with the browser; an empty value takes it back.
func (s *Site) SetCookie(w http.ResponseWriter, name, value, path string) {
	c := &http.Cookie{Name: name, Value: value, Path: path, HttpOnly: true, Secure: s.Secure(), SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// Cookie is the value of a cookie, or "".
func Cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
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
