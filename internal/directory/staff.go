package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// StaffRole is what a person of the console who is no user may do.
type StaffRole string

// The roles of staff.
const (
	Operator         StaffRole = "operator"          // runs the server
	PartnerAdmin     StaffRole = "partner_admin"     // runs the accounts of his organisation's partners
	PartnerDeveloper StaffRole = "partner_developer" // connects his organisation's partners to their programs
)

// Staff is a person who works in the console and is no account's user.
type Staff struct {
	ID           string // internal
	Organisation string // internal id; empty for an operator
	Email, Name  string
	Role         StaffRole
	Active       bool
	Created      time.Time
	LastLogin    time.Time // zero: never
	Generation   int64     // what carries a lower one is dead
}

type staffRow struct {
	ID                string
	OrganisationID    *string
	Email, Name, Role string
	Status            string
	CreatedMs         int64
	LastLoginMs       *int64
	Generation        int64
}

const staffColumns = `s.id, s.organisation_id, s.email, s.name, s.role, s.status, s.created_ms, s.last_login_ms,
	coalesce((select g.generation from generations g where g.kind = 'staff' and g.id = s.id), 0) as generation`

func (r staffRow) staff() Staff {
	s := Staff{ID: r.ID, Email: r.Email, Name: r.Name, Role: StaffRole(r.Role), Active: Status(r.Status) == Active,
		Created: db.Time(r.CreatedMs), LastLogin: timeOf(r.LastLoginMs), Generation: r.Generation}
	if r.OrganisationID != nil {
		s.Organisation = *r.OrganisationID
	}
	return s
}

// NewStaff is the input of CreateStaff.
type NewStaff struct {
	Email, Name  string
	Role         StaffRole
	Organisation string // its name; empty for an operator
}

func (in *NewStaff) clean() (err error) {
	if in.Email, err = CanonicalEmail(in.Email); err != nil {
		return err
	}
	if in.Name, err = required("name", in.Name); err != nil {
		return err
	}
	if !slices.Contains([]StaffRole{Operator, PartnerAdmin, PartnerDeveloper}, in.Role) {
		return errs.New(errs.Invalid, "staff.role", "A role is %s, %s or %s.", Operator, PartnerAdmin, PartnerDeveloper).On("role")
	}
	if (in.Role == Operator) != (in.Organisation == "") {
		return errs.New(errs.Invalid, "staff.organisation", "An operator belongs to no organisation, everybody else to one.").On("organisation")
	}
	return nil
}

// CreateStaff makes a person of the console. It is the operator's act. Invalid "email.malformed", "name.missing",
// "name.malformed", "staff.role", "staff.organisation"; NotFound "organisation.unknown"; Conflict "staff.taken" when
// one of the organisation, or an operator, has the address.
func (d *Directory) CreateStaff(ctx context.Context, in NewStaff) (s Staff, err error) {
	if err = in.clean(); err != nil {
		return Staff{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		var organisation *string
		if in.Organisation != "" {
			id, err := organisationByName(tx, in.Organisation)
			if err != nil {
				return err
			}
			organisation = &id
		}
		id := secret.NewID()
		changed, err := tx.Exec(`insert into staff (id, organisation_id, email, name, role, status, created_ms, updated_ms)
			values ($1, $2, $3, $4, $5, 'ACTIVE', clock_ms(), clock_ms()) on conflict do nothing`, id, organisation, in.Email, in.Name, string(in.Role))
		if err == nil && changed == 0 {
			err = errs.New(errs.Conflict, "staff.taken", "This address is another's already.").On("email")
		}
		if err != nil {
			return err
		}
		if s, err = StaffByID(tx, id); err != nil {
			return err
		}
		return recordStaff(tx, "staff.created", s)
	})
	return s, err
}

func recordStaff(tx *db.Tx, event string, s Staff) error {
	detail := map[string]string{"staff": s.ID, "role": string(s.Role)}
	if s.Organisation != "" {
		detail["organisation"] = s.Organisation
	}
	_, err := audit.Append(tx, audit.Event{Type: event, Actor: operator, Detail: detail,
		Personal: map[string]string{"subject_name": s.Name, "subject_email": s.Email}})
	return err
}

// StaffMembers are all of them, the oldest first. It is the operator's to ask.
func (d *Directory) StaffMembers(ctx context.Context) (list []Staff, err error) {
	list = []Staff{}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[staffRow](tx, `select `+staffColumns+` from staff s order by s.id`)
		for _, r := range rows {
			list = append(list, r.staff())
		}
		return err
	})
	return list, err
}

// EndStaff deactivates one, given by his internal id: what he holds is dead within a second, and his address is free.
// Again it changes nothing. It is the operator's act. NotFound "staff.unknown".
func (d *Directory) EndStaff(ctx context.Context, id string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		s, err := StaffByID(tx, id)
		if err != nil {
			return err
		}
		changed, err := tx.Exec(`update staff set status = 'INACTIVE', updated_ms = clock_ms() where id = $1 and status = 'ACTIVE'`, id)
		if err != nil || changed == 0 {
			return err
		}
		if err = recordStaff(tx, "staff.deactivated", s); err != nil {
			return err
		}
		_, err = Raise(tx, OfStaff, id)
		return err
	})
}

// StaffByID finds one by the internal id, ended ones too. NotFound "staff.unknown".
func StaffByID(tx *db.Tx, id string) (Staff, error) {
	if !storable(id) {
		id = "" // nobody's
	}
	r, err := db.One[staffRow](tx, `select `+staffColumns+` from staff s where s.id = $1`, id)
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "staff.unknown", "There is no such person.")
	}
	return r.staff(), err
}

// StaffSignedIn notes the time of a sign-in of staff.
func StaffSignedIn(tx *db.Tx, id string) error {
	_, err := tx.Exec(`update staff set last_login_ms = clock_ms() where id = $1`, id)
	return err
}

// staffActor is actor for staff: an operator manages every account, an administrator those of his organisation's
// partners as long as these are ACTIVE, and nobody else any. Denied "user.inactive"; "partner.inactive".
func staffActor(tx *db.Tx, p authz.Principal) (by User, manager bool, err error) {
	type row struct {
		Name, Email, Role string
		PartnerStatus     *string
	}
	r, err := db.One[row](tx, `select s.name, s.email, s.role,
			(select p.status from accounts a join partners p on p.id = a.partner_id where a.id = $2 and p.organisation_id = s.organisation_id) as partner_status
		from staff s where s.id = $1 and s.status = 'ACTIVE'`, p.By, p.Account)
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.Denied, "user.inactive", "The acting person is deactivated.")
	}
	if err != nil {
		return User{}, false, err
	}
	by = User{FirstName: r.Name, Email: r.Email}
	switch {
	case StaffRole(r.Role) == Operator:
		return by, p.Has(authz.Operate), nil
	case StaffRole(r.Role) != PartnerAdmin || !p.Has(authz.Administer) || r.PartnerStatus == nil:
		return by, false, nil
	case PartnerStatus(*r.PartnerStatus) != PartnerActive:
		return by, false, inactivePartner()
	}
	return by, true, nil
}
