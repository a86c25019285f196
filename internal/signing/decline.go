package signing

import (
	"context"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/mail"
)

// Decline ends the package for all: the holder of the lease does not sign, and says why (rule 8).
// Errors: Invalid "package.decline_reason"; Denied "decline.off"; Conflict "lease.stale", "package.closed".
func (s *Signing) Decline(ctx context.Context, v Visit, epoch int64, reason string) error {
	return s.refuseToSign(ctx, v, epoch, Declined, reason)
}

// OptOut is Decline for who does not want to sign electronically: the sender may ask him for paper. Errors as Decline.
func (s *Signing) OptOut(ctx context.Context, v Visit, epoch int64, reason string) error {
	return s.refuseToSign(ctx, v, epoch, OptedOut, reason)
}

func (s *Signing) refuseToSign(ctx context.Context, v Visit, epoch int64, to Status, reason string) error {
	reason = strings.TrimSpace(reason)
	if err := declineReason(reason); err != nil {
		return err
	}
	var at spot
	err := s.write(ctx, func(tx *db.Tx) error {
		pkg, err := packageOfHandle(tx, v.Handle)
		if err != nil {
			return err
		}
		if err := lockOpen(tx, pkg); err != nil && errs.KindOf(err) != errs.Conflict {
			return err
		}
		if at, err = s.holding(tx, v, epoch); err != nil {
			return err
		}
		if err := at.offers(tx, to, reason); err != nil {
			return err
		}
		name, err := at.signingName(tx)
		if err != nil {
			return err
		}
		if _, err := record(tx, at.event(refusalEvents[to])); err != nil {
			return err
		}
		return s.endRefused(tx, at.pkg, at.role, to, Refusal{By: name, Email: at.me.Email, Role: at.role.OuterID, Reason: reason})
	})
	if errs.Is(err, "lease.stale") {
		return s.refused(ctx, at, "act.refused", err)
	}
	return err
}

// refusalEvents are the audit events of the two ways to say no.
var refusalEvents = map[Status]string{Declined: "role.declined", OptedOut: "package.opted_out"}

// offers refuses one of the two ways to say no where the sender does not offer it, or not for this reason.
func (at spot) offers(tx *db.Tx, to Status, reason string) error {
	if to == OptedOut {
		return at.pkg.ceremony().optOut().takes(reason)
	}
	how, err := at.decline(tx)
	if err != nil {
		return err
	}
	return how.takes(reason)
}

// takes refuses what the sender does not offer, and a reason that is none of his where he takes no others.
func (r Refusing) takes(reason string) error {
	if !r.Offered {
		return errs.New(errs.Denied, "decline.off", "The sender does not offer this here. Write to him instead.")
	}
	if !r.Other && !slices.Contains(r.Reasons, reason) {
		return errs.New(errs.Invalid, "package.decline_reason", "Choose one of the reasons that the sender offers.").On("reason")
	}
	return nil
}

// declineReason refuses a decline without one (Invalid "package.decline_reason").
func declineReason(reason string) error {
	if reason == "" {
		return errs.New(errs.Invalid, "package.decline_reason", "Say why you decline.").On("reason")
	}
	return plainText(reason, "reason")
}

