package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign.dev/internal/pdf"
)

// A test's server process is this test binary with its configuration in serverEnv.
// It kills itself, as `kill -9` would, when the seal job reaches the step in dieEnv.
const (
	serverEnv = "COUNTERSIGN_TEST_SERVER"
	dieEnv    = "COUNTERSIGN_TEST_DIE_AT"
)

func TestMain(m *testing.M) {
	pdf.Child()
	if config := os.Getenv(serverEnv); config != "" {
		serveProcess(config)
		return
	}
	os.Exit(m.Run())
}

func serveProcess(config string) {
	var c Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		panic(err)
	}
	if step := os.Getenv(dieEnv); step != "" {
		c.Observe = func(at string) {
			if at == step {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		panic(err)
	}
	s, err := Open(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	if err := s.Serve(ctx, listener); err != nil {
		panic(err)
	}
	_ = s.Close()
}

// process is a server of its own process.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	log  *bytes.Buffer
	done chan error
}

// config is what all processes of a test share.
func config(t *testing.T, database, data string) Config {
	t.Helper()
	return Config{Listen: "127.0.0.1:0", URL: "http://127.0.0.1:1", Data: data, Database: database, Cache: cache(), Mailbox: true,
		MailFrom: "sign@example.com", MaxDocument: 16, Product: "Countersign", ShutdownAfter: 30 * time.Second}
}

// start starts a server process; dieAt is the step of the seal job at which it kills itself, or "".
func start(t *testing.T, c Config, dieAt string) *process {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0]), log: &bytes.Buffer{}, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), serverEnv+"="+string(text), dieEnv+"="+dieAt)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
		t.Fatalf("the server did not start: %v\n%s", err, p.log)
	}
	p.url = "http://" + strings.TrimSpace(line)
	go func() { p.done <- p.cmd.Wait() }()
	return p
}

// kill ends the process at once; a second call does nothing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(30 * time.Second):
		p.t.Error("a killed server did not end")
	}
}

// died waits for a process that kills itself.
func (p *process) died() {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(2 * time.Minute):
		p.t.Fatalf("the server did not reach its step\n%s", p.log)
	}
}

// stop ends the process as an operator does.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			p.t.Errorf("shutdown: %v\n%s", err, p.log)
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("the server did not stop\n%s", p.log)
	}
}

// cache is the compiled PDFium, shared with the tests of other packages.
func cache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "countersign-test-pdfium")
}
