package authn

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

const (
	linkPurpose = "console.link"
	linkJob     = "console.link"
	linkLife    = 15 * time.Minute
	choiceLife  = 5 * time.Minute
	throttled   = 15 * time.Minute
	maxLink     = 200
)

// Where mailed links lead, with the token in the query's member "token". Following one changes nothing, for mail scanners
// and previews do: the page posts the token, to RedeemLink or SetPasswordByLink.
const (
	LinkPath     = consoleHome + "/sign-in/link"
	PasswordPath = consoleHome + "/sign-in/password"
)

// What a link is for.
const (
	forSignIn   = "sign-in"
	forPassword = "password"
	forChoice   = "choice" // among people whose password was right
)

// Strangers may ask this often.
var (
	linksOfAddress   = limit.Policy{Name: "link.address", Quota: 3, Window: throttled}
	linksOfIP        = limit.Policy{Name: "link.ip", Quota: 20, Window: throttled}
	guessesOfAddress = limit.Policy{Name: "password.address", Quota: 5, Window: throttled}
	guessesOfIP      = limit.Policy{Name: "password.ip", Quota: 30, Window: throttled}
	providersOfIP    = limit.Policy{Name: "provider.ip", Quota: 60, Window: throttled}
)

// Entered is what a sign-in came to: a session, or a choice among the people of one address.
type Entered struct {
	Cookie   string // of the new session; empty: there is a choice to make
	ReturnTo string // a page of the console
	// Choose are the people, and Ticket is what RedeemLink, or SetPasswordByLink if it came from there, takes with the id of one.
	Choose []directory.Person
	Ticket string
}

// asked is the payload of the job that mails a link.
type asked struct {
	ID, Purpose, Email, ReturnTo string
	AtMs                         int64
}

// HandleJobs has a queue mail the links that people ask for. Call it before the queue runs.
func (a *Authn) HandleJobs(q *jobs.Queue) {
	q.Handle(linkJob, jobs.Policy{Tries: 10, Timeout: time.Minute}, a.mailLink)
}

// SendSignInLink mails a link that signs in, once, within 15 minutes, to whoever has the address. Whether anybody has is
// not told, neither by the answer nor by its time: it is found out later, by a job. returnTo goes through ReturnTo.
// Invalid "email.malformed"; Limited "sign_in.flood".
func (a *Authn) SendSignInLink(ctx context.Context, email, returnTo string) error {
	return a.askForLink(ctx, asked{Purpose: forSignIn, Email: email, ReturnTo: ReturnTo(returnTo)})
}

// SendPasswordLink mails a link with which a password is set. As SendSignInLink.
func (a *Authn) SendPasswordLink(ctx context.Context, email string) error {
	return a.askForLink(ctx, asked{Purpose: forPassword, Email: email, ReturnTo: consoleHome})
}

func (a *Authn) askForLink(ctx context.Context, in asked) (err error) {
	if in.Email, err = directory.CanonicalEmail(in.Email); err != nil {
		return err
	}
	if err = a.spend(ctx, linksOfIP, network(ctx)); err == nil {
		err = a.spend(ctx, linksOfAddress, in.Email)
	}
	if err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		in.ID, in.AtMs = secret.NewID(), now.UnixMilli()
		return jobs.Add(tx, linkJob, in.ID, in, 0)
	})
}

// spend counts one of what strangers may do. Limited "sign_in.flood" with Params retry, in seconds.
func (a *Authn) spend(ctx context.Context, p limit.Policy, key string) error {
	return a.throttle(ctx, a.limits.Take, p, key)
}

// throttle asks for a decision; who has no address, such as a test, is not counted. Addresses are kept as hashes only.
func (a *Authn) throttle(ctx context.Context, ask func(context.Context, limit.Policy, string) (limit.Decision, error), p limit.Policy, key string) error {
	if key == "" {
		return nil
	}
	d, err := ask(ctx, p, hex.EncodeToString(a.box.Hash("throttle", key)))
	if err == nil && !d.Allowed {
		minutes := int((d.Retry + time.Minute - 1) / time.Minute)
		err = errs.New(errs.Limited, "sign_in.flood", "That was tried too often. Try again in %d minutes.", max(minutes, 1)).
			With("retry", strconv.Itoa(int((d.Retry+time.Second-1)/time.Second)))
	}
	return err
}

// network is where a request came from, as it is counted: an IPv4 address, or the 64 bits of an IPv6 address that one
// customer of a provider has at least (RFC 6177 §2).
func network(ctx context.Context) string {
	from := audit.OriginOf(ctx).IP
	ip, err := netip.ParseAddr(from)
	if err != nil {
		return from
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.String()
	}
	return ip.String()
}

