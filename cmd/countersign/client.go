package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/server"
)

type clientCommand struct {
	Create clientCreate `cmd:"" help:"Make a client of an account, or the technical account of a partner. Its secret is shown once."`
	Rotate clientRotate `cmd:"" help:"Give a client a new secret, which is shown once."`
	Revoke clientRevoke `cmd:"" help:"End a client: its secret at once, its tokens within a second."`
	List   clientList   `cmd:"" help:"List the clients."`
}

type clientCreate struct {
	database     `embed:""`
	Account      string   `xor:"kind" required:"" placeholder:"ID" help:"Make a client of this account."`
	Technical    bool     `xor:"kind" required:"" help:"Make a technical account, with which a partner's program onboards customers."`
	Organisation string   `placeholder:"NAME" help:"With --technical: the partner's organisation, made when there is none of that name."`
	Name         string   `default:"client" help:"What the client is."`
	Right        []string `help:"With --account: what it may do: sign, users.manage, access.read."`
	Alg          string   `enum:",EdDSA,RS256" default:"" help:"With --technical: how its tokens are signed: EdDSA (when not given), RS256."`
}

// Validate refuses flags that do not go together.
func (c *clientCreate) Validate() error {
	switch {
	case c.Technical && c.Organisation == "":
		return errors.New("--technical needs --organisation")
	case c.Technical && len(c.Right) > 0:
		return errors.New("--right goes with --account: a technical account may ask for every scope")
	case c.Account != "" && (c.Organisation != "" || c.Alg != ""):
		return errors.New("--organisation and --alg go with --technical")
	case c.Account != "" && len(c.Right) == 0:
		return errors.New("--account needs --right")
	}
	return nil
}

// Run makes the client.
func (c *clientCreate) Run(ctx context.Context) error {
	if c.Technical {
		return c.begin(ctx, func(r *server.Rooms) error { return c.technical(ctx, r) })
	}
	return c.act(ctx, func(r *server.Rooms) error {
		id, secret, err := r.NewClient(ctx, c.Account, c.Name, c.Right)
		if err != nil {
			return err
		}
		return c.print([2]string{"client_id", id}, [2]string{"client_secret", secret})
	})
}

func (c *clientCreate) technical(ctx context.Context, r *server.Rooms) error {
	alg := c.Alg
	if alg == "" {
		alg = "EdDSA"
	}
	t, err := r.Authn.CreateTechnicalAccount(ctx, c.Organisation, c.Name, alg)
	if err != nil {
		return err
	}
	return c.print([2]string{"client_id", t.ClientID}, [2]string{"client_secret", t.ClientSecret},
		[2]string{"technical_account_id", t.ID}, [2]string{"organisation", c.Organisation})
}

// oneClient is what acts on one client need.
type oneClient struct {
	database `embed:""`
	ID       string `arg:"" help:"The client id."`
}

type clientRotate struct {
	oneClient `embed:""`
	Overlap   time.Duration `help:"How long the old secret goes on working beside the new one, at most 168h. Without it the old secret ends at once, and its tokens within a second."`
}

// Run renews the secret.
func (c *clientRotate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		secret, err := r.Authn.RotateSecret(ctx, c.ID, c.Overlap)
		if err != nil {
			return err
		}
		return c.print([2]string{"client_id", c.ID}, [2]string{"client_secret", secret})
	})
}

type clientRevoke struct {
	oneClient `embed:""`
}

// Run ends the client.
func (c *clientRevoke) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Authn.RevokeClient(ctx, c.ID); err != nil {
			return err
		}
		return c.print([2]string{"client_id", c.ID}, [2]string{"status", "revoked"})
	})
}

type clientList struct {
	database `embed:""`
}

// clientLine is a client as it is printed.
type clientLine struct {
	ID               string   `json:"client_id"`
	Kind             string   `json:"kind"` // account, technical
	Name             string   `json:"name"`
	Organisation     string   `json:"organisation"`
	Account          string   `json:"account,omitempty"`
	TechnicalAccount string   `json:"technical_account_id,omitempty"`
	Alg              string   `json:"alg"`
	Rights           []string `json:"rights"`
	Status           string   `json:"status"` // active, revoked
	PreviousUntil    string   `json:"previous_secret_until,omitempty"`
	Created          string   `json:"created"`
}

func lineOfClient(c authn.Client, names *server.Names) clientLine {
	l := clientLine{ID: c.ID, Kind: "account", Name: c.Name, Organisation: names.Organisation[c.Organisation],
		Account: names.Account[c.Account], TechnicalAccount: c.TechnicalAccount, Alg: c.Alg, Rights: []string{}, Status: "active",
		PreviousUntil: moment(c.PreviousSecretUntil), Created: moment(c.Created)}
	if c.Kind == authz.Technical {
		l.Kind = "technical"
	}
	if c.Disabled {
		l.Status = "revoked"
	}
	for _, r := range c.Rights {
		l.Rights = append(l.Rights, string(r))
	}
	return l
}

// may is what the client may do, in one cell.
func (l clientLine) may() string {
	if l.Kind == "technical" {
		return "partner"
	}
	return strings.Join(l.Rights, " ")
}

// home is what the client belongs to, in one cell.
func (l clientLine) home() string {
	if l.Account == "" {
		return l.Organisation
	}
	return l.Organisation + " / " + l.Account
}

// Run lists the clients.
func (c *clientList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Authn.Clients(ctx)
		if err != nil {
			return err
		}
		names, err := r.Names(ctx)
		if err != nil {
			return err
		}
		var lines []clientLine
		for _, one := range all {
			lines = append(lines, lineOfClient(one, names))
		}
		return list(&c.database, lines,
			column[clientLine]{"client", func(l clientLine) string { return l.ID }},
			column[clientLine]{"name", func(l clientLine) string { return l.Name }},
			column[clientLine]{"of", clientLine.home},
			column[clientLine]{"may", clientLine.may},
			column[clientLine]{"alg", func(l clientLine) string { return l.Alg }},
			column[clientLine]{"status", func(l clientLine) string { return l.Status }})
	})
}
