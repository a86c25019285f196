package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"countersign.dev/internal/demo"
)

type demoCommand struct {
	demo.Config `embed:""`
	Verbose     bool `help:"Print the server's log, too."`
}

// Run plays the demo.
func (c *demoCommand) Run(ctx context.Context, log *slog.Logger) error {
	if !c.Verbose {
		log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	return demo.Run(ctx, c.Config, os.Stdout, log)
}
