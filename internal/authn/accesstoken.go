package authn

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	accessTokenPurpose = "access.token"
	accessTokenPrefix  = "cst_"
	accessTokenLength  = len(accessTokenPrefix) + 43 // 256 bits in base64url
	accessTokenLife    = 90 * 24 * time.Hour         // unless another is asked for
	maxAccessTokenLife = 366 * 24 * time.Hour
	// rightsFor is how old may be what a token's user was found to hold.
	rightsFor = followEvery
)

// accessTokenRights is all that an access token is for.
var accessTokenRights = []authz.Right{authz.ReadAccess}

// AccessToken is an opaque token with which a program reads who holds what, as it is listed.
type AccessToken struct {
	ID, Name                      string
	Account, User                 string // internal ids
	SenderID, UserName, UserEmail string
	MadeBy                        string // internal id of a user or of one of the staff; "" by command
	Created, Expires              time.Time
	Revoked                       time.Time // zero: it was not
	Void                          bool      // its user was locked or deactivated since it was made
}

type accessTokenRow struct {
	ID, AccountID, UserID, Name, MadeBy string
	Generation, CreatedMs, ExpiresMs    int64
	RevokedMs                           *int64
}

const accessTokenColumns = `id, account_id, user_id, name, made_by, generation, created_ms, expires_ms, revoked_ms`

func (r accessTokenRow) token() AccessToken {
	t := AccessToken{ID: r.ID, Name: r.Name, Account: r.AccountID, User: r.UserID, MadeBy: r.MadeBy,
		Created: db.Time(r.CreatedMs), Expires: db.Time(r.ExpiresMs)}
	if r.RevokedMs != nil {
		t.Revoked = db.Time(*r.RevokedMs)
	}
	return t
}

// NewAccessToken makes a token that reads the access list as one user of an account, both given by their outer ids. The
// user must hold access.read; once he holds it no more, the token lets nobody see anything, and it is dead for good once he
// is locked or deactivated. A life of 0 is 90 days. The token is shown here and never again.
//
// It is for who runs the account: the operator, its partner's administrator while the partner is ACTIVE, and a person who
// holds users.manage and access.read himself. Denied "right.missing", "account.not_manager", "access_token.user"; NotFound
// "account.unknown", "user.unknown"; Invalid "name.missing", "name.malformed", "access_token.life".
func (a *Authn) NewAccessToken(ctx context.Context, p authz.Principal, account, senderID, name string, life time.Duration) (id, token string, expires time.Time, err error) {
	if life == 0 {
		life = accessTokenLife
	}
	if life < time.Minute || life > maxAccessTokenLife {
		return "", "", expires, errs.New(errs.Invalid, "access_token.life", "A token is good for a minute to 366 days.").On("life")
	}
	if name, err = label(name); err != nil {
		return "", "", expires, err
	}
	id, token = secret.NewGUID(), accessTokenPrefix+secret.Token(32)
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		home, err := governed(tx, p, account)
		if err == nil && p.Kind == authz.Staff { // whose partner has to be ACTIVE
			there := p
			there.Account = home.ID
			err = directory.MayConnect(tx, there)
		}
		if err != nil {
			return err
		}
		u, err := reader(tx, home.ID, senderID)
		if err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		expires = now.Add(life).Truncate(time.Second)
		if _, err = tx.Exec(`insert into access_tokens (id, hash, account_id, user_id, name, made_by, generation, created_ms, expires_ms)
			values ($1, $2, $3, $4, $5, $6, $7, clock_ms(), $8)`,
			id, a.box.Hash(accessTokenPurpose, token), home.ID, u.ID, name, audit.By(p).User, u.Generation, expires.UnixMilli()); err != nil {
			return err
		}
		return recordToken(tx, p, "access_token.made", home.ID, id, u.ID)
	})
	if err != nil {
		return "", "", time.Time{}, err
	}
	return id, token, expires, nil
}

// label is what something is called. Invalid "name.missing", "name.malformed".
func label(name string) (string, error) {
	name, err := directory.PersonName(name)
	if err == nil && name == "" {
		err = errs.New(errs.Invalid, "name.missing", "It needs a name.").On("name")
	}
	return name, err
}

