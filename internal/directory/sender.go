package directory

import (
	"context"
	"encoding/json"
	"slices"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
)

// managing finds the acting user and refuses (Denied "account.not_manager") who does not manage the account's users,
// groups and settings. Its MANAGERs do, its integration users, who was given the right to in the console, the
// administrators of its partner, and the operator.
func managing(tx *db.Tx, p authz.Principal) (by User, err error) {
	by, manager, err := actor(tx, p)
	if err == nil && !manager {
		err = notManager()
	}
	return by, err
}

// MayManage refuses who does not manage all that the account has, its packages too: its MANAGERs do, its integration
// users and the operator, but nobody who has a right to manage users alone. Denied "account.not_manager", "user.inactive".
func MayManage(tx *db.Tx, p authz.Principal) error {
	by, _, err := actor(tx, p)
	if err == nil && !p.Has(authz.Operate) && !by.manages() {
		err = notManager()
	}
	return err
}

// manages reports a user who manages the account by what he is.
func (u User) manages() bool { return u.Type == Manager || u.UserType == Integration }

// ManagersOf are the living MANAGER senders of an account, an internal id, who are people, at most 20: those who are
// told what needs a look. with, an internal id, stands alone if he is one of them.
func ManagersOf(tx *db.Tx, account, with string) ([]User, error) {
	rows, err := db.All[userRow](tx, `select `+userColumns+` from users u where u.account_id = $1 and u.type = $2 and u.user_type <> $3
		and u.status in ($4, $5) order by case when u.id = $6 then 0 else 1 end, u.id limit 20`, account, Manager, Integration, Invited, Active, with)
	var out []User
	for _, r := range rows {
		if r.ID == with {
			return []User{r.user()}, err
		}
		out = append(out, r.user())
	}
	return out, err
}

func notManager() error {
	return errs.New(errs.Denied, "account.not_manager", "Only Managers of this Account can do this.")
}

// actor is the user a principal acts as, of staff only with a name and an address, zero for the operator who is none of
// them, and whether he manages the account's users.
func actor(tx *db.Tx, p authz.Principal) (by User, manager bool, err error) {
	if p.Kind == authz.Staff {
		return staffActor(tx, p)
	}
	if p.Has(authz.Operate) {
		return User{}, true, nil
	}
	by, err = UserByID(tx, p.User)
	if errs.KindOf(err) == errs.NotFound || err == nil && (by.Account != p.Account || !by.Alive()) {
		return User{}, false, errs.New(errs.Denied, "user.inactive", "The acting user is locked or deactivated.")
	}
	// In the console rights are the user's; a program's are what it was let do, which managing the account is not.
	granted := p.Kind == authz.Member && p.Client == "" && p.Has(authz.ManageUsers)
	return by, granted || by.manages(), err
}

// above refuses (Denied "manager.needed") who manages users by a right he was given, and no more, when one of them
// manages the account or is to: he could make himself all that a manager is, by that user's mailbox if not by name.
func above(p authz.Principal, by User, users ...User) error {
	if p.Has(authz.Operate) || p.Kind == authz.Staff || by.manages() || !slices.ContainsFunc(users, User.manages) {
		return nil
	}
	return errs.New(errs.Denied, "manager.needed", "Only Managers of this Account can make, change or deactivate one who manages it.")
}

// InviteSender makes a sender of the account and mails him an invitation. Who
// is one already is answered as he is, with created false, and is mailed again
// while he is INVITED; a user who was no sender becomes one.
//
// Denied "account.not_manager", "manager.needed", "user.inactive", "seats.exceeded";
// Invalid as AddUser; Conflict "email.taken" (by a user of another account of the organisation).
func (d *Directory) InviteSender(ctx context.Context, p authz.Principal, in NewUser) (u User, created bool, err error) {
	if _, err := in.clean(); err != nil {
		return User{}, false, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		if err = above(p, by, User{Type: in.Type}); err != nil {
			return err
		}
		if u, created, err = inviteSender(tx, p.Account, in); err != nil {
			return err
		}
		if u.Status == Invited {
			if err = d.mailSender(tx, u, by); err != nil {
				return err
			}
		}
		if err = record(tx, p, by, "sender.invited", map[string]string{"user": u.ID, "created": yesNo(created)}, u); err != nil {
			return err
		}
		return retry.Made(tx, u.SenderID)
	})
	return u, created, err
}

func inviteSender(tx *db.Tx, account string, in NewUser) (u User, created bool, err error) {
	u, err = UserByEmail(tx, account, in.Email)
	if err == nil && u.Status != Inactive {
		if u.Sender {
			return u, false, nil
		}
		return makeSender(tx, u)
	}
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return User{}, false, err
	}
	u, err = AddUser(tx, account, in, Standing{Status: Invited, Sender: true})
	if errs.Is(err, "email.taken") { // by another call at the same moment, or in another account
		if u, other := UserByEmail(tx, account, in.Email); other == nil && u.Status != Inactive && u.Sender {
			return u, false, nil
		}
	}
	return u, err == nil, err
}

