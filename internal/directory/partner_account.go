package directory

import (
	"context"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// NewPartnerAccount is the input of CreatePartnerAccount.
type NewPartnerAccount struct {
	Name        string // letters and digits
	Company     string
	Country     string // ISO 3166-1 alpha-2
	Consumables []Consumable
}

// clean brings the input into its stored form. What is missing comes first.
func (in *NewPartnerAccount) clean() (err error) {
	if err = missing("name", in.Name, "countryCode", in.Country); err != nil {
		return err
	}
	if in.Name, err = accountName(in.Name); err != nil {
		return err
	}
	if err = plain("company", &in.Company); err != nil {
		return err
	}
	if err = goodCountry(in.Country); err != nil {
		return err
	}
	return goodConsumables(in.Consumables)
}

// missing refuses the first field, of names and values in turn, that is blank. Invalid "field.missing".
func missing(fields ...string) error {
	for i := 0; i < len(fields); i += 2 {
		if strings.TrimSpace(fields[i+1]) == "" {
			return errs.New(errs.Invalid, "field.missing", "%s is required.", fields[i]).On(fields[i])
		}
	}
	return nil
}

// accountName is a name of letters and digits in Unicode's NFC. Invalid "account.name".
func accountName(s string) (string, error) {
	name, ok := line(s)
	odd := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	if !ok || strings.ContainsFunc(name, odd) || name != norm.NFC.String(s) {
		return "", errs.New(errs.Invalid, "account.name", "An account's name is at most %d letters and digits.", maxLine).On("name")
	}
	return name, nil
}

// technical refuses (Denied "kind.denied") all but technical accounts.
func technical(p authz.Principal) error {
	if p.Kind != authz.Technical {
		return errs.New(errs.Denied, "kind.denied", "Only a technical account may do this.")
	}
	return nil
}

// CreatePartnerAccount makes an account of the partner whose technical account
// calls. Names are unique among a partner's accounts, whatever the case.
//
// Denied "kind.denied"; Invalid "field.missing" (name, then countryCode), then
// "account.name", "text.malformed", "country.unknown", "consumable.unknown",
// "consumable.twice", "consumable.cap"; Denied "partner.inactive"; Conflict
// "account.taken"; a fault "account.unconfigured" with the parameter account
// when the consumables cannot be stored, and then nothing is.
func (d *Directory) CreatePartnerAccount(ctx context.Context, p authz.Principal, in NewPartnerAccount) (a Account, err error) {
	if err = technical(p); err != nil {
		return Account{}, err
	}
	if err = in.clean(); err != nil {
		return Account{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		partner, err := PartnerOfClient(tx, p.Client)
		if errs.Is(err, "partner.unknown") || err == nil && partner.Status != PartnerActive {
			return inactivePartner()
		}
		if err != nil {
			return err
		}
		id, outer := secret.NewID(), secret.Alphanumeric(12)
		if err = claimAccountName(tx, partner.ID, in.Name, id); err != nil {
			return err
		}
		if _, err = tx.Exec(`insert into accounts (id, outer_id, organisation_id, partner_id, name, company, country, created_ms, updated_ms)
			values ($1, $2, $3, $4, $5, $6, $7, clock_ms(), clock_ms())`,
			id, outer, partner.Organisation, partner.ID, in.Name, in.Company, in.Country); err != nil {
			return err
		}
		if err = storeConsumables(tx, id, in.Consumables); err != nil {
			return errs.New(errs.Fault, "account.unconfigured", "The account could not be configured.").With("account", outer).Because(err)
		}
		if a, err = AccountByID(tx, id); err != nil {
			return err
		}
		return recordAccount(tx, "account.created", p, a, consumablesText(in.Consumables))
	})
	return a, err
}

// claimAccountName makes a name this account's own, whoever else tries at the
// same moment. Conflict "account.taken".
func claimAccountName(tx *db.Tx, partner, name, account string) error {
	changed, err := tx.Exec(`insert into account_names (partner_id, name, account_id) values ($1, $2, $3)
		on conflict (partner_id, name) do nothing`, partner, fold(name), account)
	if err == nil && changed == 0 {
		err = errs.New(errs.Conflict, "account.taken", "The partner has an account of this name already.").On("name")
	}
	return err
}

// recordAccount appends the audit event of an act on a partner's account.
func recordAccount(tx *db.Tx, event string, p authz.Principal, a Account, detail map[string]string) error {
	detail["partner"] = a.Partner
	_, err := audit.Append(tx, audit.Event{Type: event, Account: a.ID, Actor: audit.By(p), Detail: detail})
	return err
}

// PartnerAccountChange changes a partner's account.
type PartnerAccountChange struct {
	Name             string       // required
	Company, Country *string      // nil keeps; Country must be what it is
	Consumables      []Consumable // types that are not among them stay as they are
}

func (c *PartnerAccountChange) clean() (err error) {
	if err = missing("name", c.Name); err != nil {
		return err
	}
	if c.Name, err = accountName(c.Name); err != nil {
		return err
	}
	if c.Company != nil {
		company := *c.Company
		if err = plain("company", &company); err != nil {
			return err
		}
		c.Company = &company
	}
	if c.Country != nil {
		if err = goodCountry(*c.Country); err != nil {
			return err
		}
	}
	return goodConsumables(c.Consumables)
}

// ChangePartnerAccount changes an account of the caller's partner, given by its
// outer id. A cap below what is used bars nobody who has a seat.
//
// As CreatePartnerAccount; also NotFound "account.unknown" and Invalid
// "country.immutable" for a country other than the account's.
func (d *Directory) ChangePartnerAccount(ctx context.Context, p authz.Principal, outerID string, c PartnerAccountChange) error {
	if err := technical(p); err != nil {
		return err
	}
	if err := c.clean(); err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		was, err := holdPartnerAccount(tx, p, outerID, len(c.Consumables) > 0)
		if err != nil {
			return err
		}
		if c.Country != nil && *c.Country != was.Country {
			return errs.New(errs.Invalid, "country.immutable", "The country of an account cannot be changed.").On("countryCode")
		}
		if err = renameAccount(tx, was, c.Name); err != nil {
			return err
		}
		if err = storeConsumables(tx, was.ID, c.Consumables); err != nil {
			return err
		}
		if _, err = tx.Exec(`update accounts set name = $2, company = $3, updated_ms = clock_ms() where id = $1`,
			was.ID, c.Name, or(c.Company, was.Company)); err != nil {
			return err
		}
		return recordAccount(tx, "account.changed", p, was, consumablesText(c.Consumables))
	})
}

