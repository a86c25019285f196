package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"countersign.dev/internal/evidence"
	"countersign.dev/internal/pdf"
)

// verifyLimit is the largest file that is checked: a sealed document is larger than the one uploaded.
const verifyLimit = 256 << 20

type verifyCommand struct {
	File  string `arg:"" help:"The PDF to check." type:"existingfile"`
	Trust string `help:"Certificates (PEM) of those who may seal; without it the issuer is not checked." type:"existingfile"`
	JSON  bool   `name:"json" help:"Print the report as JSON."`
}

// Run prints the report and exits with its verdict. What keeps it from a verdict exits with 2, too: 1 is
// altered or unsigned.
func (c *verifyCommand) Run(ctx context.Context) error {
	err := c.verify(ctx)
	if _, verdict := errors.AsType[exitCode](err); err == nil || verdict {
		return err
	}
	fmt.Fprintln(os.Stderr, "countersign:", err)
	return exitCode(2)
}

func (c *verifyCommand) verify(ctx context.Context) error {
	roots, err := c.roots()
	if err != nil {
		return err
	}
	file, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	jail, err := pdf.Open(ctx, pdf.Config{Limits: pdf.Limits{Bytes: verifyLimit}, Idle: 1})
	if err != nil {
		return err
	}
	defer jail.Close()
	report, err := evidence.Verify(ctx, jail, file, roots)
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(report); err != nil {
			return err
		}
	} else {
		report.WriteText(os.Stdout)
	}
	if code := report.Verdict.ExitCode(); code != 0 {
		return exitCode(code)
	}
	return nil
}

func (c *verifyCommand) roots() (*x509.CertPool, error) {
	if c.Trust == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.Trust)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", c.Trust)
	}
	return pool, nil
}
