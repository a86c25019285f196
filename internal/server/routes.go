package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/acrobat"
	"countersign.dev/internal/api/conga"
	"countersign.dev/internal/api/congasign"
	"countersign.dev/internal/api/intelagree"
	"countersign.dev/internal/api/useraccess"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/console"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/web"
)

// routes is the main listener: the health checks, the surfaces below their prefixes, and the pages.
func (s *Server) routes() (http.Handler, error) {
	proxies, err := s.config.proxies()
	if err != nil {
		return nil, err
	}
	hall := api.New(api.Config{Log: s.log, Authenticator: s.Authn, TrustedProxies: proxies, Realm: s.config.Product, Origin: s.config.URL,
		WithOrigin: func(ctx context.Context, o api.Origin) context.Context { return audit.WithOrigin(ctx, audit.Origin(o)) }},
		acrobat.New(acrobat.Config{Authn: s.Authn, Directory: s.Directory, Points: s.embed, Log: s.log}),
		intelagree.New(intelagree.Config{Authn: s.Authn, Access: s.Access, Limit: s.limit, Retry: s.retry, BaseURL: s.config.URL}),
		useraccess.New(useraccess.Config{Access: s.Access, Limit: s.limit, Keys: s.box, Realm: s.config.Product}),
		conga.New(s.Authn), congasign.New(congasign.Config{BaseURL: s.config.URL, Version: s.config.Version, Signing: s.Signing, Directory: s.Directory, Authn: s.Authn, Webhook: s.Webhook, Retry: s.retry}))
	pages, err := web.New(s.pages())
	if err != nil {
		return nil, err
	}
	desk, err := console.New(console.Config{BaseURL: s.config.URL, Product: s.config.Product, Keys: s.box, Authn: s.Authn, Directory: s.Directory,
		Access: s.Access, Signing: s.Signing, Webhook: s.Webhook, Audit: audit.Open(s.DB), Log: s.log})
	if err != nil {
		return nil, err
	}
	own := http.NewServeMux()
	own.HandleFunc("GET "+keysPath, s.answerKeys)
	own.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerHealth(w, nil) })
	own.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answerHealth(w, s.readiness(r.Context())) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The hall is asked first: a ServeMux would redirect paths such as /api//x, and API clients get JSON on every path.
		switch {
		case hall.Claims(r):
			hall.ServeHTTP(w, r)
		case r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == keysPath:
			own.ServeHTTP(w, r)
		default:
			origin := audit.Origin(api.OriginOf(r, proxies))
			w.Header().Set("X-Request-Id", origin.RequestID)
			r = r.WithContext(audit.WithOrigin(r.Context(), origin))
			if r.URL.Path == "/console" || strings.HasPrefix(r.URL.Path, "/console/") {
				desk.ServeHTTP(w, r)
				return
			}
			pages.ServeHTTP(w, r)
		}
	}), nil
}

// keysPath is where gateways find the keys that check our tokens without calling us (RFC 7517).
const keysPath = "/.well-known/jwks.json"

func (s *Server) answerKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := s.Authn.JWKS(r.Context())
	if err != nil {
		answerHealth(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(keys) // the client went away
}

// readiness tells why this replica should get no requests; nil when it should.
func (s *Server) readiness(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.DB.Ping(ctx); err != nil {
		return err
	}
	return s.Jail.Ready(ctx)
}

func answerHealth(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	status := "ok"
	if err != nil {
		status = "not ready"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status}) // the client went away
}

// pages is what the browser's room needs.
func (s *Server) pages() web.Config {
	c := web.Config{BaseURL: s.config.URL, Product: s.config.Product, Signing: s.Signing, Keys: s.box, Log: s.log, Logo: s.Directory.Logo,
		References: []web.Reference{{Name: "acrobat-sign", Title: "Acrobat Sign Embed 2.0", Document: acrobat.OpenAPI},
			{Name: "conga-sign", Title: "Conga Sign", Document: congasign.OpenAPI},
			{Name: "intelagree", Title: "IntelAgree users", Document: intelagree.OpenAPI},
			{Name: "user-access", Title: "User Access", Document: useraccess.OpenAPI}},
		Verify: func(ctx context.Context, file []byte) (evidence.Report, error) {
			return evidence.Verify(ctx, s.Jail, file, s.Keys.Roots())
		}}
	if s.config.Mailbox {
		c.Mailbox = &web.Mailbox{List: s.letters, Attachment: s.post.MailboxAttachment}
	}
	return c
}

func (s *Server) letters(ctx context.Context, to string) ([]web.Letter, error) {
	messages, err := s.post.Mailbox(ctx, to)
	out := make([]web.Letter, 0, len(messages))
	for _, m := range messages {
		out = append(out, letter(m))
	}
	return out, err
}

func letter(m mail.MailboxMessage) web.Letter {
	l := web.Letter{ID: m.ID, From: m.From, To: m.To, Subject: m.Subject, Date: m.Date, Text: m.Text, HTML: m.HTML, Links: m.Links}
	for _, a := range m.Attachments {
		l.Attachments = append(l.Attachments, web.Attachment{Name: a.Name, MIME: a.MIME, Size: int64(a.Size)})
	}
	return l
}
