package signing

import (
	"context"
	"encoding/json"
	"fmt"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// DocumentChange is a partial change of a document of a draft; nil and empty keep.
type DocumentChange struct {
	Name, Description *string
	Index             *int
	Data              json.RawMessage
	Approvals         []Approval // others in the place of all
	PDF               []byte     // another file in the place of this one
	Extract           bool       // of that file
	Extraction        []string
}

// ChangeDocument changes a document of a draft. With another file, approvals stay where they are and must lie on its
// pages; it passes the same airlock as a new document. Refusals: Invalid "package.not_draft", those of a new document.
func (s *Signing) ChangeDocument(ctx context.Context, p authz.Principal, pkg, doc string, c DocumentChange) (Document, error) {
	if err := checkDocumentChange(&c); err != nil {
		return Document{}, err
	}
	f, err := s.admitChange(ctx, p, pkg, doc, c)
	if err != nil {
		return Document{}, err
	}
	var gone []string
	err = s.write(ctx, func(tx *db.Tx) error {
		e, err := openDocument(tx, p, pkg, doc)
		if err != nil {
			return err
		}
		kind := "document.changed"
		if f != nil {
			kind, gone = "document.replaced", e.doc.uploaded()
			if err := e.replaceFile(tx, *f); err != nil {
				return err
			}
		}
		if err := e.changeWords(tx, c); err != nil {
			return err
		}
		if err := e.changeApprovals(tx, c, f); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: kind, Account: e.pkg.AccountID, Package: e.pkg.ID, Document: e.doc.ID, Actor: by(tx, p)})
		return err
	})
	if err != nil {
		if f != nil {
			s.discardRefused(ctx, err, []file{*f})
		}
		return Document{}, err
	}
	s.remove(context.WithoutCancel(ctx), gone...)
	return s.GetDocument(ctx, p, pkg, doc)
}

func checkDocumentChange(c *DocumentChange) error {
	if c.Name != nil {
		d := NewDocument{OuterID: "x", Name: *c.Name}
		if err := checkDocument(&d); err != nil {
			return err
		}
		c.Name = &d.Name
	}
	if c.Description != nil {
		return plainText(*c.Description, "documents.description")
	}
	return nil
}

// admitChange passes the file of a change through the airlock and stores it; nil when there is none.
func (s *Signing) admitChange(ctx context.Context, p authz.Principal, pkg, doc string, c DocumentChange) (*file, error) {
	roles, err := s.editing(ctx, p, pkg)
	if err != nil {
		return nil, err
	}
	now, err := s.GetDocument(ctx, p, pkg, doc)
	if err != nil || c.PDF == nil {
		return nil, err
	}
	name := now.Name
	if c.Name != nil {
		name = *c.Name
	}
	files, err := s.admit(ctx, []NewDocument{{OuterID: doc, Name: name, PDF: c.PDF, Extract: c.Extract, Extraction: c.Extraction, Approvals: c.Approvals}}, roles...)
	if err != nil {
		return nil, err
	}
	return &files[0], nil
}

// replaceFile makes a new document of the admitted file and gives it all that belongs to the old one. It gets an id of
// its own, so that no page image of the old file is ever taken for one of the new.
func (e *edited) replaceFile(tx *db.Tx, f file) error {
	old := e.doc
	if _, err := tx.Exec(`update documents set outer_id = id where id = $1`, old.ID); err != nil {
		return err
	}
	f.OuterID, f.Description, f.Data = old.OuterID, old.Description, rawJSON(old.Data)
	if err := insertDocument(tx, e.pkg, f, old.Position); err != nil {
		return err
	}
	for _, move := range []string{
		`update documents set restricted = (select o.restricted from documents o where o.id = $1), position = (select o.position from documents o where o.id = $1) where id = $2`,
		`update document_viewers set document_id = $2 where document_id = $1`,
		`update approvals set document_id = $2 where document_id = $1`,
	} {
		if _, err := tx.Exec(move, old.ID, f.id); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`delete from documents where id = $1`, old.ID); err != nil {
		return err
	}
	row, err := db.One[documentRow](tx, `select * from documents where id = $1`, f.id)
	e.doc = row
	return err
}

func (e *edited) changeWords(tx *db.Tx, c DocumentChange) error {
	name, description, position, data := e.doc.Name, e.doc.Description, e.doc.Position, e.doc.Data
	if c.Name != nil {
		name = *c.Name
	}
	if c.Description != nil {
		description = *c.Description
	}
	if c.Index != nil && *c.Index > 0 {
		position = *c.Index
	}
	if c.Data != nil {
		data = jsonText(c.Data)
	}
	_, err := tx.Exec(`update documents set name = $2, description = $3, position = $4, data = $5 where id = $1`, e.doc.ID, name, description, position, data)
	return err
}

