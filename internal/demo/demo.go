// Package demo plays the journey of `countersign demo`: it starts a server with
// a sample tenant and walks a document through it as outside clients would, by
// HTTP and nothing else. What an operator does by hand, making the tenant and
// its first client, it does through the server's administration.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"countersign.dev/internal/server"
)

// Config of a demo.
type Config struct {
	Listen      string `default:"127.0.0.1:8080" help:"Address to listen on, host:port; port 0 takes a free one."`
	Data        string `help:"Directory to keep the data in. Default: a scratch directory, removed at the end." type:"path"`
	Credentials string `help:"File to write the credentials of the sample tenant to." type:"path"`
	Auto        bool   `help:"Sign as the first member, check the result, and end."`
	Out         string `help:"With --auto: file to write the sealed PDF to." type:"path"`
}

// The people of the story.
const (
	organisation = "Example Health"
	accountName  = "Example Pharmacy"
	groupName    = "Pharmacists on duty"
)

var members = []person{
	{"José", "Ñandú", "jose@example.com"},
	{"Mary", "Doe", "mary@example.com"},
}

// The partner of the story: a vendor who would give signing to customers of its own.
const partnerName = "Example Software"

var partnerDomains = []string{"partnerdomain.com", "partnerdomain.us"}

type person struct{ First, Last, Email string }

func (p person) name() string { return p.First + " " + p.Last }

// Run starts the server, plays the journey and waits for a person to sign, or
// with Auto signs itself and returns. Its error is nil when all went well.
func Run(ctx context.Context, c Config, out io.Writer, log *slog.Logger) (err error) {
	if c.Out != "" && !c.Auto {
		return errors.New("--out goes with --auto: without it a person signs, and finds the PDF in the mailbox")
	}
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "countersign-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(c.Data)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	s, err := server.Open(ctx, server.Config{Listen: listener.Addr().String(), URL: url, Data: c.Data, Mailbox: true,
		MailFrom: "Countersign <sign@example.com>", MaxDocument: 16, Product: "Countersign", ShutdownAfter: 10 * time.Second}, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, s.Close())
	}()
	j := &journey{ctx: ctx, url: url, data: c.Data, out: out, server: s}
	if err := j.play(c); err != nil {
		return err
	}
	if c.Auto {
		return j.signAndCheck(c.Out)
	}
	j.invite()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		ended <- nil
		return err
	}
}

// play walks from an empty server to a sent package.
func (j *journey) play(c Config) error {
	for _, step := range []func() error{j.makeTenant, j.makePartner, j.makeIntegrationUser, j.getToken, j.makeMembers, j.makeGroup, j.sendPackage, j.readMail, j.makePeople} {
		if err := step(); err != nil {
			return err
		}
	}
	if c.Credentials == "" {
		return nil
	}
	path, err := filepath.Abs(c.Credentials)
	if err != nil {
		return err
	}
	if err := j.writeCredentials(path); err != nil {
		return err
	}
	j.say("Credentials for outside clients are in %s", path)
	return nil
}

// invite tells the person at the terminal what to do.
func (j *journey) invite() {
	fmt.Fprintf(j.out, `
Now you are the pharmacist. Open one of the links, each in its own browser profile:
  %-12s %s
  %-12s %s
The code the page asks for is in the mailbox:
  %-12s %s/mailbox
When one has started, look at the other's page. When one has signed, the sealed
PDF is in the mailbox; check it at %s/verify.
The account's administrator sees all of it in the console:
  %-12s %s/console (%s, password %s)
Press Ctrl-C to end.
`, members[0].name(), j.links[0], members[1].name(), j.links[1], "Mailbox", j.url, j.url, "Console", j.url, adminEmail, j.people.adminPassword)
}
