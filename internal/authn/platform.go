package authn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Role is a role that a platform user may have.
type Role struct{ ID, Name string }

// Roles are the platform's roles. The first is a program's (Conga, Creating an
// Integration User for Sign API), the last one's users manage the account.
var Roles = []Role{
	{"5c0cf1a5-6c38-4c35-8d0c-9d6f0b1c0a01", "CongaSign Integration Role"},
	{"5c0cf1a5-6c38-4c35-8d0c-9d6f0b1c0a02", "CongaSign User Role"},
	{"5c0cf1a5-6c38-4c35-8d0c-9d6f0b1c0a03", "CongaSign Admin Role"},
}

const adminRole = 2

// UserTypes are the types of platform users.
var UserTypes = []string{"External", "Guest", "Community", directory.Integration, "Contact"}

// NewPlatformUser is the input of CreatePlatformUser.
type NewPlatformUser struct {
	FirstName, LastName, Email string // required
	UserType                   string // one of UserTypes
	RoleID, RoleName           string // of one of Roles; either may be empty, given both they must agree
	Phone, Language, Timezone  string
	Address                    json.RawMessage
}

// CreatePlatformUser makes a user of the caller's account. One of type
// Integration is an ACTIVE sender at once and gets a client, whose secret
// NewSecret makes.
//
// Denied "right.missing"; Invalid "name.missing", "name.malformed",
// "email.malformed", "text.malformed", "data.malformed", "user_type.unknown",
// "role.unknown"; Conflict "email.taken"; Denied "seats.exceeded", which an
// Integration user needs none of.
func (a *Authn) CreatePlatformUser(ctx context.Context, p authz.Principal, in NewPlatformUser) (u directory.User, err error) {
	role, err := in.check()
	if err != nil {
		return u, err
	}
	kind := directory.Regular
	if role == Roles[adminRole] {
		kind = directory.Manager
	}
	err = a.managing(ctx, p, func(tx *db.Tx) error {
		program := in.UserType == directory.Integration
		u, err = directory.AddUser(tx, p.Account,
			directory.NewUser{Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone,
				Language: in.Language, TimezoneID: in.Timezone, Address: in.Address, Type: kind},
			directory.Standing{Status: directory.Active, UserType: in.UserType, Role: role.Name, Sender: program})
		if err == nil && program {
			_, err = addClient(tx, u, []authz.Right{authz.Sign})
		}
		if err != nil {
			return err
		}
		return record(tx, p, "user.created", u)
	})
	if err != nil {
		return directory.User{}, err
	}
	return u, nil
}

func (in NewPlatformUser) check() (Role, error) {
	for field, name := range map[string]string{"firstName": in.FirstName, "lastName": in.LastName} {
		if name, err := directory.PersonName(name); err == nil && name == "" {
			return Role{}, errs.New(errs.Invalid, "name.missing", "%s must not be empty.", field).On(field)
		}
	}
	if !slices.Contains(UserTypes, in.UserType) {
		return Role{}, errs.New(errs.Invalid, "user_type.unknown", "The user type is not one of %q.", UserTypes).On("userType")
	}
	return roleOf(in.RoleID, in.RoleName)
}

func roleOf(id, name string) (Role, error) {
	i := slices.IndexFunc(Roles, func(r Role) bool {
		return (id != "" || name != "") && (id == "" || id == r.ID) && (name == "" || name == r.Name)
	})
	if i < 0 {
		return Role{}, errs.New(errs.Invalid, "role.unknown", "There is no such role.").On("role")
	}
	return Roles[i], nil
}

// managing runs an act of who has the right to manage users.
func (a *Authn) managing(ctx context.Context, p authz.Principal, act func(*db.Tx) error) error {
	if err := p.Need(authz.ManageUsers); err != nil {
		return err
	}
	return a.db.Write(ctx, act)
}

func record(tx *db.Tx, p authz.Principal, event string, u directory.User) error {
	_, err := audit.Append(tx, audit.Event{Type: event, Account: p.Account, Actor: audit.By(p),
		Detail:   map[string]string{"user": u.ID},
		Personal: map[string]string{"subject_name": u.Name(), "subject_email": u.Email}})
	return err
}

// ClientIDOf is the client id of a platform user, nil when none is associated
// with it. Denied "right.missing", NotFound "user.unknown".
func (a *Authn) ClientIDOf(ctx context.Context, p authz.Principal, platformID string) (id *string, err error) {
	err = a.looking(ctx, p, func(tx *db.Tx) error {
		u, err := directory.UserByPlatformID(tx, p.Account, platformID)
		if err != nil {
			return err
		}
		found, err := db.One[string](tx, `select id from clients where user_id = $1`, u.ID)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		id = &found
		return err
	})
	return id, err
}

func (a *Authn) looking(ctx context.Context, p authz.Principal, look func(*db.Tx) error) error {
	if err := p.Need(authz.ManageUsers); err != nil {
		return err
	}
	return a.db.Read(ctx, look)
}

