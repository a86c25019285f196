package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	netmail "net/mail"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/secret"
)

const (
	jobKind   = "mail"
	purpose   = "mail.body"
	tryFor    = 48 * time.Hour // a message that found no open relay for so long has failed
	oneTry    = 2 * time.Minute
	firstWait = 5 * time.Second
	maxWait   = 30 * time.Minute
)

// Config says how messages leave. At least one of SMTP and Mailbox is set.
type Config struct {
	// From is the sender address of every message, "Countersign <sign@example.com>".
	From string
	// BaseURL is the outside URL; its host is in Message-ID and greeting.
	BaseURL string
	// SMTP is the relay; nil sends nothing outside.
	SMTP *SMTP
	// Mailbox keeps every message in the built-in mailbox too.
	Mailbox bool
	// Product is the name messages are signed with; empty is "Countersign".
	Product string
	// Branding puts the names and logos of accounts at the head of their messages.
	Branding Branding
}

// Post sends messages.
type Post struct {
	db      *db.DB
	box     *secret.Box
	open    func(ctx context.Context, key string) ([]byte, error)
	log     *slog.Logger
	from    *netmail.Address
	base    string
	host    string
	product string
	relay   *relay
	mailbox bool

	branding Branding
	onFailed atomic.Pointer[func(tx *db.Tx, account, pkg, kind, to string) error]
}

// OnFailed has f called in the transaction that gives a message of a package up.
// pkg is an internal id, kind the message's kind, to the address.
func (p *Post) OnFailed(f func(tx *db.Tx, account, pkg, kind, to string) error) { p.onFailed.Store(&f) }

// New makes a post and registers its job with q. open reads an attachment's
// bytes by their key. It is an error when there is no way for messages to leave.
func New(c Config, d *db.DB, box *secret.Box, open func(ctx context.Context, key string) ([]byte, error), q *jobs.Queue, log *slog.Logger) (*Post, error) {
	if c.SMTP == nil && !c.Mailbox {
		return nil, errors.New("mail: neither a mail relay nor the built-in mailbox is configured: invitations and codes could not be sent")
	}
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("mail: sender address %q: %w", c.From, err)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Hostname() == "" {
		return nil, fmt.Errorf("mail: outside URL %q has no host", c.BaseURL)
	}
	p := &Post{db: d, box: box, open: open, log: log, from: from, mailbox: c.Mailbox, branding: c.Branding,
		base: strings.TrimSuffix(c.BaseURL, "/"), host: hostName(base.Hostname()), product: line(c.Product)}
	if p.product == "" {
		p.product = "Countersign"
	}
	if c.SMTP != nil {
		if p.relay, err = newRelay(*c.SMTP, p.host); err != nil {
			return nil, err
		}
	}
	q.Handle(jobKind, jobs.Policy{First: firstWait, Max: maxWait, Timeout: oneTry}, p.deliver)
	return p, nil
}

// hostName is a host as SMTP wants it, an address in brackets (RFC 5321 §4.1.3).
func hostName(host string) string {
	ip := net.ParseIP(host)
	switch {
	case ip == nil:
		return host
	case ip.To4() != nil:
		return "[" + host + "]"
	}
	return "[IPv6:" + host + "]"
}

