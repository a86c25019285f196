package signing

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// RoleEdit is a change of one role: Change turns it as it is into what it shall be.
type RoleEdit struct {
	Role   string // outer id of the role or of its signer
	Change func(now Role) (NewRole, error)
}

// GetRole finds a role by its own id, else by its signer's. NotFound "role.unknown".
func (s *Signing) GetRole(ctx context.Context, p authz.Principal, pkg, id string) (Role, Package, error) {
	all, err := s.Get(ctx, p, pkg)
	if err != nil {
		return Role{}, all, err
	}
	role, err := all.Role(id)
	return role, all, err
}

// Role finds a role by its own id, else by its signer's. NotFound "role.unknown".
func (p Package) Role(id string) (Role, error) {
	i := slices.IndexFunc(p.Roles, func(r Role) bool { return r.OuterID == id })
	if i < 0 {
		i = slices.IndexFunc(p.Roles, func(r Role) bool { return r.Signer.OuterID == id })
	}
	if i < 0 {
		return Role{}, orUnknown(db.ErrNone, "role", id)
	}
	return p.Roles[i], nil
}

// Placeholder reports whether it is not said yet who plays the role.
func (r Role) Placeholder() bool {
	return r.Kind == Person && r.Signer.Email == "" && r.Signer.FirstName == "" && r.Signer.LastName == ""
}

// AddRole adds a role to a draft. A role of the owner's own address becomes his. Refusals: Invalid "package.not_draft",
// "package.too_many_roles", "role.duplicate" and those of a new package's roles.
func (s *Signing) AddRole(ctx context.Context, p authz.Principal, pkg string, in NewRole) (Role, error) {
	named := []NewRole{in}
	nameRoles(named)
	in = named[0]
	err := s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		if err := addRole(tx, p, row, in); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: "role.added", Account: row.AccountID, Package: row.ID, Actor: by(tx, p),
			Detail: map[string]string{"role": in.OuterID}})
		return err
	})
	if err != nil {
		return Role{}, err
	}
	role, _, err := s.GetRole(ctx, p, pkg, in.OuterID)
	return role, err
}

func addRole(tx *db.Tx, p authz.Principal, pkg packageRow, in NewRole) error {
	rows, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return err
	}
	if len(rows) > maxRoles { // the owner's is not counted
		return errs.New(errs.Invalid, "package.too_many_roles", "A package has at most %d roles.", maxRoles).On("roles")
	}
	row, err := newRole(tx, p, pkg, in)
	if err != nil {
		return err
	}
	owner, err := directory.UserByID(tx, pkg.OwnerID)
	if err != nil {
		return err
	}
	mine := slices.IndexFunc(rows, func(r roleRow) bool { return r.Kind == Owner })
	if row.Kind == Person && row.Email == owner.Email && mine >= 0 && rows[mine].OuterID == owner.SenderID {
		return nameOwner(tx, rows, rows[mine], row, owner, in)
	}
	row.Position = rows[len(rows)-1].Position + 1
	if err := insertRole(tx, row); err != nil {
		return err
	}
	return hang(tx, row, in)
}

// nameOwner makes the role that the owner has in every package the one that the client describes; what hangs on it stays.
func nameOwner(tx *db.Tx, rows []roleRow, was, row roleRow, owner directory.User, in NewRole) error {
	if slices.ContainsFunc(rows, func(r roleRow) bool { return r.OuterID == row.OuterID && r.ID != was.ID }) {
		return errs.New(errs.Invalid, "role.duplicate", "Two roles have the id %q.", clip(row.OuterID, 64)).On("roles.id")
	}
	row.asOwner(owner)
	row.ID, row.State, row.Position = was.ID, was.State, was.Position
	if err := row.keep(tx); err != nil {
		return err
	}
	if _, err := tx.Exec(`update roles set outer_id = $2 where id = $1`, row.ID, row.OuterID); err != nil {
		return err
	}
	return hang(tx, row, in)
}

// hang adds what belongs to a role.
func hang(tx *db.Tx, row roleRow, in NewRole) error {
	ids, err := roleIDs(tx, row.PackageID)
	if err != nil {
		return err
	}
	if err := insertMembers(tx, row, in.Signer.Members, ids); err != nil {
		return err
	}
	return insertAttachments(tx, row.PackageID, row.ID, in.Attachments)
}

