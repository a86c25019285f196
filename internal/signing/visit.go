package signing

import (
	"cmp"
	"context"
	"errors"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// spot is where a visitor stands: a person asked to sign for a role of a package.
type spot struct {
	pkg     packageRow
	role    roleRow
	me      inviteeRow
	account directory.Account
	how     authn.How       // how this browser proved the person; empty before
	moved   bool            // the person, a user, has another address now than the invitation
	shown   string          // the person's address as others see it: the alias he has, else the invitation's
	host    inviteeRow      // on whose device he signs, of how inPerson
	client  string          // the program that acts for him, of how byAPI and authn.BySession
	browser string          // the browser's cookie; empty by API
	user    *directory.User // who the visitor is as a user, as he was read; nil: he is none
	sender  *audit.Actor    // who acts for the package's owner on a role's behalf; there is no visitor then
	now     time.Time       // of the database when the role and package were read
}

// person is the visitor as authn knows people.
func (at spot) person() authn.Person {
	return authn.Person{Account: at.pkg.AccountID, Email: at.me.Email, Name: at.me.Name, User: deref(at.me.UserID)}
}

// group is the name of the group on whose behalf the visitor acts, or "".
func (at spot) group() string {
	if at.role.isGroup() {
		return at.role.FirstName
	}
	return ""
}

// isGroup tells that any of several persons signs for the role.
func (r roleRow) isGroup() bool { return r.Kind == Group || r.Kind == AdHoc }

// actor is the visitor as the audit log names him and as others will always see him: by the address shown now.
func (at spot) actor() audit.Actor {
	if at.sender != nil {
		return *at.sender
	}
	return audit.Person(deref(at.me.UserID), at.me.Name, at.shown, at.group(), at.identified())
}

// Ways to know a person that no mailbox proves.
const (
	inPerson authn.How = "in person" // he confirmed who he is on the device of another signer, the host
	byAPI    authn.How = "api"       // a client of the account acts as its user
)

// identifiedAs words how a person was identified, for evidence.
var identifiedAs = map[authn.How]string{
	"":              "",
	authn.ByCode:    "code sent to the mailbox",
	authn.ByLink:    "personal link sent to the mailbox",
	authn.BySession: "session made by the sender's application",
	byAPI:           "client of the account that acts as this user",
}

// identified words how the visitor was identified. Where others see his alias, it does not
// let them think that the alias's mailbox was proven.
func (at spot) identified() string {
	switch {
	case at.how == inPerson:
		return "in person on " + at.host.Name + "'s device"
	case at.how == authn.ByLink && at.me.ByCopy:
		return "personal link that the sender has a copy of"
	case at.how == byAPI || at.how == authn.BySession:
		return identifiedAs[at.how]
	}
	words := identifiedAs[at.how]
	if words != "" && at.shown != at.me.Email {
		words += " registered for this person"
	}
	return words
}

// identification is what the role demands of each person (rule 10: never of the
// group as a whole). Members of a group prove their mailbox as the account says;
// a single signer's personal link is enough.
func (at spot) identification() string {
	if at.role.isGroup() {
		return at.account.Settings.MemberIdentification
	}
	return directory.Link
}

// event is an audit event about the visitor's act; detail are names and values in turn.
func (at spot) event(kind string, detail ...string) audit.Event {
	e := audit.Event{Type: kind, Account: at.pkg.AccountID, Package: at.pkg.ID, Role: at.role.ID, Actor: at.actor()}
	if at.client != "" {
		detail = append(detail, "by_client", at.client)
	}
	for i := 0; i+1 < len(detail); i += 2 {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[detail[i]] = detail[i+1]
	}
	if at.shown != at.me.Email {
		e.Personal = map[string]string{"mailbox": at.me.Email}
	}
	return e
}

// standAt finds the spot of a handle, whoever asks. Denied "member.moved".
func standAt(tx *db.Tx, handle string) (at spot, err error) {
	type row struct {
		NowMs int64
		Me    inviteeRow `db:"*"`
		Role  roleRow    `db:"*"`
		Pkg   packageRow `db:"*"`
	}
	r, err := db.One[row](tx, `select clock_ms() as now_ms, i.*, r.*, p.* from invitees i
		join roles r on r.id = i.role_id join packages p on p.id = i.package_id where i.handle = $1`, handle)
	if err != nil {
		return at, orUnknownVisit(err)
	}
	at.me, at.role, at.pkg, at.now = r.Me, r.Role, r.Pkg, db.Time(r.NowMs)
	if err := at.know(tx); err != nil {
		return at, err
	}
	return at, at.here()
}

func orUnknownVisit(err error) error {
	if errors.Is(err, db.ErrNone) {
		return errs.New(errs.NotFound, "visit.unknown", "There is nothing to sign here.")
	}
	return err
}

// load reads the role, package and account of the invitee.
func (at *spot) load(tx *db.Tx) (err error) {
	type row struct {
		NowMs int64
		Role  roleRow    `db:"*"`
		Pkg   packageRow `db:"*"`
	}
	r, err := db.One[row](tx, `select clock_ms() as now_ms, r.*, p.* from roles r join packages p on p.id = $2 where r.id = $1`,
		at.me.RoleID, at.me.PackageID)
	if err != nil {
		return orUnknownVisit(err)
	}
	at.role, at.pkg, at.now = r.Role, r.Pkg, db.Time(r.NowMs)
	return at.know(tx)
}

// know reads the account, and the visitor as he is now.
func (at *spot) know(tx *db.Tx) (err error) {
	if at.account, err = accountOf(tx, at.pkg.AccountID); err != nil {
		return err
	}
	at.shown, at.user = at.me.Email, nil
	if at.me.UserID == nil {
		return nil
	}
	u, err := directory.UserByID(tx, *at.me.UserID)
	at.me.Name, at.moved, at.shown, at.user = u.Name(), u.Email != at.me.Email, cmp.Or(u.EmailAlias, at.me.Email), &u
	return err
}

// accountOf is an account with the settings in force: its own, within what its partner's channel
// allows, else the server's. They are read with each act, so a change counts from the next one on.
func accountOf(tx *db.Tx, id string) (directory.Account, error) {
	account, err := directory.AccountByID(tx, id)
	account.Settings = account.Effective()
	return account, err
}

// here refuses an invitation that was mailed to an address its person has given up: who reads the
// old mailbox now may be somebody else. The sender asks him again at the new one.
func (at spot) here() error {
	if at.moved {
		return errs.New(errs.Denied, "member.moved", "This invitation went to an address that is no longer in use. Ask the sender to send it again.")
	}
	return nil
}

// visit finds the spot of a visit and refuses a browser that has not proved to be that person
// (Unauthenticated: "identify.code", "identify.link"). It counts as activity of the browser's session.
func (s *Signing) visit(tx *db.Tx, v Visit) (spot, error) {
	at, err := s.stand(tx, v, s.Authn.Proof, false)
	if err == nil && at.how == inPerson {
		_, err = tx.Exec(`update hosted set last_ms = clock_ms() where invitee_id = $1 and host_id = $2`, at.me.ID, at.host.ID)
	}
	return s.answeredFor(tx, v, at, err)
}

// glance is visit for reads: it does not prolong the browser's session.
func (s *Signing) glance(tx *db.Tx, v Visit) (spot, error) {
	return s.stand(tx, v, s.Authn.Known, true)
}

// proof asks how a browser proved a person for a package, as mode demands it.
type proof func(tx *db.Tx, browser string, p authn.Person, pkg, mode string) (authn.How, error)

func (s *Signing) stand(tx *db.Tx, v Visit, ask proof, look bool) (spot, error) {
	at, err := standAt(tx, v.Handle)
	if err != nil {
		return at, err
	}
	at.browser = v.Browser
	person := at.person()
	person.Read = at.user
	at.how, err = ask(tx, v.Browser, person, at.pkg.ID, at.identification())
	if errs.KindOf(err) == errs.Unauthenticated && at.pkg.ceremony().InPerson {
		hosted, failed := at.hosted(tx, s.Authn.Device, ask, look)
		if failed != nil {
			return at, failed
		}
		if hosted {
			return at, nil
		}
	}
	return at, at.namingWhom(err)
}

// namingWhom adds to the demand for a code whose mailbox it goes to.
func (at spot) namingWhom(err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.What == "identify.code" {
		return e.With("name", at.me.Name).With("email", maskEmail(at.me.Email))
	}
	return err
}

// holdMe refuses a visitor who is no longer who he was invited as (rules 6 and 11), and keeps him
// so until the act is over.
func (at spot) holdMe(tx *db.Tx) error {
	if at.role.Kind == AdHoc {
		if err := at.isAdHocMember(tx); err != nil {
			return err
		}
	}
	if at.me.UserID == nil {
		return nil
	}
	if at.role.GroupID != nil {
		return directory.HoldActiveMember(tx, *at.me.UserID, *at.role.GroupID)
	}
	return directory.HoldActiveUser(tx, *at.me.UserID)
}

// stillAsked tells the same without holding anybody, for reads; who has signed stays asked.
func stillAsked(tx *db.Tx, role roleRow, who inviteeRow) (bool, error) {
	switch {
	case role.Kind == AdHoc:
		asked, err := askedAdHoc(tx, role)
		return err == nil && asked(who), err
	case role.GroupID == nil || who.UserID == nil || deref(role.SignedBy) == who.ID:
		return true, nil
	}
	return directory.ActiveMember(tx, *who.UserID, *role.GroupID)
}

// ended refuses what a link or page leads to no more: the package expired, or somebody opted out of it, before the visitor signed.
func (at spot) ended() error {
	if at.pkg.Status == Expired || at.pkg.Status == OptedOut {
		if at.me.ID == "" || deref(at.role.SignedBy) != at.me.ID {
			return closedPackage(at.pkg)
		}
	}
	return nil
}

func closedPackage(pkg packageRow) error {
	return errs.New(errs.Conflict, "package.closed", "This package is no longer being signed.").With("status", string(pkg.Status))
}

// follows refuses a visitor who may no longer see the documents: the sender has the package back, it
// has ended, or the visitor left the group and did not sign for it.
func (at spot) follows(tx *db.Tx) error {
	if at.pkg.Trashed || at.pkg.Status == Draft {
		return closedPackage(at.pkg)
	}
	if err := at.ended(); err != nil {
		return err
	}
	asked, err := stillAsked(tx, at.role, at.me)
	if err == nil && !asked {
		err = errs.New(errs.Denied, "member.removed", "This user is no member of the group any more.")
	}
	return err
}

// refused records an attempt that was refused, after its act was rolled back, with what else follows from
// it, and passes the refusal on. A fault is not an attempt.
func (s *Signing) refused(ctx context.Context, at spot, kind string, err error, also ...func(*db.Tx) error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || at.pkg.ID == "" {
		return err
	}
	event := at.event(kind, "what", e.What)
	return errors.Join(err, recordRefused(ctx, s.db, event, also...))
}
