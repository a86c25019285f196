package authn

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

func (v *vendor) inspect(token string) Inspection {
	v.t.Helper()
	in, err := v.Inspect(context.Background(), v.tech.ClientID, "", token)
	if err != nil {
		v.t.Fatal(err)
	}
	return in
}

func TestInspect(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, other := h.vendor(EdDSA), h.vendor(RS256)
		id, sec, _ := h.client(authz.Sign)
		for kind, c := range map[string]struct {
			id, secret, token string
			life              time.Duration
		}{
			"technical": {v.tech.ClientID, v.tech.ClientSecret, v.actor(), 24 * time.Hour},
			"user":      {v.tech.ClientID, v.tech.ClientSecret, v.userToken("ann@partnerdomain.com"), 5 * time.Minute},
			"member":    {id, sec, h.token(id, sec), time.Hour},
		} {
			for _, s := range []string{"", "wrong", c.secret, other.tech.ClientSecret} {
				in, err := h.Inspect(t.Context(), c.id, s, c.token)
				if left := time.Until(in.Expires); err != nil || !in.Valid || left > c.life || left < c.life-30*time.Second {
					t.Errorf("%s: %+v, %v", kind, in, err)
				}
				if told := in.Claims != nil; told != (s == c.secret) || told && in.Claims["client_id"] != c.id {
					t.Errorf("%s: claims %v", kind, in.Claims)
				}
			}
			for _, stranger := range []string{"", other.tech.ClientID, secret.NewGUID(), "\x00"} {
				if in, err := h.Inspect(t.Context(), stranger, other.tech.ClientSecret, c.token); err != nil || in.Valid || !in.Expires.IsZero() || in.Claims != nil {
					t.Errorf("%s: a stranger is told %+v, %v", kind, in, err)
				}
			}
		}
		token := v.userToken("ann@partnerdomain.com")
		expires := v.inspect(token).Expires
		v.later(5 * time.Minute)
		if in := v.inspect(token); in.Valid || !in.Expires.Equal(expires) {
			t.Errorf("expired: %+v", in)
		}
		for _, bad := range []string{"", "x", token + "x", token[:len(token)-9] + "AAAAAAAAA"} {
			if in := v.inspect(bad); in.Valid || !in.Expires.IsZero() {
				t.Errorf("%q: %+v", bad, in)
			}
		}
	})
}

func TestInvalidate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v, other := h.vendor(EdDSA), h.vendor(EdDSA)
		id, sec, _ := h.client(authz.Sign)
		tokens := map[string]string{"technical": v.actor(), "user": v.userToken("ann@partnerdomain.com"), "rest": v.actor()}
		kill := func(c, s, token string) {
			t.Helper()
			if err := h.Invalidate(t.Context(), c, s, token); err != nil {
				t.Error(err)
			}
		}
		for _, token := range tokens {
			kill(other.tech.ClientID, other.tech.ClientSecret, token) // not his
			if !v.inspect(token).Valid {
				t.Fatal("a stranger took a token back")
			}
		}
		for _, c := range [][2]string{{v.tech.ClientID, "wrong"}, {v.tech.ClientID, ""}, {secret.NewGUID(), v.tech.ClientSecret}, {"\x00", ""}} {
			err := h.Invalidate(t.Context(), c[0], c[1], tokens["user"])
			refused(t, err, errs.Unauthenticated, "client.credentials")
		}
		for range 2 { // the second time changes nothing
			for _, kind := range []string{"technical", "user"} {
				kill(v.tech.ClientID, v.tech.ClientSecret, tokens[kind])
				if in := v.inspect(tokens[kind]); in.Valid || !in.Expires.IsZero() {
					t.Errorf("%s: %+v", kind, in)
				}
				_, err := v.Authenticate(t.Context(), tokens[kind])
				refused(t, err, errs.Unauthenticated, "token.invalid")
			}
		}
		r := v.request("ann@partnerdomain.com")
		r.ActorToken = tokens["technical"]
		_, err := v.Exchange(t.Context(), r)
		refused(t, err, errs.Unauthenticated, "actor.invalid")
		if !v.inspect(tokens["rest"]).Valid {
			t.Error("another token died too")
		}
		kill(id, sec, h.token(id, sec)) // a member's
		kill(v.tech.ClientID, v.tech.ClientSecret, "nonsense")
		if told := h.told("token.invalidated"); len(told) != 3 {
			t.Errorf("%d events: %q", len(told), told)
		}
		late := h.replica(d.DB, h.post) // knows it from its start
		if in, err := late.Inspect(t.Context(), v.tech.ClientID, "", tokens["user"]); err != nil || in.Valid {
			t.Errorf("%+v, %v", in, err)
		}
		v.later(technicalLife)
		if err := h.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := v.count(`select count(*) from revoked_tokens`); n != 0 || len(h.revoked.until) != 0 {
			t.Errorf("%d rows and %d tokens in memory are left", n, len(h.revoked.until))
		}
	})
}

