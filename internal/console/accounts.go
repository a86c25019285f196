package console

import (
	"countersign.dev/internal/directory"
)

// accountsPage is the view of the list of accounts.
type accountsPage struct {
	Form     form // the filter
	Accounts []accountLine
	Partners []choice
	New      bool
	Pager    pages
}

type accountLine struct {
	directory.Account
	Company, Partner string // names of its organisation and its partner
	Path             string
}

// accounts lists those that the viewer reaches.
func (c *console) accounts(v *visit) error {
	v.trail("Accounts", "")
	view := accountsPage{Form: form{Values: v.r.URL.Query()}, New: v.may("GET /console/accounts/new"), Partners: []choice{{"", "All"}}}
	partners, err := c.Directory.PartnersOf(v.ctx(), v.p)
	if err != nil {
		return err
	}
	organisations, _, err := c.Directory.OrganisationsOf(v.ctx(), v.p)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, p := range partners {
		names[p.ID] = p.Name
		view.Partners = append(view.Partners, choice{p.OuterID, p.Name})
	}
	list, count, err := c.Directory.ReachedAccounts(v.ctx(), v.p, directory.AccountQuery{Search: v.asked("search"), Partner: v.asked("partner")}, v.asked("after"), listedAtOnce+1)
	if err != nil {
		return err
	}
	next := ""
	if len(list) > listedAtOnce {
		list = list[:listedAtOnce]
		next = list[listedAtOnce-1].ID
	}
	for _, a := range list {
		view.Accounts = append(view.Accounts, accountLine{a, orElse(a.Company, organisations[a.Organisation]), names[a.Partner], accountPath(a.OuterID)})
	}
	view.Pager = v.pager(next, number(count)+plural(count, " account", " accounts"))
	return v.show("accounts", view)
}

// newAccount asks for a new account.
func (c *console) newAccount(v *visit) error {
	v.trail("Accounts", root+"/accounts", "New account", "")
	return v.show("account_new", userForm{filled("organisation", v.asked("organisation"))})
}

// createAccount makes an account of an organisation.
func (c *console) createAccount(v *visit) error {
	a, err := c.Directory.CreateAccountAs(v.ctx(), v.p, directory.NewAccount{Organisation: v.value("organisation"), Name: v.value("name")})
	if err != nil {
		v.trail("Accounts", root+"/accounts", "New account", "")
		return v.again(err, "account_new", userForm{v.refused(err)})
	}
	return v.done(accountPath(a.OuterID), "account.created")
}
