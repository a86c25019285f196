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
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
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
	if in.Type == Template && in.Send {
		return "", transitionRefused(Draft, Sent)
	}
	files, err := s.admit(ctx, in.Documents, nameRoles(in.Roles)...)
	if err != nil {
		return "", err
	}
	row := newPackageRow(p, in)
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := retry.Made(tx, row.OuterID); err != nil {
			return err
		}
		owner, err := in.Sender.owner(tx, p)
		if err != nil {
			return err
		}
		row.OwnerID = owner.ID
		if err := insertPackage(tx, row); err != nil {
			return err
		}
		if err := addRoles(tx, p, row, in); err != nil {
			return err
		}
		if err := addDocuments(tx, row, files); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: row.created(), Account: row.AccountID, Package: row.ID, Actor: by(tx, p)})
		if err != nil || !in.Send {
			return err
		}
		return s.send(tx, p, row)
	})
	if err != nil {
		s.discardRefused(ctx, err, files)
		return "", err
	}
	return row.OuterID, nil
}

func newPackageRow(p authz.Principal, in NewPackage) packageRow {
	row := packageRow{
		ID: secret.NewID(), OuterID: base64.URLEncoding.EncodeToString(secret.Bytes(20)),
		AccountID: p.Account, OwnerID: p.User,
		Name: in.Name, Description: in.Description, EmailMessage: in.EmailMessage,
		Language: cmp.Or(in.Language, "en"), Visibility: cmp.Or(in.Visibility, ByAccount), Type: cmp.Or(in.Type, Transaction),
		Status: Draft, Autocomplete: in.Autocomplete == nil || *in.Autocomplete, DueMs: wholeSeconds(in.Due),
		Settings: jsonText(in.Settings), Data: jsonText(in.Data), Kept: jsonText(in.Kept),
	}
	return row
}

// created is the audit event of a new package or template.
func (p packageRow) created() string {
	if p.Type == Template {
		return "template.created"
	}
	return "package.created"
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
			visibility, type, status, trashed, autocomplete, due_ms, settings, data, created_ms, updated_ms, seal_attempt,
			kept, folded_name, folded_text)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false, $12, $13, $14, $15, clock_ms(), clock_ms(), 0, $16, $17, $18)`,
		r.ID, r.OuterID, r.AccountID, r.OwnerID, r.Name, r.Description, r.EmailMessage, r.Language,
		r.Visibility, r.Type, r.Status, r.Autocomplete, r.DueMs, r.Settings, r.Data, r.Kept, folded(r.Name), folded(r.Description))
	if err != nil {
		return err
	}
	return recount(tx, nil, &r)
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
	if t := in.Type; t != "" && t != Transaction && t != Template {
		return errs.New(errs.Invalid, "package.type", "The type of a package is PACKAGE or TEMPLATE.").On("type")
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
