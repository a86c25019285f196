package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testRelay is a real SMTP server that keeps what it is given.
type testRelay struct {
	addr        string
	connections atomic.Int64
	mu          sync.Mutex
	server      *smtp.Server
	got         []received
	// refuse answers the nth RCPT, from 0, and data the nth DATA after it was read; nil takes everything.
	refuse, data func(n int) error
	rcpts, datas int
}

type received struct {
	hello, from, user string
	to                []string
	encrypted         bool
	raw               []byte
}

// message parses what was received.
func (r received) message(t *testing.T) *netmail.Message {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(r.raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, r.raw)
	}
	return m
}

// newTestRelay starts a relay on a free port, or on addr.
func newTestRelay(t *testing.T, addr string, change func(*smtp.Server)) *testRelay {
	t.Helper()
	r := &testRelay{}
	r.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{relay: r, conn: c}, nil }))
	r.server.Domain = "relay.example.com"
	r.server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if change != nil {
		change(r.server)
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r.serve(t, l)
	return r
}

func (r *testRelay) serve(t *testing.T, l net.Listener) {
	r.addr = l.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { _ = r.server.Serve(counting{l, &r.connections}) })
	t.Cleanup(func() { r.server.Close(); serving.Wait() })
}

type counting struct {
	net.Listener
	n *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

func (r *testRelay) messages() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

type session struct {
	relay *testRelay
	conn  *smtp.Conn
	now   received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "relay-password" {
			return smtp.ErrAuthFailed
		}
		s.now.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	_, encrypted := s.conn.TLSConnectionState()
	s.now = received{hello: s.conn.Hostname(), from: from, user: s.now.user, encrypted: encrypted}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	n := s.relay.rcpts
	s.relay.rcpts++
	s.now.to = append(s.now.to, to)
	if s.relay.refuse != nil {
		return s.relay.refuse(n)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.now.raw = raw
	s.relay.got = append(s.relay.got, s.now)
	n := s.relay.datas
	s.relay.datas++
	if s.relay.data != nil {
		return s.relay.data(n)
	}
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// office is a post with its queue on a scratch database.
type office struct {
	*dbtest.DB
	*Post
	queue *jobs.Queue
	log   *bytes.Buffer // read it after close
	close func()
}

var blobs = map[string][]byte{"blob-1": []byte("%PDF-1.7 first"), "blob-2": []byte("second")}

func openBlob(_ context.Context, key string) ([]byte, error) {
	if b, ok := blobs[key]; ok {
		return b, nil
	}
	return nil, errors.New("no such blob")
}

// newOffice opens a post that works in the background until the test ends.
func newOffice(t *testing.T, d *dbtest.DB, c Config) *office {
	t.Helper()
	box, err := secret.FromMaster(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{DB: d, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.From == "" {
		c.From = "Countersign <sign@example.com>"
	}
	c.BaseURL = "https://sign.example.com/"
	o.queue = jobs.New(d.DB, log)
	if o.Post, err = New(c, d.DB, box, openBlob, o.queue, log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.queue.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	o.close = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(o.close)
	return o
}

// send queues messages and waits until nothing is due.
func (o *office) send(t *testing.T, messages ...Message) {
	t.Helper()
	err := o.Write(t.Context(), func(tx *db.Tx) error {
		for _, m := range messages {
			if err := o.Send(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o.settle(t)
}

func (o *office) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := o.queue.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

// later moves the clock past the next try and waits for it.
func (o *office) later(t *testing.T, by time.Duration) {
	t.Helper()
	o.Shift(by)
	o.settle(t)
}

func (o *office) deliveries(t *testing.T, pkg string) (out []Delivery) {
	t.Helper()
	err := o.Read(t.Context(), func(tx *db.Tx) (err error) { out, err = Deliveries(tx, pkg); return err })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func one[T any](t *testing.T, d *dbtest.DB, sql string, args ...any) (v T) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) { v, err = db.One[T](tx, sql, args...); return err }); err != nil {
		t.Fatal(err)
	}
	return v
}

func plainRelay(r *testRelay) *SMTP { return &SMTP{Addr: r.addr, TLS: Plain} }

func invitation() Message {
	return Message{
		To: Address{"Ann Member", "ann@example.com"}, ReplyTo: Address{"Sam Sender", "sam@example.com"},
		Data: Invitation{Person: "Ann Member", Sender: "Sam Sender", Account: "Example Ltd", Package: "Lease of the café",
			Message: "Please have a look.\nThanks", Group: "Legal", Link: "https://sign.example.com/s/SECRETLINK",
			Due: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)},
		Account: "acc", Package: "pkg",
	}
}

// certified gives a relay a certificate for 127.0.0.1 and returns who vouches for it.
func certified(t *testing.T) (*httptest.Server, func(*smtp.Server)) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return s, func(r *smtp.Server) { r.TLSConfig = s.TLS.Clone(); r.TLSConfig.NextProtos = nil }
}

// newTLSRelay is a relay that speaks TLS from the first byte.
func newTLSRelay(t *testing.T, config *tls.Config) *testRelay {
	t.Helper()
	r := &testRelay{}
	r.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{relay: r, conn: c}, nil }))
	r.server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	r.serve(t, l)
	return r
}
