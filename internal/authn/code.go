package authn

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

const (
	codePurpose = "mailbox.code"
	codeDigits  = 6
	codeTries   = 5
	codeLife    = 10 * time.Minute
)

// SendCode mails p a code of six digits that proves his mailbox to this browser
// for this package: within 10 minutes, in at most 5 tries. It takes the place
// of an earlier one. At most 3 are mailed in 10 minutes for one person and
// package, whatever the browser.
//
// Unauthenticated "identify.link" unless p came by a link, or proved his
// mailbox before, in this browser; Limited "code.flood"; Denied "member.inactive".
func (a *Authn) SendCode(tx *db.Tx, browser string, p Person, pkg, packageName string) error {
	p, err := p.canonical(tx)
	if err != nil {
		return err
	}
	session, _, err := a.entered(tx, browser, p, pkg)
	if err != nil {
		return err
	}
	if err = countMail(tx, p, pkg); err != nil {
		return err
	}
	code := secret.Digits(codeDigits)
	if _, err = tx.Exec(`insert into mailbox_codes (session_id, account_id, email, user_id, package_id, hash, tries, spent, created_ms)
		values ($1, $2, $3, $4, $5, $6, 0, false, clock_ms())
		on conflict (session_id, account_id, email, user_id, package_id) do update
			set hash = excluded.hash, tries = 0, spent = false, created_ms = excluded.created_ms`,
		append(p.key(session, pkg), a.hashCode(session, p, pkg, code))...); err != nil {
		return err
	}
	if err = a.post.Send(tx, mail.Message{
		To:      mail.Address{Name: p.Name, Email: p.Email},
		Data:    mail.Code{Person: p.Name, Package: packageName, Code: code, Minutes: int(codeLife.Minutes())},
		Account: p.Account, Package: pkg,
	}); err != nil {
		return err
	}
	if err = touch(tx, session); err != nil {
		return err
	}
	return tell(tx, p, pkg, "mailbox.code_sent", nil)
}

// countMail moves the window of the last three mails unless it is full; the
// row it changes makes parallel calls wait for each other.
func countMail(tx *db.Tx, p Person, pkg string) error {
	changed, err := tx.Exec(`insert into mailbox_sends (account_id, email, package_id, third_ms, second_ms, last_ms)
		values ($1, $2, $3, 0, 0, clock_ms())
		on conflict (account_id, email, package_id) do update
			set third_ms = mailbox_sends.second_ms, second_ms = mailbox_sends.last_ms, last_ms = clock_ms()
			where mailbox_sends.third_ms <= clock_ms() - $4`, p.Account, p.Email, pkg, codeLife.Milliseconds())
	if err == nil && changed == 0 {
		err = errs.New(errs.Limited, "code.flood", "Several codes were sent already. Look into your mailbox, or try again in ten minutes.")
	}
	return err
}

// hashCode binds a code to the browser, the person and the package.
func (a *Authn) hashCode(session string, p Person, pkg, code string) []byte {
	return a.box.Hash(codePurpose, strings.Join([]string{session, p.Account, p.Email, p.User, pkg, code}, "\x00"))
}

// ProveCode takes the code that was mailed to p. When it is right the browser
// has proved the mailbox: an invited user becomes active, and the browser gets a
// new cookie, which is returned; the old one is dead.
//
// Unauthenticated "identify.link"; Invalid "code.wrong" (Params left: the tries
// that are left), "code.expired" (or none was sent), "code.spent" (used, or too
// many tries); Denied "member.inactive". A wrong try is counted and recorded.
func (a *Authn) ProveCode(ctx context.Context, browser string, p Person, pkg, code string) (cookie string, err error) {
	var refused error
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		p, err := p.canonical(tx)
		if err != nil {
			return err
		}
		session, _, err := a.entered(tx, browser, p, pkg)
		if err != nil {
			return err
		}
		refused, err = a.try(tx, session, p, pkg, code)
		if err != nil || refused != nil {
			return err
		}
		cookie = secret.Token(cookieBytes)
		return a.proven(tx, session, cookie, p, pkg)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return "", err
	}
	return cookie, nil
}

