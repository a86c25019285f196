package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

const (
	providerPurpose = "provider.secret"
	// ProviderPath is where identity providers send browsers back: the redirect URI is the outside URL with it. The query's
	// members go to FinishOIDC.
	ProviderPath = consoleHome + "/sign-in/provider"

	providerWithin  = 10 * time.Second
	providerAnswers = 1 << 20 // bytes of one answer
	providerKnown   = 10 * time.Minute
)

// signedBy are the algorithms that ID tokens may be signed with: none, and no secret of ours (RFC 8725 §3.1).
var signedBy = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// IdentityProvider is an OpenID provider at which the people of an organisation sign in.
type IdentityProvider struct {
	Organisation     string // its name
	Issuer, ClientID string
	Enabled          bool
	Updated          time.Time
}

type identityProviderRow struct {
	OrganisationID, Issuer, ClientID string
	Secret                           []byte
	Enabled                          bool
	UpdatedMs                        int64
}

const identityProviderColumns = `organisation_id, issuer, client_id, secret, enabled, updated_ms`

// SetIdentityProvider has the people of an organisation, given by its name, sign in at an OpenID provider. The provider is
// asked for its configuration at once. An empty secret is a public client's. It is the operator's act: what the provider
// says of an address in a domain of the organisation is believed.
//
// NotFound "organisation.unknown"; Invalid "provider.issuer", "provider.client"; Unavailable "provider.unavailable".
func (a *Authn) SetIdentityProvider(ctx context.Context, organisation, issuer, clientID, clientSecret string) error {
	return a.setProvider(ctx, named(organisation), issuer, clientID, clientSecret)
}

func (a *Authn) setProvider(ctx context.Context, of owner, issuer, clientID, clientSecret string) error {
	if !a.goodIssuer(issuer) {
		return errs.New(errs.Invalid, "provider.issuer", "An issuer is an https URL without query and fragment.").On("issuer")
	}
	if clientID == "" || len(clientID) > 1000 || len(clientSecret) > 10000 || !storable(clientID+clientSecret) {
		return errs.New(errs.Invalid, "provider.client", "The provider gives a client id, and mostly a secret.").On("client")
	}
	a.providers.forget(issuer)
	if _, err := a.provider(ctx, issuer); err != nil {
		return because(err)
	}
	return a.changeProvider(ctx, of, "identity_provider.set", map[string]string{"issuer": issuer, "provider_client": clientID}, func(tx *db.Tx, id string) (int64, error) {
		return tx.Exec(`insert into identity_providers (organisation_id, issuer, client_id, secret, enabled, updated_ms)
			values ($1, $2, $3, $4, true, clock_ms())
			on conflict (organisation_id) do update set issuer = excluded.issuer, client_id = excluded.client_id, secret = excluded.secret,
				enabled = true, updated_ms = excluded.updated_ms`,
			id, issuer, clientID, a.box.Seal(providerPurpose, []byte(clientSecret)))
	})
}

// because tells the operator, in one line, why a provider cannot be used; nobody else is told.
func because(err error) error {
	refused, ok := errors.AsType[*errs.Error](err)
	if !ok || refused.Cause == nil {
		return err
	}
	line := []rune(strings.Join(strings.Fields(refused.Cause.Error()), " "))
	return errs.New(refused.Kind, refused.What, "%s %s", refused.Detail, string(line[:min(len(line), 300)])).Because(refused.Cause)
}

// goodIssuer reports an issuer as OpenID Connect Discovery 1.0 §3 has it; plain HTTP is for hosts that the operator allows by name.
func (a *Authn) goodIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && len(issuer) <= 1000 && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && a.gate.Named(u.Hostname()))
}

// EndIdentityProvider turns an organisation's provider off: nobody signs in there any more. Whom it knows is kept for when
// it is set again. It is the operator's act. NotFound "organisation.unknown", "provider.unknown".
func (a *Authn) EndIdentityProvider(ctx context.Context, organisation string) error {
	return a.endProvider(ctx, named(organisation))
}

func (a *Authn) endProvider(ctx context.Context, of owner) error {
	return a.changeProvider(ctx, of, "identity_provider.ended", nil, func(tx *db.Tx, id string) (int64, error) {
		return tx.Exec(`update identity_providers set enabled = false, updated_ms = clock_ms() where organisation_id = $1`, id)
	})
}

// changeProvider runs an act on an organisation's provider. Sign-ins that are under way end.
func (a *Authn) changeProvider(ctx context.Context, of owner, event string, detail map[string]string, act func(tx *db.Tx, id string) (int64, error)) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		id, by, err := of(tx)
		if err != nil {
			return err
		}
		changed, err := act(tx, id)
		if err == nil && changed == 0 {
			err = unknownProvider()
		}
		if err != nil {
			return err
		}
		if _, err = tx.Exec(`delete from provider_attempts where organisation_id = $1`, id); err != nil {
			return err
		}
		all := map[string]string{"organisation": id}
		for k, v := range detail {
			all[k] = v
		}
		_, err = audit.Append(tx, audit.Event{Type: event, Actor: by, Detail: all})
		return err
	})
}

func unknownProvider() error {
	return errs.New(errs.NotFound, "provider.unknown", "The organisation has no identity provider.").On("organisation")
}

// IdentityProviders are those of all organisations, by the organisations' names. It is the operator's to ask.
func (a *Authn) IdentityProviders(ctx context.Context) (list []IdentityProvider, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[identityProviderRow](tx, `select `+identityProviderColumns+` from identity_providers`)
		if err != nil {
			return err
		}
		names, err := directory.OrganisationNames(tx)
		for _, r := range rows {
			list = append(list, IdentityProvider{names[r.OrganisationID], r.Issuer, r.ClientID, r.Enabled, db.Time(r.UpdatedMs)})
		}
		return err
	})
	slices.SortFunc(list, func(a, b IdentityProvider) int { return compareText(a.Organisation, b.Organisation) })
	return list, err
}

