package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// edited is a document of a draft that is being changed.
type edited struct {
	pkg   packageRow
	doc   documentRow
	roles map[string]string // internal ids of roles by their outer ids and their signers'
	now   []Approval        // as they are, in order
}

// editDocument runs a change of the approvals of a draft's document and records it.
func (s *Signing) editDocument(ctx context.Context, p authz.Principal, pkg, doc string, change func(*db.Tx, *edited) error) error {
	return s.write(ctx, func(tx *db.Tx) error {
		e, err := openDocument(tx, p, pkg, doc)
		if err != nil {
			return err
		}
		if err := change(tx, e); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: "approval.changed", Account: e.pkg.AccountID, Package: e.pkg.ID, Document: e.doc.ID, Actor: by(tx, p)})
		return err
	})
}

func openDocument(tx *db.Tx, p authz.Principal, pkg, doc string) (*edited, error) {
	row, err := lockDraft(tx, p, pkg)
	if err != nil {
		return nil, err
	}
	e := &edited{pkg: row}
	if e.doc, err = db.One[documentRow](tx, `select * from documents where package_id = $1 and outer_id = $2`, row.ID, doc); err != nil {
		return nil, orUnknown(err, "document", doc)
	}
	if e.roles, err = roleIDs(tx, row.ID); err != nil {
		return nil, err
	}
	return e, e.read(tx)
}

// read reads the document's approvals as they are.
func (e *edited) read(tx *db.Tx) error {
	names := map[string]string{}
	roles, err := rolesOf(tx, e.pkg.ID)
	for _, r := range roles {
		names[r.ID] = r.OuterID
	}
	if err != nil {
		return err
	}
	docs, err := documentsOf(tx, e.pkg.ID, names, nil)
	for _, d := range docs {
		if d.ID == e.doc.ID {
			e.now = d.Approvals
		}
	}
	return err
}

// at finds an approval. NotFound "approval.unknown".
func (e *edited) at(id string) (*Approval, error) { return approvalAt(e.now, id) }

func approvalAt(approvals []Approval, id string) (*Approval, error) {
	i := slices.IndexFunc(approvals, func(a Approval) bool { return a.OuterID == id })
	if i < 0 {
		return nil, orUnknown(db.ErrNone, "approval", id)
	}
	return &approvals[i], nil
}

// Field finds a field of the approval. NotFound "field.unknown".
func (a *Approval) Field(id string) (*Field, error) {
	i := slices.IndexFunc(a.Fields, func(f Field) bool { return f.OuterID == id })
	if i < 0 {
		return nil, orUnknown(db.ErrNone, "field", id)
	}
	return &a.Fields[i], nil
}

// fits refuses approvals that do not lie on the document's pages, or look for their place in the file.
func (e *edited) fits(approvals []Approval) error {
	for _, a := range approvals {
		if slices.ContainsFunc(a.Fields, func(f Field) bool { return f.Extract || f.Anchor != nil }) {
			return errs.New(errs.Invalid, "field.anchor_late", "Places of fields are found in the file only when the document is uploaded. "+
				"Send their positions here.").On("fields.extractAnchor")
		}
	}
	return checkFields(e.doc.Name, approvals, e.doc.Pages.V)
}

// replaced are the approvals with one in the place of what it was.
func (e *edited) replaced(id string, a Approval) []Approval {
	out := slices.Clone(e.now)
	for i := range out {
		if out[i].OuterID == id {
			out[i] = a
			return out
		}
	}
	return append(out, a)
}

// GetApproval is one approval of a document. NotFound "approval.unknown".
func (s *Signing) GetApproval(ctx context.Context, p authz.Principal, pkg, doc, id string) (Approval, error) {
	d, err := s.GetDocument(ctx, p, pkg, doc)
	if err != nil {
		return Approval{}, err
	}
	a, err := approvalAt(d.Approvals, id)
	if err != nil {
		return Approval{}, err
	}
	return *a, nil
}

// AddApproval adds an approval to a document of a draft. Refusals: Invalid "package.not_draft", "approval.role_unknown",
// "approval.duplicate", "field.outside", "field.size", "field.subtype", "field.anchor_late" and others of fields.
func (s *Signing) AddApproval(ctx context.Context, p authz.Principal, pkg, doc string, a Approval) (Approval, error) {
	a.OuterID = cmp.Or(a.OuterID, secret.Alphanumeric(12))
	err := s.editDocument(ctx, p, pkg, doc, func(tx *db.Tx, e *edited) error {
		if err := e.fits(append(slices.Clone(e.now), a)); err != nil {
			return err
		}
		next, err := db.One[int](tx, `select coalesce(max(position), -1) + 1 from approvals where document_id = $1`, e.doc.ID)
		if err != nil {
			return err
		}
		_, err = insertApproval(tx, e.pkg.ID, e.doc.ID, next, a, e.roles)
		return err
	})
	if err != nil {
		return Approval{}, err
	}
	return s.GetApproval(ctx, p, pkg, doc, a.OuterID)
}

