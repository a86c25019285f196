package webhook

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

// vectors are ways to write this machine, and names that lead to it; PORT is the trap's.
func vectors() []string {
	hosts := strings.Fields(`127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 017700000001 127.0.0.1. 0.0.0.0 0 0x0
		localhost LOCALHOST localhost. [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [64:ff9b::7f00:1]
		[64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [fe80::1%25lo] [::1%25lo] 127.127.127.127 ①②⑦.⓪.⓪.① 127。0。0。1 １２７.0.0.1
		ⓛⓞⓒⓐⓛⓗⓞⓢⓣ inside.example.test both.example.test six.example.test mapped.example.test metadata.example.test ınside.example.test`)
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			if n.IP.To4() != nil {
				hosts = append(hosts, n.IP.String())
			} else if !n.IP.IsLinkLocalUnicast() {
				hosts = append(hosts, "["+n.IP.String()+"]")
			}
		}
	}
	var out []string
	for _, h := range hosts {
		out = append(out, "http://"+h+":PORT/hook", "https://"+h+":PORT/")
	}
	return append(out, "http://ann@127.0.0.1:PORT/", "http://hooks.example.com@127.0.0.1:PORT/", "http://127.0.0.1:PORT#@hooks.example.com/",
		"http://127.0.0.1:PORT\\@hooks.example.com/", "http://hooks.example.com:80@127.0.0.1:PORT/", "http:127.0.0.1:PORT", "gopher://127.0.0.1:PORT/")
}

// W1: nothing on this machine is reached, however its address is written: through HTTP and a real trap on its port.
func TestW1NothingInsideIsReached(t *testing.T) {
	w, tr := newWorld(t, dbtest.SQLite(t)), setTrap(t, ":0")
	w.client = w.newClient(nameserver(t, map[string][]string{
		"inside.example.test.": {"127.0.0.1"}, "both.example.test.": {"10.255.255.1", "127.0.0.1"}, "six.example.test.": {"::1"},
		"mapped.example.test.": {"::ffff:127.0.0.1"}, "metadata.example.test.": {"169.254.169.254"}, "localhost.": {"127.0.0.1", "::1"}}))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+tr.port())
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:"+tr.port())
	if c, err := net.Dial("tcp", "127.0.0.1:"+tr.port()); err != nil {
		t.Fatal("the trap is not set:", err)
	} else {
		c.Close()
	}
	tried, registered := 0, 0
	for _, v := range vectors() {
		address := strings.ReplaceAll(v, "PORT", tr.port())
		tried++
		if err := w.Register(t.Context(), w.account, Registration{URL: address, Events: []string{"PACKAGE_CREATE"}}); err == nil {
			registered++
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := w.send(ctx, call{ID: "msg_1", URL: address, Body: []byte("{}")}) // also what could not be registered
		cancel()
		if err == nil {
			t.Errorf("%s was called", address)
		}
		if strings.Contains(fmt.Sprint(err), "/hook") {
			t.Errorf("the error tells the path: %v", err)
		}
	}
	if n := tr.count(); n != 1 {
		t.Errorf("%d connections, want that of the test itself", n)
	}
	t.Logf("%d vectors, %d could be registered, reached %d", tried, registered, tr.count()-1)
}

// W1: a redirect is an answer like any other, and a name is judged by what it leads to each time.
func TestW1RedirectsAndRebinding(t *testing.T) {
	tr := setTrap(t, "127.0.0.1:0")
	for _, code := range []int{301, 302, 303, 307, 308} {
		w := newWorld(t, dbtest.SQLite(t), "127.0.0.1")
		l := listen(t, func(_ got, a http.ResponseWriter) {
			a.Header().Set("Location", "http://127.0.0.1:"+tr.port()+"/")
			a.WriteHeader(code)
		})
		if got, err := w.send(t.Context(), call{ID: "msg_1", URL: l.URL, Body: []byte("{}")}); got != code || err == nil {
			t.Errorf("%d: %d, %v", code, got, err)
		}
	}
	var asked atomic.Int64
	names := map[string][]string{"hooks.example.test.": nil}
	w := newWorld(t, dbtest.SQLite(t), "127.0.0.2")
	w.client = w.newClient(nameserver(t, names, func() []string {
		if asked.Add(1) <= 2 { // A and AAAA of the first call
			return []string{"127.0.0.2"}
		}
		return []string{"127.0.0.1"}
	}))
	l, err := net.Listen("tcp", "127.0.0.2:"+tr.port())
	if err != nil {
		dbtest.Missing(t, "no second loopback address: "+err.Error())
	}
	good := httptest.NewUnstartedServer(http.HandlerFunc(func(a http.ResponseWriter, _ *http.Request) { a.Header().Set("Connection", "close") }))
	good.Listener = l
	good.Start()
	t.Cleanup(good.Close)
	address := "http://hooks.example.test:" + tr.port()
	if _, err := w.send(t.Context(), call{ID: "msg_1", URL: address, Body: []byte("{}")}); err != nil {
		t.Fatalf("the first call: %v", err)
	}
	if _, err := w.send(t.Context(), call{ID: "msg_2", URL: address, Body: []byte("{}")}); err == nil {
		t.Error("the second call got through")
	}
	if n := tr.count(); n != 0 {
		t.Errorf("reached %d", n)
	}
}

