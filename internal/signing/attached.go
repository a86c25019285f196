package signing

import (
	"archive/zip"
	"bytes"
	"context"
	"image"
	_ "image/jpeg" // image.DecodeConfig reads the two kinds of picture that may be attached
	_ "image/png"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// MaxAttached is the largest file that can be attached, in bytes.
const MaxAttached = 16 << 20

const mediaPDF = "application/pdf"

// fileKind is a kind of file that may be attached, as its bytes show it.
type fileKind struct {
	media   string
	endings []string // the first is added to a name that has none of them
}

var (
	pdfKind  = fileKind{mediaPDF, []string{".pdf"}}
	pngKind  = fileKind{"image/png", []string{".png"}}
	jpegKind = fileKind{"image/jpeg", []string{".jpg", ".jpeg"}}
	textKind = fileKind{"text/plain; charset=utf-8", []string{".txt", ".text", ".csv", ".md", ".log"}}
	docxKind = fileKind{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", []string{".docx"}}
	xlsxKind = fileKind{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", []string{".xlsx"}}
)

// sniffAttached tells the kind of a file from its bytes; what it is called or declared as does not count.
// Refusals: Invalid "attachment.type", "attachment.empty"; TooLarge "attachment.too_large".
func sniffAttached(file []byte) (fileKind, error) {
	switch {
	case len(file) == 0:
		return fileKind{}, errs.New(errs.Invalid, "attachment.empty", "The file is empty.").On("file")
	case len(file) > MaxAttached:
		return fileKind{}, errs.New(errs.TooLarge, "attachment.too_large", "A file to attach has at most %d MB.", MaxAttached>>20).On("file")
	case bytes.HasPrefix(file, []byte("%PDF-")):
		return pdfKind, nil
	case bytes.HasPrefix(file, []byte("PK\x03\x04")):
		return sniffOffice(file)
	}
	if _, kind, err := image.DecodeConfig(bytes.NewReader(file)); err == nil {
		return map[string]fileKind{"png": pngKind, "jpeg": jpegKind}[kind], nil
	}
	if isText(file) {
		return textKind, nil
	}
	return fileKind{}, wrongType()
}

func wrongType() error {
	return errs.New(errs.Invalid, "attachment.type", "Only PDF, PNG, JPEG, plain text, DOCX and XLSX files can be attached.").On("file")
}

// sniffOffice knows the two kinds of Office file without macros by their main part; nothing is unpacked.
func sniffOffice(file []byte) (fileKind, error) {
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return fileKind{}, wrongType()
	}
	has := func(name string) bool {
		return slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == name })
	}
	active := slices.ContainsFunc(archive.File, func(f *zip.File) bool {
		name := strings.ToLower(f.Name)
		return strings.HasSuffix(name, ".bin") && !strings.Contains(name, "printersettings") || strings.Contains(name, "activex") || strings.Contains(name, "..")
	})
	switch {
	case active || !has("[Content_Types].xml"):
	case has("word/document.xml"):
		return docxKind, nil
	case has("xl/workbook.xml"):
		return xlsxKind, nil
	}
	return fileKind{}, wrongType()
}

// isText: UTF-8 with no controls but white space.
func isText(file []byte) bool {
	return utf8.Valid(file) && !bytes.ContainsFunc(file, func(r rune) bool {
		return r < 0x20 && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f
	})
}

// maxFileName bounds the name of an attached file, in characters.
const maxFileName = 120

// safeName is a file's name as it is kept and offered: no path, nothing that a system or a header could take
// for more than a name, and the ending of what the file is.
func safeName(name string, kind fileKind) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if _, bad := unsafeRune(string(r), false); bad || strings.ContainsRune(forbiddenInNames, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	name = strings.Trim(name, " .")
	ending := strings.ToLower(filepath.Ext(name))
	stem := name
	if slices.Contains(kind.endings, ending) {
		stem = name[:len(name)-len(ending)]
	} else {
		ending = kind.endings[0]
	}
	if r := []rune(stem); len(r) > maxFileName {
		stem = string(r[:maxFileName])
	}
	if strings.Trim(stem, " .") == "" {
		stem = "attachment"
	}
	return stem + ending
}

