package main

import (
	"context"
	"os"

	"countersign.dev/internal/server"
)

type trustCommand struct {
	database `embed:""`
}

// Run prints the certificates as PEM.
func (c *trustCommand) Run(ctx context.Context) error {
	return c.begin(ctx, func(r *server.Rooms) error {
		pem, err := r.TrustPEM(ctx)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(pem)
		return err
	})
}
