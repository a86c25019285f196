package directory

import (
	"context"
	"errors"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// The acts below are the console's on organisations and their partners. Operators may do all of them; what else is
// said at each is for the people of the organisation, and only while one of its partners is ACTIVE.

// asker finds who does an act that is the operator's, in its transaction.
type asker func(tx *db.Tx) (audit.Actor, error)

// byCommand is whoever may run commands on the server.
func byCommand(*db.Tx) (audit.Actor, error) { return operator, nil }

// operating is an operator in the console. Denied "operator.only", "user.inactive".
func operating(p authz.Principal) asker {
	return func(tx *db.Tx) (audit.Actor, error) { return OperatorActor(tx, p) }
}

// owner finds the organisation of an act, an internal id, and who does it.
type owner func(tx *db.Tx) (id string, by audit.Actor, err error)

// named is the organisation of a name, for commands.
func named(organisation string) owner {
	return func(tx *db.Tx) (string, audit.Actor, error) {
		id, err := organisationByName(tx, organisation)
		return id, operator, err
	}
}

// operatedBy is an organisation, an internal id, on which an operator acts.
func operatedBy(p authz.Principal, organisation string) owner {
	return func(tx *db.Tx) (string, audit.Actor, error) {
		by, err := OperatorActor(tx, p)
		if err != nil {
			return "", by, err
		}
		o, err := ReachesOrganisation(tx, p, organisation)
		return o.ID, by, err
	}
}

// staffMember finds who of staff acts, and how audit events name him; an operator by command is nobody of staff. Denied
// "staff.only" to everybody else; "user.inactive" to who was ended.
func staffMember(tx *db.Tx, p authz.Principal) (s Staff, by audit.Actor, err error) {
	by = audit.By(p)
	if p.Kind != authz.Staff {
		return Staff{Role: Operator}, by, staffOnly(p)
	}
	if s, err = StaffByID(tx, p.By); errs.KindOf(err) == errs.NotFound || err == nil && !s.Active {
		err = errs.New(errs.Denied, "user.inactive", "The acting person is deactivated.")
	}
	by.Name, by.Email = s.Name, s.Email
	return s, by, err
}

// OperatorActor is how audit events name an operator. Denied "operator.only" to everybody else, "user.inactive".
func OperatorActor(tx *db.Tx, p authz.Principal) (audit.Actor, error) {
	only := errs.New(errs.Denied, "operator.only", "Only the operator of the server can do this.")
	if !p.Has(authz.Operate) {
		return audit.Actor{}, only
	}
	s, by, err := staffMember(tx, p)
	if err == nil && s.Role != Operator {
		err = only
	}
	return by, err
}

// StaffActor is how audit events name one of staff with one of the roles, who acts on his organisation, or on any as an
// operator. Denied "staff.only", "staff.role", "user.inactive", "partner.inactive"; NotFound "organisation.unknown".
func StaffActor(tx *db.Tx, p authz.Principal, organisation string, roles ...StaffRole) (audit.Actor, error) {
	s, by, err := staffMember(tx, p)
	if err == nil {
		_, err = ReachesOrganisation(tx, p, organisation)
	}
	if err != nil || s.Role == Operator {
		return by, err
	}
	for _, r := range roles {
		if s.Role == r {
			return by, activeVendor(tx, organisation)
		}
	}
	return by, errs.New(errs.Denied, "staff.role", "Your role does not include this.")
}

// activeVendor refuses (Denied "partner.inactive") for an organisation none of whose partners is ACTIVE.
func activeVendor(tx *db.Tx, organisation string) error {
	active, err := db.One[bool](tx, `select exists (select 1 from partners where organisation_id = $1 and status = 'ACTIVE')`, organisation)
	if err == nil && !active {
		err = inactivePartner()
	}
	return err
}

// Organisation is a company that has accounts, or is a partner.
type Organisation struct{ ID, Name string } // ID is internal

// ReachesOrganisation finds an organisation by its internal id if staff reaches it: any for the operator, his own for
// others. NotFound "organisation.unknown" for every other, and for who is not of staff.
func ReachesOrganisation(tx *db.Tx, p authz.Principal, id string) (o Organisation, err error) {
	where, arg := `cast($2 as text) = ''`, ""
	switch {
	case p.Kind == authz.Staff && p.Has(authz.Operate):
		where, arg = `exists (select 1 from staff s where s.id = $2 and s.status = 'ACTIVE' and s.role = 'operator')`, p.By
	case p.Kind == authz.Staff:
		where, arg = `exists (select 1 from staff s where s.id = $2 and s.status = 'ACTIVE' and s.organisation_id = o.id)`, p.By
	case !p.Has(authz.Operate):
		id = ""
	}
	if !storable(id) {
		id = "" // nobody's
	}
	o, err = db.One[Organisation](tx, `select o.id, o.name from organisations o where o.id = $1 and `+where, id, arg)
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "organisation.unknown", "There is no such organisation.").On("organisation")
	}
	return o, err
}

// OrganisationOf is ReachesOrganisation for those who hold no transaction, with its domains.
func (d *Directory) OrganisationOf(ctx context.Context, p authz.Principal, id string) (o Organisation, domains []Domain, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if o, err = ReachesOrganisation(tx, p, id); err == nil {
			domains, err = domainsOf(tx, id, "")
		}
		return err
	})
	return o, domains, err
}

