package signing

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

// inviteeRow is a row of invitees: one person asked to sign for one role.
type inviteeRow struct {
	ID, Handle, RoleID, PackageID, AccountID string
	UserID                                   *string
	Email, Name                              string
	WaitingMs                                *int64
	Watching                                 bool
	AskedMs                                  *int64 // when a mail last asked him by his own link
	Reminders                                int    // how many of them were reminders
	Fails                                    int    // wrong codes in a row
	Locked                                   bool   // too many of them
	ByCopy                                   bool   // somebody came by a link that the sender made
}

// invited is somebody to be asked.
type invited struct {
	User  *string // internal id, nil for outsiders
	Email string  // where the mail goes
	Shown string  // the address as others see it
	Name  string
}

// asUser is a user as he is asked: by the address and name he has now.
func asUser(u directory.User) invited {
	return invited{User: &u.ID, Email: u.Email, Shown: u.ShownEmail(), Name: u.Name()}
}

// person is who plays a role that is no group's: a user by the address and name he has now.
func (r roleRow) person(tx *db.Tx) (invited, error) {
	if r.UserID == nil {
		return invited{Email: r.Email, Shown: r.Email, Name: r.signerName()}, nil
	}
	u, err := directory.UserByID(tx, *r.UserID)
	return asUser(u), err
}

// asking says how people are asked.
type asking struct {
	group  string // on whose behalf; empty for a single signer
	again  bool   // they were asked before
	note   string // the sender's words for asking again
	shared bool   // the mail goes to the group's own address
	number int    // of the reminder, when the account's settings ask for one; 0 otherwise
	key    string // names the occasion of a reminder
}

// reminders is how many reminders somebody has had after this mail, and before was.
func (how asking) reminders(before int) int {
	switch {
	case how.number > 0:
		return how.number
	case how.again:
		return before
	}
	return 0
}

// sent is the audit event of the mail to a person or a group's own address.
func (how asking) sent(pkg packageRow, r roleRow, to invited) audit.Event {
	e := audit.Event{Type: "invitation.sent", Account: pkg.AccountID, Package: pkg.ID, Role: r.ID,
		Actor: audit.System, Personal: map[string]string{"to_name": to.Name, "to_email": to.Shown}}
	if to.Shown != to.Email {
		e.Personal["mailbox"] = to.Email
	}
	if how.number > 0 {
		e.Type, e.Detail = "reminder.sent", map[string]string{"number": strconv.Itoa(how.number)}
	}
	return e
}

const (
	linkBytes  = 32 // of a link's token
	linkHash   = "signing.link"
	handleSize = 16 // bytes of a handle; useless without the browser's cookie
)

// ensureInvitee finds or makes the invitee. An address that another user had before is asked anew: what that one was
// given stays his and is of no use (attack T4). Where there is something to write it locks the role before the person's
// row, as everywhere: an act locks the package, then the role, then who is asked. An invitee as he should be is only read.
func ensureInvitee(tx *db.Tx, pkg packageRow, r roleRow, who invited) (inviteeRow, error) {
	row, err := db.One[inviteeRow](tx, `select * from invitees where role_id = $1 and email = $2`, r.ID, who.Email)
	if err == nil && row.Name == who.Name && deref(row.UserID) == deref(who.User) {
		return row, nil
	}
	if err != nil && !errors.Is(err, db.ErrNone) {
		return row, err
	}
	if _, err := tx.Exec(`update roles set epoch = epoch where id = $1`, r.ID); err != nil {
		return row, err
	}
	row, err = upsertInvitee(tx, pkg, r, who)
	if !errors.Is(err, db.ErrNone) {
		return row, err
	}
	if err := retireInvitee(tx, pkg, r, who.Email); err != nil {
		return row, err
	}
	return upsertInvitee(tx, pkg, r, who)
}

// upsertInvitee is db.ErrNone where the address is another user's.
func upsertInvitee(tx *db.Tx, pkg packageRow, r roleRow, who invited) (inviteeRow, error) {
	return db.One[inviteeRow](tx, `insert into invitees (id, handle, role_id, package_id, account_id, user_id, email, name, watching)
		values ($1, $2, $3, $4, $5, $6, $7, $8, false)
		on conflict (role_id, email) do update set name = excluded.name, user_id = excluded.user_id
			where invitees.user_id is null or invitees.user_id = excluded.user_id returning *`,
		secret.NewID(), secret.Token(handleSize), r.ID, pkg.ID, pkg.AccountID, who.User, who.Email, who.Name)
}

// retired begins what stands in the place of the address of an invitee who has it no more; no mail goes there.
const retired = "moved:"

