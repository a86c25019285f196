package signing

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
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

// file is a document that passed the airlock and whose bytes are stored, but not yet part of a package.
type file struct {
	NewDocument
	id              string
	info            pdf.Info
	original, shown string // blob keys
}

// admit passes every document through the airlock and stores its bytes.
func (s *Signing) admit(ctx context.Context, docs []NewDocument) (files []file, err error) {
	defer func() {
		if err != nil {
			s.discard(ctx, files)
			files = nil
		}
	}()
	for _, d := range docs {
		if err := checkDocument(&d); err != nil {
			return files, err
		}
		info, err := s.Jail.Inspect(ctx, d.PDF)
		if err != nil {
			return files, documentRefusal(err, d.Name)
		}
		if err := checkFields(d, info); err != nil {
			return files, err
		}
		f := file{NewDocument: d, id: secret.NewID(), info: info}
		f.original = "documents/" + f.id + "/original.pdf"
		f.shown = f.original
		files = append(files, f)
		if err := s.store(ctx, &files[len(files)-1]); err != nil {
			return files, err
		}
	}
	return files, nil
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
	pdf.ActiveContent: errs.New(errs.Invalid, "document.active", "The PDF document holds active content."),
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

// checkFields refuses fields that do not lie on their page.
func checkFields(d NewDocument, info pdf.Info) error {
	count := 0
	for _, a := range d.Approvals {
		if count += len(a.Fields); count > maxFields {
			return errs.New(errs.Invalid, "document.too_many_fields", "A document has at most %d fields.", maxFields).On("fields")
		}
		for _, f := range a.Fields {
			if tooSmall(f) {
				return errs.New(errs.Invalid, "field.size", "A field is at least %g points wide and high; only a signature field of no size "+
					"at all is taken, as an acceptance.", leastSide).On("fields").With("approval", a.OuterID).With("document", d.Name)
			}
			if !onPage(f, info.Pages) {
				return errs.New(errs.Invalid, "field.outside", "Object placed outside of document page boundary.").
					On("fields").With("approval", a.OuterID).With("document", d.Name)
			}
		}
	}
	return nil
}

// leastSide of a field, in points: what is smaller, nobody sees.
const leastSide = 4.0

// tooSmall reports a field that would be signed unseen. A signature field without any size stands for an
// acceptance, which shows nothing on the page.
func tooSmall(f Field) bool {
	acceptance := f.Type == "SIGNATURE" && f.Width == 0 && f.Height == 0
	return !acceptance && (f.Width < leastSide || f.Height < leastSide)
}

// tolerance of a field's right and lower edge beyond the page, in points: surfaces answer page sizes rounded up to
// whole units of their own, and a field may fill the page. Beyond the other edges only what arithmetic costs.
const (
	tolerance = 0.8
	rounding  = 1e-6
)

func onPage(f Field, pages []pdf.Page) bool {
	if f.Page < 0 || f.Page >= len(pages) {
		return false
	}
	p := pages[f.Page]
	return f.Left >= -rounding && f.Top >= -rounding && f.Left+f.Width <= p.Width+tolerance && f.Top+f.Height <= p.Height+tolerance
}

// addDocuments makes admitted files part of a package.
func addDocuments(tx *db.Tx, pkg packageRow, files []file) error {
	roles, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return err
	}
	byID := map[string]string{}
	for _, r := range roles {
		byID[r.SignerID] = r.ID // some clients name the signer instead of the role
	}
	for _, r := range roles {
		byID[r.OuterID] = r.ID
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
		if err := insertApprovals(tx, pkg.ID, f, byID); err != nil {
			return err
		}
	}
	return nil
}

func insertDocument(tx *db.Tx, pkg packageRow, f file, position int) error {
	if f.Index != nil && *f.Index > 0 {
		position = *f.Index
	}
	pages := make([]PageSize, len(f.info.Pages))
	for i, p := range f.info.Pages {
		pages[i] = PageSize(p)
	}
	sum := sha256.Sum256(f.PDF)
	added, err := tx.Exec(`insert into documents (id, package_id, outer_id, position, name, description, data,
			original_blob, shown_blob, sha256, size, pages, notes)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (package_id, outer_id) do nothing`,
		f.id, pkg.ID, f.OuterID, position, f.Name, f.Description, jsonText(f.Data),
		f.original, f.shown, hex.EncodeToString(sum[:]), len(f.PDF), db.AsJSON(pages), db.AsJSON(f.info.Notes))
	if err == nil && added == 0 {
		err = errs.New(errs.Invalid, "document.duplicate", "Two documents have the id %q.", clip(f.OuterID, 64)).On("documents.id")
	}
	return err
}

