package authn

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

const (
	keyPurpose = "token.key"
	// renewAfter is how long a key signs.
	renewAfter = 30 * 24 * time.Hour
	// keyDelay is how long a new key waits before it signs. A replica that has not
	// heard of it by then is stale and answers nothing.
	keyDelay = 2 * staleAfter
	// keepFor is how long a key that signs no more is accepted; longer than its last token lives.
	keepFor = 2 * tokenLife
)

// tokenKey signs access tokens.
type tokenKey struct {
	number  int64
	kid     string
	private ed25519.PrivateKey
	// header is the first part of every token it signs, with its dot. A token must
	// begin with the header of one of our keys byte for byte, which leaves no
	// header for an attacker to write (RFC 8725 §3.1, §3.10, §3.11).
	header string
	begins time.Time
}

// keyring holds the keys in use, oldest first.
type keyring []tokenKey

// signing is the newest key that has begun; the first one of all signs at once.
func (r keyring) signing(now time.Time) tokenKey {
	for _, k := range slices.Backward(r) {
		if !now.Before(k.begins) {
			return k
		}
	}
	return r[0]
}

// verifying finds the key a token's header names.
func (r keyring) verifying(header string) (tokenKey, bool) {
	i := slices.IndexFunc(r, func(k tokenKey) bool { return k.header == header })
	if i < 0 {
		return tokenKey{}, false
	}
	return r[i], true
}

type keyRow struct {
	Number   int64
	Kid      string
	Seed     []byte
	BeginsMs int64
}

// readKeys reads the keys again when there are others than known.
func (a *Authn) readKeys(tx *db.Tx, known keyring) (keyring, error) {
	numbers, err := db.All[int64](tx, `select number from token_keys order by number`)
	if err != nil || slices.EqualFunc(numbers, known, func(n int64, k tokenKey) bool { return n == k.number }) {
		return known, err
	}
	ring := keyring{}
	for r, err := range db.Rows[keyRow](tx, `select number, kid, seed, begins_ms from token_keys order by number`) {
		if err != nil {
			return nil, err
		}
		seed, err := a.box.Unseal(keyPurpose, r.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("token key %s cannot be decrypted: is this the master key of this database? %w", r.Kid, err)
		}
		ring = append(ring, tokenKey{
			number: r.Number, kid: r.Kid, private: ed25519.NewKeyFromSeed(seed), begins: db.Time(r.BeginsMs),
			header: base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"`+r.Kid+`","typ":"at+jwt"}`)) + ".",
		})
	}
	return ring, nil
}

// tendKeys makes a new key when the present one has signed long enough, and drops old ones.
func (a *Authn) tendKeys(ctx context.Context) error {
	n := a.news.Load()
	newest, now := n.keys[len(n.keys)-1], n.time(a.sinceStart())
	switch {
	case now.After(newest.begins.Add(renewAfter)):
		return a.renewKeys(ctx, newest.number)
	case len(n.keys) > 1 && now.After(newest.begins.Add(keepFor)):
		return a.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`delete from token_keys where number < $1`, newest.number)
			return err
		})
	}
	return nil
}

// renewKeys makes the key after number; of several replicas one does.
func (a *Authn) renewKeys(ctx context.Context, number int64) error {
	delay := keyDelay
	if number == 0 {
		delay = 0
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into token_keys (number, kid, seed, begins_ms, created_ms)
			values ($1, $2, $3, clock_ms() + $4, clock_ms()) on conflict do nothing`,
			number+1, secret.Alphanumeric(16), a.box.Seal(keyPurpose, secret.Bytes(ed25519.SeedSize)), delay.Milliseconds())
		return err
	})
}

// JWKS is the set of public keys that check our tokens (RFC 7517 §5), as JSON.
func (a *Authn) JWKS(context.Context) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range a.news.Load().keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: string(jose.EdDSA), Use: "sig"})
	}
	return json.Marshal(set)
}
