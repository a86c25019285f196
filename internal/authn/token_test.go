package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// Another program checks our tokens with our JWKS and finds the claims of RFC 9068 §2.2.
func TestStrangerVerifiesTokens(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	id, sec, p := h.client(authz.Sign)
	set, err := h.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(set, []byte(`"d"`)) {
		t.Fatal("the JWKS holds private keys")
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(h.token(id, sec), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var std jwt.Claims
	var own claims
	if err := token.Claims(keys, &std, &own); err != nil {
		t.Fatal(err)
	}
	if err := std.Validate(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{issuer}, Subject: p.User, Time: time.Now()}); err != nil {
		t.Error(err)
	}
	if own.ClientID != id || own.Scope != "sign" || std.ID == "" || std.Expiry.Time().Sub(std.IssuedAt.Time()) != time.Hour {
		t.Errorf("claims %+v %+v", std, own)
	}
	if typ := token.Headers[0].ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
}

func TestTokenExpires(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token := h.token(id, sec)
		d.Shift(59 * time.Minute)
		h.hear()
		if _, err := h.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
		d.Shift(time.Minute)
		h.hear()
		_, err := h.Authenticate(t.Context(), token)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}

func TestStaleProcessAnswersNothing(t *testing.T) {
	h := build(t, dbtest.SQLite(t))
	id, sec, _ := h.client(authz.Sign)
	token := h.token(id, sec)
	real := h.sinceStart
	h.sinceStart = func() time.Duration { return real() + staleAfter }
	_, err := h.Authenticate(t.Context(), token)
	refused(t, err, errs.Unavailable, "authn.stale")
	h.hear()
	if _, err := h.Authenticate(t.Context(), token); err != nil {
		t.Error(err)
	}
}

// T6: what is taken away is dead within a second on every replica.
func TestT6TakenAwayOnEveryReplica(t *testing.T) {
	d := dbtest.Postgres(t)
	h := build(t, d)
	second, err := db.Open(t.Context(), db.Config{URL: d.URL, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	replica := h.replica(second, h.post)
	defer running(h.Authn)()
	defer running(replica)()
	_, _, admin := h.client(authz.ManageUsers)
	worst := time.Duration(0)
	for name, take := range map[string]func(u directory.User) error{
		"secret renewed": func(u directory.User) error {
			_, _, err := h.NewSecret(t.Context(), admin, u.PlatformID)
			return err
		},
		"user deactivated": func(u directory.User) error {
			_, err := h.DeactivatePlatformUser(t.Context(), admin, u.PlatformID)
			return err
		},
		"user locked": func(u directory.User) error {
			locked := directory.Locked
			_, err := h.UpdatePlatformUser(t.Context(), admin, u.PlatformID, directory.UserChange{Status: &locked})
			return err
		},
	} {
		u, token := h.integration(admin, name)
		for _, a := range []*Authn{h.Authn, replica} {
			if _, err := a.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if err := take(u); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for _, a := range []*Authn{h.Authn, replica} {
			for _, err = a.Authenticate(t.Context(), token); err == nil; _, err = a.Authenticate(t.Context(), token) {
				if time.Since(at) > 5*time.Second {
					t.Fatalf("%s: the token still lives", name)
				}
				runtime.Gosched()
			}
			refused(t, err, errs.Unauthenticated, "token.invalid")
		}
		worst = max(worst, time.Since(at))
	}
	if worst > time.Second {
		t.Errorf("T6: dead after %s", worst)
	}
	t.Logf("T6: dead on both replicas after at most %s", worst)
}

// integration makes an integration user and a token for it.
func (h *house) integration(admin authz.Principal, name string) (directory.User, string) {
	h.t.Helper()
	ctx := context.Background()
	u, err := h.CreatePlatformUser(ctx, admin, NewPlatformUser{FirstName: name, LastName: "User", UserType: "Integration",
		Email: strings.ReplaceAll(name, " ", ".") + "@example.com", RoleName: "CongaSign Integration Role"})
	if err != nil {
		h.t.Fatal(err)
	}
	id, sec, err := h.NewSecret(ctx, admin, u.PlatformID)
	if err != nil {
		h.t.Fatal(err)
	}
	return u, h.token(id, sec)
}

// T6: the token of a new secret lives at once on a replica that has not heard of the change.
func TestT6NewTokenLivesBeforeTheNewsIsHeard(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, _, admin := h.client(authz.ManageUsers)
		behind := h.replica(d.DB, h.post)
		u, old := h.integration(admin, "program")
		id, sec, err := h.NewSecret(t.Context(), admin, u.PlatformID)
		if err != nil {
			t.Fatal(err)
		}
		fresh := h.token(id, sec)
		if _, err := behind.Authenticate(t.Context(), fresh); err != nil {
			t.Error(err)
		}
		h.hear()
		if _, err := h.Authenticate(t.Context(), fresh); err != nil {
			t.Error(err)
		}
		_, err = h.Authenticate(t.Context(), old)
		refused(t, err, errs.Unauthenticated, "token.invalid")
	})
}

func TestKeysRenew(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		other := h.replica(d.DB, h.post)
		id, sec, _ := h.client(authz.Sign)
		tend := func() {
			t.Helper()
			for _, a := range []*Authn{h.Authn, other} {
				a.tend(t)
			}
		}
		kid := func(token string) string { head, _, _ := strings.Cut(token, "."); return head }
		d.Shift(renewAfter + time.Minute)
		tend()
		if n := len(other.news.Load().keys); n != 2 {
			t.Fatalf("%d keys, want 2", n)
		}
		before := h.token(id, sec)
		d.Shift(keyDelay + time.Second)
		tend()
		after := h.token(id, sec)
		if kid(before) == kid(after) {
			t.Error("the new key does not sign")
		}
		for _, token := range []string{before, after} {
			if _, err := other.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		}
		d.Shift(keepFor)
		tend()
		tend()
		if keys := h.news.Load().keys; len(keys) != 1 || keys[0].header != kid(after)+"." {
			t.Errorf("%d keys are left", len(keys))
		}
	})
}

