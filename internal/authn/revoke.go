package authn

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// revocations are the tokens taken back one by one, until they would have
// expired anyhow. They are followed in the database as generations are.
type revocations struct {
	mu    sync.RWMutex
	until map[string]int64 // epoch milliseconds by the token's id
}

// has reports that a token was taken back; what has no id of its own cannot be.
func (r *revocations) has(id string) bool {
	if id == "" {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.until[id]
	return ok
}

// follow adds what was taken back after cursor, 0 at first, and returns the cursor to go on from.
func (r *revocations) follow(tx *db.Tx, cursor int64) (next int64, err error) {
	type row struct {
		ID        string
		ExpiresMs int64
		Seq       int64
	}
	next = cursor
	for v, err := range db.Rows[row](tx, `select id, expires_ms, seq from revoked_tokens where seq > $1 order by seq`, cursor) {
		if err != nil {
			return cursor, err
		}
		r.mu.Lock()
		r.until[v.ID] = v.ExpiresMs
		r.mu.Unlock()
		next = v.Seq
	}
	return next, nil
}

// sweep forgets tokens that have expired.
func (r *revocations) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.until, func(_ string, until int64) bool { return until <= now.UnixMilli() })
}

// Invalidate takes one token of the client back, an access token of either form
// or a session: it is dead here when Invalidate returns and within a second on
// every replica, and so is what was made with it. A token that is not the
// client's, or dead already, is none of its business (RFC 7009 §2.2).
// Unauthenticated "client.credentials"; Unavailable "authn.stale".
func (a *Authn) Invalidate(ctx context.Context, clientID, clientSecret, token string) error {
	n, now, err := a.current()
	if err != nil {
		return err
	}
	c, err := a.credentials(ctx, n, now, clientID, clientSecret)
	if err != nil {
		return hideDisabled(err)
	}
	v, err := a.find(ctx, n, token)
	if errs.Is(err, "token.invalid") {
		v, err = a.sessionToken(ctx, n, token)
	}
	if errs.KindOf(err) == errs.Unauthenticated {
		return nil
	}
	if err != nil {
		return err
	}
	if v.principal.Client != c.ID || v.expired(now) || !a.good(n, v) {
		return nil
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error { return takeBack(tx, c, v) })
	if err == nil {
		a.catchUp(ctx)
	}
	return err
}

// outlives is how long after a member's token has expired something may still stand on it: a session, or the word for
// somebody in a browser, of the very end of a session token that was made at the very end of the token.
const outlives = sessionTokenLife + holdFor

// takeBack writes a revocation. The counter's row is locked until the act ends,
// so numbers become visible in their order.
func takeBack(tx *db.Tx, c *clientRecord, v *verified) error {
	if v.id == "" {
		return errors.New("authn: what has no id cannot be taken back")
	}
	until := time.Unix(v.expires, 0)
	if v.principal.Kind == authz.Member || v.principal.Kind == authz.Signer {
		until = until.Add(outlives)
	}
	seq, err := db.One[int64](tx, `update revocation_counter set seq = seq + 1 where id = 1 returning seq`)
	if err != nil {
		return err
	}
	changed, err := tx.Exec(`insert into revoked_tokens (id, client_id, expires_ms, seq) values ($1, $2, $3, $4)
		on conflict do nothing`, v.id, c.ID, until.UnixMilli(), seq)
	if err != nil || changed == 0 {
		return err
	}
	_, err = audit.Append(tx, audit.Event{Type: "token.invalidated", Account: v.principal.Account,
		Actor: audit.Actor{Kind: audit.KindClient, Client: c.ID}, Detail: map[string]string{"token": v.id, "user": v.principal.User}})
	return err
}

// hideDisabled answers for a client that is not to act as for one that is not there.
func hideDisabled(err error) error {
	if errs.Is(err, "client.disabled") {
		return wrongCredentials()
	}
	return err
}
