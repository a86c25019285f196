package signing

import (
	"context"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
)

// SenderSession is the caller where he reaches one package only. NotFound "package.unknown".
func (s *Signing) SenderSession(ctx context.Context, p authz.Principal, pkg string) (authz.Principal, error) {
	err := s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		p.Package = row.ID
		return err
	})
	return p, err
}

// EnterBySession brings a browser into the ceremony as the signer of a session: the sender's application answers for who
// he is (attack L4: what he does says so, and names the client). It takes no lease, and since whatever follows the
// application's address gets here, a mail scanner too, it opens nothing: that is the visitor's first act (rule 1).
// NotFound "visit.unknown"; Denied "member.inactive", "member.moved", "member.removed"; Unauthenticated "token.invalid".
func (s *Signing) EnterBySession(ctx context.Context, p authz.Principal, browser string) (v Visit, err error) {
	var at spot
	err = s.write(ctx, func(tx *db.Tx) error {
		if at, err = s.signerSpot(tx, p); err != nil {
			return err
		}
		v.Handle = at.me.Handle
		v.Browser, err = s.Authn.EnterBySession(tx, browser, at.person(), at.pkg.ID, p)
		return err
	})
	if err != nil {
		return Visit{}, s.refused(ctx, at, "invitation.opened", err)
	}
	return v, nil
}

// PathOf is where the page of a visit is, below the outside URL.
func PathOf(v Visit) string { return "/sign/" + v.Handle }

// answeredFor adds which client answers for a visitor whom the sender's application sent, and records with his first act
// that he came. Where he has to prove his mailbox all the same, nobody answers for him.
func (s *Signing) answeredFor(tx *db.Tx, v Visit, at spot, err error) (spot, error) {
	proved := at.how == authn.ByCode && at.identification() == directory.Always
	if err != nil || at.how != authn.BySession && !proved {
		return at, err
	}
	client, first, err := s.Authn.Arrived(tx, v.Browser, at.person(), at.pkg.ID)
	if err != nil {
		return at, err
	}
	came := at
	came.how, came.client = authn.BySession, client
	if !proved {
		at = came
	}
	if first {
		_, err = record(tx, came.event("invitation.opened"))
	}
	return at, err
}

// BrowserCookie is the cookie in which a visit's Browser travels.
const BrowserCookie = "cs_browser"

// Self is whom a caller acts as.
type Self struct {
	User        *directory.User // of a sender; nil for a signer who is none
	Package     string          // outer id, of who reaches one package only
	Signer      string          // the role's outer id, of a signer
	Name, Email string
}

// Whoami tells whom a caller acts as. NotFound "user.unknown", "visit.unknown".
func (s *Signing) Whoami(ctx context.Context, p authz.Principal) (self Self, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		if p.User != "" {
			u, err := directory.UserByID(tx, p.User)
			if err != nil {
				return err
			}
			self.User, self.Name, self.Email = &u, u.Name(), u.Email
		}
		if p.Package == "" {
			return nil
		}
		if self.Package, err = db.One[string](tx, `select outer_id from packages where id = $1`, p.Package); err != nil {
			return orUnknownVisit(err)
		}
		if p.Kind != authz.Signer {
			return nil
		}
		at, err := s.signerSpot(tx, p)
		self.Signer, self.Name, self.Email = at.role.OuterID, at.me.Name, at.shown
		return err
	})
	return self, err
}
