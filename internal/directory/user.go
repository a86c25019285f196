package directory

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Status of a user.
type Status string

// The states of a user; the package comment draws how they follow each other.
const (
	Invited  Status = "INVITED" // has not proved his mailbox yet
	Active   Status = "ACTIVE"
	Locked   Status = "LOCKED"
	Inactive Status = "INACTIVE"
)

// Types of users, and of members of groups.
const (
	Regular = "REGULAR"
	Manager = "MANAGER"
)

// Integration is the UserType of a user that a program acts as.
const Integration = "Integration"

// User is a person, or a program, of an account.
type User struct {
	ID           string // internal
	Organisation string // internal id
	Account      string // internal id
	SenderID     string // 12 letters and digits
	PlatformID   string // a GUID
	Email        string // canonical
	FirstName    string
	LastName     string
	Title        string
	Company      string
	Phone        string
	Language     string
	TimezoneID   string
	Status       Status
	Type         string // REGULAR or MANAGER of the account
	UserType     string // External, Guest, Community, Integration, Contact; empty: came as a sender
	Role         string // name of the platform's role
	Sender       bool   // may send packages and be a member of groups
	Address      json.RawMessage
	Kept         json.RawMessage // a JSON object of what clients gave and only they read; nil: nothing
	Created      time.Time
	Updated      time.Time
	LastLogin    time.Time // zero: never
	Activated    time.Time // zero: has not proved his mailbox
	Generation   int64     // what carries a lower one is dead

	AccountOuterID string
	EmailAlias     string // the address shown instead of Email; canonical, or empty
	Initials       string
	PrivacyAdmin   bool
	Provisioned    bool // made by a partner, who vouches for the mailbox
}

// The roles of a user in a partner's account.
const (
	AccountAdmin = "ACCOUNT_ADMIN" // the Type MANAGER
	PrivacyAdmin = "PRIVACY_ADMIN"
)

// Roles are the user's roles in the words of partners; none is an empty list.
func (u User) Roles() []string { return roles(u.Type, u.PrivacyAdmin) }

func roles(userType string, privacyAdmin bool) []string {
	list := []string{}
	if userType == Manager {
		list = append(list, AccountAdmin)
	}
	if privacyAdmin {
		list = append(list, PrivacyAdmin)
	}
	return list
}

// ShownEmail is the address to show to others: the alias, else the e-mail.
func (u User) ShownEmail() string { return cmp.Or(u.EmailAlias, u.Email) }

// Name is the first and the last name, or the address shown of who has neither.
func (u User) Name() string {
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return u.ShownEmail()
}

// Alive reports that the user is neither locked nor deactivated.
func (u User) Alive() bool { return u.Status.alive() }

func (s Status) alive() bool { return s == Invited || s == Active }

type userRow struct {
	ID, OrganisationID, AccountID, SenderID, PlatformID, Email, FirstName, LastName string
	Title, Company, Phone, Language, TimezoneID                                     string
	Address, Kept                                                                   *string
	Status, Type, UserType, Role                                                    string
	Sender                                                                          bool
	CreatedMs, UpdatedMs                                                            int64
	LastLoginMs, ActivatedMs                                                        *int64
	Generation                                                                      int64
	AccountOuterID, EmailAlias, Initials                                            string
	PrivacyAdmin, Provisioned                                                       bool
}

const userColumns = `u.id, u.organisation_id, u.account_id, u.sender_id, u.platform_id, u.email, u.first_name, u.last_name,
	u.title, u.company, u.phone, u.language, u.timezone_id, u.address, u.kept, u.status, u.type, u.user_type, u.role, u.sender,
	u.created_ms, u.updated_ms, u.last_login_ms, u.activated_ms, u.email_alias, u.initials, u.privacy_admin, u.provisioned,
	(select a.outer_id from accounts a where a.id = u.account_id) as account_outer_id,
	coalesce((select g.generation from generations g where g.kind = 'user' and g.id = u.id), 0) as generation`

func (r userRow) user() User {
	u := User{
		ID: r.ID, Organisation: r.OrganisationID, Account: r.AccountID, SenderID: r.SenderID, PlatformID: r.PlatformID,
		Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Title: r.Title, Company: r.Company, Phone: r.Phone,
		Language: r.Language, TimezoneID: r.TimezoneID, Status: Status(r.Status), Type: r.Type, UserType: r.UserType,
		Role: r.Role, Sender: r.Sender, Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs),
		LastLogin: timeOf(r.LastLoginMs), Activated: timeOf(r.ActivatedMs), Generation: r.Generation,
		AccountOuterID: r.AccountOuterID, EmailAlias: r.EmailAlias, Initials: r.Initials,
		PrivacyAdmin: r.PrivacyAdmin, Provisioned: r.Provisioned,
	}
	if r.Address != nil {
		u.Address = json.RawMessage(*r.Address)
	}
	if r.Kept != nil {
		u.Kept = json.RawMessage(*r.Kept)
	}
	return u
}

func timeOf(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return db.Time(*ms)
}

func oneUser(tx *db.Tx, where string, args ...any) (User, error) {
	r, err := db.One[userRow](tx, `select `+userColumns+` from users u `+where, args...)
	if errors.Is(err, db.ErrNone) {
		return User{}, unknownUser()
	}
	return r.user(), err
}

func unknownUser() error { return errs.New(errs.NotFound, "user.unknown", "There is no such user.") }

