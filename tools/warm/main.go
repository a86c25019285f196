// Command warm compiles PDFium into the cache that all tests share, once. It is
// also the child of tests under the race detector, which could not be one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"countersign.dev/internal/pdf"
)

func main() {
	pdf.Child()
	if err := warm(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func warm(ctx context.Context) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	jail, err := pdf.Open(ctx, pdf.Config{CacheDir: filepath.Join(cache, "countersign-test-pdfium"), Idle: 1})
	if err != nil {
		return err
	}
	return errors.Join(jail.Ready(ctx), jail.Close())
}
