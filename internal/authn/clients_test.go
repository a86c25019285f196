package authn

import (
	"bytes"
	"context"
	"crypto/x509"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

func TestTechnicalAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		tech, err := h.CreateTechnicalAccount(t.Context(), "Example Ltd", "Product", "")
		if err != nil || tech.Organisation != h.home.Organisation || !guid.MatchString(tech.ClientID) || len(tech.ClientSecret) != 43 ||
			!regexp.MustCompile(`^[0-9A-F]{24}@techacct\.invalid$`).MatchString(tech.ID) {
			t.Fatalf("%+v, %v", tech, err)
		}
		token, err := h.TechnicalToken(t.Context(), tech.ClientID, tech.ClientSecret, nil)
		if err != nil || token.ExpiresIn != 24*time.Hour || len(token.Scopes) != 26 {
			t.Fatal(token.Scopes, err)
		}
		p, err := h.Authenticate(t.Context(), token.Access)
		want := authz.Principal{Kind: authz.Technical, Client: tech.ClientID, Credential: tech.ClientID, TechnicalAccount: tech.ID, Organisation: tech.Organisation, Rights: authz.TechnicalScopes}
		if err != nil || fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("%+v, %v", p, err)
		}
		for what, c := range map[string][3]string{"name.missing": {"Org", " ", ""}, "name.malformed": {"Org", "\x00", ""}, "alg.unknown": {"Org", "Product", "HS256"}} {
			_, err = h.CreateTechnicalAccount(t.Context(), c[0], c[1], c[2])
			refused(t, err, errs.Invalid, what)
		}
		if _, err = h.CreateTechnicalAccount(t.Context(), "", "Product", ""); errs.KindOf(err) != errs.Invalid {
			t.Error(err)
		}
		// Neither kind of client gets the other's tokens.
		id, sec, _ := h.client(authz.Sign)
		_, err = h.TechnicalToken(t.Context(), id, sec, nil)
		refused(t, err, errs.Unauthenticated, "client.credentials")
		_, err = h.ClientToken(t.Context(), tech.ClientID, tech.ClientSecret, "")
		refused(t, err, errs.Unauthenticated, "client.credentials")
		list, err := h.Clients(t.Context())
		if err != nil || len(list) != 2 || list[0].ID != tech.ClientID || list[0].Kind != authz.Technical || list[0].Alg != EdDSA || list[0].Name != "Product" ||
			list[0].TechnicalAccount != tech.ID || list[1].ID != id || list[1].Kind != authz.Member || list[1].Account != h.home.ID {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// T6, T7: a rotation kills the old secret at once, or after the overlap that was asked for.
func TestT6RotateSecret(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		replica := h.replica(d.DB, h.post)
		try := func(a *Authn, secret string) error {
			_, err := a.TechnicalToken(t.Context(), v.tech.ClientID, secret, nil)
			return err
		}
		dead := func(secret string) {
			t.Helper()
			for _, a := range []*Authn{h.Authn, replica} {
				refused(t, try(a, secret), errs.Unauthenticated, "client.credentials")
			}
		}
		alive := func(secret string) {
			t.Helper()
			for _, a := range []*Authn{h.Authn, replica} {
				if err := try(a, secret); err != nil {
					t.Error(err)
				}
			}
		}
		follow := func() {
			t.Helper()
			h.hear()
			if err := replica.follow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		rotate := func(overlap time.Duration) string {
			t.Helper()
			s, err := h.RotateSecret(t.Context(), v.tech.ClientID, overlap)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		first := v.tech.ClientSecret
		alive(first) // and kept in memory by both
		token := v.actor()
		second := rotate(time.Hour)
		alive(second) // at once, also where the news are not heard yet
		alive(first)
		follow()
		alive(first)
		alive(second)
		if !v.inspect(token).Valid {
			t.Error("a rotation with overlap killed a token")
		}
		d.Shift(59 * time.Minute)
		follow()
		alive(first)
		d.Shift(2 * time.Minute)
		follow()
		dead(first)
		alive(second)
		third := rotate(time.Hour)
		fourth := rotate(7 * 24 * time.Hour)
		follow()
		dead(second)
		alive(third)
		alive(fourth)
		token = v.actorBy(fourth)
		fifth := rotate(0)
		if v.inspect(token).Valid {
			t.Error("a token of the old secret lives")
		}
		alive(fifth)
		follow()
		dead(third)
		dead(fourth)
		alive(fifth)
		for _, overlap := range []time.Duration{-1, time.Nanosecond, 7*24*time.Hour + time.Millisecond} {
			_, err := h.RotateSecret(t.Context(), v.tech.ClientID, overlap)
			refused(t, err, errs.Invalid, "overlap.range")
		}
		for _, id := range []string{"", secret.NewGUID(), "\x00", strings.Repeat("\x00", 36)} {
			_, err := h.RotateSecret(t.Context(), id, 0)
			refused(t, err, errs.NotFound, "client.unknown")
			refused(t, h.RevokeClient(t.Context(), id), errs.NotFound, "client.unknown")
		}
		if told := h.told("client.secret_rotated"); len(told) != 4 {
			t.Errorf("%d events", len(told))
		}
	})
}

func (v *vendor) actorBy(secret string) string {
	v.t.Helper()
	v.tech.ClientSecret = secret
	return v.actor()
}

func TestRevokedClient(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor(EdDSA)
		id, sec, _ := h.client(authz.Sign)
		for range 2 {
			for _, c := range []string{v.tech.ClientID, id} {
				if err := h.RevokeClient(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err := h.TechnicalToken(t.Context(), v.tech.ClientID, v.tech.ClientSecret, nil)
		refused(t, err, errs.Denied, "client.disabled")
		_, err = h.TechnicalToken(t.Context(), v.tech.ClientID, "wrong", nil)
		refused(t, err, errs.Unauthenticated, "client.credentials")
		_, err = h.ClientToken(t.Context(), id, sec, "")
		refused(t, err, errs.Denied, "client.disabled")
		if list, err := h.Clients(t.Context()); err != nil || len(list) != 2 || !list[0].Disabled || !list[1].Disabled {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// B1, B2: once a client and a token are known, the database is not asked. A closed one cannot answer.
func TestB1WarmWithoutSQL(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		id, sec, _ := h.client(authz.Sign)
		var vendors []*vendor
		var tokens []string
		for _, alg := range []string{EdDSA, RS256} {
			v := h.vendor(alg)
			vendors, tokens = append(vendors, v), append(tokens, v.userToken("ann@partnerdomain.com"))
		}
		h.hear()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		for i, v := range vendors {
			technical := v.actor()
			for _, token := range []string{technical, tokens[i]} {
				if _, err := h.Authenticate(t.Context(), token); err != nil {
					t.Error(err)
				}
				if in, err := h.Inspect(t.Context(), v.tech.ClientID, v.tech.ClientSecret, token); err != nil || !in.Valid || in.Claims == nil {
					t.Errorf("%+v, %v", in, err)
				}
				if in := v.inspect(token + "x"); in.Valid {
					t.Error("a bad token is good")
				}
			}
		}
		if _, err := h.ClientToken(t.Context(), id, sec, ""); err != nil {
			t.Error(err)
		}
		_, err := h.TechnicalToken(t.Context(), vendors[0].tech.ClientID, "wrong", nil)
		if errs.KindOf(err) != errs.Fault {
			t.Errorf("a wrong secret was decided in memory: %v", err)
		}
		real := h.sinceStart
		h.sinceStart = func() time.Duration { return real() + staleAfter }
		_, err = h.TechnicalToken(t.Context(), vendors[0].tech.ClientID, vendors[0].tech.ClientSecret, nil)
		refused(t, err, errs.Unavailable, "authn.stale")
		_, err = h.ClientToken(t.Context(), id, sec, "")
		refused(t, err, errs.Unavailable, "authn.stale")
		_, err = h.Inspect(t.Context(), id, "", tokens[0])
		refused(t, err, errs.Unavailable, "authn.stale")
		_, err = h.Exchange(t.Context(), ExchangeRequest{})
		refused(t, err, errs.Unavailable, "authn.stale")
		refused(t, h.Invalidate(t.Context(), id, sec, tokens[0]), errs.Unavailable, "authn.stale")
	})
}

// T7: the secrets of a partner's calls are kept as hashes, and are in no file and no log.
func TestT7EmbedSecretsAreNotKept(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, &dbtest.DB{DB: d})
	var log bytes.Buffer
	h.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v := h.vendor(RS256)
	r := v.request("ann@partnerdomain.com")
	user, err := v.Exchange(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := h.RotateSecret(t.Context(), v.tech.ClientID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fresh := v.actorBy(rotated)
	if err = h.Invalidate(t.Context(), v.tech.ClientID, rotated, fresh); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*ExchangeRequest){
		func(r *ExchangeRequest) { r.ClientSecret += "x" }, func(r *ExchangeRequest) { r.ActorToken += "x" },
		func(r *ExchangeRequest) { r.SubjectToken += "x" }, func(r *ExchangeRequest) { r.SubjectToken = unsecured(`{"email":"no@example.com"}`) },
	} {
		bad := r
		change(&bad)
		_, err := v.Exchange(t.Context(), bad)
		if err == nil {
			t.Error("a bad request was good")
		}
		fmt.Fprintln(&log, err)
	}
	_, wrong := h.TechnicalToken(t.Context(), v.tech.ClientID, rotated+"x", nil)
	fmt.Fprintln(&log, wrong)
	key, _ := h.news.Load().keys.newest(RS256)
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	greps := 0
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range []string{r.ClientSecret, rotated, r.ActorToken, r.SubjectToken, user.Access, fresh, string(der[len(der)-200:])} {
			if greps++; bytes.Contains(content, []byte(s)) || bytes.Contains(log.Bytes(), []byte(s)) {
				t.Errorf("secret %d is in %s or the log", i, filepath.Base(f))
			}
		}
	}
	if greps == 0 || log.Len() == 0 {
		t.Error("nothing was searched")
	}
	t.Logf("T7: %d greps, found 0", greps)
}

// The keys of both algorithms are renewed and dropped each for itself.
func TestRSAKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		kids := func(alg string) (list []string) {
			for _, k := range h.news.Load().keys {
				if k.alg == alg {
					list = append(list, k.kid)
				}
			}
			return list
		}
		h.tend(t)
		if n := len(kids(RS256)); n != 0 {
			t.Errorf("%d RSA keys before there was time for it", n)
		}
		real := h.sinceStart
		h.sinceStart = func() time.Duration { return real() + rsaAfter }
		h.tend(t)
		h.tend(t)
		first := kids(RS256)
		if len(first) != 1 || len(kids(EdDSA)) != 1 {
			t.Fatalf("%q, %q", first, kids(EdDSA))
		}
		v := h.vendor(RS256)
		old := v.actor()
		d.Shift(renewAfter + time.Minute)
		h.tend(t)
		h.tend(t) // one number is given at a time
		if len(kids(RS256)) != 2 || len(kids(EdDSA)) != 2 {
			t.Fatalf("%q, %q", kids(RS256), kids(EdDSA))
		}
		before := v.actor()
		v.later(keyDelay + time.Second)
		after := v.actor()
		if old[:60] != before[:60] || before[:60] == after[:60] {
			t.Error("the new key does not sign in its time")
		}
		v.later(technicalLife - time.Minute)
		h.tend(t)
		for _, token := range []string{before, after} { // a key lives longer than its last token
			if !v.inspect(token).Valid {
				t.Error("a token died with its key")
			}
		}
		v.later(keepFor)
		h.tend(t)
		h.tend(t)
		if left := kids(RS256); len(left) != 1 || slices.Contains(first, left[0]) || len(kids(EdDSA)) != 1 {
			t.Errorf("%q, %q", left, kids(EdDSA))
		}
	})
}

