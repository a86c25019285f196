package signing

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Limits of a package (Conga Sign documentation: at most 100 recipients; names of documents up to 256 characters).
const (
	maxRoles     = 100
	maxDocuments = 100
	maxFields    = 2000 // a document
	maxName      = 256
	maxText      = 16 << 10
)

// Create makes a package, as a draft or sent at once, and returns its outer id.
// Invalid input refuses the whole: nothing is kept.
func (s *Signing) Create(ctx context.Context, p authz.Principal, in NewPackage) (string, error) {
	if err := checkPackage(&in); err != nil {
		return "", err
	}
	files, err := s.admit(ctx, in.Documents)
	if err != nil {
		return "", err
	}
	row := newPackageRow(p, in)
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := insertPackage(tx, row); err != nil {
			return err
		}
		if err := addRoles(tx, p, row, in.Roles); err != nil {
			return err
		}
		if err := addDocuments(tx, row, files); err != nil {
			return err
		}
		_, err := record(tx, audit.Event{Type: "package.created", Account: row.AccountID, Package: row.ID, Actor: by(tx, p)})
		if err != nil || !in.Send {
			return err
		}
		return s.send(tx, p, row)
	})
	if err != nil {
		s.discard(ctx, files)
		return "", err
	}
	return row.OuterID, nil
}

func newPackageRow(p authz.Principal, in NewPackage) packageRow {
	row := packageRow{
		ID: secret.NewID(), OuterID: base64.URLEncoding.EncodeToString(secret.Bytes(20)),
		AccountID: p.Account, OwnerID: p.User,
		Name: in.Name, Description: in.Description, EmailMessage: in.EmailMessage,
		Language: cmp.Or(in.Language, "en"), Visibility: cmp.Or(in.Visibility, "ACCOUNT"), Type: cmp.Or(in.Type, "PACKAGE"),
		Status: Draft, Autocomplete: in.Autocomplete == nil || *in.Autocomplete,
		Settings: jsonText(in.Settings), Data: jsonText(in.Data),
	}
	if !in.Due.IsZero() {
		ms := in.Due.UnixMilli()
		row.DueMs = &ms
	}
	return row
}

// jsonText is what a JSON column keeps for a member that may be absent.
func jsonText(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	return string(raw)
}

func insertPackage(tx *db.Tx, r packageRow) error {
	_, err := tx.Exec(`insert into packages (id, outer_id, account_id, owner_id, name, description, email_message, language,
			visibility, type, status, trashed, autocomplete, due_ms, settings, data, created_ms, updated_ms, seal_attempt)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false, $12, $13, $14, $15, clock_ms(), clock_ms(), 0)`,
		r.ID, r.OuterID, r.AccountID, r.OwnerID, r.Name, r.Description, r.EmailMessage, r.Language,
		r.Visibility, r.Type, r.Status, r.Autocomplete, r.DueMs, r.Settings, r.Data)
	return err
}

// checkPackage refuses what can be refused without the database.
func checkPackage(in *NewPackage) error {
	name, err := title(in.Name, "name")
	if err != nil {
		return err
	}
	in.Name = name
	for field, text := range map[string]string{"description": in.Description, "emailMessage": in.EmailMessage, "language": in.Language} {
		if err := plainText(text, field); err != nil {
			return err
		}
	}
	if t := in.Type; t != "" && t != "PACKAGE" {
		return errs.New(errs.Invalid, "package.type", "Only packages of type PACKAGE are served.").On("type")
	}
	if len(in.Roles) > maxRoles {
		return errs.New(errs.Invalid, "package.too_many_roles", "A package has at most %d roles.", maxRoles).On("roles")
	}
	if len(in.Documents) > maxDocuments {
		return errs.New(errs.Invalid, "package.too_many_documents", "A package has at most %d documents.", maxDocuments).On("documents")
	}
	return nil
}