// ProviderFor is the name of the organisation at whose provider the people of an address's domain sign in; "" is none. It
// tells of the domain and nobody in it. Invalid "email.malformed".
func (a *Authn) ProviderFor(ctx context.Context, email string) (organisation string, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		id, err := directory.ProvenBy(tx, email)
		if err != nil || id == "" {
			return err
		}
		if _, err = providerOf(tx, id); errs.KindOf(err) == errs.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		names, err := directory.OrganisationNames(tx)
		organisation = names[id]
		return err
	})
	return organisation, err
}

// providerOf is the provider of an organisation that is on. NotFound "provider.unknown".
func providerOf(tx *db.Tx, organisation string) (r identityProviderRow, err error) {
	r, err = db.One[identityProviderRow](tx, `select `+identityProviderColumns+` from identity_providers where organisation_id = $1 and enabled`, organisation)
	if errors.Is(err, db.ErrNone) {
		err = unknownProvider()
	}
	return r, err
}

// providers are those whose configuration was read lately, by issuer.
type providers struct {
	mu    sync.Mutex
	known map[string]provider
}

type provider struct {
	*oidc.Provider
	at time.Duration // by sinceStart
	// NamesItself: its answers say who gives them (RFC 9207).
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	Methods     []string `json:"token_endpoint_auth_methods_supported"`
	Keys        string   `json:"jwks_uri"`
}

func (p *providers) forget(issuer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, issuer)
}

// provider reads a provider's configuration, or remembers it for ten minutes. Unavailable "provider.unavailable".
func (a *Authn) provider(ctx context.Context, issuer string) (provider, error) {
	a.providers.mu.Lock()
	p, ok := a.providers.known[issuer]
	a.providers.mu.Unlock()
	at := a.sinceStart()
	if ok && at-p.at < providerKnown {
		return p, nil
	}
	found, err := oidc.NewProvider(a.calling(ctx), issuer)
	if err != nil {
		return p, unavailableProvider(err)
	}
	p = provider{Provider: found, at: at}
	if err = found.Claims(&p); err == nil && !a.goodEndpoints(found.Endpoint().AuthURL, found.Endpoint().TokenURL, p.Keys) {
		err = errors.New("its endpoints are no https URLs")
	}
	if err != nil {
		return p, unavailableProvider(err)
	}
	a.providers.mu.Lock()
	defer a.providers.mu.Unlock()
	a.providers.known[issuer] = p
	return p, nil
}

func (a *Authn) goodEndpoints(endpoints ...string) bool {
	for _, text := range endpoints {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !a.gate.Named(u.Hostname())) {
			return false
		}
	}
	return true
}

func unavailableProvider(err error) error {
	return errs.New(errs.Unavailable, "provider.unavailable", "The identity provider does not answer as it should.").Because(err)
}

// oauth is the client we are at a provider.
func (a *Authn) oauth(p provider, r identityProviderRow, clientSecret string) *oauth2.Config {
	e := p.Endpoint()
	switch basic := slices.Contains(p.Methods, "client_secret_basic") || len(p.Methods) == 0; { // Discovery 1.0 §3: the default
	case clientSecret != "" && basic:
		e.AuthStyle = oauth2.AuthStyleInHeader
	default:
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: r.ClientID, ClientSecret: clientSecret, Endpoint: e, RedirectURL: a.RedirectURI(),
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// calling has a provider called through the gate: by no proxy, following no redirects, in bounded time and for bounded answers.
func (a *Authn) calling(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{
		Timeout: providerWithin,
		Transport: bounded{&http.Transport{DialContext: a.gate.Dial(nil, providerWithin), Proxy: nil, DisableKeepAlives: true,
			TLSHandshakeTimeout: providerWithin, MaxResponseHeaderBytes: 64 << 10}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
}

// bounded cuts answers off.
type bounded struct{ http.RoundTripper }

// RoundTrip makes one call.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, providerAnswers), answer.Body}
	}
	return answer, err
}

// idToken are the claims of an ID token that count.
type idToken struct {
	Nonce           string `json:"nonce"`
	AuthorizedParty string `json:"azp"`
	Email           string `json:"email"`
	EmailVerified   any    `json:"email_verified"`
	issuer, subject string
}

// check checks an ID token (OpenID Connect Core 1.0 §3.1.3.7): signature, issuer, audience and expiry by the library, what it leaves here.
func (a *Authn) check(ctx context.Context, p provider, clientID, nonce, raw string, now time.Time) (claims idToken, err error) {
	t, err := p.VerifierContext(a.calling(ctx), &oidc.Config{ClientID: clientID, SupportedSigningAlgs: signedBy, Now: func() time.Time { return now }}).Verify(ctx, raw)
	if err != nil {
		return claims, err
	}
	if err = t.Claims(&claims); err != nil {
		return claims, err
	}
	claims.issuer, claims.subject = t.Issuer, t.Subject
	switch {
	case claims.subject == "" || len(claims.subject) > 255 || !storable(claims.subject):
		err = errors.New("sub is missing, or none")
	case !equal(claims.Nonce, nonce):
		err = errors.New("nonce is another's")
	case len(t.Audience) > 1 && claims.AuthorizedParty == "", claims.AuthorizedParty != "" && claims.AuthorizedParty != clientID:
		err = errors.New("azp is another client")
	case t.IssuedAt.IsZero() || t.IssuedAt.After(now.Add(skew)):
		err = fmt.Errorf("iat is missing, or in the future")
	}
	return claims, err
}
