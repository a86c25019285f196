package congasign

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// sessionCookie carries a session (OneSpan Sign, Authentication Tokens).
const sessionCookie = "ESIGNLIVE_SESSION_ID"

// tokenRoutes are the operations on tokens and sessions.
func (s *surface) tokenRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: oauthPath, Right: api.Public, Handle: s.oauthToken},
		{Method: "POST", Path: "/apitoken/clientApp/accessToken", Right: api.Public, Handle: s.appToken},
		{Method: "GET", Path: "/auth", Right: api.Public, Handle: s.openSession},
		{Method: "POST", Path: "/authenticationTokens/user", Right: authz.Sign, Handle: s.userToken},
		{Method: "POST", Path: "/authenticationTokens/sender", Right: authz.Sign, Handle: s.senderToken},
		{Method: "POST", Path: "/authenticationTokens/signer/multiUse", Right: authz.Sign, Handle: s.signerToken(false)},
		{Method: "POST", Path: "/authenticationTokens/signer/singleUse", Right: authz.Sign, Handle: s.signerToken(true)},
		{Method: "POST", Path: "/sessions", Right: authz.Sign, Handle: s.startSession},
		{Method: "GET", Path: "/session", Right: authz.Sign, Or: authz.SignOwn, Handle: s.getSession},
		{Method: "GET", Path: "/sysinfo", Right: authz.Sign, Or: authz.SignOwn, Handle: s.systemInfo},
	}
}

type appTokenIn struct {
	ClientID string `json:"clientId"`
	Secret   string `json:"secret"`
	Type     string `json:"type"`
	Email    string `json:"email"`
}

// appTokenOut has these members and no other: client libraries refuse what they do not know.
type appTokenOut struct {
	AccessToken string `json:"accessToken"`
	ExpiresAt   int64  `json:"expiresAt"` // epoch milliseconds
}

// appToken gives the token of a client app: type OWNER acts as the client's own user, SENDER as the sender of an address.
func (s *surface) appToken(r *api.Request) (api.Answer, error) {
	var in appTokenIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	var as authn.As
	switch {
	case in.Type == "OWNER":
	case in.Type == "SENDER" && in.Email == "":
		return api.Answer{}, errs.New(errs.Invalid, "grant.email", "The type SENDER needs the sender's e-mail address.").On("email")
	case in.Type == "SENDER":
		as.Email = in.Email
	default:
		return api.Answer{}, errs.New(errs.Invalid, "grant.type", "The type is OWNER or SENDER.").On("type")
	}
	token, expires, err := s.authn.AppToken(r.Context(), in.ClientID, in.Secret, as)
	return api.Answer{JSON: appTokenOut{token, expires.UnixMilli()}}, err
}

// userTokenOut, senderToken and signerToken are what was asked for, with the token as value.
type userTokenOut struct {
	Value string `json:"value"`
}

type senderToken struct {
	PackageID string `json:"packageId"`
	Value     string `json:"value"`
}

type signerToken struct {
	PackageID     string            `json:"packageId"`
	SignerID      string            `json:"signerId"`
	DelegateeID   *string           `json:"delegateeId"`
	SessionFields map[string]string `json:"sessionFields"`
	Value         string            `json:"value"`
}

func (s *surface) userToken(r *api.Request) (api.Answer, error) {
	token, err := s.authn.NewSessionToken(r.Context(), r.Principal,
		authn.NewSession{Kind: authn.UserSession, As: r.Principal, Single: true})
	return api.Answer{JSON: userTokenOut{token}}, err
}

func (s *surface) senderToken(r *api.Request) (api.Answer, error) {
	var t senderToken
	if err := r.JSON(&t); err != nil {
		return api.Answer{}, err
	}
	if t.PackageID == "" {
		return api.Answer{}, sessionNeeds("packageId")
	}
	as, err := s.signing.SenderSession(r.Context(), r.Principal, t.PackageID)
	if err != nil {
		return api.Answer{}, err
	}
	t.Value, err = s.authn.NewSessionToken(r.Context(), r.Principal, authn.NewSession{Kind: authn.SenderSession, As: as, Single: true})
	return api.Answer{JSON: t}, err
}

func (s *surface) signerToken(single bool) func(*api.Request) (api.Answer, error) {
	return func(r *api.Request) (api.Answer, error) {
		var t signerToken
		if err := r.JSON(&t); err != nil {
			return api.Answer{}, err
		}
		in, err := s.sessionOf(r, t.PackageID, t.SignerID, or(t.DelegateeID, ""))
		if err == nil {
			in.Single, in.Fields = single, t.SessionFields
			err = checkFields(in.Fields)
		}
		if err != nil {
			return api.Answer{}, err
		}
		t.Value, err = s.authn.NewSessionToken(r.Context(), r.Principal, in)
		return api.Answer{JSON: t}, err
	}
}

// sessionOf is the session of a signer, found by a role's or a signer's id.
func (s *surface) sessionOf(r *api.Request, pkg, signer, delegate string) (in authn.NewSession, err error) {
	switch {
	case pkg == "":
		return in, sessionNeeds("packageId")
	case signer == "":
		return in, sessionNeeds("signerId")
	}
	as, err := s.signing.SignerSession(r.Context(), r.Principal, pkg, signer, delegate)
	return authn.NewSession{Kind: authn.SignerSession, As: as}, err
}

