package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/secret"
)

// Clone makes a package or template from another one and returns its outer id. It has the documents with their bytes,
// approvals and fields, without what signers entered, and the roles of both: a given role that has the id or the name of
// one there takes its place and its approvals. What in gives beside that stands instead of the original's. Errors as Create,
// and Conflict "document.changed" when the original changed meanwhile.
func (s *Signing) Clone(ctx context.Context, p authz.Principal, id string, in NewPackage) (string, error) {
	c, err := s.copying(ctx, p, id, in)
	if err != nil {
		return "", err
	}
	files, err := s.admit(ctx, c.in.Documents, nameRoles(c.in.Roles)...)
	if err != nil {
		return "", err
	}
	err = s.copyBlobs(ctx, c)
	gone := err != nil
	if err == nil {
		err = s.write(ctx, func(tx *db.Tx) error { return s.insertCopy(tx, p, c, files) })
		gone = refusal(err)
	}
	if gone {
		s.discard(ctx, files)
		s.remove(context.WithoutCancel(ctx), c.keys...)
	}
	if err != nil {
		return "", err
	}
	return c.row.OuterID, nil
}

// copying is a copy being made.
type copying struct {
	from      Package
	fromID    string            // internal
	in        NewPackage        // of the copy, its roles the union of both
	renamed   map[string]string // outer ids of roles: the original's to the copy's
	documents []copiedDocument
	keys      []string // of the bytes copied so far
	row       packageRow
}

// copiedDocument is a document and where its bytes are copied from and to.
type copiedDocument struct {
	Document
	id                         string
	presets                    map[string]*string // by approval/field, of fields that signers wrote over
	fromOriginal, fromShown    string
	originalBlob, shownBlobKey string
}

