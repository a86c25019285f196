package signing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// The states of a demand for files.
const (
	AttachmentIncomplete = "INCOMPLETE"
	AttachmentComplete   = "COMPLETE"
	AttachmentRejected   = "REJECTED"
)

// Limits of attachments.
const (
	maxAttachments     = 20 // demands a role
	maxAttachmentFiles = 10 // files a demand, unless the package's settings say less or more
	mostAttachedFiles  = 50 // whatever they say
)

// attachmentRow is a row of attachments.
type attachmentRow struct {
	ID, PackageID, RoleID, OuterID string
	Position                       int
	Name, Description              string
	Required                       bool
	Status, Comment, Data          string
}

// attachedRow is a row of attachment_files.
type attachedRow struct {
	ID, AttachmentID string
	Number           int
	Name, Media      string
	Size             int64
	SHA256           string `db:"sha256"`
	Blob, UploadedBy string
	UploadedMs       int64
}

func (f attachedRow) view() AttachmentFile {
	return AttachmentFile{Number: f.Number, Name: f.Name, Media: f.Media, Size: f.Size, SHA256: f.SHA256, Uploaded: db.Time(f.UploadedMs)}
}

// attachmentsOf are what a role, by internal id, is asked to attach, with the files there are.
func attachmentsOf(tx *db.Tx, role string) ([]Attachment, error) {
	rows, err := db.All[attachmentRow](tx, `select * from attachments where role_id = $1 order by position, id`, role)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out := make([]Attachment, len(rows))
	for i, r := range rows {
		out[i] = Attachment{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Description: r.Description, Required: r.Required,
			Status: r.Status, Comment: r.Comment, Data: rawJSON(r.Data)}
		files, err := filesOf(tx, r.ID)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out[i].Files = append(out[i].Files, f.view())
		}
	}
	return out, nil
}

func filesOf(tx *db.Tx, attachment string) ([]attachedRow, error) {
	return db.All[attachedRow](tx, `select * from attachment_files where attachment_id = $1 order by number`, attachment)
}

// insertAttachments adds what a role is asked to attach. Ids are unique in the package: addresses name no role.
func insertAttachments(tx *db.Tx, pkg, role string, in []Attachment) error {
	if len(in) > maxAttachments {
		return errs.New(errs.Invalid, "attachment.too_many", "A role is asked for at most %d attachments.", maxAttachments).On("roles.attachmentRequirements")
	}
	for i, a := range in {
		if err := checkAttachment(&a); err != nil {
			return err
		}
		added, err := tx.Exec(`insert into attachments (id, package_id, role_id, outer_id, position, name, description, required, status, comment, data)
			select cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text), cast($5 as bigint), cast($6 as text), cast($7 as text), cast($8 as boolean), 'INCOMPLETE', '', cast($9 as text)
			where not exists (select 1 from attachments where package_id = cast($2 as text) and outer_id = cast($4 as text))`,
			secret.NewID(), pkg, role, a.OuterID, i, a.Name, a.Description, a.Required, jsonText(a.Data))
		if err != nil {
			return err
		}
		if added == 0 {
			return errs.New(errs.Invalid, "attachment.duplicate", "Two attachments have the id %q.", clip(a.OuterID, 64)).On("roles.attachmentRequirements.id")
		}
	}
	return nil
}

func checkAttachment(a *Attachment) (err error) {
	if a.Name, err = title(a.Name, "roles.attachmentRequirements.name"); err != nil {
		return err
	}
	if err = plainText(a.Description, "roles.attachmentRequirements.description"); err != nil {
		return err
	}
	a.OuterID = cmp.Or(a.OuterID, secret.Alphanumeric(12))
	return outerID(a.OuterID, "roles.attachmentRequirements.id")
}

// Attach adds a file of the visitor's to what he is asked to attach; attachment is its outer id. Refusals: those of an
// act with a lease; NotFound "attachment.unknown"; Invalid "attachment.type", "attachment.too_many_files",
// "attachment.name" and those of the airlock; TooLarge "attachment.too_large".
func (s *Signing) Attach(ctx context.Context, v Visit, epoch int64, attachment, name string, file []byte) error {
	if err := s.read(ctx, func(tx *db.Tx) error { _, err := s.glance(tx, v); return err }); err != nil {
		return err // before the work of reading the file
	}
	f, err := s.admitAttached(ctx, name, file)
	if err != nil {
		return err
	}
	return s.keeping(ctx, f, s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) error {
		f.UploadedBy = at.me.ID
		return attach(tx, at.pkg, at.role.ID, attachment, f, at.event("attachment.uploaded"))
	}))
}

// Detach takes a file back that was attached for the visitor's role.
func (s *Signing) Detach(ctx context.Context, v Visit, epoch int64, attachment string, number int) error {
	var key string
	err := s.acting(ctx, v, epoch, func(tx *db.Tx, at spot) (err error) {
		key, err = detach(tx, at.pkg, at.role.ID, attachment, number, at.event("attachment.removed"))
		return err
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), key)
	}
	return err
}

// keeping removes the stored bytes of a file that was not attached. After a fault nobody knows whether it was: the
// bytes stay.
func (s *Signing) keeping(ctx context.Context, f attachedRow, err error) error {
	if refusal(err) {
		s.remove(context.WithoutCancel(ctx), f.Blob)
	}
	return err
}

// refusal reports whether an act was refused, and so rolled back for certain; a fault may be one of the commit's answer.
func refusal(err error) bool {
	_, ok := errors.AsType[*errs.Error](err)
	return ok
}