// governed finds the account that p runs, by its outer id. A program runs none: it could give itself what it does not
// hold. Denied "right.missing"; NotFound "account.unknown".
func governed(tx *db.Tx, p authz.Principal, account string) (directory.Account, error) {
	if !p.Has(authz.Operate) && !p.Has(authz.Administer) {
		if err := p.Need(authz.ManageUsers, authz.ReadAccess); err != nil {
			return directory.Account{}, err
		}
		if p.Client != "" || p.Kind != authz.Member {
			return directory.Account{}, errs.New(errs.Denied, "right.missing", "Only a person may do this.").With("right", string(authz.ManageUsers))
		}
	}
	return directory.ReachesAccount(tx, p, account)
}

// reader is a user who may read the access list. NotFound "user.unknown"; Denied "access_token.user".
func reader(tx *db.Tx, account, senderID string) (directory.User, error) {
	u, err := directory.UserBySender(tx, account, senderID)
	if err != nil {
		return u, err
	}
	rights, err := access.RightsOf(tx, u.ID)
	if err == nil && (!u.Alive() || !slices.Contains(rights, authz.ReadAccess)) {
		err = errs.New(errs.Denied, "access_token.user", "The user must be active and may read access lists.").On("user")
	}
	return u, err
}

func recordToken(tx *db.Tx, p authz.Principal, event, account, id, user string) error {
	_, err := audit.Append(tx, audit.Event{Type: event, Account: account, Actor: audit.By(p),
		Detail: map[string]string{"access_token": id, "user": user}})
	return err
}

// AccessTokens lists those of an account, given by its outer id, the newest first, expired and revoked ones too. For whom
// it is, NewAccessToken says. Denied "right.missing"; NotFound "account.unknown".
func (a *Authn) AccessTokens(ctx context.Context, p authz.Principal, account string) (list []AccessToken, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		home, err := governed(tx, p, account)
		if err != nil {
			return err
		}
		rows, err := db.All[accessTokenRow](tx, `select `+accessTokenColumns+` from access_tokens
			where account_id = $1 order by created_ms desc, id limit 1000`, home.ID)
		if err != nil {
			return err
		}
		known := map[string]directory.User{}
		for _, r := range rows {
			t, u := r.token(), known[r.UserID]
			if u.ID == "" {
				if u, err = directory.UserByID(tx, r.UserID); err != nil {
					return err
				}
				known[u.ID] = u
			}
			t.SenderID, t.UserName, t.UserEmail, t.Void = u.SenderID, u.Name(), u.ShownEmail(), r.Generation < u.Generation
			list = append(list, t)
		}
		return nil
	})
	return list, err
}

// RevokeAccessToken ends a token: here at once, on other replicas within a second. Again it changes nothing. For whom it
// is, NewAccessToken says. Denied "right.missing"; NotFound "access_token.unknown".
func (a *Authn) RevokeAccessToken(ctx context.Context, p authz.Principal, id string) error {
	err := a.db.Write(ctx, func(tx *db.Tx) error {
		r, err := db.One[accessTokenRow](tx, `select `+accessTokenColumns+` from access_tokens where id = $1`, stored(id))
		if err != nil {
			return orUnknown(err, unknownAccessToken())
		}
		home, err := directory.AccountByID(tx, r.AccountID)
		if err == nil {
			_, err = governed(tx, p, home.OuterID)
		}
		if err != nil {
			return orUnknown(err, unknownAccessToken())
		}
		changed, err := tx.Exec(`update access_tokens set revoked_ms = clock_ms() where id = $1 and revoked_ms is null`, r.ID)
		if err != nil || changed == 0 {
			return err
		}
		if _, err = directory.Raise(tx, directory.OfClient, r.ID); err != nil {
			return err
		}
		return recordToken(tx, p, "access_token.revoked", r.AccountID, r.ID, r.UserID)
	})
	if err == nil {
		a.catchUp(ctx)
	}
	return err
}