func sessionNeeds(field string) error {
	return errs.New(errs.Invalid, "session.incomplete", "%s is missing.", field).On(field)
}

// Limits of session fields.
const (
	maxFields    = 20
	maxFieldSize = 255 // characters of a name or a value
)

func checkFields(fields map[string]string) error {
	fit := len(fields) <= maxFields
	for name, value := range fields {
		fit = fit && utf8.RuneCountInString(name) <= maxFieldSize && utf8.RuneCountInString(value) <= maxFieldSize
	}
	if !fit {
		return errs.New(errs.Invalid, "session.fields", "Session fields are at most %d, each of %d characters.", maxFields, maxFieldSize).On("sessionFields")
	}
	return nil
}

type sessionTokenOut struct {
	SessionToken string `json:"sessionToken"`
}

// startSession is the older way to a signer's session, without a token between.
func (s *surface) startSession(r *api.Request) (api.Answer, error) {
	in, err := s.sessionOf(r, r.Query("package"), r.Query("signer"), r.Query("delegatee"))
	if err != nil {
		return api.Answer{}, err
	}
	cookie, err := s.authn.StartSession(r.Context(), r.Principal, in)
	return api.Answer{JSON: sessionTokenOut{cookie}}, err
}

// tokenKinds are the parameters of /auth, each for tokens of one kind.
var tokenKinds = map[string]authn.SessionKind{
	"authenticationToken":       authn.UserSession,
	"senderAuthenticationToken": authn.SenderSession,
	"signerAuthenticationToken": authn.SignerSession,
}

// openSession exchanges a token for a session: a program gets it in JSON, a browser as a cookie, on its way to a page of
// this server. The vendor has the token in the query, so nothing that merely looks may spend it.
func (s *surface) openSession(r *api.Request) (api.Answer, error) {
	if r.HTTP.Method != http.MethodGet {
		return api.Answer{}, errs.New(errs.MethodNotAllowed, "route.method", "This path answers %s.", "GET").With("allow", "GET")
	}
	if fetchedAhead(r.HTTP.Header) {
		return api.Answer{}, errs.New(errs.Unavailable, "session.prefetch", "A session is not opened before somebody wants it.")
	}
	kind, token, err := sessionToken(r.Queries())
	if err != nil {
		return api.Answer{}, err
	}
	target, err := s.target(r.Query("target"))
	if err != nil {
		return api.Answer{}, err
	}
	cookie, p, err := s.authn.OpenSession(r.Context(), kind, token)
	if err != nil || !inBrowser(r) {
		return api.Answer{JSON: sessionTokenOut{cookie}, Header: noReferrer()}, err
	}
	return s.seat(r, kind, p, cookie, target)
}

// fetchedAhead tells that nobody has followed the address yet: a browser fetches it or draws its preview, just in case
// (Fetch Standard, Sec-Purpose; older browsers have names of their own).
func fetchedAhead(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		for _, value := range h.Values(name) {
			value = strings.ToLower(value)
			if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
				return true
			}
		}
	}
	return false
}

func sessionToken(query url.Values) (kind authn.SessionKind, token string, err error) {
	for name, k := range tokenKinds {
		for _, value := range query[name] {
			if token != "" {
				return "", "", errs.New(errs.Invalid, "session_token.several", "Send one authentication token.")
			}
			kind, token = k, value
		}
	}
	if token == "" {
		err = errs.New(errs.Invalid, "session_token.missing", "Send one of authenticationToken, senderAuthenticationToken, signerAuthenticationToken.")
	}
	return kind, token, err
}

func noReferrer() map[string]string { return map[string]string{"Referrer-Policy": "no-referrer"} }

// inBrowser: libraries ask for JSON; whoever asks for a page, or names one, is in a browser.
func inBrowser(r *api.Request) bool {
	accept := r.HTTP.Header.Get("Accept")
	return !strings.Contains(accept, "application/json") && (strings.Contains(accept, "text/html") || r.Query("target") != "")
}

// seat gives a browser its session and shows it the page. A signer's browser also enters the ceremony.
func (s *surface) seat(r *api.Request, kind authn.SessionKind, p authz.Principal, cookie string, target *url.URL) (api.Answer, error) {
	a := api.Answer{Status: http.StatusFound, Header: noReferrer(),
		Cookies: []*http.Cookie{{Name: sessionCookie, Value: cookie, Path: "/", HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteStrictMode}}}
	if kind == authn.SignerSession {
		v, err := s.signing.EnterBySession(r.Context(), p, browserOf(r.HTTP))
		if err != nil {
			return api.Answer{}, err
		}
		a.Cookies = append(a.Cookies, &http.Cookie{Name: signing.BrowserCookie, Value: v.Browser, Path: "/", HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
		if isSigningPage(target) {
			target = &url.URL{Path: signing.PathOf(v)}
		}
	}
	a.Header["Location"] = s.absolute(target)
	return a, nil
}