// title checks a name that people read and that is drawn on pages: one line, no control or direction characters.
func title(name, field string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return "", errs.New(errs.Invalid, "name.missing", "A name is needed.").On(field)
	}
	if len([]rune(name)) > maxName {
		return "", errs.New(errs.Invalid, "name.too_long", "A name has at most %d characters.", maxName).On(field)
	}
	if r, bad := unsafeRune(name, false); bad {
		return "", errs.New(errs.Invalid, "name.malformed", "The character %U cannot stand in a name.", r).On(field)
	}
	return name, nil
}

// plainText checks a text of several lines.
func plainText(text, field string) error {
	if len(text) > maxText {
		return errs.New(errs.Invalid, "text.too_long", "A text has at most %d bytes.", maxText).On(field)
	}
	if r, bad := unsafeRune(text, true); bad {
		return errs.New(errs.Invalid, "text.malformed", "The character %U cannot stand here.", r).On(field)
	}
	return nil
}

// unsafeRune finds a character that could deceive a reader or break a protocol:
// controls, and the marks that turn the writing direction or are invisible.
func unsafeRune(text string, lines bool) (rune, bool) {
	for _, r := range text {
		switch {
		case lines && (r == '\n' || r == '\r' || r == '\t'):
		case r < 0x20, r >= 0x7f && r < 0xa0, r == '\uFFFD', r == '\uFEFF',
			r >= '\u200b' && r <= '\u200f', r >= '\u2028' && r <= '\u202e', r >= '\u2060' && r <= '\u2069':
			return r, true
		}
	}
	return 0, false
}

// addRoles adds the owner's role and the given ones.
func addRoles(tx *db.Tx, p authz.Principal, pkg packageRow, in []NewRole) error {
	owner, err := directory.UserByID(tx, pkg.OwnerID)
	if err != nil {
		return err
	}
	rows := []roleRow{ownerRole(pkg, owner)}
	named := false // the owner's own role
	for i, r := range in {
		row, err := newRole(tx, p, pkg, r)
		if err != nil {
			return err
		}
		if !named && row.Kind == Person && row.Email == owner.Email {
			named = true
			row.Kind, row.State, row.UserID = Owner, viewer, &owner.ID
			row.SignerID = owner.SenderID
			rows[0] = row
			continue
		}
		row.Position = i + 1
		rows = append(rows, row)
	}
	for _, row := range rows {
		if err := insertRole(tx, row); err != nil {
			return err
		}
	}
	return nil
}

func ownerRole(pkg packageRow, u directory.User) roleRow {
	return roleRow{ID: secret.NewID(), PackageID: pkg.ID, OuterID: u.SenderID, Name: "Owner", Kind: Owner, State: viewer,
		SignerID: u.SenderID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Title: u.Title,
		Company: u.Company, Phone: u.Phone, Language: cmp.Or(u.Language, "en"), UserID: &u.ID, Data: "null"}
}

// newRole resolves a role's signer: a group of the account, or a person.
func newRole(tx *db.Tx, p authz.Principal, pkg packageRow, in NewRole) (roleRow, error) {
	row := roleRow{ID: secret.NewID(), PackageID: pkg.ID, OuterID: cmp.Or(in.OuterID, secret.NewGUID()), Name: in.Name,
		Kind: Person, Sequence: in.Index, Reassign: in.Reassign, EmailMessage: in.EmailMessage, Data: jsonText(in.Data),
		State: open, SignerID: cmp.Or(in.Signer.OuterID, secret.Alphanumeric(12)), Language: cmp.Or(in.Signer.Language, pkg.Language)}
	if in.Name != "" {
		name, err := title(in.Name, "roles.name")
		if err != nil {
			return row, err
		}
		row.Name = name
	}
	if in.Index < 0 {
		return row, errs.New(errs.Invalid, "role.index", "The index of a role is 0 or more.").On("index")
	}
	if err := outerID(row.OuterID, "roles.id"); err != nil {
		return row, err
	}
	if err := outerID(row.SignerID, "signers.id"); err != nil {
		return row, err
	}
	if err := plainText(in.EmailMessage, "emailMessage"); err != nil {
		return row, err
	}
	if in.Signer.Group != "" {
		return groupRole(tx, p, row, in.Signer.Group)
	}
	return personRole(tx, p, row, in.Signer)
}

