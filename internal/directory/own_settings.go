package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// ChangeSettings changes the settings and the logo of the account p.Account as SetAccount does, for who manages it.
// Denied "account.not_manager", "user.inactive", "partner.inactive"; and as SetAccount.
func (d *Directory) ChangeSettings(ctx context.Context, p authz.Principal, s Settings, logo []byte) error {
	if err := s.clean(); err != nil {
		return err
	}
	image, err := cleanLogo(logo)
	if err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		if s != (Settings{}) {
			err = changeSettings(tx, actorOf(p, by), p.Account, s)
		}
		if err == nil && image != nil {
			err = image.give(tx, actorOf(p, by), p.Account)
		}
		return err
	})
}

// ChangeChannel changes the settings and the logo of the channel of a partner, given by its outer id, for the
// administrators of its organisation while it is ACTIVE; the operator changes all of it. Denied "staff.only",
// "partner.not_admin" to other staff and for anything else, "partner.inactive"; NotFound "partner.unknown"; and as SetPartner.
func (d *Directory) ChangeChannel(ctx context.Context, p authz.Principal, outerID string, c PartnerChange) error {
	if err := staffOnly(p); err != nil {
		return err
	}
	set, err := c.clean()
	if err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		partner, err := ReachesPartner(tx, p, outerID)
		if err != nil {
			return err
		}
		if !p.Has(authz.Operate) {
			if err = channelAdmin(tx, p, partner, c); err != nil {
				return err
			}
		}
		by := actorOf(p, User{})
		if p.Kind == authz.Staff {
			s, err := StaffByID(tx, p.By)
			if err != nil {
				return err
			}
			by.Name, by.Email = s.Name, s.Email
		}
		if _, err = tx.Exec(`update partners set updated_by = $2, updated_ms = clock_ms() where id = $1`, partner.ID, updatedBy(p)); err != nil {
			return err
		}
		told, err := set.store(tx, partner.ID)
		if err != nil {
			return err
		}
		return recordPartner(tx, "partner.changed", by, partner.ID, told)
	})
}

// channelAdmin refuses who is no operator and may not make a change of a partner.
func channelAdmin(tx *db.Tx, p authz.Principal, of Partner, c PartnerChange) error {
	s, err := StaffByID(tx, p.By)
	if err != nil {
		return err
	}
	if of.Status != PartnerActive {
		return inactivePartner()
	}
	more := c.RequireSignedSubjectToken != nil || c.SubjectKeys != nil || c.Domains != nil
	if s.Role != PartnerAdmin || !p.Has(authz.Administer) || more {
		return errs.New(errs.Denied, "partner.not_admin", "Only the partner's administrators change its channel, and only the operator its keys and domains.")
	}
	return nil
}

// updatedBy is what a partner's row tells of who changed it.
func updatedBy(p authz.Principal) string {
	if p.Has(authz.Operate) {
		return byTheOperator
	}
	return p.By
}
