package main

import (
	"context"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/server"
)

type intelAgreeCommand struct {
	Subscription subscriptionCommand `cmd:"" help:"Administer subscription keys, which every call of the IntelAgree interface carries."`
	AccountKey   accountKeyCommand   `cmd:"" help:"Administer account keys, with which programs get tokens that act as one user."`
}

type subscriptionCommand struct {
	Create subscriptionCreate `cmd:"" help:"Make a subscription key of an account. It is shown once."`
	List   subscriptionList   `cmd:"" help:"List the subscription keys, those that have ended among them."`
	End    subscriptionEnd    `cmd:"" help:"End a subscription key at once."`
}

type subscriptionCreate struct {
	database `embed:""`
	Account  string `required:"" placeholder:"ID" help:"The account's id."`
	Name     string `default:"subscription" help:"What the key is for."`
}

// Run makes the key.
func (c *subscriptionCreate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		id, key, err := r.Authn.NewSubscription(ctx, c.Account, c.Name)
		if err != nil {
			return err
		}
		return c.print([2]string{"key_id", id}, [2]string{"subscription_key", key})
	})
}

// keyLine is a key as it is printed.
type keyLine struct {
	ID      string `json:"key_id"`
	Name    string `json:"name"`
	Account string `json:"account"`
	User    string `json:"user,omitempty"` // the sender's id, of an account key
	Status  string `json:"status"`         // active, ended
	Created string `json:"created"`
	Ended   string `json:"ended,omitempty"`
}

func listKeys(ctx context.Context, d *database, r *server.Rooms, keys []authn.HandedKey) error {
	names, err := r.Names(ctx)
	if err != nil {
		return err
	}
	var lines []keyLine
	for _, k := range keys {
		l := keyLine{ID: k.ID, Name: k.Name, Account: names.Account[k.Account], User: k.SenderID, Status: "active",
			Created: moment(k.Created), Ended: moment(k.Ended)}
		if !k.Ended.IsZero() {
			l.Status = "ended"
		}
		lines = append(lines, l)
	}
	return list(d, lines,
		column[keyLine]{"key", func(l keyLine) string { return l.ID }},
		column[keyLine]{"name", func(l keyLine) string { return l.Name }},
		column[keyLine]{"account", func(l keyLine) string { return l.Account }},
		column[keyLine]{"user", func(l keyLine) string { return orDash(l.User) }},
		column[keyLine]{"status", func(l keyLine) string { return l.Status }})
}

type subscriptionList struct {
	database `embed:""`
}

// Run lists the keys.
func (c *subscriptionList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Authn.Subscriptions(ctx)
		if err != nil {
			return err
		}
		return listKeys(ctx, &c.database, r, all)
	})
}

// oneKey is what ends a key needs.
type oneKey struct {
	database `embed:""`
	ID       string `arg:"" help:"The key's id."`
}

func (c *oneKey) end(ctx context.Context, end func(r *server.Rooms) error) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := end(r); err != nil {
			return err
		}
		return c.print([2]string{"key_id", c.ID}, [2]string{"status", "ended"})
	})
}

type subscriptionEnd struct {
	oneKey `embed:""`
}

// Run ends the key.
func (c *subscriptionEnd) Run(ctx context.Context) error {
	return c.end(ctx, func(r *server.Rooms) error { return r.Authn.EndSubscription(ctx, c.ID) })
}

type accountKeyCommand struct {
	Create accountKeyCreate `cmd:"" help:"Make an account key of a user. It is shown once."`
	List   accountKeyList   `cmd:"" help:"List the account keys, those that have ended among them."`
	End    accountKeyEnd    `cmd:"" help:"End an account key: itself at once, its tokens within a second."`
}

type accountKeyCreate struct {
	database `embed:""`
	Account  string `required:"" placeholder:"ID" help:"The account's id."`
	User     string `required:"" placeholder:"ID" help:"Id of the sender as whom the key's tokens act; they may do what he may."`
	Name     string `default:"account key" help:"What the key is for."`
}

// Run makes the key.
func (c *accountKeyCreate) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		id, key, err := r.Authn.NewAccountKey(ctx, c.Account, c.User, c.Name)
		if err != nil {
			return err
		}
		return c.print([2]string{"key_id", id}, [2]string{"account_key", key})
	})
}

type accountKeyList struct {
	database `embed:""`
}

// Run lists the keys.
func (c *accountKeyList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Authn.AccountKeys(ctx)
		if err != nil {
			return err
		}
		return listKeys(ctx, &c.database, r, all)
	})
}

type accountKeyEnd struct {
	oneKey `embed:""`
}

// Run ends the key.
func (c *accountKeyEnd) Run(ctx context.Context) error {
	return c.end(ctx, func(r *server.Rooms) error { return r.Authn.EndAccountKey(ctx, c.ID) })
}
