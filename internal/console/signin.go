package console

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// signInPage is the view of the pages on which somebody says who he is.
type signInPage struct {
	Form     form
	Email    string
	ReturnTo string
	Provider string // organisation whose own provider signs people of the address in; empty: none
	Sent     string // "link" or "password": what was mailed
}

// signIn asks for an address.
func (c *console) signIn(v *visit) error {
	v.known()
	return v.show("signin", signInPage{Form: filled(), ReturnTo: v.returnTo(v.asked("return_to"))})
}

// known gives a browser that is about to sign in a cookie, to which nonces are bound.
func (v *visit) known() {
	if v.browser() != "" {
		return
	}
	value := rand.Text() + rand.Text() // as long as BeginOIDC wants it
	v.c.SetCookie(v.w, visitorName, value, root)
	v.r.AddCookie(&http.Cookie{Name: visitorName, Value: value})
}

// returnTo is a page of the console, and nothing else, to go to after signing in; empty is the front page.
func (v *visit) returnTo(asked string) string {
	if to := authn.ReturnTo(asked); to != root {
		return to
	}
	return ""
}

// entrance is the view of the second page of signing in.
func (v *visit) entrance() signInPage {
	return signInPage{Form: form{Values: v.r.PostForm}, Email: v.value("email"), ReturnTo: v.returnTo(v.value("return_to"))}
}

// askHow offers the ways of signing in that the address's organisation has. It tells nothing of who has the address.
func (c *console) askHow(v *visit) error {
	view := v.entrance()
	if _, err := directory.CanonicalEmail(view.Email); err != nil {
		view.Form = v.refused(err)
		return v.again(err, "signin", view)
	}
	return v.ways(http.StatusOK, view)
}

func (v *visit) ways(status int, view signInPage) (err error) {
	if view.Provider, err = v.c.Authn.ProviderFor(v.ctx(), view.Email); err != nil {
		return err
	}
	return v.c.Render(v.w, v.r, status, "ways", view)
}

// waysAgain shows the ways again after one did not do.
func (v *visit) waysAgain(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); !ok || errs.KindOf(err) == errs.Fault {
		return err
	}
	page.Note(v.r, err)
	view := v.entrance()
	view.Form = v.refused(err)
	return v.ways(page.StatusOf(err), view)
}

// mailLink mails a link to sign in, if somebody has the address.
func (c *console) mailLink(v *visit) error {
	view := v.entrance()
	if err := c.Authn.SendSignInLink(v.ctx(), view.Email, view.ReturnTo); err != nil {
		return v.waysAgain(err)
	}
	view.Sent = "link"
	return v.show("sent", view)
}

// mailPasswordLink mails a link to set a password, if somebody has the address.
func (c *console) mailPasswordLink(v *visit) error {
	view := v.entrance()
	if err := c.Authn.SendPasswordLink(v.ctx(), view.Email); err != nil {
		return v.waysAgain(err)
	}
	view.Sent = "password"
	return v.show("sent", view)
}

// enterByPassword signs in by a password.
func (c *console) enterByPassword(v *visit) error {
	in, err := c.Authn.PasswordSignIn(v.ctx(), v.value("email"), v.r.PostFormValue("password"), v.value("person"), v.returnTo(v.value("return_to")))
	if err != nil {
		return v.waysAgain(err)
	}
	return v.entered(in)
}

// linkPage is the view of a mailed link's page.
type linkPage struct {
	Form   form
	Token  string
	People []choice // whose password it may be, where the address is several people's
}

// link shows a button. It changes nothing, whoever asks: mail scanners, previews and prefetching browsers do.
func (c *console) link(v *visit) error {
	v.known()
	if v.asked("token") == "" {
		return page.SeeOther(v.w, v.r, root+"/sign-in")
	}
	return v.show("link", linkPage{Token: v.asked("token")})
}

// enterByLink exchanges a mailed token, or the ticket of a choice, for a session.
func (c *console) enterByLink(v *visit) error {
	in, err := c.Authn.RedeemLink(v.ctx(), v.value("token"), v.value("person"))
	if err != nil {
		return v.spent(err)
	}
	return v.entered(in)
}

// spent shows that a link does no longer do, and where to get another.
func (v *visit) spent(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); !ok || errs.KindOf(err) == errs.Fault {
		return err
	}
	page.Note(v.r, err)
	return v.c.Render(v.w, v.r, page.StatusOf(err), "spent", v.refused(err))
}

