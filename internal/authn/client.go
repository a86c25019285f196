package authn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const secretPurpose = "client.secret"

// Token is an access token and what it is good for.
type Token struct {
	Access    string
	ExpiresIn time.Duration
	Scope     string // the scopes granted, separated by blanks
}

type clientRow struct {
	ID, AccountID, UserID string
	Rights                db.JSON[[]authz.Right]
	SecretHash            []byte
	Disabled              bool
}

// ClientToken gives an access token for a client's id and secret. scope is the
// names of rights separated by blanks; empty asks for all the client has.
//
// Unauthenticated "client.credentials" for an unknown id and a wrong secret
// alike; Denied "client.disabled" when the secret is right but the client or
// its user is not to act; Invalid "scope.unknown".
func (a *Authn) ClientToken(ctx context.Context, clientID, clientSecret, scope string) (t Token, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		c, err := a.client(tx, clientID, clientSecret)
		if err != nil {
			return err
		}
		u, err := directory.UserByID(tx, c.UserID)
		if err != nil {
			return err
		}
		if c.Disabled || !u.Alive() {
			return errs.New(errs.Denied, "client.disabled", "The client is disabled.")
		}
		granted, err := grant(c.Rights.V, scope)
		if err != nil {
			return err
		}
		of, err := generationsOf(tx, c, u)
		if err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		t = Token{ExpiresIn: tokenLife, Scope: strings.Join(granted, " ")}
		t.Access, err = a.issue(claims{Subject: u.ID, ClientID: c.ID, Scope: t.Scope,
			Organisation: u.Organisation, Account: c.AccountID, Generations: of}, now)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

// client finds a client by its credentials. Whether there is one of that id is
// not told, neither by the answer nor by its time.
func (a *Authn) client(tx *db.Tx, id, clientSecret string) (c clientRow, err error) {
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		id = "" // nobody's, and the database can compare it
	}
	c, err = db.One[clientRow](tx, `select id, account_id, user_id, rights, secret_hash, disabled from clients where id = $1`, id)
	if err != nil && !errors.Is(err, db.ErrNone) {
		return c, err
	}
	if !a.box.Matches(secretPurpose, clientSecret, c.SecretHash) { // no hash matches no secret
		return c, errs.New(errs.Unauthenticated, "client.credentials", "The client id or secret is wrong.")
	}
	return c, nil
}

// grant is what of a client's rights is asked for.
func grant(rights []authz.Right, scope string) (granted []string, err error) {
	for _, s := range strings.Fields(scope) {
		if !slices.Contains(rights, authz.Right(s)) {
			return nil, errs.New(errs.Invalid, "scope.unknown", "The scope is unknown, or not for this client.").On("scope")
		}
		if !slices.Contains(granted, s) {
			granted = append(granted, s)
		}
	}
	if granted == nil {
		for _, r := range rights {
			granted = append(granted, string(r))
		}
	}
	return granted, nil
}

func generationsOf(tx *db.Tx, c clientRow, u directory.User) (g generationsNow, err error) {
	g.User = u.Generation
	if g.Client, err = directory.GenerationOf(tx, directory.OfClient, c.ID); err != nil {
		return g, err
	}
	g.Account, err = directory.GenerationOf(tx, directory.OfAccount, c.AccountID)
	return g, err
}

// CreateClient makes a client of an account, given by its internal id, and the
// user it acts as: nobody's mailbox, a sender if it may sign. It is the
// operator's act. The secret is shown here and never again. NotFound
// "account.unknown", Invalid "name.malformed".
func (a *Authn) CreateClient(ctx context.Context, account string, rights []authz.Right, name string) (clientID, clientSecret string, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		// .invalid names no host (RFC 2606 §2), so nothing is ever delivered to it.
		u, err := directory.AddUser(tx, account,
			directory.NewUser{Email: "client-" + secret.NewGUID() + "@service.invalid", FirstName: name},
			directory.Standing{Status: directory.Active, UserType: directory.Integration, Role: "Service", Sender: slices.Contains(rights, authz.Sign)})
		if err != nil {
			return err
		}
		if clientID, err = addClient(tx, u, rights); err != nil {
			return err
		}
		if clientSecret, err = a.renewSecret(tx, u.ID); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "client.created", Account: account,
			Actor: audit.Actor{Kind: audit.KindOperator}, Detail: map[string]string{"client": clientID, "user": u.ID}})
		return err
	})
	if err != nil {
		return "", "", err
	}
	return clientID, clientSecret, nil
}

// addClient makes the client that acts as u; it has no secret yet.
func addClient(tx *db.Tx, u directory.User, rights []authz.Right) (id string, err error) {
	id = secret.NewGUID()
	_, err = tx.Exec(`insert into clients (id, account_id, user_id, name, rights, created_ms, updated_ms)
		values ($1, $2, $3, $4, $5, clock_ms(), clock_ms())`, id, u.Account, u.ID, u.Name(), db.AsJSON(rights))
	return id, err
}

// renewSecret gives the client of a user a new secret of 256 bits. The old one
// and the tokens it gave die.
func (a *Authn) renewSecret(tx *db.Tx, user string) (clientSecret string, err error) {
	clientSecret = secret.Token(32)
	id, err := db.One[string](tx, `update clients set secret_hash = $2, updated_ms = clock_ms() where user_id = $1 returning id`,
		user, a.box.Hash(secretPurpose, clientSecret))
	if err != nil {
		return "", err
	}
	_, err = directory.Raise(tx, directory.OfClient, id)
	return clientSecret, err
}
