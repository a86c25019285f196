package server

import (
	"context"
	"log/slog"

	"countersign.dev/internal/audit"
)

// requestID is the name under which lines and audit events carry the id of a request.
const requestID = "request_id"

// traced adds the id of the request to every line that is written with a request's
// context and does not carry it yet. What runs in the background has none.
type traced struct {
	slog.Handler
	named bool // a logger made by With has said it
}

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	named := h.named
	r.Attrs(func(a slog.Attr) bool {
		named = named || a.Key == requestID
		return !named
	})
	if id := audit.OriginOf(ctx).RequestID; id != "" && !named {
		r = r.Clone()
		r.AddAttrs(slog.String(requestID, id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	named := h.named
	for _, a := range attrs {
		named = named || a.Key == requestID
	}
	return traced{h.Handler.WithAttrs(attrs), named}
}

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler {
	return traced{h.Handler.WithGroup(name), h.named}
}
