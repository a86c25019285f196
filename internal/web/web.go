package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"countersign.dev/internal/evidence"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// Config of the pages. Signing, Keys and Log are needed.
type Config struct {
	// BaseURL is the outside URL without a trailing slash; https makes the cookie Secure.
	BaseURL string
	// Product is the name on every page; "" is Countersign.
	Product string
	Signing *signing.Signing
	// Keys make the page nonce; secret.Box, the same on every replica.
	Keys page.Keys
	// Verify reports on a file for the verify page; nil leaves the page out.
	Verify func(ctx context.Context, file []byte) (evidence.Report, error)
	// MaxFile is the largest file in bytes the verify page takes; 0 is 48 MiB, three
	// times what is taken for signing, because stamps and evidence are added.
	MaxFile int64
	// Logo gives an account's logo by its digest, a SHA-256 in hexadecimal; NotFound
	// when there is none. nil leaves logos out.
	Logo func(ctx context.Context, digest string) (media string, image []byte, err error)
	// Mailbox shows the built-in mailbox, to callers on this machine only; nil leaves it out.
	Mailbox *Mailbox
	// References are the interfaces that have a page for developers.
	References []Reference
	Log        *slog.Logger
}

// Mailbox is the built-in mailbox of the demo.
type Mailbox struct {
	// List gives the letters to an address, newest first; "" means everybody's.
	List func(ctx context.Context, to string) ([]Letter, error)
	// Attachment gives the n-th attachment, from 0, of a letter.
	Attachment func(ctx context.Context, id string, n int) (name, mime string, data []byte, err error)
}

// Letter is one delivered message.
type Letter struct {
	ID, To, Subject string
	From            string // name and address, as readers see them
	Date            time.Time
	Text, HTML      string
	Links           []string
	Attachments     []Attachment
}

// Attachment of a letter. Size is in bytes.
type Attachment struct {
	Name, MIME string
	Size       int64
}

const defaultMaxFile = 48 << 20

// site serves the pages.
type site struct {
	Config
	*page.Site
	// judging holds whoever has a file verified just now.
	judging chan struct{}
}

// New returns the handler of all pages. It answers every path, so it belongs
// behind the API's prefixes.
func New(c Config) (http.Handler, error) {
	if c.Product == "" {
		c.Product = "Countersign"
	}
	if c.MaxFile == 0 {
		c.MaxFile = defaultMaxFile
	}
	s := &site{Config: c, judging: make(chan struct{}, 1)}
	var err error
	if s.Site, err = page.New(page.Config{BaseURL: c.BaseURL, Keys: c.Keys, Log: c.Log, Files: assetFiles, Pages: templateFiles,
		Funcs: s.funcs(), Frame: s.frame, Word: word}); err != nil {
		return nil, err
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	var routes []page.Route
	for _, route := range s.routes() {
		routes = append(routes, s.admitted(route))
	}
	return s.Handler(routes)
}

// audience is who may see a route; the role every page declares.
type audience int

const (
	public   audience = iota // anybody
	visitor                  // a browser that came through a link: signing checks its cookie
	loopback                 // callers on this machine
)

// The shapes of a route's errors.
const (
	html = page.HTML
	data = page.Data
)

// route is one line of the route table.
type route struct {
	pattern string
	who     audience
	shape   page.Shape
	handle  func(http.ResponseWriter, *http.Request) error
}

func (s *site) routes() []route {
	routes := []route{
		{"GET /{$}", public, html, s.front},
		{"GET /favicon.ico", public, html, s.Favicon},
		{"GET /theme/{colors}", public, html, s.theme},
		{"GET /s/{token}", public, html, s.link},
		{"GET /s", public, html, s.linkAgain},
		{"POST /s", public, html, s.enter},
		{"GET /inbox", visitor, html, s.inbox},
		{"GET /sign/{handle}", visitor, html, s.ceremony},
		{"GET /sign/{handle}/code", visitor, html, s.codeAgain},
		{"POST /sign/{handle}/code/send", visitor, html, s.sendCode},
		{"POST /sign/{handle}/code", visitor, html, s.proveCode},
		{"POST /sign/{handle}/take", visitor, html, s.take},
		{"GET /sign/{handle}/hand-over", visitor, html, s.handOver},
		{"POST /sign/{handle}/hand-over", visitor, html, s.takeOver},
		{"POST /sign/{handle}/leave", visitor, data, s.leave},
		{"POST /sign/{handle}/watch", visitor, html, s.watch},
		{"POST /sign/{handle}/beat", visitor, data, s.beat},
		{"POST /sign/{handle}/consent", visitor, data, s.consent},
		{"POST /sign/{handle}/fill", visitor, data, s.fill},
		{"POST /sign/{handle}/sign", visitor, data, s.sign},
		{"POST /sign/{handle}/decline", visitor, data, s.decline},
		{"POST /sign/{handle}/optout", visitor, data, s.optOut},
		{"POST /sign/{handle}/attach", visitor, data, s.addFile},
		{"POST /sign/{handle}/detach", visitor, data, s.removeFile},
		{"GET /sign/{handle}/state", visitor, data, s.state},
		{"GET /sign/{handle}/d/{doc}/{page}", visitor, data, s.documentPage},
		{"GET /sign/{handle}/d/{doc}/copy", visitor, html, s.copy},
		{"/", public, html, s.unknown},
	}
	if s.Logo != nil {
		routes = append(routes, route{"GET /logo/{digest}", public, html, s.logo})
	}
	if s.Verify != nil {
		routes = append(routes,
			route{"GET /verify", public, html, s.verifyForm},
			route{"POST /verify", public, html, s.verify})
	}
	if s.Mailbox != nil {
		routes = append(routes,
			route{"GET /mailbox", loopback, html, s.mailbox},
			route{"GET /mailbox/m/{id}", loopback, html, s.letter},
			route{"GET /mailbox/m/{id}/body", loopback, html, s.letterBody},
			route{"GET /mailbox/m/{id}/a/{n}", loopback, html, s.letterAttachment},
			route{"GET /mailbox/api/messages", loopback, data, s.messages})
	}
	return append(routes, s.references()...)
}
