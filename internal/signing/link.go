package signing

import (
	"context"
	"slices"
	"strings"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// linkRow is a row of links.
type linkRow struct {
	RoleID    string
	InviteeID *string
	MadeBy    *string // the sender's user who made it; null: it was mailed
}

func (s *Signing) linkOf(tx *db.Tx, token string) (linkRow, error) {
	l, err := db.One[linkRow](tx, `select role_id, invitee_id, made_by from links where hash = $1`, s.Box.Hash(linkHash, token))
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
	docs, err := at.titles(tx)
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

// titles are the names of the documents that the visitor's role sees.
func (at spot) titles(tx *db.Tx) (names []string, err error) {
	hidden, err := hiddenFrom(tx, at.pkg.ID, at.role.ID)
	if err != nil {
		return nil, err
	}
	rows, err := db.All[documentRow](tx, `select * from documents where package_id = $1 order by position, id`, at.pkg.ID)
	for _, d := range rows {
		if !hidden[d.ID] {
			names = append(names, d.Name)
		}
	}
	return names, err
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
		inv.Closed = string(at.pkg.Status)
		if at.pkg.Status != OptedOut {
			inv.Closed = "DECLINED"
		}
		inv.ClosedBy, inv.ClosedAt = at.pkg.Declined.V.By, at.pkg.Declined.V.At
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
		if err := first(at.here(), at.ended()); err != nil {
			return err
		}
		v.Handle, at.browser = at.me.Handle, browser
		if v.Browser, err = s.Authn.Enter(tx, browser, at.person(), at.pkg.ID, l.InviteeID != nil); err != nil {
			return err
		}
		return s.opened(tx, at, l)
	})
	if err != nil {
		return Visit{}, s.refused(ctx, at, "invitation.opened", err)
	}
	return v, nil
}

// opened records that somebody came by a link, and notes when it was one that the sender made.
func (s *Signing) opened(tx *db.Tx, at spot, l linkRow) error {
	e := at.event("invitation.opened", "link", "mailed")
	if l.MadeBy != nil {
		e.Detail["link"] = "made by the sender"
		if _, err := tx.Exec(`update invitees set by_copy = true where id = $1`, at.me.ID); err != nil {
			return err
		}
	}
	if err := at.noteSender(tx, s.Authn, e.Detail); err != nil {
		return err
	}
	_, err := record(tx, e)
	return err
}

// noteSender adds to the detail of an event that the sender has proved his own mailbox in the visitor's browser.
func (at spot) noteSender(tx *db.Tx, a *authn.Authn, detail map[string]string) error {
	if at.browser == "" || deref(at.me.UserID) == at.pkg.OwnerID {
		return nil
	}
	people, err := a.People(tx, at.browser)
	if slices.ContainsFunc(people, func(p authn.Person) bool { return p.User == at.pkg.OwnerID }) {
		detail["browser"] = "also the sender's"
	}
	return err
}

// joinAs makes the visitor the member of the role's group who has that address.
func (at *spot) joinAs(tx *db.Tx, email string) error {
	canonical, err := directory.CanonicalEmail(email)
	if err != nil {
		return err
	}
	at.me.Email, at.shown = canonical, canonical // a stranger is told of as he called himself
	if at.role.Kind == AdHoc {
		return at.joinAdHoc(tx, canonical)
	}
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

// SendCode mails the visitor a code that proves his mailbox. Denied "signer.locked" after too many wrong ones.
func (s *Signing) SendCode(ctx context.Context, v Visit) error {
	return s.write(ctx, func(tx *db.Tx) error {
		at, err := standAt(tx, v.Handle)
		if err != nil {
			return err
		}
		if at.me.Locked {
			return lockedOut()
		}
		return s.Authn.SendCode(tx, v.Browser, at.person(), at.pkg.ID, at.pkg.Name)
	})
}

// ProveCode checks the code and returns the visit with the cookie to set. Wrong ones in a row are counted, across codes
// and browsers; Denied "signer.locked" when there were too many.
func (s *Signing) ProveCode(ctx context.Context, v Visit, code string) (Visit, error) {
	var at spot
	err := s.read(ctx, func(tx *db.Tx) (err error) {
		at, err = standAt(tx, v.Handle)
		return err
	})
	if err != nil {
		return v, err
	}
	if at.me.Locked {
		return v, lockedOut()
	}
	v.Browser, err = s.Authn.ProveCode(ctx, v.Browser, at.person(), at.pkg.ID, code)
	return v, s.countProof(ctx, at, err)
}
