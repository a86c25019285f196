package directory

import (
	"errors"
	"strconv"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
)

// Numbered is a user with the integer id by which IntelAgree knows him.
type Numbered struct {
	User
	Number           int64
	LegalName        string
	AllOrganisations bool   // his permissions apply to all organisations
	LegalEntity      int64  // number of his primary one; 0: none
	CreatedBy        string // internal id of the user who made him; empty: not known
	CreatedFor       string // internal id of the API user through whom; empty: CreatedBy himself
}

// NumberedChange changes a numbered user; nil keeps. Name is split as NameAs does.
type NumberedChange struct {
	Name, LegalName, Email, Title *string
	AllOrganisations              *bool
	LegalEntity                   *int64 // 0 removes
}

// NameAs are the first and the last name of one line of text: what follows the last space is the last name.
func NameAs(name string) (first, last string) {
	words := strings.Fields(name)
	if len(words) == 0 {
		return "", ""
	}
	return strings.Join(words[:len(words)-1], " "), words[len(words)-1]
}

// numberedColumns are those of users u that Numbered has beside User's.
const numberedColumns = `u.number, u.legal_name, u.all_organisations, coalesce(u.legal_entity, 0) as legal_entity, u.created_by, u.created_for`

type numberedRow struct {
	userRow
	Number                *int64
	LegalName             string
	AllOrganisations      bool
	LegalEntity           int64
	CreatedBy, CreatedFor string
}

func oneNumbered(tx *db.Tx, where string, args ...any) (Numbered, error) {
	r, err := db.One[numberedRow](tx, `select `+userColumns+`, `+numberedColumns+` from users u `+where, args...)
	if errors.Is(err, db.ErrNone) {
		return Numbered{}, unknownUser()
	}
	n := Numbered{User: r.user(), LegalName: r.LegalName, AllOrganisations: r.AllOrganisations, LegalEntity: r.LegalEntity,
		CreatedBy: r.CreatedBy, CreatedFor: r.CreatedFor}
	if r.Number != nil {
		n.Number = *r.Number
	}
	return n, err
}

// nextNumber is the account's next; its row is locked until the transaction ends, so that none is given twice.
func nextNumber(tx *db.Tx, account string) (int64, error) {
	return db.One[int64](tx, `insert into user_numbers (account_id, last) values ($1, 1)
		on conflict (account_id) do update set last = user_numbers.last + 1 returning last`, account)
}

// clean: Invalid "name.missing", "name.malformed", "legal_entity.malformed".
func (n *Numbered) clean() (err error) {
	if n.LegalName, err = required("legalName", n.LegalName); err != nil {
		return err
	}
	if n.LegalEntity < 0 {
		return badLegalEntity()
	}
	return nil
}

func badLegalEntity() error {
	return errs.New(errs.Invalid, "legal_entity.malformed", "A legal entity's number is a positive integer.").On("primaryLegalEntityId")
}

// AddNumbered makes a user with a number inside another room's act: ACTIVE, no sender, no mail, no audit event. by is
// the internal id of the creator, through of the API user who acted as him, or empty. As AddUser; Invalid
// "name.missing", "legal_entity.malformed"; Conflict "idempotency_key.in_progress" when the call's key has passed to another attempt.
func AddNumbered(tx *db.Tx, account string, in NewUser, n Numbered, by, through string) (Numbered, error) {
	if err := n.clean(); err != nil {
		return Numbered{}, err
	}
	u, err := AddUser(tx, account, in, Standing{Status: Active})
	if err != nil {
		return Numbered{}, err
	}
	if n.Number, err = nextNumber(tx, account); err != nil {
		return Numbered{}, err
	}
	if _, err = tx.Exec(`update users set number = $2, created_by = $3, created_for = $4 where id = $1`, u.ID, n.Number, by, through); err != nil {
		return Numbered{}, err
	}
	n.User, n.CreatedBy, n.CreatedFor = u, by, through
	if err = storeNumbered(tx, n); err != nil {
		return Numbered{}, err
	}
	return n, retry.Made(tx, strconv.FormatInt(n.Number, 10))
}

func storeNumbered(tx *db.Tx, n Numbered) error {
	var entity *int64
	if n.LegalEntity != 0 {
		entity = &n.LegalEntity
	}
	_, err := tx.Exec(`update users set legal_name = $2, all_organisations = $3, legal_entity = $4 where id = $1`,
		n.ID, n.LegalName, n.AllOrganisations, entity)
	return err
}

// NumberedUser finds the account's user of a number, deactivated ones too. NotFound "user.unknown".
func NumberedUser(tx *db.Tx, account string, number int64) (Numbered, error) {
	return oneNumbered(tx, `where u.account_id = $1 and u.number = $2`, account, number)
}

// NumberedByID finds a user of the account by his internal id and gives a number to who has none, which needs a Write.
// NotFound "user.unknown".
func NumberedByID(tx *db.Tx, account, user string) (Numbered, error) {
	n, err := oneNumbered(tx, `where u.account_id = $1 and u.id = $2`, account, user)
	if err != nil || n.Number != 0 {
		return n, err
	}
	if _, err = hold(tx, user); err != nil {
		return Numbered{}, err
	}
	// He may have got one while this waited.
	if n, err = oneNumbered(tx, `where u.id = $1`, user); err != nil || n.Number != 0 {
		return n, err
	}
	if n.Number, err = nextNumber(tx, account); err == nil {
		_, err = tx.Exec(`update users set number = $2 where id = $1`, user, n.Number)
	}
	return n, err
}

// NumberedByKey finds the account's user of a business key, and gives a number to who has none, which needs a Write.
// NotFound "business_key.unknown".
func NumberedByKey(tx *db.Tx, account string, k BusinessKey) (Numbered, error) {
	u, err := UserByBusinessKey(tx, account, k)
	if err != nil {
		return Numbered{}, err
	}
	return NumberedByID(tx, account, u.ID)
}

// ChangeNumbered changes the account's user of a number inside another room's act and writes no audit event. NotFound
// "user.unknown"; Invalid "name.missing", "legal_entity.malformed"; and as ChangeUser.
func ChangeNumbered(tx *db.Tx, account string, number int64, c NumberedChange) (Numbered, error) {
	n, err := NumberedUser(tx, account, number)
	if err != nil {
		return Numbered{}, err
	}
	change := UserChange{Email: c.Email, Title: c.Title}
	if c.Name != nil {
		name, err := required("name", *c.Name)
		if err != nil {
			return Numbered{}, err
		}
		first, last := NameAs(name)
		change.FirstName, change.LastName = &first, &last
	}
	if _, err = ChangeUser(tx, n.ID, change); err != nil {
		return Numbered{}, err
	}
	// ChangeUser holds him: what is not changed is as it is now.
	if n, err = NumberedUser(tx, account, number); err != nil {
		return Numbered{}, err
	}
	if c.LegalName != nil {
		if n.LegalName, err = required("legalName", *c.LegalName); err != nil {
			return Numbered{}, err
		}
	}
	if c.AllOrganisations != nil {
		n.AllOrganisations = *c.AllOrganisations
	}
	if c.LegalEntity != nil {
		n.LegalEntity = *c.LegalEntity
	}
	if n.LegalEntity < 0 {
		return Numbered{}, badLegalEntity()
	}
	return n, storeNumbered(tx, n)
}
