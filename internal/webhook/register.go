package webhook

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Style is how a receiver wants to be shown who calls.
type Style string

// The styles. The names of Conga's are as its documentation writes them.
const (
	Key    Style = "KEY"    // "Authorization: Basic " and the key as it was given (OneSpan Sign, Callbacks)
	Basic  Style = "Basic"  // user name and password (RFC 7617)
	Bearer Style = "Bearer" // a token (RFC 6750)
	None   Style = "None"
)

// Registration is where an account wants to hear of events. An empty URL is none.
type Registration struct {
	// Origin is a connector's name; empty for the account's own.
	Origin string
	URL    string
	Style  Style // empty is Key
	// Key for Key; User and Password for Basic; Token for Bearer.
	Key, User, Password, Token string
	// Events are names; All is every event there is.
	Events []string
	All    bool
}

// Limits of a registration, in bytes.
const (
	maxURL        = 2000
	maxCredential = 2000
)

// maxOrigins is how many connectors an account has beside its own callback: each event is kept for each of them.
const maxOrigins = 20

var plainOrigin = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// known is every name of an event.
func known(name string) bool {
	return slices.Contains(vendorEvents, name) || slices.Contains(leaseEvents, name)
}

// check refuses what could never be called and returns the host in lower case.
func (r *Registration) check() (host string, err error) {
	if r.Origin != "" && !plainOrigin.MatchString(r.Origin) {
		return "", errs.New(errs.Invalid, "callback.origin", "The name of a connector has letters, digits, dots, - and _, at most 64.").On("origin")
	}
	for _, name := range r.Events {
		if !known(name) {
			return "", errs.New(errs.Invalid, "callback.event", "There is no event %q.", clip(name, 64)).On("events").With("event", clip(name, 64))
		}
	}
	if err := r.checkCredential(); err != nil || r.URL == "" {
		return "", err
	}
	bad := func(why string) (string, error) {
		return "", errs.New(errs.Invalid, "callback.url", "The URL of a callback %s.", why).On("url")
	}
	u, err := url.Parse(r.URL)
	switch {
	case len(r.URL) > maxURL:
		return bad("has at most " + strconv.Itoa(maxURL) + " characters")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return bad("begins with https:// or http://")
	case u.Hostname() == "":
		return bad("names a host")
	case u.User != nil:
		return bad("holds no user name and password: they go into the key")
	case u.Fragment != "" || strings.HasSuffix(r.URL, "#"):
		return bad("has no fragment")
	}
	if n, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || n < 1 || n > 65535) || strings.HasSuffix(u.Host, ":") {
		return bad("has a port from 1 to 65535, or none")
	}
	return strings.ToLower(u.Hostname()), nil
}

// checkCredential refuses what no header can hold, and what is missing.
func (r *Registration) checkCredential() error {
	bad := func(why string) error {
		return errs.New(errs.Invalid, "callback.credential", "%s", why).On("key")
	}
	for _, s := range []string{r.Key, r.User, r.Password, r.Token} {
		if len(s) > maxCredential || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0xfffd }) {
			return bad("A key has at most " + strconv.Itoa(maxCredential) + " bytes and no control characters.")
		}
	}
	switch r.Style {
	case "":
		r.Style = Key
	case Key, None:
	case Basic:
		if r.URL != "" && r.User == "" || strings.Contains(r.User, ":") {
			return bad("Basic authentication needs a user name, which has no colon.")
		}
	case Bearer:
		if r.URL != "" && r.Token == "" {
			return bad("Bearer authentication needs a token.")
		}
	default:
		return errs.New(errs.Invalid, "callback.style", "The authentication of a callback is Basic, Bearer or None.").On("style")
	}
	return nil
}

// credential is what is kept of a registration, sealed.
type credential struct{ Key, User, Password, Token string }

// header is the Authorization of calls.
func (c credential) header(s Style) string {
	switch s {
	case Key:
		if c.Key != "" {
			return "Basic " + c.Key
		}
	case Basic:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
	case Bearer:
		return "Bearer " + c.Token
	}
	return ""
}

// callback is a row of callbacks.
type callback struct {
	ID, AccountID, Origin, URL, Host string
	Style                            Style
	Credential                       []byte
	Events                           string
	Secret, Former                   []byte
	FormerUntilMs                    int64
	CreatedMs, UpdatedMs             int64
	Registrant                       string
	ToldMs                           int64
	Generation                       int64
}