// makeSender makes a user a sender, if he lives and is none yet, whoever else tries at the same moment.
func makeSender(tx *db.Tx, u User) (is User, made bool, err error) {
	was, err := hold(tx, u.ID)
	if err != nil || was.Sender {
		return was, false, err
	}
	if _, err = tx.Exec(`update users set sender = true, updated_ms = clock_ms(),
			status = case when status = 'ACTIVE' and activated_ms is null then 'INVITED' else status end where id = $1`, u.ID); err != nil {
		return User{}, false, err
	}
	if is, err = UserByID(tx, u.ID); err == nil {
		err = recount(tx, was, is)
	}
	return is, err == nil, err
}

// GetSender finds a sender of the account. NotFound "sender.unknown".
func (d *Directory) GetSender(ctx context.Context, p authz.Principal, senderID string) (u User, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error { u, err = sender(tx, p.Account, senderID); return err })
	return u, err
}

func sender(tx *db.Tx, account, senderID string) (User, error) {
	u, err := UserBySender(tx, account, senderID)
	if errs.KindOf(err) == errs.NotFound || err == nil && !u.Sender {
		return User{}, errs.New(errs.NotFound, "sender.unknown", "There is no such sender.")
	}
	return u, err
}

// Query selects part of a list.
type Query struct {
	// From and To are the first and last result wanted, counted from 1; To 0 is From+99, and at most 1000 are given.
	From, To int
	// Search is contained in the name or the e-mail, whatever the case.
	Search string
	// Dir is the order of creation: "asc" (also empty) or "desc".
	Dir string
}

// ListSenders lists the account's senders, deactivated ones not, and counts all
// that match. Invalid "query.range", "query.dir".
func (d *Directory) ListSenders(ctx context.Context, p authz.Principal, q Query) (list []User, count int, err error) {
	window, err := windowOf(q.From, q.To, q.Dir)
	if err != nil {
		return nil, 0, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		list, count, err = listUsers(tx, `u.account_id = $1 and u.folded like $2 escape '\' and u.sender and u.status <> 'INACTIVE'`,
			window, p.Account, containing(q.Search))
		return err
	})
	return list, count, err
}

// UserChange changes a user; nil keeps.
type UserChange struct {
	Email, FirstName, LastName, Title, Company, Phone, Language, TimezoneID *string
	Address                                                                 json.RawMessage
	Kept                                                                    json.RawMessage // a JSON object, whose members replace those kept
	Type                                                                    *string
	Role                                                                    *string
	// Status may become LOCKED, or ACTIVE for one who is LOCKED.
	Status *Status
}

// UpdateSender changes a sender. Somebody else's mailbox is not proven by the
// old one's proof: a new e-mail makes the user INVITED again.
//
// Denied "account.not_manager", "manager.needed"; NotFound "sender.unknown"; Invalid
// as AddUser and "user.status"; Conflict "email.taken".
func (d *Directory) UpdateSender(ctx context.Context, p authz.Principal, senderID string, c UserChange) (u User, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		was, err := sender(tx, p.Account, senderID)
		if err == nil {
			err = above(p, by, was, User{Type: or(c.Type, "")})
		}
		if err != nil {
			return err
		}
		if u, err = ChangeUser(tx, was.ID, c); err != nil {
			return err
		}
		if u.Status == Invited && u.Email != was.Email {
			if err = d.mailSender(tx, u, by); err != nil {
				return err
			}
		}
		return record(tx, p, by, "sender.changed", map[string]string{"user": u.ID, "status": string(u.Status)}, u)
	})
	return u, err
}

// DeleteSender deactivates a sender: what he holds is void at once, his tokens
// within a second, and his address is free again. NotFound "sender.unknown",
// Denied "account.not_manager", "manager.needed"; Invalid "sender.self": nobody locks himself out.
// Again on a deactivated one it changes nothing.
func (d *Directory) DeleteSender(ctx context.Context, p authz.Principal, senderID string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		u, err := sender(tx, p.Account, senderID)
		if err == nil {
			err = above(p, by, u)
		}
		if err != nil {
			return err
		}
		if u.ID == p.User {
			return errs.New(errs.Invalid, "sender.self", "A sender cannot delete himself.").On("senderId")
		}
		changed, err := Deactivate(tx, u.ID)
		if err != nil || !changed {
			return err
		}
		return record(tx, p, by, "sender.deactivated", map[string]string{"user": u.ID}, u)
	})
}

// record appends the audit event of an act on users or groups.
func record(tx *db.Tx, p authz.Principal, by User, event string, detail map[string]string, of ...User) error {
	e := audit.Event{Type: event, Account: p.Account, Actor: actorOf(p, by), Detail: detail}
	for _, u := range of {
		e.Personal = map[string]string{"subject_name": u.Name(), "subject_email": u.Email}
	}
	_, err := audit.Append(tx, e)
	return err
}

// actorOf is whom audit events name; by may be zero.
func actorOf(p authz.Principal, by User) audit.Actor {
	a := audit.By(p)
	if by.Email != "" {
		a.Name, a.Email = by.Name(), by.Email
	}
	return a
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
