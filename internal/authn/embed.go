package authn

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/secret"
)

const (
	technicalLife = 24 * time.Hour  // of a technical account's token
	userLife      = 5 * time.Minute // of an Embed user's token
	accessToken   = "access_token"
)

// technicalClaims of a technical account's token are the vendor's, and the
// standard ones of RFC 9068 §2.2.
type technicalClaims struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	ClientID   string `json:"client_id"`
	UserID     string `json:"user_id"` // the technical account
	Server     string `json:"as"`
	Standing   string `json:"aa_id"`
	Scope      string `json:"scope"`      // with commas
	ExpiresIn  string `json:"expires_in"` // milliseconds
	CreatedAt  string `json:"created_at"` // milliseconds
	Issuer     string `json:"iss"`
	Subject    string `json:"sub"` // the client id
	Audience   string `json:"aud"`
	Expires    int64  `json:"exp"`
	NotBefore  int64  `json:"nbf"`
	IssuedAt   int64  `json:"iat"`
	StandardID string `json:"jti"` // the same as id
}

// userClaims of an Embed user's token are the vendor's, with exp, nbf, sub and jti.
type userClaims struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	ClientID   string `json:"client_id"`
	Issuer     string `json:"iss"`
	Scope      string `json:"scope"`      // with commas
	ExpiresIn  int64  `json:"expires_in"` // seconds
	IssuedAt   int64  `json:"iat"`
	Audience   string `json:"aud"`
	UserID     string `json:"user_id"` // the user's outer id
	Standing   string `json:"ext_id"`
	Expires    int64  `json:"exp"`
	NotBefore  int64  `json:"nbf"`
	Subject    string `json:"sub"` // the same as user_id
	StandardID string `json:"jti"` // the same as id
}

func (a *Authn) technicalClaims(c *clientRecord, scope string, now time.Time) technicalClaims {
	id, at := secret.NewGUID(), now.Unix()
	return technicalClaims{
		ID: id, Type: accessToken, ClientID: c.ID, UserID: c.TechnicalAccount, Server: a.embed.Issuer,
		Standing: standing{organisation: c.Organisation, generations: c.generations}.String(), Scope: scope,
		ExpiresIn: strconv.FormatInt(technicalLife.Milliseconds(), 10), CreatedAt: strconv.FormatInt(now.UnixMilli(), 10),
		Issuer: a.embed.Issuer, Subject: c.ID, Audience: a.embed.Audience,
		Expires: at + int64(technicalLife.Seconds()), NotBefore: at, IssuedAt: at, StandardID: id,
	}
}

func (a *Authn) userClaims(id, client, user string, s standing, scope string, now time.Time) userClaims {
	at := now.Unix()
	return userClaims{
		ID: id, Type: accessToken, ClientID: client, Issuer: a.embed.Issuer, Scope: scope,
		ExpiresIn: int64(userLife.Seconds()), IssuedAt: at, Audience: a.embed.Audience, UserID: user, Standing: s.String(),
		Expires: at + int64(userLife.Seconds()), NotBefore: at, Subject: user, StandardID: id,
	}
}

func (c technicalClaims) verified(a *Authn) (*verified, bool) {
	s, ok := parseStanding(c.Standing)
	p := authz.Principal{Kind: authz.Technical, Client: c.ClientID, TechnicalAccount: c.UserID, Organisation: s.organisation, Rights: rightsOf(c.Scope)}
	return &verified{id: c.ID, principal: p, generations: s.generations, issued: c.NotBefore, expires: c.Expires},
		ok && s.user == "" && c.Type == accessToken && c.Issuer == a.embed.Issuer && c.Audience == a.embed.Audience && c.ID == c.StandardID
}

func (c userClaims) verified(a *Authn) (*verified, bool) {
	s, ok := parseStanding(c.Standing)
	p := authz.Principal{Kind: authz.Delegated, Client: c.ClientID, Organisation: s.organisation, Partner: s.partner,
		Account: s.account, User: s.user, Rights: rightsOf(c.Scope)}
	return &verified{id: c.ID, principal: p, generations: s.generations, issued: c.NotBefore, expires: c.Expires},
		ok && s.user != "" && s.account != "" && s.partner != "" &&
			c.Type == accessToken && c.Issuer == a.embed.Issuer && c.Audience == a.embed.Audience && c.ID == c.StandardID
}

// rightsOf are the rights a scope claim names. They share the texts of authz's
// lists, so that a kept Principal is small.
func rightsOf(scope string) []authz.Right {
	rights := make([]authz.Right, 0, strings.Count(scope, ",")+1)
	for s := range strings.SplitSeq(scope, ",") {
		if i := slices.Index(authz.TechnicalScopes, authz.Right(s)); i >= 0 {
			rights = append(rights, authz.TechnicalScopes[i])
		}
	}
	return rights
}

// standing is what a token must carry so that it can be checked without the
// database. The vendor's claims have no place for it, so it travels as one
// string that means nothing to anybody else: a version, four internal ids and
// four generations, with colons between.
type standing struct {
	organisation, partner, account, user string
	generations                          generationsNow
}

const standingVersion = "1"

func (s standing) String() string {
	g := s.generations
	parts := []string{standingVersion, s.organisation, s.partner, s.account, s.user}
	for _, n := range []int64{g.Client, g.User, g.Account, g.Partner} {
		parts = append(parts, strconv.FormatInt(n, 10))
	}
	return strings.Join(parts, ":")
}

func parseStanding(text string) (s standing, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 9 || parts[0] != standingVersion {
		return s, false
	}
	s = standing{organisation: parts[1], partner: parts[2], account: parts[3], user: parts[4]}
	for i, to := range []*int64{&s.generations.Client, &s.generations.User, &s.generations.Account, &s.generations.Partner} {
		n, err := strconv.ParseInt(parts[5+i], 10, 64)
		if err != nil {
			return s, false
		}
		*to = n
	}
	return s, true
}
