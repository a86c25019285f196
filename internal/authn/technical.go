package authn

import (
	"context"
	"encoding/hex"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// TechnicalAccount is a program's identity in an organisation, as it is made.
type TechnicalAccount struct {
	ClientID     string // a GUID
	ClientSecret string // shown here and never again
	ID           string // 24 upper-case hexadecimal digits and "@techacct.invalid"
	Organisation string // internal id
}

// CreateTechnicalAccount makes a technical account, with all 26 scopes, of the
// organisation of that name, which is made when there is none. alg is EdDSA,
// RS256, or empty for EdDSA: what its tokens are signed with. It is the
// operator's act.
//
// Invalid "name.missing", "name.malformed" (of either name), "alg.unknown".
func (a *Authn) CreateTechnicalAccount(ctx context.Context, organisation, name, alg string) (t TechnicalAccount, err error) {
	return a.createTechnicalAccount(ctx, commanded, organisation, name, alg)
}

func (a *Authn) createTechnicalAccount(ctx context.Context, who asker, organisation, name, alg string) (t TechnicalAccount, err error) {
	if alg == "" {
		alg = EdDSA
	}
	if alg != EdDSA && alg != RS256 {
		return t, errs.New(errs.Invalid, "alg.unknown", "Tokens are signed with %s or %s.", EdDSA, RS256).On("alg")
	}
	if name, err = directory.PersonName(name); err == nil && name == "" {
		err = errs.New(errs.Invalid, "name.missing", "A technical account needs a name.").On("name")
	}
	if err != nil {
		return t, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
		t = TechnicalAccount{ClientID: secret.NewGUID(), ID: strings.ToUpper(hex.EncodeToString(secret.Bytes(12))) + "@techacct.invalid"}
		if t.Organisation, err = directory.OrganisationNamed(tx, organisation); err != nil {
			return err
		}
		if _, err := tx.Exec(`insert into clients (id, kind, organisation_id, technical_id, name, alg, rights, created_ms, updated_ms)
			values ($1, 'technical', $2, $3, $4, $5, $6, clock_ms(), clock_ms())`,
			t.ClientID, t.Organisation, t.ID, name, alg, db.AsJSON(authz.TechnicalScopes)); err != nil {
			return err
		}
		if t.ClientSecret, err = a.newSecret(tx, t.ClientID); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "client.created", Actor: by,
			Detail: map[string]string{"client": t.ClientID, "technical_account": t.ID, "organisation": t.Organisation}})
		return err
	})
	if err != nil {
		return TechnicalAccount{}, err
	}
	return t, nil
}

// TechnicalToken gives a technical account's access token, good for 24 hours, for
// its client id and secret. No scopes asks for all it has. When the client is
// known already it asks no database.
//
// Unauthenticated "client.credentials" for an unknown id, a wrong secret and a
// member's client alike; Denied "client.disabled"; Invalid "scope.unknown";
// Unavailable "authn.stale".
func (a *Authn) TechnicalToken(ctx context.Context, clientID, clientSecret string, scopes []string) (Token, error) {
	n, now, err := a.current()
	if err != nil {
		return Token{}, err
	}
	c, err := a.credentialsOf(ctx, n, now, authz.Technical, clientID, clientSecret)
	if err != nil {
		return Token{}, err
	}
	granted, err := grant(c.Rights, scopes)
	if err != nil {
		return Token{}, err
	}
	t := newToken(technicalLife, granted)
	t.Access, err = a.sign(ctx, c.Alg, a.technicalClaims(c, strings.Join(granted, ","), now), now)
	if err != nil {
		return Token{}, err
	}
	return t, nil
}
