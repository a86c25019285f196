package directory

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Listed is what a list shows of a user.
type Listed struct {
	ID, SenderID, Name, Email, Title string // ID is internal
	Status                           Status
	Alive                            bool      // neither locked nor deactivated
	LastLogin                        time.Time // zero: never
	Type                             string    // REGULAR or MANAGER of the account
	PrivacyAdmin, Sender             bool
	UserType                         string
	Licences                         []string // by name
}

// ListedFilter selects users; what is zero selects all.
type ListedFilter struct {
	Status          string // "active" are the living, "inactive" the locked and deactivated; "all" or ""
	Licence         string
	SenderID, Email string
	LastLoginBefore time.Time // who never signed in did so before all times
	Search          string    // contained in the name or the e-mail, whatever the case
}

// counted reports that nothing is asked for but what the counters tell apart.
func (f ListedFilter) counted() bool {
	f.Status, f.Licence = "", ""
	return f == ListedFilter{}
}

// The two halves of an account's users. The second, which may be much the smaller, has an index of just this condition.
const (
	theAlive   = `u.status in ('INVITED', 'ACTIVE')`
	theBarred  = `u.status in ('LOCKED', 'INACTIVE')`
	listedHead = `select u.id, u.sender_id, u.first_name, u.last_name, u.email, u.email_alias, u.title, u.status, u.last_login_ms,
		u.type, u.privacy_admin, u.sender, u.user_type from users u where `
)

// listedQuery is a filter as SQL.
type listedQuery struct {
	where    string // of users u
	args     []any
	possible bool // without it nobody is selected, and no engine can be asked
}

// arg is the placeholder of one more argument.
func (q *listedQuery) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// query: Invalid "query.status", "email.malformed".
func (f ListedFilter) query(account string) (q listedQuery, err error) {
	q.possible = storable(f.SenderID + f.Licence)
	q.where = `u.account_id = ` + q.arg(account)
	switch f.Status {
	case "active":
		q.where += ` and ` + theAlive
	case "inactive":
		q.where += ` and ` + theBarred
	case "", "all":
	default:
		return q, errs.New(errs.Invalid, "query.status", "A status is active, inactive or all.").On("status")
	}
	if f.Licence != "" {
		row := `from user_licences l where l.account_id = u.account_id and l.user_id = u.id and l.licence = ` + q.arg(f.Licence)
		if f.Licence == LicenceSign { // of "or exists" PostgreSQL would make a hash of all accounts' licences
			q.where += ` and (u.sender or (select l.licence ` + row + `) is not null)`
		} else {
			q.where += ` and exists (select 1 ` + row + `)`
		}
	}
	if f.SenderID != "" {
		q.where += ` and u.sender_id = ` + q.arg(f.SenderID)
	}
	if f.Email != "" {
		email, err := CanonicalEmail(f.Email)
		if err != nil {
			return q, err
		}
		q.where += ` and u.email = ` + q.arg(email)
	}
	if !f.LastLoginBefore.IsZero() {
		q.where += ` and (u.last_login_ms is null or u.last_login_ms < ` + q.arg(f.LastLoginBefore.UnixMilli()) + `)`
	}
	if f.Search != "" {
		q.where += ` and u.folded like ` + q.arg(containing(f.Search)) + ` escape '\'`
	}
	return q, nil
}

type listedRow struct {
	ID, SenderID, FirstName, LastName, Email, EmailAlias, Title, Status string
	LastLoginMs                                                         *int64
	Type                                                                string
	PrivacyAdmin, Sender                                                bool
	UserType                                                            string
}

func (r listedRow) listed() Listed {
	u := User{FirstName: r.FirstName, LastName: r.LastName, Email: r.Email, EmailAlias: r.EmailAlias, Status: Status(r.Status)}
	l := Listed{ID: r.ID, SenderID: r.SenderID, Name: u.Name(), Email: r.Email, Title: r.Title, Status: u.Status, Alive: u.Alive(),
		LastLogin: timeOf(r.LastLoginMs), Type: r.Type, PrivacyAdmin: r.PrivacyAdmin, Sender: r.Sender, UserType: r.UserType}
	if l.Licences = []string{}; r.Sender {
		l.Licences = append(l.Licences, LicenceSign)
	}
	return l
}

// ListUsersAfter lists the account's users in the order of their internal ids, which is that in which they came: those
// after one of them, "" at first. Invalid "query.status", "email.malformed".
func ListUsersAfter(tx *db.Tx, account string, f ListedFilter, after string, limit int) ([]Listed, error) {
	q, err := f.query(account)
	if err != nil || limit <= 0 || !q.possible || !storable(after) {
		return []Listed{}, err
	}
	query := fmt.Sprintf(`%s%s and u.id > %s order by u.id limit %d`, listedHead, q.where, q.arg(after), limit)
	list := []Listed{}
	for r, err := range db.Rows[listedRow](tx, query, q.args...) {
		if err != nil {
			return nil, err
		}
		list = append(list, r.listed())
	}
	return list, addLicences(tx, account, list)
}

// addLicences adds those that users in the order of their ids have rows for.
func addLicences(tx *db.Tx, account string, list []Listed) error {
	if len(list) == 0 {
		return nil
	}
	type row struct{ UserID, Licence string }
	i := 0
	for r, err := range db.Rows[row](tx, `select user_id, licence from user_licences where account_id = $1 and user_id between $2 and $3
		order by user_id, licence`, account, list[0].ID, list[len(list)-1].ID) {
		if err != nil {
			return err
		}
		for i < len(list) && list[i].ID < r.UserID {
			i++
		}
		if i < len(list) && list[i].ID == r.UserID && !slices.Contains(list[i].Licences, r.Licence) {
			list[i].Licences = append(list[i].Licences, r.Licence)
			slices.Sort(list[i].Licences)
		}
	}
	return nil
}

// Membership of a living group.
type Membership struct {
	Group, GroupName string // Group is internal
	Manager          bool
}

// MembershipsOf are the memberships of the account's users with fromUser <= internal id <= toUser, by user, in the
// order of the groups' ids.
func MembershipsOf(tx *db.Tx, account, fromUser, toUser string) (map[string][]Membership, error) {
	type row struct{ UserID, GroupID, Name, MemberType string }
	of := map[string][]Membership{}
	for r, err := range db.Rows[row](tx, `select m.user_id, m.group_id, g.name, m.member_type
		from group_members m join signer_groups g on g.id = m.group_id
		where m.user_id between $2 and $3 and g.account_id = $1 and g.deleted_ms is null order by m.user_id, m.group_id`, account, fromUser, toUser) {
		if err != nil {
			return nil, err
		}
		of[r.UserID] = append(of[r.UserID], Membership{r.GroupID, r.Name, r.MemberType == Manager})
	}
	return of, nil
}
