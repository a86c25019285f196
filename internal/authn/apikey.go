package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const apiKeyPurpose = "api.key"

// NewAPIKey makes the API key of the user the principal acts as, in the form
// that "Authorization: Basic" carries: base64 of the sender id, a colon and a
// secret of 256 bits. An earlier key of that user dies. It is shown here and
// never again. Denied "member.inactive", NotFound "user.unknown".
func (a *Authn) NewAPIKey(ctx context.Context, p authz.Principal) (key string, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		if err := directory.HoldActiveUser(tx, p.User); err != nil {
			return err
		}
		u, err := directory.UserByID(tx, p.User)
		if err != nil {
			return err
		}
		plain := secret.Token(32)
		if _, err = tx.Exec(`insert into api_keys (sender_id, user_id, hash, created_ms) values ($1, $2, $3, clock_ms())
			on conflict (sender_id) do update set hash = excluded.hash, created_ms = excluded.created_ms`,
			u.SenderID, u.ID, a.box.Hash(apiKeyPurpose, plain)); err != nil {
			return err
		}
		// Sessions that the earlier key made die with it.
		if _, err = directory.Raise(tx, directory.OfClient, u.SenderID); err != nil {
			return err
		}
		key = base64.StdEncoding.EncodeToString([]byte(u.SenderID + ":" + plain))
		_, err = audit.Append(tx, audit.Event{Type: "api_key.made", Account: u.Account, Actor: audit.By(p), Detail: map[string]string{"user": u.ID}})
		return err
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

// AuthenticateKey tells who an API key belongs to; what was taken away it sees at
// once. Such a caller may sign and nothing else. Unauthenticated "token.missing",
// "token.invalid".
func (a *Authn) AuthenticateKey(ctx context.Context, key string) (p authz.Principal, err error) {
	if key == "" {
		return p, errs.New(errs.Unauthenticated, "token.missing", "An API key is needed.")
	}
	decoded, err := base64.StdEncoding.DecodeString(key)
	sender, plain, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok || !utf8.ValidString(sender) || strings.ContainsRune(sender, 0) {
		return p, badToken()
	}
	type row struct {
		UserID string
		Hash   []byte
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		r, err := db.One[row](tx, `select user_id, hash from api_keys where sender_id = $1`, sender)
		if err != nil && !errors.Is(err, db.ErrNone) {
			return err
		}
		if !a.box.Matches(apiKeyPurpose, plain, r.Hash) {
			return badToken()
		}
		u, err := directory.UserByID(tx, r.UserID)
		if err == nil && !u.Alive() {
			err = badToken()
		}
		if err != nil {
			return err
		}
		g := generationsNow{User: u.Generation}
		if g.Client, err = directory.GenerationOf(tx, directory.OfClient, u.SenderID); err != nil {
			return err
		}
		g.Account, err = directory.GenerationOf(tx, directory.OfAccount, u.Account)
		p = authz.Principal{Client: u.SenderID, Credential: u.SenderID, Organisation: u.Organisation, Account: u.Account, User: u.ID, Stands: g.note(""), Rights: []authz.Right{authz.Sign}}
		return err
	})
	if err != nil {
		return authz.Principal{}, err
	}
	return p, nil
}
