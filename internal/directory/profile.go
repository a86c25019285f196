package directory

import (
	"context"
	"errors"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// Profile is what a partner reads of a user.
type Profile struct {
	SenderID, AccountOuterID               string
	Email, EmailAlias, FirstName, LastName string
	Initials, Phone, Title, Company        string
	Status                                 Status
	Roles                                  []string // AccountAdmin, PrivacyAdmin
	Created                                time.Time
}

// Alive reports that the user is neither locked nor deactivated.
func (f Profile) Alive() bool { return f.Status.alive() }

type profileRow struct {
	SenderID, AccountOuterID, AccountID    string
	Email, EmailAlias, FirstName, LastName string
	Initials, Phone, Title, Company        string
	Status, Type                           string
	PrivacyAdmin                           bool
	CreatedMs                              int64
	PartnerStatus                          string
	ByAccount, ByStatus, ByType            *string
}

// profileColumns are few, because reading a column costs more than finding the row.
const profileColumns = `u.sender_id, a.outer_id as account_outer_id, u.account_id, u.email, u.email_alias, u.first_name, u.last_name,
	u.initials, u.phone, u.title, u.company, u.status, u.type, u.privacy_admin, u.created_ms, p.status as partner_status`

func (r profileRow) profile() Profile {
	return Profile{
		SenderID: r.SenderID, AccountOuterID: r.AccountOuterID, Email: r.Email, EmailAlias: r.EmailAlias,
		FirstName: r.FirstName, LastName: r.LastName, Initials: r.Initials, Phone: r.Phone, Title: r.Title, Company: r.Company,
		Status: Status(r.Status), Roles: roles(r.Type, r.PrivacyAdmin), Created: db.Time(r.CreatedMs),
	}
}

// PartnerUser finds a user of the caller's partner by his sender id. Denied
// "partner.inactive", "admin.needed"; NotFound "user.unknown"; Denied
// "account.foreign" to a delegated caller of another account.
func (d *Directory) PartnerUser(ctx context.Context, p authz.Principal, userID string) (f Profile, err error) {
	if !storable(userID) {
		userID = "" // nobody's
	}
	err = d.db.Peek(ctx, func(tx *db.Tx) error { f, err = profileOf(tx, p, `u.sender_id = $2`, userID); return err })
	return f, err
}

// PartnerUserByEmail finds a user of the caller's partner by his address. As
// PartnerUser; Invalid "email.malformed".
func (d *Directory) PartnerUserByEmail(ctx context.Context, p authz.Principal, email string) (f Profile, err error) {
	if email, err = CanonicalEmail(email); err != nil {
		return Profile{}, err
	}
	err = d.db.Peek(ctx, func(tx *db.Tx) error {
		f, err = profileOf(tx, p, `u.id = (select ua.user_id from user_addresses ua
			where ua.organisation_id = p.organisation_id and ua.email = $2)`, email)
		return err
	})
	return f, err
}

// profileOf needs one statement when there is nothing to refuse.
func profileOf(tx *db.Tx, p authz.Principal, where, key string) (Profile, error) {
	column, value := partnerKey(p)
	columns, acting, args := profileColumns, ``, []any{value, key}
	if p.Kind == authz.Delegated {
		columns += `, b.account_id as by_account, b.status as by_status, b.type as by_type`
		acting, args = ` left join users b on b.id = $3`, append(args, p.User)
	}
	r, err := db.One[profileRow](tx, `select `+columns+` from users u
		join accounts a on a.id = u.account_id join partners p on p.id = a.partner_id`+acting+`
		where `+column+` = $1 and `+where, args...)
	if errors.Is(err, db.ErrNone) {
		if _, err = callerOf(tx, p); err == nil {
			err = unknownUser()
		}
		return Profile{}, err
	}
	if err == nil {
		err = caller{PartnerStatus: r.PartnerStatus, ByAccount: r.ByAccount, ByStatus: r.ByStatus, ByType: r.ByType}.refuse(p)
	}
	if err == nil && p.Kind == authz.Delegated && r.AccountID != p.Account {
		err = foreignAccount()
	}
	if err != nil {
		return Profile{}, err
	}
	return r.profile(), nil
}
