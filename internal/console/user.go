package console

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// userPage is the view of one user.
type userPage struct {
	User      directory.UserDetail
	Self      bool // he is the viewer
	Reads     bool // he holds the right to read the access list, so that tokens can be made for him
	Held      []access.Held
	Sets      []access.SetHeld
	Grants    []access.Grant // live ones that he was given, which can be ended
	Sessions  []authn.ConsoleSession
	Tokens    []authn.AccessToken
	Catalogue access.Catalogue
	Path      string

	Profile, Grant, Token form
}

// user shows one user, with what he may do and why.
func (c *console) user(v *visit) error {
	view, err := v.userPage()
	if err != nil {
		return err
	}
	return v.show("user", view)
}

func (v *visit) userPage() (view userPage, err error) {
	id := v.r.PathValue("user")
	if view.User, err = v.c.Directory.OneUser(v.ctx(), v.p, id); err != nil {
		return view, err
	}
	u := view.User
	v.trail("Users", v.path("users"), u.Name(), "")
	view.Path, view.Self = v.path("users", u.SenderID), u.ID == v.p.User
	view.Profile = filled("email", u.Email, "firstName", u.FirstName, "lastName", u.LastName, "title", u.Title, "company", u.Company, "phone", u.Phone)
	view.Grant, view.Token = filled(), filled("days", "90")
	one, err := v.c.Access.One(v.ctx(), v.p, id)
	if err != nil {
		return view, err
	}
	view.Held, view.Sets = one.Held, one.Sets
	view.Reads = u.Alive() && slices.ContainsFunc(one.Held, func(h access.Held) bool { return h.Right == authz.ReadAccess })
	view.Grants, _, err = v.c.Access.Grants(v.ctx(), v.p, access.GrantFilter{Holder: access.Holder{Kind: access.OfUser, ID: id}}, access.Page{})
	if err == nil {
		view.Catalogue, err = v.c.Access.Catalogue(v.ctx(), v.p)
	}
	if err == nil && u.Alive() {
		view.Sessions, err = v.c.Authn.ConsoleSessionsOf(v.ctx(), v.p, u.ID)
		err = v.without(err)
	}
	if err == nil {
		err = v.tokensOf(&view)
	}
	return view, err
}

// tokensOf fills in the user's live access tokens.
func (v *visit) tokensOf(view *userPage) error {
	tokens, err := v.c.Authn.AccessTokens(v.ctx(), v.p, v.account.OuterID)
	if err != nil {
		return v.without(err)
	}
	for _, t := range tokens {
		if t.SenderID == view.User.SenderID && t.Revoked.IsZero() && !t.Void {
			view.Tokens = append(view.Tokens, t)
		}
	}
	return nil
}

// userAgain shows a user's page again with a form that was refused.
func (v *visit) userAgain(err error, at func(*userPage) *form) error {
	view, failed := v.userPage()
	if failed != nil {
		return failed
	}
	*at(&view) = v.refused(err)
	return v.again(err, "user", view)
}

// changeUser changes his profile.
func (c *console) changeUser(v *visit) error {
	text := func(name string) *string { s := v.value(name); return &s }
	_, err := c.Directory.ChangeAccountUser(v.ctx(), v.p, v.r.PathValue("user"), directory.UserChange{Email: text("email"), FirstName: text("firstName"),
		LastName: text("lastName"), Title: text("title"), Company: text("company"), Phone: text("phone")}, access.MayBecome(v.p))
	if err != nil {
		return v.userAgain(err, func(p *userPage) *form { return &p.Profile })
	}
	return v.toUser("user.changed")
}

func (v *visit) toUser(word string) error {
	return v.done(v.path("users", v.r.PathValue("user")), word)
}

func (c *console) retypeUser(v *visit) error {
	if _, err := c.Directory.RetypeUser(v.ctx(), v.p, v.r.PathValue("user"), v.value("type")); err != nil {
		return err
	}
	return v.toUser("user.typed")
}

func (c *console) lockUser(v *visit) error {
	return v.onUser(c.Directory.LockUser, "user.locked")
}

func (c *console) unlockUser(v *visit) error {
	return v.onUser(c.Directory.UnlockUser, "user.unlocked")
}

func (c *console) restoreUser(v *visit) error {
	return v.onUser(c.Directory.RestoreUser, "user.restored")
}