func groupRole(tx *db.Tx, p authz.Principal, row roleRow, group string) (roleRow, error) {
	g, err := directory.GroupByOuterID(tx, p.Account, group)
	if err != nil {
		return row, err
	}
	row.Kind, row.GroupID, row.FirstName = Group, &g.ID, g.Name
	row.Name = cmp.Or(row.Name, g.Name)
	return row, nil
}

func personRole(tx *db.Tx, p authz.Principal, row roleRow, in NewSigner) (roleRow, error) {
	email, err := directory.CanonicalEmail(in.Email)
	if err != nil {
		return row, err
	}
	row.Email = email
	for field, part := range map[string]struct {
		in  string
		out *string
	}{
		"firstName": {in.FirstName, &row.FirstName}, "lastName": {in.LastName, &row.LastName},
		"title": {in.Title, &row.Title}, "company": {in.Company, &row.Company}, "phone": {in.Phone, &row.Phone},
	} {
		if *part.out, err = optionalName(part.in, field); err != nil {
			return row, err
		}
	}
	if row.FirstName == "" && row.LastName == "" {
		return row, errs.New(errs.Invalid, "signer.name_missing", "A signer needs a name.").On("firstName")
	}
	row.Name = cmp.Or(row.Name, row.signerName())
	u, err := directory.UserByEmail(tx, p.Account, email)
	if err == nil && u.Status != directory.Inactive { // the address of one who was deactivated is free for others
		row.UserID = &u.ID
	} else if err != nil && errs.KindOf(err) != errs.NotFound {
		return row, err
	}
	return row, nil
}

func optionalName(text, field string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", nil
	}
	name, err := directory.PersonName(text)
	if err != nil {
		return "", errs.New(errs.Invalid, "name.malformed", "%s cannot be used as it is.", field).On(field).Because(err)
	}
	return name, nil
}

// signerName is the person's name as it is stamped.
func (r roleRow) signerName() string { return strings.TrimSpace(r.FirstName + " " + r.LastName) }

// outerID checks an id that a client chose.
func outerID(id, field string) error {
	if len(id) > 128 {
		return errs.New(errs.Invalid, "id.too_long", "An id has at most 128 characters.").On(field)
	}
	r, bad := unsafeRune(id, false)
	if i := strings.IndexAny(id, `/?#%\`); !bad && i >= 0 {
		r, bad = rune(id[i]), true
	}
	if bad {
		return errs.New(errs.Invalid, "id.malformed", "An id cannot hold %q.", r).On(field)
	}
	return nil
}

func insertRole(tx *db.Tx, r roleRow) error {
	added, err := tx.Exec(`insert into roles (id, package_id, outer_id, position, name, kind, sequence, reassign, email_message, data,
			signer_id, email, first_name, last_name, title, company, phone, language, user_id, group_id, state,
			epoch, stage, taken_ms, expires_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, 0, '', 0, 0)
		on conflict (package_id, outer_id) do nothing`,
		r.ID, r.PackageID, r.OuterID, r.Position, r.Name, r.Kind, r.Sequence, r.Reassign, r.EmailMessage, r.Data,
		r.SignerID, r.Email, r.FirstName, r.LastName, r.Title, r.Company, r.Phone, r.Language, r.UserID, r.GroupID, r.State)
	if err == nil && added == 0 {
		err = errs.New(errs.Invalid, "role.duplicate", "Two roles have the id %q.", clip(r.OuterID, 64)).On("roles.id")
	}
	return err
}