// RemoveRole takes a role with its approvals out of a draft. Invalid "role.owner" for the owner's.
func (s *Signing) RemoveRole(ctx context.Context, p authz.Principal, pkg, id string) error {
	var blobs []string
	err := s.write(ctx, func(tx *db.Tx) error {
		row, err := lockDraft(tx, p, pkg)
		if err != nil {
			return err
		}
		role, err := roleAt(tx, row.ID, id)
		if err != nil {
			return err
		}
		if role.Kind == Owner {
			return errs.New(errs.Invalid, "role.owner", "The sender's own role stays in the package.").On("role")
		}
		if blobs, err = attachedBlobs(tx, row.ID, role.ID); err != nil {
			return err
		}
		if _, err := record(tx, audit.Event{Type: "role.removed", Account: row.AccountID, Package: row.ID, Role: role.ID, Actor: by(tx, p),
			Detail: map[string]string{"role": role.OuterID}}); err != nil {
			return err
		}
		_, err = tx.Exec(`delete from roles where id = $1`, role.ID)
		return err
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), blobs...)
	}
	return err
}

// ChangeRoles changes roles: all of it while the package is a draft; while it is being signed who an unsigned role's
// person is (by the owner, or where the role says reassign), what is stored only, and whether what was attached is
// accepted. Refusals: Invalid "package.not_draft", "package.finished", "role.repeated"; Denied "role.reassign"; Conflict
// "role.signed", "role.viewer"; and those of a new role.
func (s *Signing) ChangeRoles(ctx context.Context, p authz.Principal, pkg string, edits ...RoleEdit) (out Package, err error) {
	var blobs []string
	err = s.write(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		if err := lockPackage(tx, &row); err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, e := range edits {
			role, err := roleAt(tx, row.ID, e.Role)
			if err != nil {
				return err
			}
			if seen[role.ID] {
				return errs.New(errs.Invalid, "role.repeated", "A role is named twice.").On("roles.id")
			}
			seen[role.ID] = true
			gone, err := s.changeRole(tx, p, row, role, e.Change)
			if err != nil {
				return err
			}
			blobs = append(blobs, gone...)
		}
		out, err = assemble(tx, row)
		return err
	})
	if err == nil {
		s.remove(context.WithoutCancel(ctx), blobs...)
	}
	return out, err
}

// changeRole changes one role and returns the keys of bytes that nobody needs any more.
func (s *Signing) changeRole(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow, change func(Role) (NewRole, error)) ([]string, error) {
	whole, err := assemble(tx, pkg)
	if err != nil {
		return nil, err
	}
	now, err := whole.Role(role.OuterID)
	if err != nil {
		return nil, err
	}
	in, err := change(now)
	if err != nil {
		return nil, err
	}
	in.OuterID, in.Signer.OuterID, in.Name = role.OuterID, cmp.Or(in.Signer.OuterID, role.SignerID), cmp.Or(in.Name, role.Name)
	if role.Kind == Owner { // whoever he is called in the request, it is the owner
		in.Signer = NewSigner{OuterID: role.SignerID, Email: role.Email, FirstName: role.FirstName, LastName: role.LastName,
			Title: role.Title, Company: role.Company, Phone: role.Phone, Language: role.Language}
	}
	next, err := newRole(tx, p, pkg, in)
	if err != nil {
		return nil, err
	}
	next.ID, next.Position = role.ID, role.Position
	if role.Kind == Owner {
		next.Kind, next.State, next.UserID = Owner, role.State, role.UserID
	}
	switch {
	case pkg.Status == Draft && !pkg.Trashed:
		return s.redraft(tx, p, pkg, role, next, now, in)
	case pkg.Status == Sent && !pkg.Trashed:
		return s.changeSent(tx, p, pkg, role, next, now, in)
	}
	return nil, errs.New(errs.Invalid, "package.finished", "A package that is %s does not change.", pkg.Status).On("status")
}

