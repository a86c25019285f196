// Package server configures and wires the rooms, and runs the listeners and
// workers. It holds no rules. Tests start it in their own process.
//
// Replicas are equal: each serves everything and works off the same queue.
// What they share is the database, the documents and the master key.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api/acrobat"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/outward"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/webhook"
)

// Rooms are what administration needs: no documents, no listeners.
type Rooms struct {
	DB        *db.DB
	Directory *directory.Directory
	Authn     *authn.Authn
	Access    *access.Access
	Webhook   *webhook.Webhook

	box   *secret.Box
	blobs *blob.Dir
	queue *jobs.Queue
	post  *mail.Post
	seal  seal.Config
	embed []acrobat.AccessPoint
}

// Server is a wired server.
type Server struct {
	Rooms
	Signing *signing.Signing
	Jail    *pdf.Jail
	Keys    *seal.Keys

	config  Config
	log     *slog.Logger
	retry   *retry.Retry
	limit   *limit.Limiter
	handler http.Handler
}

// OpenRooms opens the database of a configuration for administration, also beside a running server.
func OpenRooms(ctx context.Context, c Config, log *slog.Logger) (*Rooms, error) {
	c.Mailbox = c.Mailbox || c.SMTP == "" // mails are queued; the running server delivers them its own way
	if err := c.check(); err != nil {
		return nil, err
	}
	return openRooms(ctx, c, log)
}

func openRooms(ctx context.Context, c Config, log *slog.Logger) (r *Rooms, err error) {
	r = &Rooms{seal: seal.Config{Organisation: c.Product, KeyFile: c.SealKeyFile, Password: c.SealPassword}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.box, err = secret.Open(c.Data, c.MasterKeyFile); err != nil {
		return r, err
	}
	if r.blobs, err = blob.OpenDir(filepath.Join(c.Data, "blobs")); err != nil {
		return r, err
	}
	if r.DB, err = db.Open(ctx, db.Config{URL: c.Database}); err != nil {
		return r, err
	}
	r.queue = jobs.New(r.DB, log)
	letters := mailConfig(c)
	letters.Branding = r.branding()
	if r.post, err = mail.New(letters, r.DB, r.box, r.blobs.Get, r.queue, log); err != nil {
		return r, err
	}
	if r.Webhook, err = webhook.New(webhook.Config{DB: r.DB, Box: r.box, Log: log, Post: r.post, Allow: c.CallbackAllow, Product: c.Product}); err != nil {
		return r, fmt.Errorf("--callback-allow: %w", err)
	}
	r.Directory = directory.New(r.DB, r.post)
	r.Access = access.New(r.DB)
	if c.AutoActivatePartners {
		r.Directory.ActivatePartnersAtOnce()
	}
	if r.embed, err = c.accessPoints(); err != nil {
		return r, err
	}
	gate, err := outward.New("provider.address", c.IdentityProviderAllow)
	if err != nil {
		return r, fmt.Errorf("--identity-provider-allow: %w", err)
	}
	if r.Authn, err = authn.New(ctx, r.DB, r.box, r.post, c.URL, log, authn.WithGate(gate), authn.WithEmbed(authn.Embed{
		Issuer: c.TokenIssuer, Audience: c.TokenAudience, TokenEndpoints: tokenEndpoints(r.embed)})); err != nil {
		return r, err
	}
	r.Authn.HandleJobs(r.queue)
	return r, nil
}

// tokenEndpoints are where user tokens are asked for.
func tokenEndpoints(points []acrobat.AccessPoint) (urls []string) {
	for _, p := range points {
		urls = append(urls, p.API+"api/gateway/adobesignauthservice/api/v1/token")
	}
	return urls
}

func mailConfig(c Config) mail.Config {
	m := mail.Config{From: c.MailFrom, BaseURL: c.URL, Mailbox: c.Mailbox, Product: c.Product}
	if c.SMTP != "" {
		m.SMTP = &mail.SMTP{Addr: c.SMTP, Username: c.SMTPUser, Password: c.SMTPPassword, TLS: mail.TLSMode(c.SMTPTLS)}
	}
	return m
}

// Close closes the database and the documents.
func (r *Rooms) Close() error {
	var failed []error
	if r.DB != nil {
		failed = append(failed, r.DB.Close())
	}
	if r.blobs != nil {
		failed = append(failed, r.blobs.Close())
	}
	return errors.Join(failed...)
}

// Open wires a server. It refuses a configuration that would not do, and a
// server that could not seal.
func Open(ctx context.Context, c Config, log *slog.Logger) (s *Server, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	log = slog.New(traced{Handler: log.Handler()})
	rooms, err := openRooms(ctx, c, log)
	if err != nil {
		return nil, err
	}
	s = &Server{Rooms: *rooms, config: c, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.Keys, err = seal.Open(ctx, s.DB, s.box, rooms.seal)
	if err != nil {
		return s, fmt.Errorf("seal: %w", err)
	}
	s.Jail, err = pdf.Open(ctx, pdf.Config{CacheDir: c.Cache, FontDirs: c.Fonts,
		Limits: pdf.Limits{Bytes: c.MaxDocument << 20}})
	if err != nil {
		return s, err
	}
	s.Signing = signing.New(signing.Config{DB: s.DB, Box: s.box, Blobs: s.blobs, Jail: s.Jail, Keys: s.Keys, Authn: s.Authn,
		Post: s.post, Queue: s.queue, Log: log, BaseURL: c.URL, Product: c.Product, Observe: c.Observe})
	s.limit = limit.New(s.DB)
	s.retry = retry.New(s.DB, s.queue)
	if c.AutoActivatePartners {
		log.Warn("partners are active as soon as they register: this is for development")
	}
	s.handler, err = s.routes()
	return s, err
}

// Close ends the children and closes the rooms.
func (s *Server) Close() error {
	var jail error
	if s.Jail != nil {
		jail = s.Jail.Close()
	}
	return errors.Join(jail, s.Rooms.Close())
}

// Handler is what the main listener serves.
func (s *Server) Handler() http.Handler { return s.handler }

// Verify reports the verdict on a sealed document of this server.
func (s *Server) Verify(ctx context.Context, file []byte) (string, error) {
	report, err := evidence.Verify(ctx, s.Jail, file, s.Keys.Roots())
	return string(report.Verdict), err
}
