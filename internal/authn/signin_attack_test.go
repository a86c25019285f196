package authn

import (
	"context"
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// readdress gives a user to another mailbox, as who manages him may.
func (h *house) readdress(user, email string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, user, directory.UserChange{Email: &email})
		return err
	})
}

// T6: a user who is given to another mailbox is no longer whoever had the old one: neither by his session, with which he
// could even set a password for the new address, nor at his provider.
func TestT6SessionsEndWithTheAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		ann := h.active("ann@example.com", "Ann Doe")
		cookie, link := h.redeem(h.mailed(bg, ann.Email, "")), h.mailed(bg, ann.Email, "")
		e, err := h.through(o)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := h.console(cookie)
		h.readdress(ann.ID, "bob@example.com")
		h.signedOut("by a link", cookie)
		h.signedOut("at the provider", e.Cookie)
		if list, err := h.ConsoleSessions(bg, p); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		_, err = h.RedeemLink(bg, link, "")
		refused(t, err, errs.Unauthenticated, "link.invalid")
		_, err = h.through(o)
		refused(t, err, errs.Denied, "provider.unlinked")
		o.is("sub-1", "bob@example.com", true) // it was the same person after all: the provider says so
		for range 2 {
			if e, err = h.through(o); err != nil {
				t.Fatal(err)
			}
		}
		if p, _ := h.console(e.Cookie); p.User != ann.ID {
			t.Errorf("%+v", p)
		}
	})
}

// T6: an access token is dead for good once its user was locked or deactivated, on every replica alike.
func TestT6AccessTokensStayDead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for name, change := range map[string]func(u directory.User) error{
			"locked": func(u directory.User) error {
				h.lock(u.ID)
				active := directory.Active
				return h.d.Write(bg, func(tx *db.Tx) error {
					_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Status: &active})
					return err
				})
			},
			"deactivated": func(u directory.User) error {
				return errors.Join(h.deactivate(u), h.d.Write(bg, func(tx *db.Tx) error { _, err := directory.Restore(tx, u.ID); return err }))
			},
		} {
			boss := h.administrator(name+"@example.com", "Boss Doe")
			_, token := h.accessToken(boss)
			if err := errors.Join(h.bearer(token)(), change(boss)); err != nil {
				t.Fatal(err)
			}
			h.hear()
			h.dead(name, h.bearer(token))
			other := &house{Authn: h.replica(d.DB, h.post), t: t}
			other.dead(name+", to who had not seen it", other.bearer(token))
			if list, err := h.AccessTokens(bg, byCommand, h.home.OuterID); err != nil || !list[0].Void {
				t.Errorf("%+v, %v", list, err)
			}
			_, fresh := h.accessToken(h.user(boss.ID))
			if err := h.bearer(fresh)(); err != nil {
				t.Errorf("%s: a new one: %v", name, err)
			}
		}
	})
}

// T6: who knew the old password gains nothing by being under way while a new one is set.
func TestT6NewPasswordEndsSignInsUnderWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		boss := h.staff("ann@example.com", directory.Operator, "")
		e, err := h.RedeemLink(bg, h.mailed(bg, "ann@example.com", ""), boss.ID)
		if err != nil {
			t.Fatal(err)
		}
		staff, _ := h.console(e.Cookie)
		if err = h.SetPassword(bg, staff, "", goodWords); err != nil {
			t.Fatal(err)
		}
		choice, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		if err != nil || choice.Ticket == "" {
			t.Fatalf("%+v, %v", choice, err)
		}
		right, err := h.guess(bg, "ann@example.com", goodWords, func(tx *db.Tx) ([]directory.Person, error) {
			who, err := directory.PersonByID(tx, directory.KindStaff, boss.ID)
			return []directory.Person{who}, err
		})
		if err != nil || len(right) != 1 {
			t.Fatalf("%+v, %v", right, err)
		}
		if err = h.SetPassword(bg, staff, goodWords, "another good one"); err != nil {
			t.Fatal(err)
		}
		_, err = h.admit(bg, right, "ann@example.com", "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		_, err = h.RedeemLink(bg, choice.Ticket, boss.ID)
		refused(t, err, errs.Unauthenticated, "link.invalid")
		if _, err = h.PasswordSignIn(bg, "ann@example.com", "another good one", "", ""); err != nil {
			t.Error(err)
		}
	})
}

// T15: strangers who come in numbers are turned away, and who may not guess any more does not even wait.
func TestT15NobodyWaitsForeverToGuess(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		for range guessesOfAddress.Quota {
			_, err := h.PasswordSignIn(bg, "bob@example.com", "not the words at all", "", "")
			refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		}
		for range hashedAtOnce {
			h.hashing <- struct{}{}
		}
		for range hashedLater {
			h.queueing <- struct{}{}
		}
		_, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Unavailable, "sign_in.busy")
		_, err = h.PasswordSignIn(bg, "bob@example.com", goodWords, "", "")
		refused(t, err, errs.Limited, "sign_in.flood")
		<-h.queueing // who waits may go away
		gone, cancel := context.WithCancel(bg)
		cancel()
		if _, err = h.PasswordSignIn(gone, "ann@example.com", goodWords, "", ""); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-h.hashing
		if _, err = h.PasswordSignIn(bg, "ann@example.com", goodWords, "", ""); err != nil {
			t.Error(err)
		}
	})
}

// T6: staff of a partner that was switched off makes no tokens for its accounts.
func TestT6InactivePartnersMakeNoTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		v := build(t, d).vendor("")
		u, manager := v.user("boss@partnerdomain.com"), directory.Manager
		v.write(func(tx *db.Tx) error {
			_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Type: &manager})
			return err
		})
		var name string
		v.write(func(tx *db.Tx) error {
			names, err := directory.OrganisationNames(tx)
			name = names[v.partner.Organisation]
			return err
		})
		pat := v.staff("pat@example.org", directory.PartnerAdmin, name)
		p := authz.Principal{Kind: authz.Staff, By: pat.ID, Organisation: pat.Organisation, Session: "here", Rights: []authz.Right{authz.Administer}}
		id, _, _, err := v.NewAccessToken(bg, p, v.account.OuterID, u.SenderID, "Report", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = v.dir.SetPartnerStatus(bg, v.partner.OuterID, directory.PartnerInactive); err != nil {
			t.Fatal(err)
		}
		_, _, _, err = v.NewAccessToken(bg, p, v.account.OuterID, u.SenderID, "Report", 0)
		refused(t, err, errs.Denied, "account.not_manager")
		if err = v.RevokeAccessToken(bg, p, id); err != nil { // taking away never hurts
			t.Error(err)
		}
	})
}

// T6: a provider that is turned off while it answers signs nobody in any more.
func TestT6ProviderEndsWhileItAnswers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h, o := federated(t, d)
		h.active("ann@example.com", "Ann Doe")
		o.forge = func(payload map[string]any) string {
			if err := h.EndIdentityProvider(bg, "Example Ltd"); err != nil {
				t.Error(err)
			}
			return o.sign(jose.RS256, o.key, payload)
		}
		e, err := h.through(o)
		refused(t, err, errs.Unauthenticated, "provider.attempt")
		if e.Cookie != "" {
			t.Errorf("%+v", e)
		}
		o.extra["jwks_uri"] = "http://keys.example.org/jwks" // whoever sits on the way could sign
		refused(t, h.SetIdentityProvider(bg, "Example Ltd", o.server.URL, opClient, opSecret), errs.Unavailable, "provider.unavailable")
	})
}
