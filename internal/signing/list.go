package signing

import (
	"context"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// maxList is the most packages of one page of a list.
const maxList = 100

// The orders of a list. Packages of the same place follow by their ids.
const (
	ByCreated = "created"
	ByUpdated = "updated"
	ByName    = "name"
	ByDue     = "due" // those without one come last when ascending
	ByStatus  = "status"
)

// orders are the columns of a list's orders; each ends an index that begins with account, type and trash.
var orders = map[string]string{
	"":        `created_ms`,
	ByCreated: `created_ms`,
	ByUpdated: `updated_ms`,
	ByName:    `folded_name`,
	ByDue:     `coalesce(due_ms, 9007199254740991)`,
	ByStatus:  `status`,
}

// ExpiringSoon is how long before its time a package counts as expiring soon.
const ExpiringSoon = 7 * 24 * time.Hour

// List returns one page of the packages that the principal sees, and the number of all. Invalid "list.sort",
// "email.malformed".
func (s *Signing) List(ctx context.Context, p authz.Principal, q Query) (out Page, err error) {
	if q.Limit <= 0 {
		q.Limit = 10
	}
	q.Limit = min(q.Limit, maxList)
	if orders[q.Sort] == "" {
		return out, errs.New(errs.Invalid, "list.sort", "Packages are not sorted by %q.", clip(q.Sort, 32)).On("sort")
	}
	err = s.read(ctx, func(tx *db.Tx) error {
		l, err := newListing(tx, p, q)
		if err != nil {
			return err
		}
		if out.Count, err = l.count(tx); err != nil || out.Count == 0 {
			return err
		}
		rows, err := l.rows(tx, out.Count)
		if err != nil {
			return err
		}
		if q.Bare {
			for _, r := range rows {
				out.Packages = append(out.Packages, r.view())
			}
			return nil
		}
		out.Packages, err = assembleAll(tx, rows)
		return err
	})
	return out, err
}

// listing is a query being put together. Only its arguments come from outside.
type listing struct {
	Query
	by         authz.Principal
	kind       string
	conditions []string
	args       []any
	plain      bool // the counters know the number
}

func newListing(tx *db.Tx, p authz.Principal, q Query) (*listing, error) {
	l := &listing{Query: q, by: p, kind: q.Type, plain: true}
	if l.kind == "" {
		l.kind = Transaction
	}
	trashed := q.Trashed != nil && *q.Trashed
	l.where(`account_id = ?`, p.Account)
	l.where(`type = ?`, l.kind)
	l.where(`trashed = ?`, trashed)
	if q.Came {
		if err := l.came(tx); err != nil {
			return nil, err
		}
	} else {
		l.where(`(visibility = 'ACCOUNT' or owner_id = ?)`, p.User)
	}
	if len(q.Status) > 0 {
		l.conditions = append(l.conditions, `status in (`+placeholders(&l.args, q.Status...)+`)`)
	}
	if q.None {
		l.filter(`1 = 0`)
	}
	if q.Visibility != "" {
		l.filter(`visibility = ?`, q.Visibility)
	}
	if err := l.ownedBy(tx); err != nil {
		return nil, err
	}
	l.texts()
	l.times()
	if q.Inbox {
		return l, l.inbox(tx)
	}
	return l, nil
}

// where adds a condition; ? is its argument.
func (l *listing) where(condition string, args ...any) {
	for _, arg := range args {
		l.args = append(l.args, arg)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(l.args)), 1)
	}
	l.conditions = append(l.conditions, condition)
}

// condition is all conditions together.
func (l *listing) condition() string { return strings.Join(l.conditions, " and ") }

// filter adds a condition that the counters know nothing of.
func (l *listing) filter(condition string, args ...any) {
	l.plain = false
	l.where(condition, args...)
}

// ownedBy asks for the packages of one user, by his sender's id or his address. Nobody has none.
func (l *listing) ownedBy(tx *db.Tx) error {
	var owner directory.User
	var err error
	switch {
	case l.Owner != "":
		owner, err = directory.UserBySender(tx, l.by.Account, l.Owner)
	case l.OwnerEmail != "":
		var email string
		if email, err = directory.CanonicalEmail(l.OwnerEmail); err != nil {
			return err
		}
		owner, err = directory.UserByEmail(tx, l.by.Account, email)
	default:
		return nil
	}
	if errs.KindOf(err) == errs.NotFound {
		l.filter(`1 = 0`)
		return nil
	}
	l.filter(`owner_id = ?`, owner.ID)
	return err
}