func unknownAccessToken() error {
	return errs.New(errs.NotFound, "access_token.unknown", "There is no such access token.")
}

// orUnknown puts unknown in the place of what was not found.
func orUnknown(err, unknown error) error {
	if errors.Is(err, db.ErrNone) || errs.KindOf(err) == errs.NotFound {
		return unknown
	}
	return err
}

// stored is an id as both databases can compare it: nobody's, if they cannot.
func stored(id string) string {
	if !storable(id) {
		return ""
	}
	return id
}

// isAccessToken reports that a text has the form of an access token.
func isAccessToken(token string) bool {
	return len(token) == accessTokenLength && strings.HasPrefix(token, accessTokenPrefix)
}

// accessToken finds whom an access token is of; what time changes is still to be checked.
func (a *Authn) accessToken(ctx context.Context, token string) (*verified, error) {
	digest := sha256.Sum256([]byte(token))
	if v, ok := a.verified.get(digest); ok {
		return v, nil
	}
	var v *verified
	hash := a.box.Hash(accessTokenPurpose, token)
	err := a.db.Read(ctx, func(tx *db.Tx) error {
		r, err := db.One[accessTokenRow](tx, `select `+accessTokenColumns+` from access_tokens where hash = $1 and revoked_ms is null`, hash)
		if err != nil {
			return err
		}
		u, g, err := userStanding(tx, r.UserID, r.ID)
		if err == nil && r.Generation < g.User { // he was locked or deactivated since
			err = badToken()
		}
		v = &verified{id: r.ID, generations: g, expires: r.ExpiresMs / 1000, within: accessTokenRights, held: &held{},
			principal: authz.Principal{Client: r.ID, Credential: r.ID, Organisation: u.Organisation, Account: u.Account, User: u.ID}}
		return err
	})
	switch {
	case errors.Is(err, db.ErrNone) || errs.KindOf(err) == errs.Unauthenticated:
		return nil, badToken()
	case err != nil:
		return nil, staleBecause(err)
	}
	a.verified.put(digest, v)
	return v, nil
}

// userStanding is a user who may act, and the generations that a credential of his stands on. Unauthenticated "token.invalid".
func userStanding(tx *db.Tx, user, credential string) (u directory.User, g generationsNow, err error) {
	u, err = directory.UserByID(tx, user)
	if err == nil && !u.Alive() || errs.KindOf(err) == errs.NotFound {
		err = badToken()
	}
	if err != nil {
		return u, g, err
	}
	g.User = u.Generation
	if g.Client, err = directory.GenerationOf(tx, directory.OfClient, credential); err == nil {
		g.Account, err = directory.GenerationOf(tx, directory.OfAccount, u.Account)
	}
	return u, g, err
}

// held is what the user of a token was last found to hold.
type held struct {
	mu     sync.Mutex
	rights []authz.Right
	at     time.Duration // by sinceStart; 0 is never
}

// rights are what the token's user holds at the moment, of what the token is for: who is no administrator any more has
// a token that is good for nothing. They are looked up at most four times a second. Unavailable "authn.stale".
func (a *Authn) rights(ctx context.Context, v *verified) ([]authz.Right, error) {
	v.held.mu.Lock()
	defer v.held.mu.Unlock()
	asked := a.sinceStart()
	if v.held.at != 0 && asked-v.held.at < rightsFor {
		return v.held.rights, nil
	}
	var found []authz.Right
	err := a.db.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = access.RightsOf(tx, v.principal.User)
		return err
	})
	if err != nil {
		return nil, staleBecause(err)
	}
	v.held.rights, v.held.at = both(v.within, found), max(asked, 1)
	return v.held.rights, nil
}

// both are the rights in two lists, in the order of the first.
func both(some, others []authz.Right) []authz.Right {
	return slices.DeleteFunc(slices.Clone(some), func(r authz.Right) bool { return !slices.Contains(others, r) })
}

// staleBecause says that credentials cannot be checked because the database does not answer.
func staleBecause(err error) error {
	return errs.New(errs.Unavailable, "authn.stale", "The server cannot check credentials at the moment.").Because(err)
}
