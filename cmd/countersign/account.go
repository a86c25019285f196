package main

import (
	"context"
	"fmt"
	"strings"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

type accountCommand struct {
	Create accountCreate `cmd:"" help:"Make an account in an organisation, which is made when it does not exist."`
	Set    accountSet    `cmd:"" help:"Change settings of an account; what is not given stays as it is, and the value inherit takes back what was set."`
	List   accountList   `cmd:"" help:"List the accounts, those that partners made among them."`
}

type accountSet struct {
	database     `embed:""`
	settingFlags `embed:""`
	Account      string `required:"" placeholder:"ID" help:"The account's id."`
}

// Run changes the settings.
func (c *accountSet) Run(ctx context.Context) error {
	if c.empty() {
		return errNothing
	}
	logo, err := c.logo()
	if err != nil {
		return err
	}
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Directory.SetAccount(ctx, c.Account, c.settings(), logo); err != nil {
			return err
		}
		return c.print([2]string{"account_id", c.Account}, [2]string{"result", "changed"})
	})
}

type accountCreate struct {
	database     `embed:""`
	Organisation string `required:"" help:"Name of the organisation."`
	Name         string `required:"" help:"Name of the account."`
}

// Run makes the account.
func (c *accountCreate) Run(ctx context.Context) error {
	return c.begin(ctx, func(r *server.Rooms) error {
		a, err := r.NewAccount(ctx, c.Organisation, c.Name)
		if err != nil {
			return err
		}
		return c.print([2]string{"account_id", a.OuterID}, [2]string{"name", a.Name})
	})
}

type accountList struct {
	database `embed:""`
}

// accountLine is an account as it is printed.
type accountLine struct {
	ID           string           `json:"account_id"`
	Name         string           `json:"name"`
	Organisation string           `json:"organisation"`
	Partner      string           `json:"partner,omitempty"`
	Company      string           `json:"company,omitempty"`
	Country      string           `json:"country,omitempty"`
	Caps         map[string]int64 `json:"consumables,omitempty"`
	Own          settingsLine     `json:"settings"`
	Effective    settingsLine     `json:"effective"`
	Created      string           `json:"created"`
}

func lineOfAccount(a directory.Account, names *server.Names) accountLine {
	l := accountLine{ID: a.OuterID, Name: a.Name, Organisation: names.Organisation[a.Organisation], Partner: names.Partner[a.Partner],
		Company: a.Company, Country: a.Country, Own: lineOfSettings(a.Settings), Effective: lineOfSettings(a.Effective()),
		Created: moment(a.Created)}
	for _, c := range a.Consumables {
		if l.Caps == nil {
			l.Caps = map[string]int64{}
		}
		l.Caps[c.Type] = c.Cap
	}
	return l
}

// caps are the quotas in one cell.
func (l accountLine) caps() string {
	var words []string
	for _, name := range []string{directory.Seats, directory.PhoneAuth, directory.KBA} {
		if n, ok := l.Caps[name]; ok {
			words = append(words, fmt.Sprintf("%s %d", name, n))
		}
	}
	return orDash(strings.Join(words, ", "))
}

// Run lists the accounts.
func (c *accountList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Directory.Accounts(ctx)
		if err != nil {
			return err
		}
		names, err := r.Names(ctx)
		if err != nil {
			return err
		}
		var lines []accountLine
		for _, a := range all {
			lines = append(lines, lineOfAccount(a, names))
		}
		return list(&c.database, lines,
			column[accountLine]{"account", func(l accountLine) string { return l.ID }},
			column[accountLine]{"name", func(l accountLine) string { return l.Name }},
			column[accountLine]{"organisation", func(l accountLine) string { return l.Organisation }},
			column[accountLine]{"partner", func(l accountLine) string { return orDash(l.Partner) }},
			column[accountLine]{"country", func(l accountLine) string { return orDash(l.Country) }},
			column[accountLine]{"caps", accountLine.caps},
			column[accountLine]{"settings", func(l accountLine) string { return l.Own.words() }})
	})
}