// nameserver answers from a table over UDP as a resolver asks; a name whose addresses are nil has them from
// turns. It writes DNS by hand: one question, its answers.
func nameserver(t *testing.T, names map[string][]string, turns ...func() []string) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1500)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = l.WriteTo(answerDNS(b[:n], names, turns), from)
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

func answerDNS(q []byte, names map[string][]string, turns []func() []string) []byte {
	name, i := "", 12
	for q[i] != 0 {
		name += strings.ToLower(string(q[i+1:i+1+int(q[i])])) + "."
		i += 1 + int(q[i])
	}
	kind, question := binary.BigEndian.Uint16(q[i+1:]), q[12:i+5]
	addresses, ok := names[name]
	if ok && addresses == nil {
		addresses = turns[0]()
	}
	var answers []byte
	n := uint16(0)
	for _, a := range addresses {
		ip := netip.MustParseAddr(a)
		if ip.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		raw := ip.AsSlice()
		answers = append(answers, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		answers = append(answers, raw...)
		n++
	}
	head := append([]byte{q[0], q[1], 0x85, 0x80, 0, 1}, byte(n>>8), byte(n), 0, 0, 0, 0)
	if !ok {
		head[3] |= 3
	}
	return append(append(head, question...), answers...)
}

// hostile are receivers that answer as no honest one does; each runs until the caller hangs up.
var hostile = map[string]http.HandlerFunc{
	"never answers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"a byte at a time": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
		}
	},
	"an endless body": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	},
	"a bomb": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(500)
		z := gzip.NewWriter(w)
		for r.Context().Err() == nil {
			if _, err := z.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	},
	"endless headers":     raw("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n"),
	"endless early hints": raw("", "HTTP/1.1 103 Early Hints\r\nLink: <"+strings.Repeat("a", 1000)+">\r\n\r\n"),
	"an endless line":     raw("HTTP/1.1 200 ", strings.Repeat("O", 1000)),
	"no HTTP":             raw("SSH-2.0-OpenSSH_9.9\r\n", ""),
}

// heard reads the request first: a server notices only then that a caller hangs up.
func heard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h(w, r)
	}
}

// raw writes head and then more without end.
func raw(head, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, err = io.WriteString(c, head)
		for err == nil && more != "" {
			_, err = io.WriteString(c, more)
		}
		if err == nil {
			_, _ = c.Read(make([]byte, 1)) // until the caller hangs up
		}
	}
}

// W2: what a hostile answer costs in time and memory.
func TestW2HostileAnswers(t *testing.T) {
	for name, handler := range hostile {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t), "127.0.0.1")
			w.within = time.Second
			server := httptest.NewServer(heard(handler))
			t.Cleanup(server.Close)
			t.Cleanup(w.client.CloseIdleConnections)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			status, err := w.send(t.Context(), call{ID: "msg_1", URL: server.URL, Body: []byte("{}")})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil || took > 3*time.Second {
				t.Errorf("%d, %v after %s", status, err, took)
			}
			t.Logf("%d, %v after %s; allocated %d kB in the process, the receiver's share included", status, err, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>10)
		})
	}
}

// W2: accounts whose receivers never answer, with hundreds of packages each, keep nobody else waiting.
func TestW2HealthyReceiversUnaffected(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "127.0.0.0/8")
		w.within = 20 * time.Second
		release := make(chan struct{})
		var most, now atomic.Int64
		for n := range 5 { // each at a host of its own
			slow := newWorld(t, d, "127.0.0.0/8")
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:0", n+1))
			must(t, err)
			server := httptest.NewUnstartedServer(heard(func(_ http.ResponseWriter, r *http.Request) {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}))
			server.Listener = l
			server.Start()
			t.Cleanup(server.Close)
			slow.register(server.URL, "PACKAGE_CREATE")
			for p := range 40 {
				slow.raise(fmt.Sprint("p", p), "PACKAGE_CREATE")
			}
		}
		l := listen(t, nil)
		w.register(l.URL, "PACKAGE_CREATE")
		stop := run(t, w.Webhook)
		defer stop()
		defer close(release)
		deadline, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		for p := range 30 {
			w.raise(fmt.Sprint("q", p), "PACKAGE_CREATE")
		}
		for len(w.deliveries("delivered")) < 30 && deadline.Err() == nil {
			select {
			case <-w.change:
			case <-deadline.Done():
			}
		}
		if n := len(l.all()); n != 30 {
			t.Errorf("%d of 30 delivered after %s", n, time.Since(start))
		}
		if n := most.Load(); n > 5*perHost {
			t.Errorf("%d calls at once to 5 hosts", n)
		}
		t.Logf("30 calls beside 5 slow receivers took %s; at most %d calls hung", time.Since(start).Round(time.Millisecond), most.Load())
	})
}

