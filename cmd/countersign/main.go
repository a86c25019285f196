// Command countersign is the whole of Countersign in one binary: the server,
// its administration, the demo and the verifier of sealed documents.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
)

// version is set by the build.
var version = "development"

type commands struct {
	Config kong.ConfigFlag `help:"Read settings from this JSON file, by the flags' names. Flags come first, then the environment, then the file." type:"path" env:"COUNTERSIGN_CONFIG"`
	Log    string          `enum:"text,json" default:"text" help:"Form of the log: text, json." env:"COUNTERSIGN_LOG"`

	Demo     demoCommand     `cmd:"" help:"Start a server with a sample tenant and walk a document through it."`
	Serve    serveCommand    `cmd:"" help:"Run the server."`
	Verify   verifyCommand   `cmd:"" help:"Check a sealed PDF, offline. Exits 0 intact, 1 altered or unsigned, 2 not readable."`
	Trust    trustCommand    `cmd:"" help:"Print the certificates to trust in this installation's seals, for verify --trust and PDF readers."`
	Account  accountCommand  `cmd:"" help:"Administer accounts."`
	Client   clientCommand   `cmd:"" help:"Administer programs that call the interfaces."`
	Partner  partnerCommand  `cmd:"" help:"Administer partners, who onboard their customers through the Acrobat Sign Embed interface."`
	Domain   domainCommand   `cmd:"" help:"Administer the mail domains of organisations."`
	Callback callbackCommand `cmd:"" help:"Administer what is told to receivers of callbacks."`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	Permission       permissionCommand       `cmd:"" help:"Administer the permissions of an account."`
	Preset           presetCommand           `cmd:"" help:"Administer the presets (permission sets) of an account."`
	Licence          licenceCommand          `cmd:"" help:"Administer the licences of an account."`
	Entity           entityCommand           `cmd:"" help:"Administer what an account's grants are scoped by."`
	Grant            grantCommand            `cmd:"" help:"Administer who holds what in an account."`
	AccessToken      accessTokenCommand      `cmd:"" help:"Administer tokens that read who holds which permission."`
	IntelAgree       intelAgreeCommand       `cmd:"" name:"intelagree" help:"Administer the keys of the IntelAgree interface."`
	Staff            staffCommand            `cmd:"" help:"Administer the people of the console who are no account's users: operators and partners' people."`
	IdentityProvider identityProviderCommand `cmd:"" help:"Administer where organisations' people sign in to the console."`
}

func main() {
	pdf.Child()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// exitCode is an error that only says how to exit.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func run(ctx context.Context, args []string) int {
	var cli commands
	parser, err := kong.New(&cli, kong.Name("countersign"), kong.Description("Self-hosted electronic signatures for teams: "+
		"a document goes to a group, one member signs, the seal proves it."), kong.Configuration(fromFile),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ExplicitGroups([]kong.Group{{Key: "server", Title: "The server's settings, as for serve; most need only --data or --database:"}}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "countersign:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%s", err)
		return 2
	}
	err = parsed.Run(newLog(cli.Log))
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "countersign:", sentence(err))
		return 1
	}
	return 0
}

// sentence is what a person should read of an error.
func sentence(err error) string {
	if refusal, ok := errors.AsType[*errs.Error](err); ok && refusal.Detail != "" {
		return refusal.Detail
	}
	return err.Error()
}

func newLog(form string) *slog.Logger {
	if form == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	_, err := fmt.Println("countersign", version)
	return err
}
