package signing

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"crypto/sha256"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/secret"
)

// A document's name may not hold these (Conga Sign documentation).
const forbiddenInNames = `*/\:<>|?"`

// ConsentID is the outer id of the consent every package begins with; no other document may have it.
const ConsentID = "default-consent"

// ConsentName is its title.
const ConsentName = "Electronic Disclosures and Signatures Consent"

// file is a document that passed the airlock and whose bytes are stored, but not yet part of a package.
type file struct {
	NewDocument
	id              string
	info            pdf.Info
	original, shown string // blob keys
}

// admit passes every document through the airlock, finds the fields that it says are in the file, and stores its
// bytes. roles are those of the package as far as they are known.
func (s *Signing) admit(ctx context.Context, docs []NewDocument, roles ...extractRole) (files []file, err error) {
	defer func() {
		if err != nil {
			s.discard(ctx, files)
			files = nil
		}
	}()
	for _, d := range docs {
		f, err := s.inspect(ctx, d, roles)
		if err != nil {
			return files, err
		}
		files = append(files, f)
		if err := s.store(ctx, &files[len(files)-1]); err != nil {
			return files, err
		}
	}
	return files, nil
}

// inspect passes one document through the airlock and finds its fields.
func (s *Signing) inspect(ctx context.Context, d NewDocument, roles []extractRole) (f file, err error) {
	if err := checkDocument(&d); err != nil {
		return f, err
	}
	f = file{id: secret.NewID()}
	if f.info, err = s.Jail.Inspect(ctx, d.PDF); err != nil {
		return f, documentRefusal(err, d.Name)
	}
	if d.extracts() {
		shown := d.PDF
		if f.info.Repaired != nil {
			shown = f.info.Repaired
		}
		instead, notes, err := s.extract(ctx, &d, shown, roles)
		if err != nil {
			return f, err
		}
		if instead != nil {
			f.info.Repaired = instead
		}
		f.info.Notes = append(f.info.Notes, notes...)
	}
	f.NewDocument = d
	f.original = "documents/" + f.id + "/original.pdf"
	f.shown = f.original
	return f, checkFields(d.Name, d.Approvals, f.sizes())
}

// extracts reports whether any place of a field is found in the file.
func (d NewDocument) extracts() bool {
	return d.Extract || slices.ContainsFunc(d.Approvals, func(a Approval) bool {
		return slices.ContainsFunc(a.Fields, func(f Field) bool { return f.Extract || f.Anchor != nil })
	})
}

// store keeps the uploaded bytes and, when they had to be repaired, those to show.
func (s *Signing) store(ctx context.Context, f *file) error {
	if err := s.Blobs.Put(ctx, f.original, f.PDF); err != nil || f.info.Repaired == nil {
		return err
	}
	f.shown = "documents/" + f.id + "/shown.pdf"
	return s.Blobs.Put(ctx, f.shown, f.info.Repaired)
}

// discard removes the bytes of documents that did not become part of a package.
func (s *Signing) discard(ctx context.Context, files []file) {
	for _, f := range files {
		s.remove(context.WithoutCancel(ctx), f.original, f.shown)
	}
}

// discardRefused is discard after an act that failed with err. After a fault nobody knows whether the rows stand: the files stay.
func (s *Signing) discardRefused(ctx context.Context, err error, files []file) {
	if refusal(err) {
		s.discard(ctx, files)
	}
}

func (s *Signing) remove(ctx context.Context, keys ...string) {
	for _, key := range keys {
		if err := s.Blobs.Delete(ctx, key); err != nil {
			s.Log.WarnContext(ctx, "a blob stays behind", "key", key, "error", err)
		}
	}
}

func checkDocument(d *NewDocument) (err error) {
	if d.Name, err = title(d.Name, "documents.name"); err != nil {
		return err
	}
	if i := strings.IndexAny(d.Name, forbiddenInNames); i >= 0 || strings.Trim(d.Name, ".") == "" {
		return errs.New(errs.Invalid, "name.malformed", "The name of a document cannot be only dots, nor hold any of %s", forbiddenInNames).On("documents.name")
	}
	if err = plainText(d.Description, "documents.description"); err != nil {
		return err
	}
	d.OuterID = cmp.Or(d.OuterID, hex.EncodeToString(secret.Bytes(24)))
	if d.OuterID == ConsentID {
		return errs.New(errs.Invalid, "document.reserved", "%q is the consent's own id.", ConsentID).On("documents.id")
	}
	return outerID(d.OuterID, "documents.id")
}

// refusals says how the core words what the airlock refused.
var refusals = map[pdf.Reason]*errs.Error{
	pdf.NotPDF:        errs.New(errs.Invalid, "document.not_pdf", "The file is not a PDF document."),
	pdf.Encrypted:     errs.New(errs.Invalid, "document.encrypted", "The PDF document needs a password to be opened. Remove it and upload again."),
	pdf.Signed:        errs.New(errs.Invalid, "document.signed", "The PDF document already carries a signature, which signing here would spoil."),
	pdf.ActiveContent: errs.New(errs.Invalid, "document.active", "The PDF document is nothing without its active content."),
	pdf.TooLarge:      errs.New(errs.TooLarge, "document.too_large", "The PDF document is too large."),
	pdf.TooManyPages:  errs.New(errs.TooLarge, "document.too_many_pages", "The PDF document has too many pages."),
	pdf.Broken:        errs.New(errs.Invalid, "document.broken", "The PDF document is damaged and could not be repaired."),
	pdf.Exhausted:     errs.New(errs.Invalid, "document.exhausting", "The PDF document takes too much memory or time to read."),
	pdf.MissingGlyphs: errs.New(errs.Unprocessable, "name.glyphs", "A text has characters that none of the server's fonts can draw."),
}

