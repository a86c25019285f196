package webhook

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/outward"
	"countersign.dev/internal/secret"
)

// Config is what the room works with.
type Config struct {
	DB  *db.DB
	Box *secret.Box
	Log *slog.Logger
	// Post mails who looks after a callback when a delivery is given up; nil: nobody is told.
	Post *mail.Post
	// Allow are host names, addresses and networks that may be called although they lie
	// inside: "10.0.0.0/8", "127.0.0.1", "hooks.example.com". On them any port may be called.
	Allow []string
	// Product names us to receivers; empty is Countersign.
	Product string
}

// Webhook is the room's door.
type Webhook struct {
	Config
	client *http.Client
	gate   outward.Gate
	slots  slots
	within time.Duration // callWithin
	look   chan struct{} // there may be something to deliver
	change chan struct{} // a try ended
	tick   func(time.Duration) (<-chan time.Time, func())
}

// New makes the room. Its error says which entry of Allow is neither a name nor a network.
func New(c Config) (*Webhook, error) {
	if c.Product == "" {
		c.Product = "Countersign"
	}
	g, err := outward.New("callback.address", c.Allow)
	if err != nil {
		return nil, err
	}
	w := &Webhook{Config: c, gate: g, slots: newSlots(), within: callWithin, look: make(chan struct{}, 1), change: make(chan struct{}, 1), tick: ticker}
	w.client = w.newClient(net.DefaultResolver)
	return w, nil
}

func ticker(every time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}