// AttachByAPI adds a file for a signer while the package is being signed: by his session, by who signs for the role with a
// key of his own, or by the sender on his behalf, which the audit log says. Signers do so through the lease, and the sender
// while nobody else holds it. Refusals as Attach; Conflict "lease.held", "package.closed", "role.signed", "role.viewer".
func (s *Signing) AttachByAPI(ctx context.Context, p authz.Principal, pkg, attachment, name string, file []byte) error {
	if err := s.read(ctx, func(tx *db.Tx) error { _, _, err := findAttachment(tx, p, pkg, attachment); return err }); err != nil {
		return err // before the work of reading the file
	}
	f, err := s.admitAttached(ctx, name, file)
	if err != nil {
		return err
	}
	var last spot
	return s.keeping(ctx, f, s.held(ctx, &last, s.write(ctx, func(tx *db.Tx) error {
		return s.attachingAt(tx, p, pkg, attachment, "attachment.uploaded", &last, func(row packageRow, e audit.Event) error {
			f.UploadedBy = last.me.ID
			return attach(tx, row, e.Role, attachment, f, e)
		})
	})))
}

// DetachByAPI takes a file back, under the same conditions.
func (s *Signing) DetachByAPI(ctx context.Context, p authz.Principal, pkg, attachment string, number int) error {
	var key string
	var last spot
	err := s.held(ctx, &last, s.write(ctx, func(tx *db.Tx) error {
		return s.attachingAt(tx, p, pkg, attachment, "attachment.removed", &last, func(row packageRow, e audit.Event) (err error) {
			key, err = detach(tx, row, e.Role, attachment, number, e)
			return err
		})
	}))
	if err == nil {
		s.remove(context.WithoutCancel(ctx), key)
	}
	return err
}

// attachingAt locks a package whose files may change and has act change them, with the event to record. Whoever holds the
// lease alone changes them: signers act through it, the owner and the managers of his account while it is free or their
// own. last is where the caller stands; its invitee is empty for a sender.
func (s *Signing) attachingAt(tx *db.Tx, p authz.Principal, pkg, attachment, kind string, last *spot, act func(packageRow, audit.Event) error) error {
	row, asked, err := findAttachment(tx, p, pkg, attachment)
	if err != nil {
		return err
	}
	if err = lockOpen(tx, row.ID); err != nil {
		return err
	}
	if err = stillOpen(tx, asked.RoleID); err != nil {
		return err
	}
	owner, err := owns(tx, p, row)
	if err != nil {
		return err
	}
	if owner {
		if *last, err = senderSpot(tx, p, row, asked.RoleID); err != nil {
			return err
		}
		if err = last.heldByOther(tx, p); err != nil {
			return err
		}
		return act(row, last.event(kind))
	}
	role, err := db.One[roleRow](tx, `select * from roles where id = $1`, asked.RoleID)
	if err != nil {
		return err
	}
	at, own, err := s.ownSpot(tx, p, row, role)
	if err != nil {
		return err
	}
	if !own {
		return notOwner()
	}
	*last = at
	return s.throughLease(tx, &at, func() error { return act(row, at.event(kind)) })
}

// senderSpot is where the sender stands who acts on behalf of a role's signers. It locks the role.
func senderSpot(tx *db.Tx, p authz.Principal, pkg packageRow, role string) (at spot, err error) {
	sender := by(tx, p)
	at = spot{pkg: pkg, sender: &sender}
	at.role.ID = role
	if err = at.lockRole(tx); err != nil {
		return at, err
	}
	at.now, err = tx.Now()
	return at, err
}

// heldByOther refuses (Conflict "lease.held") the sender while somebody else than his own user holds the role's lease.
func (at spot) heldByOther(tx *db.Tx, p authz.Principal) error {
	lease, err := at.liveLease(tx, at.now.UnixMilli())
	if err != nil || lease == nil {
		return err
	}
	own, err := db.One[int](tx, `select count(*) from invitees where id = $1 and user_id = $2`, *at.role.Holder, p.User)
	if err == nil && own == 0 {
		err = at.heldBy(lease.Holder, at.now)
	}
	return err
}

// held records that an act by API was refused because somebody else holds the lease, and passes the refusal on.
func (s *Signing) held(ctx context.Context, at *spot, err error) error {
	if errs.Is(err, "lease.held") {
		return s.refused(ctx, *at, "act.refused", err)
	}
	return err
}

// stillOpen refuses what would change the files after the role's signature (Conflict "role.signed"), or of who only looks
// on (Conflict "role.viewer").
func stillOpen(tx *db.Tx, role string) error {
	state, err := db.One[string](tx, `select state from roles where id = $1`, role)
	switch {
	case err != nil || state == open:
		return err
	case state == viewer:
		return errs.New(errs.Conflict, "role.viewer", "This role only looks on; nothing is attached for it.")
	}
	return errs.New(errs.Conflict, "role.signed", "This role has signed; its attachments stay as they are.")
}