// mailLink makes a link for an address that somebody has, and mails it. Where a job is done twice, the second mail is
// not sent and its link nobody knows.
func (a *Authn) mailLink(ctx context.Context, payload []byte) error {
	var in asked
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil || now.Sub(db.Time(in.AtMs)) > linkLife {
			return err // nobody waits for it any more
		}
		people, err := directory.PeopleAt(tx, in.Email)
		if err != nil || len(people) == 0 {
			return err
		}
		token, err := a.insertLink(tx, in.Purpose, in.Email, in.ReturnTo, nil, linkLife)
		if err != nil {
			return err
		}
		m := mail.Message{To: mail.Address{Email: in.Email}, Key: linkJob + " " + in.ID}
		words := mail.SignIn{Link: a.issuer + LinkPath + "?token=" + token, Minutes: int(linkLife.Minutes())}
		if len(people) == 1 {
			m.Account, m.To.Name, words.Person = people[0].Account, people[0].Name, people[0].Name
		}
		if m.Data = words; in.Purpose == forPassword {
			words.Link = a.issuer + PasswordPath + "?token=" + token
			m.Data = mail.PasswordLink(words)
		}
		if err = a.post.Send(tx, m); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "console.link_sent", Account: m.Account, Actor: audit.System,
			Detail: map[string]string{"purpose": in.Purpose}, Personal: map[string]string{"to": in.Email}})
		return err
	})
}

// insertLink makes a link of 256 bits for some of the people of an address, or with none for all.
func (a *Authn) insertLink(tx *db.Tx, purpose, email, returnTo string, people []string, life time.Duration) (token string, err error) {
	token = secret.Token(32)
	_, err = tx.Exec(`insert into sign_in_links (hash, email, people, purpose, return_to, spent, created_ms, expires_ms)
		values ($1, $2, $3, $4, $5, false, clock_ms(), clock_ms() + $6)`,
		a.box.Hash(linkPurpose, token), email, db.AsJSON(people), purpose, returnTo, life.Milliseconds())
	return token, err
}

type linkRow struct {
	Email, Purpose, ReturnTo string
	People                   db.JSON[[]string]
}

// link finds one that is good for one of some purposes, and the people it is for. Unauthenticated "link.invalid".
func (a *Authn) link(tx *db.Tx, token string, purposes ...string) (r linkRow, people []directory.Person, err error) {
	if len(token) > maxLink {
		return r, nil, badLink()
	}
	r, err = db.One[linkRow](tx, `select email, purpose, return_to, people from sign_in_links
		where hash = $1 and not spent and expires_ms > clock_ms()`, a.box.Hash(linkPurpose, token))
	if errors.Is(err, db.ErrNone) || err == nil && !slices.Contains(purposes, r.Purpose) {
		err = badLink()
	}
	if err != nil {
		return r, nil, err
	}
	people, err = directory.PeopleAt(tx, r.Email)
	if len(r.People.V) > 0 {
		people = slices.DeleteFunc(people, func(p directory.Person) bool { return !slices.Contains(r.People.V, p.ID) })
	}
	if err == nil && len(people) == 0 {
		err = badLink()
	}
	return r, people, err
}

func badLink() error {
	return errs.New(errs.Unauthenticated, "link.invalid", "This link is not valid, or not any more. Ask for a new one.")
}

// choose finds one of some people by his id, or the only one; ok is false when there is a choice to make.
// Unauthenticated "link.invalid".
func choose(people []directory.Person, id string) (who directory.Person, ok bool, err error) {
	if id == "" {
		return people[0], len(people) == 1, nil
	}
	i := slices.IndexFunc(people, func(p directory.Person) bool { return p.ID == id })
	if i < 0 {
		return who, false, badLink()
	}
	return people[i], true, nil
}

// spendLink uses a link up. Of several who do so at the same moment one succeeds; the others get Unauthenticated "link.invalid".
func (a *Authn) spendLink(tx *db.Tx, token string) error {
	changed, err := tx.Exec(`update sign_in_links set spent = true where hash = $1 and not spent and expires_ms > clock_ms()`,
		a.box.Hash(linkPurpose, token))
	if err == nil && changed == 0 {
		err = badLink()
	}
	return err
}

// RedeemLink exchanges the token of a mailed link, or the ticket of a choice, for a session of one of the people it is for,
// by his internal id; "" is the only one. Where there are several the link stays good till one is chosen. Following the
// mailed link proves the mailbox: an invited user becomes active. Unauthenticated "link.invalid".
func (a *Authn) RedeemLink(ctx context.Context, token, person string) (e Entered, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		r, people, err := a.link(tx, token, forSignIn, forChoice)
		if err != nil {
			return err
		}
		who, chosen, err := choose(people, person)
		if e = (Entered{ReturnTo: r.ReturnTo, Choose: people, Ticket: token}); err != nil || !chosen {
			return err
		}
		if err = a.spendLink(tx, token); err != nil {
			return err
		}
		how := HowPassword
		if r.Purpose == forSignIn {
			how = HowLink
			if err = mailboxProven(tx, who); err != nil {
				return err
			}
		}
		e = Entered{ReturnTo: r.ReturnTo}
		e.Cookie, err = a.beginSession(tx, who, how)
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	return e, nil
}

// mailboxProven makes an invited user active.
func mailboxProven(tx *db.Tx, who directory.Person) error {
	if who.Kind != directory.KindUser {
		return nil
	}
	return directory.MailboxProven(tx, who.ID)
}