const columns = `id, account_id, origin, url, host, style, credential, events, secret, former, former_until_ms, created_ms, updated_ms, registrant, told_ms, generation`

// purpose binds what is sealed to the callback it belongs to.
func purpose(account, origin, what string) string {
	return "callback " + what + " " + account + " " + origin
}

func (w *Webhook) open(c callback) (out credential, err error) {
	plain, err := w.Box.Unseal(purpose(c.AccountID, c.Origin, "credential"), c.Credential)
	if err == nil {
		err = json.Unmarshal(plain, &out)
	}
	return out, err
}

// Register puts a registration in the place of the one of its origin; with an empty URL it
// switches the callback off. What waits for a receiver, a scheme, host and port, is never sent to a later one by
// itself: it is given up, and SendAgain sends it. Another path or query of the same receiver gets what waits. The secret
// that signs calls stays.
// Errors: Invalid "callback.url", "callback.origin", "callback.event", "callback.credential",
// "callback.style", "callback.too_many"; Denied "account.not_manager", "user.inactive".
func (w *Webhook) Register(ctx context.Context, p authz.Principal, r Registration) error {
	host, err := r.check()
	if err != nil {
		return err
	}
	plain, err := json.Marshal(credential{r.Key, r.User, r.Password, r.Token})
	if err != nil {
		return err
	}
	events := " " + strings.Join(slices.Compact(slices.Sorted(slices.Values(r.Events))), " ") + " "
	if r.All {
		events = "*"
	}
	return w.DB.Write(ctx, func(tx *db.Tx) error {
		if err := directory.MayManage(tx, p); err != nil {
			return err
		}
		moved, err := moves(tx, p.Account, r)
		if err != nil {
			return err
		}
		row, err := db.One[callback](tx, `insert into callbacks (`+columns+`)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, null, 0, clock_ms(), clock_ms(), $10, 0, 0)
			on conflict (account_id, origin) do update set url = excluded.url, host = excluded.host, style = excluded.style,
				credential = excluded.credential, events = excluded.events, updated_ms = excluded.updated_ms,
				generation = callbacks.generation + $11,
				registrant = excluded.registrant returning `+columns,
			secret.NewID(), p.Account, r.Origin, r.URL, host, r.Style, w.Box.Seal(purpose(p.Account, r.Origin, "credential"), plain),
			events, w.Box.Seal(purpose(p.Account, r.Origin, "secret"), []byte(newSecret())), p.User, moved)
		if err != nil {
			return err
		}
		if r.URL != "" {
			if err := bounded(tx, p.Account); err != nil {
				return err
			}
		}
		if err := giveUpFormer(tx, row); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "callback.changed", Account: p.Account, Actor: audit.By(p),
			Detail: map[string]string{"origin": r.Origin, "host": host, "events": strings.TrimSpace(events)}})
		return err
	})
}

// moves locks what a registration takes the place of and tells by 1 that it is at another receiver, by 0 that it is not.
func moves(tx *db.Tx, account string, next Registration) (int, error) {
	was, err := db.One[string](tx, `update callbacks set updated_ms = clock_ms() where account_id = $1 and origin = $2 returning url`,
		account, next.Origin)
	if errors.Is(err, db.ErrNone) {
		return 1, nil // if another registration is faster, its receiver is not known to be this one
	}
	if err == nil && at(was) == at(next.URL) {
		return 0, nil
	}
	return 1, err
}

// at is whom a URL reaches: its scheme, host and port. Of none it is empty.
func at(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// bounded refuses (Invalid "callback.too_many") one connector more than an account has. Those that are switched off do
// not count.
func bounded(tx *db.Tx, account string) error {
	// Two at once wait here for each other: on PostgreSQL neither would see the other's row.
	if _, err := tx.Exec(`update callbacks set updated_ms = updated_ms where account_id = $1 and id = (select min(id) from callbacks where account_id = $1)`,
		account); err != nil {
		return err
	}
	n, err := db.One[int](tx, `select count(*) from callbacks where account_id = $1 and origin <> '' and url <> ''`, account)
	if err == nil && n > maxOrigins {
		err = errs.New(errs.Invalid, "callback.too_many", "An account has callbacks of at most %d connectors.", maxOrigins).On("origin")
	}
	return err
}

// giveUpFormer ends what waits for an address that the callback has no more, lane by lane in the order in which acts lock
// several of them.
func giveUpFormer(tx *db.Tx, now callback) error {
	lanes, err := lanesInOrder(tx, `callback_id = $1 and exists (select 1 from deliveries where lane_id = lanes.id
		and state = 'waiting' and generation < $2)`, now.ID, now.Generation)
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		if err := giveUpLane(tx, now, lane); err != nil {
			return err
		}
	}
	return nil
}

