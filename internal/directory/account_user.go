package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// The acts below are the console's, on the account p.Account: they are for those who manage its users (managing),
// staff among them, who say by p.Account which account they mean. Denied "account.not_manager", "user.inactive",
// "partner.inactive" to a partner's people, and "manager.needed" to who may not change a user because that one manages the account.

// UserPage is a part of a list of users.
type UserPage struct {
	Users   []Listed
	Total   int64  // of all that the filter selects
	Version int64  // of the account's directory
	Next    string // to give as after for the next page; empty: this is the last
}

// Users lists users of the account in the order in which they came, at most limit (1 to 1000), those after one of
// them, an internal id, "" at first. Invalid "query.status", "query.limit", "email.malformed".
func (d *Directory) Users(ctx context.Context, p authz.Principal, f ListedFilter, after string, limit int) (page UserPage, err error) {
	if err = goodLimit(limit); err != nil {
		return UserPage{}, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := managing(tx, p); err != nil {
			return err
		}
		if page.Users, err = ListUsersAfter(tx, p.Account, f, after, limit+1); err != nil {
			return err
		}
		if len(page.Users) > limit {
			page.Users = page.Users[:limit]
			page.Next = page.Users[limit-1].ID
		}
		if page.Total, err = CountUsers(tx, p.Account, f); err != nil {
			return err
		}
		page.Version, err = Version(tx, p.Account)
		return err
	})
	return page, err
}

// UserDetail is all that this room knows of a user.
type UserDetail struct {
	User
	Licences    []string
	Memberships []Membership
	Keys        []BusinessKey
}

// OneUser finds a user of the account by his sender id, deactivated ones too; who manages no users may see himself.
// NotFound "user.unknown".
func (d *Directory) OneUser(ctx context.Context, p authz.Principal, senderID string) (out UserDetail, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		by, manager, err := actor(tx, p)
		if err != nil {
			return err
		}
		if out.User, err = UserBySender(tx, p.Account, senderID); err == nil && !manager && out.ID != by.ID {
			err = notManager()
		}
		if err != nil {
			return err
		}
		if out.Licences, err = LicencesOf(tx, out.ID); err != nil {
			return err
		}
		if out.Keys, err = BusinessKeysOf(tx, out.ID); err != nil {
			return err
		}
		of, err := MembershipsOf(tx, p.Account, out.ID, out.ID)
		out.Memberships = append([]Membership{}, of[out.ID]...)
		return err
	})
	return out, err
}

// managed runs an act of who manages the account on one of its users, whom it holds, and records it under the event it
// returns, "" for nothing. NotFound "user.unknown".
func (d *Directory) managed(ctx context.Context, p authz.Principal, senderID string, act func(tx *db.Tx, by, was User) (is User, event string, err error)) (is User, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		u, err := UserBySender(tx, p.Account, senderID)
		if err == nil {
			u, err = hold(tx, u.ID)
		}
		if err == nil {
			err = above(p, by, u)
		}
		if err != nil {
			return err
		}
		var event string
		if is, event, err = act(tx, by, u); err != nil || event == "" {
			return err
		}
		if is.Status == Invited && is.Sender && (u.Status == Inactive || u.Email != is.Email) {
			if err = d.mailSender(tx, is, by); err != nil {
				return err
			}
		}
		return record(tx, p, by, event, map[string]string{"user": is.ID, "status": string(is.Status), "type": is.Type}, is)
	})
	return is, err
}

// ChangeAccountUser changes a user of the account; a sender with a new address is mailed there. mayBecome is asked in the
// same act before a user gets another address, for who has his mailbox becomes him. NotFound "user.unknown"; Invalid
// "user.self" to who would lock himself; Conflict "manager.last"; what mayBecome refuses; and as ChangeUser.
func (d *Directory) ChangeAccountUser(ctx context.Context, p authz.Principal, senderID string, c UserChange, mayBecome ...func(*db.Tx, User) error) (User, error) {
	return d.managed(ctx, p, senderID, func(tx *db.Tx, by, was User) (User, string, error) {
		next := was
		next.Type = or(c.Type, was.Type)
		if c.Status != nil {
			next.Status = *c.Status
		}
		err := above(p, by, next)
		if err == nil {
			err = leaves(tx, p, was, next)
		}
		if err != nil {
			return User{}, "", err
		}
		is, err := ChangeUser(tx, was.ID, c)
		if err != nil || is.Email == was.Email || was.ID == p.User {
			return is, "user.changed", err
		}
		if was.PrivacyAdmin { // he reads what the account's managers read
			err = above(p, by, User{Type: Manager})
		}
		for _, may := range mayBecome {
			if err == nil {
				err = may(tx, was)
			}
		}
		return is, "user.changed", err
	})
}

// leaves refuses that who manages an account locks himself out of it, or leaves it without a manager: Invalid
// "user.self", Conflict "manager.last". Staff may, who are not locked out by it.
func leaves(tx *db.Tx, p authz.Principal, was, next User) error {
	if was.ID == p.User && was.Alive() && !next.Alive() {
		return errs.New(errs.Invalid, "user.self", "Nobody can lock or deactivate himself.")
	}
	if was.Type != Manager || !was.Alive() || next.Type == Manager && next.Alive() || p.Kind == authz.Staff || p.Has(authz.Operate) {
		return nil
	}
	// Two managers who take each other's place away at the same moment: the second sees what the first did.
	if err := holdAccount(tx, was.Account); err != nil {
		return err
	}
	others, err := db.One[bool](tx, `select exists (select 1 from users where account_id = $1 and id <> $2 and type = 'MANAGER'
		and status = 'ACTIVE' and user_type <> $3)`, was.Account, was.ID, Integration)
	if err == nil && !others {
		err = errs.New(errs.Conflict, "manager.last", "This is the last active manager of the account.")
	}
	return err
}