// The clients of before are members' clients, and their secrets hold.
func TestMigrationKeepsClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	for engine, c := range map[string]struct {
		driver, dsn, url string
		dialect          goose.Dialect
	}{
		"sqlite":   {"sqlite", "file:" + path + "?_pragma=foreign_keys(1)", "sqlite:" + path, goose.DialectSQLite3},
		"postgres": {"pgx", "", "", goose.DialectPostgres},
	} {
		t.Run(engine, func(t *testing.T) {
			if c.dsn == "" {
				c.dsn = dbtest.PostgresURL(t)
				c.url = c.dsn
			}
			sec, id := secret.Token(32), secret.NewGUID()
			old(t, c.dialect, c.driver, c.dsn, id, box(t).Hash(secretPurpose, sec))
			d, err := db.Open(t.Context(), db.Config{URL: c.url, Conns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			a, err := New(t.Context(), d, box(t), nil, issuer, quiet())
			if err != nil {
				t.Fatal(err)
			}
			token, err := a.ClientToken(t.Context(), id, sec, "")
			if err != nil {
				t.Fatal(err)
			}
			p, err := a.Authenticate(t.Context(), token.Access)
			if err != nil || p.Kind != authz.Member || p.Organisation != "org" || p.Account != "acc" || p.User != "usr" || !slices.Equal(p.Rights, rights("sign")) {
				t.Errorf("%+v, %v", p, err)
			}
			list, err := a.Clients(t.Context())
			if err != nil || len(list) != 2 || list[1].ID != "bare" || !list[1].Disabled || list[0].Name != "Program" || list[0].Created.UnixMilli() != 1 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}

// old makes a database as it was before technical accounts, with two clients.
func old(t *testing.T, dialect goose.Dialect, driver, dsn, id string, hash []byte) {
	t.Helper()
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	p, err := goose.NewProvider(dialect, pool, os.DirFS("../db/schema"))
	if err == nil {
		_, err = p.UpTo(t.Context(), 8)
	}
	for _, q := range []string{
		`insert into organisations (id, name, created_ms) values ('org', 'Org', 1)`,
		`insert into accounts (id, outer_id, organisation_id, name, created_ms, updated_ms) values ('acc', 'outer', 'org', 'Acc', 1, 1)`,
		`insert into users (id, organisation_id, account_id, sender_id, platform_id, email, first_name, last_name, status, type, user_type,
			sender, folded, created_ms, updated_ms) values ('usr', 'org', 'acc', 's', 'p', 'u@service.invalid', 'A', '', 'ACTIVE', 'REGULAR', 'Integration', true, '', 1, 1)`,
		`insert into clients (id, account_id, user_id, name, rights, disabled, created_ms, updated_ms) values ('bare', 'acc', 'another', 'Bare', '[]', true, 2, 2)`,
	} {
		if err == nil {
			_, err = pool.ExecContext(t.Context(), q)
		}
	}
	if err == nil {
		_, err = pool.ExecContext(t.Context(), `insert into clients (id, account_id, user_id, name, rights, secret_hash, disabled, created_ms, updated_ms)
			values ($1, 'acc', 'usr', 'Program', '["sign"]', $2, false, 1, 1)`, id, hash)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func each(b *testing.B, bench func(b *testing.B, h *house)) {
	b.Run("sqlite", func(b *testing.B) { bench(b, build(b, dbtest.SQLite(b))) })
	b.Run("postgres", func(b *testing.B) { bench(b, build(b, dbtest.Postgres(b))) })
}

func BenchmarkTechnicalToken(b *testing.B) {
	h := build(b, dbtest.SQLite(b))
	defer running(h.Authn)()
	for _, alg := range []string{EdDSA, RS256} {
		v := h.vendor(alg)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.actor()
			}
		})
	}
}

func BenchmarkInspect(b *testing.B) {
	h := build(b, dbtest.SQLite(b))
	defer running(h.Authn)()
	v := h.vendor(EdDSA)
	token := v.userToken("ann@partnerdomain.com")
	for name, secret := range map[string]string{"plain": "", "with claims": v.tech.ClientSecret} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if in, err := h.Inspect(b.Context(), v.tech.ClientID, secret, token); err != nil || !in.Valid {
					b.Fatal(in, err)
				}
			}
		})
	}
}

// B3: the exchange beside the durable insert of its event.
func BenchmarkExchange(b *testing.B) {
	each(b, func(b *testing.B, h *house) {
		defer running(h.Authn)()
		v := h.vendor(EdDSA)
		r := v.request("ann@partnerdomain.com")
		parallel := func(act func() error) func(*testing.B) {
			return func(b *testing.B) {
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := act(); err != nil {
							b.Error(err)
						}
					}
				})
			}
		}
		x := exchange{token: secret.NewGUID(), client: &clientRecord{Client: Client{ID: v.tech.ClientID}}, granted: r.Scopes,
			may: directory.Delegation{Partner: v.partner.ID, User: secret.NewID(), Account: v.account.ID}}
		b.Run("event", parallel(func() error {
			return h.db.Write(context.Background(), func(tx *db.Tx) error { return x.record(tx) })
		}))
		b.Run("exchange", parallel(func() error { _, err := v.Exchange(context.Background(), r); return err }))
	})
}
