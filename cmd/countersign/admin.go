package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

// database is where the administration works, also beside a running server.
type database struct {
	server.Config `embed:""`
	JSON          bool `name:"json" help:"Print JSON."`
}

// act opens the rooms for one act.
func (d *database) act(ctx context.Context, do func(*server.Rooms) error) error {
	rooms, err := server.OpenRooms(ctx, d.Config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	defer rooms.Close()
	return do(rooms)
}

// print writes members as JSON, or as lines.
func (d *database) print(members ...[2]string) error {
	if d.JSON {
		out := map[string]string{}
		for _, m := range members {
			out[m[0]] = m[1]
		}
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	for _, m := range members {
		if _, err := fmt.Printf("%-14s %s\n", m[0], m[1]); err != nil {
			return err
		}
	}
	return nil
}

type trustCommand struct {
	database `embed:""`
}

// Run prints the certificates as PEM.
func (c *trustCommand) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		pem, err := r.TrustPEM(ctx)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(pem)
		return err
	})
}

type accountCommand struct {
	Create accountCreate `cmd:"" help:"Make an account in an organisation, which is made when it does not exist."`
	Set    accountSet    `cmd:"" help:"Change settings of an account; what is not given stays as it is."`
}

type accountSet struct {
	database             `embed:""`
	Account              string        `required:"" help:"The account's id."`
	MemberIdentification string        `enum:",new browser,always,link" default:"" help:"When members prove their mailbox by a code: 'new browser', 'always', 'link' (never)."`
	SoftLease            time.Duration `help:"How long a member may look at the signing page before touching it (90s)."`
	HardLease            time.Duration `help:"How long a lease lives after the last sign of life (15m)."`
	Heartbeat            time.Duration `help:"How often the signing page gives one (30s)."`
	MaxHold              time.Duration `help:"How long one member may hold while others wait (1h)."`
}

// Run changes the settings.
func (c *accountSet) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		return r.SetAccount(ctx, c.Account, directory.Settings{MemberIdentification: c.MemberIdentification,
			SoftLease: c.SoftLease, HardLease: c.HardLease, Heartbeat: c.Heartbeat, MaxHold: c.MaxHold})
	})
}

type accountCreate struct {
	database     `embed:""`
	Organisation string `required:"" help:"Name of the organisation."`
	Name         string `required:"" help:"Name of the account."`
}

// Run makes the account.
func (c *accountCreate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		a, err := r.NewAccount(ctx, c.Organisation, c.Name)
		if err != nil {
			return err
		}
		return c.print([2]string{"account_id", a.OuterID}, [2]string{"name", a.Name})
	})
}

type clientCommand struct {
	Create clientCreate `cmd:"" help:"Make a client of an account. Its secret is shown once."`
}

type clientCreate struct {
	database `embed:""`
	Account  string   `required:"" help:"The account's id."`
	Name     string   `default:"client" help:"What the client is."`
	Right    []string `required:"" help:"What it may do: users.manage, sign."`
}

// Run makes the client.
func (c *clientCreate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		id, secret, err := r.NewClient(ctx, c.Account, c.Name, c.Right)
		if err != nil {
			return err
		}
		return c.print([2]string{"client_id", id}, [2]string{"client_secret", secret})
	})
}
