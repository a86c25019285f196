package api

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

const (
	maxRequestID = 128
	maxUserAgent = 500 // characters
)

// Origin is where a call comes from, for the audit log.
type Origin struct{ IP, UserAgent, RequestID string }

// OriginOf reads where a call comes from; see ClientIP for what trusted means.
// The request id is the client's own if it is short and plain, else a new one.
func OriginOf(r *http.Request, trusted []netip.Prefix) Origin {
	return Origin{IP: ClientIP(r, trusted), UserAgent: printable(r.UserAgent(), maxUserAgent), RequestID: requestID(r)}
}

func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c)
	}
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return !plain(c) }) {
		return rand.Text()
	}
	return id
}

// ClientIP is the address the call comes from. X-Forwarded-For is believed only
// as far as it was written by trusted proxies, so from the right: the first
// address that is not a trusted proxy's is the client's.
func ClientIP(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	client := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(client) }) {
			break
		}
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		client = before.Unmap().WithZone("")
	}
	return client.WithZone("").String()
}

// printable keeps at most n printable characters of s.
func printable(s string, n int) string {
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(s, "") {
		if n == 0 {
			break
		}
		if unicode.IsPrint(c) {
			b.WriteRune(c)
			n--
		}
	}
	return b.String()
}
