package directory

import (
	"context"
	"errors"
	"fmt"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// reachOf is which accounts a and their partners p a principal sees, as SQL, with one argument, $1: all for the operator,
// those of his organisation's partners for other staff, his own for everybody else. What he may do there is another
// question, which managing answers.
func reachOf(p authz.Principal) (where, arg string) {
	ofStaff := `exists (select 1 from staff s where s.id = $1 and s.status = 'ACTIVE' and `
	switch {
	case p.Kind == authz.Staff && p.Has(authz.Operate):
		return ofStaff + `s.role = 'operator')`, p.By
	case p.Kind == authz.Staff:
		return ofStaff + `s.organisation_id = p.organisation_id)`, p.By
	case p.Has(authz.Operate):
		return `$1 = ''`, ""
	}
	return `a.id = $1`, p.Account
}

// ReachesAccount finds an account by its outer id if the principal may see it at all: any for the operator, those of
// his organisation's partners for other staff, his own for a user. NotFound "account.unknown" for every other.
func ReachesAccount(tx *db.Tx, p authz.Principal, outerID string) (Account, error) {
	if !storable(outerID) {
		return Account{}, unknownAccount()
	}
	where, arg := reachOf(p)
	return oneAccount(tx, `where `+where+` and a.outer_id = $2`, arg, outerID)
}

// ReachedAccount is ReachesAccount for those who hold no transaction.
func (d *Directory) ReachedAccount(ctx context.Context, p authz.Principal, outerID string) (a Account, err error) {
	err = d.db.Peek(ctx, func(tx *db.Tx) error { a, err = ReachesAccount(tx, p, outerID); return err })
	return a, err
}

// AccountQuery selects accounts.
type AccountQuery struct {
	Search  string // contained in the name, the company or the outer id, whatever the case
	Partner string // outer id; empty: of all
}

// ReachedAccounts lists accounts that the principal reaches in the order of their internal ids, which is that in which
// they came: those after one of them, "" at first, at most limit (1 to 1000). It counts all that match. Invalid "query.limit".
func (d *Directory) ReachedAccounts(ctx context.Context, p authz.Principal, q AccountQuery, after string, limit int) (list []Account, count int, err error) {
	if err = goodLimit(limit); err != nil {
		return nil, 0, err
	}
	list = []Account{}
	if !storable(q.Partner + after) {
		return list, 0, nil
	}
	where, arg := reachOf(p)
	from := `from accounts a left join partners p on p.id = a.partner_id where ` + where + `
		and (lower(a.name) like $2 escape '\' or lower(a.company) like $2 escape '\' or lower(a.outer_id) like $2 escape '\')
		and ($3 = '' or p.outer_id = $3)`
	args := []any{arg, containing(q.Search), q.Partner}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if count, err = db.One[int](tx, `select count(*) `+from, args...); err != nil {
			return err
		}
		rows, err := db.All[accountRow](tx, fmt.Sprintf(`select %s %s and a.id > $4 order by a.id limit %d`, accountColumns, from, limit), append(args, after)...)
		for _, r := range rows {
			list = append(list, r.account())
		}
		return err
	})
	return list, count, err
}

// goodLimit: Invalid "query.limit".
func goodLimit(limit int) error {
	if limit < 1 || limit > pageMax {
		return errs.New(errs.Invalid, "query.limit", "limit is from 1 to %d.", pageMax).On("limit")
	}
	return nil
}

// staffOnly refuses (Denied "staff.only") who is neither staff nor the operator.
func staffOnly(p authz.Principal) error {
	if p.Kind != authz.Staff && !p.Has(authz.Operate) {
		return errs.New(errs.Denied, "staff.only", "Partners are for those who run them.")
	}
	return nil
}

// partnerReach is which partners p staff sees, as SQL, with one argument, $1.
func partnerReach(p authz.Principal) (where, arg string) {
	if where, arg = reachOf(p); p.Kind != authz.Staff && !p.Has(authz.Operate) {
		where, arg = `p.id = $1`, "" // nobody's
	}
	return where, arg
}

// PartnersOf lists the partners that staff reaches, whatever their state, the oldest first: all for the operator, those
// of his organisation for others. Denied "staff.only".
func (d *Directory) PartnersOf(ctx context.Context, p authz.Principal) (list []Partner, err error) {
	if err = staffOnly(p); err != nil {
		return nil, err
	}
	where, arg := partnerReach(p)
	list = []Partner{}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[partnerRow](tx, `select `+partnerColumns+` from partners p where `+where+` order by p.id`, arg)
		for _, r := range rows {
			list = append(list, r.partner())
		}
		return err
	})
	return list, err
}

// PartnerOf finds one of them by its outer id. NotFound "partner.unknown"; Denied "staff.only".
func (d *Directory) PartnerOf(ctx context.Context, p authz.Principal, outerID string) (out Partner, err error) {
	if err = staffOnly(p); err != nil {
		return Partner{}, err
	}
	err = d.db.Peek(ctx, func(tx *db.Tx) error { out, err = ReachesPartner(tx, p, outerID); return err })
	return out, err
}

// ReachesPartner finds a partner by its outer id if it is one that staff reaches. NotFound "partner.unknown" for every other.
func ReachesPartner(tx *db.Tx, p authz.Principal, outerID string) (Partner, error) {
	if !storable(outerID) {
		return Partner{}, unknownPartner()
	}
	where, arg := partnerReach(p)
	r, err := db.One[partnerRow](tx, `select `+partnerColumns+` from partners p where `+where+` and p.outer_id = $2`, arg, outerID)
	if errors.Is(err, db.ErrNone) {
		return Partner{}, unknownPartner()
	}
	return r.partner(), err
}

// DomainsOfPartner are the domains of the organisation of a partner that staff reaches, by name. As PartnerOf.
func (d *Directory) DomainsOfPartner(ctx context.Context, p authz.Principal, outerID string) (list []Domain, err error) {
	if err = staffOnly(p); err != nil {
		return nil, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		partner, err := ReachesPartner(tx, p, outerID)
		if err == nil {
			list, err = domainsOf(tx, partner.Organisation, "")
		}
		return err
	})
	return list, err
}

// MayConnect refuses who does not connect programs to the account, as callbacks do: those of MayManage, and its
// partner's administrators and developers while the partner is ACTIVE. Denied "account.not_manager", "user.inactive".
func MayConnect(tx *db.Tx, p authz.Principal) error {
	if p.Kind != authz.Staff || p.Has(authz.Operate) {
		return MayManage(tx, p)
	}
	where, arg := reachOf(p)
	reaches, err := db.One[bool](tx, `select exists (select 1 from accounts a join partners p on p.id = a.partner_id
		where `+where+` and a.id = $2 and p.status = 'ACTIVE')`, arg, p.Account)
	if err == nil && !reaches {
		err = notManager()
	}
	return err
}