// try compares one guess. The comparison, the count and the mark that a code is
// spent are one statement, so that no number of parallel guesses has more than
// five compared. A refusal is returned apart from err, because the act that
// counted it must stand.
func (a *Authn) try(tx *db.Tx, session string, p Person, pkg, code string) (refused, err error) {
	type row struct {
		Tries int
		Spent bool
	}
	guess := strings.NewReplacer(" ", "", "-", "").Replace(code)
	r, err := db.One[row](tx, `update mailbox_codes set tries = tries + 1, spent = (hash = $6)
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and package_id = $5
			and not spent and tries < $7 and created_ms > clock_ms() - $8
		returning tries, spent`,
		append(p.key(session, pkg), a.hashCode(session, p, pkg, guess), codeTries, codeLife.Milliseconds())...)
	switch {
	case errors.Is(err, db.ErrNone):
		refused, err = whyNot(tx, session, p, pkg)
	case err == nil && !r.Spent:
		refused = errs.New(errs.Invalid, "code.wrong", "This is not the code.").On("code").With("left", strconv.Itoa(codeTries-r.Tries))
	}
	if refused != nil && err == nil {
		err = tell(tx, p, pkg, "mailbox.code_refused", refused)
	}
	return refused, err
}

func whyNot(tx *db.Tx, session string, p Person, pkg string) (refused, err error) {
	used, err := db.One[int64](tx, `select count(*) from mailbox_codes
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and package_id = $5 and (spent or tries >= $6)`,
		append(p.key(session, pkg), codeTries)...)
	if used > 0 {
		return errs.New(errs.Invalid, "code.spent", "This code can be used no more. Ask for a new one.").On("code"), err
	}
	return errs.New(errs.Invalid, "code.expired", "The code has expired. Ask for a new one.").On("code"), err
}

// proven writes down a proof and renews the cookie, so that a cookie seen before the proof is worth nothing after it.
func (a *Authn) proven(tx *db.Tx, session, cookie string, p Person, pkg string) error {
	if _, err := tx.Exec(`insert into mailbox_proofs (session_id, account_id, email, user_id, package_id, name, proven_ms, last_ms)
		values ($1, $2, $3, $4, $5, $6, clock_ms(), clock_ms())
		on conflict (session_id, account_id, email, user_id, package_id) do update
			set name = excluded.name, proven_ms = excluded.proven_ms, last_ms = excluded.last_ms`,
		append(p.key(session, pkg), p.Name)...); err != nil {
		return err
	}
	if _, err := tx.Exec(`update browser_sessions set hash = $2, last_ms = clock_ms() where id = $1`,
		session, a.box.Hash(cookiePurpose, cookie)); err != nil {
		return err
	}
	if p.User != "" {
		if err := directory.MailboxProven(tx, p.User); err != nil {
			return err
		}
		if err := directory.SignedIn(tx, p.User); err != nil {
			return err
		}
	}
	return tell(tx, p, pkg, "mailbox.proven", nil)
}

// tell records an event of a person in a browser, by the address that others see just now.
func tell(tx *db.Tx, p Person, pkg, event string, refused error) error {
	e := audit.Event{Type: event, Account: p.Account, Package: pkg, Actor: audit.Person(p.User, p.Name, p.Email, "", "")}
	if p.User != "" {
		u, err := directory.UserByID(tx, p.User)
		if err != nil {
			return err
		}
		if u.EmailAlias != "" { // others see the alias, the log keeps the mailbox
			e.Actor.Email, e.Personal = u.EmailAlias, map[string]string{"mailbox": p.Email}
		}
	}
	if refused, ok := errors.AsType[*errs.Error](refused); ok {
		e.Refused, e.Detail = true, map[string]string{"why": refused.What}
	}
	_, err := audit.Append(tx, e)
	return err
}
