package directory

import (
	"context"
	"errors"
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// maxPartnerEmail is the length of an address that Acrobat Sign accepts.
const maxPartnerEmail = 60

// NewPartnerUser is the input of CreatePartnerUser.
type NewPartnerUser struct {
	Email, EmailAlias, FirstName, LastName string
	Account                                string // outer id; empty for a delegated caller: his own
	Initials, Phone, Title, Company        string
	Roles                                  []string // AccountAdmin, PrivacyAdmin
}

// clean brings every member into its stored form. What is missing comes first.
func (in *NewPartnerUser) clean(delegated bool) (err error) {
	account := in.Account
	if delegated {
		account = "his own"
	}
	if err = missing("email", in.Email, "firstName", in.FirstName, "lastName", in.LastName, "accountId", account); err != nil {
		return err
	}
	return in.cleanText()
}

func (in *NewPartnerUser) cleanText() (err error) {
	if in.Email, err = CanonicalEmail(in.Email); err != nil {
		return err
	}
	if len(in.Email) > maxPartnerEmail {
		return badDomain()
	}
	if in.EmailAlias != "" {
		if in.EmailAlias, err = CanonicalEmail(in.EmailAlias); err != nil {
			return onField(err, "emailAlias")
		}
	}
	if in.FirstName, err = PersonName(in.FirstName); err != nil {
		return onField(err, "firstName")
	}
	if in.LastName, err = PersonName(in.LastName); err != nil {
		return onField(err, "lastName")
	}
	for _, text := range []struct {
		field string
		value *string
	}{{"initials", &in.Initials}, {"phone", &in.Phone}, {"title", &in.Title}, {"company", &in.Company}} {
		if err = plain(text.field, text.value); err != nil {
			return err
		}
	}
	for _, role := range in.Roles {
		if role != AccountAdmin && role != PrivacyAdmin {
			return errs.New(errs.Invalid, "role.unknown", "A role is %s or %s.", AccountAdmin, PrivacyAdmin).On("roles")
		}
	}
	return nil
}

// rolesAs are roles as columns: the user's type and whether he is a privacy administrator.
func rolesAs(roles []string) (userType string, privacy bool) {
	userType = Regular
	if slices.Contains(roles, AccountAdmin) {
		userType = Manager
	}
	return userType, slices.Contains(roles, PrivacyAdmin)
}

// CreatePartnerUser makes a user of an account of the caller's partner: ACTIVE
// at once, a sender, and not mailed. A delegated caller is an administrator and
// makes users of his own account.
//
// Invalid "field.missing" (email, firstName, lastName, accountId, in this
// order), "email.malformed" on email or emailAlias, "email.domain",
// "name.malformed", "text.malformed", "role.unknown"; Denied "partner.inactive",
// "admin.needed", "account.foreign"; NotFound "account.unknown"; Conflict
// "email.taken"; Denied "seats.exceeded"; a fault "user.unstored".
func (d *Directory) CreatePartnerUser(ctx context.Context, p authz.Principal, in NewPartnerUser) (u User, err error) {
	if err = in.clean(p.Kind == authz.Delegated); err != nil {
		return User{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		at, err := placeOf(tx, p, in.Account)
		if err == nil {
			err = at.hasDomain(in.Email)
		}
		if err == nil {
			err = at.accountRefused(p)
		}
		if err != nil {
			return err
		}
		if u, err = at.insert(tx, in); err != nil {
			return err
		}
		if err = at.recordUser(tx, "user.created", p, u, map[string]string{}); err != nil {
			return err
		}
		// Last, because on PostgreSQL everybody who makes a user of an account with a cap waits for this row.
		return takeSeat(tx, u.Account, at.Seats != nil && *at.Seats > 0)
	})
	return u, err
}

// place is a caller and the account he names, if his partner has it.
type place struct {
	caller
	OrganisationID            string
	AccountID, AccountOuterID *string
	Seats                     *int64 // cap, as it seems
}

// placeOf finds everything that creating a user must know in one statement.
// Denied as caller.refuse.
func placeOf(tx *db.Tx, p authz.Principal, account string) (at place, err error) {
	column, value := partnerKey(p)
	named := "a.outer_id"
	if account == "" && p.Kind == authz.Delegated {
		named, account = "a.id", p.Account
	}
	if !storable(account) {
		account = "" // nobody's
	}
	at, err = db.One[place](tx, `select `+callerColumns+`, p.organisation_id, a.id as account_id, a.outer_id as account_outer_id,
			(select c.cap from consumables c where c.account_id = a.id and c.type = 'SEATS') as seats
		from partners p left join accounts a on a.partner_id = p.id and `+named+` = $2 left join users b on b.id = $3
		where `+column+` = $1`, value, account, p.User)
	if errors.Is(err, db.ErrNone) {
		err = nil // no partner: refused below
	}
	if err == nil {
		err = at.refuse(p)
	}
	return at, err
}

// accountRefused: NotFound "account.unknown", or Denied "account.foreign" for another account than the delegated caller's.
func (at place) accountRefused(p authz.Principal) error {
	if at.AccountID == nil {
		return unknownAccount()
	}
	if p.Kind == authz.Delegated && *at.AccountID != p.Account {
		return foreignAccount()
	}
	return nil
}

func foreignAccount() error {
	return errs.New(errs.Denied, "account.foreign", "An administrator acts in his own account only.")
}

// insert makes the user's rows. Conflict "email.taken"; a fault "user.unstored".
func (at place) insert(tx *db.Tx, in NewPartnerUser) (User, error) {
	u := User{ID: secret.NewID(), Organisation: at.OrganisationID, Account: *at.AccountID, AccountOuterID: *at.AccountOuterID,
		SenderID: secret.Alphanumeric(12), PlatformID: secret.NewGUID(), Email: in.Email, EmailAlias: in.EmailAlias,
		FirstName: in.FirstName, LastName: in.LastName, Initials: in.Initials, Title: in.Title, Company: in.Company,
		Phone: in.Phone, Status: Active, Sender: true, Provisioned: true}
	u.Type, u.PrivacyAdmin = rolesAs(in.Roles)
	if err := claimAddress(tx, u.Organisation, u.Email, u.ID); err != nil {
		return User{}, err
	}
	type times struct{ CreatedMs, UpdatedMs int64 }
	now, err := db.One[times](tx, `insert into users (id, organisation_id, account_id, sender_id, platform_id, email, email_alias,
			first_name, last_name, initials, title, company, phone, status, type, privacy_admin, user_type, sender, provisioned,
			folded, created_ms, updated_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '', $17, $18, $19, clock_ms(), clock_ms())
		returning created_ms, updated_ms`,
		u.ID, u.Organisation, u.Account, u.SenderID, u.PlatformID, u.Email, u.EmailAlias, u.FirstName, u.LastName, u.Initials,
		u.Title, u.Company, u.Phone, string(u.Status), u.Type, u.PrivacyAdmin, u.Sender, u.Provisioned,
		foldedUser(u.FirstName, u.LastName, u.Email))
	if err != nil {
		return User{}, unstored(err)
	}
	u.Created, u.Updated = db.Time(now.CreatedMs), db.Time(now.UpdatedMs)
	countNew(tx, u.Account, u.Alive(), u.Sender)
	return u, nil
}

func unstored(err error) error {
	return errs.New(errs.Fault, "user.unstored", "The user could not be stored.").Because(err)
}

type partnerUserRow struct {
	userRow
	caller
}

// partnerUser needs one statement when there is nothing to refuse.
func partnerUser(tx *db.Tx, p authz.Principal, where, key string) (User, caller, error) {
	column, value := partnerKey(p)
	r, err := db.One[partnerUserRow](tx, `select `+userColumns+`, `+callerColumns+` from users u
		join accounts ac on ac.id = u.account_id join partners p on p.id = ac.partner_id left join users b on b.id = $2
		where `+column+` = $1 and `+where, value, p.User, key)
	if errors.Is(err, db.ErrNone) {
		c, err := callerOf(tx, p)
		if err == nil {
			err = unknownUser()
		}
		return User{}, c, err
	}
	if err == nil {
		err = r.refuse(p)
	}
	u := r.user()
	if err == nil && p.Kind == authz.Delegated && u.Account != p.Account {
		err = foreignAccount()
	}
	return u, r.caller, err
}
