package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

const (
	// cookieName is the cookie of the console's session.
	cookieName = "cs_console"
	// visitorName is the cookie of a browser that is about to sign in.
	visitorName = "cs_visitor"
)

// visit is one request: who asks, as whom, and about which account.
type visit struct {
	c *console
	w http.ResponseWriter
	r *http.Request

	// Who is signed in; zero on the pages for anybody.
	session authn.ConsoleSession
	// p is who acts. Below /console/accounts/{account} its Account is that account's.
	p    authz.Principal
	role role
	// account is the one of the address, else that of the user who is signed in; zero for staff elsewhere.
	account directory.Account
	// crumbs are the way here, set by trail.
	crumbs []crumb
}

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

func (v *visit) ctx() context.Context { return v.r.Context() }

// guarded is a page behind the table: session, role, account and nonce are looked at before its code runs.
func (c *console) guarded(t route) page.Route {
	return page.Route{Pattern: t.pattern, Handle: func(w http.ResponseWriter, r *http.Request) error {
		v := visitOf(r)
		v.w, v.r = w, r
		if t.roles != anybody {
			if err := v.enter(); err != nil {
				return v.turnAway(err)
			}
		}
		if err := v.admit(t); err != nil {
			return err
		}
		if r.Method == http.MethodPost {
			if err := v.posted(t.upload); err != nil {
				return err
			}
		}
		return t.handle(v)
	}}
}

// enter finds out who is signed in. Unauthenticated "session.none".
func (v *visit) enter() (err error) {
	if v.p, v.session, err = v.c.Authn.ConsolePrincipal(v.ctx(), page.Cookie(v.r, cookieName)); err != nil {
		return err
	}
	v.role = staffRoles[v.session.Person.Role]
	if v.p.Kind == authz.Staff {
		return nil
	}
	u, err := v.c.Directory.Self(v.ctx(), v.p)
	switch {
	case err != nil:
		return err
	case u.Type == directory.Manager || v.p.Has(authz.ManageUsers):
		v.role = administrator
	case u.Sender:
		v.role = sender
	default:
		v.role = member
	}
	v.account, err = v.c.Directory.ReachedAccount(v.ctx(), v.p, u.AccountOuterID)
	return err
}

var staffRoles = map[directory.StaffRole]role{directory.Operator: operator, directory.PartnerAdmin: partnerAdmin,
	directory.PartnerDeveloper: partnerDeveloper}

// turnAway sends who is not signed in to do so, and back here afterwards.
func (v *visit) turnAway(err error) error {
	if errs.KindOf(err) != errs.Unauthenticated || page.WantsData(v.r) {
		return err
	}
	v.p, v.session = authz.Principal{}, authn.ConsoleSession{}
	to := root + "/sign-in"
	if back := v.r.URL.RequestURI(); v.r.Method == http.MethodGet && back != root {
		to += "?return_to=" + url.QueryEscape(back)
	}
	return page.SeeOther(v.w, v.r, to)
}

// admit refuses whom the table does not let in: NotFound "account.unknown" about an account out of
// reach, Denied "page.role" otherwise.
func (v *visit) admit(t route) (err error) {
	if outer := v.r.PathValue("account"); outer != "" && t.roles != anybody {
		if v.account, err = v.c.Directory.ReachedAccount(v.ctx(), v.p, outer); err != nil {
			return err
		}
		v.p.Account = v.account.ID
	}
	if !v.sees(t) {
		return errs.New(errs.Denied, "page.role", "Your role does not include this page. Ask an administrator if you need it.")
	}
	return nil
}

// sees reports whether the table lets the viewer in.
func (v *visit) sees(t route) bool {
	return t.roles == anybody || t.roles&v.role != 0 || t.right != "" && v.p.Has(t.right)
}

// may reports whether the viewer sees the page of a pattern, for links and buttons to it.
func (v *visit) may(pattern string) bool {
	t, ok := v.c.seen[pattern]
	return ok && v.sees(t)
}

// posted reads the form and refuses one that is not from a page of this browser. Denied "page.nonce"; and as page.Form.
func (v *visit) posted(max int64) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, cmp.Or(max, page.MaxBody))
	var err error
	if max > 0 && strings.HasPrefix(v.r.Header.Get("Content-Type"), "multipart/") {
		err = v.r.ParseMultipartForm(page.MaxBody)
	} else {
		err = v.r.ParseForm()
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.New(errs.TooLarge, "body.too_large", "The request is too large.")
	}
	if err != nil {
		return errs.New(errs.Invalid, "body.malformed", "The form is not well-formed.").Because(err)
	}
	return v.c.CheckNonce(v.r.PostFormValue("nonce"), v.browser(), root)
}

// browser is what nonces are bound to: the session, or before it the cookie of who is about to sign in.
func (v *visit) browser() string {
	return cmp.Or(page.Cookie(v.r, cookieName), page.Cookie(v.r, visitorName))
}

// value is what was entered in a field of the form, without blanks around it.
func (v *visit) value(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// asked is a member of the address's query, without blanks around it.
func (v *visit) asked(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// path is the address of a page of the account, such as v.path("users", id).
func (v *visit) path(parts ...string) string { return accountPath(v.account.OuterID, parts...) }

func accountPath(account string, parts ...string) string {
	return below(root+"/accounts", append([]string{account}, parts...)...)
}

// below is a path with parts after it.
func below(path string, parts ...string) string {
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}

// show writes a page.
func (v *visit) show(name string, view any) error {
	return v.c.Render(v.w, v.r, http.StatusOK, name, view)
}

// again shows a form again that err refused; view's Form is from v.refused(err). What is no refusal stays an error.
func (v *visit) again(err error, name string, view any) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Kind == errs.Fault || e.Kind == errs.NotFound && e.Field == "" || e.Kind == errs.Unauthenticated {
		return err
	}
	page.Note(v.r, err)
	return v.c.Render(v.w, v.r, page.StatusOf(err), name, view)
}

// done leads on to one of our own paths, where the word's sentence is shown; "" is none.
func (v *visit) done(path, word string) error {
	if word != "" {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "done=" + url.QueryEscape(word)
	}
	return page.SeeOther(v.w, v.r, path)
}

// unknown answers every path that has no page.
func (c *console) unknown(v *visit) error {
	_ = v.enter() // who is signed in keeps his navigation
	return errs.New(errs.NotFound, "page.unknown", "There is no page at this address.")
}
