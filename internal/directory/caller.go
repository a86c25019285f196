package directory

import (
	"errors"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// caller is what the database knows of a principal who acts on a partner's
// users: its partner and, of a delegated one, the acting user.
type caller struct {
	PartnerID, PartnerStatus         string
	PartnerDomains                   db.JSON[[]string]
	ByAccount, ByStatus, ByType      *string
	ByFirstName, ByLastName, ByEmail *string
}

// callerColumns are what a caller needs of partners p and of users b, the acting user.
const callerColumns = `p.id as partner_id, p.status as partner_status, p.domains as partner_domains, b.account_id as by_account,
	b.status as by_status, b.type as by_type, b.first_name as by_first_name, b.last_name as by_last_name, b.email as by_email`

// refuse says why p may not act on users: Denied "partner.inactive", or
// "admin.needed" for a delegated one who is no active administrator of his account.
func (c caller) refuse(p authz.Principal) error {
	if PartnerStatus(c.PartnerStatus) != PartnerActive {
		return inactivePartner()
	}
	if p.Kind != authz.Delegated {
		return nil
	}
	if c.ByAccount == nil || *c.ByAccount != p.Account || Status(*c.ByStatus) != Active || *c.ByType != Manager {
		return errs.New(errs.Denied, "admin.needed", "Only an active administrator of the account may do this.")
	}
	return nil
}

// actor is whom audit events name.
func (c caller) actor(p authz.Principal) audit.Actor {
	a := audit.By(p)
	if c.ByEmail != nil {
		a.Name, a.Email = strings.TrimSpace(*c.ByFirstName+" "+*c.ByLastName), *c.ByEmail
	}
	return a
}

// hasDomain refuses an address outside the partner's domains; labels must be equal. Invalid "email.domain".
func (c caller) hasDomain(email string) error {
	if !slices.Contains(c.PartnerDomains.V, domainOf(email)) {
		return badDomain()
	}
	return nil
}

func badDomain() error {
	return errs.New(errs.Invalid, "email.domain",
		"The e-mail address has at most %d characters and is in one of the partner's domains.", maxPartnerEmail).On("email")
}

// callerOf finds the caller alone. Denied as caller.refuse.
func callerOf(tx *db.Tx, p authz.Principal) (caller, error) {
	column, value := partnerKey(p)
	c, err := db.One[caller](tx, `select `+callerColumns+` from partners p left join users b on b.id = $2 where `+column+` = $1`,
		value, p.User)
	if errors.Is(err, db.ErrNone) {
		err = nil // no partner: refused below
	}
	if err == nil {
		err = c.refuse(p)
	}
	return c, err
}

// recordUser appends the audit event of an act on a partner's user.
func (c caller) recordUser(tx *db.Tx, event string, p authz.Principal, u User, detail map[string]string) error {
	detail["user"], detail["partner"] = u.ID, c.PartnerID
	if roles := u.Roles(); len(roles) > 0 {
		detail["roles"] = strings.Join(roles, ",")
	}
	_, err := audit.Append(tx, audit.Event{Type: event, Account: u.Account, Actor: c.actor(p), Detail: detail,
		Personal: map[string]string{"subject_name": u.Name(), "subject_email": u.Email}})
	return err
}
