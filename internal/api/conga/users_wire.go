package conga

import (
	"encoding/json"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// userIn is a user as clients send it, to create or to change; nil is not given.
type userIn struct {
	FirstName   *string        `json:"FirstName"`
	LastName    *string        `json:"LastName"`
	Email       *string        `json:"Email"`
	UserType    *string        `json:"UserType"`
	Role        *roleIn        `json:"Role"`
	PhoneNumber *string        `json:"PhoneNumber"`
	Language    *string        `json:"Language"`
	Timezone    *string        `json:"Timezone"`
	Address     jsontext.Value `json:"Address"`
}

type roleIn struct {
	ID   string `json:"Id"`
	Name string `json:"Name"`
}

// complete refuses a new user without one of the five required members
// ("Creating an Integration User for Sign API").
func (in userIn) complete() error {
	missing := func(what, field string) error {
		return errs.New(errs.Invalid, what, "%s is required.", pascal(field)).On(field)
	}
	switch {
	case text(in.FirstName) == "":
		return missing("name.missing", "firstName")
	case text(in.LastName) == "":
		return missing("name.missing", "lastName")
	case text(in.Email) == "":
		return missing("email.missing", "email")
	case text(in.UserType) == "":
		return missing("user_type.missing", "userType")
	case in.Role == nil || *in.Role == roleIn{}:
		return missing("role.missing", "role")
	}
	return nil
}

// user maps to the core. complete has been called before.
func (in userIn) user() authn.NewPlatformUser {
	return authn.NewPlatformUser{
		FirstName: *in.FirstName, LastName: *in.LastName, Email: *in.Email, UserType: *in.UserType,
		RoleID: in.Role.ID, RoleName: in.Role.Name,
		Phone: text(in.PhoneNumber), Language: text(in.Language), Timezone: text(in.Timezone), Address: in.address(),
	}
}

func (in userIn) change() directory.UserChange {
	c := directory.UserChange{
		FirstName: in.FirstName, LastName: in.LastName, Email: in.Email, Phone: in.PhoneNumber,
		Language: in.Language, TimezoneID: in.Timezone, Address: in.address(),
	}
	if in.Role != nil && *in.Role != (roleIn{}) {
		c.Role = in.Role.name()
	}
	return c
}

// name is the role's name, also when only its id was sent; an id nobody knows is no name either.
func (r roleIn) name() *string {
	if r.Name == "" {
		r.Name = r.ID
		for _, known := range authn.Roles {
			if known.ID == r.ID {
				r.Name = known.Name
			}
		}
	}
	return &r.Name
}

func (in userIn) address() json.RawMessage {
	if len(in.Address) == 0 || in.Address.Kind() == 'n' {
		return nil
	}
	return json.RawMessage(in.Address)
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// userOut is a user; members that are empty are left out.
type userOut struct {
	ID             string         `json:"Id"`
	Name           string         `json:"Name"`
	FirstName      string         `json:"FirstName"`
	LastName       string         `json:"LastName"`
	UserName       string         `json:"UserName"`
	Email          string         `json:"Email"`
	Role           *roleOut       `json:"Role,omitzero"`
	Timezone       string         `json:"Timezone,omitzero"`
	IsDeleted      bool           `json:"IsDeleted"`
	IsActive       bool           `json:"IsActive"`
	IsSuspended    bool           `json:"IsSuspended"`
	Language       string         `json:"Language,omitzero"`
	LastLoginDate  *time.Time     `json:"LastLoginDate,omitzero"`
	Address        jsontext.Value `json:"Address,omitzero"`
	PhoneNumber    string         `json:"PhoneNumber,omitzero"`
	IdentityStatus string         `json:"IdentityStatus"`
	UserType       string         `json:"UserType,omitzero"`
	ClientID       *string        `json:"Clientid,omitzero"` // the vendor spells it so
	CreatedDate    time.Time      `json:"CreatedDate"`
	ModifiedDate   time.Time      `json:"ModifiedDate"`
}

type roleOut struct {
	ID   string `json:"Id,omitzero"`
	Name string `json:"Name"`
}

var identityStatus = map[directory.Status]string{
	directory.Invited: "Invited", directory.Active: "Active", directory.Locked: "Locked", directory.Inactive: "Inactive",
}

func wordUser(u directory.User) userOut {
	out := userOut{
		ID: u.PlatformID, Name: u.Name(), FirstName: u.FirstName, LastName: u.LastName, UserName: u.Email, Email: u.Email,
		Timezone: u.TimezoneID, IsActive: u.Alive(), IsSuspended: u.Status == directory.Locked, Language: u.Language,
		Address: jsontext.Value(u.Address), PhoneNumber: u.Phone, IdentityStatus: identityStatus[u.Status], UserType: u.UserType,
		CreatedDate: u.Created.UTC(), ModifiedDate: u.Updated.UTC(),
	}
	if !u.LastLogin.IsZero() {
		at := u.LastLogin.UTC()
		out.LastLoginDate = &at
	}
	if u.Role != "" {
		out.Role = &roleOut{Name: u.Role}
		for _, r := range authn.Roles {
			if r.Name == u.Role {
				out.Role.ID = r.ID
			}
		}
	}
	return out
}
