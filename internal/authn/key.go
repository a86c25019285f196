package authn

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// Algorithms that sign tokens (RFC 8037, RFC 7518 §3.3).
const (
	EdDSA = "EdDSA"
	RS256 = "RS256"
)

const (
	keyPurpose = "token.key"
	rsaBits    = 2048
	// rsaAfter keeps the making of an RSA key out of the start.
	rsaAfter = 2 * time.Second
	// renewAfter is how long a key signs.
	renewAfter = 30 * 24 * time.Hour
	// keyDelay is how long a new key waits before it signs. A replica that has not
	// heard of it by then is stale and answers nothing.
	keyDelay = 2 * staleAfter
	// keepFor is how long a key that signs no more is accepted; longer than its last token lives.
	keepFor = 2 * technicalLife
)

// tokenKey signs access tokens.
type tokenKey struct {
	number  int64
	kid     string
	alg     string
	private crypto.Signer
	// header is the first part of every token it signs, with its dot. A token must
	// begin with the header of one of our keys byte for byte, which leaves no
	// header for an attacker to write (RFC 8725 §3.1, §3.10, §3.11).
	header string
	begins time.Time
}

// sign makes the signature of a token's first two parts.
func (k tokenKey) sign(text []byte) ([]byte, error) {
	if k.alg == RS256 {
		sum := sha256.Sum256(text)
		return k.private.Sign(rand.Reader, sum[:], crypto.SHA256) // PKCS #1 v1.5
	}
	return k.private.Sign(rand.Reader, text, crypto.Hash(0))
}

// verifies checks a signature by the key's own algorithm, whatever the token says.
func (k tokenKey) verifies(text, signature []byte) bool {
	switch public := k.private.Public().(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, text, signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// keyring holds the keys in use, oldest first.
type keyring []tokenKey

// signing is the newest key of an algorithm that has begun; the first one of all signs at once.
func (r keyring) signing(alg string, now time.Time) (key tokenKey, ok bool) {
	for _, k := range slices.Backward(r) {
		if k.alg != alg {
			continue
		}
		key, ok = k, true
		if !now.Before(k.begins) {
			break
		}
	}
	return key, ok
}

// newest is the newest key of an algorithm, and how many there are.
func (r keyring) newest(alg string) (key tokenKey, count int) {
	for _, k := range r {
		if k.alg == alg {
			key = k
			count++
		}
	}
	return key, count
}

// verifying finds the key a token's header names.
func (r keyring) verifying(header string) (tokenKey, bool) {
	i := slices.IndexFunc(r, func(k tokenKey) bool { return k.header == header })
	if i < 0 {
		return tokenKey{}, false
	}
	return r[i], true
}

// stranger reports a token with a header of ours and a key that is not among these.
func (r keyring) stranger(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	if _, known := r.verifying(head + "."); known {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(head)
	return err == nil && strings.HasPrefix(string(text), `{"alg":"`) && strings.HasSuffix(string(text), `","typ":"at+jwt"}`)
}

type keyRow struct {
	Number   int64
	Kid, Alg string
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
	for r, err := range db.Rows[keyRow](tx, `select number, kid, alg, seed, begins_ms from token_keys order by number`) {
		if err != nil {
			return nil, err
		}
		k, err := a.openKey(r)
		if err != nil {
			return nil, fmt.Errorf("token key %s cannot be decrypted: is this the master key of this database? %w", r.Kid, err)
		}
		ring = append(ring, k)
	}
	return ring, nil
}

func (a *Authn) openKey(r keyRow) (k tokenKey, err error) {
	seed, err := a.box.Unseal(keyPurpose, r.Seed)
	if err != nil {
		return k, err
	}
	k = tokenKey{number: r.Number, kid: r.Kid, alg: r.Alg, begins: db.Time(r.BeginsMs),
		header: base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+r.Alg+`","kid":"`+r.Kid+`","typ":"at+jwt"}`)) + "."}
	switch {
	case r.Alg == RS256:
		k.private, err = x509.ParsePKCS1PrivateKey(seed)
	case r.Alg == EdDSA && len(seed) == ed25519.SeedSize:
		k.private = ed25519.NewKeyFromSeed(seed)
	default:
		err = errors.New("unknown kind of key")
	}
	return k, err
}

// tendKeys makes a new key where there is none or the present one has signed
// long enough, and drops old ones. An RSA key takes long to make, so that is
// done in the background.
func (a *Authn) tendKeys(ctx context.Context, background *sync.WaitGroup) error {
	n := a.news.Load()
	now := n.time(a.sinceStart())
	for _, alg := range []string{EdDSA, RS256} {
		newest, count := n.keys.newest(alg)
		var err error
		switch {
		case count == 0 && a.sinceStart() < rsaAfter:
		case count == 0 || now.After(newest.begins.Add(renewAfter)):
			if alg == EdDSA {
				err = a.renewKey(ctx, alg)
			} else if a.makingRSA.TryLock() {
				background.Go(func() { defer a.makingRSA.Unlock(); a.complain(ctx, a.renewRSA(ctx)) })
			}
		case count > 1 && now.After(newest.begins.Add(keepFor)):
			err = a.db.Write(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(`delete from token_keys where alg = $1 and number < $2`, alg, newest.number)
				return err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// renewRSA makes the RSA key that is due, unless it has been made meanwhile.
func (a *Authn) renewRSA(ctx context.Context) error {
	n := a.news.Load()
	if newest, count := n.keys.newest(RS256); count > 0 && !n.time(a.sinceStart()).After(newest.begins.Add(renewAfter)) {
		return nil
	}
	err := a.renewKey(ctx, RS256)
	if err == nil {
		err = a.follow(ctx)
	}
	return err
}

// renewKey makes a key. Keys are numbered throughout, so of several replicas that
// know the same keys one does.
func (a *Authn) renewKey(ctx context.Context, alg string) error {
	seed := secret.Bytes(ed25519.SeedSize)
	if alg == RS256 {
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return err
		}
		seed = x509.MarshalPKCS1PrivateKey(key)
	}
	known := a.news.Load().keys
	number, delay := int64(1), keyDelay
	if len(known) > 0 {
		number = known[len(known)-1].number + 1
	}
	if _, count := known.newest(alg); count == 0 {
		delay = 0
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into token_keys (number, kid, alg, seed, begins_ms, created_ms)
			values ($1, $2, $3, $4, clock_ms() + $5, clock_ms()) on conflict do nothing`,
			number, secret.Alphanumeric(16), alg, a.box.Seal(keyPurpose, seed), delay.Milliseconds())
		return err
	})
}

// signingKey is the key that signs now. The first RSA key is made on the spot if
// a token is wanted before Run has made it.
func (a *Authn) signingKey(ctx context.Context, alg string, now time.Time) (tokenKey, error) {
	if key, ok := a.news.Load().keys.signing(alg, now); ok {
		return key, nil
	}
	a.makingRSA.Lock()
	defer a.makingRSA.Unlock()
	for range 2 { // the number of the first may go to a key that another replica makes
		if err := a.renewRSA(ctx); err != nil {
			return tokenKey{}, err
		}
		if key, ok := a.news.Load().keys.signing(alg, now); ok {
			return key, nil
		}
	}
	return tokenKey{}, fmt.Errorf("there is no %s key", alg)
}

// JWKS is the set of public keys that check our tokens (RFC 7517 §5), as JSON.
func (a *Authn) JWKS(context.Context) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range a.news.Load().keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"})
	}
	return json.Marshal(set)
}