// documentRefusal words what the airlock said of the document called name.
func documentRefusal(err error, name string) error {
	r, ok := errors.AsType[*pdf.Refusal](err)
	if !ok {
		return err
	}
	e := *refusals[r.Reason]
	if r.Detail != "" {
		e.Detail += " (" + r.Detail + ")"
	}
	return e.On("documents").Because(err).With("document", name)
}

// addDocuments makes admitted files part of a package.
func addDocuments(tx *db.Tx, pkg packageRow, files []file) error {
	byID, err := roleIDs(tx, pkg.ID)
	if err != nil {
		return err
	}
	last, err := db.One[int](tx, `select coalesce(max(position), 0) from documents where package_id = $1`, pkg.ID)
	if err != nil {
		return err
	}
	count, err := db.One[int](tx, `select count(*) from documents where package_id = $1`, pkg.ID)
	if err != nil {
		return err
	}
	if count+len(files) > maxDocuments { // positions are the client's and may leave gaps
		return errs.New(errs.Invalid, "package.too_many_documents", "A package has at most %d documents.", maxDocuments).On("documents")
	}
	for i, f := range files {
		if err := insertDocument(tx, pkg, f, last+1+i); err != nil {
			return err
		}
		if err := insertApprovals(tx, pkg.ID, f.id, f.Approvals, byID); err != nil {
			return err
		}
	}
	return nil
}

// sizes are the sizes of the document's pages.
func (f file) sizes() []PageSize {
	pages := make([]PageSize, len(f.info.Pages))
	for i, p := range f.info.Pages {
		pages[i] = PageSize(p)
	}
	return pages
}

// kinds are the kinds of extraction asked for.
func (f file) kinds() []string {
	switch {
	case !f.Extract:
		return nil
	case len(f.Extraction) == 0:
		return []string{"ACROFIELDS"}
	}
	return f.Extraction
}

func insertDocument(tx *db.Tx, pkg packageRow, f file, position int) error {
	if f.Index != nil && *f.Index > 0 {
		position = *f.Index
	}
	sum := sha256.Sum256(f.PDF)
	added, err := tx.Exec(`insert into documents (id, package_id, outer_id, position, name, description, data,
			original_blob, shown_blob, sha256, size, pages, notes, extraction)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict (package_id, outer_id) do nothing`,
		f.id, pkg.ID, f.OuterID, position, f.Name, f.Description, jsonText(f.Data),
		f.original, f.shown, hex.EncodeToString(sum[:]), len(f.PDF), db.AsJSON(f.sizes()), db.AsJSON(f.info.Notes), db.AsJSON(f.kinds()))
	if err == nil && added == 0 {
		err = errs.New(errs.Invalid, "document.duplicate", "Two documents have the id %q.", clip(f.OuterID, 64)).On("documents.id")
	}
	return err
}

// AddDocuments adds files to a draft and returns them as they were added.
func (s *Signing) AddDocuments(ctx context.Context, p authz.Principal, pkg string, docs []NewDocument) ([]Document, error) {
	roles, err := s.editing(ctx, p, pkg)
	if err != nil {
		return nil, err // before the work of reading the files
	}
	files, err := s.admit(ctx, docs, roles...)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		if err := addDocuments(tx, row, files); err != nil {
			return err
		}
		for _, f := range files {
			if _, err := record(tx, audit.Event{Type: "document.added", Account: row.AccountID, Package: row.ID,
				Document: f.id, Actor: by(tx, p)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.discardRefused(ctx, err, files)
		return nil, err
	}
	return s.added(ctx, p, pkg, files)
}

// editing refuses a package that is no draft of the principal's account, and tells how fields may name its roles.
func (s *Signing) editing(ctx context.Context, p authz.Principal, pkg string) (known []extractRole, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		if row.Status != Draft || row.Trashed {
			return notDraft(row)
		}
		roles, err := rolesOf(tx, row.ID)
		for _, r := range roles {
			known = append(known, extractRole{r.OuterID, r.SignerID, r.Name})
		}
		return err
	})
	return known, err
}

func notDraft(row packageRow) error {
	return errs.New(errs.Invalid, "package.not_draft", "Only a draft can be edited; this package is %s.", row.Status).On("status")
}

// added reads back what was added.
func (s *Signing) added(ctx context.Context, p authz.Principal, pkg string, files []file) ([]Document, error) {
	whole, err := s.Get(ctx, p, pkg)
	if err != nil {
		return nil, err
	}
	var out []Document
	for _, f := range files {
		for _, d := range whole.Documents {
			if d.ID == f.id {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// lockDraft locks a package of the principal's account that may still be edited.
func lockDraft(tx *db.Tx, p authz.Principal, outerID string) (packageRow, error) {
	row, err := ofAccount(tx, p, outerID)
	if err != nil {
		return row, err
	}
	changed, err := tx.Exec(`update packages set updated_ms = clock_ms() where id = $1 and status = 'DRAFT' and not trashed`, row.ID)
	if err == nil && changed == 0 {
		err = notDraft(row)
	}
	return row, err
}
