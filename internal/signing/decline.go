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
		if err := at.pkg.refusing(to).takes(reason); err != nil {
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

// refusing is how signers of a package may say no.
func (p packageRow) refusing(to Status) Refusing {
	if to == OptedOut {
		return p.ceremony().optOut()
	}
	return p.ceremony().decline()
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

// declineByAPI is the vendor's way: a client declines or opts out for a role. A signer session can do so for its own role alone.
func (s *Signing) declineByAPI(tx *db.Tx, p authz.Principal, pkg packageRow, c Change) error {
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
	r, event := Refusal{By: role.signerName(), Email: role.Email, Role: role.OuterID, Reason: reason},
		audit.Event{Type: refusalEvents[c.Status], Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p)}
	if p.Kind == authz.Signer {
		at, err := s.signerSpot(tx, p)
		if err != nil {
			return err
		}
		if err := pkg.refusing(c.Status).takes(reason); err != nil {
			return err
		}
		r.By, r.Email, event = at.me.Name, at.me.Email, at.event(event.Type)
	}
	if _, err := record(tx, event); err != nil {
		return err
	}
	return s.endRefused(tx, pkg, role, c.Status, r)
}
