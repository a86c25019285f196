package console

import (
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// clientsPage is the view of the programs of an account.
type clientsPage struct {
	Path    string
	Clients []authn.AccountClient
	Rights  []rightChoice
	Users   bool // the viewer sees the pages of users

	Tokens    []authn.AccessToken
	HasTokens bool // the viewer manages them

	Subscriptions, AccountKeys []keyHandedOut
	HasKeys                    bool // the viewer is an operator

	Client, Token, Subscription, AccountKey form
}

type rightChoice struct {
	Right authz.Right
	Title string
	Help  string
}

// keyHandedOut is a key of IntelAgree's interface with whom it acts as.
type keyHandedOut struct {
	authn.HandedKey
	User string
}

var rightHelp = map[authz.Right]string{authz.Sign: "Packages, senders and groups, as an administrator of the account.",
	authz.ManageUsers: "Create and change users and the secrets of programs.", authz.ReadAccess: "See who holds which permission."}

// clients lists the programs that are connected to the account.
func (c *console) clients(v *visit) error {
	view, err := v.clientsPage()
	if err != nil {
		return err
	}
	return v.show("clients", view)
}

func (v *visit) clientsPage() (view clientsPage, err error) {
	v.trail("Clients", "")
	view = clientsPage{Path: v.path("clients"), Users: v.may("GET /console/accounts/{account}/users/{user}"), HasTokens: v.role&managers != 0, HasKeys: v.role == operator,
		Client: filled("right", string(authz.Sign)), Token: filled("days", "90"), Subscription: filled(), AccountKey: filled()}
	if view.Clients, err = v.c.Authn.ClientsOf(v.ctx(), v.p); err != nil {
		return view, err
	}
	for _, r := range authn.ClientRights {
		if v.role == partnerDeveloper && r != authz.Sign || v.p.Kind == authz.Member && !v.p.Has(r) {
			continue
		}
		view.Rights = append(view.Rights, rightChoice{r, rightWord(r), rightHelp[r]})
	}
	if view.HasTokens {
		tokens, err := v.c.Authn.AccessTokens(v.ctx(), v.p, v.account.OuterID)
		if err != nil {
			view.HasTokens = false
			if err = v.without(err); err != nil {
				return view, err
			}
		}
		for _, t := range tokens {
			if t.Revoked.IsZero() && !t.Void && t.Expires.After(time.Now()) {
				view.Tokens = append(view.Tokens, t)
			}
		}
	}
	if view.HasKeys {
		err = v.keysOf(&view)
	}
	return view, err
}

// keysOf fills in the keys of IntelAgree's interface.
func (v *visit) keysOf(view *clientsPage) error {
	subscriptions, keys, err := v.c.Authn.KeysOf(v.ctx(), v.p)
	if err != nil {
		return err
	}
	for _, k := range subscriptions {
		view.Subscriptions = append(view.Subscriptions, keyHandedOut{k, ""})
	}
	for _, k := range keys {
		u, err := v.c.Directory.OneUser(v.ctx(), v.p, k.SenderID)
		if err != nil {
			return err
		}
		view.AccountKeys = append(view.AccountKeys, keyHandedOut{k, u.Name()})
	}
	return nil
}

// clientsAgain shows the page again with a form that was refused.
func (v *visit) clientsAgain(err error, at func(*clientsPage) *form) error {
	view, failed := v.clientsPage()
	if failed != nil {
		return failed
	}
	*at(&view) = v.refused(err)
	return v.again(err, "clients", view)
}

// newClient makes an integration user with its client, and shows the secret.
func (c *console) newClient(v *visit) error {
	var rights []authz.Right
	for _, r := range v.r.PostForm["right"] {
		rights = append(rights, authz.Right(r))
	}
	id, secret, err := c.Authn.CreateClientAs(v.ctx(), v.p, rights, v.value("name"))
	if err != nil {
		return v.clientsAgain(err, func(p *clientsPage) *form { return &p.Client })
	}
	v.trail("Clients", v.path("clients"), "New client", "")
	return v.showSecret("New client", v.path("clients"), secretShown{"Client id", "It names the program, and is no secret.", id},
		secretShown{"Client secret", "Whoever has it acts as the program.", secret})
}

// theClient is the one of the address. NotFound "client.unknown".
func (v *visit) theClient() (authn.AccountClient, error) {
	all, err := v.c.Authn.ClientsOf(v.ctx(), v.p)
	if err != nil {
		return authn.AccountClient{}, err
	}
	for _, one := range all {
		if one.ID == v.r.PathValue("client") {
			v.trail("Clients", v.path("clients"), one.Name, "")
			return one, nil
		}
	}
	return authn.AccountClient{}, unknownClient()
}

func unknownClient() error {
	return errs.New(errs.NotFound, "client.unknown", "There is no such client.")
}

// askRotateClient and askEndClient ask before a secret is made and a client revoked.
func (c *console) askRotateClient(v *visit) error {
	one, err := v.theClient()
	if err != nil {
		return err
	}
	return v.show("ask", newSecretPage(one.Name, v.path("clients", one.ID, "rotate"), v.path("clients")))
}

func (c *console) rotateClient(v *visit) error {
	one, err := v.theClient()
	if err != nil {
		return err
	}
	overlap, err := v.overlap()
	secret := ""
	if err == nil {
		secret, err = c.Authn.RotateClientAs(v.ctx(), v.p, one.ID, overlap)
	}
	if err != nil {
		view := newSecretPage(one.Name, v.path("clients", one.ID, "rotate"), v.path("clients"))
		view.Form = v.refused(err)
		return v.again(err, "ask", view)
	}
	return v.showSecret("New secret", v.path("clients"), secretShown{"Client secret", "Of the client " + one.ID + ".", secret})
}

func (c *console) askEndClient(v *visit) error {
	one, err := v.theClient()
	if err != nil {
		return err
	}
	return v.show("ask", askPage{Title: "Revoke", Name: one.Name, Danger: true, Word: "Revoke", Back: v.path("clients"), Path: v.path("clients", one.ID, "end"),
		Text: "Its secret and tokens end at once and for good: the program that uses them stops working. What it sent stays."})
}

func (c *console) endClient(v *visit) error {
	if err := c.Authn.RevokeClientAs(v.ctx(), v.p, v.r.PathValue("client")); err != nil {
		return err
	}
	return v.done(v.path("clients"), "client.ended")
}

// byEmail is the sender id of a user of the account. NotFound "user.unknown" on the field.
func (v *visit) byEmail(field string) (string, error) {
	found, err := v.c.Directory.Users(v.ctx(), v.p, directory.ListedFilter{Status: "active", Email: v.value(field)}, "", 1)
	if err == nil && (v.value(field) == "" || len(found.Users) == 0) {
		err = errs.New(errs.NotFound, "user.unknown", "No active user of the account has this address.").On(field)
	}
	if err != nil {
		return "", err
	}
	return found.Users[0].SenderID, nil
}

// newAccessToken makes a token for the access list that reads it as one user.
func (c *console) newAccessToken(v *visit) error {
	user, err := v.byEmail("user")
	var token string
	var expires time.Time
	if err == nil {
		days, bad := strconv.Atoi(v.value("days"))
		if bad != nil || days < 1 || days > 366 {
			err = errs.New(errs.Invalid, "access_token.life", "A token is good for 1 to 366 days.").On("days")
		} else {
			_, token, expires, err = c.Authn.NewAccessToken(v.ctx(), v.p, v.account.OuterID, user, v.value("name"), time.Duration(days)*24*time.Hour)
		}
	}
	if err != nil {
		return v.clientsAgain(err, func(p *clientsPage) *form { return &p.Token })
	}
	v.trail("Clients", v.path("clients"), "Access token", "")
	return v.showSecret("Access token", v.path("clients"), secretShown{"Token",
		"Good until " + expires.UTC().Format("2 January 2006") + ". Whoever has it reads the access list of this account.", token})
}

func (c *console) endAccessToken(v *visit) error {
	if err := c.Authn.RevokeAccessToken(v.ctx(), v.p, v.r.PathValue("token")); err != nil {
		return err
	}
	return v.done(v.path("clients"), "token.ended")
}

// newKey makes a subscription key, or an account key that acts as one user.
func (c *console) newKey(v *visit) error {
	id, key, user := "", "", ""
	title, at := "Subscription key", func(p *clientsPage) *form { return &p.Subscription }
	var err error
	if v.r.PathValue("kind") == "account" {
		title, at = "Account key", func(p *clientsPage) *form { return &p.AccountKey }
		if user, err = v.byEmail("user"); err == nil {
			id, key, err = c.Authn.NewAccountKeyAs(v.ctx(), v.p, v.account.OuterID, user, v.value("name"))
		}
	} else {
		id, key, err = c.Authn.NewSubscriptionAs(v.ctx(), v.p, v.account.OuterID, v.value("name"))
	}
	if err != nil {
		return v.clientsAgain(err, at)
	}
	v.trail("Clients", v.path("clients"), title, "")
	return v.showSecret(title, v.path("clients"), secretShown{title, "The key with the id " + id + ".", key})
}

func (c *console) endKey(v *visit) error {
	end := c.Authn.EndSubscriptionAs
	if v.r.PathValue("kind") == "account" {
		end = c.Authn.EndAccountKeyAs
	}
	if err := end(v.ctx(), v.p, v.r.PathValue("key")); err != nil {
		return err
	}
	return v.done(v.path("clients"), "key.ended")
}

// rightsWords are rights in one line.
func rightsWords(list []authz.Right) string {
	var out []string
	for _, r := range list {
		out = append(out, rightWord(r))
	}
	return strings.Join(out, ", ")
}

// programs are the pages of what is connected to an account.
func (c *console) programs() []route {
	const clients, connect = account + "/clients", managers | partnerDeveloper
	return []route{
		{pattern: "GET " + clients, roles: connect, handle: c.clients},
		{pattern: "POST " + clients, roles: connect, handle: c.newClient},
		{pattern: "GET " + clients + "/{client}/rotate", roles: connect, handle: c.askRotateClient},
		{pattern: "POST " + clients + "/{client}/rotate", roles: connect, handle: c.rotateClient},
		{pattern: "GET " + clients + "/{client}/end", roles: connect, handle: c.askEndClient},
		{pattern: "POST " + clients + "/{client}/end", roles: connect, handle: c.endClient},
		{pattern: "POST " + account + "/tokens", roles: managers, handle: c.newAccessToken},
		{pattern: "POST " + account + "/tokens/{token}/end", roles: managers, handle: c.endAccessToken},
		{pattern: "POST " + account + "/keys/{kind}", roles: operator, handle: c.newKey},
		{pattern: "POST " + account + "/keys/{kind}/{key}/end", roles: operator, handle: c.endKey},
	}
}
