package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// PartnerUserChange changes a user of a partner's account.
type PartnerUserChange struct {
	Email, FirstName, LastName                           string   // required
	EmailAlias, Initials, Phone, Title, Company, Account *string  // nil keeps; Account, an outer id, must be what it is
	Roles                                                []string // nil keeps
	Status                                               string   // ACTIVE or INACTIVE; empty keeps
}

// clean brings every member into its stored form. What is missing comes first.
func (c *PartnerUserChange) clean() error {
	if err := missing("email", c.Email, "firstName", c.FirstName, "lastName", c.LastName); err != nil {
		return err
	}
	text := NewPartnerUser{Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, EmailAlias: or(c.EmailAlias, ""),
		Initials: or(c.Initials, ""), Phone: or(c.Phone, ""), Title: or(c.Title, ""), Company: or(c.Company, ""), Roles: c.Roles}
	if err := text.cleanText(); err != nil {
		return err
	}
	if c.Status != "" && Status(c.Status) != Active && Status(c.Status) != Inactive {
		return errs.New(errs.Invalid, "user.status", "A user can be made ACTIVE or INACTIVE.").On("status")
	}
	c.Email, c.FirstName, c.LastName = text.Email, text.FirstName, text.LastName
	for to, clean := range map[**string]*string{&c.EmailAlias: &text.EmailAlias, &c.Initials: &text.Initials,
		&c.Phone: &text.Phone, &c.Title: &text.Title, &c.Company: &text.Company} {
		if *to != nil {
			*to = clean
		}
	}
	return nil
}

// of is what the user would be.
func (c PartnerUserChange) of(u User) User {
	u.Email, u.FirstName, u.LastName = c.Email, c.FirstName, c.LastName
	u.EmailAlias, u.Initials, u.Phone = or(c.EmailAlias, u.EmailAlias), or(c.Initials, u.Initials), or(c.Phone, u.Phone)
	u.Title, u.Company = or(c.Title, u.Title), or(c.Company, u.Company)
	if c.Roles != nil {
		u.Type, u.PrivacyAdmin = rolesAs(c.Roles)
	}
	switch {
	case Status(c.Status) == Inactive && u.Status != Locked: // who is locked reads INACTIVE already, and stays what he is
		u.Status = Inactive
	case Status(c.Status) == Active && u.Status != Active:
		u.Status = u.statusAlive()
	}
	return u
}

// ChangePartnerUser changes a user of the caller's partner, given by his sender
// id. The old address stands for him no more at once, and who is INACTIVE
// keeps his address and has no seat. INACTIVE leaves who is LOCKED as he is, ACTIVE unlocks him.
//
// As CreatePartnerUser; also NotFound "user.unknown"; Invalid "user.status", and
// "account.immutable" for another account of the partner; Denied
// "account.foreign" to an administrator of another account, and "admin.self" to
// one who would deactivate himself or give up his role.
func (d *Directory) ChangePartnerUser(ctx context.Context, p authz.Principal, userID string, c PartnerUserChange) error {
	if err := c.clean(); err != nil {
		return err
	}
	if !storable(userID) {
		userID = "" // nobody's
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		was, by, err := holdPartnerUser(tx, p, userID)
		if errs.Is(err, "user.unknown") || errs.Is(err, "account.foreign") {
			return cmp.Or(by.hasDomain(c.Email), err) // what is wrong with the values goes before whom they are for
		}
		if err != nil {
			return err
		}
		next := c.of(was)
		if err = c.refuse(tx, p, by, was, next); err != nil {
			return err
		}
		changed := difference(was, next)
		if len(changed) == 0 {
			return nil
		}
		if err = rewriteUser(tx, was, next); err != nil {
			return err
		}
		return by.recordUser(tx, changeEvent(was, next), p, next, map[string]string{"changed": strings.Join(changed, ",")})
	})
}

// holdPartnerUser is partnerUser, and keeps the user as he is until the transaction ends.
func holdPartnerUser(tx *db.Tx, p authz.Principal, userID string) (User, caller, error) {
	column, value := partnerKey(p)
	if _, err := tx.Exec(`update users set status = status where sender_id = $1 and exists
		(select 1 from accounts a join partners p on p.id = a.partner_id where a.id = users.account_id and `+column+` = $2)`, userID, value); err != nil {
		return User{}, caller{}, unstored(err)
	}
	return partnerUser(tx, p, `u.sender_id = $3`, userID)
}

// refuse says why a change that is well formed cannot be made.
func (c PartnerUserChange) refuse(tx *db.Tx, p authz.Principal, by caller, was, next User) error {
	if next.Email != was.Email {
		if err := by.hasDomain(next.Email); err != nil {
			return err
		}
	}
	if c.Account != nil && *c.Account != was.AccountOuterID {
		return otherAccount(tx, by.PartnerID, *c.Account)
	}
	if p.Kind == authz.Delegated && p.User == was.ID && (next.Status == Inactive || next.Type != Manager) {
		return errs.New(errs.Denied, "admin.self", "An administrator can neither deactivate himself nor give up his role.")
	}
	return nil
}

func otherAccount(tx *db.Tx, partner, outerID string) error {
	if !storable(outerID) {
		return unknownAccount()
	}
	known, err := db.One[bool](tx, `select exists (select 1 from accounts where outer_id = $1 and partner_id = $2)`, outerID, partner)
	if err == nil && !known {
		err = unknownAccount()
	} else if err == nil {
		err = errs.New(errs.Invalid, "account.immutable", "A user cannot move to another account.").On("accountId")
	}
	return err
}

// difference names what changes, in the wire's words.
func difference(was, next User) (names []string) {
	for _, f := range []struct {
		name string
		same bool
	}{
		{"email", was.Email == next.Email}, {"emailAlias", was.EmailAlias == next.EmailAlias},
		{"firstName", was.FirstName == next.FirstName}, {"lastName", was.LastName == next.LastName},
		{"initials", was.Initials == next.Initials}, {"phone", was.Phone == next.Phone}, {"title", was.Title == next.Title},
		{"company", was.Company == next.Company}, {"roles", slices.Equal(was.Roles(), next.Roles())}, {"status", was.Status == next.Status},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}

func changeEvent(was, next User) string {
	switch {
	case was.Status != Inactive && next.Status == Inactive:
		return "user.deactivated"
	case was.Status == Inactive && next.Status != Inactive:
		return "user.restored"
	}
	return "user.changed"
}

// rewriteUser stores a changed user, and what follows for his address, seat and
// tokens. The caller holds his row. Conflict "email.taken"; Denied
// "seats.exceeded"; a fault "user.unstored".
func rewriteUser(tx *db.Tx, was, next User) error {
	if (was.Status == Inactive) != (next.Status == Inactive) {
		return changeLife(tx, was, next, storeUser)
	}
	if err := moveAddress(tx, was, next); err != nil {
		return err
	}
	if err := storeUser(tx, next); err != nil {
		return err
	}
	return recount(tx, was, next)
}

func storeUser(tx *db.Tx, u User) error {
	if _, err := tx.Exec(`update users set email = $2, email_alias = $3, first_name = $4, last_name = $5, initials = $6, phone = $7,
			title = $8, company = $9, type = $10, privacy_admin = $11, status = $12, folded = $13, updated_ms = clock_ms()
		where id = $1`, u.ID, u.Email, u.EmailAlias, u.FirstName, u.LastName, u.Initials, u.Phone, u.Title, u.Company, u.Type,
		u.PrivacyAdmin, string(u.Status), foldedUser(u.FirstName, u.LastName, u.Email)); err != nil {
		return unstored(err)
	}
	return nil
}
