package main

import (
	"context"
	"time"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/server"
)

type accessTokenCommand struct {
	Create accessTokenCreate `cmd:"" help:"Make a token that reads who holds which permission in an account. It is shown once."`
	List   accessTokenList   `cmd:"" help:"List the access tokens of an account, those that have ended among them."`
	Revoke accessTokenRevoke `cmd:"" help:"End an access token, within a second."`
}

// operating is who types commands.
var operating = authz.Principal{Rights: []authz.Right{authz.Operate}}

type accessTokenCreate struct {
	database `embed:""`
	Account  string        `required:"" placeholder:"ID" help:"The account's id."`
	User     string        `required:"" placeholder:"ID" help:"Id of the sender whose token it is: an administrator, or somebody else who may read access lists. It ends with his right."`
	Name     string        `default:"access list" help:"What the token is for."`
	Life     time.Duration `default:"2160h" help:"How long it is good, at most 8784h (366 days)."`
}

// Run makes the token.
func (c *accessTokenCreate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		id, token, expires, err := r.Authn.NewAccessToken(ctx, operating, c.Account, c.User, c.Name, c.Life)
		if err != nil {
			return err
		}
		return c.print([2]string{"access_token_id", id}, [2]string{"access_token", token}, [2]string{"expires", moment(expires)})
	})
}

type accessTokenList struct {
	database `embed:""`
	Account  string `required:"" placeholder:"ID" help:"The account's id."`
}

// accessTokenLine is an access token as it is printed.
type accessTokenLine struct {
	ID      string `json:"access_token_id"`
	Name    string `json:"name"`
	User    string `json:"user"` // the sender's id
	Email   string `json:"email"`
	Status  string `json:"status"` // active, expired, revoked, void
	Created string `json:"created"`
	Expires string `json:"expires"`
	Revoked string `json:"revoked,omitempty"`
}

func lineOfAccessToken(t authn.AccessToken, now time.Time) accessTokenLine {
	l := accessTokenLine{ID: t.ID, Name: t.Name, User: t.SenderID, Email: t.UserEmail, Status: "active",
		Created: moment(t.Created), Expires: moment(t.Expires), Revoked: moment(t.Revoked)}
	switch {
	case !t.Revoked.IsZero():
		l.Status = "revoked"
	case !now.Before(t.Expires):
		l.Status = "expired"
	case t.Void: // its user was locked or deactivated
		l.Status = "void"
	}
	return l
}

// Run lists the tokens.
func (c *accessTokenList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Authn.AccessTokens(ctx, operating, c.Account)
		if err != nil {
			return err
		}
		var lines []accessTokenLine
		for _, t := range all {
			lines = append(lines, lineOfAccessToken(t, time.Now()))
		}
		return list(&c.database, lines,
			column[accessTokenLine]{"token", func(l accessTokenLine) string { return l.ID }},
			column[accessTokenLine]{"name", func(l accessTokenLine) string { return l.Name }},
			column[accessTokenLine]{"user", func(l accessTokenLine) string { return l.User + " " + l.Email }},
			column[accessTokenLine]{"expires", func(l accessTokenLine) string { return l.Expires }},
			column[accessTokenLine]{"status", func(l accessTokenLine) string { return l.Status }})
	})
}

type accessTokenRevoke struct {
	database `embed:""`
	ID       string `arg:"" help:"The token's id."`
}

// Run ends the token.
func (c *accessTokenRevoke) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Authn.RevokeAccessToken(ctx, operating, c.ID); err != nil {
			return err
		}
		return c.print([2]string{"access_token_id", c.ID}, [2]string{"status", "revoked"})
	})
}
