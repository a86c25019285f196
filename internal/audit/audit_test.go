package audit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

func sample() Event {
	return Event{
		Type: "package.signed", Account: "acc", Package: "pkg", Role: "role", Document: "doc",
		Actor:    Person("usr", "José Müller", "jose@example.com", "Legal", "code to mailbox"),
		Detail:   map[string]string{"page": "3", "hash": "00ff"},
		Personal: map[string]string{"typed": "J. Müller"},
	}
}

func appendEvent(t *testing.T, d *dbtest.DB, ctx context.Context, e Event) (id string) {
	t.Helper()
	err := d.Write(ctx, func(tx *db.Tx) (err error) { id, err = Append(tx, e); return err })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func trail(t *testing.T, d *dbtest.DB, pkg string) (out []Record, failed error) {
	t.Helper()
	failed = d.Read(t.Context(), func(tx *db.Tx) error {
		for r, err := range OfPackage(tx, pkg) {
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, failed
}

func exec(t *testing.T, d *dbtest.DB, sql string, args ...any) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(sql, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

func one[T any](t *testing.T, d *dbtest.DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) { v, err = db.One[T](tx, sql, args...); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEventComesBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		origin := Origin{IP: "192.0.2.7", UserAgent: "Browser/1.0", RequestID: "req-1"}
		var now time.Time
		var id string
		err := d.Write(WithOrigin(t.Context(), origin), func(tx *db.Tx) (err error) {
			if id, err = Append(tx, sample()); err == nil {
				now, err = tx.Now()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := trail(t, d, "pkg")
		if err != nil || len(got) != 1 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		r := got[0]
		if r.ID != id || r.At.After(now) || now.Sub(r.At) > 10*time.Second || r.Erased {
			t.Errorf("got %s at %s, appended %s before %s", r.ID, r.At, id, now)
		}
		if !reflect.DeepEqual(r.Event, sample()) || r.Origin != origin {
			t.Errorf("got %+v from %+v", r.Event, r.Origin)
		}
		if none, err := trail(t, d, ""); err != nil || len(none) != 0 {
			t.Errorf("the package without id has %d events, %v", len(none), err)
		}
	})
}

// A4: what cannot be recorded does not happen.
func TestA4UnwritableLogStopsTheAct(t *testing.T) {
	for name, obstacle := range map[string]string{
		"events gone":   `alter table audit_events rename to elsewhere`,
		"personal gone": `drop table audit_personal`,
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				exec(t, d, `create table acts (id bigint)`)
				exec(t, d, obstacle)
				for i := range 20 {
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						if _, err := tx.Exec(`insert into acts values ($1)`, i); err != nil {
							return err
						}
						_, err := Append(tx, sample())
						return err
					})
					if err == nil {
						t.Fatal("the act succeeded")
					}
				}
				if n := one[int](t, d, `select count(*) from acts`); n != 0 {
					t.Errorf("%d unaudited writes", n)
				}
			})
		})
	}
}

func TestRefusalIsKeptThoughItsActIsNot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		ctx, cancel := context.WithCancel(WithOrigin(t.Context(), Origin{IP: "192.0.2.9"}))
		refusal := errors.New("refused")
		err := d.Write(ctx, func(tx *db.Tx) error {
			if _, err := Append(tx, sample()); err != nil {
				return err
			}
			return refusal
		})
		if !errors.Is(err, refusal) {
			t.Fatal(err)
		}
		cancel() // the caller is gone
		if err := Refused(ctx, d.DB, Event{Type: "lease.refused", Package: "pkg", Actor: System}); err != nil {
			t.Fatal(err)
		}
		got, err := trail(t, d, "pkg")
		if err != nil || len(got) != 1 || got[0].Type != "lease.refused" || !got[0].Refused || got[0].Origin.IP != "192.0.2.9" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestTrailIsInOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		for act := range 5 {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				for i := range 20 { // many in one millisecond
					if _, err := Append(tx, Event{Type: fmt.Sprintf("%d", act*20+i), Package: "pkg", Actor: System}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			d.Shift(time.Second)
		}
		appendEvent(t, d, t.Context(), Event{Type: "other", Package: "pkg2", Actor: System})
		got, err := trail(t, d, "pkg")
		if err != nil || len(got) != 100 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		for i, r := range got {
			if r.Type != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, r.Type)
			}
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			for range OfPackage(tx, "pkg") {
				break // and the Tx is free again
			}
			_, err := tx.Now()
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A5: erasing takes the personal data and leaves what is in the log byte for byte.
func TestA5ErasureKeepsTheLeaf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		id := appendEvent(t, d, WithOrigin(t.Context(), Origin{IP: "192.0.2.7", UserAgent: "Browser"}), sample())
		before := one[[]byte](t, d, `select canonical from audit_events where id = $1`, id)
		for _, secret := range []string{"José", "jose@", "192.0.2.7", "Browser", "mailbox", "J. Müller"} {
			if strings.Contains(string(before), secret) {
				t.Errorf("the leaf holds personal data: %s", secret)
			}
		}
		exec(t, d, `delete from audit_personal where event_id = $1`, id)
		got, err := trail(t, d, "pkg")
		if err != nil || len(got) != 1 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		r := got[0]
		if !r.Erased || r.Actor.Name != "" || r.Origin.IP != "" || r.Personal != nil || r.Actor.User != "usr" || r.Detail["page"] != "3" {
			t.Errorf("got %+v", r)
		}
		if after := one[[]byte](t, d, `select canonical from audit_events where id = $1`, id); string(after) != string(before) {
			t.Error("the leaf changed")
		}
	})
}