// onUser does one act on the user of the address.
func (v *visit) onUser(act func(context.Context, authz.Principal, string) (directory.User, error), word string) error {
	if _, err := act(v.ctx(), v.p, v.r.PathValue("user")); err != nil {
		return err
	}
	return v.toUser(word)
}

// askEndUser asks before a user is deactivated.
func (c *console) askEndUser(v *visit) error {
	u, err := c.Directory.OneUser(v.ctx(), v.p, v.r.PathValue("user"))
	if err != nil {
		return err
	}
	v.trail("Users", v.path("users"), u.Name(), v.path("users", u.SenderID), "Deactivate", "")
	return v.show("user_end", userPage{User: u, Path: v.path("users", u.SenderID)})
}

func (c *console) endUser(v *visit) error {
	if err := c.Directory.EndUser(v.ctx(), v.p, v.r.PathValue("user")); err != nil {
		return err
	}
	return v.toUser("user.ended")
}

// grant gives a user a permission or a preset; "thing" is "permission 7" or "preset 2".
func (c *console) grant(v *visit) error {
	what, number, _ := strings.Cut(v.value("thing"), " ")
	g := access.NewGrant{What: what}
	var err error
	if g.Number, err = strconv.ParseInt(number, 10, 64); err != nil {
		err = errs.New(errs.Invalid, "permission.unknown", "Choose a permission or a preset.").On("thing")
	}
	for _, l := range []struct {
		name string
		list *[]int64
	}{{"organizationIds", &g.Scope.Organizations}, {"legalEntityIds", &g.Scope.LegalEntities}, {"contractTypeIds", &g.Scope.ContractTypes}} {
		if err == nil {
			*l.list, err = numbers(l.name, v.value(l.name))
		}
	}
	if err == nil {
		_, err = c.Access.Grant(v.ctx(), v.p, access.Holder{Kind: access.OfUser, ID: v.r.PathValue("user")}, g)
	}
	if err != nil {
		return v.userAgain(err, func(p *userPage) *form { return &p.Grant })
	}
	return v.toUser("grant.given")
}

// numbers reads whole numbers with commas or blanks between them; none is nil, which is all. Invalid "numbers.malformed".
func numbers(field, text string) (list []int64, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, errs.New(errs.Invalid, "numbers.malformed", "Enter whole numbers with commas between them, or nothing for all.").On(field)
		}
		list = append(list, n)
	}
	return list, nil
}

func (c *console) endGrant(v *visit) error {
	if err := c.Access.Revoke(v.ctx(), v.p, v.r.PathValue("grant")); err != nil {
		return err
	}
	return v.toUser("grant.ended")
}

func (c *console) endUserSession(v *visit) error {
	if err := c.Authn.EndConsoleSession(v.ctx(), v.p, v.r.PathValue("session")); err != nil {
		return err
	}
	return v.toUser("session.ended")
}

// secretPage is the view of what is shown once.
type secretPage struct {
	Title, Text string
	Secrets     []secretShown
	Back        string // path to go on to
}

type secretShown struct{ Title, Text, Value string }

// newToken makes an access token and shows it, once.
func (c *console) newToken(v *visit) error {
	days, err := strconv.Atoi(v.value("days"))
	if err != nil {
		err = errs.New(errs.Invalid, "token.life", "For how many days is the token good?").On("days")
	}
	id := v.r.PathValue("user")
	var token string
	var expires time.Time
	if err == nil {
		_, token, expires, err = c.Authn.NewAccessToken(v.ctx(), v.p, v.account.OuterID, id, v.value("name"), time.Duration(days)*24*time.Hour)
	}
	if err != nil {
		return v.userAgain(err, func(p *userPage) *form { return &p.Token })
	}
	v.trail("Users", v.path("users"), "Access token", "")
	return v.show("secret", secretPage{"Access token", "Copy it now: it is shown this once and stored nowhere.", []secretShown{{"Token",
		"Good until " + expires.UTC().Format("2 January 2006") + ". Whoever has it reads the access list of this account.", token}}, v.path("users", id)})
}

func (c *console) endToken(v *visit) error {
	if err := c.Authn.RevokeAccessToken(v.ctx(), v.p, v.r.PathValue("token")); err != nil {
		return err
	}
	return v.toUser("token.ended")
}
