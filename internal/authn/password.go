package authn

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
)

const (
	saltPurpose = "password.salt"
	saltBytes   = 16
	keyBytes    = 32
	// hashedAtOnce bounds the memory that passwords take, and how many guesses are compared before the first is counted.
	hashedAtOnce = 2
	// hashedLater bounds how many wait for that, and so how long: some seconds, however many strangers come at once.
	hashedLater = 64
	minPassword = 12
	maxPassword = 128
	// freshFor is how long a sign-in by the mailbox, or by an identity provider, stands in for the old password.
	freshFor = 15 * time.Minute
)

// argon is what a hash costs (RFC 9106 §3.1).
type argon struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// argonNow is RFC 9106's second recommended option (§4) with one lane: a server hashes many passwords, not one.
var argonNow = argon{memory: 64 << 10, passes: 3, threads: 1}

// phc is a password's hash as it is stored, a PHC string.
type phc struct {
	argon
	salt, key []byte
}

func (h phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads, b64(h.salt), b64(h.key))
}

func parsePHC(text string) (h phc, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errors.New("authn: a password is not kept as argon2id")
	}
	if _, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil || h.passes == 0 || h.threads == 0 {
		return h, errors.New("authn: a password is kept with unknown parameters")
	}
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err == nil {
		h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	}
	return h, err
}

// salt of an address. All people of one address have the same, so that a try costs one hash whether nobody, one, or
// several have it. It also binds a password to the address under which it was set: whoever gets another address asks for
// a link and sets it anew.
func (a *Authn) salt(email string) []byte { return a.box.Hash(saltPurpose, email)[:saltBytes] }

func (a *Authn) stretch(email, password string, cost argon) phc {
	h := phc{argon: cost, salt: a.salt(email)}
	h.key = argon2.IDKey([]byte(norm.NFC.String(password)), h.salt, cost.passes, cost.memory, cost.threads, keyBytes)
	return h
}