// envelope is a message as it waits, encrypted.
type envelope struct {
	From        string       `json:"from,omitempty"` // the name before the sender address; empty: the configured one
	Logo        string       `json:"logo,omitempty"` // digest of the picture in HTML
	To          Address      `json:"to"`
	ReplyTo     *Address     `json:"reply_to,omitempty"`
	Subject     string       `json:"subject"`
	Text        string       `json:"text"`
	HTML        string       `json:"html"`
	Link        string       `json:"link,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// sender is whom a message says it is from.
func (p *Post) sender(e envelope) netmail.Address {
	return netmail.Address{Name: cmp.Or(e.From, p.from.Name), Address: p.from.Address}
}

// Send queues m in tx. A second message with the same key is not sent, nor is
// one to a group's own address or a program's; neither is an error.
//
// Errors: Invalid "email.malformed" for what is no address.
func (p *Post) Send(tx *db.Tx, m Message) error {
	if err := check(m.To.Email, "to"); err != nil {
		return err
	}
	if m.Data == nil {
		return errors.New("mail: a message without data")
	}
	l := m.Data.letter()
	if nobody(m.To.Email) {
		_, err := audit.Append(tx, audit.Event{Type: "mail.suppressed", Account: m.Account, Package: m.Package,
			Actor: audit.System, Detail: map[string]string{"kind": l.kind}, Personal: map[string]string{"to": m.To.Email}})
		return err
	}
	brand, err := p.brandOf(tx, m)
	if err != nil {
		return err
	}
	e, err := p.word(m, l, brand)
	if err != nil {
		return fmt.Errorf("mail %s: %w", l.kind, err)
	}
	return p.enqueue(tx, m, l.kind, e)
}

// word lays a letter out and takes the names of its envelope to one line.
func (p *Post) word(m Message, l letter, brand Brand) (e envelope, err error) {
	l.Product, l.Home, l.Brand = p.product, p.base, brand.Name
	e.From, e.Logo = brand.Name, brand.Logo
	if brand.Logo != "" {
		l.Logo = contentID(brand.Logo)
	}
	for _, a := range m.Attachments {
		a.Name = strings.NewReplacer("/", "_", `\`, "_").Replace(line(a.Name))
		if _, _, err := mime.ParseMediaType(a.MIME); err != nil {
			a.MIME = "application/octet-stream"
		}
		l.Files = append(l.Files, a.Name)
		e.Attachments = append(e.Attachments, a)
	}
	l = l.clean()
	e.To, e.Subject, e.Link = Address{line(m.To.Name), m.To.Email}, l.Subject, l.Link
	if m.ReplyTo.Email != "" {
		if err := check(m.ReplyTo.Email, "reply_to"); err != nil {
			return e, err
		}
		if !nobody(m.ReplyTo.Email) {
			e.ReplyTo = &Address{line(m.ReplyTo.Name), m.ReplyTo.Email}
		}
	}
	e.Text, e.HTML, err = l.render()
	return e, err
}

func (p *Post) enqueue(tx *db.Tx, m Message, kind string, e envelope) error {
	plain, err := json.Marshal(e)
	if err != nil {
		return err
	}
	id := secret.NewID()
	var key *string
	if m.Key != "" {
		key = &m.Key
	}
	changed, err := tx.Exec(`insert into mails (id, dedupe, message_id, kind, recipient, account, package, state, sealed, created_ms, last_error)
		values ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, clock_ms(), '') on conflict (dedupe) do nothing`,
		id, key, secret.NewGUID()+"@"+p.host, kind, m.To.Email, m.Account, m.Package, p.box.Seal(purpose, plain))
	if err != nil || changed == 0 {
		return err
	}
	return jobs.Add(tx, jobKind, id, id, 0)
}

// Deliveries tells how the messages of a package fare, oldest first. pkg is an
// internal id; whether the caller may see it is the caller's business.
func Deliveries(tx *db.Tx, pkg string) ([]Delivery, error) {
	type row struct {
		ID, Kind, Recipient, State, LastError string
		CreatedMs                             int64
		EndedMs                               *int64
	}
	rows, err := db.All[row](tx, `select id, kind, recipient, state, last_error, created_ms, ended_ms
		from mails where package = $1 and package <> '' order by created_ms, id`, pkg)
	if err != nil {
		return nil, err
	}
	out := make([]Delivery, len(rows))
	for i, r := range rows {
		out[i] = Delivery{ID: r.ID, Kind: r.Kind, To: r.Recipient, State: State(r.State), Created: db.Time(r.CreatedMs), Error: r.LastError}
		if r.EndedMs != nil {
			out[i].Ended = db.Time(*r.EndedMs)
		}
	}
	return out, nil
}