// admitAttached checks a file and stores it.
func (s *Signing) admitAttached(ctx context.Context, name string, file []byte) (attachedRow, error) {
	kind, err := sniffAttached(file)
	if err != nil {
		return attachedRow{}, err
	}
	if kind.media == mediaPDF {
		info, err := s.Jail.Inspect(ctx, file)
		if err != nil {
			return attachedRow{}, documentRefusal(err, name)
		}
		if info.Repaired != nil {
			file = info.Repaired
		}
	}
	sum := sha256.Sum256(file)
	f := attachedRow{ID: secret.NewID(), Name: safeName(name, kind), Media: kind.media, Size: int64(len(file)), SHA256: hex.EncodeToString(sum[:])}
	f.Blob = "attachments/" + f.ID
	return f, s.Blobs.Put(ctx, f.Blob, file)
}

// attach adds a stored file to what an open role is asked for.
func attach(tx *db.Tx, pkg packageRow, role, attachment string, f attachedRow, e audit.Event) error {
	row, err := attachmentAt(tx, pkg.ID, role, attachment)
	if err != nil {
		return err
	}
	if err := row.lock(tx); err != nil {
		return err
	}
	if err := mayAttach(tx, pkg, row); err != nil {
		return err
	}
	if f.Number, err = db.One[int](tx, `insert into attachment_files (id, attachment_id, number, name, media, size, sha256, blob, uploaded_by, uploaded_ms)
		select cast($1 as text), cast($2 as text), coalesce(max(number), 0) + 1, cast($3 as text), cast($4 as text), cast($5 as bigint), cast($6 as text), cast($7 as text), cast($8 as text), clock_ms()
		from attachment_files where attachment_id = cast($2 as text) returning number`,
		f.ID, row.ID, f.Name, f.Media, f.Size, f.SHA256, f.Blob, f.UploadedBy); err != nil {
		return err
	}
	if _, err := tx.Exec(`update attachments set status = 'COMPLETE', comment = '' where id = $1`, row.ID); err != nil {
		return err
	}
	e.Detail = map[string]string{"attachment": row.OuterID, "sha256": f.SHA256}
	e.Personal = with(e.Personal, "file", f.Name)
	_, err = record(tx, e)
	return err
}

// with adds to a map that may be nil.
func with(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[name] = value
	return m
}

// mayAttach refuses what is too many.
func mayAttach(tx *db.Tx, pkg packageRow, row attachmentRow) error {
	n, err := db.One[int](tx, `select count(*) from attachment_files where attachment_id = $1`, row.ID)
	if most := pkg.attachedFiles(); err == nil && n >= most {
		err = errs.New(errs.Invalid, "attachment.too_many_files", "At most %d files can be attached here.", most).On("file")
	}
	return err
}

// attachedFiles is how many files a demand takes: settings.ceremony.maxAttachmentFiles.
func (r packageRow) attachedFiles() int {
	var set struct {
		Ceremony struct {
			Most int `json:"maxAttachmentFiles"`
		} `json:"ceremony"`
	}
	_ = json.Unmarshal([]byte(r.Settings), &set) // other members are none of ours
	if set.Ceremony.Most > 0 {
		return min(set.Ceremony.Most, mostAttachedFiles)
	}
	return maxAttachmentFiles
}

// attachmentAt finds what a package asks for; role, an internal id, may be empty.
func attachmentAt(tx *db.Tx, pkg, role, id string) (attachmentRow, error) {
	row, err := db.One[attachmentRow](tx, `select * from attachments where package_id = $1 and outer_id = $2 and (cast($3 as text) = '' or role_id = $3)`, pkg, id, role)
	return row, orUnknown(err, "attachment", id)
}

// lock has one act at a time change what is attached: a page's holds the role's row, the sender's the package's.
func (r attachmentRow) lock(tx *db.Tx) error {
	_, err := tx.Exec(`update attachments set status = status where id = $1`, r.ID)
	return err
}

// detach takes a file out and returns the key of its bytes.
func detach(tx *db.Tx, pkg packageRow, role, attachment string, number int, e audit.Event) (key string, err error) {
	row, err := attachmentAt(tx, pkg.ID, role, attachment)
	if err != nil {
		return "", err
	}
	if err := row.lock(tx); err != nil {
		return "", err
	}
	gone, err := db.All[attachedRow](tx, `delete from attachment_files where attachment_id = $1 and number = $2 returning *`, row.ID, number)
	if err != nil {
		return "", err
	}
	if len(gone) == 0 {
		return "", noAttachedFile()
	}
	if _, err := tx.Exec(`update attachments set status = 'INCOMPLETE' where id = $1 and status = 'COMPLETE'
		and not exists (select 1 from attachment_files f where f.attachment_id = attachments.id)`, row.ID); err != nil {
		return "", err
	}
	e.Detail = map[string]string{"attachment": row.OuterID, "sha256": gone[0].SHA256}
	e.Personal = with(e.Personal, "file", gone[0].Name)
	_, err = record(tx, e)
	return gone[0].Blob, err
}

func noAttachedFile() error {
	return errs.New(errs.NotFound, "attachment_file.unknown", "There is no such file.")
}

// own is the role, by internal id, that the principal is confined to; empty is any.
func own(p authz.Principal) string {
	if p.Kind == authz.Signer {
		return p.Role
	}
	return ""
}
