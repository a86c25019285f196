package signing

import (
	"context"
	"errors"
	"strconv"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

func lockedOut() error {
	return errs.New(errs.Denied, "signer.locked", "There were too many wrong codes. Ask the sender to let you try again.")
}

// countProof counts the wrong codes of a person in a row, those of used-up codes included, and locks him out after
// the sender's number of them (settings.ceremony.maxAuthFailsAllowed; without it defaultAuthFails): him, not the
// other members of his group (rule 10). err is what the code was answered with.
func (s *Signing) countProof(ctx context.Context, at spot, err error) error {
	if err != nil && !errs.Is(err, "code.wrong") {
		return err
	}
	wrong := err != nil
	counted := s.write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		if !wrong {
			_, err := tx.Exec(`update invitees set fails = 0 where id = $1 and fails > 0 and not locked`, at.me.ID)
			return err
		}
		return at.countWrong(tx)
	})
	return errors.Join(err, counted)
}

func (at spot) countWrong(tx *db.Tx) error {
	if err := at.lockRole(tx); err != nil { // before the person's row, as everywhere
		return err
	}
	row, err := db.One[inviteeRow](tx, `update invitees set fails = fails + 1, locked = locked or fails + 1 >= $2
		where id = $1 and not locked returning *`, at.me.ID, at.pkg.ceremony().authFails())
	if errors.Is(err, db.ErrNone) { // he is locked out, or gone
		return nil
	}
	if err != nil || !row.Locked {
		return err
	}
	if _, err := tx.Exec(`update roles set locked = true, fails = $2 where id = $1`, at.role.ID, row.Fails); err != nil {
		return err
	}
	_, err = record(tx, at.event("signer.locked", "fails", strconv.Itoa(row.Fails)))
	return err
}

// Unlock lets the persons of a role prove themselves again after too many wrong codes. role is a role's
// or a signer's outer id. A role that nobody is locked out of stays as it is. Denied "package.not_owner".
func (s *Signing) Unlock(ctx context.Context, p authz.Principal, pkg, role string) error {
	return s.write(ctx, func(tx *db.Tx) error {
		of, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		r, err := roleOf(tx, of, role)
		if err != nil {
			return err
		}
		if err := ownersOnly(tx, p, of); err != nil {
			return err
		}
		changed, err := tx.Exec(`update roles set locked = false, fails = 0 where id = $1 and locked`, r.ID)
		if err != nil || changed == 0 {
			return err
		}
		if _, err := tx.Exec(`update invitees set locked = false, fails = 0 where role_id = $1`, r.ID); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: "signer.unlocked", Account: of.AccountID, Package: of.ID, Role: r.ID, Actor: by(tx, p)})
		return err
	})
}
