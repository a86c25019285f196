package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/secret"
)

func TestNewWantsAWayOut(t *testing.T) {
	d := dbtest.SQLite(t)
	box, err := secret.FromMaster(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	good := Config{From: "sign@example.com", BaseURL: "https://sign.example.com", Mailbox: true}
	for name, c := range map[string]struct {
		spoil func(*Config)
		ok    bool
	}{
		"mailbox":            {func(*Config) {}, true},
		"neither":            {func(c *Config) { c.Mailbox = false }, false},
		"relay only":         {func(c *Config) { c.Mailbox, c.SMTP = false, &SMTP{Addr: "relay.example.com:587"} }, true},
		"relay without port": {func(c *Config) { c.SMTP = &SMTP{Addr: "relay.example.com"} }, false},
		"relay port 0":       {func(c *Config) { c.SMTP = &SMTP{Addr: "relay.example.com:0"} }, false},
		"unknown TLS mode":   {func(c *Config) { c.SMTP = &SMTP{Addr: "relay.example.com:587", TLS: "maybe"} }, false},
		"no sender":          {func(c *Config) { c.From = "" }, false},
		"no host":            {func(c *Config) { c.BaseURL = "/" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.spoil(&config)
			if _, err := New(config, d.DB, box, openBlob, jobs.New(d.DB, nil), nil); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTemporaryRefusalIsTriedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		busy := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "come back later"}
		relay.refuse = func(n int) error {
			if n == 0 {
				return busy
			}
			return nil
		}
		relay.data = func(n int) error {
			if n < 2 { // it may have kept the message and may not: that is why it comes again
				return busy
			}
			return nil
		}
		o := newOffice(t, d, Config{SMTP: plainRelay(relay)})
		o.send(t, invitation())
		for try := range 3 {
			if got := o.deliveries(t, "pkg"); len(got) != 1 || got[0].State != Queued || !strings.Contains(got[0].Error, "451") {
				t.Fatalf("after try %d: %+v", try, got)
			}
			o.later(t, time.Hour)
		}
		if got := o.deliveries(t, "pkg"); got[0].State != Delivered || got[0].Error != "" {
			t.Errorf("at the end: %+v", got)
		}
		ids, dates := map[string]bool{}, map[string]bool{}
		for _, r := range relay.messages() {
			h := r.message(t).Header
			ids[h.Get("Message-Id")], dates[h.Get("Date")] = true, true
		}
		if len(relay.messages()) != 3 || len(ids) != 1 || len(dates) != 1 {
			t.Errorf("%d transmissions with %d Message-IDs and %d dates", len(relay.messages()), len(ids), len(dates))
		}
		o.later(t, 100*time.Hour)
		if n := len(relay.messages()); n != 3 {
			t.Errorf("%d transmissions, want 3", n)
		}
	})
}

func TestFinalRefusalFails(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		relay.refuse = func(int) error {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		o := newOffice(t, d, Config{SMTP: plainRelay(relay)})
		o.send(t, invitation())
		o.later(t, 24*time.Hour)
		got := o.deliveries(t, "pkg")
		if len(got) != 1 || got[0].State != Failed || !strings.Contains(got[0].Error, "no such user") || got[0].Ended.IsZero() {
			t.Errorf("got %+v", got)
		}
		if n := relay.connections.Load(); n != 1 {
			t.Errorf("%d conversations, want 1", n)
		}
		if events := eventsOf(t, d, "pkg"); !slices.Equal(events, []string{"mail.failed"}) {
			t.Errorf("events %v", events)
		}
		if n := one[int](t, d, `select count(*) from mails where sealed is not null`); n != 0 {
			t.Error("the body of a failed message was kept")
		}
	})
}

func eventsOf(t *testing.T, d *dbtest.DB, pkg string) (types []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for r, err := range audit.OfPackage(tx, pkg) {
			if err != nil {
				return err
			}
			types = append(types, r.Type)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return types
}

func TestRelayThatIsAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		o := newOffice(t, d, Config{SMTP: &SMTP{Addr: addr, TLS: Plain}})
		o.send(t, invitation())
		o.later(t, 24*time.Hour)
		if got := o.deliveries(t, "pkg"); len(got) != 1 || got[0].State != Queued || got[0].Error == "" {
			t.Fatalf("got %+v", got)
		}
		relay := newTestRelay(t, addr, nil)
		o.later(t, time.Hour)
		if got := o.deliveries(t, "pkg"); got[0].State != Delivered || len(relay.messages()) != 1 {
			t.Errorf("got %+v and %d messages", got, len(relay.messages()))
		}
	})
}

func TestRelayThatStaysAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		relay.refuse = func(int) error { return &smtp.SMTPError{Code: 450, Message: "not now"} }
		o := newOffice(t, d, Config{SMTP: plainRelay(relay)})
		o.send(t, invitation())
		o.later(t, tryFor-time.Minute)
		if got := o.deliveries(t, "pkg"); got[0].State != Queued {
			t.Fatalf("got %+v", got)
		}
		o.later(t, time.Hour)
		if got := o.deliveries(t, "pkg"); got[0].State != Failed {
			t.Errorf("got %+v", got)
		}
	})
}

// A relay that offers no encryption, or whose certificate nobody vouches for, learns nothing.
func TestNothingGoesOutUnencrypted(t *testing.T) {
	_, secured := certified(t)
	for name, change := range map[string]func(*smtp.Server){"not offered": nil, "unknown certificate": secured} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.SQLite(t)
			relay := newTestRelay(t, "", change)
			o := newOffice(t, d, Config{SMTP: &SMTP{Addr: relay.addr, Username: "countersign", Password: "relay-password"}})
			o.send(t, invitation())
			if got := o.deliveries(t, "pkg"); got[0].State != Queued || relay.rcpts != 0 || relay.connections.Load() != 1 {
				t.Errorf("got %+v, %d recipients named", got, relay.rcpts)
			}
		})
	}
}