// NewSecret makes a new secret for the client of an integration user. The old
// one and the tokens it gave die within a second; the new one is shown here and
// never again.
//
// Denied "right.missing", "user.inactive", "client.disabled"; NotFound
// "user.unknown"; Invalid "client.none" when the user is no integration user.
func (a *Authn) NewSecret(ctx context.Context, p authz.Principal, platformID string) (clientID, clientSecret string, err error) {
	err = a.managing(ctx, p, func(tx *db.Tx) error {
		u, err := directory.UserByPlatformID(tx, p.Account, platformID)
		if err != nil {
			return err
		}
		if err = directory.HoldActiveUser(tx, u.ID); errs.Is(err, "member.inactive") {
			err = errs.New(errs.Denied, "user.inactive", "The user is locked or deactivated.")
		}
		if err != nil {
			return err
		}
		clientID, err = db.One[string](tx, `select id from clients where user_id = $1`, u.ID)
		if errors.Is(err, db.ErrNone) {
			return errs.New(errs.Invalid, "client.none", "The user is no Integration user.")
		}
		if err != nil {
			return err
		}
		if clientSecret, err = a.newSecret(tx, clientID); err != nil {
			return err
		}
		return record(tx, p, "client.secret_made", u)
	})
	if err != nil {
		return "", "", err
	}
	a.catchUp(ctx)
	return clientID, clientSecret, nil
}

// PlatformUser finds a user by the platform's id. Denied "right.missing", NotFound "user.unknown".
func (a *Authn) PlatformUser(ctx context.Context, p authz.Principal, platformID string) (u directory.User, err error) {
	err = a.looking(ctx, p, func(tx *db.Tx) error { u, err = directory.UserByPlatformID(tx, p.Account, platformID); return err })
	return u, err
}

// PlatformUsers lists the users of the caller's account, in the order they were
// made: only the living, only the deactivated, or with nil both. It counts all
// that match. Denied "right.missing"; Invalid "query.range", "query.dir".
func (a *Authn) PlatformUsers(ctx context.Context, p authz.Principal, alive *bool, q directory.Query) (list []directory.User, count int, err error) {
	err = a.looking(ctx, p, func(tx *db.Tx) error {
		list, count, err = directory.UsersOfAccount(tx, p.Account, alive, q)
		return err
	})
	return list, count, err
}

// UpdatePlatformUser changes a user. A role is given by its name; a sender with
// a new address must prove it, whoever vouched for the old one. Denied
// "right.missing"; NotFound "user.unknown"; Invalid as CreatePlatformUser and
// "user.status"; Conflict "email.taken".
func (a *Authn) UpdatePlatformUser(ctx context.Context, p authz.Principal, platformID string, c directory.UserChange) (u directory.User, err error) {
	if c.Role != nil {
		if _, err := roleOf("", *c.Role); err != nil {
			return u, err
		}
	}
	return a.change(ctx, p, platformID, "user.changed", func(tx *db.Tx, was directory.User) (directory.User, error) {
		return directory.ChangeUser(tx, was.ID, c)
	})
}

// DeactivatePlatformUser deactivates a user: his tokens die within a second. On
// a deactivated one it changes nothing. Denied "right.missing"; NotFound "user.unknown".
func (a *Authn) DeactivatePlatformUser(ctx context.Context, p authz.Principal, platformID string) (directory.User, error) {
	return a.change(ctx, p, platformID, "user.deactivated", func(tx *db.Tx, was directory.User) (directory.User, error) {
		if _, err := directory.Deactivate(tx, was.ID); err != nil {
			return was, err
		}
		return directory.UserByID(tx, was.ID)
	})
}

// RestorePlatformUser brings a deactivated user back; tokens of before stay dead.
// Denied "right.missing", "seats.exceeded"; NotFound "user.unknown"; Conflict
// "email.taken".
func (a *Authn) RestorePlatformUser(ctx context.Context, p authz.Principal, platformID string) (directory.User, error) {
	return a.change(ctx, p, platformID, "user.restored", func(tx *db.Tx, was directory.User) (directory.User, error) {
		return directory.Restore(tx, was.ID)
	})
}

// change runs an act on one user and makes known here what it took away.
func (a *Authn) change(ctx context.Context, p authz.Principal, platformID, event string,
	act func(*db.Tx, directory.User) (directory.User, error)) (u directory.User, err error) {
	var was directory.User
	err = a.managing(ctx, p, func(tx *db.Tx) (err error) {
		if was, err = directory.UserByPlatformID(tx, p.Account, platformID); err != nil {
			return err
		}
		if u, err = act(tx, was); err != nil {
			return err
		}
		return record(tx, p, event, u)
	})
	if err != nil {
		return directory.User{}, err
	}
	if u.Generation != was.Generation {
		a.catchUp(ctx)
	}
	return u, nil
}
