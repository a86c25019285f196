package console

import (
	"errors"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/errs"
)

// sessionsPage is the view of one's own sessions.
type sessionsPage struct {
	Sessions []authn.ConsoleSession
	Here     string // id of the session that asks
}

// sessions lists where one is signed in.
func (c *console) sessions(v *visit) error {
	v.trail("Sessions", "")
	list, err := c.Authn.ConsoleSessions(v.ctx(), v.p)
	if err != nil {
		return err
	}
	return v.show("sessions", sessionsPage{list, v.session.ID})
}

// endSession ends one of one's own sessions; the one that asks is a sign-out.
func (c *console) endSession(v *visit) error {
	id := v.r.PathValue("session")
	if id == v.session.ID {
		return c.signOut(v)
	}
	if err := c.Authn.EndConsoleSession(v.ctx(), v.p, id); err != nil {
		return err
	}
	return v.done(root+"/sessions", "session.ended")
}

// passwordPage is the view of one's own password.
type passwordPage struct {
	Form form
	Has  bool
}

// password asks for a new password, and for the old one of who has one.
func (c *console) password(v *visit) error { return v.passwordPage(nil) }

func (v *visit) passwordPage(refused error) error {
	v.trail("Password", "")
	has, err := v.c.Authn.HasPassword(v.ctx(), v.p)
	if err != nil {
		return err
	}
	if refused == nil {
		return v.show("password", passwordPage{filled(), has})
	}
	if e, ok := errors.AsType[*errs.Error](refused); ok && e.Kind == errs.Unauthenticated {
		refused = errs.New(errs.Denied, e.What, e.Detail).On(e.Field) // the old password was wrong; the session is good
	}
	return v.again(refused, "password", passwordPage{v.refused(refused), has})
}

// setPassword sets it.
func (c *console) setPassword(v *visit) error {
	fresh := v.r.PostFormValue("password")
	err := same(fresh, v.r.PostFormValue("again"))
	if err == nil {
		err = c.Authn.SetPassword(v.ctx(), v.p, v.r.PostFormValue("old"), fresh)
	}
	if err != nil {
		return v.passwordPage(err)
	}
	return v.done(root+"/password", "password.set")
}
