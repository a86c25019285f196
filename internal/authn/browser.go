package authn

import (
	"context"
	"errors"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	cookiePurpose = "browser.cookie"
	cookieBytes   = 32
	// idleFor is how long a browser session or a proof holds without an act (Conga
	// Sign: a signer session times out after 30 minutes of inactivity).
	idleFor = 30 * time.Minute
	// holdFor bounds a proof that is used all the time.
	holdFor = 12 * time.Hour
)

// Person is somebody in a browser. Two of the same address are the same person
// only if they are the same user.
type Person struct {
	Account string // internal id
	Email   string
	Name    string
	User    string // internal id; empty for who is no user of the account
	// Read is the user as this transaction has read him just now; nil: not yet.
	Read *directory.User
}

// key is the person as rows name him, after a session's id.
func (p Person) key(session, pkg string) []any {
	return []any{session, p.Account, p.Email, p.User, pkg}
}

// canonical brings the address into the form in which it is compared and makes
// sure that a user may act. Invalid "email.malformed", Denied "member.inactive".
func (p Person) canonical(tx *db.Tx) (Person, error) {
	email, err := directory.CanonicalEmail(p.Email)
	if err != nil {
		return p, err
	}
	p.Email = email
	if p.User == "" {
		return p, nil
	}
	u, err := p.user(tx)
	if errs.KindOf(err) == errs.NotFound || err == nil && (!u.Alive() || u.Account != p.Account) {
		err = errs.New(errs.Denied, "member.inactive", "This user is locked or deactivated.")
	}
	return p, err
}

func (p Person) user(tx *db.Tx) (directory.User, error) {
	if p.Read != nil && p.Read.ID == p.User {
		return *p.Read, nil
	}
	return directory.UserByID(tx, p.User)
}

// Enter notes that a browser came to a package as p: through the link that was
// mailed to p alone (personal), or through one for many, where the visitor said
// himself who he is. Neither is a proof of the mailbox yet. It returns the
// browser's cookie: the one it had, or a new one when that was none or has lapsed.
//
// Invalid "email.malformed", Denied "member.inactive".
func (a *Authn) Enter(tx *db.Tx, browser string, p Person, pkg string, personal bool) (cookie string, err error) {
	cookie, session, err := a.enter(tx, browser, p, pkg, personal)
	if err != nil {
		return "", err
	}
	return cookie, touch(tx, session)
}

// EnterBySession notes that an application sent a browser to a package as p, by the session of by, and answers for who
// he is (BySession). It holds in this browser, for this package, until the browser's session lapses, for twelve hours in any
// case, and until something that the session stands on is taken away. p himself has done nothing yet (Arrived).
// Invalid "email.malformed", Denied "member.inactive", Unauthenticated "token.invalid".
func (a *Authn) EnterBySession(tx *db.Tx, browser string, p Person, pkg string, by authz.Principal) (cookie string, err error) {
	standing, err := db.One[db.JSON[footing]](tx, `select standing from api_sessions where id = $1`, by.Session)
	if errors.Is(err, db.ErrNone) {
		err = badToken()
	}
	if err != nil {
		return "", err
	}
	standing.V.Session = by.Session
	cookie, session, err := a.enter(tx, browser, p, pkg, false)
	if err != nil {
		return "", err
	}
	if p, err = p.canonical(tx); err != nil {
		return "", err
	}
	if _, err = tx.Exec(`update browser_entries set made_standing = $6, arrived = false, entered_ms = clock_ms()
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and package_id = $5`,
		append(p.key(session, pkg), db.AsJSON(standing.V))...); err != nil {
		return "", err
	}
	return cookie, touch(tx, session)
}

func (a *Authn) enter(tx *db.Tx, browser string, p Person, pkg string, personal bool) (cookie, session string, err error) {
	if p, err = p.canonical(tx); err != nil {
		return "", "", err
	}
	session, err = a.session(tx, browser)
	if errs.Is(err, "identify.link") {
		session, browser = secret.NewID(), secret.Token(cookieBytes)
		_, err = tx.Exec(`insert into browser_sessions (id, hash, created_ms, last_ms) values ($1, $2, clock_ms(), clock_ms())`,
			session, a.box.Hash(cookiePurpose, browser))
	}
	if err != nil {
		return "", "", err
	}
	_, err = tx.Exec(`insert into browser_entries (session_id, account_id, email, user_id, package_id, personal, entered_ms)
		values ($1, $2, $3, $4, $5, $6, clock_ms())
		on conflict (session_id, account_id, email, user_id, package_id) do update set personal = browser_entries.personal or excluded.personal`,
		append(p.key(session, pkg), personal)...)
	return browser, session, err
}

