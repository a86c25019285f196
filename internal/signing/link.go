package signing

import (
	"context"
	"slices"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// linkRow is a row of links.
type linkRow struct {
	RoleID    string
	InviteeID *string
}

func (s *Signing) linkOf(tx *db.Tx, token string) (linkRow, error) {
	l, err := db.One[linkRow](tx, `select role_id, invitee_id from links where hash = $1`, s.Box.Hash(linkHash, token))
	if err == db.ErrNone {
		err = errs.New(errs.NotFound, "link.unknown", "This link is not valid. It may have been withdrawn with its package.")
	}
	return l, err
}

// Look tells what a link leads to. It changes nothing, takes no lease and spends
// nothing (rule 1), so that mail scanners and previews may follow it.
func (s *Signing) Look(ctx context.Context, token string) (out Invitation, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		l, err := s.linkOf(tx, token)
		if err != nil {
			return err
		}
		at, err := spotOf(tx, l)
		if err != nil {
			return err
		}
		out, err = at.invitation(tx, l)
		return err
	})
	return out, err
}

// Brand is the name and logo of the account behind an invitation, for the head of
// its pages. Whoever knows the handle may see them. NotFound "visit.unknown".
func (s *Signing) Brand(ctx context.Context, handle string) (brand directory.Brand, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		account, err := db.One[string](tx, `select account_id from invitees where handle = $1`, handle)
		if err != nil {
			return orUnknownVisit(err)
		}
		brand, err = directory.BrandOf(tx, account)
		return err
	})
	return brand, err
}

// spotOf is where a link leads; the visitor is not known yet when the link is the whole group's.
func spotOf(tx *db.Tx, l linkRow) (at spot, err error) {
	if l.InviteeID != nil {
		if at.me, err = db.One[inviteeRow](tx, `select * from invitees where id = $1`, *l.InviteeID); err != nil {
			return at, orUnknownVisit(err)
		}
		return at, at.load(tx)
	}
	at.me.RoleID = l.RoleID
	at.me.PackageID, err = db.One[string](tx, `select package_id from roles where id = $1`, l.RoleID)
	if err != nil {
		return at, orUnknownVisit(err)
	}
	return at, at.load(tx)
}

func (at spot) invitation(tx *db.Tx, l linkRow) (Invitation, error) {
	sender, err := directory.UserByID(tx, at.pkg.OwnerID)
	if err != nil {
		return Invitation{}, err
	}
	docs, err := db.All[string](tx, `select name from documents where package_id = $1 order by position, id`, at.pkg.ID)
	if err != nil {
		return Invitation{}, err
	}
	brand, err := directory.BrandOf(tx, at.pkg.AccountID)
	if err != nil {
		return Invitation{}, err
	}
	inv := Invitation{Brand: brand, PackageName: at.pkg.Name, SenderName: sender.Name(), AccountName: at.account.Known(),
		EmailMessage: at.pkg.EmailMessage, GroupName: at.group(), Documents: docs, Due: instant(at.pkg.DueMs),
		AskEmail: l.InviteeID == nil}
	if l.InviteeID != nil {
		inv.PersonName, inv.MaskedEmail = at.me.Name, maskEmail(at.me.Email) // as where the code goes
	}
	return inv, at.closing(tx, &inv)
}

// closing fills in why there is nothing to sign any more.
func (at spot) closing(tx *db.Tx, inv *Invitation) error {
	asked := true
	var err error
	if at.me.ID != "" {
		if asked, err = stillAsked(tx, at.role, at.me); err != nil {
			return err
		}
	}
	switch {
	case at.pkg.Trashed, at.pkg.Status == Draft:
		inv.Closed = "WITHDRAWN"
	case at.role.State == signed:
		inv.Closed, inv.ClosedAt = "SIGNED", instant(at.role.SignedMs)
		inv.ClosedBy, err = db.One[string](tx, `select name from signatures where role_id = $1`, at.role.ID)
		inv.Handle = at.me.Handle
	case at.pkg.Declined != nil:
		inv.Closed, inv.ClosedBy, inv.ClosedAt = "DECLINED", at.pkg.Declined.V.By, at.pkg.Declined.V.At
	case at.pkg.Status != Sent:
		inv.Closed = string(at.pkg.Status)
	case !asked || at.moved:
		inv.Closed = "REMOVED"
	}
	return err
}

