package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

// lookupTime is how long a look into the DNS may take.
const lookupTime = 20 * time.Second

type domainCommand struct {
	Add    domainAdd    `cmd:"" help:"Claim a domain for an organisation; prints the DNS record that proves it."`
	Verify domainVerify `cmd:"" help:"Look for the DNS record and, when it is there, take the domain as proven."`
	Vouch  domainVouch  `cmd:"" help:"Take a domain as the organisation's on your word, without DNS."`
	List   domainList   `cmd:"" help:"List the domains of an organisation."`
}

// ofOrganisation is what all commands on domains are about.
type ofOrganisation struct {
	database     `embed:""`
	Organisation string `required:"" help:"Name of the organisation."`
}

// domainLine is a domain as it is printed.
type domainLine struct {
	Domain string `json:"domain"`
	Status string `json:"status"` // claimed, proven
	How    string `json:"how,omitempty"`
	Since  string `json:"proven,omitempty"`
	Record string `json:"txt_record"` // the value of the TXT record at the domain's own name
}

func lineOfDomain(d directory.Domain) domainLine {
	l := domainLine{Domain: d.Name, Status: "claimed", How: d.How, Since: moment(d.Proven), Record: d.Record()}
	if !d.Proven.IsZero() {
		l.Status = "proven"
	}
	return l
}

// publish is the record as a zone file writes it.
func (l domainLine) publish() string { return fmt.Sprintf("%s. IN TXT %q", l.Domain, l.Record) }

func (o *ofOrganisation) show(d directory.Domain) error {
	l := lineOfDomain(d)
	if o.JSON {
		return printJSON(l)
	}
	members := [][2]string{{"domain", l.Domain}, {"status", l.Status}}
	if l.Status == "claimed" {
		members = append(members, [2]string{"publish", l.publish()})
	} else {
		members = append(members, [2]string{"next", "a partner that is registered already gets it by: partner set ID --domain all"})
	}
	return o.print(members...)
}

type domainAdd struct {
	ofOrganisation `embed:""`
	Domain         string `arg:"" help:"The domain, as in partner.example."`
}

// Run claims the domain.
func (c *domainAdd) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		d, err := r.Directory.AddDomain(ctx, c.Organisation, c.Domain)
		if err != nil {
			return err
		}
		return c.show(d)
	})
}

type domainVerify struct {
	ofOrganisation `embed:""`
	Domain         string `arg:"" help:"The domain."`
	Resolver       string `help:"DNS server to ask, host:port. Default: the system's."`
}

// Run looks for the record.
func (c *domainVerify) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		look, stop := context.WithTimeout(ctx, lookupTime)
		defer stop()
		d, err := r.Directory.VerifyDomain(look, resolver(c.Resolver), c.Organisation, c.Domain)
		if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsNotFound {
			return fmt.Errorf("the DNS could not be asked: %w", dns)
		}
		if err != nil {
			return err
		}
		return c.show(d)
	})
}

// resolver asks the system's DNS servers, or the one at address.
func resolver(address string) directory.Resolver {
	if address == "" {
		return net.DefaultResolver
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "53")
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
}

type domainVouch struct {
	ofOrganisation `embed:""`
	Domain         string `arg:"" help:"The domain."`
}

// Run takes the operator's word.
func (c *domainVouch) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		d, err := r.Directory.VouchDomain(ctx, c.Organisation, c.Domain)
		if err != nil {
			return err
		}
		return c.show(d)
	})
}

type domainList struct {
	ofOrganisation `embed:""`
}

// Run lists the domains.
func (c *domainList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Directory.Domains(ctx, c.Organisation)
		if err != nil {
			return err
		}
		var lines []domainLine
		for _, d := range all {
			lines = append(lines, lineOfDomain(d))
		}
		return list(&c.database, lines,
			column[domainLine]{"domain", func(l domainLine) string { return l.Domain }},
			column[domainLine]{"status", func(l domainLine) string { return l.Status }},
			column[domainLine]{"how", func(l domainLine) string { return l.How }},
			column[domainLine]{"proven", func(l domainLine) string { return l.Since }},
			column[domainLine]{"txt record", func(l domainLine) string { return l.Record }})
	})
}
