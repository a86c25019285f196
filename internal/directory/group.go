package directory

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	maxOuterID = 64
	// namelessGroup is the name of a group that has neither name nor e-mail.
	namelessGroup = "Signer group"
)

// Group is a set of senders who act as one signer.
type Group struct {
	ID      string // internal
	OuterID string // a GUID, or what the client chose
	Account string // internal id
	// Name is the given name, else the e-mail, else "Signer group".
	Name         string
	Email        string          // canonical, or empty
	EmailMembers *bool           // nil: the client did not say
	Data         json.RawMessage // the client's own
	Created      time.Time
	Updated      time.Time
	Deleted      time.Time // zero: it lives
	Members      []Member  // in the order they joined; none in a deleted group
}

// Member of a group.
type Member struct {
	User
	MemberType string // REGULAR or MANAGER of the group
	// Pending: invited to the account and not yet active there.
	Pending bool
}

// Member finds a member by the internal id of the user.
func (g Group) Member(user string) (Member, bool) {
	for _, m := range g.Members {
		if m.ID == user {
			return m, true
		}
	}
	return Member{}, false
}

type groupRow struct {
	ID, AccountID, OuterID, Name, Email string
	EmailMembers                        *bool
	Data                                *string
	CreatedMs, UpdatedMs                int64
	DeletedMs                           *int64
}

const groupColumns = `id, account_id, outer_id, name, email, email_members, data, created_ms, updated_ms, deleted_ms`

func (r groupRow) group() Group {
	g := Group{
		ID: r.ID, OuterID: r.OuterID, Account: r.AccountID, Name: r.Name, Email: r.Email, EmailMembers: r.EmailMembers,
		Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs), Deleted: timeOf(r.DeletedMs), Members: []Member{},
	}
	if r.Data != nil {
		g.Data = json.RawMessage(*r.Data)
	}
	return g
}

// GroupByID finds a group, deleted ones too, by its internal id, with its
// members. NotFound "group.unknown".
func GroupByID(tx *db.Tx, id string) (Group, error) { return oneGroup(tx, `where id = $1`, id) }

// GroupByOuterID finds a living group of the account, with its members. NotFound "group.unknown".
func GroupByOuterID(tx *db.Tx, account, outer string) (Group, error) {
	if !goodOuterID(outer) {
		return Group{}, unknownGroup()
	}
	return oneGroup(tx, `where account_id = $1 and outer_id = $2 and deleted_ms is null`, account, outer)
}

// GroupsOfUser lists the internal ids of the groups a user is a member of.
func GroupsOfUser(tx *db.Tx, user string) ([]string, error) {
	return db.All[string](tx, `select group_id from group_members where user_id = $1 order by group_id`, user)
}

func oneGroup(tx *db.Tx, where string, args ...any) (Group, error) {
	list, err := someGroups(tx, `from signer_groups `+where, args...)
	if err == nil && len(list) == 0 {
		err = unknownGroup()
	}
	if err != nil {
		return Group{}, err
	}
	return list[0], nil
}

// someGroups reads the groups of a query, with their members, in its order.
func someGroups(tx *db.Tx, from string, args ...any) ([]Group, error) {
	rows, err := db.All[groupRow](tx, `select `+groupColumns+` `+from, args...)
	if err != nil {
		return nil, err
	}
	members, err := membersOf(tx, `select id `+from, args...)
	list := make([]Group, len(rows))
	for i, r := range rows {
		list[i] = r.group()
		list[i].Members = append(list[i].Members, members[r.ID]...)
	}
	return list, err
}

func unknownGroup() error { return errs.New(errs.NotFound, "group.unknown", "There is no such group.") }

// goodOuterID reports an id a client may choose: up to 64 letters, digits and
// the punctuation of GUIDs and base64url.
func goodOuterID(id string) bool {
	return id != "" && len(id) <= maxOuterID && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// groupText is the cleaned text of a group.
type groupText struct {
	given string // empty when the name was made from the e-mail
	name  string
	email string
	data  *string
}

// cleanGroup brings a group's text into its stored form. Invalid
// "name.malformed", "email.malformed", "data.malformed".
func cleanGroup(name, email string, data json.RawMessage) (t groupText, err error) {
	if t.given, err = PersonName(name); err != nil {
		return t, err
	}
	if email = strings.TrimSpace(email); email != "" {
		if t.email, err = CanonicalEmail(email); err != nil {
			return t, err
		}
	}
	t.name = cmp.Or(t.given, t.email, namelessGroup)
	t.data, err = jsonText("data", data)
	return t, err
}

// insertGroup makes the row of a group. Invalid "group.id_taken", "group.name_taken".
func insertGroup(tx *db.Tx, account, outer string, t groupText, emailMembers *bool) (id string, err error) {
	id = secret.NewID()
	changed, err := tx.Exec(`insert into signer_groups (id, account_id, outer_id, name, folded, email, email_members, data, created_ms, updated_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, clock_ms(), clock_ms())
		on conflict do nothing`, id, account, outer, t.name, fold(t.name), t.email, emailMembers, t.data)
	if err == nil && changed == 0 {
		err = errs.New(errs.Invalid, "group.id_taken", "The group id is already in use.").On("id")
	}
	if err != nil {
		return "", err
	}
	return id, claimName(tx, account, id, t.given)
}

// claimName makes a given name this group's own, whoever else tries at the same
// moment, and frees the one it had. Invalid "group.name_taken".
func claimName(tx *db.Tx, account, group, given string) error {
	if _, err := tx.Exec(`delete from group_names where group_id = $1 and name <> $2`, group, given); err != nil || given == "" {
		return err
	}
	if _, err := tx.Exec(`insert into group_names (account_id, name, group_id) values ($1, $2, $3)
		on conflict do nothing`, account, given, group); err != nil {
		return err
	}
	mine, err := db.One[bool](tx, `select group_id = $3 from group_names where account_id = $1 and name = $2`, account, given, group)
	if err == nil && !mine {
		err = errs.New(errs.Invalid, "group.name_taken", "The group name is already in use.").On("name")
	}
	return err
}

// lockGroup finds a living group and keeps it from being changed or deleted by
// others until the transaction ends.
func lockGroup(tx *db.Tx, account, outer string) (Group, error) {
	if !goodOuterID(outer) {
		return Group{}, unknownGroup()
	}
	changed, err := tx.Exec(`update signer_groups set outer_id = outer_id
		where account_id = $1 and outer_id = $2 and deleted_ms is null`, account, outer)
	if err != nil {
		return Group{}, err
	}
	if changed == 0 {
		return Group{}, unknownGroup()
	}
	return GroupByOuterID(tx, account, outer)
}
