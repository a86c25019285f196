// Command bench measures the server against floors, side by side in one run: a
// floor is a plain net/http handler that answers the same bytes ("bare"), signs
// or verifies once, or writes or reads the same rows by the database driver
// alone, as durable, for as many callers ("raw"). Where there is no such floor it
// is held against itself in easier circumstances, or against another program.
//
// The server and the floors are children of this process, so that processor
// time is counted for each. Slices of time go A B A B; the ratio shown is the
// median over the rounds. Rounds in which other programs used the machine are
// thrown away and repeated up to a bound; when the machine is never quiet the
// quietest rounds are used and the table says so.
//
// The exit status is 0 however slow the server is, and 1 when something is broken.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"countersign.dev/internal/pdf"
)

// options are the command line.
type options struct {
	conns, rounds, users, accounts, packages int
	slice                                    time.Duration
	engines                                  []string
	only                                     []string
	quick, tenfold                           bool
	profiles                                 string
}

// wants reports whether an item is to be run: B1 names B1 and B1a, not B10.
func (o options) wants(id string) bool {
	return len(o.only) == 0 || slices.ContainsFunc(o.only, func(prefix string) bool {
		rest, ok := strings.CutPrefix(id, prefix)
		return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
	})
}

// wantsAny reports whether one of some items is to be run.
func (o options) wantsAny(of []item) bool {
	return slices.ContainsFunc(of, func(it item) bool { return o.wants(it.id) })
}

func main() {
	pdf.Child()
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "role-") {
		exit(role(os.Args[1], os.Args[2]))
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// role is what a child does.
func role(name, spec string) error {
	switch name {
	case "role-server":
		return serveOurs(spec)
	case "role-floor":
		return serveFloor(spec)
	case "role-paper":
		return servePaper(spec)
	}
	return fmt.Errorf("unknown %s", name)
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.conns, "conns", 16, "keep-alive connections")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each item")
	seconds := f.Float64("seconds", 2, "length of a slice, of one side, in seconds")
	engine := f.String("engine", "both", "sqlite, postgres or both")
	only := f.String("only", "", "items to run by the beginnings of their ids, e.g. B1,B3")
	f.IntVar(&o.users, "users", 100_000, "users in the directory")
	f.IntVar(&o.accounts, "accounts", 10_000, "accounts of the partner")
	f.IntVar(&o.packages, "packages", 10_000, "packages of the account that sends")
	f.BoolVar(&o.quick, "quick", false, "one round of one second an item, few users: does it work at all")
	f.BoolVar(&o.tenfold, "tenfold", false, "also read among ten times as many users and packages")
	f.StringVar(&o.profiles, "cpuprofile", "", "folder for a processor profile of the server for each item")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.rounds, *seconds, o.users, o.accounts, o.packages = 1, 0.5, min(o.users, 5_000), min(o.accounts, 1_000), min(o.packages, 1_000)
	}
	o.slice = time.Duration(*seconds * float64(time.Second))
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	switch *engine {
	case "both":
		o.engines = []string{"sqlite", "postgres"}
	case "sqlite", "postgres":
		o.engines = []string{*engine}
	default:
		return o, fmt.Errorf("-engine %s: sqlite, postgres or both", *engine)
	}
	if f.NArg() > 0 || o.conns < 1 || o.rounds < 1 || o.users < 10 || o.accounts < 10 || o.packages < 200 || *seconds <= 0 {
		return o, errors.New("every number must be positive, and there are no arguments beside the flags")
	}
	return o, nil
}

// run measures on every engine and prints the table, also of what was measured before something broke.
func run(ctx context.Context, o options) error {
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o700); err != nil {
			return err
		}
	}
	var all []result
	for _, engine := range o.engines {
		results, err := onEngine(ctx, o, engine)
		all = append(all, results...)
		if err != nil {
			printTable(os.Stdout, o, all)
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	printTable(os.Stdout, o, all)
	return nil
}