// giveUpLane is giveUpFormer of one lane.
func giveUpLane(tx *db.Tx, now callback, lane string) error {
	const former = `lane_id = lanes.id and state = 'waiting' and generation`
	if err := tx.Later(`update lanes set held = false, claim = claim + 1,
			due_ms = case when exists (select 1 from deliveries where `+former+` = $2) then clock_ms() else null end
		where id = $1 and exists (select 1 from deliveries where `+former+` < $2)`, lane, now.Generation); err != nil {
		return err
	}
	return tx.Later(`update deliveries set state = 'failed', ended_ms = clock_ms(), last_error = $3
		where state = 'waiting' and generation < $2 and lane_id = $1`, lane, now.Generation, now.whyFormer())
}

// lanesInOrder are the ids of the lanes that a condition names, in the order of their callbacks and packages: whoever
// locks several of them does so in that order (see raiseAll), which is bytes' and no database's.
func lanesInOrder(tx *db.Tx, condition string, args ...any) ([]string, error) {
	type lane struct{ ID, CallbackID, Package string }
	lanes, err := db.All[lane](tx, `select id, callback_id, package from lanes where `+condition, args...)
	slices.SortFunc(lanes, func(a, b lane) int {
		return cmp.Or(strings.Compare(a.CallbackID, b.CallbackID), strings.Compare(a.Package, b.Package))
	})
	ids := make([]string, len(lanes))
	for i, l := range lanes {
		ids[i] = l.ID
	}
	return ids, err
}

// whyFormer is what is noted of a delivery for an earlier address.
func (c callback) whyFormer() string {
	if c.URL == "" {
		return "the callback was switched off"
	}
	return "the callback has another address now"
}

// Registered is the account's registration of an origin, its key included; without URL when there is none. Denied
// "account.not_manager", "user.inactive".
func (w *Webhook) Registered(ctx context.Context, p authz.Principal, origin string) (Registration, error) {
	r := Registration{Origin: origin, Style: Key}
	if _, err := r.check(); err != nil {
		return r, err
	}
	var row callback
	err := w.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if err := directory.MayManage(tx, p); err != nil {
			return err
		}
		row, err = db.One[callback](tx, `select `+columns+` from callbacks where account_id = $1 and origin = $2`, p.Account, origin)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	c, err := w.open(row)
	return Registration{Origin: origin, URL: row.URL, Style: row.Style, Key: c.Key, User: c.User, Password: c.Password, Token: c.Token,
		Events: row.names(), All: row.Events == "*"}, err
}

// names are the events the callback gets.
func (c callback) names() []string {
	if c.Events == "*" {
		return slices.Concat(vendorEvents, leaseEvents)
	}
	return strings.Fields(c.Events)
}

func newSecret() string { return secretPrefix + base64.StdEncoding.EncodeToString(secret.Bytes(32)) }

// NewSecret makes a new secret that signs the calls of a registration and returns it: the only
// time it is shown. The former one signs beside it for overlap, from 0 to 30 days. Errors:
// NotFound "callback.unknown", Invalid "callback.overlap".
func (w *Webhook) NewSecret(ctx context.Context, account, origin string, overlap time.Duration) (string, error) {
	if overlap < 0 || overlap > 30*24*time.Hour {
		return "", errs.New(errs.Invalid, "callback.overlap", "An overlap is at most 30 days.").On("overlap")
	}
	made := newSecret()
	return made, w.DB.Write(ctx, func(tx *db.Tx) error {
		changed, err := tx.Exec(`update callbacks set former = secret, former_until_ms = clock_ms() + $3, secret = $4, updated_ms = clock_ms()
			where account_id = $1 and origin = $2`, account, origin, overlap.Milliseconds(),
			w.Box.Seal(purpose(account, origin, "secret"), []byte(made)))
		if err != nil {
			return err
		}
		if changed == 0 {
			return errs.New(errs.NotFound, "callback.unknown", "This account has registered no such callback.")
		}
		_, err = audit.Append(tx, audit.Event{Type: "callback.secret", Account: account, Actor: audit.Actor{Kind: audit.KindOperator},
			Detail: map[string]string{"origin": origin, "overlap": overlap.String()}})
		return err
	})
}

// clip keeps what a client sent out of long texts.
func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
