package authn

import (
	"context"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const consolePurpose = "console.cookie"

// How a person signed in to the console.
const (
	HowLink     = "link"
	HowPassword = "password"
	HowOIDC     = "oidc"
)

// consoleHome is the console's front page.
const consoleHome = "/console"

// ConsoleSession is a person's session of the console, without its cookie.
type ConsoleSession struct {
	ID            string
	Person        directory.Person
	How           string // HowLink, HowPassword, HowOIDC
	IP, UserAgent string
	Created, Last time.Time
}

type consoleRow struct {
	ID, PersonKind, PersonID, Email, How, IP, UserAgent string
	Generation, CreatedMs, LastMs, IdleMs               int64
}

const (
	consoleColumns = `id, person_kind, person_id, email, how, ip, user_agent, generation, created_ms, last_ms, clock_ms() - last_ms as idle_ms`
	// consoleAlive needs, after one argument of its own, how long a session holds without an act and in any case.
	consoleAlive = ` and ended_ms is null and last_ms > clock_ms() - $2 and created_ms > clock_ms() - $3`
)

// stands reports that nothing was taken away from the person since, and that he has the address under which he signed in:
// who changes a user's address gives the user to another mailbox.
func (r consoleRow) stands(who directory.Person) bool {
	return r.Generation >= who.Generation && r.Email == who.Email
}

// session of a person who may still sign in, if it stands. NotFound "person.unknown".
func (r consoleRow) session(tx *db.Tx) (s ConsoleSession, err error) {
	person, err := directory.PersonByID(tx, r.PersonKind, r.PersonID)
	if err == nil && !r.stands(person) {
		err = unknownPerson()
	}
	return ConsoleSession{ID: r.ID, Person: person, How: r.How, IP: r.IP, UserAgent: r.UserAgent,
		Created: db.Time(r.CreatedMs), Last: db.Time(r.LastMs)}, err
}

func unknownPerson() error {
	return errs.New(errs.NotFound, "person.unknown", "There is no such person.")
}

// beginSession signs a person in: in a session of its own, whatever session his browser had before.
func (a *Authn) beginSession(tx *db.Tx, who directory.Person, how string) (cookie string, err error) {
	signedIn := directory.SignedIn
	if who.Kind == directory.KindStaff {
		signedIn = directory.StaffSignedIn
	}
	if err = signedIn(tx, who.ID); err != nil {
		return "", err
	}
	id, from := secret.NewID(), audit.OriginOf(tx.Context())
	cookie = secret.Token(cookieBytes)
	if _, err = tx.Exec(`insert into console_sessions (id, hash, person_kind, person_id, email, generation, how, ip, user_agent, created_ms, last_ms)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_ms(), clock_ms())`,
		id, a.box.Hash(consolePurpose, cookie), who.Kind, who.ID, who.Email, who.Generation, how, from.IP, withoutNUL(from.UserAgent)); err != nil {
		return "", err
	}
	return cookie, recordPerson(tx, "console.signed_in", who, map[string]string{"how": how, "session": id})
}

// withoutNUL is what both databases can keep of what a stranger's software calls itself.
func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// recordPerson writes down what a person did.
func recordPerson(tx *db.Tx, event string, who directory.Person, detail map[string]string) error {
	by := audit.Person(who.ID, who.Name, who.Email, "", "")
	if who.Role == directory.Operator {
		by.Kind = audit.KindOperator
	}
	_, err := audit.Append(tx, audit.Event{Type: event, Account: who.Account, Actor: by, Detail: detail})
	return err
}

// ConsolePrincipal tells who the cookie of a console session stands for. It lapses after 30 minutes without a call, after
// twelve hours in any case, and dies at once when the person is locked, deactivated or ended, or gets another address; what
// he may do is looked up each time. Unauthenticated "session.none".
func (a *Authn) ConsolePrincipal(ctx context.Context, cookie string) (p authz.Principal, s ConsoleSession, err error) {
	none := errs.New(errs.Unauthenticated, "session.none", "Sign in first.")
	if cookie == "" || len(cookie) > maxCookie {
		return p, s, none
	}
	var r consoleRow
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		if r, err = a.consoleRow(tx, cookie); err != nil {
			return err
		}
		if s, err = r.session(tx); err != nil {
			return err
		}
		p, err = principalOf(tx, s)
		return err
	})
	if errors.Is(err, db.ErrNone) || errs.KindOf(err) == errs.NotFound {
		err = none
	}
	if err == nil && r.IdleMs >= touchEvery.Milliseconds() {
		err = a.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`update console_sessions set last_ms = clock_ms() where id = $1`, r.ID)
			return err
		})
	}
	if err != nil {
		return authz.Principal{}, ConsoleSession{}, err
	}
	return p, s, nil
}