// ReplaceApprovals puts others in the place of all approvals of a document of a draft.
func (s *Signing) ReplaceApprovals(ctx context.Context, p authz.Principal, pkg, doc string, all []Approval) ([]Approval, error) {
	err := s.editDocument(ctx, p, pkg, doc, func(tx *db.Tx, e *edited) error {
		if err := e.fits(all); err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from approvals where document_id = $1`, e.doc.ID); err != nil {
			return err
		}
		return insertApprovals(tx, e.pkg.ID, e.doc.ID, all, e.roles)
	})
	if err != nil {
		return nil, err
	}
	d, err := s.GetDocument(ctx, p, pkg, doc)
	return d.Approvals, err
}

// ChangeApproval has change turn an approval as it is into what it shall be. Its id stays.
func (s *Signing) ChangeApproval(ctx context.Context, p authz.Principal, pkg, doc, id string, change func(now Approval) (Approval, error)) (Approval, error) {
	err := s.editDocument(ctx, p, pkg, doc, func(tx *db.Tx, e *edited) error {
		now, err := e.at(id)
		if err != nil {
			return err
		}
		a, err := change(*now)
		if err != nil {
			return err
		}
		a.ID, a.OuterID = now.ID, now.OuterID
		return e.rewrite(tx, a)
	})
	if err != nil {
		return Approval{}, err
	}
	return s.GetApproval(ctx, p, pkg, doc, id)
}

// rewrite puts an approval with its fields in the place of what it was.
func (e *edited) rewrite(tx *db.Tx, a Approval) error {
	if err := e.fits(e.replaced(a.OuterID, a)); err != nil {
		return err
	}
	role, err := approvalRole(a, e.roles)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`update approvals set role_id = $2, name = $3, optional = $4, disabled = $5, enforce_capture = $6, from_file = $7, data = $8
		where id = $1`, a.ID, role, clip(a.Name, maxName), a.Optional, a.Disabled, a.EnforceCaptureSignature, a.FromFile, jsonText(a.Data)); err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from fields where approval_id = $1`, a.ID); err != nil {
		return err
	}
	return insertFields(tx, e.pkg.ID, a.ID, a.Fields)
}

// RemoveApproval takes an approval with its fields off a document of a draft.
func (s *Signing) RemoveApproval(ctx context.Context, p authz.Principal, pkg, doc, id string) error {
	return s.editDocument(ctx, p, pkg, doc, func(tx *db.Tx, e *edited) error {
		n, err := tx.Exec(`delete from approvals where document_id = $1 and outer_id = $2`, e.doc.ID, id)
		if err == nil && n == 0 {
			err = orUnknown(db.ErrNone, "approval", id)
		}
		return err
	})
}

// GetField is one field. NotFound "field.unknown".
func (s *Signing) GetField(ctx context.Context, p authz.Principal, pkg, doc, approval, id string) (Field, error) {
	a, err := s.GetApproval(ctx, p, pkg, doc, approval)
	if err != nil {
		return Field{}, err
	}
	f, err := a.Field(id)
	if err != nil {
		return Field{}, err
	}
	return *f, nil
}

// AddField adds a field to an approval of a draft.
func (s *Signing) AddField(ctx context.Context, p authz.Principal, pkg, doc, approval string, f Field) (Field, error) {
	f.OuterID = cmp.Or(f.OuterID, secret.Alphanumeric(12))
	err := s.editApproval(ctx, p, pkg, doc, approval, func(a *Approval) error {
		a.Fields = append(a.Fields, f)
		return nil
	})
	if err != nil {
		return Field{}, err
	}
	return s.GetField(ctx, p, pkg, doc, approval, f.OuterID)
}

// editApproval changes the fields of an approval.
func (s *Signing) editApproval(ctx context.Context, p authz.Principal, pkg, doc, approval string, change func(*Approval) error) error {
	return s.editDocument(ctx, p, pkg, doc, func(tx *db.Tx, e *edited) error {
		now, err := e.at(approval)
		if err != nil {
			return err
		}
		a := *now
		a.Fields = slices.Clone(a.Fields)
		if err := change(&a); err != nil {
			return err
		}
		return e.rewrite(tx, a)
	})
}

// ChangeField has change turn a field as it is into what it shall be. Its id stays.
func (s *Signing) ChangeField(ctx context.Context, p authz.Principal, pkg, doc, approval, id string, change func(now Field) (Field, error)) (Field, error) {
	err := s.editApproval(ctx, p, pkg, doc, approval, func(a *Approval) error {
		now, err := a.Field(id)
		if err != nil {
			return err
		}
		f, err := change(*now)
		f.ID, f.OuterID = now.ID, now.OuterID
		*now = f
		return err
	})
	if err != nil {
		return Field{}, err
	}
	return s.GetField(ctx, p, pkg, doc, approval, id)
}

// RemoveField takes a field out of an approval of a draft; without its signature field it is an acceptance.
func (s *Signing) RemoveField(ctx context.Context, p authz.Principal, pkg, doc, approval, id string) error {
	return s.editApproval(ctx, p, pkg, doc, approval, func(a *Approval) error {
		if _, err := a.Field(id); err != nil {
			return err
		}
		a.Fields = slices.DeleteFunc(a.Fields, func(f Field) bool { return f.OuterID == id })
		return nil
	})
}

// SetConditions says when a field of a draft is disabled or demanded; see conditions.go for what is obeyed.
func (s *Signing) SetConditions(ctx context.Context, p authz.Principal, pkg, doc, approval, id string, conditions json.RawMessage) (Field, error) {
	return s.ChangeField(ctx, p, pkg, doc, approval, id, func(now Field) (Field, error) {
		now.Conditions = conditions
		return now, nil
	})
}
