package console

import (
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// look is one thing on the front page: how many there are, and the way to them.
type look struct {
	Count, Title, Detail string
	Path                 string // empty: the viewer has no page of them
	Tone                 string // "", warn or bad
}

// homePage is the view of what needs a look.
type homePage struct {
	Looks []look
	Uses  []bar
	Lines []directory.Account // accounts the viewer runs, when it is no single one
	Count int
	Name  string // of the account, on its own page
}

// home shows what needs a look: of the account of a user, or the way to the accounts of who runs several.
func (c *console) home(v *visit) error {
	if v.p.Kind != authz.Staff {
		return v.accountLooks()
	}
	view := homePage{}
	partners, err := c.Directory.PartnersOf(v.ctx(), v.p)
	if err != nil {
		return err
	}
	waiting := 0
	for _, p := range partners {
		if p.Status != directory.PartnerActive {
			waiting++
		}
	}
	if waiting > 0 {
		view.Looks = append(view.Looks, look{number(waiting), plural(waiting, "partner is", "partners are") + " not active",
			"Their interface is shut until somebody lets them in.", v.to("GET /console/partners"), "warn"})
	}
	view.Looks = append(view.Looks, look{number(len(partners)), plural(len(partners), "partner", "partners"), "", v.to("GET /console/partners"), ""})
	if view.Lines, view.Count, err = c.Directory.ReachedAccounts(v.ctx(), v.p, directory.AccountQuery{}, "", 20); err != nil {
		return err
	}
	view.Looks = append(view.Looks, look{number(view.Count), plural(view.Count, "account", "accounts"), "", v.to("GET /console/accounts"), ""})
	if v.role == operator {
		if err := v.failedCallbacks(&view, ""); err != nil {
			return err
		}
	}
	return v.show("home", view)
}

// to is the path of a page without an account, if the viewer sees it.
func (v *visit) to(pattern string) string {
	if !v.may(pattern) {
		return ""
	}
	return pattern[len("GET "):]
}

// below is the path of a page of the account, if the viewer sees it.
func (v *visit) below(name string) string {
	if !v.may("GET /console/accounts/{account}/" + name) {
		return ""
	}
	return v.path(name)
}

// accountHome is what needs a look in one account.
func (c *console) accountHome(v *visit) error { return v.accountLooks() }

func (v *visit) accountLooks() error {
	view := homePage{Name: v.account.Name}
	for _, part := range []func(*homePage) error{v.packageLooks, v.callbackLooks, v.userLooks} {
		if err := part(&view); err != nil {
			return err
		}
	}
	slices.SortStableFunc(view.Looks, func(a, b look) int { return urgency[b.Tone] - urgency[a.Tone] })
	return v.show("home", view)
}

// urgency is which things come first.
var urgency = map[string]int{"bad": 2, "warn": 1}

// packageLooks counts packages: those of the account for its administrators, those he owns or sees for a sender.
func (v *visit) packageLooks(view *homePage) error {
	path := v.below("packages")
	if v.role&(operator|administrator|sender) == 0 {
		return nil
	}
	for _, one := range []struct {
		query                           signing.Query
		one, many, detail, params, tone string
	}{
		{signing.Query{Inbox: true}, "package waits for you", "packages wait for you", "Sign or decline.", "?inbox=yes", "warn"},
		{signing.Query{Expiring: true}, "package expires soon", "packages expire soon", "Within a week, and not everybody has signed.", "?status=SENT", "warn"},
		{signing.Query{Status: []signing.Status{signing.Sent}}, "package is under way", "packages are under way", "Sent, and not complete.", "?status=SENT", ""},
		{signing.Query{Status: []signing.Status{signing.Draft}}, "draft", "drafts", "Not sent yet.", "?status=DRAFT", ""},
	} {
		if one.query.Inbox && v.p.User == "" {
			continue
		}
		one.query.Limit, one.query.Bare = 1, true
		found, err := v.c.Signing.List(v.ctx(), v.p, one.query)
		if err != nil {
			return v.without(err)
		}
		n := found.Count
		if n == 0 {
			if one.tone != "" {
				continue
			}
			one.params = ""
		}
		to := ""
		if path != "" {
			to = path + one.params
		}
		view.Looks = append(view.Looks, look{number(n), plural(n, one.one, one.many), one.detail, to, one.tone})
	}
	return nil
}

// callbackLooks counts deliveries that failed, of who sees the account's callbacks.
func (v *visit) callbackLooks(view *homePage) error {
	if v.role&(managers|partnerDeveloper) == 0 {
		return nil
	}
	return v.failedCallbacks(view, v.account.ID)
}

func (v *visit) failedCallbacks(view *homePage, account string) error {
	failed, err := v.c.Webhook.Deliveries(v.ctx(), account, "failed")
	if err != nil || len(failed) == 0 {
		return err
	}
	to := ""
	if account != "" {
		if to = v.below("callbacks"); to != "" {
			to += "?state=failed"
		}
	}
	view.Looks = append(view.Looks, look{number(len(failed)), plural(len(failed), "callback failed", "callbacks failed"),
		"The receiver did not take them.", to, "bad"})
	return nil
}

// userLooks counts people and seats, of who runs the account.
func (v *visit) userLooks(view *homePage) error {
	if v.role&managers == 0 {
		return nil
	}
	active, err := v.c.Directory.Users(v.ctx(), v.p, directory.ListedFilter{Status: "active"}, "", 1)
	if err != nil {
		return v.without(err)
	}
	view.Looks = append(view.Looks, look{number(active.Total), plural(int(active.Total), "user", "users"), "Active or invited.", v.below("users"), ""})
	invited, err := v.c.Directory.CountInvited(v.ctx(), v.p)
	if err != nil {
		return v.without(err)
	}
	if invited > 0 {
		view.Looks = append(view.Looks, look{number(invited), plural(invited, "invitation is", "invitations are") + " not accepted",
			"Whoever was invited proves the mailbox by the link in the mail.", v.below("users"), "warn"})
	}
	uses, err := v.c.Directory.Usage(v.ctx(), v.p)
	if err != nil {
		return v.without(err)
	}
	for _, u := range uses {
		view.Uses = append(view.Uses, usage(consumableWords[u.Type], u.Used, u.Cap))
		if u.Type == directory.Seats && u.Cap > 0 && u.Used*10 >= u.Cap*9 {
			view.Looks = append(view.Looks, look{number(u.Cap - u.Used), plural(int(u.Cap-u.Used), "seat is left", "seats are left"),
				"When all are taken nobody can be invited.", v.below("users"), "bad"})
		}
	}
	return nil
}

// without leaves a part of the page out that its room refuses.
func (v *visit) without(err error) error {
	if errs.KindOf(err) != errs.Denied {
		return err
	}
	page.Note(v.r, err)
	return nil
}

var consumableWords = map[string]string{directory.Seats: "Seats", directory.PhoneAuth: "Phone authentications", directory.KBA: "Knowledge-based authentications"}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