// texts asks for what was searched: in the name, the description or both.
func (l *listing) texts() {
	if l.Search == "" {
		return
	}
	escaped := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(folded(l.Search)) + "%"
	switch l.SearchIn {
	case "name":
		l.filter(`folded_name like ? escape '\'`, escaped)
	case "description":
		l.filter(`folded_text like ? escape '\'`, escaped)
	default:
		l.filter(`(folded_name like ? escape '\' or folded_text like ? escape '\')`, escaped, escaped)
	}
}

func (l *listing) times() {
	for _, bound := range []struct {
		condition string
		time.Time
	}{
		{`created_ms >= ?`, l.CreatedFrom}, {`created_ms < ?`, l.CreatedBefore},
		{`updated_ms >= ?`, l.UpdatedFrom}, {`updated_ms < ?`, l.UpdatedBefore},
	} {
		if !bound.IsZero() {
			l.filter(bound.condition, bound.UnixMilli())
		}
	}
	if l.Expiring {
		l.filter(`status = 'SENT' and due_ms is not null and due_ms <= clock_ms() + ?`, ExpiringSoon.Milliseconds())
	}
}

// inbox asks for what the caller himself is asked to sign now: in person, by his address, or for a group of his.
func (l *listing) inbox(tx *db.Tx) error {
	me, err := directory.UserByID(tx, l.by.User)
	if errs.KindOf(err) == errs.NotFound {
		l.filter(`1 = 0`)
		return nil
	}
	if err != nil {
		return err
	}
	groups, err := directory.GroupsOfUser(tx, me.ID)
	if err != nil {
		return err
	}
	const asked = `select package_id from roles where state = 'open' and invited_ms is not null and `
	mine := asked + `user_id = ? union ` + asked + `email <> '' and email = ?`
	args := []any{me.ID, me.Email}
	if len(groups) > 0 {
		mine += ` union ` + asked + `group_id is not null and group_id in (?` + strings.Repeat(`, ?`, len(groups)-1) + `)`
		for _, g := range groups {
			args = append(args, g)
		}
	}
	l.filter(`status = 'SENT' and id in (`+mine+`)`, args...)
	return nil
}

// folded is a text as it is searched and sorted by.
func folded(s string) string { return strings.ToLower(s) }

// count is the number of all; the counters know it unless something was asked that they do not.
func (l *listing) count(tx *db.Tx) (int, error) {
	if l.plain {
		return counted(tx, l.by, l.kind, l.Status, l.Trashed != nil && *l.Trashed)
	}
	return db.One[int](tx, `select count(*) from packages where `+l.condition(), l.args...)
}

// rows reads the page from whichever end of the index is nearer.
func (l *listing) rows(tx *db.Tx, count int) ([]packageRow, error) {
	first, limit := max(0, l.First), l.Limit
	if limit = min(limit, count-first); limit <= 0 {
		return nil, nil
	}
	ascending, mirrored := l.Oldest, first > count/2
	if mirrored {
		ascending, first = !ascending, count-first-limit
	}
	direction := " desc"
	if ascending {
		direction = " asc"
	}
	by := orders[l.Sort] + direction
	if l.Sort == ByStatus {
		by += `, created_ms` + direction
	}
	ids, err := db.All[string](tx, `select id from packages where `+l.condition()+
		` order by `+by+`, id`+direction+` limit `+strconv.Itoa(limit)+` offset `+strconv.Itoa(first), l.args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	found, err := among[packageRow](tx, `select * from packages where id`, ids, ``)
	byID := map[string]packageRow{}
	for _, r := range found {
		byID[r.ID] = r
	}
	rows := make([]packageRow, 0, len(ids))
	for i := range ids {
		at := i
		if mirrored {
			at = len(ids) - 1 - i
		}
		rows = append(rows, byID[ids[at]])
	}
	return rows, err
}
