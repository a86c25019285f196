package authn

import (
	"fmt"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// How a person was identified.
type How string

// By a code mailed to him, by the personal link mailed to him alone, or not by us: the sender's application made the session.
const (
	ByCode    How = "code"
	ByLink    How = "link"
	BySession How = "session"
)

// Proof says how the person in this browser is identified for an act on a
// package, as the account's Settings.MemberIdentification (mode) demands it:
// with "link" by having come through his personal link, or by a code; with "new
// browser" by having proved the mailbox in this browser for any package; with
// "always" for this one. Unless it is "always", an application of the sender may
// answer for him instead (EnterBySession); what he proves himself goes before. It counts as an act for the 30 minutes,
// and who came by his personal link becomes active if he was invited.
//
// Unauthenticated "identify.link", "identify.code"; Denied "member.inactive".
func (a *Authn) Proof(tx *db.Tx, browser string, p Person, pkg, mode string) (How, error) {
	p, err := p.canonical(tx)
	if err != nil {
		return "", err
	}
	session, how, err := a.known(tx, browser, p, pkg, mode)
	if err != nil {
		return "", err
	}
	if how == ByLink && p.User != "" {
		if err = directory.MailboxProven(tx, p.User); err != nil {
			return "", err
		}
	}
	if _, err = tx.Exec(`update mailbox_proofs set last_ms = clock_ms()
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and last_ms > clock_ms() - $5`,
		session, p.Account, p.Email, p.User, idleFor.Milliseconds()); err != nil {
		return "", err
	}
	return how, touch(tx, session)
}

// Known is Proof for what a page does by itself, such as polling: it changes
// nothing, so that an open page keeps nobody identified, and works in a Read.
func (a *Authn) Known(tx *db.Tx, browser string, p Person, pkg, mode string) (How, error) {
	p, err := p.canonical(tx)
	if err != nil {
		return "", err
	}
	_, how, err := a.known(tx, browser, p, pkg, mode)
	return how, err
}

// Arrived is for an act of p: it tells which client sent this browser to the package as p and may still answer for him,
// or "" (attack L4: what is done through such a session is told apart), and whether the act is p's first since then. Before,
// only the application's address was followed, which a mail scanner does as well.
func (a *Authn) Arrived(tx *db.Tx, browser string, p Person, pkg string) (client string, first bool, err error) {
	if p, err = p.canonical(tx); err != nil {
		return "", false, err
	}
	session, e, err := a.entered(tx, browser, p, pkg)
	if err != nil || e.madeBy == "" {
		return "", false, err
	}
	changed, err := tx.Exec(`update browser_entries set arrived = true
		where session_id = $1 and account_id = $2 and email = $3 and user_id = $4 and package_id = $5 and not arrived`, p.key(session, pkg)...)
	return e.madeBy, changed == 1, err
}

func (a *Authn) known(tx *db.Tx, browser string, p Person, pkg, mode string) (session string, how How, err error) {
	session, e, err := a.entered(tx, browser, p, pkg)
	if err != nil {
		return "", "", err
	}
	switch mode {
	case directory.Link:
		if e.personal {
			return session, ByLink, nil
		}
	case directory.NewBrowser:
	case directory.Always:
		e.proved = e.provedHere
	default:
		return "", "", fmt.Errorf("authn: unknown member identification %q", mode)
	}
	switch {
	case e.proved:
	case e.madeBy != "" && mode != directory.Always:
		return session, BySession, nil
	default:
		return "", "", errs.New(errs.Unauthenticated, "identify.code", "Prove your mailbox by a code first.")
	}
	return session, ByCode, nil
}

// People are those whose mailbox this browser has proved and who may still act,
// without counting as an act. A browser without a session knows nobody.
func (a *Authn) People(tx *db.Tx, browser string) ([]Person, error) {
	people := []Person{}
	session, err := a.session(tx, browser)
	if errs.Is(err, "identify.link") {
		return people, nil
	}
	if err != nil {
		return nil, err
	}
	type row struct{ AccountID, Email, Name, UserID string }
	rows, err := db.All[row](tx, `select account_id, email, max(name) as name, user_id from mailbox_proofs
		where session_id = $1 and last_ms > clock_ms() - $2 and proven_ms > clock_ms() - $3
		group by account_id, email, user_id order by min(proven_ms)`, session, idleFor.Milliseconds(), holdFor.Milliseconds())
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		p, err := Person{Account: r.AccountID, Email: r.Email, Name: r.Name, User: r.UserID}.canonical(tx)
		if errs.Is(err, "member.inactive") {
			continue
		}
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, nil
}
