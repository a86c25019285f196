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
