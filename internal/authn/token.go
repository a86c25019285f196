package authn

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	stdjson "encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

const (
	tokenLife = time.Hour // of a member's token
	maxToken  = 4096
)

// Token is an access token and what it is good for.
type Token struct {
	Access    string
	ExpiresIn time.Duration
	Scopes    []string // the scopes granted
	Scope     string   // the same, separated by blanks
}

// claims of a member's access token (RFC 9068 §2.2); the last three are ours.
// act names who acts in the subject's place (RFC 8693 §4.1), if anybody does.
type claims struct {
	Issuer       string         `json:"iss"`
	Subject      string         `json:"sub"` // internal id of the user acted as
	Audience     string         `json:"aud"`
	ClientID     string         `json:"client_id"`
	IssuedAt     int64          `json:"iat"`
	Expires      int64          `json:"exp"`
	ID           string         `json:"jti"`
	Scope        string         `json:"scope"`
	Act          *actor         `json:"act,omitempty"`
	Organisation string         `json:"organisation"`
	Account      string         `json:"account"`
	Generations  generationsNow `json:"generations"`
}

type actor struct {
	Subject string `json:"sub"` // internal id of a user
}

// generationsNow are the generations a token was given under.
type generationsNow struct {
	Client  int64 `json:"client"`
	User    int64 `json:"user"`
	Account int64 `json:"account"`
	By      int64 `json:"by,omitempty"` // of the user who acts in the user's place
	Partner int64 `json:"-"`            // members have none
}

// note is the generations and the token's id, "" of an API key, as a principal carries them, so that what he makes
// stands on what he stands on himself.
func (g generationsNow) note(token string) string {
	return fmt.Sprintf("%d %d %d %d %s", g.Client, g.User, g.Account, g.By, token)
}

// noted reads a note.
func noted(note string) (g generationsNow, token string, err error) {
	_, err = fmt.Sscanf(note, "%d %d %d %d", &g.Client, &g.User, &g.Account, &g.By)
	return g, note[strings.LastIndexByte(note, ' ')+1:], err
}

// sign makes a token of claims.
func (a *Authn) sign(ctx context.Context, alg string, claims any, now time.Time) (string, error) {
	key, err := a.signingKey(ctx, alg, now)
	if err != nil {
		return "", err
	}
	return key.token(claims)
}