func (h *house) count(sql string, args ...any) (n int) {
	h.t.Helper()
	if err := h.d.Read(context.Background(), func(tx *db.Tx) (err error) { n, err = db.One[int](tx, sql, args...); return err }); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// T6: what is taken away is dead within a second on every replica, and Inspect says so.
func TestT6EmbedTokensOnEveryReplica(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		replica := h.replica(d.DB, h.post)
		defer running(h.Authn)()
		defer running(replica)()
		worst := time.Duration(0)
		for name, c := range map[string]struct {
			take      func(v *vendor, u directory.User, token string) error
			technical bool // the technical account's token dies, too
		}{
			"user deactivated": {func(_ *vendor, u directory.User, _ string) error {
				return h.d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Deactivate(tx, u.ID); return err })
			}, false},
			"partner deactivated": {func(v *vendor, _ directory.User, _ string) error {
				_, err := h.dir.SetPartnerStatus(t.Context(), v.partner.OuterID, directory.PartnerInactive)
				return err
			}, false},
			"secret rotated": {func(v *vendor, _ directory.User, _ string) error {
				_, err := h.RotateSecret(t.Context(), v.tech.ClientID, 0)
				return err
			}, true},
			"client revoked": {func(v *vendor, _ directory.User, _ string) error {
				return h.RevokeClient(t.Context(), v.tech.ClientID)
			}, true},
			"account raised": {func(v *vendor, _ directory.User, _ string) error {
				return h.d.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.Raise(tx, directory.OfAccount, v.account.ID); return err })
			}, false},
			"token invalidated": {func(v *vendor, _ directory.User, token string) error {
				return h.Invalidate(t.Context(), v.tech.ClientID, v.tech.ClientSecret, token)
			}, false},
		} {
			v := h.vendor(EdDSA)
			u := v.user("bob@partnerdomain.com")
			technical, token := v.actor(), v.userToken("bob@partnerdomain.com")
			both := []*Authn{h.Authn, replica}
			alive := func(a *Authn, token string) bool {
				_, err := a.Authenticate(t.Context(), token)
				in, inErr := a.Inspect(t.Context(), v.tech.ClientID, "", token)
				if inErr != nil || in.Valid && err != nil { // the other way round, the news came between the two
					t.Fatalf("%s: Authenticate says %v, Inspect %+v, %v", name, err, in, inErr)
				}
				return in.Valid
			}
			for _, a := range both {
				if !alive(a, token) || !alive(a, technical) {
					t.Fatal(name, "dead before")
				}
			}
			if err := c.take(v, u, token); err != nil {
				t.Fatal(name, err)
			}
			at := time.Now()
			for _, a := range both {
				for alive(a, token) {
					if time.Since(at) > 5*time.Second {
						t.Fatalf("%s: the token still lives", name)
					}
					runtime.Gosched()
				}
				if alive(a, technical) == c.technical {
					t.Errorf("%s: the technical account's token lives: %v", name, !c.technical)
				}
			}
			took := time.Since(at)
			worst = max(worst, took)
			t.Logf("T6: %s: dead on both replicas after %d ms", name, took.Milliseconds())
		}
		if worst > time.Second {
			t.Errorf("T6: dead after %s", worst)
		}
	})
}

// An act of its own a process knows at once, without Run.
func TestT6DeadHereAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for name, take := range map[string]func(v *vendor, token string) error{
			"invalidated": func(v *vendor, token string) error {
				return h.Invalidate(t.Context(), v.tech.ClientID, v.tech.ClientSecret, token)
			},
			"rotated": func(v *vendor, _ string) error { _, err := h.RotateSecret(t.Context(), v.tech.ClientID, 0); return err },
			"revoked": func(v *vendor, _ string) error { return h.RevokeClient(t.Context(), v.tech.ClientID) },
		} {
			v := h.vendor(EdDSA)
			token := v.actor()
			if err := take(v, token); err != nil || v.inspect(token).Valid {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// News are never replaced by older ones, however many read them.
func TestFollowersDoNotGoBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		done := make(chan error, 4)
		for range cap(done) {
			go func() {
				for range dbtest.Rounds(20, 500) {
					token, err := h.TechnicalToken(context.Background(), v.tech.ClientID, v.tech.ClientSecret, nil)
					if err == nil {
						err = h.Invalidate(context.Background(), v.tech.ClientID, v.tech.ClientSecret, token.Access)
					}
					if in, e := h.Inspect(context.Background(), v.tech.ClientID, "", token.Access); err == nil && (e != nil || in.Valid) {
						err = fmt.Errorf("a token lives on: %+v, %w", in, e)
					}
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