// renameAccount claims the new name and frees the old one. The caller holds the account.
func renameAccount(tx *db.Tx, was Account, name string) error {
	if fold(name) == fold(was.Name) {
		return nil
	}
	if err := claimAccountName(tx, was.Partner, name, was.ID); err != nil {
		return err
	}
	_, err := tx.Exec(`delete from account_names where partner_id = $1 and name = $2`, was.Partner, fold(was.Name))
	return err
}

// PartnerAccount finds an account of the caller's partner by its outer id.
// Denied "kind.denied", "partner.inactive"; NotFound "account.unknown".
func (d *Directory) PartnerAccount(ctx context.Context, p authz.Principal, outerID string) (a Account, err error) {
	if err = technical(p); err != nil {
		return Account{}, err
	}
	err = d.db.Peek(ctx, func(tx *db.Tx) error { a, err = partnerAccount(tx, p, outerID); return err })
	return a, err
}

// partnerAccount needs one statement when there is nothing to refuse.
func partnerAccount(tx *db.Tx, p authz.Principal, outerID string) (Account, error) {
	if !storable(outerID) {
		outerID = "" // nobody's
	}
	a, err := oneAccount(tx, `where a.outer_id = $1 and p.client_id = $2 and p.status = 'ACTIVE'`, outerID, p.Client)
	if errs.Is(err, "account.unknown") {
		if inactive := checkPartner(tx, p); inactive != nil {
			err = inactive
		}
	}
	return a, err
}

// holdPartnerAccount is partnerAccount, and keeps the account as it is until the
// transaction ends; seats also keeps everybody from taking and freeing its seats.
func holdPartnerAccount(tx *db.Tx, p authz.Principal, outerID string, seats bool) (Account, error) {
	if storable(outerID) {
		if _, err := tx.Exec(`update accounts set seats_version = seats_version + case when cast($3 as boolean) then 1 else 0 end
			where outer_id = $1 and partner_id = (select p.id from partners p where p.client_id = $2)`, outerID, p.Client, seats); err != nil {
			return Account{}, err
		}
	}
	return partnerAccount(tx, p, outerID)
}

// AccountLine is an account in a list.
type AccountLine struct {
	OuterID, Name string
	Created       time.Time
}

// PartnerAccounts lists the accounts of the caller's partner, the newest last:
// page 0 is the first, size 1 to 1000. Denied "kind.denied", "partner.inactive";
// Invalid "query.range".
func (d *Directory) PartnerAccounts(ctx context.Context, p authz.Principal, page, size int) (list []AccountLine, err error) {
	if err = technical(p); err != nil {
		return nil, err
	}
	if page < 0 || page > 1<<30 || size < 1 || size > pageMax {
		return nil, errs.New(errs.Invalid, "query.range", "Pages count from 0 and have 1 to %d accounts.", pageMax).On("page")
	}
	type row struct {
		OuterID, Name string
		CreatedMs     int64
	}
	list = make([]AccountLine, 0, size)
	err = d.db.Peek(ctx, func(tx *db.Tx) error {
		for r, err := range db.Rows[row](tx, `select outer_id, name, created_ms from accounts
			where partner_id = (select p.id from partners p where p.client_id = $1 and p.status = 'ACTIVE')
			order by id limit $2 offset $3`, p.Client, size, int64(page)*int64(size)) {
			if err != nil {
				return err
			}
			list = append(list, AccountLine{r.OuterID, r.Name, db.Time(r.CreatedMs)})
		}
		if len(list) == 0 { // there are none, or none to be seen
			return checkPartner(tx, p)
		}
		return nil
	})
	return list, err
}