func TestReplicasStartWithOneKey(t *testing.T) {
	d := dbtest.Postgres(t)
	var wg sync.WaitGroup
	headers := make([]string, 8)
	for i := range headers {
		wg.Go(func() {
			a, err := New(t.Context(), d.DB, box(t), nil, issuer, quiet())
			if err != nil {
				t.Error(err)
				return
			}
			headers[i] = a.news.Load().keys[0].header
		})
	}
	wg.Wait()
	for _, header := range headers {
		if header != headers[0] {
			t.Fatal("two first keys")
		}
	}
}

func TestWrongMasterKey(t *testing.T) {
	d := dbtest.SQLite(t)
	build(t, d)
	wrong, err := secret.FromMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), d.DB, wrong, nil, issuer, quiet()); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Errorf("started with another master key: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[[sha256.Size]byte, *verified](tokenHalf)
	key := func(i int) [sha256.Size]byte { return sha256.Sum256([]byte(strconv.Itoa(i))) }
	c.put(key(0), &verified{expires: 7})
	for i := range 10 * tokenHalf {
		c.put(key(i+1), &verified{})
		if v, ok := c.get(key(0)); !ok || v.expires != 7 {
			t.Fatalf("what is in use was forgotten after %d", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*tokenHalf {
		t.Errorf("%d entries", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	h := build(b, dbtest.SQLite(b))
	id, sec, _ := h.client(authz.Sign)
	token := h.token(id, sec)
	real := h.news.Load().seen
	h.sinceStart = func() time.Duration { return real }
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Authenticate(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			h.verified = newCache[[sha256.Size]byte, *verified](tokenHalf)
			if _, err := h.Authenticate(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkClientToken(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func(testing.TB) *dbtest.DB
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			h := build(b, engine.open(b))
			id, sec, _ := h.client(authz.Sign)
			for b.Loop() {
				if _, err := h.ClientToken(b.Context(), id, sec, "sign"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// T6: an account's generation kills every token of it, and nobody else's.
func TestT6AccountRaised(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		token := h.token(id, sec)
		for _, c := range []struct {
			kind, id string
			dead     bool
		}{{directory.OfAccount, "another", false}, {directory.OfUser, h.home.ID, false}, {directory.OfAccount, h.home.ID, true}} {
			h.write(func(tx *db.Tx) error { _, err := directory.Raise(tx, c.kind, c.id); return err })
			h.hear()
			if _, err := h.Authenticate(t.Context(), token); (err != nil) != c.dead {
				t.Errorf("%s %s raised: %v", c.kind, c.id, err)
			}
		}
		if _, err := h.Authenticate(t.Context(), h.token(id, sec)); err != nil {
			t.Error(err)
		}
	})
}
