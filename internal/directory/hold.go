package directory

import (
	"errors"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// HoldActiveUser refuses (Denied "member.inactive") unless the user may act, and
// keeps him so until the transaction ends.
func HoldActiveUser(tx *db.Tx, user string) error {
	status, err := db.One[string](tx, `update users set status = status where id = $1 returning status`, user)
	if err != nil && !errors.Is(err, db.ErrNone) {
		return err
	}
	if s := Status(status); s != Invited && s != Active {
		return errs.New(errs.Denied, "member.inactive", "This user is locked or deactivated.")
	}
	return nil
}

// HoldActiveMember refuses unless the user may act (Denied "member.inactive")
// and is a member of the group, given by its internal id (Denied
// "member.removed"), and keeps both so until the transaction ends. Invited
// members count.
func HoldActiveMember(tx *db.Tx, user, group string) error {
	if err := HoldActiveUser(tx, user); err != nil {
		return err
	}
	changed, err := tx.Exec(`update group_members set member_type = member_type where group_id = $1 and user_id = $2`, group, user)
	if err == nil && changed == 0 {
		err = errs.New(errs.Denied, "member.removed", "This user is no member of the group any more.")
	}
	return err
}

// ActiveMember tells the same by one row and holds nobody, for reads.
func ActiveMember(tx *db.Tx, user, group string) (bool, error) {
	n, err := db.One[int](tx, `select count(*) from group_members m join users u on u.id = m.user_id
		where m.group_id = $1 and m.user_id = $2 and u.status in ('INVITED', 'ACTIVE')`, group, user)
	return n > 0, err
}

// MailboxProven makes an invited user active: the first proof of his mailbox
// accepts the invitation. It changes nobody else.
func MailboxProven(tx *db.Tx, user string) error {
	account, err := db.One[string](tx, `update users set status = 'ACTIVE', activated_ms = clock_ms(), updated_ms = clock_ms()
		where id = $1 and status = 'INVITED' returning account_id`, user)
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return Touch(tx, account)
}

// SignedIn notes the time of a sign-in, to the second: a program that signs the same user in many times at once does
// not wait for itself.
func SignedIn(tx *db.Tx, user string) error {
	db.BeforeCommit(tx, signedIn(user), touchAll)
	return tx.Later(`update users set last_login_ms = clock_ms() where id = $1 and coalesce(last_login_ms, 0) <= clock_ms() - 1000`, user)
}
