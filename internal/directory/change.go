package directory

import (
	"encoding/json"
	"maps"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// ChangeUser changes a user inside another room's act and writes no audit
// event. Locking kills his tokens as deactivation does. A sender with a new
// address must prove it, also one whose partner vouched for the old one. Invalid
// as AddUser and "user.status"; NotFound
// "user.unknown"; Conflict "email.taken".
func ChangeUser(tx *db.Tx, user string, c UserChange) (User, error) {
	was, err := hold(tx, user)
	if err != nil {
		return User{}, err
	}
	next := was.changed(c)
	address, err := next.clean()
	if err != nil {
		return User{}, err
	}
	role := was.Role
	if c.Role != nil {
		role = *c.Role
	}
	if err = plain("role", &role); err != nil {
		return User{}, err
	}
	kept, err := jsonText("data", next.Kept)
	if err != nil {
		return User{}, err
	}
	status, err := was.statusAfter(c, next.Email)
	if err == nil {
		now := was
		now.Email, now.Status, now.Provisioned = next.Email, status, was.Provisioned && next.Email == was.Email
		err = moveAddress(tx, was, now)
	}
	if err != nil {
		return User{}, err
	}
	if _, err = tx.Exec(`update users set email = $2, first_name = $3, last_name = $4, title = $5, company = $6, phone = $7,
			language = $8, timezone_id = $9, address = $10, type = $11, role = $12, status = $13, folded = $14, kept = $15, updated_ms = clock_ms(),
			provisioned = provisioned and email = $2, activated_ms = case when email = $2 then activated_ms end
		where id = $1`, user, next.Email, next.FirstName, next.LastName, next.Title, next.Company, next.Phone,
		next.Language, next.TimezoneID, address, next.Type, role, string(status),
		foldedUser(next.FirstName, next.LastName, next.Email), kept); err != nil {
		return User{}, err
	}
	if status == Locked && was.Status != Locked {
		if _, err = Raise(tx, OfUser, user); err != nil {
			return User{}, err
		}
	}
	is, err := UserByID(tx, user)
	if err == nil {
		err = recount(tx, was, is)
	}
	return is, err
}

// changed is what the user would be, as input that is still to be cleaned.
func (u User) changed(c UserChange) NewUser {
	return NewUser{
		Email: or(c.Email, u.Email), FirstName: or(c.FirstName, u.FirstName), LastName: or(c.LastName, u.LastName),
		Title: or(c.Title, u.Title), Company: or(c.Company, u.Company), Phone: or(c.Phone, u.Phone),
		Language: or(c.Language, u.Language), TimezoneID: or(c.TimezoneID, u.TimezoneID), Type: or(c.Type, u.Type),
		Address: orJSON(c.Address, u.Address), Kept: merged(u.Kept, c.Kept),
	}
}

func or(change *string, present string) string {
	if change != nil {
		return *change
	}
	return present
}

func orJSON(change, present json.RawMessage) json.RawMessage {
	if change != nil {
		return change
	}
	return present
}

// merged is a JSON object with the members of a change in the place of its own.
func merged(was, change json.RawMessage) json.RawMessage {
	if change == nil {
		return was
	}
	members := read[map[string]json.RawMessage](was)
	if members == nil {
		members = map[string]json.RawMessage{}
	}
	maps.Copy(members, read[map[string]json.RawMessage](change))
	out, err := json.Marshal(members)
	if err != nil {
		return was // both were JSON
	}
	return out
}

// statusAfter follows the states of the package comment. Invalid "user.status".
func (u User) statusAfter(c UserChange, email string) (Status, error) {
	if email != u.Email {
		u.Provisioned, u.Activated = false, time.Time{} // nobody vouches for the new mailbox
	}
	status := u.Status
	if c.Status != nil && *c.Status != u.Status {
		switch {
		case *c.Status == Locked && u.Alive():
			status = Locked
		case *c.Status == Active && u.Status == Locked:
			status = u.statusAlive()
		default:
			return "", errs.New(errs.Invalid, "user.status", "A user who is %s cannot become %s.", u.Status, *c.Status).On("status")
		}
	}
	if email != u.Email && status == Active && u.mustProve() {
		status = Invited
	}
	return status, nil
}

// mustProve reports that the user is a person whose mailbox nobody vouches for.
func (u User) mustProve() bool { return u.Sender && u.UserType != Integration && !u.Provisioned }

// statusAlive is what a user is when nothing bars him: invited as long as he is
// a person who should have proved his mailbox and has not.
func (u User) statusAlive() Status {
	if u.mustProve() && u.Activated.IsZero() {
		return Invited
	}
	return Active
}

// hasAddress reports that the user's address is nobody else's to have. A partner's
// user keeps his while he is INACTIVE (Acrobat Sign Embed 2.0, USER_ALREADY_EXISTS).
func (u User) hasAddress() bool { return u.Status != Inactive || u.Provisioned }

// moveAddress claims the address the user is to have and frees the one he had.
// Conflict "email.taken".
func moveAddress(tx *db.Tx, was, next User) error {
	stays := was.hasAddress() && next.hasAddress() && was.Email == next.Email
	if next.hasAddress() && !stays {
		if err := claimAddress(tx, next.Organisation, next.Email, next.ID); err != nil {
			return err
		}
	}
	if !was.hasAddress() || stays {
		return nil
	}
	_, err := tx.Exec(`delete from user_addresses where organisation_id = $1 and email = $2`, was.Organisation, was.Email)
	return err
}

// hold keeps a user as he is until the transaction ends. NotFound "user.unknown".
func hold(tx *db.Tx, user string) (User, error) {
	if _, err := tx.Exec(`update users set status = status where id = $1`, user); err != nil {
		return User{}, err
	}
	return UserByID(tx, user)
}

// Deactivate ends a user inside another room's act: at the next statement of
// whoever calls HoldActiveMember, within a second for his tokens. His seat is
// free again, and his address unless a partner made him; his memberships stay, in
// case he is restored. It writes no audit event. changed is false when he was
// deactivated already.
func Deactivate(tx *db.Tx, user string) (changed bool, err error) {
	was, err := hold(tx, user)
	if errs.Is(err, "user.unknown") || err == nil && was.Status == Inactive {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next := was
	next.Status = Inactive
	return true, changeLife(tx, was, next, setStatus)
}

// Restore brings a deactivated user back inside another room's act; what he held
// before stays dead. It writes no audit event, and changes nobody who is alive.
// Conflict "email.taken" when his address went to somebody else; Denied
// "seats.exceeded"; NotFound "user.unknown".
func Restore(tx *db.Tx, user string) (User, error) {
	was, err := hold(tx, user)
	if err != nil || was.Status != Inactive {
		return was, err
	}
	next := was
	next.Status = was.statusAlive()
	if err = changeLife(tx, was, next, setStatus); err != nil {
		return User{}, err
	}
	return UserByID(tx, user)
}

func setStatus(tx *db.Tx, u User) error {
	_, err := tx.Exec(`update users set status = $2, updated_ms = clock_ms() where id = $1`, u.ID, string(u.Status))
	return err
}

// changeLife deactivates a user or brings him back, with what follows for his
// address, seat and tokens; store writes his row. The caller holds it. Conflict
// "email.taken"; Denied "seats.exceeded".
func changeLife(tx *db.Tx, was, next User, store func(*db.Tx, User) error) (err error) {
	if err = moveAddress(tx, was, next); err != nil {
		return err
	}
	// Before his row is written again: on PostgreSQL that locks the account's, by the foreign key, too weakly to wait in turn.
	if err = holdAccount(tx, next.Account); err != nil {
		return err
	}
	if err = store(tx, next); err != nil {
		return err
	}
	if err = recount(tx, was, next); err != nil {
		return err
	}
	if next.Status != Inactive {
		if holdsSeat(next.UserType) {
			err = takeSeat(tx, next.Account, true)
		}
		return err
	}
	if holdsSeat(was.UserType) {
		if err = freeSeat(tx, was.Account); err != nil {
			return err
		}
	}
	_, err = Raise(tx, OfUser, was.ID)
	return err
}
