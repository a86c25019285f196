package directory

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"countersign.dev/internal/db"
)

// shards of a counter: so many acts can change it at the same time, each until its commit is durable.
const shards = 64

// turn gives acts the shards in turn, so that those of one process meet on one only when an act is slower than many
// that came after it. Processes begin anywhere.
var turn atomic.Uint64

func init() { turn.Store(rand.Uint64()) }

// shift changes one of an account's counters.
type shift struct {
	account, licence          string // licence "" is of those without LicenceSign
	active, inactive, version int64
}

// signedIn is who signed in, whose account need not be known for that.
type signedIn string

// touchAll raises the versions for those who signed in, with no question asked before.
func touchAll(tx *db.Tx, users []signedIn) error {
	shard := int64(turn.Add(1) % shards)
	for _, user := range users {
		if err := tx.Later(`insert into user_counts (account_id, licence, shard, active, inactive, version)
			select account_id, '', cast($2 as bigint), 0, 0, 1 from users where id = $1
			on conflict (account_id, licence, shard) do update set version = user_counts.version + 1`, string(user), shard); err != nil {
			return err
		}
	}
	return nil
}

// count puts a shift off until the act is done, so that the counters are the last rows it locks.
func count(tx *db.Tx, s shift) { db.BeforeCommit(tx, s, shiftAll) }

// shiftAll writes each counter of an act once, in one order for all acts, so that two of them do not wait for each other.
func shiftAll(tx *db.Tx, all []shift) error {
	order := func(a, b shift) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.licence, b.licence))
	}
	slices.SortStableFunc(all, order)
	shard := int64(turn.Add(1) % shards)
	for len(all) > 0 {
		sum, n := all[0], 1
		for ; n < len(all) && order(all[n], sum) == 0; n++ {
			sum.active, sum.inactive = sum.active+all[n].active, sum.inactive+all[n].inactive
			sum.version += all[n].version
		}
		all = all[n:]
		if sum.active == 0 && sum.inactive == 0 && sum.version == 0 {
			continue
		}
		if err := tx.Later(`insert into user_counts (account_id, licence, shard, active, inactive, version) values ($1, $2, $3, $4, $5, $6)
			on conflict (account_id, licence, shard) do update set active = user_counts.active + excluded.active,
				inactive = user_counts.inactive + excluded.inactive, version = user_counts.version + excluded.version`,
			sum.account, sum.licence, shard, sum.active, sum.inactive, sum.version); err != nil {
			return err
		}
	}
	return nil
}

// Touch raises the version of the account's directory: something changed that a list of its users shows. The new
// version stands when the act is committed.
func Touch(tx *db.Tx, account string) error {
	count(tx, shift{account: account, version: 1})
	return nil
}

// counter is the one of the two counters of all users that counts a user.
func counter(signs bool) string {
	if signs {
		return LicenceSign
	}
	return ""
}

// countIn counts a user, n times: 1 comes, -1 goes.
func countIn(tx *db.Tx, u User, licence string, n int64) {
	s := shift{account: u.Account, licence: licence, inactive: n}
	if u.Alive() {
		s.active, s.inactive = n, 0
	}
	count(tx, s)
}

// countNew counts a new user, who has no licence but a sender's.
func countNew(tx *db.Tx, account string, alive, sender bool) {
	s := shift{account: account, licence: counter(sender), inactive: 1, version: 1}
	if alive {
		s.active, s.inactive = 1, 0
	}
	count(tx, s)
}

// recount tells the counters what became of a user, whose row the caller holds. Every act that changes what Listed
// shows of one who was there before calls it once, with the user before and after, or Touch.
func recount(tx *db.Tx, was, is User) error {
	count(tx, shift{account: is.Account, licence: counter(is.Sender), version: 1})
	if was.Alive() == is.Alive() && was.Sender == is.Sender {
		return nil
	}
	given, err := licencesGiven(tx, is.ID)
	if err != nil {
		return err
	}
	signs := slices.Contains(given, LicenceSign)
	countIn(tx, was, counter(signs || was.Sender), -1)
	countIn(tx, is, counter(signs || is.Sender), 1)
	for _, licence := range given {
		if licence != LicenceSign {
			countIn(tx, was, licence, -1)
			countIn(tx, is, licence, 1)
		}
	}
	return nil
}

// Version is the number of the account's directory: it grows with each act that changes what Listed shows.
func Version(tx *db.Tx, account string) (int64, error) {
	return db.One[int64](tx, `select cast(coalesce(sum(version), 0) as bigint) from user_counts where account_id = $1`, account)
}

// CountUsers counts the users that a filter selects: by status and licence from the counters, whatever their number,
// by anything else among the users. Invalid "query.status", "email.malformed".
func CountUsers(tx *db.Tx, account string, f ListedFilter) (int64, error) {
	q, err := f.query(account)
	if err != nil {
		return 0, err
	}
	if !q.possible {
		return 0, nil
	}
	if !f.counted() {
		return db.One[int64](tx, `select count(*) from users u where `+q.where, q.args...)
	}
	licences := []string{f.Licence, f.Licence}
	if f.Licence == "" {
		licences[1] = LicenceSign
	}
	n := map[string]string{"active": `active`, "inactive": `inactive`}[f.Status]
	return db.One[int64](tx, `select cast(coalesce(sum(`+cmp.Or(n, `active + inactive`)+`), 0) as bigint) from user_counts
		where account_id = $1 and licence in ($2, $3)`, account, licences[0], licences[1])
}