func findAttachment(tx *db.Tx, p authz.Principal, pkg, attachment string) (row packageRow, at attachmentRow, err error) {
	if row, err = ofAccount(tx, p, pkg); err != nil {
		return row, at, err
	}
	at, err = attachmentAt(tx, row.ID, own(p), attachment)
	return row, at, err
}

// Attached is a file with its bytes; Role is the outer id of the role it was attached for.
type Attached struct {
	AttachmentFile
	Role, Attachment string
	Bytes            []byte
}

// AttachedFiles are the files of a package: of one role or attachment (outer ids) if they are not empty, and of one
// number if it is not 0. Their bytes are read by ReadAttached. NotFound "attachment.unknown", "role.unknown".
func (s *Signing) AttachedFiles(ctx context.Context, p authz.Principal, pkg, role, attachment string, number int) (out []Attached, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		of := own(p)
		if role != "" {
			r, err := roleAt(tx, row.ID, role)
			if err != nil || of != "" && of != r.ID {
				return orUnknown(or(err, db.ErrNone), "role", role)
			}
			of = r.ID
		}
		if attachment != "" {
			if _, err := attachmentAt(tx, row.ID, of, attachment); err != nil {
				return err
			}
		}
		out, err = attachedOf(tx, row.ID, of, attachment, number)
		return err
	})
	return out, err
}

func attachedOf(tx *db.Tx, pkg, role, attachment string, number int) (out []Attached, err error) {
	type row struct {
		attachedRow
		Role, Attachment string
	}
	for r, err := range db.Rows[row](tx, `select f.*, r.outer_id as role, a.outer_id as attachment from attachment_files f
		join attachments a on a.id = f.attachment_id join roles r on r.id = a.role_id
		where a.package_id = $1 and (cast($2 as text) = '' or a.role_id = $2) and (cast($3 as text) = '' or a.outer_id = $3)
		and (cast($4 as bigint) = 0 or f.number = $4) order by r.position, a.position, f.number`, pkg, role, attachment, number) {
		if err != nil {
			return nil, err
		}
		out = append(out, Attached{AttachmentFile: r.view(), Role: r.Role, Attachment: r.Attachment})
	}
	return out, nil
}

// ReadAttached is one file with its bytes; number 0 is the newest. NotFound "attachment_file.unknown".
func (s *Signing) ReadAttached(ctx context.Context, p authz.Principal, pkg, attachment string, number int) (out Attached, err error) {
	files, err := s.AttachedFiles(ctx, p, pkg, "", attachment, number)
	if err != nil {
		return out, err
	}
	if len(files) == 0 {
		return out, noAttachedFile()
	}
	out = files[len(files)-1]
	var key string
	var row packageRow
	err = s.read(ctx, func(tx *db.Tx) error {
		if row, err = ofAccount(tx, p, pkg); err != nil {
			return err
		}
		key, err = db.One[string](tx, `select f.blob from attachment_files f join attachments a on a.id = f.attachment_id
			where a.package_id = $1 and a.outer_id = $2 and f.number = $3 and f.sha256 = $4`, row.ID, attachment, out.Number, out.SHA256)
		if err == db.ErrNone {
			err = noAttachedFile()
		}
		return err
	})
	if err != nil {
		return out, err
	}
	if out.Bytes, err = s.Blobs.Get(ctx, key); err != nil {
		return out, err
	}
	return out, s.recordDownload(ctx, p, row, "")
}

// attachedBlobs are the keys of the bytes of a package's attached files; role, an internal id, may be empty.
func attachedBlobs(tx *db.Tx, pkg, role string) ([]string, error) {
	return db.All[string](tx, `select f.blob from attachment_files f join attachments a on a.id = f.attachment_id
		where a.package_id = $1 and (cast($2 as text) = '' or a.role_id = $2)`, pkg, role)
}

// roleAt finds a role of a package by its own id, else by its signer's. NotFound "role.unknown".
func roleAt(tx *db.Tx, pkg, id string) (roleRow, error) {
	row, err := db.One[roleRow](tx, `select * from roles where package_id = $1 and (outer_id = $2 or signer_id = $2)
		order by case when outer_id = $2 then 0 else 1 end, position, id limit 1`, pkg, id)
	return row, orUnknown(err, "role", id)
}
