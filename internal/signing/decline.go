package signing

import (
	"context"
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
func (s *Signing) Decline(ctx context.Context, v Visit, epoch int64, reason string) error {
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
		name, err := at.signingName(tx)
		if err != nil {
			return err
		}
		if _, err := record(tx, at.event("role.declined")); err != nil {
			return err
		}
		return s.decline(tx, at.pkg, at.role, Refusal{By: name, Email: at.me.Email, Role: at.role.OuterID, Reason: reason})
	})
	if errs.Is(err, "lease.stale") {
		return s.refused(ctx, at, "act.refused", err)
	}
	return err
}

// declineReason refuses a decline without one (Invalid "package.decline_reason").
func declineReason(reason string) error {
	if reason == "" {
		return errs.New(errs.Invalid, "package.decline_reason", "Say why you decline.").On("reason")
	}
	return plainText(reason, "reason")
}

// decline marks the role and the package, ends the leases of others and tells the sender and everybody asked.
func (s *Signing) decline(tx *db.Tx, pkg packageRow, role roleRow, r Refusal) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	r.At = now.Truncate(time.Millisecond)
	if _, err := tx.Exec(`update roles set state = 'declined', holder = null, stage = '' where id = $1`, role.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update packages set status = 'DECLINED', declined = $2 where id = $1`, pkg.ID, db.AsJSON(r)); err != nil {
		return err
	}
	if err := voidLeases(tx, pkg, "declined"); err != nil {
		return err
	}
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
	if role.Kind == Group {
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

// declineByAPI is the vendor's way: the sender's client declines for a role.
func (s *Signing) declineByAPI(tx *db.Tx, p authz.Principal, pkg packageRow, c Change) error {
	reason := strings.TrimSpace(c.DeclineReason)
	if err := declineReason(reason); err != nil {
		return err
	}
	role, err := db.One[roleRow](tx, `select * from roles where package_id = $1 and (outer_id = $2 or signer_id = $2)
		and state = 'open' order by position limit 1`, pkg.ID, c.DeclineRole)
	if err != nil {
		return orUnknown(err, "role", c.DeclineRole)
	}
	if _, err := record(tx, audit.Event{Type: "role.declined", Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p)}); err != nil {
		return err
	}
	return s.decline(tx, pkg, role, Refusal{By: role.signerName(), Email: role.Email, Role: role.OuterID, Reason: reason})
}
