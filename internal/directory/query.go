package directory

import (
	"fmt"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

const (
	pageDefault = 100
	pageMax     = 1000
)

// window is a cleaned From, To and Dir.
type window struct {
	skip, take int
	order      string // "asc" or "desc": never the caller's text
}

// windowOf cleans the range of a list. Invalid "query.range", "query.dir".
func windowOf(from, to int, dir string) (window, error) {
	w := window{order: "asc"}
	switch dir {
	case "", "asc", "ASC":
	case "desc", "DESC":
		w.order = "desc"
	default:
		return w, errs.New(errs.Invalid, "query.dir", "dir is asc or desc.").On("dir")
	}
	if from == 0 {
		from = 1
	}
	if to == 0 {
		to = from + pageDefault - 1
	}
	if from < 1 || to < from || from > 1<<30 {
		return w, errs.New(errs.Invalid, "query.range", "from and to count from 1, and to is not below from.").On("from")
	}
	w.skip, w.take = from-1, min(to-from+1, pageMax)
	return w, nil
}

// of appends order and limits to a query. Ids ascend in time, so they sort by creation, on every engine alike.
func (w window) of(query, id string) string {
	return fmt.Sprintf("%s order by %s %s limit %d offset %d", query, id, w.order, w.take, w.skip)
}

func listUsers(tx *db.Tx, where string, w window, args ...any) (list []User, count int, err error) {
	if count, err = db.One[int](tx, `select count(*) from users u where `+where, args...); err != nil {
		return nil, 0, err
	}
	list = []User{}
	for r, err := range db.Rows[userRow](tx, w.of(`select `+userColumns+` from users u where `+where, "u.id"), args...) {
		if err != nil {
			return nil, 0, err
		}
		list = append(list, r.user())
	}
	return list, count, nil
}

// UsersOfAccount lists every user of an account: alive says whether only the
// living or only the deactivated, nil both. It counts all that match. Invalid
// "query.range", "query.dir".
func UsersOfAccount(tx *db.Tx, account string, alive *bool, q Query) (list []User, count int, err error) {
	w, err := windowOf(q.From, q.To, q.Dir)
	if err != nil {
		return nil, 0, err
	}
	return listUsers(tx, `u.account_id = $1 and u.folded like $2 escape '\'
		and (u.status <> 'INACTIVE') = coalesce(cast($3 as boolean), u.status <> 'INACTIVE')`, w, account, containing(q.Search), alive)
}
