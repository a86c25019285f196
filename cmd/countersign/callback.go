package main

import (
	"context"
	"strconv"
	"time"

	"countersign.dev/internal/server"
	"countersign.dev/internal/webhook"
)

type callbackCommand struct {
	List      callbackList   `cmd:"" help:"List deliveries to receivers of callbacks: those that failed and those that wait after a failure."`
	SendAgain callbackAgain  `cmd:"" help:"Have failed deliveries tried anew for three days; they keep their ids and their order."`
	Secret    callbackSecret `cmd:"" help:"Make the secret that signs an account's callbacks anew, and print it: the only time it is shown."`
}

type callbackList struct {
	database `embed:""`
	Account  string `placeholder:"ID" help:"Only this account's."`
	State    string `enum:",waiting,delivered,failed" default:"" help:"Only those that are waiting, delivered or failed."`
}

// deliveryLine is a delivery as it is printed.
type deliveryLine struct {
	ID        string `json:"id"`
	Account   string `json:"account_id"`
	Origin    string `json:"origin,omitempty"`
	Host      string `json:"host"`
	Package   string `json:"package_id"`
	Event     string `json:"event"`
	State     string `json:"state"`
	Tries     int    `json:"tries"`
	Status    int    `json:"status,omitempty"`
	LastError string `json:"last_error,omitempty"`
	Raised    string `json:"raised"`
	Next      string `json:"next_try,omitempty"`
	Ended     string `json:"ended,omitempty"`
}

func lineOfDelivery(d webhook.Delivery) deliveryLine {
	return deliveryLine{ID: d.ID, Account: d.Account, Origin: d.Origin, Host: d.Host, Package: d.Package, Event: d.Event, State: d.State, Tries: d.Tries,
		Status: d.Status, LastError: d.LastError, Raised: moment(d.Raised), Next: moment(d.Next), Ended: moment(d.Ended)}
}

// Run lists the deliveries.
func (c *callbackList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Callbacks(ctx, c.Account, c.State)
		if err != nil {
			return err
		}
		var lines []deliveryLine
		for _, d := range all {
			lines = append(lines, lineOfDelivery(d))
		}
		return list(&c.database, lines,
			column[deliveryLine]{"id", func(l deliveryLine) string { return l.ID }},
			column[deliveryLine]{"account", func(l deliveryLine) string { return l.Account }},
			column[deliveryLine]{"host", func(l deliveryLine) string { return l.Host }},
			column[deliveryLine]{"package", func(l deliveryLine) string { return l.Package }},
			column[deliveryLine]{"event", func(l deliveryLine) string { return l.Event }},
			column[deliveryLine]{"state", func(l deliveryLine) string { return l.State }},
			column[deliveryLine]{"tries", func(l deliveryLine) string { return strconv.Itoa(l.Tries) }},
			column[deliveryLine]{"raised", func(l deliveryLine) string { return l.Raised }},
			column[deliveryLine]{"last error", func(l deliveryLine) string { return orDash(l.LastError) }})
	})
}

type callbackAgain struct {
	database `embed:""`
	Account  string `required:"" placeholder:"ID" help:"The account's id."`
	Delivery string `arg:"" optional:"" help:"The delivery's id, as listed. Default: all of the account that failed."`
}

// Run has them tried anew.
func (c *callbackAgain) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		n, err := r.SendCallbacksAgain(ctx, c.Account, c.Delivery)
		if err != nil {
			return err
		}
		return c.print([2]string{"account_id", c.Account}, [2]string{"deliveries", strconv.Itoa(n)})
	})
}

type callbackSecret struct {
	database `embed:""`
	Account  string        `required:"" placeholder:"ID" help:"The account's id."`
	Origin   string        `placeholder:"NAME" help:"The connector, for a callback of callback/connectors. Default: the account's own callback."`
	Overlap  time.Duration `default:"0s" help:"How long the former secret signs beside the new one, up to 720h."`
}

// Run makes the secret.
func (c *callbackSecret) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		secret, err := r.NewCallbackSecret(ctx, c.Account, c.Origin, c.Overlap)
		if err != nil {
			return err
		}
		return c.print([2]string{"account_id", c.Account}, [2]string{"secret", secret})
	})
}