// redraft puts a role of a draft in the place of what it was.
func (s *Signing) redraft(tx *db.Tx, p authz.Principal, pkg packageRow, role, next roleRow, now Role, in NewRole) ([]string, error) {
	if err := next.keep(tx); err != nil {
		return nil, err
	}
	if !next.samePerson(role) { // asked before the sender took the package back
		if err := voidAcceptances(tx, pkg, "reassigned", `a.role_id = $1`, role.ID); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`delete from invitees where role_id = $1`, role.ID); err != nil {
			return nil, err
		}
	}
	if _, err := tx.Exec(`delete from adhoc_members where role_id = $1`, role.ID); err != nil {
		return nil, err
	}
	ids, err := roleIDs(tx, pkg.ID)
	if err != nil {
		return nil, err
	}
	if err := insertMembers(tx, next, in.Signer.Members, ids); err != nil {
		return nil, err
	}
	if next.Kind != Person && next.Kind != Owner { // a group is a member of nothing
		if _, err := tx.Exec(`delete from adhoc_members where member_id = $1`, role.ID); err != nil {
			return nil, err
		}
	}
	gone, err := reattach(tx, pkg, role, now.Attachments, in.Attachments)
	if err != nil {
		return nil, err
	}
	_, err = record(tx, audit.Event{Type: "role.changed", Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p)})
	return gone, err
}

// keep writes all of a role that a client decides.
func (r roleRow) keep(tx *db.Tx) error {
	_, err := tx.Exec(`update roles set name = $2, kind = $3, sequence = $4, reassign = $5, email_message = $6, data = $7, signer_id = $8,
		email = $9, first_name = $10, last_name = $11, title = $12, company = $13, phone = $14, language = $15, user_id = $16, group_id = $17,
		kept = $18, state = $19 where id = $1`, r.ID, r.Name, string(r.Kind), r.Sequence, r.Reassign, r.EmailMessage, r.Data, r.SignerID,
		r.Email, r.FirstName, r.LastName, r.Title, r.Company, r.Phone, r.Language, r.UserID, r.GroupID, r.Kept, r.State)
	return err
}

// samePerson reports whether the same person or group is asked as before.
func (r roleRow) samePerson(before roleRow) bool {
	return r.Kind == before.Kind && r.Email == before.Email && r.signerName() == before.signerName() && deref(r.GroupID) == deref(before.GroupID)
}

// reattach brings what a role of a draft is asked to attach to what it shall be. Demands of the same id keep their files.
func reattach(tx *db.Tx, pkg packageRow, role roleRow, now, in []Attachment) (gone []string, err error) {
	var added []Attachment
	kept := map[string]bool{}
	for _, a := range in {
		i := slices.IndexFunc(now, func(n Attachment) bool { return n.OuterID == a.OuterID && a.OuterID != "" })
		if i < 0 {
			added = append(added, a)
			continue
		}
		if err := checkAttachment(&a); err != nil {
			return nil, err
		}
		kept[a.OuterID] = true
		if _, err := tx.Exec(`update attachments set name = $2, description = $3, required = $4, data = $5 where id = $1`,
			now[i].ID, a.Name, a.Description, a.Required, jsonText(a.Data)); err != nil {
			return nil, err
		}
	}
	for _, n := range now {
		if kept[n.OuterID] {
			continue
		}
		blobs, err := db.All[string](tx, `select blob from attachment_files where attachment_id = $1`, n.ID)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`delete from attachments where id = $1`, n.ID); err != nil {
			return nil, err
		}
		gone = append(gone, blobs...)
	}
	return gone, insertAttachments(tx, pkg.ID, role.ID, added)
}

