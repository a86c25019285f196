package directory

import (
	"context"
	"errors"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// PartnerStatus says whether a partner may have accounts and users.
type PartnerStatus string

// The states of a partner; the package comment draws how they follow each other.
const (
	PartnerActive   PartnerStatus = "ACTIVE"
	PartnerInactive PartnerStatus = "INACTIVE"
)

// Partner is a software vendor who gives signing to customers of its own.
type Partner struct {
	ID                        string // internal
	OuterID                   string // a GUID
	Organisation              string // internal id
	OrganisationOuterID       string // a GUID
	Client                    string // client id of its technical account
	TechnicalAccount          string
	Name                      string
	Status                    PartnerStatus
	Domains                   []string // canonical; users have addresses in these alone
	RequireSignedSubjectToken bool
	SubjectKeys               []byte   // JSON Web Key Set; nil: none
	Settings                  Settings // of its channel
	UpdatedBy                 string   // technical account id, or "operator"
	Created, Modified         time.Time
	Generation                int64 // what carries a lower one is dead
}

type partnerRow struct {
	ID, OuterID, OrganisationID, OrganisationOuterID, ClientID, TechnicalAccount, Name, Status, UpdatedBy string
	Domains                                                                                               db.JSON[[]string]
	RequireSigned                                                                                         bool
	SubjectKeys                                                                                           *string
	Settings                                                                                              db.JSON[Settings]
	CreatedMs, UpdatedMs, Generation                                                                      int64
}

const partnerColumns = `p.id, p.outer_id, p.organisation_id, p.client_id, p.technical_account, p.name, p.status, p.domains,
	p.require_signed, p.subject_keys, p.settings, p.updated_by, p.created_ms, p.updated_ms,
	(select o.outer_id from organisations o where o.id = p.organisation_id) as organisation_outer_id,
	coalesce((select g.generation from generations g where g.kind = 'partner' and g.id = p.id), 0) as generation`

func (r partnerRow) partner() Partner {
	p := Partner{
		ID: r.ID, OuterID: r.OuterID, Organisation: r.OrganisationID, OrganisationOuterID: r.OrganisationOuterID,
		Client: r.ClientID, TechnicalAccount: r.TechnicalAccount, Name: r.Name, Status: PartnerStatus(r.Status),
		Domains: r.Domains.V, RequireSignedSubjectToken: r.RequireSigned, Settings: r.Settings.V, UpdatedBy: r.UpdatedBy,
		Created: db.Time(r.CreatedMs), Modified: db.Time(r.UpdatedMs), Generation: r.Generation,
	}
	if r.SubjectKeys != nil {
		p.SubjectKeys = []byte(*r.SubjectKeys)
	}
	return p
}

func onePartner(tx *db.Tx, where, key string) (Partner, error) {
	if !storable(key) {
		return Partner{}, unknownPartner()
	}
	r, err := db.One[partnerRow](tx, `select `+partnerColumns+` from partners p `+where, key)
	if errors.Is(err, db.ErrNone) {
		return Partner{}, unknownPartner()
	}
	return r.partner(), err
}

func unknownPartner() error {
	return errs.New(errs.NotFound, "partner.unknown", "There is no such partner.")
}

func inactivePartner() error {
	return errs.New(errs.Denied, "partner.inactive", "The partner is not registered, or not active.")
}

// PartnerOfClient finds the partner of a technical account, whatever its state,
// by the client id. NotFound "partner.unknown".
func PartnerOfClient(tx *db.Tx, client string) (Partner, error) {
	return onePartner(tx, `where p.client_id = $1`, client)
}

// Partners lists all partners, the newest last.
func (d *Directory) Partners(ctx context.Context) (list []Partner, err error) {
	list = []Partner{}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		for r, err := range db.Rows[partnerRow](tx, `select `+partnerColumns+` from partners p order by p.id`) {
			if err != nil {
				return err
			}
			list = append(list, r.partner())
		}
		return nil
	})
	return list, err
}

// NewPartner is the input of RegisterPartner.
type NewPartner struct {
	Name    string
	Domains []string // empty: all that the organisation has proved
}

// RegisterPartner makes a partner, INACTIVE unless the directory activates at
// once, of a technical account, which can be one partner only. Denied "kind.denied" to others; Invalid "name.missing",
// "name.malformed", "domain.malformed"; NotFound "domains.none" when the
// organisation has proved no domain; Invalid "domain.not_eligible"; Conflict
// "partner.exists".
func (d *Directory) RegisterPartner(ctx context.Context, p authz.Principal, in NewPartner) (out Partner, err error) {
	if p.Kind != authz.Technical {
		return Partner{}, errs.New(errs.Denied, "kind.denied", "Only a technical account can be registered as a partner.")
	}
	if in.Name, err = required("name", in.Name); err != nil {
		return Partner{}, err
	}
	if in.Domains, err = canonicalDomains(in.Domains); err != nil {
		return Partner{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		domains, err := eligible(tx, p.Organisation, in.Domains)
		if err != nil {
			return err
		}
		if err = showOrganisation(tx, p.Organisation); err != nil {
			return err
		}
		if err = insertPartner(tx, p, in.Name, d.registered, domains); err != nil {
			return err
		}
		if out, err = PartnerOfClient(tx, p.Client); err != nil {
			return err
		}
		return recordPartner(tx, "partner.registered", audit.By(p), out.ID, map[string]string{"organisation": p.Organisation})
	})
	return out, err
}

func insertPartner(tx *db.Tx, p authz.Principal, name string, status PartnerStatus, domains []string) error {
	changed, err := tx.Exec(`insert into partners (id, outer_id, organisation_id, client_id, technical_account, name, status,
			domains, settings, updated_by, created_ms, updated_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, '{}', $5, clock_ms(), clock_ms()) on conflict do nothing`,
		secret.NewID(), secret.NewGUID(), p.Organisation, p.Client, p.TechnicalAccount, name, string(status), db.AsJSON(domains))
	if err == nil && changed == 0 {
		err = errs.New(errs.Conflict, "partner.exists", "This technical account is registered as a partner already.")
	}
	return err
}

// recordPartner appends the audit event of an act on a partner.
func recordPartner(tx *db.Tx, event string, by audit.Actor, partner string, detail map[string]string) error {
	detail["partner"] = partner
	_, err := audit.Append(tx, audit.Event{Type: event, Actor: by, Detail: detail})
	return err
}

// partnerKey is how the partner of a principal is found: a column of partners p and its value.
func partnerKey(p authz.Principal) (column, value string) {
	switch p.Kind {
	case authz.Technical:
		return "p.client_id", p.Client
	case authz.Delegated:
		return "p.id", p.Partner
	}
	return "p.id", "" // nobody's
}

// CheckPartner refuses (Denied "partner.inactive") unless the principal's partner is registered and ACTIVE.
func (d *Directory) CheckPartner(ctx context.Context, p authz.Principal) error {
	return d.db.Peek(ctx, func(tx *db.Tx) error { return checkPartner(tx, p) })
}

// checkPartner is CheckPartner inside another act.
func checkPartner(tx *db.Tx, p authz.Principal) error {
	column, value := partnerKey(p)
	_, err := db.One[string](tx, `select p.id from partners p where `+column+` = $1 and p.status = 'ACTIVE'`, value)
	if errors.Is(err, db.ErrNone) {
		err = inactivePartner()
	}
	return err
}
