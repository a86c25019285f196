package directory

import (
	"errors"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// The kinds of Person.
const (
	KindUser  = "user"
	KindStaff = "staff"
)

// Person is somebody who may sign in to the console: a user or one of the staff.
type Person struct {
	Kind                        string // "user" or "staff"
	ID                          string // internal
	Name, Email                 string
	Organisation                string // internal id; empty for an operator
	Account                     string // internal id; empty for staff
	AccountOuterID, AccountName string
	Role                        StaffRole // of staff
	Generation                  int64     // of the user or staff: what carries a lower one is dead
}

type personRow struct {
	userRow
	AccountName string
}

func (r personRow) person() Person {
	u := r.user()
	return Person{Kind: KindUser, ID: u.ID, Name: u.Name(), Email: u.Email, Organisation: u.Organisation, Account: u.Account,
		AccountOuterID: u.AccountOuterID, AccountName: r.AccountName, Generation: u.Generation}
}

func (s Staff) person() Person {
	return Person{Kind: KindStaff, ID: s.ID, Name: s.Name, Email: s.Email, Organisation: s.Organisation, Role: s.Role, Generation: s.Generation}
}

// mayEnter is who of users u may sign in: no program, and nobody locked or deactivated.
const mayEnter = `u.status in ('INVITED', 'ACTIVE') and u.user_type <> 'Integration'`

// PeopleAt are those who may sign in with an address, staff first: ACTIVE staff, and users who are INVITED or ACTIVE
// and no programs. An address is one user's at most in each organisation. Invalid "email.malformed".
func PeopleAt(tx *db.Tx, email string) ([]Person, error) {
	email, err := CanonicalEmail(email)
	if err != nil {
		return nil, err
	}
	people := []Person{}
	for r, err := range db.Rows[staffRow](tx, `select `+staffColumns+` from staff s where s.email = $1 and s.status = 'ACTIVE' order by s.id`, email) {
		if err != nil {
			return nil, err
		}
		people = append(people, r.staff().person())
	}
	for r, err := range db.Rows[personRow](tx, `select `+userColumns+`, a.name as account_name
		from organisations o join user_addresses ua on ua.organisation_id = o.id and ua.email = $1
		join users u on u.id = ua.user_id join accounts a on a.id = u.account_id where `+mayEnter+` order by u.id`, email) {
		if err != nil {
			return nil, err
		}
		people = append(people, r.person())
	}
	return people, nil
}

// PersonByID finds one of those who may sign in. NotFound "person.unknown".
func PersonByID(tx *db.Tx, kind, id string) (Person, error) {
	unknown := errs.New(errs.NotFound, "person.unknown", "There is no such person, or he may not sign in.")
	switch {
	case !storable(id):
	case kind == KindStaff:
		s, err := StaffByID(tx, id)
		if errs.KindOf(err) == errs.NotFound || err == nil && !s.Active {
			return Person{}, unknown
		}
		return s.person(), err
	case kind == KindUser:
		r, err := db.One[personRow](tx, `select `+userColumns+`, a.name as account_name
			from users u join accounts a on a.id = u.account_id where u.id = $1 and `+mayEnter, id)
		if errors.Is(err, db.ErrNone) {
			return Person{}, unknown
		}
		return r.person(), err
	}
	return Person{}, unknown
}
