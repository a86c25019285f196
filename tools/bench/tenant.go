package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

const (
	organisation = "Bench Partner"
	domain       = "partnerdomain.com"
	embed        = "/api/gateway/signembed/v1"
	auth         = "/api/gateway/adobesignauthservice/api/v1"
)

// tenant is a partner with accounts and users, set up over HTTP as he would himself.
type tenant struct {
	config    server.Config
	db        database
	pool      *sql.DB
	technical authn.TechnicalAccount
	bearer    string // of the technical account
	partner   string // internal id
	account   string // outer id of the users' account

	accountRows, userRows, exchangeRows []row // what one of these writes
	ids                                 []string
	emails                              []string
	accounts                            []string // some accounts' outer ids
	desk                                *desk
	lobbies                             map[int]lobby // by number of members
	auditors                            *auditors
}

// configure is the shipped server's configuration with a database.
func configure(d database, dir string) (server.Config, error) {
	cache, err := os.UserCacheDir()
	return server.Config{Listen: "127.0.0.1:0", URL: "http://127.0.0.1:1", Data: dir, Database: d.URL,
		Cache: filepath.Join(cache, "countersign-test-pdfium"), Mailbox: true, MailFrom: "Countersign <sign@example.com>",
		Product: "Countersign", MaxDocument: 16, ShutdownAfter: 5 * time.Second,
		TokenIssuer: "oem-prod", TokenAudience: "OEM PARTNERS"}, err
}

// newTenant sets up and fills a database.
func newTenant(ctx context.Context, o options, d database, dir string) (t *tenant, err error) {
	t = &tenant{db: d}
	if t.config, err = configure(d, dir); err != nil {
		return t, err
	}
	rooms, err := server.OpenRooms(ctx, t.config, slog.New(slog.DiscardHandler))
	if err != nil {
		return t, err
	}
	defer rooms.Close()
	if t.technical, err = rooms.Authn.CreateTechnicalAccount(ctx, organisation, "bench", "EdDSA"); err != nil {
		return t, err
	}
	if _, err = rooms.Directory.VouchDomain(ctx, organisation, domain); err != nil {
		return t, err
	}
	if t.desk, err = openDesk(ctx, rooms); err != nil {
		return t, err
	}
	if t.pool, err = d.open(2); err != nil {
		return t, err
	}
	c, err := startChild("role-server", t.config, 1)
	if err != nil {
		return t, err
	}
	err = t.onboard(ctx, c, rooms)
	if err == nil && o.wantsAny(lobbyItems) {
		err = t.openLobbies(ctx, c, rooms, o.conns)
	}
	if err = errors.Join(err, c.stop()); err != nil {
		return t, fmt.Errorf("onboard: %w", err)
	}
	return t, t.fill(ctx, o)
}

// onboard registers the partner, is activated, and makes accounts and users.
func (t *tenant) onboard(ctx context.Context, c *child, rooms *server.Rooms) (err error) {
	if err := t.signIn(c); err != nil {
		return err
	}
	id, err := c.get(request("POST", embed+"/partners", jsonMedia, t.bearer, `{"name":"Bench"}`), 201, "id")
	if err != nil {
		return err
	}
	if _, err = rooms.Directory.SetPartnerStatus(ctx, id, directory.PartnerActive); err != nil {
		return err
	}
	partners, err := column(ctx, t.pool, `select id from partners`)
	if err != nil || len(partners) != 1 {
		return errors.Join(err, fmt.Errorf("%d partners", len(partners)))
	}
	t.partner = partners[0]
	t.accountRows, err = t.observe(ctx, func() error {
		name := `{"name":"A` + letters(19) + `","countryCode":"US"}`
		t.account, err = c.get(request("POST", embed+"/accounts", jsonMedia, t.bearer, name), 201, "accountId")
		return err
	})
	if err != nil {
		return err
	}
	var emails []string
	t.userRows, err = t.observe(ctx, func() error {
		emails = append(emails, letters(16)+"@"+domain)
		_, err := c.get(t.newUser(emails[len(emails)-1]), 201, "userId")
		return err
	})
	if err != nil {
		return err
	}
	t.exchangeRows, err = t.observe(ctx, func() error {
		_, err := c.get(t.exchange(emails[0]), 200, "access_token")
		return err
	})
	if err != nil {
		return err
	}
	if t.auditors, err = hire(ctx, rooms, t.account); err != nil {
		return err
	}
	return t.observeDesk(ctx, c)
}

