package directory

import (
	"context"
	"errors"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/mail"

	"countersign.dev/internal/secret"
)

// Directory holds the acts on organisations, partners, accounts, users and groups.
type Directory struct {
	db   *db.DB
	post *mail.Post
	// registered is what a partner is as it registers.
	registered PartnerStatus
}

// New makes the directory of a database; post delivers its invitations.
func New(d *db.DB, post *mail.Post) *Directory {
	return &Directory{db: d, post: post, registered: PartnerInactive}
}

// Account is a tenant: users, groups and packages belong to one.
type Account struct {
	ID           string // internal
	OuterID      string // 12 letters and digits
	Organisation string // internal id
	Partner      string // internal id; empty: the operator's own account
	Name         string
	Company      string
	Country      string // ISO 3166-1 alpha-2; empty for the operator's own account
	Created      time.Time
	Updated      time.Time
	// Consumables are those that were given, in the order SEATS, PHONE_AUTH, KBA.
	Consumables []Consumable
	// Settings are the account's own, Channel those of its partner's channel; Effective is what holds.
	Settings, Channel Settings
}

// Effective is the account's own settings, narrowed by its channel, with the
// server's defaults where neither sets any. Reminders are sent when its
// RemindAtMost is above 0.
func (a Account) Effective() Settings {
	return a.Settings.narrowed(a.Channel).Or(Defaults).beating()
}

// operator is whoever runs the server: domains, partners' states and the house's own accounts are his to make.
var operator = audit.Actor{Kind: audit.KindOperator}

type accountRow struct {
	ID, OuterID, OrganisationID, Name, Company, Country, MemberIdentification string
	PartnerID                                                                 *string
	SoftLeaseMs, HardLeaseMs, HeartbeatMs, MaxHoldMs                          int64
	RemindFirstMs, RemindEveryMs                                              int64
	RemindAtMost                                                              int
	SenderName                                                                string
	CreatedMs, UpdatedMs                                                      int64
	Channel                                                                   db.JSON[Settings]
	Seats, PhoneAuth, Kba                                                     *int64
}

// accountColumns are what an Account needs of accounts a and partners p.
const accountColumns = `a.id, a.outer_id, a.organisation_id, a.partner_id, a.name, a.company, a.country, a.member_identification,
	a.soft_lease_ms, a.hard_lease_ms, a.heartbeat_ms, a.max_hold_ms, a.remind_first_ms, a.remind_every_ms, a.remind_at_most,
	a.sender_name, a.created_ms, a.updated_ms, p.settings as channel,
	(select c.cap from consumables c where c.account_id = a.id and c.type = 'SEATS') as seats,
	(select c.cap from consumables c where c.account_id = a.id and c.type = 'PHONE_AUTH') as phone_auth,
	(select c.cap from consumables c where c.account_id = a.id and c.type = 'KBA') as kba`

func (r accountRow) account() Account {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	a := Account{
		ID: r.ID, OuterID: r.OuterID, Organisation: r.OrganisationID, Name: r.Name, Company: r.Company, Country: r.Country,
		Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs), Channel: r.Channel.V,
		Settings: Settings{
			MemberIdentification: r.MemberIdentification, SoftLease: ms(r.SoftLeaseMs), HardLease: ms(r.HardLeaseMs),
			Heartbeat: ms(r.HeartbeatMs), MaxHold: ms(r.MaxHoldMs), RemindFirst: ms(r.RemindFirstMs),
			RemindEvery: ms(r.RemindEveryMs), RemindAtMost: r.RemindAtMost, SenderName: r.SenderName,
		},
	}
	if r.PartnerID != nil {
		a.Partner = *r.PartnerID
	}
	for i, cap := range []*int64{r.Seats, r.PhoneAuth, r.Kba} {
		if cap != nil {
			a.Consumables = append(a.Consumables, Consumable{consumableTypes[i], *cap})
		}
	}
	return a
}

func oneAccount(tx *db.Tx, where string, args ...any) (Account, error) {
	r, err := db.One[accountRow](tx, `select `+accountColumns+`
		from accounts a left join partners p on p.id = a.partner_id `+where, args...)
	if errors.Is(err, db.ErrNone) {
		return Account{}, unknownAccount()
	}
	return r.account(), err
}

func unknownAccount() error {
	return errs.New(errs.NotFound, "account.unknown", "There is no such account.")
}

// AccountByID finds an account by its internal id. NotFound "account.unknown".
func AccountByID(tx *db.Tx, id string) (Account, error) { return oneAccount(tx, `where a.id = $1`, id) }

// NewAccount is the input of CreateAccount.
type NewAccount struct {
	// Organisation is the organisation's name: the account joins the one of that
	// name, which is made when there is none. Empty: the account gets one of its own.
	Organisation string
	Name         string
}

// CreateAccount makes an account. It is the operator's act. Invalid
// "name.malformed", or "name.missing" when the account has none.
func (d *Directory) CreateAccount(ctx context.Context, in NewAccount) (a Account, err error) {
	return d.createAccount(ctx, byCommand, in)
}

func (d *Directory) createAccount(ctx context.Context, who asker, in NewAccount) (a Account, err error) {
	if in.Name, err = required("name", in.Name); err != nil {
		return Account{}, err
	}
	if in.Organisation, err = PersonName(in.Organisation); err != nil {
		return Account{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
		organisation, err := joinOrganisation(tx, in)
		if err != nil {
			return err
		}
		id := secret.NewID()
		if _, err = tx.Exec(`insert into accounts (id, outer_id, organisation_id, name, created_ms, updated_ms)
			values ($1, $2, $3, $4, clock_ms(), clock_ms())`, id, secret.Alphanumeric(12), organisation, in.Name); err != nil {
			return err
		}
		if a, err = AccountByID(tx, id); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "account.created", Account: a.ID, Actor: by})
		return err
	})
	return a, err
}
