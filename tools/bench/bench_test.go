package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The load generator reads answers of either framing, and tells a wrong status with its body.
func TestLoadReadsAnswers(t *testing.T) {
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n := served.Add(1); {
		case r.URL.Path == "/bad":
			http.Error(w, "the reason", http.StatusConflict)
		case n%2 == 0:
			fmt.Fprint(w, strings.Repeat("x", 10_000)) // chunked
		default:
			fmt.Fprint(w, "short")
		}
	}))
	defer s.Close()
	c, err := dial(s.Listener.Addr().String(), 4)
	must(t, err)
	defer c.Close()
	raw := request("POST", "/", formMedia, "", "a=b")
	b, err := c.run(time.Minute, 50, 200, same(raw))
	must(t, err)
	if b.requests != 200 || served.Load() != 200 || b.p50 <= 0 || b.p99 < b.p50 {
		t.Errorf("%+v, %d served", b, served.Load())
	}
	if _, err := c.run(time.Minute, 1, 200, same(request("GET", "/bad", "", "", ""))); err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("a wrong status: %v", err)
	}
}

// The counter in the WAL index rises by one for each commit, and the raw store shares commits.
func TestCommitsAreCounted(t *testing.T) {
	d, err := newDatabase(t.Context(), "sqlite", t.TempDir(), "test")
	must(t, err)
	pool, err := d.open(2)
	must(t, err)
	defer pool.Close()
	_, err = pool.Exec(`create table t (id text primary key, n bigint)`)
	must(t, err)
	before, err := d.commits()
	must(t, err)
	for range 7 {
		_, err = pool.Exec(`insert into t values (hex(randomblob(8)), 1)`)
		must(t, err)
	}
	if after, err := d.commits(); err != nil || after-before != 7 {
		t.Errorf("%d commits counted of 7: %v", after-before, err)
	}
	s, err := newStore(d, pool)
	must(t, err)
	text, n := "00000000-0000-7000-8000-000000000000", int64(1)
	insert, err := s.inserter([]row{{"t", []cell{{Column: "id", Text: &text, Fresh: 1}, {Column: "n", Int: &n}}}})
	must(t, err)
	ended := make(chan error)
	for range 100 {
		go func() { ended <- insert() }()
	}
	for range 100 {
		must(t, <-ended)
	}
	shared, err := d.commits()
	must(t, err)
	if ids, err := column(t.Context(), pool, `select id from t where length(id) = 36`); err != nil || len(ids) != 100 {
		t.Errorf("%d rows of 100: %v", len(ids), err)
	}
	if shared-before-7 > 100 {
		t.Errorf("%d commits for 100 acts", shared-before-7)
	}
}

// What two acts wrote differently is made anew, the same in every row of one act.
func TestTemplateFollowsValues(t *testing.T) {
	d, err := newDatabase(t.Context(), "sqlite", t.TempDir(), "test")
	must(t, err)
	pool, err := d.open(1)
	must(t, err)
	defer pool.Close()
	_, err = pool.Exec(`create table users (id text primary key, email text, kind text, at bigint);
		create table events (id text primary key, user text, salt blob)`)
	must(t, err)
	var seen []snapshot
	for i := range 3 {
		user := fmt.Sprintf("00000000-0000-7000-8000-00000000000%d", i)
		_, err = pool.Exec(`insert into users values ($1, $2, 'person', $3)`, user, fmt.Sprintf("u%d@example.com", i), i)
		must(t, err)
		_, err = pool.Exec(`insert into events values (lower(hex(randomblob(8))), $1, randomblob(32))`, user)
		must(t, err)
		s, err := takeSnapshot(t.Context(), d, pool)
		must(t, err)
		seen = append(seen, s)
	}
	rows, err := template(seen[1].grown(seen[0]), seen[2].grown(seen[1]))
	must(t, err)
	must(t, d.fill(t.Context(), pool, rows, 2500))
	n, err := column(t.Context(), pool, `select count(*) from users u join events e on e.user = u.id
		where u.kind = 'person' and u.email like '__@example.com' and length(e.salt) = 32`)
	must(t, err)
	if tables(rows) != "events, users" || n[0] != "2503" {
		t.Errorf("%s: %s acts of 2503 are whole", tables(rows), n[0])
	}
}

// Statements are counted in both of PostgreSQL's protocols; opening and ending a transaction is none.
func TestCountsMessages(t *testing.T) {
	c := &conversation{proxy: &proxy{}, prepared: map[string]string{}}
	for _, m := range []struct {
		kind byte
		text string
	}{
		{'Q', "begin; select 1\x00"}, {'P', "a\x00select 2\x00"}, {'P', "z\x00commit\x00"}, {'S', ""},
		{'B', "\x00a\x00"}, {'E', ""}, {'S', ""}, {'B', "\x00z\x00"}, {'E', ""}, {'S', ""}, {'Q', "begin\x00"}, {'Q', "rollback\x00"},
	} {
		c.note(m.kind, m.text)
	}
	if got := c.read(); got != (count{statements: 2, commits: 1, trips: 6}) {
		t.Errorf("%+v", got)
	}
}

// Processor time used by this process is not somebody else's.
func TestOthersAreNotUs(t *testing.T) {
	before, err := processorUse()
	must(t, err)
	own := treeTime()
	for treeTime()-own < 200*time.Millisecond {
		_ = strings.Repeat("x", 1<<16)
	}
	after, err := processorUse()
	must(t, err)
	all := after.busy - before.busy
	if used := all - after.others(before); used < 150*time.Millisecond {
		t.Errorf("of %s used, %s are ours", all, used)
	}
}

