package authn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	secretPurpose = "client.secret"
	// ofSecret is the kind of generation that is raised when a client's secrets
	// change and its tokens shall live on.
	ofSecret = "secret"
)

// clientRecord is a client that may act, with the hashes of its secrets, as it
// was when its generations were what they are here. It is never changed.
type clientRecord struct {
	Client
	hash, previousHash []byte
	generations        generationsNow
	secretGeneration   int64
}

// superseded reports that the record may not be true any more.
func (n *news) superseded(c *clientRecord) bool {
	return n.dead(directory.OfClient, c.ID, c.generations.Client) || n.dead(ofSecret, c.ID, c.secretGeneration) ||
		n.dead(directory.OfUser, c.User, c.generations.User) || n.dead(directory.OfAccount, c.Account, c.generations.Account)
}

// ClientToken gives an access token for a member client's id and secret. scope
// is the names of rights separated by blanks; empty asks for all the client has.
// When the client is known already it asks no database.
//
// Unauthenticated "client.credentials" for an unknown id and a wrong secret
// alike; Denied "client.disabled" when the secret is right but the client or
// its user is not to act; Invalid "scope.unknown"; Unavailable "authn.stale".
func (a *Authn) ClientToken(ctx context.Context, clientID, clientSecret, scope string) (Token, error) {
	return a.ClientTokenAs(ctx, clientID, clientSecret, scope, As{})
}

// ClientTokenAs is ClientToken for a token that acts as another sender of the
// client's account. For him it asks the database. Also Invalid "grant.sender";
// Denied "right.missing" when the client may not sign.
func (a *Authn) ClientTokenAs(ctx context.Context, clientID, clientSecret, scope string, as As) (Token, error) {
	n, now, err := a.current()
	if err != nil {
		return Token{}, err
	}
	c, err := a.credentialsOf(ctx, n, now, authz.Member, clientID, clientSecret)
	if err != nil {
		return Token{}, err
	}
	f, err := a.formOf(ctx, c, as)
	if err != nil {
		return Token{}, err
	}
	granted, err := grant(f.rights, strings.Fields(scope))
	if err != nil {
		return Token{}, err
	}
	var act *actor
	if f.by != "" {
		act = &actor{f.by}
	}
	t := newToken(tokenLife, granted)
	t.Access, err = a.sign(ctx, c.Alg, claims{
		Issuer: a.issuer, Subject: f.user, Act: act, Audience: a.issuer, ClientID: c.ID,
		IssuedAt: now.Unix(), Expires: now.Add(tokenLife).Unix(), ID: secret.Token(16), Scope: t.Scope,
		Organisation: c.Organisation, Account: c.Account, Generations: f.generations,
	}, now)
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

func newToken(life time.Duration, scopes []string) Token {
	return Token{ExpiresIn: life, Scopes: scopes, Scope: strings.Join(scopes, " ")}
}

// credentialsOf is credentials of a client of one kind; one of the other kind is as unknown.
func (a *Authn) credentialsOf(ctx context.Context, n *news, now time.Time, kind authz.Kind, id, clientSecret string) (*clientRecord, error) {
	c, err := a.credentials(ctx, n, now, id, clientSecret)
	if err == nil && c.Kind != kind {
		return nil, wrongCredentials()
	}
	return c, err
}

// credentials finds a client by its id and secret: in memory, and when it is not
// there, or the secret is not the one known there, in the database. Whether there
// is a client of that id is not told, neither by the answer nor by its time.
func (a *Authn) credentials(ctx context.Context, n *news, now time.Time, id, clientSecret string) (*clientRecord, error) {
	c, ok := a.clients.get(id)
	if !ok {
		c = &clientRecord{}
	}
	if a.proves(c, clientSecret, now) && !n.superseded(c) { // no hash matches no secret
		return c, nil
	}
	err := a.db.Read(ctx, func(tx *db.Tx) (err error) {
		c, err = a.readClient(tx, id, clientSecret, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.clients.put(id, c)
	return c, nil
}

// proves compares a secret with those that are good.
func (a *Authn) proves(c *clientRecord, clientSecret string, now time.Time) bool {
	present := a.box.Matches(secretPurpose, clientSecret, c.hash)
	previous := a.box.Matches(secretPurpose, clientSecret, c.previousHash) && now.Before(c.PreviousSecretUntil)
	return present || previous
}

// readClient reads a client that proves itself and may act.
func (a *Authn) readClient(tx *db.Tx, id, clientSecret string, now time.Time) (*clientRecord, error) {
	if !storable(id) {
		id = "" // nobody's, and the database can compare it
	}
	row, err := db.One[clientRow](tx, `select `+clientColumns+` from clients where id = $1`, id)
	if err != nil && !errors.Is(err, db.ErrNone) {
		return nil, err
	}
	c := &clientRecord{Client: row.client(), hash: row.SecretHash, previousHash: row.PreviousHash}
	if !a.proves(c, clientSecret, now) {
		return nil, wrongCredentials()
	}
	if c.Disabled {
		return nil, disabledClient()
	}
	if c.generations.Client, err = directory.GenerationOf(tx, directory.OfClient, c.ID); err != nil {
		return nil, err
	}
	if c.secretGeneration, err = directory.GenerationOf(tx, ofSecret, c.ID); err != nil || c.Kind == authz.Technical {
		return c, err
	}
	u, err := directory.UserByID(tx, c.User)
	if err == nil && !u.Alive() {
		err = disabledClient()
	}
	if err != nil {
		return nil, err
	}
	c.Organisation, c.generations.User = u.Organisation, u.Generation
	c.generations.Account, err = directory.GenerationOf(tx, directory.OfAccount, c.Account)
	return c, err
}

// storable reports a text that both databases can compare.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func wrongCredentials() error {
	return errs.New(errs.Unauthenticated, "client.credentials", "The client id or secret is wrong.")
}

func disabledClient() error {
	return errs.New(errs.Denied, "client.disabled", "The client is disabled.")
}

// grant is what of some rights is asked for, in the order asked; nothing asks for
// all. Invalid "scope.unknown".
func grant(rights []authz.Right, asked []string) (granted []string, err error) {
	for _, s := range asked {
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