// changeSent changes of a role that is being signed what may still change.
func (s *Signing) changeSent(tx *db.Tx, p authz.Principal, pkg packageRow, role, next roleRow, now Role, in NewRole) (gone []string, err error) {
	if next.Kind != role.Kind || deref(next.GroupID) != deref(role.GroupID) || next.Sequence != role.Sequence ||
		next.Name != role.Name || next.SignerID != role.SignerID || !slices.Equal(in.Signer.Members, now.Signer.members()) {
		return nil, notDraft(pkg)
	}
	if err := s.review(tx, p, pkg, role, now.Attachments, in.Attachments); err != nil {
		return nil, err
	}
	changed := role.changes(next)
	if len(changed) == 0 {
		return nil, nil
	}
	if err := role.mayBecome(tx, p, pkg, next); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`update roles set reassign = $2, email_message = $3, data = $4, kept = $5 where id = $1`,
		role.ID, next.Reassign, next.EmailMessage, next.Data, next.Kept); err != nil {
		return nil, err
	}
	if _, err := record(tx, audit.Event{Type: "role.changed", Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p),
		Detail: map[string]string{"members": strings.Join(changed, " ")}}); err != nil {
		return nil, err
	}
	if !next.otherSigner(role) {
		return nil, nil
	}
	next.State = role.State
	if err := next.keep(tx); err != nil {
		return nil, err
	}
	if !next.samePerson(role) {
		return s.reassign(tx, p, pkg, role, next)
	}
	if next.Title != role.Title || next.Company != role.Company { // they are drawn on what he signs
		if err := reword(tx, pkg, role, "edited"); err != nil {
			return nil, err
		}
	}
	return nil, s.readyRole(tx, next)
}

// changes names the members in which a role is to differ.
func (r roleRow) changes(next roleRow) (names []string) {
	for _, c := range []struct {
		name string
		same bool
	}{
		{"reassign", next.Reassign == r.Reassign},
		{"emailMessage", next.EmailMessage == r.EmailMessage},
		{"data", sameJSON(next.Data, r.Data)},
		{"kept", sameJSON(next.Kept, r.Kept)},
		{"signer", r.Kind != Person || next.samePerson(r)},
		{"title", r.Kind != Person || next.Title == r.Title},
		{"company", r.Kind != Person || next.Company == r.Company},
		{"phone", r.Kind != Person || next.Phone == r.Phone},
		{"language", r.Kind != Person || next.Language == r.Language},
	} {
		if !c.same {
			names = append(names, c.name)
		}
	}
	return names
}

// otherSigner reports whether somebody else is asked than before, or the same with other words about himself.
func (r roleRow) otherSigner(before roleRow) bool {
	return before.Kind == Person && (!r.samePerson(before) || r.Title != before.Title || r.Company != before.Company ||
		r.Phone != before.Phone || r.Language != before.Language)
}

// mayBecome refuses a change of who signs: of a role that has signed (Conflict "role.signed") or only looks on (Conflict
// "role.viewer"), and by others than the
// package's owner where the role does not say reassign, which he alone decides (Denied "role.reassign").
func (r roleRow) mayBecome(tx *db.Tx, p authz.Principal, pkg packageRow, next roleRow) error {
	other := next.otherSigner(r)
	if other && r.State == viewer {
		return errs.New(errs.Conflict, "role.viewer", "This role only looks on; who looks on changes while the package is a draft.")
	}
	if other && r.State != open {
		return errs.New(errs.Conflict, "role.signed", "This role has signed; who signed does not change.")
	}
	if next.Reassign == r.Reassign && (!other || r.Reassign) {
		return nil
	}
	ok, err := owns(tx, p, pkg)
	if err == nil && !ok {
		err = errs.New(errs.Denied, "role.reassign", "Only the package's owner may ask somebody else to sign for this role.")
	}
	return err
}

// reword ends what the signer of a role agreed to under other words about himself: his lease, his consent, what he accepted.
func reword(tx *db.Tx, pkg packageRow, role roleRow, reason string) error {
	if err := voidLease(tx, pkg, role.ID, reason); err != nil {
		return err
	}
	if _, err := tx.Exec(`update roles set consent_by = null, consent_ms = null where id = $1`, role.ID); err != nil {
		return err
	}
	return voidAcceptances(tx, pkg, reason, `a.role_id = $1`, role.ID)
}

// members are the signers' ids of an ad-hoc group's members.
func (s Signer) members() (ids []string) {
	for _, m := range s.Members {
		ids = append(ids, m.SignerID)
	}
	return ids
}

