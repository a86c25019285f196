package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// maxOverlap is how long two secrets of a client may be good at once.
const maxOverlap = 7 * 24 * time.Hour

var operator = audit.Actor{Kind: audit.KindOperator}

// Client is a program's credential without its secrets.
type Client struct {
	ID                  string     // the client_id, a GUID
	Kind                authz.Kind // Member or Technical
	Organisation        string     // internal id
	Account, User       string     // internal ids, of a member
	TechnicalAccount    string     // id of a technical account
	Name                string
	Alg                 string // EdDSA or RS256: what signs its tokens
	Rights              []authz.Right
	Disabled            bool
	PreviousSecretUntil time.Time // zero: only the newest secret was left good
	Created, Updated    time.Time
}

type clientRow struct {
	ID, Kind, OrganisationID       string
	AccountID, UserID, TechnicalID *string
	Name, Alg                      string
	Rights                         db.JSON[[]authz.Right]
	SecretHash, PreviousHash       []byte
	PreviousUntilMs                int64
	Disabled                       bool
	CreatedMs, UpdatedMs           int64
}

const clientColumns = `id, kind, organisation_id, account_id, user_id, technical_id, name, alg, rights, secret_hash, previous_hash,
	previous_until_ms, disabled, created_ms, updated_ms`

func (r clientRow) client() Client {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	c := Client{ID: r.ID, Organisation: r.OrganisationID, Account: text(r.AccountID), User: text(r.UserID),
		TechnicalAccount: text(r.TechnicalID), Name: r.Name, Alg: r.Alg, Rights: r.Rights.V, Disabled: r.Disabled,
		Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs)}
	if r.Kind == "technical" {
		c.Kind = authz.Technical
	}
	if r.PreviousUntilMs > 0 {
		c.PreviousSecretUntil = db.Time(r.PreviousUntilMs)
	}
	return c
}

// Clients lists every client of the server, the oldest first.
func (a *Authn) Clients(ctx context.Context) (list []Client, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		for r, err := range db.Rows[clientRow](tx, `select `+clientColumns+` from clients order by created_ms, id`) {
			if err != nil {
				return err
			}
			list = append(list, r.client())
		}
		return nil
	})
	return list, err
}

// CreateClient makes a client of an account, given by its internal id, and the
// user it acts as: nobody's mailbox, a sender if it may sign. It is the
// operator's act. The secret is shown here and never again. NotFound
// "account.unknown", Invalid "name.malformed".
func (a *Authn) CreateClient(ctx context.Context, account string, rights []authz.Right, name string) (clientID, clientSecret string, err error) {
	return a.createClient(ctx, commanded, account, rights, name)
}

func (a *Authn) createClient(ctx context.Context, who asker, account string, rights []authz.Right, name string) (clientID, clientSecret string, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
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
		if clientSecret, err = a.newSecret(tx, clientID); err != nil {
			return err
		}
		_, err = audit.Append(tx, audit.Event{Type: "client.created", Account: account,
			Actor: by, Detail: map[string]string{"client": clientID, "user": u.ID}})
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
	_, err = tx.Exec(`insert into clients (id, kind, organisation_id, account_id, user_id, name, alg, rights, created_ms, updated_ms)
		values ($1, 'member', $2, $3, $4, $5, $6, $7, clock_ms(), clock_ms())`,
		id, u.Organisation, u.Account, u.ID, u.Name(), EdDSA, db.AsJSON(rights))
	return id, err
}

// newSecret gives a client a new secret of 256 bits. The old one and the tokens
// it gave die. NotFound "client.unknown"; Denied "client.disabled".
func (a *Authn) newSecret(tx *db.Tx, clientID string) (clientSecret string, err error) {
	clientSecret, _, err = a.replaceSecret(tx, clientID, 0)
	if err == nil {
		_, err = directory.Raise(tx, directory.OfClient, clientID)
	}
	return clientSecret, err
}

