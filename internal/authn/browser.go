package authn

import (
	"context"
	"errors"
	"slices"
	"time"

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
	u, err := directory.UserByID(tx, p.User)
	if errs.KindOf(err) == errs.NotFound || err == nil && (!u.Alive() || u.Account != p.Account) {
		err = errs.New(errs.Denied, "member.inactive", "This user is locked or deactivated.")
	}
	return p, err
}

// Enter notes that a browser came to a package as p: through the link that was
// mailed to p alone (personal), or through one for many, where the visitor said
// himself who he is. Neither is a proof of the mailbox yet. It returns the
// browser's cookie: the one it had, or a new one when that was none or has lapsed.
//
// Invalid "email.malformed", Denied "member.inactive".
func (a *Authn) Enter(tx *db.Tx, browser string, p Person, pkg string, personal bool) (cookie string, err error) {
	if p, err = p.canonical(tx); err != nil {
		return "", err
	}
	session, err := a.session(tx, browser)
	if errs.Is(err, "identify.link") {
		session, browser = secret.NewID(), secret.Token(cookieBytes)
		_, err = tx.Exec(`insert into browser_sessions (id, hash, created_ms, last_ms) values ($1, $2, clock_ms(), clock_ms())`,
			session, a.box.Hash(cookiePurpose, browser))
	}
	if err != nil {
		return "", err
	}
	if _, err = tx.Exec(`insert into browser_entries (session_id, account_id, email, user_id, package_id, personal, entered_ms)
		values ($1, $2, $3, $4, $5, $6, clock_ms())
		on conflict (session_id, account_id, email, user_id, package_id) do update set personal = browser_entries.personal or excluded.personal`,
		append(p.key(session, pkg), personal)...); err != nil {
		return "", err
	}
	return browser, touch(tx, session)
}

// session finds the session of a cookie that has not lapsed. Unauthenticated "identify.link".
func (a *Authn) session(tx *db.Tx, browser string) (id string, err error) {
	id, err = db.One[string](tx, `select id from browser_sessions where hash = $1 and last_ms > clock_ms() - $2`,
		a.box.Hash(cookiePurpose, browser), idleFor.Milliseconds())
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.Unauthenticated, "identify.link", "Open the link from your mail in this browser first.")
	}
	return id, err
}

// entry says how a browser came to a package as some person.
type entry struct {
	entered, personal  bool // by a link, and that his own
	proved, provedHere bool // the mailbox is proved: for any package, for this one
}

// entered finds the session in which p came to the package by a link, or has proved his mailbox before, so that he
// may go on to what else he is asked to sign. Unauthenticated "identify.link".
func (a *Authn) entered(tx *db.Tx, browser string, p Person, pkg string) (session string, e entry, err error) {
	if session, err = a.session(tx, browser); err != nil {
		return "", e, err
	}
	links, err := db.All[bool](tx, `select personal from browser_entries
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and package_id = $5`, p.key(session, pkg)...)
	if err != nil {
		return "", e, err
	}
	e.entered = len(links) > 0
	e.personal = e.entered && links[0]
	proved, err := db.All[string](tx, `select package_id from mailbox_proofs
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and last_ms > clock_ms() - $5 and proven_ms > clock_ms() - $6`,
		session, p.Account, p.Email, p.User, idleFor.Milliseconds(), holdFor.Milliseconds())
	if err != nil {
		return "", e, err
	}
	e.proved, e.provedHere = len(proved) > 0, slices.Contains(proved, pkg)
	if !e.entered && !e.proved {
		return "", e, errs.New(errs.Unauthenticated, "identify.link", "Open the link from your mail in this browser first.")
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
		_, err := tx.Exec(`delete from revoked_tokens where expires_ms <= clock_ms()`)
		return err
	})
}
