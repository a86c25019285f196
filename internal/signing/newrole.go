package signing

import (
	"cmp"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// owner is the sender whose package it becomes. Another than the caller is for who manages the account (Denied
// "account.not_manager"); one that there is not is Invalid "package.sender_unknown".
func (n NewSender) owner(tx *db.Tx, p authz.Principal) (u directory.User, err error) {
	switch {
	case n.Email != "":
		u, err = directory.UserByEmail(tx, p.Account, n.Email)
	case n.SenderID != "":
		u, err = directory.UserBySender(tx, p.Account, n.SenderID)
	default:
		return directory.UserByID(tx, p.User)
	}
	if errs.KindOf(err) == errs.NotFound || err == nil && !(u.Sender && u.Alive()) && u.ID != p.User {
		return u, errs.New(errs.Invalid, "package.sender_unknown", "The sender of a package is a sender of the account.").On("sender")
	}
	if err == nil && u.ID != p.User {
		err = directory.MayManage(tx, p)
	}
	return u, err
}

// call calls the owner in his role as the package's maker says.
func (n NewSender) call(r *roleRow) error {
	for _, part := range []struct {
		field, in string
		out       *string
	}{{"sender.firstName", n.FirstName, &r.FirstName}, {"sender.lastName", n.LastName, &r.LastName},
		{"sender.title", n.Title, &r.Title}, {"sender.company", n.Company, &r.Company}} {
		text, err := optionalName(part.in, part.field)
		if err != nil {
			return err
		}
		*part.out = cmp.Or(text, *part.out)
	}
	return nil
}

// addRoles adds the owner's role and the given ones.
func addRoles(tx *db.Tx, p authz.Principal, pkg packageRow, whole NewPackage) error {
	owner, err := directory.UserByID(tx, pkg.OwnerID)
	if err != nil {
		return err
	}
	in := whole.Roles
	rows, of := []roleRow{ownerRole(pkg, owner)}, []NewRole{{}}
	named := false                 // the owner's own role
	signers := map[string]string{} // internal ids of roles by their signers' ids as the client gave them
	for i, r := range in {
		row, err := newRole(tx, p, pkg, r)
		if err != nil {
			return err
		}
		signers[row.SignerID] = row.ID
		if !named && row.Kind == Person && row.Email == owner.Email {
			named = true
			row.asOwner(owner)
			rows[0], of[0] = row, r
			continue
		}
		row.Position = i + 1
		rows, of = append(rows, row), append(of, r)
	}
	if err := whole.Sender.call(&rows[0]); err != nil {
		return err
	}
	for _, row := range rows {
		if err := insertRole(tx, row); err != nil {
			return err
		}
	}
	for i, row := range rows {
		if err := insertMembers(tx, row, of[i].Signer.Members, signers); err != nil {
			return err
		}
		if err := insertAttachments(tx, pkg.ID, row.ID, of[i].Attachments); err != nil {
			return err
		}
	}
	return nil
}

// nameRoles gives an id to every role and signer without one, and tells how fields of documents may name them.
func nameRoles(roles []NewRole) (known []extractRole) {
	for i := range roles {
		r := &roles[i]
		r.OuterID = cmp.Or(r.OuterID, secret.NewGUID())
		r.Signer.OuterID = cmp.Or(r.Signer.OuterID, secret.Alphanumeric(12))
		known = append(known, extractRole{r.OuterID, r.Signer.OuterID, r.Name})
	}
	return known
}

// asOwner makes the row the owner's own role.
func (r *roleRow) asOwner(owner directory.User) {
	r.Kind, r.State, r.UserID, r.SignerID = Owner, viewer, &owner.ID, owner.SenderID
}

// insertMembers says who acts for an ad-hoc group; signers maps signers' ids to internal ids of roles.
func insertMembers(tx *db.Tx, group roleRow, members []string, signers map[string]string) error {
	for i, id := range members {
		added := int64(0)
		var err error
		if member, ok := signers[id]; ok {
			added, err = tx.Exec(`insert into adhoc_members (role_id, member_id, position)
				select cast($1 as text), id, cast($3 as bigint) from roles where id = $2 and kind in ('person', 'owner') on conflict do nothing`, group.ID, member, i)
		}
		if err != nil {
			return err
		}
		if added == 0 {
			return errs.New(errs.Invalid, "adhoc.member", "%q is no person of this package, or is named twice: members of an ad-hoc group are signers of other roles.",
				clip(id, 64)).On("signers.group.members.userId")
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
		State: open, SignerID: cmp.Or(in.Signer.OuterID, secret.Alphanumeric(12)), Language: cmp.Or(in.Signer.Language, pkg.Language),
		Kept: jsonText(in.Kept)}
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
	switch {
	case !in.Signer.named():
		return openRole(pkg, row, in.Signer)
	case in.Signer.Group != "":
		return groupRole(tx, p, row, in.Signer.Group)
	case in.Signer.AdHoc:
		return adHocRole(row, in.Signer)
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

// adHocRole is a role for which any of several persons of the package acts; its name is stamped.
func adHocRole(row roleRow, in NewSigner) (roleRow, error) {
	name, err := optionalName(in.FirstName, "firstName")
	if err == nil && name == "" {
		err = errs.New(errs.Invalid, "signer.name_missing", "A group needs a name.").On("signers.group.name")
	}
	row.Kind, row.FirstName = AdHoc, name
	row.Name = cmp.Or(row.Name, name)
	return row, err
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
			kept, epoch, stage, taken_ms, expires_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 0, '', 0, 0)
		on conflict (package_id, outer_id) do nothing`,
		r.ID, r.PackageID, r.OuterID, r.Position, r.Name, r.Kind, r.Sequence, r.Reassign, r.EmailMessage, r.Data,
		r.SignerID, r.Email, r.FirstName, r.LastName, r.Title, r.Company, r.Phone, r.Language, r.UserID, r.GroupID, r.State, cmp.Or(r.Kept, "null"))
	if err == nil && added == 0 {
		err = errs.New(errs.Invalid, "role.duplicate", "Two roles have the id %q.", clip(r.OuterID, 64)).On("roles.id")
	}
	return err
}