// MayEnd refuses, inside another room's act, to deactivate a user whom the caller holds: Conflict "manager.last", Invalid
// "user.self".
func MayEnd(tx *db.Tx, p authz.Principal, u User) error {
	next := u
	next.Status = Inactive
	return leaves(tx, p, u, next)
}

// LockUser locks a user: what he holds is void within a second. As ChangeAccountUser.
func (d *Directory) LockUser(ctx context.Context, p authz.Principal, senderID string) (User, error) {
	to := Locked
	return d.ChangeAccountUser(ctx, p, senderID, UserChange{Status: &to})
}

// UnlockUser unlocks one. As ChangeAccountUser.
func (d *Directory) UnlockUser(ctx context.Context, p authz.Principal, senderID string) (User, error) {
	to := Active
	return d.ChangeAccountUser(ctx, p, senderID, UserChange{Status: &to})
}

// RetypeUser makes a user REGULAR or MANAGER of the account. As ChangeAccountUser.
func (d *Directory) RetypeUser(ctx context.Context, p authz.Principal, senderID, to string) (User, error) {
	return d.ChangeAccountUser(ctx, p, senderID, UserChange{Type: &to})
}

// SetPrivacyAdmin makes a user an administrator of the account's privacy, or no more; again it changes nothing. NotFound "user.unknown".
func (d *Directory) SetPrivacyAdmin(ctx context.Context, p authz.Principal, senderID string, is bool) (User, error) {
	return d.managed(ctx, p, senderID, func(tx *db.Tx, by, was User) (User, string, error) {
		if was.PrivacyAdmin == is {
			return was, "", nil
		}
		if err := above(p, by, User{Type: Manager}); err != nil { // he reads what the account's managers read
			return User{}, "", err
		}
		next := was
		next.PrivacyAdmin = is
		if _, err := tx.Exec(`update users set privacy_admin = $2, updated_ms = clock_ms() where id = $1`, was.ID, is); err != nil {
			return User{}, "", err
		}
		return next, "user.changed", recount(tx, was, next)
	})
}

// EndUser deactivates a user, whoever made him: what he holds is void within a second. Again it changes nothing.
// NotFound "user.unknown"; Invalid "user.self"; Conflict "manager.last".
func (d *Directory) EndUser(ctx context.Context, p authz.Principal, senderID string) error {
	_, err := d.managed(ctx, p, senderID, func(tx *db.Tx, _, was User) (User, string, error) {
		if err := MayEnd(tx, p, was); err != nil {
			return User{}, "", err
		}
		next := was
		next.Status = Inactive
		changed, err := Deactivate(tx, was.ID)
		if !changed {
			return was, "", err
		}
		return next, "user.deactivated", err
	})
	return err
}

// RestoreUser brings a deactivated user back and mails a sender who has not proved his mailbox; who was not
// deactivated is answered as he is. NotFound "user.unknown"; Conflict "email.taken"; Denied "seats.exceeded".
func (d *Directory) RestoreUser(ctx context.Context, p authz.Principal, senderID string) (User, error) {
	return d.managed(ctx, p, senderID, func(tx *db.Tx, _, was User) (User, string, error) {
		if was.Status != Inactive {
			return was, "", nil
		}
		is, err := Restore(tx, was.ID)
		return is, "user.restored", err
	})
}

// Use is how much of a quota is used.
type Use struct {
	Type      string // SEATS, PHONE_AUTH or KBA
	Cap, Used int64  // Cap as Consumable's
}

// Usage is the account's consumables with their use, in the order SEATS, PHONE_AUTH, KBA; SEATS is always among them,
// and nothing uses the others yet. NotFound "account.unknown".
func (d *Directory) Usage(ctx context.Context, p authz.Principal) (uses []Use, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := managing(tx, p); err != nil {
			return err
		}
		a, err := AccountByID(tx, p.Account)
		if err != nil {
			return err
		}
		// Without a cap nobody counts seats as they are taken.
		taken, err := seatsTaken(tx, a.ID)
		uses = []Use{{Type: Seats, Cap: a.seats(), Used: taken}}
		for _, c := range a.Consumables {
			if c.Type != Seats {
				uses = append(uses, Use{Type: c.Type, Cap: c.Cap})
			}
		}
		return err
	})
	return uses, err
}

// PendingMembers are the members of a group, given by its outer id, who have not accepted their invitation to the
// account. The group's managers may ask, too. NotFound "group.unknown"; Denied "group.not_manager".
func (d *Directory) PendingMembers(ctx context.Context, p authz.Principal, group string) (pending []Member, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		by, manager, err := actor(tx, p)
		if err != nil {
			return err
		}
		g, err := GroupByOuterID(tx, p.Account, group)
		if err != nil {
			return err
		}
		if m, ok := g.Member(by.ID); !manager && (!ok || m.MemberType != Manager) {
			return notGroupManager()
		}
		pending = []Member{}
		for _, m := range g.Members {
			if m.Pending {
				pending = append(pending, m)
			}
		}
		return nil
	})
	return pending, err
}
