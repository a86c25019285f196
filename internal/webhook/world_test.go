package webhook

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the room with an account that has registered a receiver.
type world struct {
	*testing.T
	*Webhook
	db      *dbtest.DB
	account authz.Principal
}

func newWorld(t *testing.T, d *dbtest.DB, allow ...string) *world {
	t.Helper()
	return &world{T: t, Webhook: room(t, d.DB, allow...), db: d, account: authz.Principal{Account: secret.NewID(), Rights: []authz.Right{authz.Operate}}}
}

func room(t *testing.T, d *db.DB, allow ...string) *Webhook {
	t.Helper()
	box, err := secret.FromMaster(make([]byte, 32))
	must(t, err)
	w, err := New(Config{DB: d, Box: box, Log: slog.New(slog.DiscardHandler), Allow: allow})
	must(t, err)
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run keeps rooms delivering until the test, or the function it returns, ends them.
func run(t *testing.T, rooms ...*Webhook) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, w := range rooms {
		running.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// once makes all calls that are due, in the test's own time.
func (w *world) once() {
	w.Helper()
	var running sync.WaitGroup
	must(w.T, w.begin(w.Context(), &running))
	running.Wait()
}

func (w *world) register(url string, events ...string) {
	w.Helper()
	must(w.T, w.Register(w.Context(), w.account, Registration{URL: url, Key: "abc123", Events: events}))
}

func (w *world) secret() string {
	w.Helper()
	s, err := w.NewSecret(w.Context(), w.account.Account, "", 0)
	must(w.T, err)
	return s
}

func (w *world) raise(pkg, name string) {
	w.Helper()
	must(w.T, w.DB.Write(w.Context(), func(tx *db.Tx) error {
		return Raise(tx, Event{Account: w.account.Account, Package: pkg, Name: name, SessionUser: "signer1"})
	}))
}

func (w *world) idle() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	must(w.T, w.Idle(ctx))
}

func (w *world) deliveries(state string) []Delivery {
	w.Helper()
	all, err := w.Deliveries(w.Context(), w.account.Account, state)
	must(w.T, err)
	return all
}

// got is a call as a receiver saw it.
type got struct {
	ID, Package, Name, Document string
	Header                      http.Header
	Body                        []byte
}

// receiver is a real HTTP server that keeps what it was told. answer says how it answers; nil is 200.
type listening struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []got
	answer func(got, http.ResponseWriter)
}

func listen(t *testing.T, answer func(got, http.ResponseWriter)) *listening {
	t.Helper()
	l := &listening{answer: answer}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *listening) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var b body
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g := got{r.Header.Get(headerID), b.PackageID, b.Name, b.DocumentID, r.Header.Clone(), text}
	l.mu.Lock()
	l.calls = append(l.calls, g)
	answer := l.answer
	l.mu.Unlock()
	if answer != nil {
		answer(g, w)
	}
}

func (l *listening) says(answer func(got, http.ResponseWriter)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func (l *listening) all() []got {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]got(nil), l.calls...)
}

func status(code int) func(got, http.ResponseWriter) {
	return func(_ got, w http.ResponseWriter) { w.WriteHeader(code) }
}

// trap counts every connection to an address; ":0" is every address of this machine.
type trap struct {
	net.Listener
	mu      sync.Mutex
	reached int
	ended   chan struct{}
}

func setTrap(t *testing.T, address string) *trap {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	tr := &trap{Listener: l, ended: make(chan struct{})}
	go func() {
		defer close(tr.ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.mu.Lock()
			tr.reached++
			tr.mu.Unlock()
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-tr.ended })
	return tr
}

func (tr *trap) port() string {
	_, port, _ := net.SplitHostPort(tr.Addr().String())
	return port
}

func (tr *trap) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.reached
}
