package access_test

import (
	"context"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// T11: who changes a user's address in the console has his mailbox, and with it the next sign-in link. So nobody takes
// over one who holds what he could not grant.
func TestT11EscalationThroughAnAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStage(build(t, d))
		private := s.plain()
		if _, err := s.directory.SetPrivacyAdmin(context.Background(), s.as(s.boss), private.SenderID, true); err != nil {
			t.Fatal(err)
		}
		strong, poor := s.plain(), s.plain()
		s.give(of(strong), access.OfPermission, 4, access.Scope{})
		for _, c := range []struct {
			name string
			p    authz.Principal
			u    directory.User
			what string // "" is allowed
		}{
			{"one who may act as others, by users.manage", s.as(s.admin), strong, "grant.escalation"},
			{"the same, by a manager", s.as(s.boss), strong, "grant.escalation"},
			{"a privacy administrator", s.as(s.admin), private, "manager.needed"},
			{"a manager", s.as(s.admin), s.boss, "manager.needed"},
			{"one who holds nothing", s.as(s.admin), poor, ""},
			{"a privacy administrator, by a manager", s.as(s.boss), private, ""},
			{"oneself", s.as(s.admin), s.admin, ""},
		} {
			mine := "mine" + c.u.ID + "@example.com"
			title := "Esq."
			if _, err := s.directory.ChangeAccountUser(context.Background(), c.p, c.u.SenderID, directory.UserChange{Title: &title, Email: &c.u.Email}, access.MayBecome(c.p)); err != nil && c.what != "manager.needed" {
				t.Errorf("%s: another title: %v", c.name, err)
			}
			is, err := s.directory.ChangeAccountUser(context.Background(), c.p, c.u.SenderID, directory.UserChange{Email: &mine}, access.MayBecome(c.p))
			if c.what == "" && (err != nil || is.Email != mine) || c.what != "" && !errs.Is(err, c.what) {
				t.Errorf("%s: %+v, %v", c.name, is.Email, err)
			}
		}
	})
}