// B1 names B1 and B1a, not B10; a table goes by the number.
func TestItemsAreNamed(t *testing.T) {
	o := options{only: []string{"B1", "P-new"}}
	for id, want := range map[string]bool{"B1": true, "B1a": true, "B10": false, "B10-kept": false, "P-new1": false, "P-new": true, "B2": false} {
		if o.wants(id) != want {
			t.Errorf("%s: %t", id, !want)
		}
	}
	for id, want := range map[string]int{"B7a": 7, "B10-kept": 10, "B3+": 3, "P-get": 100, "B5 x10": 5} {
		if n := (result{item: item{id: id}}).number(); n != want {
			t.Errorf("%s: %d", id, n)
		}
	}
	seen := map[string]bool{}
	for _, it := range items {
		if seen[it.id] || it.requests == nil && it.sides == nil || it.sides == nil && it.floor == nil {
			t.Errorf("%s is there twice, or is held against nothing", it.id)
		}
		seen[it.id] = true
	}
}

// A verdict names every goal that was missed.
func TestVerdicts(t *testing.T) {
	r := result{item: item{goal: always(0.9), within: time.Millisecond}, engine: "sqlite", ratio: 0.45}
	r.ours.p50 = 2 * time.Millisecond
	if got := r.verdict(); got != "≥ 0.9 MISSED (50 %) p50 > 1ms" {
		t.Error(got)
	}
	r.ratio, r.ours.p50 = 0.9, time.Millisecond
	if got := r.verdict(); got != "≥ 0.9 met" {
		t.Error(got)
	}
	r.count, r.like = &count{statements: 31}, &count{statements: 30}
	if got := r.verdict(); got != "≥ 0.9 SQL grows" {
		t.Error(got)
	}
	rounds := []round{{ours: figures{rate: 1, cpu: 3}, floor: figures{rate: 10, cpu: 2}}}
	for byCPU, want := range map[bool]string{false: "0.10", true: "0.67"} {
		r := result{item: item{byCPU: byCPU}}
		if r.sum(rounds); ratio(r.ratio) != want {
			t.Errorf("by processor time %t: %s", byCPU, ratio(r.ratio))
		}
	}
}

// A visitor goes through the form behind a link, and keeps cookie, handle and nonce.
func TestVisitorEnters(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /s/tok", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<input type="hidden" name="nonce" value="n1"><input type="hidden" name="token" value="tok">`)
	})
	mux.HandleFunc("POST /s", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("nonce") != "n1" || r.PostFormValue("token") != "tok" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "cs_browser", Value: "c1", Path: "/"})
		w.Header().Set("Location", "/sign/h1?lease=2")
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.HandleFunc("GET /sign/h1", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("cs_browser"); err != nil || c.Value != "c1" || r.URL.RawQuery != "lease=2" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `<body data-nonce="n2">`)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	c := &child{addresses: addresses{Main: s.Listener.Addr().String()}}
	v, _, err := c.enter("http://127.0.0.1:1/s/tok")
	if err != nil || v != (visitor{"c1", "h1", "n2"}) {
		t.Errorf("%+v: %v", v, err)
	}
	if _, _, err := c.enter("http://127.0.0.1:1/s/other"); err == nil {
		t.Error("somebody entered by a link that is not known")
	}
}

// A database that swallows the audit rows still takes the act.
func TestAuditRowsAreDropped(t *testing.T) {
	d, err := newDatabase(t.Context(), "sqlite", t.TempDir(), "test")
	must(t, err)
	pool, err := d.open(1)
	must(t, err)
	defer pool.Close()
	all := append([]string{`create table users (id text)`, `create table audit_events (id text)`, `create table audit_personal (id text)`}, swallow("sqlite")...)
	for _, s := range append(all, `insert into audit_events values ('a')`, `insert into audit_personal values ('a')`, `insert into users values ('a')`) {
		_, err = pool.Exec(s)
		must(t, err)
	}
	n, err := column(t.Context(), pool, `select (select count(*) from users) || ' ' || (select count(*) from audit_events) || (select count(*) from audit_personal)`)
	if err != nil || n[0] != "1 00" {
		t.Errorf("%v: %v", n, err)
	}
	rows := []row{{Table: "users"}, {Table: "audit_events"}, {Table: "audit_personal"}}
	if tables(untraced(rows)) != "users" || len(rows) != 3 {
		t.Errorf("%s of %s", tables(untraced(rows)), tables(rows))
	}
}

// Many callers make different users, each in his account.
func TestUsersOfManyAccounts(t *testing.T) {
	who := &tenant{account: "acc-0"}
	next, err := newUsersIn(who, []string{"acc-1", "acc-2"})
	must(t, err)
	seen := map[string]bool{}
	for conn := range accountsAtOnce {
		for n := range 3 {
			raw := string(next(conn, n))
			if seen[raw] || !strings.Contains(raw, fmt.Sprintf(`"acc-%d"`, 1+conn%2)) || strings.Count(raw, domain) != 1 {
				t.Fatalf("caller %d: %s", conn, raw)
			}
			seen[raw] = true
		}
	}
	if _, err := newUsersIn(who, nil); err == nil {
		t.Error("users in no account")
	}
}

// Ten scans have about 5.7 MB.
func TestScansAreLarge(t *testing.T) {
	doc, err := scansOf(10)
	must(t, err)
	if n := len(doc); n < 5_400_000 || n > 6_000_000 || strings.Count(string(doc), "/DCTDecode") != 10 {
		t.Errorf("%d bytes", n)
	}
}