// endRefused marks the role and the package, ends the leases of others and tells the sender and everybody asked.
func (s *Signing) endRefused(tx *db.Tx, pkg packageRow, role roleRow, to Status, r Refusal) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	r.At = now.Truncate(time.Millisecond)
	if _, err := tx.Exec(`update roles set state = 'declined', holder = null, stage = '' where id = $1`, role.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update packages set status = $3, declined = $2, ended_ms = clock_ms(), updated_ms = clock_ms() where id = $1`,
		pkg.ID, db.AsJSON(r), to); err != nil {
		return err
	}
	if err := moved(tx, pkg, to); err != nil {
		return err
	}
	if err := voidLeases(tx, pkg, strings.ToLower(string(to))); err != nil {
		return err
	}
	return s.tellRefused(tx, pkg, role, r)
}

// tellRefused mails that the package has ended.
func (s *Signing) tellRefused(tx *db.Tx, pkg packageRow, role roleRow, r Refusal) error {
	sender, err := directory.UserByID(tx, pkg.OwnerID)
	if err != nil {
		return err
	}
	told := map[string]bool{r.Email: true}
	to := []mail.Address{{Name: sender.Name(), Email: sender.Email}}
	followers, err := followersOf(tx, pkg.ID)
	if err != nil {
		return err
	}
	for _, who := range followers {
		to = append(to, mail.Address{Name: who.Name, Email: who.Email})
	}
	group := ""
	if role.isGroup() {
		group = role.FirstName
	}
	for _, a := range to {
		if told[a.Email] {
			continue
		}
		told[a.Email] = true
		if err := s.Post.Send(tx, mail.Message{To: a, Account: pkg.AccountID, Package: pkg.ID,
			Data: mail.DeclinedNotice{Person: a.Name, Package: pkg.Name, By: r.By, Group: group, Reason: r.Reason}}); err != nil {
			return err
		}
	}
	return nil
}

// declineByAPI is the vendor's way: a client declines or opts out for a role. The package's owner and the managers of his
// account may for anybody, themselves included, whoever holds the lease and whatever is offered to signers, and the trail
// says who did. As a signer declines who comes with a signer's session, whoever he is else, and who signs for the role and
// owns nothing: through the lease and as the sender offers it. Conflict "lease.held", "role.waiting"; Denied
// "package.not_owner". last is where who signs stands.
func (s *Signing) declineByAPI(tx *db.Tx, p authz.Principal, pkg packageRow, c Change, last *spot) error {
	reason := strings.TrimSpace(c.DeclineReason)
	if err := declineReason(reason); err != nil {
		return err
	}
	role, err := db.One[roleRow](tx, `select * from roles where package_id = $1 and (outer_id = $2 or signer_id = $2)
		and state = 'open' order by position limit 1`, pkg.ID, c.DeclineRole)
	if p.Kind == authz.Signer {
		role, err = db.One[roleRow](tx, `select * from roles where id = $1 and package_id = $2 and state = 'open'`, p.Role, pkg.ID)
	}
	if err != nil {
		return orUnknown(err, "role", c.DeclineRole)
	}
	owner, err := owns(tx, p, pkg)
	if err != nil {
		return err
	}
	if owner {
		return s.declineFor(tx, p, pkg, role, c.Status, reason)
	}
	at, own, err := s.ownSpot(tx, p, pkg, role)
	if err != nil {
		return err
	}
	if !own {
		return notOwner()
	}
	*last = at
	return s.declineOwn(tx, at, c.Status, reason)
}

// declineFor is the owner's act: it ends the lease of whoever may be signing just now.
func (s *Signing) declineFor(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow, to Status, reason string) error {
	if err := voidLease(tx, pkg, role.ID, strings.ToLower(string(to))); err != nil {
		return err
	}
	e := audit.Event{Type: refusalEvents[to], Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p),
		Personal: map[string]string{"to_name": role.signerName(), "to_email": role.Email}}
	if _, err := record(tx, e); err != nil {
		return err
	}
	name := e.Actor.Name
	if p.User == "" || deref(role.UserID) != p.User { // it is not himself
		name += " for " + role.signerName()
	}
	return s.endRefused(tx, pkg, role, to, Refusal{By: name, Email: e.Actor.Email, Role: role.OuterID, Reason: reason})
}

// ownSpot is where the caller stands if he is one of those who sign for a role.
func (s *Signing) ownSpot(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow) (at spot, own bool, err error) {
	if p.Kind == authz.Signer {
		at, err = s.signerSpot(tx, p)
		return at, err == nil, err
	}
	persons, err := personsOf(tx, role)
	if err != nil || p.User == "" {
		return at, false, err
	}
	i := slices.IndexFunc(persons, func(who roleMember) bool { return deref(who.User) == p.User })
	if i < 0 {
		return at, false, nil
	}
	at = spot{how: byAPI, client: p.Client}
	if at.me, err = ensureInvitee(tx, pkg, role, persons[i].invited); err != nil {
		return at, false, err
	}
	return at, true, at.load(tx)
}

// declineOwn is the act of the holder of the lease.
func (s *Signing) declineOwn(tx *db.Tx, at spot, to Status, reason string) error {
	if err := at.offers(tx, to, reason); err != nil {
		return err
	}
	if err := at.takeByAPI(tx); err != nil {
		return err
	}
	if _, err := record(tx, at.event(refusalEvents[to])); err != nil {
		return err
	}
	return s.endRefused(tx, at.pkg, at.role, to, Refusal{By: at.me.Name, Email: at.me.Email, Role: at.role.OuterID, Reason: reason})
}
