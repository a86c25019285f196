package audit

import (
	"context"
	"strings"
	"unicode/utf8"
)

// Longest values of an origin, in bytes: they come from strangers and are kept for ever.
const (
	maxUserAgent = 512
	maxOther     = 128
)

// Origin is where a request came from.
type Origin struct {
	// IP is the caller's network address, as text.
	IP string
	// UserAgent is what the caller's software calls itself.
	UserAgent string
	// RequestID is the id under which the request is logged.
	RequestID string
}

type originKey struct{}

// WithOrigin returns a context whose acts are recorded as coming from o.
// Overlong values are cut, bytes that are not UTF-8 replaced.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, Origin{
		IP:        bounded(o.IP, maxOther),
		UserAgent: bounded(o.UserAgent, maxUserAgent),
		RequestID: bounded(o.RequestID, maxOther),
	})
}

// OriginOf returns the origin that travels in ctx, or the zero Origin.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

func bounded(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
