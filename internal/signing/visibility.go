package signing

import (
	"context"
	"slices"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Viewers says which roles see a document, beside the owner and whoever signs on it.
type Viewers struct {
	Document string   // outer id
	Roles    []string // outer ids of roles or of their signers
}

// seen is the condition that the role $2 sees a document: it is nobody's secret, or the role is among
// its viewers, signs on it, or is the owner's own.
const seen = `(not documents.restricted
	or exists (select 1 from document_viewers v where v.document_id = documents.id and v.role_id = $2)
	or exists (select 1 from approvals a where a.document_id = documents.id and a.role_id = $2 and not a.disabled)
	or exists (select 1 from roles r where r.id = $2 and r.kind = 'owner'))`

// visible reports whether a role sees a document; both are internal ids.
func visible(tx *db.Tx, doc, role string) (bool, error) {
	n, err := db.One[int](tx, `select count(*) from documents where id = $1 and `+seen, doc, role)
	return n > 0, err
}

// hiddenFrom are the documents of a package, by internal id, that a role does not see.
func hiddenFrom(tx *db.Tx, pkg, role string) (map[string]bool, error) {
	ids, err := db.All[string](tx, `select id from documents where package_id = $1 and not `+seen, pkg, role)
	hidden := map[string]bool{}
	for _, id := range ids {
		hidden[id] = true
	}
	return hidden, err
}

// mayView refuses (NotFound "document.unknown") a signer session whose role does not see the document.
func mayView(tx *db.Tx, p authz.Principal, doc documentRow) error {
	if p.Kind != authz.Signer {
		return nil
	}
	ok, err := visible(tx, doc.ID, p.Role)
	if err == nil && !ok {
		err = orUnknown(db.ErrNone, "document", doc.OuterID)
	}
	return err
}

// sessionFollows refuses a signer session whose person is not asked any more, because somebody else is asked in his
// place or he left the group, or whose package the sender has taken back.
func sessionFollows(tx *db.Tx, p authz.Principal) error {
	if p.Invitee == "" {
		return nil
	}
	me, err := db.One[inviteeRow](tx, `select * from invitees where id = $1 and role_id = $2`, p.Invitee, p.Role)
	if err != nil {
		return orUnknownVisit(err)
	}
	at := spot{me: me}
	if err := at.load(tx); err != nil {
		return err
	}
	return at.follows(tx)
}

// visibleTo is the same of a document that was read with its approvals; role is an outer id.
func (d Document) visibleTo(role string) bool {
	return !d.Restricted || slices.Contains(d.Viewers, role) ||
		slices.ContainsFunc(d.Approvals, func(a Approval) bool { return a.Role == role && !a.Disabled })
}

// Restrict says of a draft who sees which document. Documents that are not named are for everybody.
// Refusals: Invalid "document.unlisted", "role.unlisted".
func (s *Signing) Restrict(ctx context.Context, p authz.Principal, pkg string, viewers []Viewers) error {
	return s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from document_viewers where document_id in (select id from documents where package_id = $1)`, row.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(`update documents set restricted = false where package_id = $1`, row.ID); err != nil {
			return err
		}
		roles, err := roleIDs(tx, row.ID)
		if err != nil {
			return err
		}
		for _, v := range viewers {
			if err := restrict(tx, row.ID, v, roles); err != nil {
				return err
			}
		}
		_, err = record(tx, audit.Event{Type: "package.changed", Account: row.AccountID, Package: row.ID, Actor: by(tx, p),
			Detail: map[string]string{"members": "visibility"}})
		return err
	})
}

func restrict(tx *db.Tx, pkg string, v Viewers, roles map[string]string) error {
	ids, err := db.All[string](tx, `update documents set restricted = true where package_id = $1 and outer_id = $2 and not restricted returning id`, pkg, v.Document)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return errs.New(errs.Invalid, "document.unlisted", "The package has no document %q, or it is named twice.", clip(v.Document, 64)).On("configurations.documentUid")
	}
	for _, name := range v.Roles {
		role, ok := roles[name]
		if !ok {
			return errs.New(errs.Invalid, "role.unlisted", "The package has no role %q.", clip(name, 64)).On("configurations.roleUids")
		}
		if _, err := tx.Exec(`insert into document_viewers (document_id, role_id) values ($1, $2) on conflict do nothing`, ids[0], role); err != nil {
			return err
		}
	}
	return nil
}

// roleIDs maps the outer ids of a package's roles, and of their signers, to internal ids.
// Where one id is a role's and another's signer's, it is the role's.
func roleIDs(tx *db.Tx, pkg string) (map[string]string, error) {
	roles, err := rolesOf(tx, pkg)
	ids := map[string]string{}
	for _, r := range roles {
		ids[r.SignerID] = r.ID // some clients name the signer instead of the role
	}
	for _, r := range roles {
		ids[r.OuterID] = r.ID
	}
	return ids, err
}
