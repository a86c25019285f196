package signing

import (
	"math/rand/v2"
	"slices"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// Packages seen by the whole account, or by their owner alone (Conga Sign, visibility).
const (
	ByAccount = "ACCOUNT"
	BySender  = "SENDER"
)

// shards of a counter: so many acts can change it at the same time.
const shards = 16

// scope is which counters count the package: the account's, or those of the owner who alone sees it.
func (p packageRow) scope() string {
	if p.Visibility == BySender {
		return p.OwnerID
	}
	return ""
}

// recount moves a package in the counters, from what it was to what it is; nil is that it did not or does not exist.
// Every act that makes, removes, moves, trashes or hides a package calls it once, in its own transaction, with the
// row's state before and after. The counters' rows are changed in one order, so that two acts do not wait for each other.
func recount(tx *db.Tx, was, is *packageRow) error {
	type change struct {
		of    *packageRow
		delta int
	}
	var changes []change
	if was != nil {
		changes = append(changes, change{was, -1})
	}
	if is != nil {
		changes = append(changes, change{is, 1})
	}
	key := func(p *packageRow) string {
		trashed := "0"
		if p.Trashed {
			trashed = "1"
		}
		return strings.Join([]string{p.scope(), p.Type, string(p.Status), trashed}, "\x00")
	}
	if was != nil && is != nil && key(was) == key(is) {
		return nil
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(key(a.of), key(b.of)) })
	shard := rand.IntN(shards)
	for _, c := range changes {
		if err := tx.Later(`insert into package_counts (account_id, scope, type, status, trashed, shard, n)
			values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (account_id, scope, type, status, trashed, shard) do update set n = package_counts.n + excluded.n`,
			c.of.AccountID, c.of.scope(), c.of.Type, c.of.Status, c.of.Trashed, shard, c.delta); err != nil {
			return err
		}
	}
	return nil
}

// moved counts a change of a package's status alone.
func moved(tx *db.Tx, pkg packageRow, to Status) error {
	is := pkg
	is.Status = to
	return recount(tx, &pkg, &is)
}

// counted is how many packages of a kind the principal sees, without looking at packages. No statuses are all.
func counted(tx *db.Tx, p authz.Principal, kind string, statuses []Status, trashed bool) (int, error) {
	args := []any{p.Account, p.User, kind, trashed}
	where := `account_id = $1 and scope in ('', $2) and type = $3 and trashed = $4`
	if len(statuses) > 0 {
		where += ` and status in (` + placeholders(&args, statuses...) + `)`
	}
	return db.One[int](tx, `select cast(coalesce(sum(n), 0) as bigint) from package_counts where `+where, args...)
}