// choosePage is the view of a choice among several identities.
type choosePage struct {
	Ticket string
	People []directory.Person
}

// entered ends a sign-in: with a session, or with the choice of who one is.
func (v *visit) entered(in authn.Entered) error {
	if in.Cookie == "" {
		return v.show("choose", choosePage{in.Ticket, in.Choose})
	}
	if old := page.Cookie(v.r, cookieName); old != "" {
		if err := v.c.Authn.SignOut(v.ctx(), old); err != nil { // nobody is two people in one browser
			page.Note(v.r, err)
		}
	}
	v.c.SetCookie(v.w, cookieName, in.Cookie, root)
	v.c.SetCookie(v.w, visitorName, "", root)
	return page.SeeOther(v.w, v.r, cmp.Or(v.returnTo(in.ReturnTo), root))
}

// passwordLink asks for the new password of who came by a mailed link. It changes nothing.
func (c *console) passwordLink(v *visit) error {
	v.known()
	if v.asked("token") == "" {
		return page.SeeOther(v.w, v.r, root+"/sign-in")
	}
	return v.show("newpassword", linkPage{Form: filled(), Token: v.asked("token")})
}

// setByLink sets a password and signs in.
func (c *console) setByLink(v *visit) error {
	fresh := v.r.PostFormValue("password")
	err := same(fresh, v.r.PostFormValue("again"))
	var in authn.Entered
	if err == nil {
		in, err = c.Authn.SetPasswordByLink(v.ctx(), v.value("token"), v.value("person"), fresh)
	}
	switch {
	case errs.KindOf(err) == errs.Invalid, errs.Is(err, "sign_in.busy"): // the link stays good
		return v.again(err, "newpassword", linkPage{Form: v.refused(err), Token: v.value("token")})
	case err != nil:
		return v.spent(err)
	case in.Cookie == "": // the password is entered again: it goes into no page
		view := linkPage{Form: filled(), Token: in.Ticket}
		for _, p := range in.Choose {
			view.People = append(view.People, choice{p.ID, p.Name + ", " + cmp.Or(p.AccountName, roleWords[staffRoles[p.Role]])})
		}
		return v.show("newpassword", view)
	}
	return v.entered(in)
}

// same refuses a password that was not repeated as it was. Invalid "password.repeated".
func same(password, again string) error {
	if password != again {
		return errs.New(errs.Invalid, "password.repeated", "The two passwords are not the same.").On("again")
	}
	return nil
}

// elsewherePage is the view of the way to an identity provider.
type elsewherePage struct{ Organisation, URL, Host string }

// goElsewhere sends the browser to the organisation's identity provider. The content policy keeps forms on this host,
// so the way leads over a page.
func (c *console) goElsewhere(v *visit) error {
	v.known()
	organisation, err := c.Authn.ProviderFor(v.ctx(), v.value("email"))
	if err != nil || organisation == "" {
		return v.waysAgain(cmp.Or(err, error(errs.New(errs.NotFound, "provider.unknown", "Your organisation has no sign-in of its own."))))
	}
	to, cookie, err := c.Authn.BeginOIDC(v.ctx(), organisation, page.Cookie(v.r, visitorName), v.returnTo(v.value("return_to")))
	if err != nil {
		return v.waysAgain(err)
	}
	at, err := url.Parse(to)
	if err != nil {
		return err
	}
	v.c.SetCookie(v.w, visitorName, cookie, root)
	v.w.Header().Set("Refresh", "0; url="+at.String())
	return v.show("elsewhere", elsewherePage{organisation, at.String(), at.Host})
}

// fromElsewhere takes an identity provider's answer.
func (c *console) fromElsewhere(v *visit) error {
	q := v.r.URL.Query()
	in, err := c.Authn.FinishOIDC(v.ctx(), authn.OIDCAnswer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")},
		page.Cookie(v.r, visitorName))
	if err != nil {
		return v.spent(err)
	}
	return v.entered(in)
}

// signOut ends the session of this browser.
func (c *console) signOut(v *visit) error {
	if err := c.Authn.SignOut(v.ctx(), page.Cookie(v.r, cookieName)); err != nil && errs.KindOf(err) == errs.Fault {
		return err
	}
	c.SetCookie(v.w, cookieName, "", root)
	return page.SeeOther(v.w, v.r, root+"/sign-in")
}
