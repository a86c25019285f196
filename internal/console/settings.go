package console

import (
	"encoding/json"
	"strconv"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// settingsPage is the view of an account's settings.
type settingsPage struct {
	directory.Account
	Path      string
	Settings  []settingLine
	Form      form
	Logo      string // digest
	Inherited bool   // it is the channel's

	Uses      []bar
	Caps      form
	MayCap    bool
	Expiry    form
	Licences  []licenceLine
	UsersPath string
	Provider  *authn.IdentityProvider
	MayProve  bool // say how the organisation's people sign in
	Sign      form
	Redirect  string // what the provider has to be told
}

type licenceLine struct {
	Name  string
	Count int64
}

// accountSettings shows what is set in an account, and what holds.
func (c *console) accountSettings(v *visit) error {
	view, err := v.settingsPage()
	if err != nil {
		return err
	}
	return v.show("settings", view)
}

func (v *visit) settingsPage() (view settingsPage, err error) {
	v.trail("Settings", "")
	view = settingsPage{Account: v.account, Path: v.path("settings"), Form: settingsForm(v.account.Settings), MayCap: v.role&(operator|partnerAdmin) != 0,
		UsersPath: v.below("users"), Redirect: v.c.BaseURL + authn.ProviderPath}
	view.lines()
	for _, part := range []func(*settingsPage) error{v.quotasOf, v.expiryOf, v.licencesOf, v.providerOf} {
		if err = part(&view); err != nil {
			return view, err
		}
	}
	view.Logo, view.Inherited, err = v.c.Directory.LogoOf(v.ctx(), v.p)
	return view, err
}

func (view *settingsPage) lines() {
	view.Settings = settingLines(view.Form, view.Account.Settings, view.Channel, view.Effective())
}

// quotasOf fills in what is used.
func (v *visit) quotasOf(view *settingsPage) error {
	uses, err := v.c.Directory.Usage(v.ctx(), v.p)
	view.Caps = filled()
	for _, u := range uses {
		view.Uses = append(view.Uses, usage(consumableWords[u.Type], u.Used, u.Cap))
		if u.Cap > 0 || u.Cap < 0 && u.Type != directory.Seats {
			view.Caps.Values.Set(u.Type, strconv.FormatInt(u.Cap, 10))
		}
	}
	return err
}

// expiryOf fills in how long packages live.
func (v *visit) expiryOf(view *settingsPage) error {
	data, err := v.c.Directory.Document(v.ctx(), v.p, directory.ExpiryTimes, "")
	var e directory.Expiry
	if err == nil && data != nil {
		err = json.Unmarshal(data, &e)
	}
	view.Expiry = filled()
	for name, days := range map[string]int{"usual": e.Usual, "most": e.Most} {
		if days > 0 {
			view.Expiry.Values.Set(name, strconv.Itoa(days))
		}
	}
	return err
}

// licencesOf counts who has which product.
func (v *visit) licencesOf(view *settingsPage) error {
	catalogue, err := v.c.Access.Catalogue(v.ctx(), v.p)
	if err != nil {
		return v.without(err)
	}
	for _, l := range catalogue.Licences {
		found, err := v.c.Directory.Users(v.ctx(), v.p, directory.ListedFilter{Status: "active", Licence: l.Name}, "", 1)
		if err != nil {
			return err
		}
		view.Licences = append(view.Licences, licenceLine{l.Title, found.Total})
	}
	return nil
}

// providerOf fills in where the organisation's people sign in, if the viewer may say so.
func (v *visit) providerOf(view *settingsPage) error {
	var err error
	view.Sign = filled()
	if view.Provider, err = v.c.Authn.ProviderOf(v.ctx(), v.p, v.account.Organisation); err != nil {
		if errs.KindOf(err) == errs.NotFound { // staff of a partner, and the account is another organisation's
			return nil
		}
		return v.without(err)
	}
	view.MayProve = true
	if view.Provider != nil {
		view.Sign = filled("issuer", view.Provider.Issuer, "client", view.Provider.ClientID)
	}
	return nil
}

func (v *visit) settingsAgain(err error, at func(*settingsPage) *form) error {
	view, failed := v.settingsPage()
	if failed != nil {
		return failed
	}
	*at(&view) = settingProblem(err, v.refused(err))
	view.lines()
	return v.again(err, "settings", view)
}

// changeSettings changes the account's settings and logo.
func (c *console) changeSettings(v *visit) error {
	s, err := v.settings()
	var logo []byte
	if err == nil {
		logo, err = v.logo()
	}
	if err == nil {
		err = c.Directory.ChangeSettings(v.ctx(), v.p, s, logo)
	}
	if err != nil {
		return v.settingsAgain(err, func(p *settingsPage) *form { return &p.Form })
	}
	return v.done(v.path("settings"), "settings.changed")
}

// changeQuotas sets the caps of the account; an empty one is no limit.
func (c *console) changeQuotas(v *visit) error {
	var list []directory.Consumable
	var err error
	for _, kind := range []string{directory.Seats, directory.PhoneAuth, directory.KBA} {
		n, bad := strconv.ParseInt(orElse(v.value(kind), "0"), 10, 64)
		if bad != nil || n < -1 || n > 1_000_000_000 {
			err = errs.New(errs.Invalid, "consumable.cap", "A cap is a whole number; empty is no limit.").On(kind)
		}
		list = append(list, directory.Consumable{Type: kind, Cap: n})
	}
	if err == nil {
		err = c.Directory.ChangeConsumables(v.ctx(), v.p, list)
	}
	if err != nil {
		return v.settingsAgain(err, func(p *settingsPage) *form { return &p.Caps })
	}
	return v.done(v.path("settings"), "quotas.changed")
}

// changeExpiry sets how long packages live once they are sent, in days.
func (c *console) changeExpiry(v *visit) error {
	days := func(name string) (int, error) {
		n, err := strconv.Atoi(orElse(v.value(name), "0"))
		if err != nil || n < 0 || n > 3650 {
			return 0, errs.New(errs.Invalid, "expiry.days", "Packages live for 1 to 3650 days; empty says nothing.").On(name)
		}
		return n, nil
	}
	usual, err := days("usual")
	most := 0
	if err == nil {
		most, err = days("most")
	}
	if err == nil && most > 0 && usual > most {
		err = errs.New(errs.Invalid, "expiry.days", "The usual number of days is not above the most.").On("usual")
	}
	if err == nil {
		_, err = c.Directory.ChangeDocument(v.ctx(), v.p, directory.ExpiryTimes, "", func(was json.RawMessage) (json.RawMessage, error) {
			kept := map[string]any{}
			if was != nil && json.Unmarshal(was, &kept) != nil {
				kept = map[string]any{}
			}
			kept["maximumRemainingDays"], kept["remainingDays"] = most, usual
			return json.Marshal(kept)
		})
	}
	if err != nil {
		return v.settingsAgain(err, func(p *settingsPage) *form { return &p.Expiry })
	}
	return v.done(v.path("settings"), "settings.changed")
}

// setProvider has the people of the account's organisation sign in at their own provider.
func (c *console) setProvider(v *visit) error {
	err := c.Authn.SetProviderAs(v.ctx(), v.p, v.account.Organisation, v.value("issuer"), v.value("client"), v.r.PostFormValue("secret"))
	if err != nil {
		return v.settingsAgain(err, func(p *settingsPage) *form { return &p.Sign })
	}
	return v.done(v.path("settings"), "provider.set")
}

// endProvider turns it off.
func (c *console) endProvider(v *visit) error {
	if err := c.Authn.EndProviderAs(v.ctx(), v.p, v.account.Organisation); err != nil {
		return err
	}
	return v.done(v.path("settings"), "provider.ended")
}

// setup are the pages of an account's settings.
func (c *console) setup() []route {
	const settings = account + "/settings"
	return []route{
		{pattern: "GET " + settings, roles: managers, handle: c.accountSettings},
		{pattern: "POST " + settings, roles: managers, handle: c.changeSettings, upload: logoBody},
		{pattern: "POST " + settings + "/quotas", roles: operator | partnerAdmin, handle: c.changeQuotas},
		{pattern: "POST " + settings + "/expiry", roles: managers, handle: c.changeExpiry},
		{pattern: "POST " + settings + "/provider", roles: managers, handle: c.setProvider},
		{pattern: "POST " + settings + "/provider/end", roles: managers, handle: c.endProvider},
	}
}
