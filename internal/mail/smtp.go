package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"countersign.dev/internal/jobs"
)

// TLSMode says how the way to the relay is encrypted.
type TLSMode string

// The modes; empty is StartTLS.
const (
	StartTLS TLSMode = "starttls" // RFC 3207; a relay that does not offer it gets nothing
	Implicit TLSMode = "tls"      // TLS from the first byte (RFC 8314 §3.3)
	Plain    TLSMode = "none"     // for a relay on the same machine
)

// SMTP is the relay that takes our messages.
type SMTP struct {
	Addr               string // host:port
	Username, Password string // empty: no authentication
	TLS                TLSMode
	Roots              *x509.CertPool // that vouch for the relay; nil: the system's
}

const stepTimeout = 30 * time.Second // for each step of the conversation

type relay struct {
	host    string
	options []gomail.Option
}

func newRelay(c SMTP, hello string) (*relay, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("mail: relay %q: %w", c.Addr, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, fmt.Errorf("mail: relay %q: no such port", c.Addr)
	}
	r := &relay{host: host, options: []gomail.Option{gomail.WithPort(int(number)), gomail.WithHELO(hello), gomail.WithTimeout(stepTimeout),
		gomail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: c.Roots, MinVersion: tls.VersionTLS12})}}
	switch c.TLS {
	case "", StartTLS:
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		r.options = append(r.options, gomail.WithSSL())
	case Plain:
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("mail: unknown TLS mode %q: want starttls, tls or none", c.TLS)
	}
	if c.Username != "" {
		r.options = append(r.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(c.Username), gomail.WithPassword(c.Password))
	}
	return r, nil
}

// send has one conversation with the relay. An error is wrapped by jobs.Final
// when the relay refused this message for good (RFC 5321 §4.2.1: 5yz).
func (r *relay) send(ctx context.Context, m *gomail.Msg) error {
	client, err := gomail.NewClient(r.host, r.options...)
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, m)
	if err == nil || m.IsDelivered() { // what goes wrong after the relay took it is no matter
		return nil
	}
	if refusal, ok := errors.AsType[*gomail.SendError](err); ok && refusal.ErrorCode() >= 500 {
		return jobs.Final(err)
	}
	return err
}

// message builds the same bytes at every try, but for the boundaries.
func (p *Post) message(ctx context.Context, w waiting, e envelope) (*gomail.Msg, error) {
	media, logo, err := p.picture(ctx, &e)
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := p.sender(e)
	m.FromMailAddress(&from)
	m.ToMailAddress(&netmail.Address{Name: e.To.Name, Address: e.To.Email})
	if e.ReplyTo != nil {
		m.ReplyToMailAddress(&netmail.Address{Name: e.ReplyTo.Name, Address: e.ReplyTo.Email})
	}
	m.Subject(e.Subject)
	m.SetDateWithValue(w.created())
	m.SetMessageIDWithValue(w.MessageID)
	// RFC 3834 §5; the second is what Exchange understands: no answers from machines, hence no storms.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(gomail.TypeTextPlain, e.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, e.HTML)
	if e.Logo != "" {
		m.EmbedReadSeeker("logo", bytes.NewReader(logo), gomail.WithFileContentType(gomail.ContentType(media)),
			gomail.WithFileContentID("<"+contentID(e.Logo)+">"))
	}
	for i, a := range e.Attachments {
		data, err := p.open(ctx, a.BlobKey)
		if err != nil {
			return nil, fmt.Errorf("attachment %d: %w", i, err)
		}
		m.AttachReadSeeker(a.Name, bytes.NewReader(data), gomail.WithFileContentType(gomail.ContentType(a.MIME)))
	}
	return m, nil
}