func (a *Authn) consoleRow(tx *db.Tx, cookie string) (consoleRow, error) {
	return db.One[consoleRow](tx, `select `+consoleColumns+` from console_sessions where hash = $1`+consoleAlive,
		a.box.Hash(consolePurpose, cookie), idleFor.Milliseconds(), holdFor.Milliseconds())
}

// principalOf is who a session stands for, with what he may do now.
func principalOf(tx *db.Tx, s ConsoleSession) (authz.Principal, error) {
	who := s.Person
	p := authz.Principal{Organisation: who.Organisation, Account: who.Account, Session: s.ID}
	if who.Kind == directory.KindStaff {
		p.Kind, p.By = authz.Staff, who.ID
		switch who.Role {
		case directory.Operator:
			p.Rights = []authz.Right{authz.Operate}
		case directory.PartnerAdmin:
			p.Rights = []authz.Right{authz.Administer}
		}
		return p, nil
	}
	p.User = who.ID
	rights, err := access.RightsOf(tx, who.ID)
	if !slices.Contains(rights, authz.Sign) { // whoever is a user may come to sign
		rights = append(slices.Clone(rights), authz.Sign)
	}
	p.Rights = rights
	return p, err
}

// personOf is the person of a console session. Denied "right.missing" for every other caller.
func personOf(tx *db.Tx, p authz.Principal) (directory.Person, error) {
	kind, id := directory.KindUser, p.User
	if p.Kind == authz.Staff {
		kind, id = directory.KindStaff, p.By
	}
	if p.Session == "" || p.Client != "" || id == "" || p.Kind != authz.Staff && p.Kind != authz.Member {
		return directory.Person{}, errs.New(errs.Denied, "right.missing", "This is for a person who is signed in to the console.")
	}
	return directory.PersonByID(tx, kind, id)
}

// ConsoleSessions are those of the person himself that are alive, the newest first. Denied "right.missing".
func (a *Authn) ConsoleSessions(ctx context.Context, p authz.Principal) (list []ConsoleSession, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		who, err := personOf(tx, p)
		if err == nil {
			list, err = sessionsOf(tx, who)
		}
		return err
	})
	return list, err
}

// ConsoleSessionsOf are those of another person, a user or one of the staff by the internal id, for the operator and for
// whoever manages the users of his account. Denied "right.missing"; NotFound "person.unknown".
func (a *Authn) ConsoleSessionsOf(ctx context.Context, p authz.Principal, person string) (list []ConsoleSession, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		who, err := personNamed(tx, person)
		if err == nil {
			err = looksAfter(tx, p, who)
		}
		if err == nil {
			list, err = sessionsOf(tx, who)
		}
		return err
	})
	return list, err
}

func sessionsOf(tx *db.Tx, who directory.Person) (list []ConsoleSession, err error) {
	rows, err := db.All[consoleRow](tx, `select `+consoleColumns+` from console_sessions where person_id = $1`+consoleAlive+`
		order by created_ms desc, id desc`, who.ID, idleFor.Milliseconds(), holdFor.Milliseconds())
	for _, r := range rows {
		if r.stands(who) {
			list = append(list, ConsoleSession{ID: r.ID, Person: who, How: r.How, IP: r.IP, UserAgent: r.UserAgent,
				Created: db.Time(r.CreatedMs), Last: db.Time(r.LastMs)})
		}
	}
	return list, err
}