// W3: what the documented check refuses.
func TestW3ForgedAndReplayed(t *testing.T) {
	w, l := newWorld(t, dbtest.SQLite(t), "127.0.0.1"), listen(t, nil)
	w.register(l.URL, "PACKAGE_CREATE")
	key := w.secret()
	w.raise("p", "PACKAGE_CREATE")
	w.once()
	g, now := l.all()[0], time.Now()
	must(t, Verify(key, g.Header, g.Body, now))
	must(t, Verify(key, g.Header, g.Body, now.Add(4*time.Minute)))
	other := newSecret()
	for name, c := range map[string]struct {
		what   string
		key    string
		header map[string]string
		body   string
		at     time.Time
	}{
		"replayed later":      {what: "callback.stale", at: now.Add(6 * time.Minute)},
		"from the future":     {what: "callback.stale", at: now.Add(-6 * time.Minute)},
		"time moved along":    {what: "callback.forged", at: now.Add(time.Hour), header: map[string]string{headerTimestamp: fmt.Sprint(now.Add(time.Hour).Unix())}},
		"another id":          {what: "callback.forged", header: map[string]string{headerID: "msg_2"}},
		"another body":        {what: "callback.forged", body: strings.Replace(string(g.Body), "PACKAGE_CREATE", "PACKAGE_COMPLETE", 1)},
		"a space more":        {what: "callback.forged", body: string(g.Body) + " "},
		"another secret":      {what: "callback.forged", key: other},
		"signed by another":   {what: "callback.forged", header: map[string]string{headerSignature: sign(other, g.ID, g.Header.Get(headerTimestamp), g.Body)}},
		"no signature":        {what: "callback.forged", header: map[string]string{headerSignature: ""}},
		"another version":     {what: "callback.forged", header: map[string]string{headerSignature: strings.Replace(g.Header.Get(headerSignature), "v1,", "v0,", 1)}},
		"half a signature":    {what: "callback.forged", header: map[string]string{headerSignature: g.Header.Get(headerSignature)[:20]}},
		"no time":             {what: "callback.unsigned", header: map[string]string{headerTimestamp: ""}},
		"no id":               {what: "callback.unsigned", header: map[string]string{headerID: ""}},
		"a time of words":     {what: "callback.unsigned", header: map[string]string{headerTimestamp: "now"}},
		"no secret to verify": {what: "callback.unsigned", key: "whsec_"},
	} {
		header, body, secret, at := g.Header.Clone(), g.Body, key, now
		for name, value := range c.header {
			header.Set(name, value)
		}
		if c.body != "" {
			body = []byte(c.body)
		}
		if c.key != "" {
			secret = c.key
		}
		if !c.at.IsZero() {
			at = c.at
		}
		if err := Verify(secret, header, body, at); !errs.Is(err, c.what) {
			t.Errorf("%s: %v, want %s", name, err, c.what)
		}
	}
}

// The example of the specification of Standard Webhooks.
func TestW3StandardWebhooksVector(t *testing.T) {
	const secret, id, at, text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`
	if got := sign(secret, id, at, []byte(text)); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	h := http.Header{headerID: {id}, headerTimestamp: {at}, headerSignature: {"v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}
	must(t, Verify(secret, h, []byte(text), time.Unix(1614265330, 0)))
}

// W3: after a rotation the former secret holds exactly as long as was asked for.
func TestW3Rotation(t *testing.T) {
	d := dbtest.SQLite(t)
	w, l := newWorld(t, d, "127.0.0.1"), listen(t, nil)
	w.register(l.URL, "PACKAGE_CREATE")
	first := w.secret()
	call := func() got {
		w.raise("p", "PACKAGE_CREATE")
		w.once()
		calls := l.all()
		return calls[len(calls)-1]
	}
	second, err := w.NewSecret(t.Context(), w.account.Account, "", 24*time.Hour)
	must(t, err)
	g := call()
	must(t, Verify(first, g.Header, g.Body, time.Now()))
	must(t, Verify(second, g.Header, g.Body, time.Now()))
	d.Shift(25 * time.Hour)
	g = call()
	at := time.Now().Add(25 * time.Hour)
	must(t, Verify(second, g.Header, g.Body, at))
	if err := Verify(first, g.Header, g.Body, at); !errs.Is(err, "callback.forged") {
		t.Errorf("the former secret: %v", err)
	}
	third := w.secret()
	g = call()
	if err := Verify(second, g.Header, g.Body, at); !errs.Is(err, "callback.forged") {
		t.Errorf("a secret that was replaced at once: %v", err)
	}
	must(t, Verify(third, g.Header, g.Body, at))
	if _, err := w.NewSecret(t.Context(), w.account.Account, "Nobody", 0); !errs.Is(err, "callback.unknown") {
		t.Error(err)
	}
	if _, err := w.NewSecret(t.Context(), w.account.Account, "", 31*24*time.Hour); !errs.Is(err, "callback.overlap") {
		t.Error(err)
	}
	if u, err := url.Parse(l.URL); err != nil || u.Host == "" {
		t.Fatal(err)
	}
}