// hashSlot waits until a password may be hashed. Unavailable "sign_in.busy" when too many wait.
func (a *Authn) hashSlot(ctx context.Context) (free func(), err error) {
	select {
	case a.queueing <- struct{}{}:
		defer func() { <-a.queueing }()
	default:
		return nil, errs.New(errs.Unavailable, "sign_in.busy", "Too many passwords are being checked at the moment. Try again, or have a link sent.")
	}
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kept is the hash of one person's password.
type kept struct {
	person directory.Person
	text   string
	phc    phc
}

// keptFor are the passwords of some people that were set under an address. It looks for nobody's as for one person's.
func (a *Authn) keptFor(tx *db.Tx, people []directory.Person, email string) (list []kept, err error) {
	salt := a.salt(email)
	if len(people) == 0 {
		people = []directory.Person{{}}
	}
	for _, who := range people {
		text, err := db.One[string](tx, `select hash from passwords where person_id = $1`, who.ID)
		if errors.Is(err, db.ErrNone) {
			continue
		}
		h, parsed := parsePHC(text)
		if err = errors.Join(err, parsed); err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare(h.salt, salt) == 1 {
			list = append(list, kept{who, text, h})
		}
	}
	return list, nil
}

// matching are those of some passwords that this one is. It hashes once for each cost that they have: mostly that is
// today's, and for no passwords it is as well.
func (a *Authn) matching(list []kept, email, password string) (right []kept) {
	hashes := map[argon]phc{a.argon: a.stretch(email, password, a.argon)}
	for _, k := range list {
		h, ok := hashes[k.phc.argon]
		if !ok {
			h = a.stretch(email, password, k.phc.argon)
			hashes[k.phc.argon] = h
		}
		if subtle.ConstantTimeCompare(h.key, k.phc.key) == 1 {
			right = append(right, k)
		}
	}
	return right
}

// guess compares a password with those of some people of an address, and counts it if it is none's. Looking whether
// another guess is allowed, comparing and counting happen in one slot, so that parallel guesses cannot overtake the count
// by more than the slots there are. Who is refused anyhow does not wait for one. Unauthenticated "sign_in.wrong"; Limited
// "sign_in.flood"; Unavailable "sign_in.busy".
func (a *Authn) guess(ctx context.Context, email, password string, find func(tx *db.Tx) ([]directory.Person, error)) (right []kept, err error) {
	if err = a.mayGuess(ctx, email); err != nil {
		return nil, err
	}
	free, err := a.hashSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	if err = a.mayGuess(ctx, email); err != nil {
		return nil, err
	}
	var list []kept
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		people, err := find(tx)
		if err == nil {
			list, err = a.keptFor(tx, people, email)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if right = a.matching(list, email, password); len(right) > 0 {
		return right, a.rehash(ctx, right, email, password)
	}
	for policy, key := range map[limit.Policy]string{guessesOfIP: network(ctx), guessesOfAddress: email} {
		if err = a.spend(ctx, policy, key); err != nil && errs.KindOf(err) != errs.Limited { // somebody else took the last one
			return nil, err
		}
	}
	return nil, a.refuseGuess(ctx, email)
}

// mayGuess looks whether another guess is allowed. Limited "sign_in.flood".
func (a *Authn) mayGuess(ctx context.Context, email string) error {
	err := a.throttle(ctx, a.limits.Look, guessesOfIP, network(ctx))
	if err == nil {
		err = a.throttle(ctx, a.limits.Look, guessesOfAddress, email)
	}
	return err
}

// refuseGuess records a wrong guess, of no account in particular: the answer takes as long whoever has the address.
func (a *Authn) refuseGuess(ctx context.Context, email string) error {
	if err := audit.Refused(ctx, a.db, audit.Event{Type: "console.password_refused", Actor: audit.Actor{Kind: audit.KindPerson},
		Personal: map[string]string{"subject_email": email}}); err != nil {
		return err
	}
	return wrongPassword()
}

func wrongPassword() error {
	return errs.New(errs.Unauthenticated, "sign_in.wrong", "The address or the password is wrong.")
}

// rehash keeps passwords that are known just now at today's cost.
func (a *Authn) rehash(ctx context.Context, right []kept, email, password string) error {
	if !slices.ContainsFunc(right, func(k kept) bool { return k.phc.argon != a.argon }) {
		return nil
	}
	next := a.stretch(email, password, a.argon)
	err := a.db.Write(ctx, func(tx *db.Tx) error {
		for _, k := range right {
			if _, err := tx.Exec(`update passwords set hash = $2 where person_id = $1 and hash = $3`, k.person.ID, next.String(), k.text); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range right {
		right[i].text, right[i].phc = next.String(), next
	}
	return err
}

// PasswordSignIn signs in the person of an address whose password it is. Where it is several people's, Entered has the
// choice for RedeemLink, unless person, an internal id, says which. Five wrong guesses in 15 minutes for an address, and
// thirty from one network address, are all there are; links are still sent then. Nobody learns whether somebody has the
// address: the answer is the same, and so is the work (attack T15).
//
// Invalid "email.malformed"; Unauthenticated "sign_in.wrong"; Limited "sign_in.flood"; Unavailable "sign_in.busy".
func (a *Authn) PasswordSignIn(ctx context.Context, email, password, person, returnTo string) (e Entered, err error) {
	if email, err = directory.CanonicalEmail(email); err != nil {
		return e, err
	}
	right, err := a.guess(ctx, email, password, func(tx *db.Tx) ([]directory.Person, error) {
		people, err := directory.PeopleAt(tx, email)
		if person != "" {
			people = slices.DeleteFunc(people, func(p directory.Person) bool { return p.ID != person })
		}
		return people, err
	})
	if err != nil {
		return e, err
	}
	return a.admit(ctx, right, email, returnTo)
}

// admit signs in the person of a right password, or asks which of several, unless another password was set meanwhile, which
// ends all that came of this one. Unauthenticated "sign_in.wrong".
func (a *Authn) admit(ctx context.Context, right []kept, email, returnTo string) (e Entered, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		e = Entered{ReturnTo: ReturnTo(returnTo)}
		for _, k := range right {
			if err = holdPassword(tx, k); err != nil {
				return err
			}
		}
		if len(right) == 1 {
			e.Cookie, err = a.beginSession(tx, right[0].person, HowPassword)
			return err
		}
		var ids []string
		for _, k := range right {
			ids, e.Choose = append(ids, k.person.ID), append(e.Choose, k.person)
		}
		e.Ticket, err = a.insertLink(tx, forChoice, email, e.ReturnTo, ids, choiceLife)
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	return e, nil
}

// holdPassword keeps a password until the transaction ends. Unauthenticated "sign_in.wrong" when it is that no more.
func holdPassword(tx *db.Tx, k kept) error {
	changed, err := tx.Exec(`update passwords set hash = hash where person_id = $1 and hash = $2`, k.person.ID, k.text)
	if err == nil && changed == 0 {
		err = wrongPassword()
	}
	return err
}

// HasPassword tells whether the person of a console session has a password that works. Denied "right.missing".
func (a *Authn) HasPassword(ctx context.Context, p authz.Principal) (has bool, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		who, err := personOf(tx, p)
		if err != nil {
			return err
		}
		list, err := a.keptFor(tx, []directory.Person{who}, who.Email)
		has = len(list) > 0
		return err
	})
	return has, err
}

// SetPassword sets the password of the person of a console session. The old one is needed; who has none must have signed
// in by a link or an identity provider in the last 15 minutes. All his other sessions end, and a mail tells him.
//
// Denied "right.missing", "password.link"; Invalid "password.length", "password.common"; Unauthenticated "sign_in.wrong"
// for the old one, which is counted as at the sign-in; Limited "sign_in.flood"; Unavailable "sign_in.busy".
func (a *Authn) SetPassword(ctx context.Context, p authz.Principal, old, password string) error {
	var who directory.Person
	var has []kept
	var fresh bool
	err := a.db.Read(ctx, func(tx *db.Tx) (err error) {
		if who, err = personOf(tx, p); err != nil {
			return err
		}
		if has, err = a.keptFor(tx, []directory.Person{who}, who.Email); err != nil {
			return err
		}
		n, err := db.One[int64](tx, `select count(*) from console_sessions where id = $1 and how <> $2 and created_ms > clock_ms() - $3`,
			p.Session, HowPassword, freshFor.Milliseconds())
		fresh = n > 0
		return err
	})
	if err == nil {
		err = goodPassword(who.Email, password)
	}
	if err == nil && len(has) == 0 && !fresh {
		err = errs.New(errs.Denied, "password.link", "Ask for a link to set a password, or sign in by a link first.")
	}
	if err == nil && len(has) > 0 {
		_, err = a.guess(ctx, who.Email, old, func(*db.Tx) ([]directory.Person, error) { return []directory.Person{who}, nil })
	}
	if err != nil {
		return err
	}
	return a.keepPassword(ctx, who, password, func(tx *db.Tx) error { return endSessions(tx, who.ID, p.Session) })
}

// SetPasswordByLink sets a password by the token of a mailed link, and signs in. person is as in RedeemLink; so is the
// choice. All other sessions of the person end, and a mail tells him. Unauthenticated "link.invalid"; Invalid
// "password.length", "password.common", and Unavailable "sign_in.busy", for which the link stays good.
func (a *Authn) SetPasswordByLink(ctx context.Context, token, person, password string) (e Entered, err error) {
	var who directory.Person
	var chosen bool
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		r, people, err := a.link(tx, token, forPassword)
		if err != nil {
			return err
		}
		e = Entered{ReturnTo: r.ReturnTo, Choose: people, Ticket: token}
		who, chosen, err = choose(people, person)
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	if err = goodPassword(who.Email, password); err != nil {
		return Entered{}, err
	}
	if !chosen {
		return e, nil
	}
	err = a.keepPassword(ctx, who, password, func(tx *db.Tx) error {
		_, people, err := a.link(tx, token, forPassword)
		if err == nil {
			who, _, err = choose(people, who.ID)
		}
		if err == nil {
			err = a.spendLink(tx, token)
		}
		if err == nil {
			err = endSessions(tx, who.ID, "")
		}
		if err == nil {
			err = mailboxProven(tx, who)
		}
		if err == nil {
			e = Entered{ReturnTo: e.ReturnTo}
			e.Cookie, err = a.beginSession(tx, who, HowLink)
		}
		return err
	})
	if err != nil {
		return Entered{}, err
	}
	return e, nil
}

// keepPassword hashes a password and keeps it with the act that goes along.
func (a *Authn) keepPassword(ctx context.Context, who directory.Person, password string, act func(tx *db.Tx) error) error {
	free, err := a.hashSlot(ctx)
	if err != nil {
		return err
	}
	hash := a.stretch(who.Email, password, a.argon).String()
	free()
	return a.db.Write(ctx, func(tx *db.Tx) error {
		// The password comes first: a sign-in by the old one, which holds it, is over by now and its session ends, or fails.
		if _, err := tx.Exec(`insert into passwords (person_id, hash, updated_ms) values ($1, $2, clock_ms())
			on conflict (person_id) do update set hash = excluded.hash, updated_ms = excluded.updated_ms`, who.ID, hash); err != nil {
			return err
		}
		if _, err := tx.Exec(`update sign_in_links set spent = true where email = $1 and purpose = $2 and expires_ms > clock_ms()`, who.Email, forChoice); err != nil {
			return err
		}
		if err := act(tx); err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if err = a.post.Send(tx, mail.Message{To: mail.Address{Name: who.Name, Email: who.Email}, Account: who.Account,
			Data: mail.PasswordSet{Person: who.Name, Account: who.AccountName, At: now, Link: a.issuer + consoleHome + "/sign-in"}}); err != nil {
			return err
		}
		return recordPerson(tx, "console.password_set", who, nil)
	})
}

// goodPassword refuses one that would be guessed at once (NIST SP 800-63B §5.1.1.2: length and a list, no rules of
// composition). Invalid "password.length", "password.common".
func goodPassword(email, password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword || !utf8.ValidString(password) {
		return errs.New(errs.Invalid, "password.length", "A password has %d to %d characters.", minPassword, maxPassword).On("password")
	}
	folded := strings.ToLower(norm.NFC.String(password))
	local, _, _ := strings.Cut(email, "@")
	different := map[rune]bool{}
	for _, r := range folded {
		different[r] = true
	}
	if folded == email || folded == local || len(different) < 5 || commonPasswords[folded] {
		return errs.New(errs.Invalid, "password.common", "Others would guess this password. Take a longer one, of several words.").On("password")
	}
	return nil
}

// commonPasswords are those of at least twelve characters that guessing begins with.
var commonPasswords = func() map[string]bool {
	list := map[string]bool{}
	for _, p := range strings.Fields(`123456789012 1234567890123 12345678901234 123456789123 123456789abc 1234567890ab 1234567890qwe 0123456789ab
		012345678901 987654321098 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv qwertyuiop12 qwertyuiop123 qwertyuiop[] qwerty123456
		qwerty1234567 qwertyuiopas qwertyuiopasdf qwertzuiop12 qwertzuiop123 azertyuiop12 azertyuiop123 asdfghjkl123 asdfghjklzxc zxcvbnm12345
		zxcvbnmasdfghjkl abcdefghijkl abcdefghijklm abcdefghijklmnop abcdefghijklmnopqrstuvwxyz abcdef123456 abcd12345678 abc123abc123
		password1234 password12345 password123456 password2024 password2025 password2026 passwordpassword passw0rd1234 p@ssw0rd1234 p@ssword1234
		p@ssword123! password123! password1234! mypassword12 mypassword123 mypassword1234 changeme1234 changemeplease changeme12345 letmein12345
		letmein123456 letmeinplease welcome12345 welcome123456 welcome12345! administrator administrator1 administrator123 admin1234567 adminadmin12
		adminadminadmin administrator! rootrootroot iloveyou1234 iloveyou12345 iloveyouforever football1234 baseball1234 superman1234 sunshine1234
		princess1234 monkey123456 dragon123456 trustno1trustno1 starwars1234 whateverwhatever correcthorsebatterystaple countersign1 countersign12
		countersign123 countersign1234 signature123 signature1234 summer202612 winter202612 secretsecret secret123456 testtesttest test12345678
		temporary123 temporarypassword defaultpassword`) {
		list[p] = true
	}
	return list
}()
