package authn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

const (
	appTokenPurpose = "app.token"
	appTokenBytes   = 32
	appTokenLife    = 30 * time.Minute
)

// AppToken gives an opaque access token, hexadecimal, for a member client's id
// and secret; it is good for 30 minutes, until a whole second. It is kept as a
// hash, and dies as the client's other tokens do; Invalidate takes it back alone.
//
// Unauthenticated "client.credentials"; Denied "client.disabled",
// "right.missing"; Invalid "grant.sender"; Unavailable "authn.stale".
func (a *Authn) AppToken(ctx context.Context, clientID, clientSecret string, as As) (token string, expires time.Time, err error) {
	n, now, err := a.current()
	if err != nil {
		return "", expires, err
	}
	c, err := a.credentialsOf(ctx, n, now, authz.Member, clientID, clientSecret)
	if err != nil {
		return "", expires, err
	}
	f, err := a.formOf(ctx, c, as)
	if err != nil {
		return "", expires, err
	}
	token, expires = hex.EncodeToString(secret.Bytes(appTokenBytes)), now.Truncate(time.Second).Add(appTokenLife)
	s := footing{Principal: f.principal(c), Generations: f.generations}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into app_tokens (hash, standing, expires_ms) values ($1, $2, $3)`,
			a.box.Hash(appTokenPurpose, token), db.AsJSON(s), expires.UnixMilli())
		return err
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return token, expires, nil
}

// isAppToken reports that a text has the form of an opaque token, which no JWT has.
func isAppToken(token string) bool {
	return len(token) == 2*appTokenBytes && strings.Trim(token, "0123456789abcdef") == ""
}

// appTokenID is the id of an opaque token, the same wherever it is looked at: of its hash as much as no two share.
func appTokenID(hash []byte) string { return "app-" + hex.EncodeToString(hash[:16]) }

// appToken finds what an opaque token stands on; what time changes is still to be checked.
func (a *Authn) appToken(ctx context.Context, token string) (*verified, error) {
	digest := sha256.Sum256([]byte(token))
	if v, ok := a.verified.get(digest); ok {
		return v, nil
	}
	type row struct {
		Standing  db.JSON[footing]
		ExpiresMs int64
	}
	var r row
	hash := a.box.Hash(appTokenPurpose, token)
	err := a.db.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = db.One[row](tx, `select standing, expires_ms from app_tokens where hash = $1`, hash)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return nil, badToken()
	}
	if err != nil {
		return nil, staleBecause(err)
	}
	v := &verified{id: appTokenID(hash), principal: r.Standing.V.Principal, generations: r.Standing.V.Generations, expires: r.ExpiresMs / 1000}
	v.principal.Stands = v.generations.note(v.id)
	if v.within = r.Standing.V.Within; v.within != nil {
		v.held = &held{}
	}
	a.verified.put(digest, v)
	return v, nil
}
