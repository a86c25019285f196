package signing

import (
	"cmp"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
)

// Moment is an audit event of a package in words.
type Moment struct {
	ID      string // of the event
	At      time.Time
	Type    string
	Who     string // empty: the server itself
	Email   string
	Group   string // on whose behalf he acted
	Words   string // what he did, after his name: "signed"; of the server a sentence without its end
	IP      string // for who owns the package
	Refused bool
}

// momentWords are what events say. A word in braces is what the event is about.
var momentWords = map[string]string{
	"package.created": "created the package", "package.cloned": "made the package from another", "template.created": "created the template",
	"package.sent": "sent the package", "package.paused": "took the package back to change it", "package.released": "said that the package is complete",
	"package.changed": "changed the package: {members}", "package.reminders_changed": "changed the reminders",
	"package.trashed": "moved the package to the trash", "package.restored": "took the package out of the trash",
	"package.deleted": "deleted the package", "package.archived": "archived the package",
	"package.ready": "Everybody has signed: the sender can complete the package", "package.completed": "The documents were sealed: the package is completed",
	"package.expired": "The time to sign was over", "package.opted_out": "opted out of signing electronically",
	"document.added": "added the document {document}", "document.removed": "removed a document", "document.replaced": "replaced the document {document}",
	"document.reordered": "put the documents in another order", "document.viewed": "looked at {document}", "document.downloaded": "downloaded {document}",
	"role.added": "added a signer", "role.removed": "removed a signer", "role.changed": "changed what is asked of {role}",
	"role.reassigned": "asked {to_name} to sign instead of {from_name}", "role.signed": "signed", "role.declined": "declined to sign",
	"invitation.sent": "{to_name} was asked to sign", "invitation.repeated": "sent the invitation of {role} again",
	"reminder.sent": "{to_name} was reminded", "invitation.opened": "opened the invitation", "link.made": "made a signing link for {role}",
	"session.made": "came by the sender's application", "mailbox.code_sent": "asked for a code by e-mail", "mailbox.proven": "proved the mailbox by a code",
	"mailbox.code_refused": "entered a wrong code", "signer.locked": "was locked out after too many wrong codes", "signer.unlocked": "let {role} try again",
	"lease.taken": "began to sign", "lease.taken_over": "went on signing on another device", "lease.renewed": "went on signing",
	"lease.refused": "asked to sign and had to wait", "lease.released": "left signing for later", "lease.lapsed": "{holder} did nothing more: the turn lapsed",
	"lease.voided": "The turn at signing ended: {reason}", "lease.broken": "ended the turn of {holder}: “{reason}”",
	"consent.accepted": "agreed to sign electronically", "approval.accepted": "accepted {document}", "approval.changed": "changed a signature block",
	"acceptance.voided": "An acceptance no longer holds: {reason}", "device.handed_over": "took over the device to sign in person",
	"attachment.uploaded": "attached a file", "attachment.removed": "took an attached file away", "attachment.accepted": "accepted what {role} attached",
	"attachment.rejected": "rejected what {role} attached", "act.refused": "tried to go on without the turn", "signature.refused": "tried to sign and was refused",
	"mail.failed": "A message could not be delivered", "mail.suppressed": "A message went to nobody's mailbox and was not sent",
}

// whyVoid words why the server ended a turn.
var whyVoid = map[string]string{
	"member.removed": "the member left the group", "member.inactive": "the user is not active any more", "member.moved": "the person has another address",
	"declined": "the package was declined", "opted_out": "somebody opted out", "expired": "the time to sign was over", "edited": "the role was changed",
	"trashed": "the package was moved to the trash", "draft": "the sender took the package back", "reassigned": "somebody else was asked", "filled": "a value was changed",
}

// eventWords are the names that a package's events use.
type eventWords struct{ roles, documents map[string]string }

func wordsFor(tx *db.Tx, pkg packageRow) (w eventWords, err error) {
	w = eventWords{map[string]string{}, map[string]string{}}
	roles, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return w, err
	}
	for _, r := range roles {
		w.roles[r.ID] = r.signerName()
	}
	type row struct{ ID, Name string }
	documents, err := db.All[row](tx, `select id, name from documents where package_id = $1`, pkg.ID)
	for _, d := range documents {
		w.documents[d.ID] = d.Name
	}
	return w, err
}

// moment words one event. Who only follows the package learns no addresses.
func (w eventWords) moment(r audit.Record, sees sight) Moment {
	m := Moment{ID: r.ID, At: r.At, Type: r.Type, Who: r.Actor.Name, Group: r.Actor.Group, Refused: r.Refused}
	if r.Actor.Kind != audit.KindSystem {
		m.Who = cmp.Or(m.Who, map[string]string{audit.KindOperator: "Who runs this server", audit.KindClient: "A program"}[r.Actor.Kind], "Somebody")
		if sees.owns || sees.sends {
			m.Email = r.Actor.Email
		}
		if sees.owns {
			m.IP = r.Origin.IP
		}
	} else {
		m.Who = ""
	}
	text, known := momentWords[r.Type]
	if !known {
		text = r.Type
	}
	m.Words = strings.NewReplacer("{members}", strings.ReplaceAll(r.Detail["members"], " ", ", "), "{document}", cmp.Or(w.documents[r.Document], "the documents"),
		"{role}", cmp.Or(w.roles[r.Role], "a signer"), "{to_name}", cmp.Or(r.Personal["to_name"], "Somebody"), "{from_name}", cmp.Or(r.Personal["from_name"], "somebody"),
		"{holder}", cmp.Or(r.Personal["holder"], "somebody"), "{reason}", cmp.Or(r.Personal["reason"], whyVoid[r.Detail["reason"]], r.Detail["reason"])).Replace(text)
	if r.Refused && !strings.HasSuffix(r.Type, ".refused") && r.Type != "mailbox.code_refused" {
		m.Words += ": refused"
	}
	return m
}
