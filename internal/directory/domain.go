package directory

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"golang.org/x/net/publicsuffix"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Domain is an organisation's claim to a mail domain.
type Domain struct {
	Name   string    // canonical, as in addresses
	Token  string    // 64 hexadecimal digits, for the TXT record
	Proven time.Time // zero: not yet
	How    string    // "dns" or "operator"; empty: not yet
}

// Record is the text of the TXT record that proves the claim.
func (d Domain) Record() string { return "countersign-domain-verification=" + d.Token }

// Resolver asks the domain name system; *net.Resolver is one. Names it is asked
// for are absolute: they end with a dot.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// The ways of proving a domain.
const (
	byDNS      = "dns"
	byOperator = "operator"
)

// resolving is how long VerifyDomain waits for an answer.
const resolving = 10 * time.Second

// canonicalMailDomain is the stored form of a domain that an organisation can
// own: CanonicalEmail's, and no public suffix. Invalid "domain.malformed".
func canonicalMailDomain(s string) (string, error) {
	domain, ok := canonicalDomain(s)
	if ok {
		suffix, _ := publicsuffix.PublicSuffix(domain)
		ok = suffix != domain
	}
	if !ok {
		return "", errs.New(errs.Invalid, "domain.malformed", "A domain is a name below a public suffix, such as example.com.").On("domain")
	}
	return domain, nil
}

// AddDomain claims a domain for an organisation, given by name; claimed already,
// the claim is answered as it is. It is the operator's act. NotFound
// "organisation.unknown"; Invalid "domain.malformed".
func (d *Directory) AddDomain(ctx context.Context, organisation, domain string) (Domain, error) {
	return d.addDomain(ctx, named(organisation), domain)
}

func (d *Directory) addDomain(ctx context.Context, of owner, domain string) (Domain, error) {
	return d.changeDomain(ctx, of, domain, func(*db.Tx, string, string, audit.Actor) error { return nil })
}

// VerifyDomain makes a claimed domain the organisation's own when its TXT record
// is found. It is the operator's act. NotFound "organisation.unknown",
// "domain.unknown" when it is not claimed; Invalid "domain.malformed", or
// "domain.unproven" without the record; Conflict "domain.taken" when another
// organisation has proved it.
func (d *Directory) VerifyDomain(ctx context.Context, r Resolver, organisation, domain string) (Domain, error) {
	return d.verifyDomain(ctx, r, named(organisation), domain)
}

func (d *Directory) verifyDomain(ctx context.Context, r Resolver, of owner, domain string) (Domain, error) {
	domain, err := canonicalMailDomain(domain)
	if err != nil {
		return Domain{}, err
	}
	claim, err := d.claimOf(ctx, of, domain)
	if err != nil || !claim.Proven.IsZero() {
		return claim, err
	}
	waiting, cancel := context.WithTimeout(ctx, resolving)
	defer cancel()
	records, err := r.LookupTXT(waiting, domain+".")
	if !slices.Contains(records, claim.Record()) {
		return Domain{}, errs.New(errs.Invalid, "domain.unproven", "%s has no TXT record %s.", domain, claim.Record()).On("domain").Because(err)
	}
	return d.changeDomain(ctx, of, domain, prove(byDNS))
}

func (d *Directory) claimOf(ctx context.Context, of owner, domain string) (claim Domain, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		id, _, err := of(tx)
		if err == nil {
			claim, err = oneDomain(tx, id, domain)
		}
		return err
	})
	return claim, err
}

// VouchDomain makes a domain the organisation's own on the operator's word,
// claimed or not. NotFound "organisation.unknown"; Invalid "domain.malformed";
// Conflict "domain.taken".
func (d *Directory) VouchDomain(ctx context.Context, organisation, domain string) (Domain, error) {
	return d.changeDomain(ctx, named(organisation), domain, prove(byOperator))
}

// Domains lists an organisation's domains by name. NotFound "organisation.unknown".
func (d *Directory) Domains(ctx context.Context, organisation string) (list []Domain, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		id, err := organisationByName(tx, organisation)
		if err == nil {
			list, err = domainsOf(tx, id, "")
		}
		return err
	})
	return list, err
}

// changeDomain claims a domain unless it is claimed already, and does what more there is to do.
func (d *Directory) changeDomain(ctx context.Context, of owner, domain string, more func(tx *db.Tx, id, domain string, by audit.Actor) error) (out Domain, err error) {
	if domain, err = canonicalMailDomain(domain); err != nil {
		return Domain{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		id, by, err := of(tx)
		if err != nil {
			return err
		}
		if err = claimDomain(tx, id, domain, by); err != nil {
			return err
		}
		if err = more(tx, id, domain, by); err != nil {
			return err
		}
		out, err = oneDomain(tx, id, domain)
		return err
	})
	return out, err
}