// insertApprovals adds a document's approvals; roles maps the outer ids of roles and signers.
func insertApprovals(tx *db.Tx, pkg string, f file, roles map[string]string) error {
	for i, a := range f.Approvals {
		role, ok := roles[a.Role]
		if !ok {
			return errs.New(errs.Invalid, "approval.role_unknown", "An approval names the role %q, which the package does not have.",
				clip(a.Role, 64)).On("approvals.role")
		}
		a.OuterID = cmp.Or(a.OuterID, secret.Alphanumeric(12))
		if err := outerID(a.OuterID, "approvals.id"); err != nil {
			return err
		}
		id := secret.NewID()
		added, err := tx.Exec(`insert into approvals (id, package_id, document_id, role_id, outer_id, position, name, optional,
				disabled, enforce_capture, from_file, data)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (document_id, outer_id) do nothing`,
			id, pkg, f.id, role, a.OuterID, i, clip(a.Name, maxName), a.Optional, a.Disabled, a.EnforceCaptureSignature, a.FromFile, jsonText(a.Data))
		if err != nil {
			return err
		}
		if added == 0 {
			return errs.New(errs.Invalid, "approval.duplicate", "Two approvals have the id %q.", clip(a.OuterID, 64)).On("approvals.id")
		}
		if err := insertFields(tx, pkg, id, a.Fields); err != nil {
			return err
		}
	}
	return nil
}

// subtypes of fields, by type (Conga Sign documentation).
var subtypes = map[string]string{
	"FULLNAME": "SIGNATURE", "INITIALS": "SIGNATURE", "CAPTURE": "SIGNATURE", "MOBILE_CAPTURE": "SIGNATURE",
	"LABEL": "INPUT", "TEXTFIELD": "INPUT", "TEXTAREA": "INPUT", "CHECKBOX": "INPUT", "DATE": "INPUT", "DATEPICKER": "INPUT",
}

func insertFields(tx *db.Tx, pkg, approval string, fields []Field) error {
	for i, f := range fields {
		if subtypes[f.Subtype] == "" || subtypes[f.Subtype] != f.Type {
			return errs.New(errs.Invalid, "field.subtype", "A field of type %s and subtype %s is not served.",
				clip(f.Type, 32), clip(f.Subtype, 32)).On("fields.subtype")
		}
		f.OuterID = cmp.Or(f.OuterID, secret.Alphanumeric(12))
		if err := outerID(f.OuterID, "fields.id"); err != nil {
			return err
		}
		if f.Value != nil {
			if err := plainText(*f.Value, "fields.value"); err != nil {
				return err
			}
		}
		added, err := tx.Exec(`insert into fields (id, package_id, approval_id, outer_id, position, name, type, subtype, binding,
				value, tooltip, page, left_pt, top_pt, width_pt, height_pt, font_size, validation, data)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
			on conflict (approval_id, outer_id) do nothing`,
			secret.NewID(), pkg, approval, f.OuterID, i, clip(f.Name, maxName), f.Type, f.Subtype, clip(f.Binding, 64), f.Value,
			clip(f.Tooltip, maxName), f.Page, f.Left, f.Top, f.Width, f.Height, f.FontSize, jsonText(f.Validation), jsonText(f.Data))
		if err != nil {
			return err
		}
		if added == 0 {
			return errs.New(errs.Invalid, "field.duplicate", "Two fields of an approval have the id %q.", clip(f.OuterID, 64)).On("fields.id")
		}
	}
	return nil
}

// AddDocuments adds files to a draft and returns them as they were added.
func (s *Signing) AddDocuments(ctx context.Context, p authz.Principal, pkg string, docs []NewDocument) ([]Document, error) {
	if _, err := s.Get(ctx, p, pkg); err != nil { // before the work of reading the files
		return nil, err
	}
	files, err := s.admit(ctx, docs)
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
		s.discard(ctx, files)
		return nil, err
	}
	return s.added(ctx, p, pkg, files)
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
		err = errs.New(errs.Invalid, "package.not_draft", "Only a draft can be edited; this package is %s.", row.Status).On("status")
	}
	return row, err
}

// DeleteDocument takes a document out of a draft.
func (s *Signing) DeleteDocument(ctx context.Context, p authz.Principal, pkg, doc string) error {
	var gone []documentRow
	err := s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		gone, err = db.All[documentRow](tx, `delete from documents where package_id = $1 and outer_id = $2 returning *`, row.ID, doc)
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			return orUnknown(db.ErrNone, "document", doc)
		}
		_, err = record(tx, audit.Event{Type: "document.removed", Account: row.AccountID, Package: row.ID,
			Document: gone[0].ID, Actor: by(tx, p)})
		return err
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), gone[0].uploaded()...)
	}
	return err
}