// SetPartnerStatusAs is SetPartnerStatus for an operator in the console. Denied "operator.only", "user.inactive"; and as SetPartnerStatus.
func (d *Directory) SetPartnerStatusAs(ctx context.Context, p authz.Principal, outerID string, s PartnerStatus) (Partner, error) {
	return d.setPartnerStatus(ctx, operating(p), outerID, s)
}

// AddDomainAs is AddDomain, for an operator in the console, to an organisation given by its internal id. Denied
// "operator.only", "user.inactive"; and as AddDomain.
func (d *Directory) AddDomainAs(ctx context.Context, p authz.Principal, organisation, domain string) (Domain, error) {
	return d.addDomain(ctx, operatedBy(p, organisation), domain)
}

// VerifyDomainAs is VerifyDomain as AddDomainAs is AddDomain.
func (d *Directory) VerifyDomainAs(ctx context.Context, p authz.Principal, r Resolver, organisation, domain string) (Domain, error) {
	return d.verifyDomain(ctx, r, operatedBy(p, organisation), domain)
}

// VouchDomainAs is VouchDomain as AddDomainAs is AddDomain.
func (d *Directory) VouchDomainAs(ctx context.Context, p authz.Principal, organisation, domain string) (Domain, error) {
	return d.changeDomain(ctx, operatedBy(p, organisation), domain, prove(byOperator))
}

// CreateAccountAs is CreateAccount for an operator in the console. Denied "operator.only", "user.inactive"; and as CreateAccount.
func (d *Directory) CreateAccountAs(ctx context.Context, p authz.Principal, in NewAccount) (Account, error) {
	return d.createAccount(ctx, operating(p), in)
}

// ChangeConsumables sets caps of the account p.Account; types that are not among them stay as they are. A cap below what
// is used bars nobody who has a seat. It is for operators and the administrators of the account's partner. Denied
// "staff.only", "account.not_manager", "user.inactive", "partner.inactive"; Invalid as CreatePartnerAccount.
func (d *Directory) ChangeConsumables(ctx context.Context, p authz.Principal, list []Consumable) error {
	if err := staffOnly(p); err != nil {
		return err
	}
	if err := goodConsumables(list); err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		// It keeps everybody from taking and freeing seats; seat.go.
		if _, err = tx.Exec(`update accounts set seats_version = seats_version + 1, updated_ms = clock_ms() where id = $1`, p.Account); err != nil {
			return err
		}
		if err = storeConsumables(tx, p.Account, list); err != nil {
			return err
		}
		return record(tx, p, by, "account.changed", consumablesText(list))
	})
}

// SpeaksFor is how audit events name who may say how the people of an organisation, an internal id, sign in: an
// operator, an administrator of its partners if all its accounts are theirs, and the MANAGERs of its one account if it has
// neither partners nor people of its own, for whoever says so may pass for all of them. Denied "organisation.not_yours", "user.inactive",
// "partner.inactive"; NotFound "organisation.unknown".
func SpeaksFor(tx *db.Tx, p authz.Principal, organisation string) (audit.Actor, error) {
	no := errs.New(errs.Denied, "organisation.not_yours", "Only who runs all of the organisation can do this.")
	if p.Kind == authz.Staff || p.Has(authz.Operate) {
		who, err := StaffActor(tx, p, organisation, PartnerAdmin)
		if err != nil || p.Has(authz.Operate) {
			return who, err
		}
		own, err := db.One[bool](tx, `select exists (select 1 from accounts where organisation_id = $1 and partner_id is null)`, organisation)
		if err == nil && own {
			err = no
		}
		return who, err
	}
	by, _, err := actor(tx, p)
	if err != nil {
		return audit.Actor{}, err
	}
	if p.Kind != authz.Member || p.Client != "" || by.Type != Manager || by.Organisation != organisation {
		return audit.Actor{}, no
	}
	others, err := db.One[bool](tx, `select exists (select 1 from accounts where organisation_id = $1 and (id <> $2 or partner_id is not null))
		or exists (select 1 from partners where organisation_id = $1) or exists (select 1 from staff where organisation_id = $1 and status = 'ACTIVE')`,
		organisation, p.Account)
	if err == nil && others {
		err = no
	}
	return actorOf(p, by), err
}

// OrganisationsOf are the names of the organisations that staff reaches by their internal ids, and how many accounts
// each partner of theirs has, by its internal id. Denied "staff.only".
func (d *Directory) OrganisationsOf(ctx context.Context, p authz.Principal) (names map[string]string, accounts map[string]int, err error) {
	if err = staffOnly(p); err != nil {
		return nil, nil, err
	}
	type count struct {
		PartnerID string
		Accounts  int
	}
	names, accounts = map[string]string{}, map[string]int{}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		all, err := OrganisationNames(tx)
		if err != nil {
			return err
		}
		for id, name := range all {
			if p.Has(authz.Operate) || id == p.Organisation {
				names[id] = name
			}
		}
		where, arg := partnerReach(p)
		rows, err := db.All[count](tx, `select p.id as partner_id, count(*) as accounts from partners p join accounts a on a.partner_id = p.id
			where `+where+` group by p.id`, arg)
		for _, r := range rows {
			accounts[r.PartnerID] = r.Accounts
		}
		return err
	})
	return names, accounts, err
}