// retireInvitee takes an address away from the invitee of a role who had it: his links are dead, and his lease ends. The
// role is locked.
func retireInvitee(tx *db.Tx, pkg packageRow, r roleRow, email string) error {
	old, err := db.One[inviteeRow](tx, `update invitees set email = '`+retired+`' || id, waiting_ms = null, watching = false
		where role_id = $1 and email = $2 returning *`, r.ID, email)
	if errors.Is(err, db.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from links where invitee_id = $1`, old.ID); err != nil {
		return err
	}
	now, err := db.One[roleRow](tx, `select * from roles where id = $1`, r.ID)
	if err != nil || deref(now.Holder) != old.ID {
		return err
	}
	return voidLease(tx, pkg, r.ID, "member.moved")
}

// newLink makes a personal link, or the whole group's when invitee is nil. Only its hash is kept,
// so each mail carries a link of its own.
func (s *Signing) newLink(tx *db.Tx, role string, invitee *string) (url string, err error) {
	return s.newLinkFor(tx, role, invitee, nil)
}

// newLinkFor is newLink for the sender's user who asked for it, nil for a mail's: it is not in the signer's mailbox alone.
func (s *Signing) newLinkFor(tx *db.Tx, role string, invitee, maker *string) (url string, err error) {
	token := secret.Token(linkBytes)
	_, err = tx.Exec(`insert into links (hash, role_id, invitee_id, made_by, created_ms) values ($1, $2, $3, $4, clock_ms())`,
		s.Box.Hash(linkHash, token), role, invitee, maker)
	return s.BaseURL + "/s/" + token, err
}

// inviteOne mails one person his link.
func (s *Signing) inviteOne(tx *db.Tx, pkg packageRow, r roleRow, who invited, how asking) error {
	invitee, err := ensureInvitee(tx, pkg, r, who)
	if err != nil {
		return err
	}
	link, err := s.newLink(tx, r.ID, &invitee.ID)
	if err != nil {
		return err
	}
	if err := s.mailInvitation(tx, pkg, r, mail.Address{Name: who.Name, Email: who.Email}, how, link); err != nil {
		return err
	}
	if _, err := tx.Exec(`update invitees set asked_ms = clock_ms(), reminders = $2 where id = $1`,
		invitee.ID, how.reminders(invitee.Reminders)); err != nil {
		return err
	}
	_, err = record(tx, how.sent(pkg, r, who))
	return err
}

// inviteGroupAddress mails the group's own address one link for all.
func (s *Signing) inviteGroupAddress(tx *db.Tx, pkg packageRow, r roleRow, g directory.Group, how asking) error {
	how.shared = true
	link, err := s.newLink(tx, r.ID, nil)
	if err != nil {
		return err
	}
	if err := s.mailInvitation(tx, pkg, r, mail.Address{Name: g.Name, Email: g.Email}, how, link); err != nil {
		return err
	}
	if _, err := tx.Exec(`update roles set asked_ms = clock_ms(), reminders = $2 where id = $1`, r.ID, how.reminders(r.Reminders)); err != nil {
		return err
	}
	_, err = record(tx, how.sent(pkg, r, invited{Name: g.Name, Email: g.Email, Shown: g.Email}))
	return err
}

func (s *Signing) mailInvitation(tx *db.Tx, pkg packageRow, r roleRow, to mail.Address, how asking, link string) error {
	sender, account, err := people(tx, pkg)
	if err != nil {
		return err
	}
	words := mail.Invitation{Person: to.Name, Sender: sender.Name(), Account: account.Known(), Package: pkg.Name,
		Message: cmp.Or(r.EmailMessage, pkg.EmailMessage), Group: how.group, Link: link, Due: instant(pkg.DueMs), Shared: how.shared}
	if how.shared {
		words.Person = ""
	}
	if r.Kind == AdHoc { // "Hello <group>" (OneSpan Sign, ad-hoc groups)
		words.Person = how.group
	}
	m := mail.Message{To: to, ReplyTo: mail.Address{Name: sender.Name(), Email: sender.Email}, Account: pkg.AccountID, Package: pkg.ID, Key: how.key, Data: words}
	if how.again {
		m.Data = mail.Reminder{Person: words.Person, Sender: words.Sender, Account: words.Account, Package: words.Package,
			Message: words.Message, Group: words.Group, Link: link, Due: words.Due, Shared: words.Shared, Note: how.note}
	}
	return s.Post.Send(tx, m)
}

// people are the owner of a package and his account.
func people(tx *db.Tx, pkg packageRow) (directory.User, directory.Account, error) {
	account, err := accountOf(tx, pkg.AccountID)
	if err != nil {
		return directory.User{}, account, err
	}
	sender, err := directory.UserByID(tx, pkg.OwnerID)
	return sender, account, err
}

// followersOf reads who may follow a package, in the order they were asked: who is asked still, and
// who signed. A member who was removed from his group hears nothing of it any more.
func followersOf(tx *db.Tx, pkg string) ([]inviteeRow, error) {
	roles, err := rolesOf(tx, pkg)
	if err != nil {
		return nil, err
	}
	asked := map[string]func(inviteeRow) bool{} // by role
	for _, r := range roles {
		if asked[r.ID], err = askedFor(tx, r); err != nil {
			return nil, err
		}
	}
	all, err := db.All[inviteeRow](tx, `select * from invitees where package_id = $1 order by id`, pkg)
	return slices.DeleteFunc(all, func(who inviteeRow) bool {
		return strings.HasPrefix(who.Email, retired) || !asked[who.RoleID](who)
	}), err
}

// askedFor reads who may follow a role: everybody who was asked, of a group only those who are
// members still and who signed for it.
func askedFor(tx *db.Tx, role roleRow) (func(inviteeRow) bool, error) {
	if role.Kind == AdHoc {
		return askedAdHoc(tx, role)
	}
	if role.GroupID == nil {
		return func(inviteeRow) bool { return true }, nil
	}
	g, err := directory.GroupByID(tx, *role.GroupID)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return nil, err
	}
	member := map[string]bool{}
	for _, m := range g.Members {
		member[m.User.ID] = m.Alive()
	}
	return func(who inviteeRow) bool {
		return who.UserID == nil || member[*who.UserID] || deref(role.SignedBy) == who.ID
	}, nil
}