// UserByID finds a user, deactivated ones too, by the internal id. NotFound "user.unknown".
func UserByID(tx *db.Tx, id string) (User, error) { return oneUser(tx, `where u.id = $1`, id) }

// UserByEmail finds the account's user of an address: the living one, else the
// one deactivated last. NotFound "user.unknown", Invalid "email.malformed".
func UserByEmail(tx *db.Tx, account, email string) (User, error) {
	email, err := CanonicalEmail(email)
	if err != nil {
		return User{}, err
	}
	return oneUser(tx, `where u.account_id = $1 and u.email = $2
		order by case u.status when 'INACTIVE' then 1 else 0 end, u.id desc limit 1`, account, email)
}

// UserBySender finds a user by the sender's outer id. NotFound "user.unknown".
func UserBySender(tx *db.Tx, account, senderID string) (User, error) {
	if !storable(senderID) {
		return User{}, unknownUser()
	}
	return oneUser(tx, `where u.account_id = $1 and u.sender_id = $2`, account, senderID)
}

// UserByPlatformID finds a user by the platform's GUID. NotFound "user.unknown".
func UserByPlatformID(tx *db.Tx, account, platformID string) (User, error) {
	if !storable(platformID) {
		return User{}, unknownUser()
	}
	return oneUser(tx, `where u.account_id = $1 and u.platform_id = $2`, account, platformID)
}

// NewUser is a user to make.
type NewUser struct {
	Email, FirstName, LastName, Title, Company, Phone, Language, TimezoneID string
	Address                                                                 json.RawMessage
	Kept                                                                    json.RawMessage // a JSON object
	Type                                                                    string          // REGULAR when empty
}

// AddUser makes a user inside another room's act and writes no audit event.
// Invalid "email.malformed", "name.malformed", "text.malformed",
// "data.malformed", "user.type"; Conflict "email.taken"; Denied "seats.exceeded".
func AddUser(tx *db.Tx, account string, in NewUser, as Standing) (User, error) {
	address, err := in.clean()
	if err != nil {
		return User{}, err
	}
	kept, err := jsonText("data", in.Kept)
	if err != nil {
		return User{}, err
	}
	a, err := AccountByID(tx, account)
	if err != nil {
		return User{}, err
	}
	id := secret.NewID()
	if err = claimAddress(tx, a.Organisation, in.Email, id); err != nil {
		return User{}, err
	}
	_, err = tx.Exec(`insert into users (id, organisation_id, account_id, sender_id, platform_id, email, first_name, last_name,
			title, company, phone, language, timezone_id, address, status, type, user_type, role, sender, folded, kept, created_ms, updated_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, clock_ms(), clock_ms())`,
		id, a.Organisation, a.ID, secret.Alphanumeric(12), secret.NewGUID(), in.Email, in.FirstName, in.LastName,
		in.Title, in.Company, in.Phone, in.Language, in.TimezoneID, address,
		string(as.Status), in.Type, as.UserType, as.Role, as.Sender, foldedUser(in.FirstName, in.LastName, in.Email), kept)
	if err == nil && holdsSeat(as.UserType) {
		err = takeSeat(tx, a.ID, a.seats() > 0)
	}
	if err != nil {
		return User{}, err
	}
	countNew(tx, a.ID, as.Status.alive(), as.Sender)
	return UserByID(tx, id)
}

// claimAddress makes an address this user's own, whoever else tries at the same
// moment. Conflict "email.taken".
func claimAddress(tx *db.Tx, organisation, email, user string) error {
	changed, err := tx.Exec(`insert into user_addresses (organisation_id, email, user_id) values ($1, $2, $3)
		on conflict do nothing`, organisation, email, user)
	if err == nil && changed == 0 {
		err = emailTaken()
	}
	return err
}

// Standing is what a new user is from the start.
type Standing struct {
	Status   Status
	UserType string
	Role     string
	Sender   bool
}

func emailTaken() error {
	return errs.New(errs.Conflict, "email.taken", "A user of the organisation has this e-mail address already.").On("email")
}

func foldedUser(first, last, email string) string { return fold(first + " " + last + " " + email) }

// clean brings every member into its stored form.
func (in *NewUser) clean() (address *string, err error) {
	if in.Email, err = CanonicalEmail(in.Email); err != nil {
		return nil, err
	}
	if in.FirstName, err = PersonName(in.FirstName); err != nil {
		return nil, onField(err, "firstName")
	}
	if in.LastName, err = PersonName(in.LastName); err != nil {
		return nil, onField(err, "lastName")
	}
	if in.Type == "" {
		in.Type = Regular
	}
	if in.Type != Regular && in.Type != Manager {
		return nil, errs.New(errs.Invalid, "user.type", "A user is REGULAR or MANAGER.").On("type")
	}
	for field, text := range map[string]*string{"title": &in.Title, "company": &in.Company, "phone": &in.Phone,
		"language": &in.Language, "timezoneId": &in.TimezoneID} {
		if err := plain(field, text); err != nil {
			return nil, err
		}
	}
	return jsonText("address", in.Address)
}

// required is a name that may not be empty. Invalid "name.missing" or "name.malformed".
func required(field, s string) (string, error) {
	s, err := PersonName(s)
	if err == nil && s == "" {
		err = errs.New(errs.Invalid, "name.missing", "%s must not be empty.", field)
	}
	return s, onField(err, field)
}

func onField(err error, field string) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.On(field)
	}
	return err
}
