package directory

import (
	"cmp"
	"regexp"
	"slices"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// The licences that every account has.
const (
	LicenceSign       = "conga_sign" // of everybody who is a sender
	LicenceSalesforce = "salesforce"
)

// Licence is a product that a person has a seat of.
type Licence struct {
	Name, Title string
	BuiltIn     bool
}

var builtIn = []Licence{{LicenceSign, "Conga Sign", true}, {LicenceSalesforce, "Salesforce", true}}

var licenceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// Licences are the built-in ones and those that the account defined, by name.
func Licences(tx *db.Tx, account string) ([]Licence, error) {
	type row struct{ Name, Title string }
	rows, err := db.All[row](tx, `select name, title from licences where account_id = $1`, account)
	all := slices.Clone(builtIn)
	for _, r := range rows {
		all = append(all, Licence{Name: r.Name, Title: r.Title})
	}
	slices.SortFunc(all, func(a, b Licence) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// DefineLicence gives the account a licence of its own, or a new title to the one it has. Invalid "licence.name", also
// for a built-in one, "text.malformed".
func DefineLicence(tx *db.Tx, account, name, title string) error {
	if !licenceName.MatchString(name) || isBuiltIn(name) {
		return errs.New(errs.Invalid, "licence.name",
			"A licence's name has up to 63 lower-case letters, digits and _, begins with a letter, and is no built-in one's.").On("licence")
	}
	if err := plain("title", &title); err != nil {
		return err
	}
	_, err := tx.Exec(`insert into licences (account_id, name, title, created_ms) values ($1, $2, $3, clock_ms())
		on conflict (account_id, name) do update set title = excluded.title`, account, name, cmp.Or(title, name))
	return err
}

func isBuiltIn(name string) bool {
	return slices.ContainsFunc(builtIn, func(l Licence) bool { return l.Name == name })
}

// knownLicence refuses (Invalid "licence.unknown") what is no licence of the account.
func knownLicence(tx *db.Tx, account, name string) error {
	if isBuiltIn(name) {
		return nil
	}
	known := false
	if licenceName.MatchString(name) {
		var err error
		known, err = db.One[bool](tx, `select exists (select 1 from licences where account_id = $1 and name = $2)`, account, name)
		if err != nil {
			return err
		}
	}
	if !known {
		return errs.New(errs.Invalid, "licence.unknown", "The account has no such licence.").On("licence")
	}
	return nil
}

// GiveLicence gives a user of the account, by his internal id, a licence inside another room's act; changed is false
// when he had it. Invalid "licence.unknown"; NotFound "user.unknown".
func GiveLicence(tx *db.Tx, account, licence, user string) (changed bool, err error) {
	if err = knownLicence(tx, account, licence); err != nil {
		return false, err
	}
	u, err := holdOf(tx, account, user)
	if err != nil || licence == LicenceSign && u.Sender {
		return false, err
	}
	n, err := tx.Exec(`insert into user_licences (account_id, user_id, licence, created_ms) values ($1, $2, $3, clock_ms())
		on conflict do nothing`, account, user, licence)
	if err != nil || n == 0 {
		return false, err
	}
	countLicence(tx, u, licence, 1)
	return true, nil
}

// TakeLicence takes it away; changed is false when he had none. Conflict "licence.sender" for that of a sender, which
// stays; NotFound "user.unknown".
func TakeLicence(tx *db.Tx, account, licence, user string) (changed bool, err error) {
	u, err := holdOf(tx, account, user)
	if err != nil {
		return false, err
	}
	if licence == LicenceSign && u.Sender {
		return false, errs.New(errs.Conflict, "licence.sender", "Every sender has the licence %s.", LicenceSign).On("licence")
	}
	if !licenceName.MatchString(licence) {
		return false, nil
	}
	n, err := tx.Exec(`delete from user_licences where account_id = $1 and user_id = $2 and licence = $3`, account, user, licence)
	if err != nil || n == 0 {
		return false, err
	}
	countLicence(tx, u, licence, -1)
	return true, nil
}

// countLicence counts a licence that a user got, or with -1 lost. He is no sender if it is LicenceSign.
func countLicence(tx *db.Tx, u User, licence string, n int64) {
	count(tx, shift{account: u.Account, version: 1})
	countIn(tx, u, licence, n)
	if licence == LicenceSign {
		countIn(tx, u, "", -n)
	}
}

// holdOf is hold for a user of the account. NotFound "user.unknown".
func holdOf(tx *db.Tx, account, user string) (User, error) {
	u, err := hold(tx, user)
	if err == nil && u.Account != account {
		err = unknownUser()
	}
	return u, err
}

// licencesGiven are those that a user has a row for: not LicenceSign of who has it as a sender alone.
func licencesGiven(tx *db.Tx, user string) ([]string, error) {
	return db.All[string](tx, `select l.licence from users u join user_licences l on l.account_id = u.account_id and l.user_id = u.id
		where u.id = $1 order by l.licence`, user)
}

// LicencesOf are the names of a user's licences, in order.
func LicencesOf(tx *db.Tx, user string) ([]string, error) {
	return db.All[string](tx, `select l.licence from users u join user_licences l on l.account_id = u.account_id and l.user_id = u.id
		where u.id = $1 union select 'conga_sign' from users where id = $1 and sender order by 1`, user)
}