// personNamed is a user or one of the staff: no id is of both. NotFound "person.unknown".
func personNamed(tx *db.Tx, id string) (directory.Person, error) {
	who, err := directory.PersonByID(tx, directory.KindUser, stored(id))
	if errs.KindOf(err) == errs.NotFound {
		who, err = directory.PersonByID(tx, directory.KindStaff, stored(id))
	}
	return who, err
}

// looksAfter refuses who is neither the person himself, nor the operator, nor manages the users of the person's account.
// Denied "right.missing"; NotFound "person.unknown" for one out of reach.
func looksAfter(tx *db.Tx, p authz.Principal, who directory.Person) error {
	self, err := personOf(tx, p)
	if err == nil && self.ID == who.ID || p.Has(authz.Operate) {
		return nil
	}
	if err != nil {
		return err
	}
	if !p.Has(authz.Administer) {
		if err := p.Need(authz.ManageUsers); err != nil {
			return err
		}
	}
	if who.Account == "" {
		return unknownPerson()
	}
	home, err := directory.AccountByID(tx, who.Account)
	if err == nil {
		_, err = directory.ReachesAccount(tx, p, home.OuterID)
	}
	return orUnknown(err, unknownPerson())
}

// EndConsoleSession ends a session at once: one's own, or one that ConsoleSessionsOf shows. Again it changes nothing.
// Denied "right.missing"; NotFound "session.unknown".
func (a *Authn) EndConsoleSession(ctx context.Context, p authz.Principal, id string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		r, err := db.One[consoleRow](tx, `select `+consoleColumns+` from console_sessions where id = $1`, stored(id))
		var who directory.Person
		if err == nil {
			who, err = personNamed(tx, r.PersonID)
		}
		if err == nil {
			err = looksAfter(tx, p, who)
		}
		if err != nil {
			return orUnknown(err, errs.New(errs.NotFound, "session.unknown", "There is no such session."))
		}
		changed, err := tx.Exec(`update console_sessions set ended_ms = clock_ms() where id = $1 and ended_ms is null`, r.ID)
		if err != nil || changed == 0 {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "console.session_ended", Account: who.Account, Actor: audit.By(p),
			Detail: map[string]string{"session": r.ID, "person": who.ID}})
		return err
	})
}

// endSessions ends all sessions of a person but one.
func endSessions(tx *db.Tx, person, but string) error {
	_, err := tx.Exec(`update console_sessions set ended_ms = clock_ms() where person_id = $1 and id <> $2 and ended_ms is null`, person, but)
	return err
}

// SignOut ends the session of a cookie. It is not an error if there is none.
func (a *Authn) SignOut(ctx context.Context, cookie string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		r, err := a.consoleRow(tx, cookie)
		if errors.Is(err, db.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		changed, err := tx.Exec(`update console_sessions set ended_ms = clock_ms() where id = $1 and ended_ms is null`, r.ID)
		if err != nil || changed == 0 {
			return err
		}
		s, err := r.session(tx)
		if errs.KindOf(err) == errs.NotFound {
			return nil // it was dead
		}
		if err != nil {
			return err
		}
		return recordPerson(tx, "console.signed_out", s.Person, map[string]string{"session": r.ID})
	})
}

// ReturnTo is the page of the console to go on to after a sign-in: the path that is given, if it is one of the console's
// own, else the front page. Nothing that a browser could take for another host's address passes (attack L11).
func ReturnTo(text string) string {
	bad := func(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) }
	u, err := url.Parse(text)
	if err != nil || len(text) > 2000 || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(text, consoleHome) || strings.ContainsFunc(text, bad) || strings.ContainsFunc(u.Path, bad) {
		return consoleHome
	}
	if u.Path != consoleHome && !strings.HasPrefix(u.Path, consoleHome+"/") || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return consoleHome
	}
	clean := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	return clean.String()
}
