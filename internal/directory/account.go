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

// Directory holds the acts on accounts, senders and groups.
type Directory struct {
	db   *db.DB
	post *mail.Post
}

// New makes the directory of a database; post delivers its invitations.
func New(d *db.DB, post *mail.Post) *Directory { return &Directory{db: d, post: post} }

// Account is a tenant: users, groups and packages belong to one.
type Account struct {
	ID           string // internal
	OuterID      string // 12 letters and digits
	Organisation string // internal id
	Name         string
	Created      time.Time
	Updated      time.Time
	Settings     Settings
}

// Settings of an account. A zero member stands for the server's default.
type Settings struct {
	// MemberIdentification says when a person must prove his mailbox by a code:
	// "new browser", "always" (for every package), or "link" (the personal link is enough).
	MemberIdentification string
	// SoftLease is how long a group member may look at the signing page before touching it.
	SoftLease time.Duration
	// HardLease is how long a lease lives after the last sign of life.
	HardLease time.Duration
	// Heartbeat is how often the signing page gives one.
	Heartbeat time.Duration
	// MaxHold is how long one member may hold while others wait.
	MaxHold time.Duration
}

// The ways of MemberIdentification.
const (
	NewBrowser = "new browser"
	Always     = "always"
	Link       = "link"
)

// operator is whoever runs the server: accounts are his to make.
var operator = audit.Actor{Kind: audit.KindOperator}

// Defaults are the settings of a server that sets none.
var Defaults = Settings{
	MemberIdentification: NewBrowser,
	SoftLease:            90 * time.Second,
	HardLease:            15 * time.Minute,
	Heartbeat:            30 * time.Second,
	MaxHold:              time.Hour,
}

// Or fills what s leaves open from defaults.
func (s Settings) Or(defaults Settings) Settings {
	if s.MemberIdentification == "" {
		s.MemberIdentification = defaults.MemberIdentification
	}
	for to, from := range map[*time.Duration]time.Duration{
		&s.SoftLease: defaults.SoftLease, &s.HardLease: defaults.HardLease,
		&s.Heartbeat: defaults.Heartbeat, &s.MaxHold: defaults.MaxHold,
	} {
		if *to == 0 {
			*to = from
		}
	}
	return s
}

// valid refuses a setting that is out of its range. Invalid "settings.range".
func (s Settings) valid() error {
	switch s.MemberIdentification {
	case "", NewBrowser, Always, Link:
	default:
		return badSetting("member_identification")
	}
	for name, d := range map[string]time.Duration{
		"soft_lease": s.SoftLease, "hard_lease": s.HardLease, "heartbeat": s.Heartbeat, "max_hold": s.MaxHold,
	} {
		if d != 0 && (d < time.Second || d > 24*time.Hour || d%time.Millisecond != 0) {
			return badSetting(name)
		}
	}
	return nil
}

// consistent refuses settings under which a lease would lapse between two signs of life. Invalid "settings.range".
func (s Settings) consistent() error {
	if all := s.Or(Defaults); all.Heartbeat >= all.HardLease {
		return badSetting("heartbeat")
	}
	return nil
}

func badSetting(name string) error {
	return errs.New(errs.Invalid, "settings.range", "The setting %s is out of its range.", name).On(name)
}

type accountRow struct {
	ID, OuterID, OrganisationID, Name, MemberIdentification string
	SoftLeaseMs, HardLeaseMs, HeartbeatMs, MaxHoldMs        int64
	CreatedMs, UpdatedMs                                    int64
}

func (r accountRow) account() Account {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return Account{
		ID: r.ID, OuterID: r.OuterID, Organisation: r.OrganisationID, Name: r.Name,
		Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs),
		Settings: Settings{
			MemberIdentification: r.MemberIdentification, SoftLease: ms(r.SoftLeaseMs), HardLease: ms(r.HardLeaseMs),
			Heartbeat: ms(r.HeartbeatMs), MaxHold: ms(r.MaxHoldMs),
		},
	}
}

// AccountByID finds an account by its internal id. NotFound "account.unknown".
// Its settings are as stored; Settings.Or(Defaults) fills them.
func AccountByID(tx *db.Tx, id string) (Account, error) {
	r, err := db.One[accountRow](tx, `select * from accounts where id = $1`, id)
	if errors.Is(err, db.ErrNone) {
		return Account{}, errs.New(errs.NotFound, "account.unknown", "There is no such account.")
	}
	return r.account(), err
}

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
	if in.Name, err = required("name", in.Name); err != nil {
		return Account{}, err
	}
	if in.Organisation, err = PersonName(in.Organisation); err != nil {
		return Account{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		organisation, err := joinOrganisation(tx, in)
		if err != nil {
			return err
		}
		r, err := db.One[accountRow](tx, `insert into accounts (id, outer_id, organisation_id, name, created_ms, updated_ms)
			values ($1, $2, $3, $4, clock_ms(), clock_ms()) returning *`,
			secret.NewID(), secret.Alphanumeric(12), organisation, in.Name)
		if err != nil {
			return err
		}
		a = r.account()
		_, err = audit.Append(tx, audit.Event{Type: "account.created", Account: a.ID, Actor: operator})
		return err
	})
	return a, err
}

func joinOrganisation(tx *db.Tx, in NewAccount) (id string, err error) {
	name := in.Organisation
	if name == "" {
		name = in.Name
	} else {
		id, err = db.One[string](tx, `select id from organisations where name = $1 order by id limit 1`, name)
		if !errors.Is(err, db.ErrNone) {
			return id, err
		}
	}
	return db.One[string](tx, `insert into organisations (id, name, created_ms)
		values ($1, $2, clock_ms()) returning id`, secret.NewID(), name)
}

// SetSettings changes the settings of an account, given by its internal id; what
// is zero stays as it is. It is the operator's act. NotFound "account.unknown",
// Invalid "settings.range".
func (d *Directory) SetSettings(ctx context.Context, account string, s Settings) error {
	if err := s.valid(); err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		r, err := db.One[accountRow](tx, `update accounts set updated_ms = clock_ms(),
				member_identification = case when $2 = '' then member_identification else $2 end,
				soft_lease_ms = coalesce(nullif(cast($3 as bigint), 0), soft_lease_ms),
				hard_lease_ms = coalesce(nullif(cast($4 as bigint), 0), hard_lease_ms),
				heartbeat_ms = coalesce(nullif(cast($5 as bigint), 0), heartbeat_ms),
				max_hold_ms = coalesce(nullif(cast($6 as bigint), 0), max_hold_ms)
			where id = $1 returning *`, account, s.MemberIdentification,
			s.SoftLease.Milliseconds(), s.HardLease.Milliseconds(), s.Heartbeat.Milliseconds(), s.MaxHold.Milliseconds())
		if errors.Is(err, db.ErrNone) {
			return errs.New(errs.NotFound, "account.unknown", "There is no such account.")
		}
		if err != nil {
			return err
		}
		now := r.account().Settings
		if err := now.consistent(); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "account.settings_changed", Account: account, Actor: operator,
			Detail: map[string]string{"member_identification": now.Or(Defaults).MemberIdentification}})
		return err
	})
}
