package signing

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// documentFor finds a document of a package of the principal's account.
func (s *Signing) documentFor(ctx context.Context, p authz.Principal, pkg, doc string) (row documentRow, of packageRow, err error) {
	err = s.read(ctx, func(tx *db.Tx) (err error) {
		if of, err = ofAccount(tx, p, pkg); err != nil {
			return err
		}
		row, err = db.One[documentRow](tx, `select * from documents where package_id = $1 and outer_id = $2`, of.ID, doc)
		if err != nil {
			return orUnknown(err, "document", doc)
		}
		return mayView(tx, p, row)
	})
	return row, of, err
}

// copyFor is documentFor a copy to keep. Denied "copy.off" to a signer's session while the sender lets signers have none.
func (s *Signing) copyFor(ctx context.Context, p authz.Principal, pkg, doc string) (row documentRow, of packageRow, err error) {
	row, of, err = s.documentFor(ctx, p, pkg, doc)
	if err == nil && p.Kind == authz.Signer && row.SealedBlob == nil && !of.copies() {
		err = copyOff()
	}
	return row, of, err
}

func copyOff() error {
	return errs.New(errs.Denied, "copy.off", "The sender lets nobody download the documents before all have signed.")
}

// pdfName is a document's name as a file's.
func pdfName(name string) string {
	if strings.HasSuffix(strings.ToLower(name), ".pdf") {
		return name
	}
	return name + ".pdf"
}

// Original is a document as it was uploaded, byte for byte.
func (s *Signing) Original(ctx context.Context, p authz.Principal, pkg, doc string) (name string, file []byte, err error) {
	row, of, err := s.copyFor(ctx, p, pkg, doc)
	if err != nil {
		return "", nil, err
	}
	if file, err = s.Blobs.Get(ctx, row.OriginalBlob); err != nil {
		return "", nil, err
	}
	return pdfName(row.Name), file, s.recordDownload(ctx, p, of, row.ID)
}

// PDF is a document sealed, once the package is completed, and before that as it is being signed.
func (s *Signing) PDF(ctx context.Context, p authz.Principal, pkg, doc string) (name string, file []byte, err error) {
	row, of, err := s.copyFor(ctx, p, pkg, doc)
	if err != nil {
		return "", nil, err
	}
	if file, err = s.bytesOf(ctx, row); err != nil {
		return "", nil, err
	}
	return pdfName(row.Name), file, s.recordDownload(ctx, p, of, row.ID)
}

// EvidenceSummary is the package's evidence as a sealed PDF of its own. Conflict
// "package.not_completed" before there is one.
func (s *Signing) EvidenceSummary(ctx context.Context, p authz.Principal, pkg string) (name string, file []byte, err error) {
	var row packageRow
	err = s.read(ctx, func(tx *db.Tx) (err error) {
		row, err = ofAccount(tx, p, pkg)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	if row.EvidenceBlob == nil {
		return "", nil, errs.New(errs.Conflict, "package.not_completed", "There is evidence once the package is completed.")
	}
	if file, err = s.Blobs.Get(ctx, *row.EvidenceBlob); err != nil {
		return "", nil, err
	}
	return "Evidence summary.pdf", file, s.recordDownload(ctx, p, row, "")
}

func (s *Signing) recordDownload(ctx context.Context, p authz.Principal, pkg packageRow, doc string) error {
	return s.write(ctx, func(tx *db.Tx) error {
		_, err := record(tx, audit.Event{Type: "document.downloaded", Account: pkg.AccountID, Package: pkg.ID, Document: doc, Actor: by(tx, p)})
		return err
	})
}

// Trail is the package's audit events, oldest first.
func (s *Signing) Trail(ctx context.Context, p authz.Principal, pkg string) (out []audit.Record, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		out, err = trail(tx, row.ID)
		return err
	})
	return out, err
}

// told is what a trail tells of an event's further personal data; the mailboxes behind aliases are the operator's to read.
var told = []string{"to_name", "to_email", "holder", "reason"}

// trail reads a package's events as everybody may see them.
func trail(tx *db.Tx, pkg string) (out []audit.Record, err error) {
	for r, err := range audit.OfPackage(tx, pkg) {
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(r.Personal, func(what, _ string) bool { return !slices.Contains(told, what) })
		out = append(out, r)
	}
	return out, nil
}

// Status is the signing status of a package, or of one signer or document of it
// (Conga Sign, signing status). Empty strings mean all. Of one signer on one document, what he accepted is completed,
// though it is signed only with the rest. Of no document in particular, nobody is through who must attach a file still, or
// has only files to attach and has not handed them in.
func (s *Signing) Status(ctx context.Context, p authz.Principal, id, signer, doc string) (string, error) {
	pkg, err := s.Get(ctx, p, id)
	switch {
	case err != nil:
		return "", err
	case pkg.Trashed:
		return "DELETED", nil
	case pkg.Status != Sent:
		return string(pkg.Status), nil
	}
	roles := map[string]bool{} // those asked about
	for _, r := range pkg.Roles {
		if signer == "" || r.OuterID == signer || r.Signer.OuterID == signer || (r.Signer.Email != "" && r.Signer.Email == signer) {
			roles[r.OuterID] = true
		}
	}
	if len(roles) == 0 {
		return "", orUnknown(db.ErrNone, "role", signer)
	}
	found, pending := doc == "", doc == "" && slices.ContainsFunc(pkg.Roles, func(r Role) bool {
		return roles[r.OuterID] && pkg.owesFiles(r)
	})
	for _, d := range pkg.Documents {
		if doc != "" && d.OuterID != doc {
			continue
		}
		found = true
		for _, a := range d.Approvals {
			done := !a.Signed.IsZero() || signer != "" && doc != "" && !a.Accepted.IsZero()
			pending = pending || roles[a.Role] && !done && !a.Optional && !a.Disabled
		}
	}
	if !found {
		return "", orUnknown(db.ErrNone, "document", doc)
	}
	if pending {
		return "SIGNING_PENDING", nil
	}
	return "SIGNING_COMPLETED", nil
}