func claimDomain(tx *db.Tx, organisation, domain string, by audit.Actor) error {
	changed, err := tx.Exec(`insert into domain_claims (organisation_id, name, token, created_ms)
		values ($1, $2, $3, clock_ms()) on conflict do nothing`, organisation, domain, hex.EncodeToString(secret.Bytes(32)))
	if err != nil || changed == 0 {
		return err
	}
	return recordDomain(tx, "domain.added", by, organisation, domain, "")
}

// prove makes a domain this organisation's own, whoever else tries at the same moment.
func prove(how string) func(tx *db.Tx, organisation, domain string, by audit.Actor) error {
	return func(tx *db.Tx, organisation, domain string, by audit.Actor) error {
		changed, err := tx.Exec(`insert into proven_domains (name, organisation_id, how, proven_ms)
			values ($1, $2, $3, clock_ms()) on conflict do nothing`, domain, organisation, how)
		if err != nil {
			return err
		}
		if changed == 1 {
			return recordDomain(tx, "domain.proven", by, organisation, domain, how)
		}
		owner, err := db.One[string](tx, `select organisation_id from proven_domains where name = $1`, domain)
		if err == nil && owner != organisation {
			err = errs.New(errs.Conflict, "domain.taken", "Another organisation has proved that %s is its own.", domain).On("domain")
		}
		return err
	}
}

func recordDomain(tx *db.Tx, event string, by audit.Actor, organisation, domain, how string) error {
	detail := map[string]string{"organisation": organisation, "domain": domain}
	if how != "" {
		detail["how"] = how
	}
	_, err := audit.Append(tx, audit.Event{Type: event, Actor: by, Detail: detail})
	return err
}

// domainsOf lists the claims of an organisation; name, when not empty, selects one.
func domainsOf(tx *db.Tx, organisation, name string) ([]Domain, error) {
	type row struct {
		Name, Token, How string
		ProvenMs         *int64
	}
	rows, err := db.All[row](tx, `select c.name, c.token, coalesce(o.how, '') as how, o.proven_ms
		from domain_claims c left join proven_domains o on o.name = c.name and o.organisation_id = c.organisation_id
		where c.organisation_id = $1 and ($2 = '' or c.name = $2)`, organisation, name)
	list := make([]Domain, len(rows))
	for i, r := range rows {
		list[i] = Domain{r.Name, r.Token, timeOf(r.ProvenMs), r.How}
	}
	slices.SortFunc(list, func(a, b Domain) int { return cmp.Compare(a.Name, b.Name) }) // engines sort text differently
	return list, err
}

func oneDomain(tx *db.Tx, organisation, name string) (Domain, error) {
	list, err := domainsOf(tx, organisation, name)
	if err == nil && len(list) == 0 {
		err = errs.New(errs.NotFound, "domain.unknown", "The organisation has not claimed this domain.").On("domain")
	}
	if err != nil {
		return Domain{}, err
	}
	return list[0], nil
}

// provenDomains are the names an organisation has proved.
func provenDomains(tx *db.Tx, organisation string) ([]string, error) {
	list, err := db.All[string](tx, `select name from proven_domains where organisation_id = $1`, organisation)
	slices.Sort(list)
	return list, err
}

// eligible are the domains a partner asks for, canonical and each once; none
// asks for all of them. NotFound "domains.none"; Invalid "domain.not_eligible".
func eligible(tx *db.Tx, organisation string, wanted []string) ([]string, error) {
	proven, err := provenDomains(tx, organisation)
	if err != nil {
		return nil, err
	}
	if len(proven) == 0 {
		return nil, errs.New(errs.NotFound, "domains.none", "The organisation has proved no domain.").On("domains")
	}
	if len(wanted) == 0 {
		return proven, nil
	}
	for _, name := range wanted {
		if !slices.Contains(proven, name) {
			return nil, errs.New(errs.Invalid, "domain.not_eligible", "The organisation has not proved that every domain is its own.").On("domains")
		}
	}
	return wanted, nil
}

// canonicalDomains cleans a list of domains, each once, in the order given. Invalid "domain.malformed".
func canonicalDomains(list []string) ([]string, error) {
	out := []string{}
	for _, s := range list {
		name, err := canonicalMailDomain(s)
		if err != nil {
			return nil, onField(err, "domains")
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// domainOf is the domain of a canonical address.
func domainOf(email string) string {
	_, domain, _ := cutLast(email, "@")
	return domain
}
