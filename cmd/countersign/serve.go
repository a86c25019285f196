package main

import (
	"context"
	"errors"
	"log/slog"

	"countersign.dev/internal/server"
)

type serveCommand struct {
	server.Config `embed:""`
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	c.Version = version
	s, err := server.Open(ctx, c.Config, log)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close())
}
