package signing

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// maxBreakReason is how many characters the reason for breaking a lease has at most.
const maxBreakReason = 500

// Broken tells of a lease that somebody else ended before its time.
type Broken struct {
	Epoch  int64 // of that lease
	By     string
	Reason string
	At     time.Time
}

// BreakLease ends the lease of a group's role before its time (rule 7), with a reason of 1 to 500 characters that the
// holder and the audit log are told. role is a role's or a signer's outer id. Who has entered values leaves them, as one
// who finishes later does; those who watch are told that it is free.
//
// The package's owner may, who manages his account, and a MANAGER of the role's group. Invalid "lease.break_reason",
// "text.malformed"; Denied "lease.not_breaker"; NotFound "package.unknown", "role.unknown"; Conflict "lease.none" where
// nobody is signing.
func (s *Signing) BreakLease(ctx context.Context, p authz.Principal, pkg, role, reason string) error {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxBreakReason {
		return errs.New(errs.Invalid, "lease.break_reason", "Say why, in at most %d characters.", maxBreakReason).On("reason")
	}
	if err := plainText(reason, "reason"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *db.Tx) error {
		of, sees, err := inSight(tx, p, pkg)
		if err != nil {
			return err
		}
		r, err := roleAt(tx, of.ID, role)
		if err != nil {
			return err
		}
		if ok, err := sees.breaks(tx, p, r); err != nil || !ok {
			return or(err, errs.New(errs.Denied, "lease.not_breaker",
				"Only the sender, and managers of the account or of the signer group, may end somebody's turn."))
		}
		return s.breakLease(tx, p, of, r, reason)
	})
}

// breaks reports whether the caller may end leases of a role.
func (v sight) breaks(tx *db.Tx, p authz.Principal, r roleRow) (bool, error) {
	if v.owns || r.GroupID == nil || p.User == "" {
		return v.owns, nil
	}
	g, err := directory.GroupByID(tx, *r.GroupID)
	if errs.KindOf(err) == errs.NotFound {
		return false, nil
	}
	m, ok := g.Member(p.User)
	return ok && m.MemberType == directory.Manager && m.Alive(), err
}

// breakLease is the one statement that decides, and what follows from it. The role's row is locked, so that whom the
// audit log names is whose lease ended.
func (s *Signing) breakLease(tx *db.Tx, p authz.Principal, pkg packageRow, r roleRow, reason string) error {
	r, err := db.One[roleRow](tx, `update roles set epoch = epoch where id = $1 returning *`, r.ID)
	if err != nil {
		return orUnknown(err, "role", r.OuterID)
	}
	actor := by(tx, p)
	who := cmp.Or(actor.Name, "Who runs this server")
	_, err = db.One[string](tx, `update roles set holder = null, stage = '', consent_by = null, consent_ms = null, freed_ms = clock_ms(),
			broken_holder = holder, broken_epoch = epoch, broken_by = $4, broken_reason = $5, broken_ms = clock_ms()
		where `+held+` returning id`, r.ID, deref(r.Holder), r.Epoch, who, reason)
	if errors.Is(err, db.ErrNone) {
		return errs.New(errs.Conflict, "lease.none", "Nobody is signing for this role at the moment.")
	}
	if err != nil {
		return err
	}
	holder, err := inviteeName(tx, *r.Holder)
	if err != nil {
		return err
	}
	if _, err := record(tx, audit.Event{Type: "lease.broken", Account: pkg.AccountID, Package: pkg.ID, Role: r.ID, Actor: actor,
		Detail: map[string]string{"epoch": strconv.FormatInt(r.Epoch, 10)}, Personal: map[string]string{"holder": holder, "reason": reason}}); err != nil {
		return err
	}
	return s.tellFree(tx, pkg, r)
}

// broken is who broke the visitor's last lease; nil when nobody did, or he has taken it again.
func (at spot) broken() *Broken {
	r := at.role
	if r.BrokenMs == 0 || r.BrokenHolder != at.me.ID {
		return nil
	}
	return &Broken{Epoch: r.BrokenEpoch, By: r.BrokenBy, Reason: r.BrokenReason, At: db.Time(r.BrokenMs)}
}

// refusal tells the holder what became of his lease.
func (b Broken) refusal() error {
	return errs.New(errs.Conflict, "lease.stale", "%s has ended your turn at signing: %s", b.By, b.Reason).
		With("by", b.By).With("reason", b.Reason).With("at", b.At.Format(time.RFC3339))
}