func TestAlteredRowIsFound(t *testing.T) {
	alter := map[string]string{
		"data":      `update audit_personal set data = '{"name":"Somebody Else"}'`,
		"salt":      `update audit_personal set salt = $1`,
		"canonical": `update audit_events set canonical = $1`,
		"id":        `update audit_events set id = 'x'`,
	}
	for what, sql := range alter {
		t.Run(what, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				appendEvent(t, d, t.Context(), sample())
				switch what {
				case "id":
					exec(t, d, `create table aside as select * from audit_personal`)
					exec(t, d, `delete from audit_personal`)
					exec(t, d, sql)
				case "data":
					exec(t, d, sql)
				default:
					exec(t, d, sql, []byte("{}"))
				}
				if got, err := trail(t, d, "pkg"); err == nil {
					t.Errorf("passed: %+v", got)
				}
			})
		})
	}
}

func TestCanonicalBytes(t *testing.T) {
	r := Record{ID: "id-1", At: time.UnixMilli(1763755200123), Event: Event{
		Type: "package.sent", Account: "acc", Actor: Actor{Kind: KindClient, Client: "c", User: "u", Name: "secret"},
		// RFC 8785 §3.2.3: by UTF-16 code units, so U+1F600 before U+FB33.
		Detail: map[string]string{"\uFB33": "<&>", "\U0001F600": "a\u2028\"\\\n\x01", "a": "\xff"},
	}, Origin: Origin{RequestID: "req"}}
	got, err := canonical(leafOf(r, "c0ffee"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"account":"acc","actor":{"client":"c","kind":"client","user":"u"},"at":1763755200123,"detail":{"a":"` + "\uFFFD" +
		`","` + "\U0001F600" + `":"a` + "\u2028" + `\"\\\n\u0001","` + "\uFB33" + `":"<&>"},"id":"id-1","personal":"c0ffee","request":"req","type":"package.sent"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A6: whatever a stranger's software calls itself, the record is one line, short, and can be stored.
func TestA6HostileOrigin(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		hostile := "a\r\nb\x00\xff" + strings.Repeat("é", 5000)
		ctx := WithOrigin(t.Context(), Origin{IP: hostile, UserAgent: hostile, RequestID: hostile})
		e := sample()
		e.Actor.Name, e.Detail["x"] = hostile, "line\nbreak\x00"
		id := appendEvent(t, d, ctx, e)
		leaf := one[[]byte](t, d, `select canonical from audit_events where id = $1`, id)
		data := one[string](t, d, `select data from audit_personal where event_id = $1`, id)
		if strings.ContainsAny(string(leaf)+data, "\r\n\x00") {
			t.Error("raw control characters")
		}
		got, err := trail(t, d, "pkg")
		if err != nil || len(got) != 1 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		o := got[0].Origin
		if !strings.HasPrefix(o.UserAgent, "a\r\nb\x00\uFFFDé") || len(o.UserAgent) > maxUserAgent || len(o.IP) > maxOther || len(o.RequestID) > maxOther {
			t.Errorf("got %d, %d, %d bytes: %.20q", len(o.UserAgent), len(o.IP), len(o.RequestID), o.UserAgent)
		}
	})
}

func TestBy(t *testing.T) {
	for _, c := range []struct {
		p    authz.Principal
		want Actor
	}{
		{authz.Principal{Client: "c", User: "u"}, Actor{Kind: KindClient, Client: "c", User: "u"}},
		{authz.Principal{User: "u"}, Actor{Kind: KindPerson, User: "u"}},
		{authz.Principal{Client: "c", Rights: []authz.Right{authz.Operate}}, Actor{Kind: KindOperator, Client: "c"}},
	} {
		if got := By(c.p); got != c.want {
			t.Errorf("By(%+v) is %+v", c.p, got)
		}
	}
}

func TestShortID(t *testing.T) {
	seen := map[string]bool{}
	for i := range 20_000 {
		id := ShortID(fmt.Sprint("event-", i))
		if len(id) != 10 || strings.Trim(id, crockford) != "" || seen[id] {
			t.Fatalf("short id %q", id)
		}
		seen[id] = true
	}
	if got := ShortID("event-0"); got != "3NA7CZWBXR" {
		t.Errorf("event-0 is %s now: stamps in finished documents would lead nowhere", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *dbtest.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := Append(tx, sample()); return err }); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
