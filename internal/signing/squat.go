package signing

import (
	"strconv"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Nobody can sit on a group's lease while others wait (rule 13). Whoever lets it lapse three times in a row without having
// done anything, and whoever has had it as long in a row as one may, lets the others go first: he takes it again when a
// hard lease's length has passed since his last one ended, or at once when nobody waits or another has had it.
//
// So one member alone keeps the others waiting for three soft leases when he does nothing, and for MaxHold and one soft
// lease whatever he does: the leases of one row may not follow each other for longer than MaxHold.

// idleLapses is how many leases one may let lapse in a row.
const idleLapses = 3

// othersWait is the condition on a role that somebody else than invitee $2 waits for its lease.
const othersWait = `exists (select 1 from invitees i where i.role_id = roles.id and i.id <> $2 and i.waiting_ms is not null)`

// minesNow is the condition that the role's lease is invitee $2's and runs.
const minesNow = `(coalesce(holder, '') = $2 and expires_ms > clock_ms())`

// freed is when the last lease of a role ended that has none now.
const freed = `(case when holder is not null then expires_ms else freed_ms end)`

// rests is the condition that invitee $2 must let others go first; $4 is the hard lease and $5 the longest hold.
var rests = `(last_holder = $2 and not ` + minesNow + ` and ` + othersWait + ` and ` + freed + ` + $4 > clock_ms()
	and (idle_lapses + (case when holder = $2 then 1 else 0 end) >= ` + strconv.Itoa(idleLapses) + ` or ` + freed + ` >= row_ms + $5))`

// sameRow is the condition that a lease which invitee $2 takes now follows upon his last: nobody had a soft lease's time, $3, to
// take it between the two.
const sameRow = `(last_holder = $2 and ` + othersWait + ` and ` + freed + ` + $3 > clock_ms())`

// rest is why a visitor lets others go first, and until when.
type rest struct {
	until time.Time
	idle  bool // he let it lapse; otherwise he has had it long enough
}

// rest tells the same as the condition rests of the role as it was read; nil when he may take it.
func (at spot) rest(tx *db.Tx, now int64) (*rest, error) {
	r, set := at.role, at.account.Settings
	ended, lapses := r.FreedMs, r.IdleLapses
	if r.Holder != nil {
		ended, lapses = r.ExpiresMs, lapses+1
	}
	until := ended + set.HardLease.Milliseconds()
	idle := lapses >= idleLapses
	if r.LastHolder != at.me.ID || r.Holder != nil && r.ExpiresMs > now || until <= now || !idle && ended < r.RowMs+set.MaxHold.Milliseconds() {
		return nil, nil
	}
	n, err := db.One[int](tx, `select count(*) from roles where id = $1 and `+othersWait, r.ID, at.me.ID)
	if err != nil || n == 0 {
		return nil, err
	}
	return &rest{until: db.Time(until), idle: idle}, nil
}

// refusal words it for him.
func (r rest) refusal(now time.Time) error {
	words, why := "You have been signing for as long as one may while others wait. They go first now.", "hold"
	if r.idle {
		words, why = "You took the signing "+strconv.Itoa(idleLapses)+" times and did nothing while others waited. They go first now.", "idle"
	}
	return errs.New(errs.Conflict, "lease.squatting", "%s", words).
		With("until", r.until.Format(time.RFC3339)).
		With("until_ms", strconv.FormatInt(r.until.Sub(now).Milliseconds(), 10)).
		With("why", why)
}
