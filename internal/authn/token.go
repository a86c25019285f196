package authn

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	stdjson "encoding/json"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	tokenLife = time.Hour
	maxToken  = 4096
)

// claims of an access token (RFC 9068 §2.2); the last three are ours.
type claims struct {
	Issuer       string         `json:"iss"`
	Subject      string         `json:"sub"` // internal id of the user acted as
	Audience     string         `json:"aud"`
	ClientID     string         `json:"client_id"`
	IssuedAt     int64          `json:"iat"`
	Expires      int64          `json:"exp"`
	ID           string         `json:"jti"`
	Scope        string         `json:"scope"`
	Organisation string         `json:"organisation"`
	Account      string         `json:"account"`
	Generations  generationsNow `json:"generations"`
}

// generationsNow are the generations a token was given under.
type generationsNow struct {
	Client  int64 `json:"client"`
	User    int64 `json:"user"`
	Account int64 `json:"account"`
}

// issue signs a token.
func (a *Authn) issue(c claims, now time.Time) (string, error) {
	c.Issuer, c.Audience, c.ID = a.issuer, a.issuer, secret.Token(16)
	c.IssuedAt, c.Expires = now.Unix(), now.Add(tokenLife).Unix()
	payload, err := stdjson.Marshal(c)
	if err != nil {
		return "", err
	}
	key := a.news.Load().keys.signing(now)
	signed := key.header + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key.private, []byte(signed))), nil
}

// Authenticate tells who a bearer token (without the word Bearer) belongs to.
// Unauthenticated "token.missing", "token.invalid"; Unavailable "authn.stale"
// when this process does not know what was taken away lately.
func (a *Authn) Authenticate(_ context.Context, bearer string) (authz.Principal, error) {
	if bearer == "" {
		return authz.Principal{}, errs.New(errs.Unauthenticated, "token.missing", "An access token is needed.")
	}
	n, at := a.news.Load(), a.sinceStart()
	if at-n.seen > staleAfter {
		return authz.Principal{}, errs.New(errs.Unavailable, "authn.stale", "The server cannot check credentials at the moment.")
	}
	digest := sha256.Sum256([]byte(bearer))
	v, ok := a.verified.get(digest)
	if !ok {
		c, ok := a.verify(n.keys, bearer)
		if !ok {
			return authz.Principal{}, badToken()
		}
		v = c.verified()
		a.verified.put(digest, v)
	}
	now := n.time(at).Unix()
	if now >= v.expires || now < v.issued-int64(staleAfter.Seconds()) ||
		n.dead(holder{directory.OfClient, v.principal.Client}, v.generations.Client) ||
		n.dead(holder{directory.OfUser, v.principal.User}, v.generations.User) ||
		n.dead(holder{directory.OfAccount, v.principal.Account}, v.generations.Account) {
		return authz.Principal{}, badToken()
	}
	return v.principal, nil
}

func badToken() error {
	return errs.New(errs.Unauthenticated, "token.invalid", "The access token is not valid, or not any more.")
}

// verify checks all of a token that time does not change.
func (a *Authn) verify(keys keyring, token string) (c claims, ok bool) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // Go's base64 skips line breaks
		return c, false
	}
	head, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if head < 0 || head == last {
		return c, false
	}
	key, ok := keys.verifying(token[:head+1])
	if !ok {
		return c, false
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[last+1:])
	if err != nil || !ed25519.Verify(key.private.Public().(ed25519.PublicKey), []byte(token[:last]), signature) {
		return c, false
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(token[head+1 : last])
	if err != nil || json.Unmarshal(payload, &c, json.RejectUnknownMembers(true)) != nil {
		return c, false
	}
	return c, c.Issuer == a.issuer && c.Audience == a.issuer
}

// verified is a token whose signature has been checked.
type verified struct {
	principal       authz.Principal
	generations     generationsNow
	issued, expires int64 // Unix seconds
}

func (c claims) verified() verified {
	p := authz.Principal{Client: c.ClientID, Organisation: c.Organisation, Account: c.Account, User: c.Subject}
	for _, s := range strings.Fields(c.Scope) {
		p.Rights = append(p.Rights, authz.Right(s))
	}
	return verified{principal: p, generations: c.Generations, issued: c.IssuedAt, expires: c.Expires}
}
