package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// count is what a request asks of PostgreSQL, on one connection.
type count struct {
	statements float64 // without BEGIN, COMMIT and ROLLBACK
	commits    float64 // of transactions, those that only read included
	trips      float64 // to the database and back
}

// counted is how many requests are counted, and settled how many are sent before;
// idling is how long the server is watched by itself.
const (
	counted = 200
	settled = 50
	idling  = time.Second
)

// countAll counts what every item asks of the database, by a server of its own
// that reaches it through a counting proxy.
func (b *bench) countAll(ctx context.Context) error {
	p, err := newProxy(b.tenant.db.URL)
	if err != nil {
		return err
	}
	defer p.listener.Close()
	config := b.tenant.config
	u, err := url.Parse(config.Database)
	if err != nil {
		return err
	}
	u.Host = p.listener.Addr().String()
	config.Database = u.String()
	if b.ours, err = startChild("role-server", config, 1); err != nil {
		return err
	}
	err = b.countItems(ctx, p)
	err = errors.Join(err, b.ours.stop())
	b.ours, b.cold, b.subjects, b.rooms = nil, nil, nil, nil
	return err
}

func (b *bench) countItems(ctx context.Context, p *proxy) error {
	if err := b.tenant.signIn(b.ours); err != nil {
		return err
	}
	idle, start := p.read(), time.Now()
	select { // what the server asks by itself
	case <-time.After(idling):
	case <-ctx.Done():
		return ctx.Err()
	}
	background, seconds := p.read().minus(idle), time.Since(start).Seconds()
	b.counts = map[string]count{}
	for _, it := range items {
		if !b.options.wants(it.id) || it.requests == nil {
			continue
		}
		next, err := it.requests(b)
		if err != nil {
			return err
		}
		if _, err := b.ours.work.run(time.Minute, settled, it.status, next); err != nil {
			return err
		}
		before := p.read()
		x, err := b.ours.work.run(time.Minute, counted, it.status, next)
		if err != nil {
			return err
		}
		c, share := p.read().minus(before), x.elapsed.Seconds()/seconds
		n := float64(x.requests)
		b.counts[it.id] = count{max(0, c.statements-share*background.statements) / n, max(0, c.commits-share*background.commits) / n,
			max(0, c.trips-share*background.trips) / n}
	}
	return nil
}

func (c count) minus(before count) count {
	return count{c.statements - before.statements, c.commits - before.commits, c.trips - before.trips}
}

// proxy counts what passes to a PostgreSQL server (protocol 3.0, without TLS).
type proxy struct {
	listener                   net.Listener
	to                         string
	statements, commits, trips atomic.Int64
}

func newProxy(database string) (*proxy, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	p := &proxy{to: u.Host}
	if u.Port() == "" {
		p.to = net.JoinHostPort(u.Hostname(), "5432")
	}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go p.serve()
	return p, nil
}

func (p *proxy) read() count {
	return count{float64(p.statements.Load()), float64(p.commits.Load()), float64(p.trips.Load())}
}

func (p *proxy) serve() {
	for {
		front, err := p.listener.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = front.Close()
			continue
		}
		go func() {
			_, _ = io.Copy(front, back)
			_ = front.Close()
		}()
		go func() {
			_ = p.forward(back, bufio.NewReader(front))
			_ = back.Close()
		}()
	}
}

// forward passes messages on and counts them.
func (p *proxy) forward(to io.Writer, from *bufio.Reader) error {
	c := &conversation{proxy: p, prepared: map[string]string{}}
	for typed := 0; ; typed = 1 { // the first message has no type
		head, err := from.Peek(typed + 4)
		if err != nil {
			return err
		}
		message := make([]byte, typed+int(binary.BigEndian.Uint32(head[typed:])))
		if _, err := io.ReadFull(from, message); err != nil {
			return err
		}
		if typed == 1 {
			c.note(message[0], string(message[5:]))
		}
		if _, err := to.Write(message); err != nil {
			return err
		}
	}
}

// conversation is what one connection has prepared, and what it bound last.
type conversation struct {
	*proxy
	prepared map[string]string
	bound    string
}

// note counts a message of the frontend: Query, Execute (of what Parse and Bind named), and Sync.
func (c *conversation) note(kind byte, body string) {
	first, rest, _ := strings.Cut(body, "\x00")
	second, _, _ := strings.Cut(rest, "\x00")
	switch kind {
	case 'P': // name, text
		c.prepared[first] = second
	case 'B': // portal, name
		c.bound = c.prepared[second]
	case 'E':
		c.statement(c.bound)
	case 'S':
		c.trips.Add(1)
	case 'Q':
		c.trips.Add(1)
		for text := range strings.SplitSeq(first, ";") {
			c.statement(text)
		}
	}
}

func (c *conversation) statement(text string) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch {
	case strings.HasPrefix(text, "commit"):
		c.commits.Add(1)
	case text != "" && !strings.HasPrefix(text, "begin") && !strings.HasPrefix(text, "rollback"):
		c.statements.Add(1)
	}
}