// maskEmail shows enough of an address for its owner to know it.
func maskEmail(email string) string {
	name, domain, _ := strings.Cut(email, "@")
	first := []rune(name)
	if len(first) > 1 {
		first = first[:1]
	}
	return string(first) + "•••@" + domain
}

// Enter exchanges a link for the browser's session: the visitor pressed the
// button. email is asked for with a whole group's link. It proves no mailbox and
// takes no lease. Errors: NotFound "link.unknown", Denied "member.unknown".
func (s *Signing) Enter(ctx context.Context, token, email, browser string) (v Visit, err error) {
	var at spot
	err = s.write(ctx, func(tx *db.Tx) error {
		l, err := s.linkOf(tx, token)
		if err != nil {
			return err
		}
		if at, err = spotOf(tx, l); err != nil {
			return err
		}
		if l.InviteeID == nil {
			if err := at.joinAs(tx, email); err != nil {
				return err
			}
		}
		if err := at.here(); err != nil {
			return err
		}
		v.Handle = at.me.Handle
		if v.Browser, err = s.Authn.Enter(tx, browser, at.person(), at.pkg.ID, l.InviteeID != nil); err != nil {
			return err
		}
		_, err = record(tx, at.event("invitation.opened"))
		return err
	})
	if err != nil {
		return Visit{}, s.refused(ctx, at, "invitation.opened", err)
	}
	return v, nil
}

// joinAs makes the visitor the member of the role's group who has that address.
func (at *spot) joinAs(tx *db.Tx, email string) error {
	canonical, err := directory.CanonicalEmail(email)
	if err != nil {
		return err
	}
	at.me.Email, at.shown = canonical, canonical // a stranger is told of as he called himself
	if at.role.Kind != Group {
		if canonical != at.role.Email {
			return notAsked()
		}
		if at.me, err = ensureInvitee(tx, at.pkg, at.role, invited{User: at.role.UserID, Email: at.role.Email, Name: at.role.signerName()}); err != nil {
			return err
		}
		return at.know(tx)
	}
	g, err := directory.GroupByID(tx, *at.role.GroupID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(g.Members, func(m directory.Member) bool { return m.Email == canonical && m.Alive() })
	if i < 0 {
		return notAsked()
	}
	if at.me, err = ensureInvitee(tx, at.pkg, at.role, asUser(g.Members[i].User)); err != nil {
		return err
	}
	return at.know(tx)
}

func notAsked() error {
	return errs.New(errs.Denied, "member.unknown", "Nobody with this address is asked to sign here.").On("email")
}

// SendCode mails the visitor a code that proves his mailbox.
func (s *Signing) SendCode(ctx context.Context, v Visit) error {
	var at spot
	err := s.write(ctx, func(tx *db.Tx) (err error) {
		if at, err = standAt(tx, v.Handle); err != nil {
			return err
		}
		return s.Authn.SendCode(tx, v.Browser, at.person(), at.pkg.ID, at.pkg.Name)
	})
	return err
}

// ProveCode checks the code and returns the visit with the cookie to set.
func (s *Signing) ProveCode(ctx context.Context, v Visit, code string) (Visit, error) {
	var at spot
	err := s.read(ctx, func(tx *db.Tx) (err error) {
		at, err = standAt(tx, v.Handle)
		return err
	})
	if err != nil {
		return v, err
	}
	v.Browser, err = s.Authn.ProveCode(ctx, v.Browser, at.person(), at.pkg.ID, code)
	return v, err
}