// changeApprovals puts the given approvals in the place of all, adds those found in the new file, and has all lie on its pages.
func (e *edited) changeApprovals(tx *db.Tx, c DocumentChange, f *file) error {
	var added []Approval
	if f != nil {
		added = f.Approvals
	} else {
		added = c.Approvals
	}
	if len(c.Approvals) > 0 {
		if _, err := tx.Exec(`delete from approvals where document_id = $1`, e.doc.ID); err != nil {
			return err
		}
	}
	if f == nil { // places are looked up in new files only
		if err := e.fits(added); err != nil {
			return err
		}
	}
	next, err := db.One[int](tx, `select coalesce(max(position), -1) + 1 from approvals where document_id = $1`, e.doc.ID)
	if err != nil {
		return err
	}
	for i := range added {
		if err := insertApprovals(tx, e.pkg.ID, e.doc.ID, added[i:i+1], e.roles); err != nil {
			return err
		}
		if _, err := tx.Exec(`update approvals set position = $3 where document_id = $1 and outer_id = $2`, e.doc.ID, added[i].OuterID, next+i); err != nil {
			return err
		}
	}
	if err := e.read(tx); err != nil {
		return err
	}
	return checkFields(e.doc.Name, e.now, e.doc.Pages.V)
}

// DeleteDocument takes a document out of a draft.
func (s *Signing) DeleteDocument(ctx context.Context, p authz.Principal, pkg, doc string) error {
	return s.DeleteDocuments(ctx, p, pkg, []string{doc})
}

// DeleteDocuments takes documents out of a draft, all or none. NotFound "document.unknown".
func (s *Signing) DeleteDocuments(ctx context.Context, p authz.Principal, pkg string, docs []string) error {
	var blobs []string
	err := s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			gone, err := db.All[documentRow](tx, `select * from documents where package_id = $1 and outer_id = $2`, row.ID, doc)
			if err != nil {
				return err
			}
			if len(gone) == 0 {
				return orUnknown(db.ErrNone, "document", doc)
			}
			if _, err := record(tx, audit.Event{Type: "document.removed", Account: row.AccountID, Package: row.ID,
				Document: gone[0].ID, Actor: by(tx, p)}); err != nil {
				return err
			}
			if _, err := tx.Exec(`delete from documents where id = $1`, gone[0].ID); err != nil {
				return err
			}
			blobs = append(blobs, gone[0].uploaded()...)
		}
		return nil
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), blobs...)
	}
	return err
}

// Place is where a document stands in the order of its package.
type Place struct {
	Document          string // outer id
	Index             int
	Name, Description *string // nil keeps
}

// ReorderDocuments gives documents of a draft other places, and other names and descriptions where those are given.
// Invalid "document.unlisted", "name.missing", "name.too_long", "name.malformed", "text.malformed".
func (s *Signing) ReorderDocuments(ctx context.Context, p authz.Principal, pkg string, order []Place) error {
	return s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		for _, at := range order {
			if at.Name != nil {
				name, err := title(*at.Name, "documents.name")
				if err != nil {
					return err
				}
				at.Name = &name
			}
			if err := plainText(deref(at.Description), "documents.description"); err != nil {
				return err
			}
			n, err := tx.Exec(`update documents set position = $3, name = coalesce($4, name), description = coalesce($5, description)
				where package_id = $1 and outer_id = $2`, row.ID, at.Document, at.Index, at.Name, at.Description)
			if err != nil {
				return err
			}
			if n == 0 {
				return errs.New(errs.Invalid, "document.unlisted", "The package has no document %q.", clip(at.Document, 64)).On("documents.id")
			}
		}
		_, err = record(tx, audit.Event{Type: "document.reordered", Account: row.AccountID, Package: row.ID, Actor: by(tx, p)})
		return err
	})
}

// apiResolution of the page images that applications get, in dots per inch.
const apiResolution = 100

// PagePNG is a page as it is being signed, as a PNG; page counts from 0. It is no signer's look at the page, so nothing
// is recorded and nothing cached. NotFound "page.unknown".
func (s *Signing) PagePNG(ctx context.Context, p authz.Principal, pkg, doc string, page int) ([]byte, error) {
	row, _, err := s.documentFor(ctx, p, pkg, doc)
	if err != nil {
		return nil, err
	}
	if page < 0 || page >= len(row.Pages.V) {
		return nil, errs.New(errs.NotFound, "page.unknown", "The document has no such page.")
	}
	shown, err := s.bytesOf(ctx, row)
	if err != nil {
		return nil, err
	}
	png, err := s.Jail.Render(ctx, shown, page, apiResolution)
	if err != nil {
		return nil, documentRefusal(err, row.Name)
	}
	return png, nil
}

// Notes tells of every document of a package what was repaired or removed at its upload. It is for the answer to whoever
// has just made the package: that he may not see it later, because it is another sender's own, does not count.
func (s *Signing) Notes(ctx context.Context, p authz.Principal, pkg string) (notes []string, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := db.One[packageRow](tx, `select * from packages where outer_id = $1 and account_id = $2`, pkg, p.Account)
		if err != nil {
			return orUnknown(err, "package", pkg)
		}
		docs, err := db.All[documentRow](tx, `select * from documents where package_id = $1 and notes <> 'null' and notes <> '[]' order by position, id`, row.ID)
		for _, d := range docs {
			for _, note := range d.Notes.V {
				notes = append(notes, fmt.Sprintf("document %q: %s", d.OuterID, note))
			}
		}
		return err
	})
	return notes, err
}