// observe does an act three times and returns the rows that one writes; the
// first, which may be special, is not looked at.
func (t *tenant) observe(ctx context.Context, act func() error) ([]row, error) {
	var seen []snapshot
	for range 3 {
		if err := act(); err != nil {
			return nil, err
		}
		s, err := takeSnapshot(ctx, t.db, t.pool)
		if err != nil {
			return nil, err
		}
		seen = append(seen, s)
	}
	return template(seen[1].grown(seen[0]), seen[2].grown(seen[1]))
}

// signIn gets a token for each side.
func (t *tenant) signIn(c *child) (err error) {
	if t.bearer, err = c.get(t.technicalToken(), 200, "access_token"); err != nil {
		return err
	}
	return t.desk.signIn(c)
}

func (t *tenant) technicalToken() []byte {
	return request("POST", "/ims/token/v3", formMedia, "", url.Values{"grant_type": {"client_credentials"},
		"client_id": {t.technical.ClientID}, "client_secret": {t.technical.ClientSecret}}.Encode())
}

func (t *tenant) newUser(email string) []byte {
	return request("POST", embed+"/users", jsonMedia, t.bearer, `{"email":"`+email+`","firstName":"John","lastName":"Doe","accountId":"`+t.account+
		`","initials":"JD","phone":"12345678111","title":"SDE","company":"Customer Inc"}`)
}

// exchange asks for a token of the user of an address, named in an unsecured JWT (RFC 7519 §6).
func (t *tenant) exchange(email string) []byte {
	claims, _ := json.Marshal(map[string]string{"email": email}) // a map of strings can be marshalled
	subject := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
	return request("POST", auth+"/token", formMedia, "", url.Values{
		"client_id": {t.technical.ClientID}, "client_secret": {t.technical.ClientSecret},
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {subject}, "subject_token_type": {"jwt"},
		"actor_token": {t.bearer}, "actor_token_type": {"access_token"},
		"scope": {"agreement_read,agreement_write,agreement_send,sign_user_read"}}.Encode())
}

func (t *tenant) validate(token string) []byte {
	return request("POST", auth+"/validate_token", formMedia, "", url.Values{"client_id": {t.technical.ClientID},
		"token": {token}, "type": {"access_token"}}.Encode())
}

// fill brings the numbers of accounts and users up to those wanted, by rows like those the server wrote.
func (t *tenant) fill(ctx context.Context, o options) error {
	accounts := of(t.accountRows, "accounts", "consumables")
	if err := t.db.fill(ctx, t.pool, accounts, o.accounts-3); err != nil {
		return err
	}
	if err := t.db.fill(ctx, t.pool, of(t.userRows, "users", "user_addresses"), o.users-3); err != nil {
		return err
	}
	if err := t.recountUsers(ctx); err != nil {
		return err
	}
	if err := t.fillDesk(ctx, o.packages); err != nil {
		return err
	}
	if !o.quick {
		if err := t.db.settle(ctx, t.pool); err != nil {
			return err
		}
	}
	var err error
	if t.accounts, err = column(ctx, t.pool, `select outer_id from accounts where partner_id = $1 order by id limit $2`, t.partner, accountsAtOnce); err != nil {
		return err
	}
	return t.readUsers(ctx)
}

// recountUsers puts the counters right after users were made without the server.
func (t *tenant) recountUsers(ctx context.Context) error {
	for _, s := range []string{`delete from user_counts`,
		`insert into user_counts (account_id, licence, shard, active, inactive, version)
			select account_id, case when sender then 'conga_sign' else '' end, 0, count(*), 0, 1
			from users where status in ('INVITED', 'ACTIVE') group by account_id, case when sender then 'conga_sign' else '' end`} {
		if _, err := t.pool.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// readUsers reads who there is, in random order.
func (t *tenant) readUsers(ctx context.Context) (err error) {
	both, err := column(ctx, t.pool, `select sender_id || ' ' || email from users where provisioned`)
	if err != nil {
		return err
	}
	rand.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
	t.ids, t.emails = nil, nil
	for _, s := range both {
		id, email, _ := strings.Cut(s, " ")
		t.ids = append(t.ids, id)
		if len(t.emails) < 2000 {
			t.emails = append(t.emails, email)
		}
	}
	return nil
}
