package api

import (
	"crypto/rand"
	"encoding/hex"
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
// The request id is the client's own, if it has 1 to 128 characters of visible
// ASCII, else a new UUID.
func OriginOf(r *http.Request, trusted []netip.Prefix) Origin {
	return Origin{IP: ClientIP(r, trusted), UserAgent: printable(r.UserAgent(), maxUserAgent), RequestID: requestID(r)}
}

func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return c < '!' || c > '~' }) {
		return newUUID()
	}
	return id
}

// newUUID is a version 4 UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
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
	if len(trusted) == 0 {
		return client.WithZone("").String()
	}
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
	if len(s) <= n && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return s
	}
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
