package signing

import (
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// What somebody accepted by API before signing the rest holds for what he had before him: these bytes, these fields with
// these values, these words about himself. When any of them changes, the acceptance is void.

// voidAcceptances takes back what was accepted and is not signed yet, of the approvals that a condition on approvals a
// names, and says of each document why.
func voidAcceptances(tx *db.Tx, pkg packageRow, reason, condition string, args ...any) error {
	type row struct{ DocumentID, RoleID string }
	rows, err := db.All[row](tx, `select distinct a.document_id, a.role_id from approvals a
		where a.accepted_ms is not null and a.signed_ms is null and `+condition+` order by a.document_id, a.role_id`, args...)
	if err != nil || len(rows) == 0 {
		return err
	}
	if _, err := tx.Exec(`update approvals set accepted_ms = null, accepted_by = null, accepted_sha256 = ''
		where id in (select a.id from approvals a where a.accepted_ms is not null and a.signed_ms is null and `+condition+`)`, args...); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := record(tx, audit.Event{Type: "acceptance.voided", Account: pkg.AccountID, Package: pkg.ID, Role: r.RoleID,
			Document: r.DocumentID, Actor: audit.System, Detail: map[string]string{"reason": reason}}); err != nil {
			return err
		}
	}
	return nil
}

// accept notes that the visitor accepts approvals as their documents are, and reports whether he has now accepted all
// that he must.
func (at spot) accept(tx *db.Tx, all, chosen []approvalRow) (complete bool, err error) {
	for _, a := range chosen {
		if _, err := tx.Exec(`update approvals set accepted_ms = clock_ms(), accepted_by = $2,
			accepted_sha256 = (select d.sha256 from documents d where d.id = approvals.document_id) where id = $1`, a.ID, at.me.ID); err != nil {
			return false, err
		}
	}
	left, err := db.One[int](tx, `select count(*) from approvals a join documents d on d.id = a.document_id
		where a.role_id = $1 and not a.disabled and not a.optional
			and (a.accepted_by is null or a.accepted_by <> $2 or a.accepted_sha256 <> d.sha256)`, at.role.ID, at.me.ID)
	return left == 0, err
}

// acceptedBy are the approvals of a role, by internal id, that need no more of the caller: of a group, what he accepted
// himself, else what anybody did.
func acceptedBy(tx *db.Tx, p authz.Principal, role roleRow) (map[string]bool, error) {
	ids, err := db.All[string](tx, `select a.id from approvals a join documents d on d.id = a.document_id
		where a.role_id = $1 and a.accepted_by is not null and a.accepted_sha256 = d.sha256
			and (cast($2 as bigint) = 0 or exists (select 1 from invitees i where i.id = a.accepted_by and (i.id = $3 or i.user_id = $4)))`,
		role.ID, map[bool]int{true: 1}[role.isGroup()], p.Invitee, p.User)
	out := map[string]bool{}
	for _, id := range ids {
		out[id] = true
	}
	return out, err
}