// token is claims signed.
func (k tokenKey) token(claims any) (string, error) {
	payload, err := stdjson.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := k.header + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := k.sign([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// Authenticate tells who a bearer token (without the word Bearer) belongs to.
// Unauthenticated "token.missing", "token.invalid"; Unavailable "authn.stale"
// when this process does not know what was taken away lately.
func (a *Authn) Authenticate(ctx context.Context, bearer string) (authz.Principal, error) {
	if bearer == "" {
		return authz.Principal{}, errs.New(errs.Unauthenticated, "token.missing", "An access token is needed.")
	}
	n, now, err := a.current()
	if err != nil {
		return authz.Principal{}, err
	}
	v, err := a.find(ctx, n, bearer)
	if err != nil {
		return authz.Principal{}, err
	}
	if !a.good(n, v) || v.expired(now) || v.early(now) {
		return authz.Principal{}, badToken()
	}
	p := counted(v.principal)
	if v.held != nil {
		p.Rights, err = a.rights(ctx, v)
	}
	return p, err
}

// counted has calls counted by the client where no credential of its own says otherwise.
func counted(p authz.Principal) authz.Principal {
	if p.Credential == "" {
		p.Credential = p.Client
	}
	return p
}

// find tells what a token of any form says; what time changes is still to be checked. It is the same on
// every replica, whoever has seen the token before. Unauthenticated "token.invalid"; Unavailable "authn.stale".
func (a *Authn) find(ctx context.Context, n *news, token string) (*verified, error) {
	if isAppToken(token) {
		return a.appToken(ctx, token)
	}
	if isAccessToken(token) {
		return a.accessToken(ctx, token)
	}
	v, ok := a.recognise(ctx, n, token)
	if !ok {
		return nil, badToken()
	}
	return v, nil
}

func badToken() error {
	return errs.New(errs.Unauthenticated, "token.invalid", "The access token is not valid, or not any more.")
}

// verified is a token whose signature has been checked, or that was found by its hash.
type verified struct {
	id              string // by which it is taken back: the jti, of others an id of their own
	principal       authz.Principal
	generations     generationsNow
	issued, expires int64 // Unix seconds
	// within is all that the token may be used for, and held what its user holds of that; nil: the principal's rights stand.
	within []authz.Right
	held   *held
}

func (v *verified) expired(now time.Time) bool { return now.Unix() >= v.expires }

// early reports a token of the future, beyond what two replicas' clocks may differ.
func (v *verified) early(now time.Time) bool {
	return now.Unix() < v.issued-int64(staleAfter.Seconds())
}

// good reports that nothing the token stands on was taken away.
func (a *Authn) good(n *news, v *verified) bool {
	p, g := &v.principal, &v.generations
	return !n.dead(directory.OfClient, p.Client, g.Client) &&
		!n.dead(directory.OfUser, p.User, g.User) &&
		!n.dead(directory.OfUser, p.By, g.By) &&
		!n.dead(directory.OfAccount, p.Account, g.Account) &&
		!n.dead(directory.OfPartner, p.Partner, g.Partner) &&
		!a.revoked.has(v.id)
}

// recognise tells what a JWT of ours says; what time changes is still to be checked.
func (a *Authn) recognise(ctx context.Context, n *news, token string) (*verified, bool) {
	if len(token) > maxToken || isAppToken(token) {
		return nil, false
	}
	digest := sha256.Sum256([]byte(token))
	if v, ok := a.verified.get(digest); ok {
		return v, true
	}
	payload, ok := n.keys.open(token)
	if !ok && n.keys.stranger(token) {
		payload, ok = a.learn(ctx).open(token)
	}
	if !ok {
		return nil, false
	}
	v, ok := a.read(payload)
	if ok {
		a.verified.put(digest, v)
	}
	return v, ok
}

// open checks a token's signature and returns its payload.
func (r keyring) open(token string) (payload []byte, ok bool) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // Go's base64 skips line breaks
		return nil, false
	}
	head, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if head < 0 || head == last {
		return nil, false
	}
	key, ok := r.verifying(token[:head+1])
	if !ok {
		return nil, false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[last+1:])
	if err != nil || !key.verifies([]byte(token[:last]), signature) {
		return nil, false
	}
	payload, err = base64.RawURLEncoding.Strict().DecodeString(token[head+1 : last])
	return payload, err == nil
}

// read takes a payload for what its claims make it: one of a technical account,
// of an Embed user, or of a member. Each shape has its exact claims and no other.
func (a *Authn) read(payload []byte) (v *verified, ok bool) {
	var shape struct {
		Technical *string `json:"aa_id"`
		User      *string `json:"ext_id"`
	}
	if json.Unmarshal(payload, &shape) != nil {
		return nil, false
	}
	switch {
	case shape.Technical != nil:
		return readAs[technicalClaims](a, payload)
	case shape.User != nil:
		return readAs[userClaims](a, payload)
	}
	return readAs[claims](a, payload)
}

func readAs[C interface {
	verified(a *Authn) (*verified, bool)
}](a *Authn, payload []byte) (*verified, bool) {
	var c C
	if json.Unmarshal(payload, &c, json.RejectUnknownMembers(true)) != nil {
		return nil, false
	}
	return c.verified(a)
}

func (c claims) verified(a *Authn) (*verified, bool) {
	p := authz.Principal{Client: c.ClientID, Organisation: c.Organisation, Account: c.Account, User: c.Subject, Stands: c.Generations.note(c.ID)}
	named := true
	if c.Act != nil {
		p.By = c.Act.Subject
		named = p.By != ""
	}
	for _, s := range strings.Fields(c.Scope) {
		p.Rights = append(p.Rights, authz.Right(s))
	}
	return &verified{id: c.ID, principal: p, generations: c.Generations, issued: c.IssuedAt, expires: c.Expires},
		named && c.Issuer == a.issuer && c.Audience == a.issuer
}
