package directory

import (
	"countersign.dev/internal/db"
)

// Kinds of things that have a generation.
const (
	OfUser    = "user"
	OfAccount = "account"
	OfClient  = "client"
	OfPartner = "partner"
	OfStaff   = "staff"
)

// Generation tells that everything of one user, account, client, partner or one of the staff that carries a lower number is dead.
type Generation struct {
	Kind, ID   string
	Generation int64
}

// Raise kills, within a second on every replica, whatever was given out under
// the present generation of a user, account, client or partner.
//
// The counter's row is locked until the transaction ends, so numbers become
// visible in their order and a follower misses none.
func Raise(tx *db.Tx, kind, id string) (generation int64, err error) {
	seq, err := db.One[int64](tx, `update generation_counter set seq = seq + 1 where id = 1 returning seq`)
	if err != nil {
		return 0, err
	}
	return db.One[int64](tx, `insert into generations (kind, id, generation, seq) values ($1, $2, 1, $3)
		on conflict (kind, id) do update set generation = generations.generation + 1, seq = excluded.seq
		returning generation`, kind, id, seq)
}

// GenerationOf is the present generation; 0 if it was never raised.
func GenerationOf(tx *db.Tx, kind, id string) (int64, error) {
	return db.One[int64](tx, `select coalesce(max(generation), 0) from generations where kind = $1 and id = $2`, kind, id)
}

// ChangedSince lists what was raised after cursor, 0 at first, and the cursor to go on from.
func ChangedSince(tx *db.Tx, cursor int64) (changed []Generation, next int64, err error) {
	type row struct {
		Kind, ID   string
		Generation int64
		Seq        int64
	}
	next = cursor
	for r, err := range db.Rows[row](tx, `select kind, id, generation, seq from generations where seq > $1 order by seq`, cursor) {
		if err != nil {
			return nil, cursor, err
		}
		changed = append(changed, Generation{r.Kind, r.ID, r.Generation})
		next = r.Seq
	}
	return changed, next, nil
}