func TestImplicitTLS(t *testing.T) {
	d := dbtest.SQLite(t)
	authority, _ := certified(t)
	front := newTLSRelay(t, authority.TLS)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	o := newOffice(t, d, Config{SMTP: &SMTP{Addr: front.addr, TLS: Implicit, Username: "countersign", Password: "relay-password", Roots: roots}})
	o.send(t, invitation())
	if got := front.messages(); len(got) != 1 || !got[0].encrypted || got[0].user != "countersign" {
		t.Errorf("got %d messages; log:\n%s", len(got), o.log)
	}
}

// Addresses that stand for groups, and those of programs (RFC 2606 §2), are nobody's mailbox.
func TestNobodysAddressesGetNoMail(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		o := newOffice(t, d, Config{SMTP: plainRelay(relay), Mailbox: true})
		groups := []string{"540b86f9-2d93-4498-bdb4-b7b320540bb6@groups.e-signlive.com", "x@adhoc.groups.e-signlive.com", "x@GROUPS.E-SignLive.COM",
			"client-540b86f9@service.invalid", "x@INVALID"}
		for _, address := range groups {
			m := invitation()
			m.To.Email = address
			o.send(t, m)
		}
		box, err := o.Mailbox(t.Context(), "")
		if n := relay.connections.Load(); n != 0 || err != nil || len(box) != 0 || len(o.deliveries(t, "pkg")) != 0 {
			t.Errorf("%d conversations, %d in the mailbox, %v", n, len(box), err)
		}
		if events := eventsOf(t, d, "pkg"); !slices.Equal(events, slices.Repeat([]string{"mail.suppressed"}, len(groups))) {
			t.Errorf("events %v", events)
		}
		m := invitation()
		m.To.Email, m.ReplyTo.Email = "ann@notgroups.e-signlive.com", groups[0]
		o.send(t, m)
		m.To.Email, m.ReplyTo.Email = "ann@invalid.example.com", groups[3]
		o.send(t, m)
		got := relay.messages()
		if len(got) != 2 {
			t.Fatalf("%d messages to the neighbours' domains", len(got))
		}
		for _, r := range got {
			if to := r.message(t).Header.Get("Reply-To"); to != "" {
				t.Errorf("Reply-To %s", to)
			}
		}
	})
}

func TestOneMessageForAKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		o := newOffice(t, d, Config{Mailbox: true})
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				m := invitation()
				m.Key = fmt.Sprint("completed:", i%2)
				if err := d.Write(t.Context(), func(tx *db.Tx) error { return o.Send(tx, m) }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		o.send(t, invitation(), invitation()) // without a key
		if got, err := o.Mailbox(t.Context(), ""); err != nil || len(got) != 4 {
			t.Errorf("%d messages, %v", len(got), err)
		}
	})
}

// T7: links and codes are neither readable in the database, nor kept, nor in a log or error.
func TestT7SecretsStayInTheMessage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		relay.data = func(n int) error {
			return [...]error{&smtp.SMTPError{Code: 451, Message: "later"}, &smtp.SMTPError{Code: 554, Message: "no"}, nil, nil}[n]
		}
		o := newOffice(t, d, Config{SMTP: plainRelay(relay)})
		type stored struct {
			Dedupe                                                                  *string
			ID, MessageID, Kind, Recipient, Account, Package, State, LastError, Job string
			Sealed                                                                  []byte
		}
		everything := func() string {
			row := one[stored](t, d, `select m.id, m.dedupe, m.message_id, m.kind, m.recipient, m.account, m.package,
				m.state, m.last_error, m.sealed, coalesce(j.kind || j.key || j.last_error, '') as job
				from mails m left join jobs j on j.key = m.id order by m.created_ms desc limit 1`)
			return fmt.Sprintf("%+v %s", row, row.Sealed)
		}
		clean := func(when, text string) {
			t.Helper()
			for _, s := range []string{"SECRETLINK", "739154", "Please have a look", "Lease of"} {
				if strings.Contains(text, s) {
					t.Errorf("%s: %s in %s", when, s, text)
				}
			}
		}
		o.send(t, invitation()) // 451
		clean("waiting", everything())
		if n := one[int](t, d, `select count(*) from mails where sealed is not null`); n != 1 {
			t.Error("a waiting message has no body")
		}
		o.later(t, time.Hour) // 554
		clean("failed", everything())
		d.Shift(time.Second)
		o.send(t, Message{To: Address{"", "ann@example.com"}, Data: Code{Package: "Lease of the café", Code: "739154", Minutes: 10}})
		clean("delivered", everything())
		if n := one[int](t, d, `select count(*) from mails where sealed is not null`); n != 0 {
			t.Error("a delivered message's body was kept")
		}
		o.close()
		clean("log", o.log.String())
		if !strings.Contains(o.log.String(), "mail: delivered") || !strings.Contains(o.log.String(), "554") {
			t.Errorf("the log is silent:\n%s", o.log)
		}
	})
}

func TestRefusedActSendsNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		o := newOffice(t, d, Config{Mailbox: true})
		refusal := errors.New("refused")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := o.Send(tx, invitation()); err != nil {
				return err
			}
			return refusal
		})
		o.settle(t)
		if n := one[int](t, d, `select (select count(*) from mails) + (select count(*) from jobs) + (select count(*) from mailbox)`); !errors.Is(err, refusal) || n != 0 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}