// replaceSecret leaves the present secret good for overlap.
func (a *Authn) replaceSecret(tx *db.Tx, clientID string, overlap time.Duration) (clientSecret string, c Client, err error) {
	clientSecret = secret.Token(32)
	row, err := db.One[clientRow](tx, `update clients set updated_ms = clock_ms(), secret_hash = $2,
			previous_hash = case when cast($3 as bigint) > 0 then secret_hash end,
			previous_until_ms = case when cast($3 as bigint) > 0 then clock_ms() + cast($3 as bigint) else 0 end
		where id = $1 returning `+clientColumns, clientID, a.box.Hash(secretPurpose, clientSecret), overlap.Milliseconds())
	if errors.Is(err, db.ErrNone) {
		err = unknownClient()
	}
	if err == nil && row.Disabled {
		err = disabledClient()
	}
	return clientSecret, row.client(), err
}

func unknownClient() error {
	return errs.New(errs.NotFound, "client.unknown", "There is no such client.").On("client")
}

// RotateSecret gives a client a new secret, which is shown here and never again.
// Without overlap the old secret and every token of the client die, here at once
// and on other replicas within a second. With overlap, at most 7 days, the old
// secret stays good for that long and tokens live on; a secret before the old one
// dies. It is the operator's act. NotFound "client.unknown", Invalid
// "overlap.range", Denied "client.disabled" once it is revoked.
func (a *Authn) RotateSecret(ctx context.Context, clientID string, overlap time.Duration) (clientSecret string, err error) {
	return a.rotateSecret(ctx, commanded, clientID, overlap)
}

func (a *Authn) rotateSecret(ctx context.Context, who asker, clientID string, overlap time.Duration) (clientSecret string, err error) {
	if overlap < 0 || overlap > maxOverlap || overlap%time.Millisecond != 0 {
		return "", errs.New(errs.Invalid, "overlap.range", "Two secrets may overlap for 0 to 7 days.").On("overlap")
	}
	err = a.onClient(ctx, who, clientID, "client.secret_rotated", map[string]string{"overlap": overlap.String()}, func(tx *db.Tx) (c Client, err error) {
		if clientSecret, c, err = a.replaceSecret(tx, clientID, overlap); err != nil {
			return c, err
		}
		kind := directory.OfClient
		if overlap > 0 {
			kind = ofSecret
		}
		_, err = directory.Raise(tx, kind, clientID)
		return c, err
	})
	if err != nil {
		return "", err
	}
	return clientSecret, nil
}

// RevokeClient disables a client for good; its tokens die, here at once and on
// other replicas within a second. It is the operator's act. NotFound "client.unknown".
func (a *Authn) RevokeClient(ctx context.Context, clientID string) error {
	return a.revokeClient(ctx, commanded, clientID)
}

func (a *Authn) revokeClient(ctx context.Context, who asker, clientID string) error {
	return a.onClient(ctx, who, clientID, "client.revoked", nil, func(tx *db.Tx) (Client, error) {
		row, err := db.One[clientRow](tx, `update clients set disabled = $2, previous_hash = null, previous_until_ms = 0, updated_ms = clock_ms()
			where id = $1 returning `+clientColumns, clientID, true)
		if errors.Is(err, db.ErrNone) {
			err = unknownClient()
		}
		if err == nil {
			_, err = directory.Raise(tx, directory.OfClient, clientID)
		}
		return row.client(), err
	})
}

// onClient runs an act on a client and makes it known here.
func (a *Authn) onClient(ctx context.Context, who asker, clientID, event string, detail map[string]string, act func(*db.Tx) (Client, error)) error {
	if !storable(clientID) {
		return unknownClient()
	}
	err := a.db.Write(ctx, func(tx *db.Tx) error {
		by, err := who(tx)
		if err != nil {
			return err
		}
		c, err := act(tx)
		if err != nil {
			return err
		}
		all := map[string]string{"client": c.ID}
		for k, v := range detail {
			all[k] = v
		}
		_, err = audit.Append(tx, audit.Event{Type: event, Account: c.Account, Actor: by, Detail: all})
		return err
	})
	if err == nil {
		a.catchUp(ctx)
	}
	return err
}