// session finds the session of a cookie that has not lapsed. Unauthenticated "identify.link".
func (a *Authn) session(tx *db.Tx, browser string) (id string, err error) {
	id, err = db.One[string](tx, `select id from browser_sessions where hash = $1 and last_ms > clock_ms() - $2`,
		a.box.Hash(cookiePurpose, browser), idleFor.Milliseconds())
	if errors.Is(err, db.ErrNone) {
		err = noLink()
	}
	return id, err
}

func noLink() error {
	return errs.New(errs.Unauthenticated, "identify.link", "Open the link from your mail in this browser first.")
}

// entry says how a browser came to a package as some person.
type entry struct {
	entered, personal  bool   // by a link, and that his own
	madeBy             string // the client that sent him here and may still answer for him, or ""
	proved, provedHere bool   // the mailbox is proved: for any package, for this one
}

// entered finds the session in which p came to the package by a link, or has proved his mailbox before, so that he
// may go on to what else he is asked to sign. Unauthenticated "identify.link".
func (a *Authn) entered(tx *db.Tx, browser string, p Person, pkg string) (session string, e entry, err error) {
	type row struct {
		Session  string
		Personal *bool // nil: he did not come by a link
		Standing db.JSON[footing]
		Fresh    *bool
		Proved   *string // a package for which he proved his mailbox
	}
	rows, err := db.All[row](tx, `select s.id as session, e.personal, e.made_standing as standing, e.entered_ms > clock_ms() - $3 as fresh,
			m.package_id as proved
		from browser_sessions s
		left join browser_entries e on e.session_id = s.id and e.account_id = $4 and e.email = $5 and e.user_id = $6 and e.package_id = $7
		left join mailbox_proofs m on m.session_id = s.id and m.account_id = $4 and m.email = $5 and m.user_id = $6
			and m.last_ms > clock_ms() - $2 and m.proven_ms > clock_ms() - $3
		where s.hash = $1 and s.last_ms > clock_ms() - $2`,
		a.box.Hash(cookiePurpose, browser), idleFor.Milliseconds(), holdFor.Milliseconds(), p.Account, p.Email, p.User, pkg)
	if err != nil {
		return "", e, err
	}
	if len(rows) == 0 {
		return "", e, noLink()
	}
	entry := rows[0]
	session, e.entered = entry.Session, entry.Personal != nil
	e.personal = e.entered && *entry.Personal
	if e.entered && entry.Fresh != nil && *entry.Fresh && entry.Standing.V.Session != "" {
		stands, err := entry.Standing.V.standsIn(tx)
		if err != nil {
			return "", e, err
		}
		if stands {
			e.madeBy = entry.Standing.V.Principal.Client
		}
	}
	for _, r := range rows {
		e.proved = e.proved || r.Proved != nil
		e.provedHere = e.provedHere || r.Proved != nil && *r.Proved == pkg
	}
	if !e.entered && !e.proved {
		return "", e, noLink()
	}
	return session, e, nil
}

func touch(tx *db.Tx, session string) error {
	_, err := tx.Exec(`update browser_sessions set last_ms = clock_ms() where id = $1`, session)
	return err
}

// EndBrowser ends a browser's session and all it has proved. It is not an error if there is none.
func (a *Authn) EndBrowser(ctx context.Context, browser string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from browser_sessions where hash = $1`, a.box.Hash(cookiePurpose, browser))
		return err
	})
}

// sweep forgets what has lapsed.
func (a *Authn) sweep(ctx context.Context) error {
	a.revoked.sweep(a.news.Load().time(a.sinceStart()))
	return a.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`delete from browser_sessions where last_ms <= clock_ms() - $1`, idleFor.Milliseconds()); err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from mailbox_sends where last_ms <= clock_ms() - $1`, codeLife.Milliseconds()); err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from api_sessions where last_ms <= clock_ms() - $1`, idleFor.Milliseconds()); err != nil {
			return err
		}
		if _, err := tx.Exec(`delete from console_sessions where ended_ms is not null or last_ms <= clock_ms() - $1 or created_ms <= clock_ms() - $2`,
			idleFor.Milliseconds(), holdFor.Milliseconds()); err != nil {
			return err
		}
		for _, table := range []string{"revoked_tokens", "app_tokens", "session_tokens", "sign_in_links", "provider_attempts"} {
			if _, err := tx.Exec(`delete from ` + table + ` where expires_ms <= clock_ms()`); err != nil {
				return err
			}
		}
		return nil
	})
}