// owesFiles tells that a role which has not signed must attach a file still, or has nothing to do but to attach and hand in.
func (p Package) owesFiles(r Role) bool {
	if !r.Signed.IsZero() || len(r.Attachments) == 0 {
		return false
	}
	signs := slices.ContainsFunc(p.Documents, func(d Document) bool {
		return slices.ContainsFunc(d.Approvals, func(a Approval) bool { return a.Role == r.OuterID && !a.Disabled })
	})
	if !signs {
		return r.Kind != Owner // who signs nothing in his own package only looks on
	}
	return slices.ContainsFunc(r.Attachments, func(a Attachment) bool { return a.Required && a.Status != AttachmentComplete })
}

// SigningURL makes a link to sign for a role, by its outer id or its signer's. For a group it is
// the whole group's: whoever follows it says who he is and proves his mailbox. It does not expire. Denied
// "package.not_owner" who neither owns the package nor manages the account nor signs for the role.
func (s *Signing) SigningURL(ctx context.Context, p authz.Principal, id, role string) (url string, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		r, err := roleOf(tx, pkg, role)
		if err != nil {
			return err
		}
		if err := ownersOrRole(tx, p, pkg, r); err != nil {
			return err
		}
		if pkg.Status == Draft {
			return errs.New(errs.Invalid, "package.draft", "A draft has no signing address yet.").On("status")
		}
		var invitee *string
		if !r.isGroup() {
			who, err := r.person(tx)
			if err != nil {
				return err
			}
			row, err := ensureInvitee(tx, pkg, r, who)
			if err != nil {
				return err
			}
			invitee = &row.ID
		}
		if url, err = s.newLinkFor(tx, r.ID, invitee, &p.User); err != nil {
			return err
		}
		_, err = record(tx, audit.Event{Type: "link.made", Account: pkg.AccountID, Package: pkg.ID, Role: r.ID, Actor: by(tx, p)})
		return err
	})
	return url, err
}

func roleOf(tx *db.Tx, pkg packageRow, id string) (roleRow, error) {
	r, err := db.One[roleRow](tx, `select * from roles where package_id = $1 and (outer_id = $2 or signer_id = $2)
		order by case when outer_id = $2 then 0 else 1 end limit 1`, pkg.ID, id)
	return r, orUnknown(err, "role", id)
}

// notifyPause is how soon the same role can be reminded again. The invitation itself does not count: client programs send and then notify at once.
const notifyPause = time.Minute

// Notify sends the invitation of one role again, named by its or its signer's
// outer id or by an e-mail address, with a message of the sender's. Errors:
// NotFound "role.unknown", Invalid "package.transition", Limited "notify.flood".
func (s *Signing) Notify(ctx context.Context, p authz.Principal, id, role, message string) error {
	if err := plainText(message, "message"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *db.Tx) error {
		pkg, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		if pkg.Status == Draft {
			return errs.New(errs.Conflict, "package.closed", "This package is not being signed yet.")
		}
		if err := lockOpen(tx, pkg.ID); err != nil {
			return err
		}
		email, _ := directory.CanonicalEmail(role)
		role, err := groupsRole(tx, pkg, role, email)
		if err != nil {
			return err
		}
		const asked = `package_id = $1 and state = 'open' and invited_ms is not null and (outer_id = $2 or signer_id = $2
			or (email <> '' and email = $3) or exists (select 1 from invitees i where i.role_id = roles.id and i.email = $3))`
		n, err := db.One[int](tx, `select count(*) from roles where `+asked, pkg.ID, role, email)
		if err != nil || n == 0 {
			return or(err, errs.New(errs.NotFound, "role.unknown", "Nobody of that name is asked to sign just now."))
		}
		roles, err := db.All[roleRow](tx, `update roles set notified_ms = clock_ms() where `+asked+`
			and (notified_ms is null or notified_ms <= clock_ms() - $4) returning *`, pkg.ID, role, email, notifyPause.Milliseconds())
		if err != nil || len(roles) == 0 {
			return or(err, errs.New(errs.Limited, "notify.flood", "A signer is reminded at most once a minute."))
		}
		return s.repeatInvitations(tx, p, pkg, roles, message)
	})
}

// groupsRole is the role of the group that has that outer id or e-mail address; what names no group stays as it is.
func groupsRole(tx *db.Tx, pkg packageRow, named, email string) (string, error) {
	rows, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return named, err
	}
	for _, r := range rows {
		if r.GroupID == nil {
			continue
		}
		g, err := directory.GroupByID(tx, *r.GroupID)
		if err != nil {
			return named, err
		}
		if g.OuterID == named || email != "" && g.Email == email {
			return r.OuterID, nil
		}
	}
	return named, nil
}

func (s *Signing) repeatInvitations(tx *db.Tx, p authz.Principal, pkg packageRow, roles []roleRow, message string) error {
	for _, r := range roles {
		if _, err := record(tx, audit.Event{Type: "invitation.repeated", Account: pkg.AccountID, Package: pkg.ID, Role: r.ID,
			Actor: by(tx, p)}); err != nil {
			return err
		}
		if err := s.inviteRole(tx, pkg, r, asking{again: true, note: message}); err != nil {
			return err
		}
	}
	return planAll(tx, pkg, roles)
}
