package signing

import (
	"context"
	"errors"
	"strconv"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// beingSigned is the condition on a role that its package is being signed: it was sent, and its time is not up. (The job
// that makes it EXPIRED may come later.)
const beingSigned = `exists (select 1 from packages p where p.id = roles.package_id and p.status = 'SENT' and not p.trashed
	and (p.due_ms is null or p.due_ms > clock_ms()))`

// held is the condition that invitee $2 holds role $1 at epoch $3.
const held = `id = $1 and holder = $2 and epoch = $3 and state = 'open' and expires_ms > clock_ms() and ` + beingSigned

// Take takes the lease of the visitor's role (rules 2, 3 and 5). Errors: Conflict
// "lease.held" with the holder's name, since when and until when; "lease.squatting" with until when; "role.signed",
// "role.waiting", "package.closed"; Denied "member.removed", "member.inactive"; Unprocessable "name.glyphs".
func (s *Signing) Take(ctx context.Context, v Visit) (Lease, error) {
	at, lost := s.lookBefore(ctx, v)
	if lost != nil {
		return Lease{}, s.refused(ctx, at, "lease.refused", lost, at.waits)
	}
	var lease Lease
	err := s.write(ctx, func(tx *db.Tx) (err error) {
		if at, err = s.visit(tx, v); err != nil {
			return err
		}
		if lease, err = at.take(tx); err != nil {
			return err
		}
		if err = s.back(tx, at); err != nil {
			return err
		}
		if lease.Stage == Soft { // one taken over keeps its end, and the look at it
			if err = lookLater(tx, at.role.ID, 0, at.account.Settings.SoftLease); err != nil {
				return err
			}
		}
		name, err := at.signingName(tx)
		if err != nil {
			return err
		}
		return s.drawable(name) // said before he begins, not when he is through
	})
	if errs.KindOf(err) == errs.Unauthenticated {
		return Lease{}, err // not refused yet: he is asked who he is first
	}
	if errs.Is(err, "lease.held") {
		return Lease{}, s.refused(ctx, at, "lease.refused", err, at.waits)
	}
	if err != nil {
		return Lease{}, s.refused(ctx, at, "lease.refused", err)
	}
	return lease, nil
}

// lookBefore refuses (Conflict "lease.held") a member of a group while another one holds the lease. It only reads, so
// that of many losers none waits for the others, nor the holder for them. It decides no more than that: whoever else asks,
// and whatever else it finds, it leaves to the act.
func (s *Signing) lookBefore(ctx context.Context, v Visit) (at spot, lost error) {
	_ = s.read(ctx, func(tx *db.Tx) (err error) { // of what goes wrong here the act tells
		if at, err = s.glance(tx, v); err != nil {
			return err
		}
		lost, err = at.lost(tx)
		return err
	})
	return at, lost
}

// lost is the refusal of a visitor, known by himself, who is a member of the group while another member holds the lease.
func (at spot) lost(tx *db.Tx) (refusal, err error) {
	known := at.how == authn.ByCode || at.how == authn.ByLink
	if !known || at.role.GroupID == nil || at.role.State != open || at.me.Locked || at.pkg.Status != Sent || at.pkg.Trashed ||
		at.pkg.DueMs != nil && *at.pkg.DueMs <= at.now.UnixMilli() {
		return nil, nil
	}
	lease, err := at.liveLease(tx, at.now.UnixMilli())
	if err != nil || lease == nil || lease.Mine {
		return nil, err
	}
	asked, err := stillAsked(tx, at.role, at.me)
	if err != nil || !asked {
		return nil, err
	}
	return at.heldBy(lease.Holder, at.now), nil
}

func (at spot) take(tx *db.Tx) (Lease, error) {
	if at.me.Locked {
		return Lease{}, lockedOut()
	}
	if err := at.lockRole(tx); err != nil {
		return Lease{}, err
	}
	row, err := at.tryTake(tx)
	if errors.Is(err, db.ErrNone) {
		if err = at.whyNot(tx); err != nil {
			return Lease{}, err
		}
		row, err = at.tryTake(tx) // the holder's lease was void
	}
	if errors.Is(err, db.ErrNone) {
		return Lease{}, stale("Somebody else was faster.")
	}
	if err != nil {
		return Lease{}, err
	}
	if err := at.holdMe(tx); err != nil {
		return Lease{}, err
	}
	return at.taken(tx, row)
}

// lockRole locks the role's row and reads it as it is now, so that what is said about an earlier
// lease is true when it is said. It also makes the next statement see a package that left SENT
// while this one waited: PostgreSQL looks again at the row it waited for, not at those beside it.
func (at *spot) lockRole(tx *db.Tx) (err error) {
	at.role, err = db.One[roleRow](tx, `update roles set epoch = epoch where id = $1 returning *`, at.role.ID)
	return orUnknownVisit(err)
}

// tryTake is the one statement that decides (see the package comment): free, lapsed or
// already mine, and not kept for others. A lease taken over from oneself keeps its stage and its end.
func (at spot) tryTake(tx *db.Tx) (roleRow, error) {
	set := at.account.Settings
	return db.One[roleRow](tx, `update roles set
			row_ms = case when `+minesNow+` or `+sameRow+` then row_ms else clock_ms() end,
			idle_lapses = case when `+minesNow+` then idle_lapses
				when last_holder = $2 and `+othersWait+` then idle_lapses + (case when holder = $2 then 1 else 0 end) else 0 end,
			broken_holder = case when broken_holder = $2 then '' else broken_holder end, last_holder = $2,
			stage = case when holder = $2 and expires_ms > clock_ms() then stage else 'soft' end,
			taken_ms = case when holder = $2 and expires_ms > clock_ms() then taken_ms else clock_ms() end,
			expires_ms = case when holder = $2 and expires_ms > clock_ms() then expires_ms else clock_ms() + $3 end,
			holder = $2, epoch = epoch + 1
		where id = $1 and state = 'open' and (holder is null or expires_ms <= clock_ms() or holder = $2)
			and not `+rests+` and `+beingSigned+` and `+myTurn+` returning *`,
		at.role.ID, at.me.ID, set.SoftLease.Milliseconds(), set.HardLease.Milliseconds(), set.MaxHold.Milliseconds())
}

// taken records a lease that was just taken.
func (at spot) taken(tx *db.Tx, row roleRow) (Lease, error) {
	if _, err := tx.Exec(`update invitees set waiting_ms = null, watching = false where id = $1`, at.me.ID); err != nil {
		return Lease{}, err
	}
	before, kind := at.role, "lease.taken"
	switch {
	case before.Holder == nil:
	case *before.Holder == at.me.ID && before.TakenMs == row.TakenMs:
		kind = "lease.taken_over"
	default: // the statement only takes a lease of somebody else's that has lapsed or was void
		if err := at.recordLapse(tx, before); err != nil {
			return Lease{}, err
		}
	}
	e := at.event(kind, "epoch", strconv.FormatInt(row.Epoch, 10), "stage", string(row.Stage))
	if _, err := record(tx, e); err != nil {
		return Lease{}, err
	}
	return Lease{Epoch: row.Epoch, Stage: row.Stage, Holder: at.me.Name, Mine: true,
		Since: db.Time(row.TakenMs), Expires: db.Time(row.ExpiresMs)}, nil
}

// recordLapse tells that an earlier lease ran out.
func (at spot) recordLapse(tx *db.Tx, before roleRow) error {
	name, err := inviteeName(tx, *before.Holder)
	if err != nil {
		return err
	}
	_, err = record(tx, audit.Event{Type: "lease.lapsed", Account: at.pkg.AccountID, Package: at.pkg.ID, Role: before.ID,
		Actor: audit.System, Detail: map[string]string{"epoch": strconv.FormatInt(before.Epoch, 10)},
		Personal: map[string]string{"holder": name}})
	return err
}

func inviteeName(tx *db.Tx, id string) (string, error) {
	return db.One[string](tx, `select name from invitees where id = $1`, id)
}

// whyNot says why the lease could not be taken. It returns nil when it can be after all: it has
// lapsed meanwhile, or it was void because its holder may no longer sign (rule 6).
func (at *spot) whyNot(tx *db.Tx) error {
	if err := at.load(tx); err != nil {
		return err
	}
	if err := at.over(tx); err != nil {
		return err
	}
	if err := at.holdMe(tx); err != nil { // who is no member is not told who signs, and does not wait
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if at.role.Holder == nil || at.role.ExpiresMs <= now.UnixMilli() {
		return at.keptForOthers(tx, now)
	}
	holder, err := db.One[inviteeRow](tx, `select * from invitees where id = $1`, *at.role.Holder)
	if err != nil {
		return err
	}
	theirs := *at
	theirs.me = holder
	switch gone := theirs.holdMe(tx); {
	case gone == nil:
		return at.heldBy(holder.Name, now)
	case errs.KindOf(gone) == errs.Denied:
		at.role.Holder = nil
		return theirs.void(tx, gone)
	default:
		return gone
	}
}

// keptForOthers refuses a free lease that others go before: those of earlier roles, or the other members (rule 13).
func (at spot) keptForOthers(tx *db.Tx, now time.Time) error {
	waits, err := at.othersFirst(tx)
	if err == nil && waits {
		err = waiting()
	}
	if err != nil {
		return err
	}
	rest, err := at.rest(tx, now.UnixMilli())
	if err == nil && rest != nil {
		err = rest.refusal(now)
	}
	return err
}

// othersFirst tells whether a role with a lower number is still open (see myTurn).
func (at spot) othersFirst(tx *db.Tx) (bool, error) {
	before, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'open'
		and sequence > 0 and sequence < $2`, at.pkg.ID, at.role.Sequence)
	return before > 0, err
}

// over refuses what no lease can help any more.
func (at spot) over(tx *db.Tx) error {
	switch {
	case at.role.State == signed:
		by, err := db.One[string](tx, `select name from signatures where role_id = $1`, at.role.ID)
		return or(err, errs.New(errs.Conflict, "role.signed", "%s has signed already.", by).
			With("by", by).With("at", instant(at.role.SignedMs).Format(time.RFC3339)))
	case at.pkg.Status != Sent || at.pkg.Trashed:
		return closedPackage(at.pkg)
	case at.role.State == viewer:
		return at.onlyLooksOn(tx)
	case at.pkg.DueMs == nil:
		return nil
	}
	now, err := tx.Now()
	if err == nil && *at.pkg.DueMs <= now.UnixMilli() {
		at.pkg.Status = Expired
		err = closedPackage(at.pkg)
	}
	return err
}

// onlyLooksOn refuses who signs nothing himself (Conflict "role.viewer"), or a member of an ad-hoc group not yet (Conflict
// "role.waiting") while others sign before the group.
func (at spot) onlyLooksOn(tx *db.Tx) error {
	waits, err := at.groupWaits(tx)
	if err != nil {
		return err
	}
	if waits {
		return waiting()
	}
	return errs.New(errs.Conflict, "role.viewer", "There is nothing for you to sign in this package.")
}

// groupWaits tells whether the role only looks on and others sign before an ad-hoc group that it is a member of.
func (at spot) groupWaits(tx *db.Tx) (bool, error) {
	if at.role.State != viewer {
		return false, nil
	}
	n, err := db.One[int](tx, `select count(*) from adhoc_members m join roles g on g.id = m.role_id
		where m.member_id = $1 and g.state = 'open' and exists (select 1 from roles r where r.package_id = g.package_id
			and r.state = 'open' and r.sequence > 0 and r.sequence < g.sequence)`, at.role.ID)
	return n > 0, err
}

func waiting() error {
	return errs.New(errs.Conflict, "role.waiting", "Others sign first. You get a message when it is your turn.")
}

// heldBy is the refusal that names the holder (rule 2).
func (at spot) heldBy(holder string, now time.Time) error {
	expires := db.Time(at.role.ExpiresMs)
	return errs.New(errs.Conflict, "lease.held", "%s is signing.", holder).
		With("holder", holder).
		With("since", db.Time(at.role.TakenMs).Format(time.RFC3339)).
		With("expires", expires.Format(time.RFC3339)).
		With("expires_ms", strconv.FormatInt(expires.Sub(now).Milliseconds(), 10))
}

// void ends the lease of a holder who was deactivated or removed.
func (at spot) void(tx *db.Tx, why error) error {
	changed, err := tx.Exec(`update roles set holder = null, stage = '' where id = $1 and holder = $2 and epoch = $3`,
		at.role.ID, at.me.ID, at.role.Epoch)
	if err != nil || changed == 0 {
		return err
	}
	e := at.event("lease.voided")
	e.Actor = audit.System
	e.Personal = map[string]string{"holder": at.me.Name}
	if refusal, ok := errors.AsType[*errs.Error](why); ok {
		e.Detail = map[string]string{"reason": refusal.What}
	}
	_, err = record(tx, e)
	return err
}

// voidLeases ends every lease of a package that is no longer being signed. It locks the roles
// first: a lease that is being taken just now is ended too, or finds the package closed.
func voidLeases(tx *db.Tx, pkg packageRow, reason string) error {
	if _, err := tx.Exec(`update roles set epoch = epoch where package_id = $1`, pkg.ID); err != nil {
		return err
	}
	roles, err := db.All[roleRow](tx, `update roles set stage = '' where package_id = $1 and holder is not null and state = 'open' returning *`, pkg.ID)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if _, err := tx.Exec(`update roles set holder = null where id = $1`, r.ID); err != nil {
			return err
		}
		if _, err := record(tx, audit.Event{Type: "lease.voided", Account: pkg.AccountID, Package: pkg.ID, Role: r.ID,
			Actor: audit.System, Detail: map[string]string{"reason": reason, "epoch": strconv.FormatInt(r.Epoch, 10)}}); err != nil {
			return err
		}
	}
	return nil
}

// voidLease ends the lease of one role, whoever holds it.
func voidLease(tx *db.Tx, pkg packageRow, role, reason string) error {
	r, err := db.One[roleRow](tx, `update roles set epoch = epoch where id = $1 returning *`, role)
	if err != nil || r.Holder == nil || r.State != open {
		return err
	}
	name, err := inviteeName(tx, *r.Holder)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`update roles set holder = null, stage = '' where id = $1`, role); err != nil {
		return err
	}
	_, err = record(tx, audit.Event{Type: "lease.voided", Account: pkg.AccountID, Package: pkg.ID, Role: role, Actor: audit.System,
		Detail: map[string]string{"reason": reason, "epoch": strconv.FormatInt(r.Epoch, 10)}, Personal: map[string]string{"holder": name}})
	return err
}

func stale(detail string) error {
	return errs.New(errs.Conflict, "lease.stale", "%s", detail)
}

// holding locks the visitor's role for an act of his, and refuses (Conflict "lease.stale") an
// epoch that is no longer the lease's, whatever the reason (rule 4).
func (s *Signing) holding(tx *db.Tx, v Visit, epoch int64) (spot, error) {
	at, err := s.visit(tx, v)
	if err != nil {
		return at, err
	}
	row, err := db.One[roleRow](tx, `update roles set epoch = epoch where `+held+` returning *`, at.role.ID, at.me.ID, epoch)
	if errors.Is(err, db.ErrNone) {
		return at, at.whyStale(tx, epoch)
	}
	if err != nil {
		return at, err
	}
	at.role = row
	return at, at.holdMe(tx)
}

// acting runs an act of the holder's. An epoch that is stale is recorded (Evidence, the audit log:
// refused attempts that matter).
func (s *Signing) acting(ctx context.Context, v Visit, epoch int64, act func(*db.Tx, spot) error) error {
	var at spot
	err := s.write(ctx, func(tx *db.Tx) (err error) {
		if at, err = s.holding(tx, v, epoch); err != nil {
			return err
		}
		return act(tx, at)
	})
	if errs.Is(err, "lease.stale") {
		return s.refused(ctx, at, "act.refused", err)
	}
	return err
}

// whyStale says why an epoch no longer holds.
func (at spot) whyStale(tx *db.Tx, epoch int64) error {
	if err := at.load(tx); err != nil {
		return err
	}
	if err := at.over(tx); err != nil {
		return err
	}
	if err := at.holdMe(tx); err != nil {
		return err
	}
	if b := at.broken(); b != nil && b.Epoch == epoch {
		return b.refusal()
	}
	return stale("You are no longer the one who is signing: the time ran out, or signing went on elsewhere.")
}

// Beat renews the lease: somebody was active on the signing page (rule 3). The first
// one makes a soft lease hard. While others wait nobody holds longer than MaxHold in a row, and what lapsed before is forgotten.
// A lease that was idle, soft or without a beat for more than half its length, is recorded as renewed.
func (s *Signing) Beat(ctx context.Context, v Visit, epoch int64) (lease Lease, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		at, err := s.visit(tx, v)
		if err != nil {
			return err
		}
		row, err := at.renew(tx, epoch)
		if errors.Is(err, db.ErrNone) {
			return at.whyStale(tx, epoch)
		}
		if err != nil {
			return err
		}
		lease = Lease{Epoch: row.Epoch, Stage: row.Stage, Holder: at.me.Name, Mine: true,
			Since: db.Time(row.TakenMs), Expires: db.Time(row.ExpiresMs)}
		return at.holdMe(tx)
	})
	return lease, err
}

// renewedUntil is when a lease ends that is renewed now, of length $4 and at most $5 in a row while others wait.
const renewedUntil = `case when row_ms + $5 < clock_ms() + $4 and ` + othersWait + `
	then (case when row_ms + $5 > clock_ms() then row_ms + $5 else clock_ms() end) else clock_ms() + $4 end`

// wasIdle is the condition that the renewal is one from idle.
const wasIdle = `(stage = 'soft' or ` + renewedUntil + ` - expires_ms > $4 / 2)`

// renew renews the visitor's lease. Each of its statements is conditional, so that of two beats at once one finds it
// idle; the usual beat is the first statement alone.
func (at spot) renew(tx *db.Tx, epoch int64) (roleRow, error) {
	set := at.account.Settings
	for _, idle := range []bool{false, true, false} {
		condition := `not ` + wasIdle
		if idle {
			condition = wasIdle
		}
		row, err := db.One[roleRow](tx, `update roles set stage = 'hard', idle_lapses = 0, expires_ms = `+renewedUntil+` where `+held+` and `+condition+` returning *`,
			at.role.ID, at.me.ID, epoch, set.HardLease.Milliseconds(), set.MaxHold.Milliseconds())
		if errors.Is(err, db.ErrNone) {
			continue
		}
		if err == nil && idle {
			_, err = record(tx, at.event("lease.renewed", "epoch", strconv.FormatInt(epoch, 10)))
		}
		return row, err
	}
	return roleRow{}, db.ErrNone
}

// Leave ends the lease at once and keeps the values entered so far (rule 8).
func (s *Signing) Leave(ctx context.Context, v Visit, epoch int64) error {
	return s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error {
		return s.release(tx, at)
	})
}
