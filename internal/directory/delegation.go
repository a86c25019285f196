package directory

import (
	"errors"
	"slices"

	"countersign.dev/internal/db"
)

// Delegation is a partner and the user for whom it may act.
type Delegation struct {
	Organisation, Partner     string // internal ids
	PartnerStatus             PartnerStatus
	PartnerGeneration         int64
	RequireSignedSubjectToken bool
	SubjectKeys               []byte // JSON Web Key Set; nil: none
	// Account and User are internal ids, SenderID is the user's outer one; all
	// are empty when the partner has no such user.
	Account, User, SenderID string
	UserGeneration          int64
}

type delegationRow struct {
	OrganisationID, PartnerID, PartnerStatus string
	RequireSigned                            bool
	Domains                                  db.JSON[[]string]
	SubjectKeys                              *string
	PartnerGeneration, UserGeneration        int64
	AccountID, UserID, SenderID              *string
}

// DelegationOf finds the partner of a technical account, whatever its state, by
// the client id, and the user of an address among those of its accounts who are
// neither locked nor deactivated; an address outside the partner's domains is
// nobody's. It is one statement, whoever is found. NotFound "partner.unknown".
func DelegationOf(tx *db.Tx, client, email string) (Delegation, error) {
	if email, _ = CanonicalEmail(email); !storable(client) {
		client = "" // nobody's
	}
	r, err := db.One[delegationRow](tx, `select p.organisation_id, p.id as partner_id, p.status as partner_status, p.require_signed,
			p.domains, p.subject_keys, u.account_id, u.id as user_id, u.sender_id,
			coalesce((select g.generation from generations g where g.kind = 'partner' and g.id = p.id), 0) as partner_generation,
			coalesce((select g.generation from generations g where g.kind = 'user' and g.id = u.id), 0) as user_generation
		from partners p
		left join user_addresses ua on ua.organisation_id = p.organisation_id and ua.email = $2
		left join users u on u.id = ua.user_id and u.status in ('ACTIVE', 'INVITED')
			and exists (select 1 from accounts a where a.id = u.account_id and a.partner_id = p.id)
		where p.client_id = $1`, client, email)
	if errors.Is(err, db.ErrNone) {
		return Delegation{}, unknownPartner()
	}
	if !slices.Contains(r.Domains.V, domainOf(email)) {
		r.UserID = nil
	}
	return r.delegation(), err
}

func (r delegationRow) delegation() Delegation {
	d := Delegation{Organisation: r.OrganisationID, Partner: r.PartnerID, PartnerStatus: PartnerStatus(r.PartnerStatus),
		PartnerGeneration: r.PartnerGeneration, RequireSignedSubjectToken: r.RequireSigned}
	if r.SubjectKeys != nil {
		d.SubjectKeys = []byte(*r.SubjectKeys)
	}
	if r.UserID != nil {
		d.Account, d.User, d.SenderID, d.UserGeneration = *r.AccountID, *r.UserID, *r.SenderID, r.UserGeneration
	}
	return d
}
