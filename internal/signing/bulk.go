package signing

import (
	"context"
	"errors"
	"strconv"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// MaxBulk is the most packages of one bulk sending.
const MaxBulk = 200

// BulkSize refuses (Invalid "bulk.size") a bulk sending of too few or too many rows.
func BulkSize() error {
	return errs.New(errs.Invalid, "bulk.size", "A bulk sending has from 1 to %d rows.", MaxBulk).On("rows")
}

// errDry ends a transaction that only tried something.
var errDry = errors.New("only tried")

// BulkResult is what became of one row of a bulk sending: the package, or why there is none.
type BulkResult struct {
	ID  string // outer id
	Err error
}

// BulkSend makes and sends one package from a template for each row. All rows are tried first: when one is refused, none is
// sent, and the refusal (Invalid "bulk.rows") says of every row what is wrong with it, by its number from 1. A row may
// still fail afterwards, for the directory and the template go on changing; the others are sent all the same. once, when
// it is not nil, makes each row; one that is still being made by another call ends this one (Conflict "idempotency_key.in_progress").
func (s *Signing) BulkSend(ctx context.Context, p authz.Principal, template string, rows []NewPackage, once RowOnce) ([]BulkResult, error) {
	if len(rows) == 0 || len(rows) > MaxBulk {
		return nil, BulkSize()
	}
	refused := errs.New(errs.Invalid, "bulk.rows", "Nothing was sent: some rows cannot be.").On("rows")
	for i := range rows {
		rows[i].Send = true
		err := s.tryClone(ctx, p, template, rows[i])
		if kind := errs.KindOf(err); kind == errs.NotFound && errs.Is(err, "package.unknown") || err != nil && kind == errs.Fault {
			return nil, err
		}
		if refusal, ok := errors.AsType[*errs.Error](err); ok {
			refused = refused.With("row "+strconv.Itoa(i+1), refusal.Detail)
		}
	}
	if len(refused.Params) > 0 {
		return nil, refused
	}
	out := make([]BulkResult, len(rows))
	if once == nil {
		once = func(ctx context.Context, _ int, act func(context.Context) (string, error)) (string, error) {
			return act(ctx)
		}
	}
	for i, row := range rows {
		out[i].ID, out[i].Err = once(ctx, i, func(ctx context.Context) (string, error) { return s.Clone(ctx, p, template, row) })
		if errs.Is(out[i].Err, "idempotency_key.in_progress") {
			return nil, out[i].Err
		}
	}
	return out, nil
}

// RowOnce makes a row, counted from 0, by act, or answers what an earlier call made of it.
type RowOnce func(ctx context.Context, row int, act func(context.Context) (string, error)) (string, error)

// tryClone does all of Clone that can be refused and keeps nothing of it.
func (s *Signing) tryClone(ctx context.Context, p authz.Principal, id string, in NewPackage) error {
	c, err := s.copying(ctx, p, id, in)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := s.insertCopy(tx, p, c, nil); err != nil {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

// Readiness is what keeps a package from being sent, empty when nothing does.
func (s *Signing) Readiness(ctx context.Context, p authz.Principal, id string) (refusals []*errs.Error, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		refusals = nil
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		for _, err := range s.notReady(tx, pkg) {
			refusal, ok := errors.AsType[*errs.Error](err)
			if !ok {
				return err
			}
			refusals = append(refusals, refusal)
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return refusals, err
}

// notReady tries what sending tries.
func (s *Signing) notReady(tx *db.Tx, pkg packageRow) (out []error) {
	if pkg.Status != Draft || pkg.Trashed || pkg.Type != Transaction {
		return []error{transitionRefused(pkg.Status, Sent)}
	}
	add := func(err error) {
		if err != nil {
			out = append(out, err)
		}
	}
	whole := s.readyToSend(tx, pkg)
	if !errs.Is(whole, "package.no_document") && !errs.Is(whole, "package.no_signer") && !errs.Is(whole, "role.no_approval") {
		whole = nil // told role by role
	}
	add(whole)
	roles, err := rolesOf(tx, pkg.ID)
	add(err)
	for _, r := range roles {
		if r.State == open {
			add(s.readyRole(tx, r))
		}
	}
	add(planExpiry(tx, pkg))
	return out
}