// copying reads the original and works out what the copy is to be.
func (s *Signing) copying(ctx context.Context, p authz.Principal, id string, in NewPackage) (*copying, error) {
	c := &copying{in: in, renamed: map[string]string{}}
	var owner directory.User
	var rows []documentRow
	var presets map[string]map[string]*string
	err := s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		c.fromID = row.ID
		if c.from, err = assemble(tx, row); err != nil {
			return err
		}
		if rows, err = db.All[documentRow](tx, `select * from documents where package_id = $1 order by position, id`, row.ID); err != nil {
			return err
		}
		if owner, err = in.Sender.owner(tx, p); err != nil {
			return err
		}
		if presets, err = presetsOf(tx, row.ID); err != nil {
			return err
		}
		now, err := tx.Now()
		if c.in.Due.IsZero() && c.from.Due.After(now) { // a time that has passed is not inherited
			c.in.Due = c.from.Due
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.inherit()
	if err := checkPackage(&c.in); err != nil {
		return nil, err
	}
	if c.in.Type == Template && c.in.Send {
		return nil, transitionRefused(Draft, Sent)
	}
	c.unite(owner)
	if len(c.in.Roles) > maxRoles {
		return nil, errs.New(errs.Invalid, "package.too_many_roles", "A package has at most %d roles.", maxRoles).On("roles")
	}
	for i, r := range rows {
		d := copiedDocument{Document: c.from.Documents[i], id: secret.NewID(), presets: presets[r.ID], fromOriginal: r.OriginalBlob, fromShown: r.ShownBlob}
		d.originalBlob = "documents/" + d.id + "/original.pdf"
		d.shownBlobKey = d.originalBlob
		if r.ShownBlob != r.OriginalBlob {
			d.shownBlobKey = "documents/" + d.id + "/shown.pdf"
		}
		c.documents = append(c.documents, d)
	}
	c.row = newPackageRow(p, c.in)
	c.row.OwnerID = owner.ID
	return c, nil
}

// presetsOf are what the sender had put into those fields of a package that signers wrote into, by document and
// approval/field; also where he had put nothing.
func presetsOf(tx *db.Tx, pkg string) (map[string]map[string]*string, error) {
	type row struct {
		DocumentID, Place string
		Preset            *string
	}
	out := map[string]map[string]*string{}
	for r, err := range db.Rows[row](tx, `select a.document_id, a.outer_id || '/' || f.outer_id as place, f.preset from fields f
		join approvals a on a.id = f.approval_id where a.package_id = $1 and f.entered_by is not null`, pkg) {
		if err != nil {
			return nil, err
		}
		if out[r.DocumentID] == nil {
			out[r.DocumentID] = map[string]*string{}
		}
		out[r.DocumentID][r.Place] = r.Preset
	}
	return out, nil
}

// inherit fills what was not given with the original's.
func (c *copying) inherit() {
	f := c.from
	c.in.Name = cmp.Or(c.in.Name, f.Name)
	c.in.Description = cmp.Or(c.in.Description, f.Description)
	c.in.EmailMessage = cmp.Or(c.in.EmailMessage, f.EmailMessage)
	c.in.Language = cmp.Or(c.in.Language, f.Language)
	c.in.Visibility = cmp.Or(c.in.Visibility, f.Visibility)
	c.in.Type = cmp.Or(c.in.Type, Transaction)
	if c.in.Autocomplete == nil {
		c.in.Autocomplete = &f.Autocomplete
	}
	if c.in.Settings == nil {
		c.in.Settings = f.Settings
	}
	if c.in.Data == nil {
		c.in.Data = f.Data
	}
	if text := merged(jsonText(f.Kept), c.in.Kept); text != "null" {
		c.in.Kept = json.RawMessage(text)
	}
}

// unite makes the union of the original's roles and the given ones. Who makes the copy owns it: the part of the
// original's owner is his.
func (c *copying) unite(owner directory.User) {
	given := c.in.Roles
	var all []NewRole
	for _, r := range c.from.Roles {
		if r.Kind == Owner && r.OuterID == r.Signer.OuterID {
			c.renamed[r.OuterID] = owner.SenderID // made with every package
			continue
		}
		role := r.again(owner)
		if i := slices.IndexFunc(given, func(n NewRole) bool { return n.standsFor(r) }); i >= 0 {
			role = role.replacedBy(given[i])
			given = slices.Delete(slices.Clone(given), i, i+1)
		}
		c.renamed[r.OuterID] = role.OuterID
		all = append(all, role)
	}
	c.in.Roles = append(all, given...)
}

// standsFor reports whether a given role means one of the original.
func (n NewRole) standsFor(r Role) bool {
	return n.OuterID != "" && n.OuterID == r.OuterID || n.Name != "" && strings.EqualFold(n.Name, r.Name)
}

// again is the role as it would be made anew.
func (r Role) again(owner directory.User) NewRole {
	out := NewRole{OuterID: r.OuterID, Name: r.Name, Type: "SIGNER", Index: r.Index, Reassign: r.Reassign, EmailMessage: r.EmailMessage,
		Data: r.Data, Kept: r.Kept, Signer: NewSigner{OuterID: r.Signer.OuterID, Email: r.Signer.Email, FirstName: r.Signer.FirstName,
			LastName: r.Signer.LastName, Title: r.Signer.Title, Company: r.Signer.Company, Phone: r.Signer.Phone,
			Language: r.Signer.Language, Group: r.Signer.GroupOuterID, AdHoc: r.Kind == AdHoc, Open: r.Kind == Person && r.Signer.Email == ""}}
	if r.Kind == Owner {
		out.Signer.Email, out.Signer.FirstName, out.Signer.LastName = owner.Email, owner.FirstName, owner.LastName
	}
	for _, m := range r.Signer.Members {
		out.Signer.Members = append(out.Signer.Members, m.SignerID)
	}
	for _, a := range r.Attachments {
		out.Attachments = append(out.Attachments, Attachment{OuterID: a.OuterID, Name: a.Name, Description: a.Description,
			Required: a.Required, Data: a.Data})
	}
	return out
}

// replacedBy is the role with what a given one says in its place.
func (n NewRole) replacedBy(given NewRole) NewRole {
	n.OuterID, n.Name = cmp.Or(given.OuterID, n.OuterID), cmp.Or(given.Name, n.Name)
	n.Index, n.Reassign = cmp.Or(given.Index, n.Index), given.Reassign || n.Reassign
	n.EmailMessage = cmp.Or(given.EmailMessage, n.EmailMessage)
	if given.Data != nil {
		n.Data = given.Data
	}
	if given.Kept != nil {
		n.Kept = given.Kept
	}
	if given.Attachments != nil {
		n.Attachments = given.Attachments
	}
	if given.Signer.named() {
		given.Signer.OuterID = cmp.Or(given.Signer.OuterID, n.Signer.OuterID)
		n.Signer = given.Signer
	}
	return n
}

// named reports whether it is said who signs. Roles of a template may leave that open.
func (n NewSigner) named() bool {
	return n.Email != "" || n.Group != "" || n.AdHoc || n.FirstName != "" || n.LastName != ""
}

// copyBlobs copies the documents' bytes, one at a time.
func (s *Signing) copyBlobs(ctx context.Context, c *copying) error {
	for _, d := range c.documents {
		pairs := [][2]string{{d.fromOriginal, d.originalBlob}}
		if d.fromShown != d.fromOriginal {
			pairs = append(pairs, [2]string{d.fromShown, d.shownBlobKey})
		}
		for _, pair := range pairs {
			file, err := s.Blobs.Get(ctx, pair[0])
			if err != nil {
				return err
			}
			c.keys = append(c.keys, pair[1])
			if err := s.Blobs.Put(ctx, pair[1], file); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertCopy is the transaction that makes the copy.
func (s *Signing) insertCopy(tx *db.Tx, p authz.Principal, c *copying, files []file) error {
	if err := retry.Made(tx, c.row.OuterID); err != nil {
		return err
	}
	if err := insertPackage(tx, c.row); err != nil {
		return err
	}
	if err := addRoles(tx, p, c.row, c.in); err != nil {
		return err
	}
	roles, err := roleIDs(tx, c.row.ID)
	if err != nil {
		return err
	}
	for _, d := range c.documents {
		if err := c.insertDocument(tx, d, roles); err != nil {
			return err
		}
	}
	if err := addDocuments(tx, c.row, files); err != nil {
		return err
	}
	if err := copySchedule(tx, c.fromID, c.row.ID); err != nil {
		return err
	}
	kind := "package.cloned"
	if c.row.Type == Template {
		kind = c.row.created()
	}
	_, err = record(tx, audit.Event{Type: kind, Account: c.row.AccountID, Package: c.row.ID, Actor: by(tx, p),
		Detail: map[string]string{"from": c.from.OuterID}})
	if err != nil || !c.in.Send {
		return err
	}
	return s.send(tx, p, c.row)
}

// insertDocument copies a document's row, its approvals and fields, and who may see it.
func (c *copying) insertDocument(tx *db.Tx, d copiedDocument, roles map[string]string) error {
	added, err := tx.Exec(`insert into documents (id, package_id, outer_id, position, name, description, data, original_blob, shown_blob,
			sha256, size, pages, notes, extraction, restricted)
		select cast($1 as text), cast($2 as text), outer_id, position, name, description, data, cast($3 as text), cast($4 as text),
			sha256, size, pages, notes, extraction, restricted from documents where id = $5 and original_blob = $6 and shown_blob = $7`,
		d.id, c.row.ID, d.originalBlob, d.shownBlobKey, d.ID, d.fromOriginal, d.fromShown)
	if err != nil {
		return err
	}
	if added == 0 {
		return errs.New(errs.Conflict, "document.changed", "The document %q changed while it was copied.", clip(d.Name, 64)).On("documents")
	}
	for _, viewer := range d.Viewers {
		if _, err := tx.Exec(`insert into document_viewers (document_id, role_id) values ($1, $2) on conflict do nothing`,
			d.id, roles[c.renamed[viewer]]); err != nil {
			return err
		}
	}
	approvals := slices.Clone(d.Approvals)
	for i := range approvals {
		a := &approvals[i]
		a.Role = c.renamed[a.Role]
		a.Fields = slices.Clone(a.Fields)
		for j := range a.Fields {
			if preset, over := d.presets[a.OuterID+"/"+a.Fields[j].OuterID]; over {
				a.Fields[j].Value = preset
			}
		}
	}
	return insertApprovals(tx, c.row.ID, d.id, approvals, roles)
}

// openRole is a role of which it is not said yet who plays it: of a template, or of a draft until it is sent.
func openRole(pkg packageRow, row roleRow, in NewSigner) (roleRow, error) {
	if pkg.Type != Template && pkg.Status != Draft && !in.Open {
		return row, errs.New(errs.Invalid, "role.one_signer", "A role has exactly one signer.").On("roles.signers")
	}
	row.Name = cmp.Or(row.Name, "Signer")
	return row, nil
}
