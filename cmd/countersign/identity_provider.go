package main

import (
	"context"
	"slices"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/server"
)

type identityProviderCommand struct {
	Set  identityProviderSet  `cmd:"" help:"Have the people of an organisation sign in to the console at an OpenID provider, which is asked for its configuration at once."`
	Show identityProviderShow `cmd:"" help:"Show the identity providers, or an organisation's."`
	Off  identityProviderOff  `cmd:"" help:"Turn an organisation's identity provider off."`
}

type identityProviderSet struct {
	ofOrganisation `embed:""`
	Issuer         string `required:"" help:"The provider's issuer, an https URL."`
	ClientID       string `name:"client-id" required:"" help:"What the provider knows this server by."`
	ClientSecret   string `name:"client-secret" help:"The secret that goes with it; better in the environment than on the command line. None for a public client." env:"COUNTERSIGN_CLIENT_SECRET"`
}

// Run sets the provider.
func (c *identityProviderSet) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Authn.SetIdentityProvider(ctx, c.Organisation, c.Issuer, c.ClientID, c.ClientSecret); err != nil {
			return err
		}
		return c.print([2]string{"organisation", c.Organisation}, [2]string{"issuer", c.Issuer}, [2]string{"redirect_uri", r.Authn.RedirectURI()})
	})
}

type identityProviderShow struct {
	database     `embed:""`
	Organisation string `placeholder:"NAME" help:"Name of the organisation; all without it."`
}

// providerLine is a provider as it is printed.
type providerLine struct {
	Organisation string `json:"organisation"`
	Issuer       string `json:"issuer"`
	ClientID     string `json:"client_id"`
	Status       string `json:"status"` // on, off
	Updated      string `json:"updated"`
}

// Run shows the providers.
func (c *identityProviderShow) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Authn.IdentityProviders(ctx)
		if err != nil {
			return err
		}
		var lines []providerLine
		for _, p := range all {
			l := providerLine{Organisation: p.Organisation, Issuer: p.Issuer, ClientID: p.ClientID, Status: "off", Updated: moment(p.Updated)}
			if p.Enabled {
				l.Status = "on"
			}
			lines = append(lines, l)
		}
		if c.Organisation != "" {
			lines = slices.DeleteFunc(lines, func(l providerLine) bool { return l.Organisation != c.Organisation })
			if len(lines) == 0 {
				return errs.New(errs.NotFound, "provider.unknown", "The organisation has no identity provider.")
			}
		}
		return list(&c.database, lines,
			column[providerLine]{"organisation", func(l providerLine) string { return l.Organisation }},
			column[providerLine]{"issuer", func(l providerLine) string { return l.Issuer }},
			column[providerLine]{"client", func(l providerLine) string { return l.ClientID }},
			column[providerLine]{"status", func(l providerLine) string { return l.Status }})
	})
}

type identityProviderOff struct {
	ofOrganisation `embed:""`
}

// Run turns the provider off.
func (c *identityProviderOff) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Authn.EndIdentityProvider(ctx, c.Organisation); err != nil {
			return err
		}
		return c.print([2]string{"organisation", c.Organisation}, [2]string{"status", "off"})
	})
}
