package signing

import (
	"context"
	"slices"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/webhook"
)

// record writes an event of a package into the audit log, tells the callbacks that want it, and
// returns its id. An act that deletes rows records before.
func record(tx *db.Tx, e audit.Event) (string, error) {
	id, err := audit.Append(tx, e)
	if err != nil {
		return "", err
	}
	return id, raise(tx, e)
}

// recordRefused is audit.Refused for events of packages: callbacks hear of refusals too.
func recordRefused(ctx context.Context, d *db.DB, e audit.Event, also ...func(*db.Tx) error) error {
	return audit.Refused(ctx, d, e, append(slices.Clone(also), func(tx *db.Tx) error {
		e.Refused = true
		return raise(tx, e)
	})...)
}

// callbackNames says which callbacks tell of an audit event (OneSpan Sign, Callback events; the
// LEASE_… are our own).
var callbackNames = map[string][]string{
	"package.created":     {"PACKAGE_CREATE"},
	"package.cloned":      {"PACKAGE_CREATE"},
	"template.created":    {"TEMPLATE_CREATE"},
	"package.sent":        {"PACKAGE_ACTIVATE"},
	"package.paused":      {"PACKAGE_DEACTIVATE"},
	"package.ready":       {"PACKAGE_READY_FOR_COMPLETE"},
	"package.completed":   {"PACKAGE_COMPLETE"},
	"package.trashed":     {"PACKAGE_TRASH"},
	"package.restored":    {"PACKAGE_RESTORE"},
	"package.deleted":     {"PACKAGE_DELETE"},
	"package.archived":    {"PACKAGE_ARCHIVE"}, // not when it comes back from there
	"role.declined":       {"PACKAGE_DECLINE"},
	"package.opted_out":   {"PACKAGE_OPT_OUT"},
	"package.expired":     {"PACKAGE_EXPIRE"},
	"attachment.uploaded": {"PACKAGE_ATTACHMENT"},
	"document.viewed":     {"DOCUMENT_VIEWED"},
	"consent.accepted":    {documentSigned},                    // the document default-consent
	"role.signed":         {documentSigned, "SIGNER_COMPLETE"}, // the first once for each document
	"signer.locked":       {"SIGNER_LOCKED"},
	"role.reassigned":     {"ROLE_REASSIGN"},
	"lease.taken":         {"LEASE_TAKEN"},
	"lease.refused":       {leaseRefused},
	"lease.renewed":       {"LEASE_RENEWED"},
	"lease.released":      {"LEASE_RELEASED"},
	"lease.lapsed":        {"LEASE_LAPSED"},
	"lease.voided":        {"LEASE_VOIDED"},
	"act.refused":         {leaseRefused},
	"signature.refused":   {leaseRefused},
	"lease.broken":        {"LEASE_BROKEN"},
	"lease.taken_over":    {"LEASE_TAKEN_OVER"},
}

const (
	documentSigned = "DOCUMENT_SIGNED"
	emailBounce    = "EMAIL_BOUNCE"
	leaseRefused   = "LEASE_REFUSED"
)

// isTold reports whether callbacks hear of an event. Of what was refused they hear when it was the lease: to take it, or
// an act without it.
func isTold(e audit.Event) bool {
	switch e.Type {
	case "lease.refused":
		return true
	case "act.refused", "signature.refused":
		what := e.Detail["what"]
		return what == "lease.stale" || what == "lease.held" || what == "signer.other"
	}
	return !e.Refused
}

// raise tells callbacks of an event. Where nobody listens it costs one statement.
func raise(tx *db.Tx, e audit.Event) error {
	names := callbackNames[e.Type]
	if len(names) == 0 || !isTold(e) {
		return nil
	}
	wanted, err := webhook.Wanted(tx, e.Account, names...)
	if err != nil || !wanted {
		return err
	}
	pkg, err := db.One[packageRow](tx, `select * from packages where id = $1`, e.Package)
	if err != nil {
		return orUnknown(err, "package", e.Package)
	}
	who, err := sessionUser(tx, e)
	if err != nil {
		return err
	}
	out := webhook.Event{Account: e.Account, Package: pkg.OuterID, SessionUser: who}
	switch {
	case e.Type == "consent.accepted":
		out.Document = ConsentID
	case e.Type == "package.archived" && pkg.Status != Archived:
		return nil
	case e.Type == "attachment.uploaded":
		out.Message, err = attachmentName(tx, e)
	case e.Document != "":
		out.Document, err = outerDocument(tx, e.Document)
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := raiseAs(tx, e, out, name); err != nil {
			return err
		}
	}
	return nil
}

// raiseAs raises an event under one name, a signature once for each document that was signed.
func raiseAs(tx *db.Tx, e audit.Event, out webhook.Event, name string) error {
	out.Name = name
	if e.Type != "role.signed" || name != documentSigned {
		return webhook.Raise(tx, out)
	}
	documents, err := db.All[string](tx, `select d.outer_id from documents d where d.package_id = $1 and exists (select 1 from approvals a
		where a.document_id = d.id and a.role_id = $2 and a.signed_ms is not null) order by d.position`, e.Package, e.Role)
	if err != nil {
		return err
	}
	for _, d := range documents {
		out.Document = d
		if err := webhook.Raise(tx, out); err != nil {
			return err
		}
	}
	return nil
}

// raiseBounce tells callbacks of a mail of a package that could not be delivered; why, the relay does not say in
// words that fit the vendor's types. A package that is gone is told of by nobody.
func raiseBounce(tx *db.Tx, account, pkg, _, _ string) error {
	wanted, err := webhook.Wanted(tx, account, emailBounce)
	if err != nil || !wanted {
		return err
	}
	outer, err := db.One[string](tx, `select outer_id from packages where id = $1`, pkg)
	if err == db.ErrNone {
		return nil
	}
	if err != nil {
		return err
	}
	return webhook.Raise(tx, webhook.Event{Account: account, Package: outer, Name: emailBounce, Message: "UNKNOWN"})
}

// attachmentName is what the sender asked for by that name, else the name of the file.
func attachmentName(tx *db.Tx, e audit.Event) (string, error) {
	name, err := db.One[string](tx, `select name from attachments where role_id = $1 and outer_id = $2`, e.Role, e.Detail["attachment"])
	if err == db.ErrNone {
		return e.Personal["file"], nil
	}
	return name, err
}

// outerDocument is a document's id outside; a document that is gone has none.
func outerDocument(tx *db.Tx, id string) (string, error) {
	outer, err := db.One[string](tx, `select outer_id from documents where id = $1`, id)
	if err == db.ErrNone {
		return "", nil
	}
	return outer, err
}

// sessionUser is who did it as callbacks name him: a signer by his id in the package, the member of
// a group and whoever is none of the signers by his id as a sender. The server itself is nobody.
func sessionUser(tx *db.Tx, e audit.Event) (string, error) {
	if e.Role != "" && e.Actor.Kind == audit.KindPerson && e.Actor.Group == "" {
		signer, err := db.One[string](tx, `select signer_id from roles where id = $1`, e.Role)
		if err != db.ErrNone {
			return signer, err
		}
	}
	if e.Actor.User == "" {
		return "", nil
	}
	u, err := directory.UserByID(tx, e.Actor.User)
	if errs.KindOf(err) == errs.NotFound { // somebody of the console who is no user
		return "", nil
	}
	return u.SenderID, err
}