// reassign has another person sign for a role: the old invitation with its links is dead, what he entered, attached
// and agreed to is gone, and the new one is invited when it is his turn.
func (s *Signing) reassign(tx *db.Tx, p authz.Principal, pkg packageRow, role, next roleRow) (gone []string, err error) {
	if err := reword(tx, pkg, role, "reassigned"); err != nil {
		return nil, err
	}
	if gone, err = attachedBlobs(tx, pkg.ID, role.ID); err != nil {
		return nil, err
	}
	for _, clear := range []string{
		`delete from attachment_files where attachment_id in (select id from attachments where role_id = $1)`,
		`update attachments set status = 'INCOMPLETE', comment = '' where role_id = $1`,
		`update fields set value = preset, entered_by = null where entered_by is not null and approval_id in (select id from approvals where role_id = $1)`,
		`delete from links where role_id = $1`,
		`delete from invitees where role_id = $1`,
		`update roles set invited_ms = null, holder = null, epoch = epoch + 1, stage = '', taken_ms = 0, expires_ms = 0, consent_by = null,
			consent_ms = null, asked_ms = null, reminders = 0, locked = false, fails = 0 where id = $1`,
	} {
		if _, err := tx.Exec(clear, role.ID); err != nil {
			return nil, err
		}
	}
	if err := s.readyRole(tx, next); err != nil {
		return nil, err
	}
	e := audit.Event{Type: "role.reassigned", Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p),
		Personal: map[string]string{"from_name": role.signerName(), "from_email": role.Email, "to_name": next.signerName(), "to_email": next.Email}}
	if _, err := record(tx, e); err != nil {
		return nil, err
	}
	if err := s.reassignInGroups(tx, pkg, role); err != nil {
		return nil, err
	}
	return gone, s.inviteNext(tx, pkg)
}

// reassignInGroups asks the person of a reassigned role for the ad-hoc groups that the role is a member of, where the
// group was asked already.
func (s *Signing) reassignInGroups(tx *db.Tx, pkg packageRow, role roleRow) error {
	groups, err := db.All[roleRow](tx, `select r.* from roles r join adhoc_members m on m.role_id = r.id
		where m.member_id = $1 and r.state = 'open' and r.invited_ms is not null order by r.position, r.id`, role.ID)
	if err != nil {
		return err
	}
	for _, g := range groups {
		members, err := adHocMembers(tx, g)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.role.ID != role.ID {
				continue
			}
			if err := s.inviteOne(tx, pkg, g, m.invited, asking{group: g.FirstName}); err != nil {
				return err
			}
		}
	}
	return nil
}

// review is the sender's word on what was attached. Nothing else of a demand changes while the package is being signed.
func (s *Signing) review(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow, now, in []Attachment) error {
	if in == nil {
		return nil
	}
	if len(in) != len(now) {
		return notDraft(pkg)
	}
	for i, a := range in {
		n := now[i]
		if a.OuterID != n.OuterID || strings.TrimSpace(a.Name) != n.Name || a.Required != n.Required || a.Description != n.Description {
			return notDraft(pkg)
		}
		if a.Status == "" || a.Status == n.Status && a.Comment == n.Comment {
			continue
		}
		if err := judge(tx, p, pkg, role, n, a); err != nil {
			return err
		}
	}
	return nil
}

// judge accepts or rejects what was attached.
func judge(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow, n, a Attachment) error {
	kinds := map[string]string{AttachmentComplete: "attachment.accepted", AttachmentRejected: "attachment.rejected"}
	if kinds[a.Status] == "" || len(n.Files) == 0 {
		return errs.New(errs.Invalid, "attachment.status", "What was attached can be accepted (COMPLETE) or rejected (REJECTED), once there is a file.").
			On("roles.attachmentRequirements.status")
	}
	if err := plainText(a.Comment, "roles.attachmentRequirements.comment"); err != nil {
		return err
	}
	if err := ownersOnly(tx, p, pkg); err != nil {
		return err
	}
	if err := stillOpen(tx, role.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(`update attachments set status = $2, comment = $3 where id = $1`, n.ID, a.Status, a.Comment); err != nil {
		return err
	}
	_, err := record(tx, audit.Event{Type: kinds[a.Status], Account: pkg.AccountID, Package: pkg.ID, Role: role.ID, Actor: by(tx, p),
		Detail: map[string]string{"attachment": n.OuterID}})
	return err
}
