package pdf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// compileDeadline is for PDFium's compilation: seconds normally, more on a busy machine.
const compileDeadline = 5 * time.Minute

// inmate is a child process from the parent's side.
type inmate struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	errors *tail
	once   sync.Once
	state  *os.ProcessState
}

// tail keeps the first bytes a child writes to standard error.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p[:min(len(p), max(0, 4096-t.buf.Len()))])
	return len(p), nil
}

func (t *tail) firstLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(t.buf.String()), "\n")
	return line
}

// compile runs the one child that may write: it fills the cache.
func (j *Jail) compile() error {
	ctx, cancel := context.WithTimeout(j.ctx, compileDeadline)
	defer cancel()
	cmd := j.command("compile")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("pdf: compiling PDFium: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pdf: compiling PDFium: %w: %s", err, cmd.Stderr.(*tail).firstLine())
	}
	return nil
}

func (j *Jail) command(role string) *exec.Cmd {
	l := j.config.Limits
	cmd := exec.Command(j.exe, role, j.config.CacheDir, strconv.FormatInt(l.Memory, 10),
		strconv.FormatInt(int64((l.CPU+time.Second-1)/time.Second), 10))
	cmd.Env = []string{childEnv + "=1"}
	cmd.Dir = os.TempDir()
	cmd.Stderr = &tail{}
	return cmd
}

// start starts a working child; without a network where the kernel allows it, which is
// found out once.
func (j *Jail) start(k kind) (*inmate, error) {
	m, err := j.launch(k, !j.alone.Load())
	if err != nil && !j.alone.Load() {
		if m, again := j.launch(k, false); again == nil {
			j.alone.Store(true)
			return m, nil
		}
	}
	return m, err
}

func (j *Jail) launch(k kind, isolated bool) (*inmate, error) {
	m := &inmate{cmd: j.command(string(k))}
	m.errors = m.cmd.Stderr.(*tail)
	if isolated {
		isolate(m.cmd)
	}
	var err error
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if m.out, err = m.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("pdf: starting a child: %w", err)
	}
	return m, nil
}

// refill keeps one more child of a kind waiting, unless the jail is closing.
func (j *Jail) refill(k kind) {
	if j.ctx.Err() != nil {
		return
	}
	m, err := j.start(k)
	if err != nil {
		return // the next request starts its own, and reports
	}
	select {
	case j.idle[k] <- m:
	default:
		m.kill()
	}
}

// take returns a waiting child, or a new one, and has it replaced.
func (j *Jail) take(k kind) (*inmate, error) {
	select {
	case m := <-j.idle[k]:
		j.tasks.Add(1)
		go func() {
			defer j.tasks.Done()
			j.refill(k)
		}()
		return m, nil
	default:
		return j.start(k)
	}
}

// kill ends the child and waits for it.
func (m *inmate) kill() {
	_ = m.cmd.Process.Kill()
	m.wait()
}

func (m *inmate) wait() *os.ProcessState {
	m.once.Do(func() {
		_ = m.in.Close()
		_ = m.cmd.Wait()
		m.state = m.cmd.ProcessState
	})
	return m.state
}

// do gives one document to one child.
func (j *Jail) do(ctx context.Context, q request, doc []byte) (response, []byte, error) {
	q.Limits = j.config.Limits
	if int64(len(doc)) > q.Limits.Bytes*maxGrowth {
		return response{}, nil, refuse(TooLarge, "%d bytes", len(doc))
	}
	if j.ctx.Err() != nil {
		return response{}, nil, errClosed
	}
	if q.kind() == viewing {
		if err := j.Ready(ctx); err != nil {
			return response{}, nil, err
		}
	}
	select {
	case j.slots <- struct{}{}:
		defer func() { <-j.slots }()
	case <-ctx.Done():
		return response{}, nil, ctx.Err()
	case <-j.ctx.Done():
		return response{}, nil, errClosed
	}
	r, body, err := j.once(ctx, q, doc, j.take)
	if errors.Is(err, errNotStarted) && q.kind() == viewing && j.mend() {
		r, body, err = j.once(ctx, q, doc, j.start) // those waiting have failed too
	}
	return r, body, err
}

// maxGrowth is how many times larger than a document taken in a sealed one may be.
const maxGrowth = 4

// mend fills the cache again when somebody emptied its folder under a running server,
// and tells whether it did.
func (j *Jail) mend() bool {
	j.mending.Lock()
	defer j.mending.Unlock()
	return filled(j.config.CacheDir) || j.compile() == nil
}

func (j *Jail) once(ctx context.Context, q request, doc []byte, start func(kind) (*inmate, error)) (response, []byte, error) {
	m, err := start(q.kind())
	if err != nil {
		return response{}, nil, err
	}
	defer m.kill()
	bounded, cancel := context.WithTimeout(ctx, q.Limits.Deadline)
	defer cancel()
	defer context.AfterFunc(bounded, func() { _ = m.cmd.Process.Kill() })()
	defer context.AfterFunc(j.ctx, cancel)()
	r, body, err := m.exchange(q, doc)
	if err == nil {
		return r, body, r.err()
	}
	return response{}, nil, j.explain(ctx, bounded, m, err)
}

func (r response) err() error {
	if r.Refusal != nil {
		return r.Refusal
	}
	if r.Fault != "" {
		return errors.New(r.Fault)
	}
	return nil
}

var errNotStarted = errors.New("pdf: a child did not start")

func (m *inmate) exchange(q request, doc []byte) (r response, body []byte, err error) {
	var hello [1]byte
	if _, err := io.ReadFull(m.out, hello[:]); err != nil || hello[0] != ready {
		return r, nil, errNotStarted
	}
	if err := send(m.in, q, doc); err != nil {
		return r, nil, err
	}
	body, err = receive(m.out, &r, max(64<<20, 8*q.Limits.Bytes))
	return r, body, err
}

// explain turns the end of a child into the error the caller sees.
func (j *Jail) explain(ctx, bounded context.Context, m *inmate, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if j.ctx.Err() != nil {
		return errClosed
	}
	if bounded.Err() != nil {
		return refuse(Exhausted, "not done within %s", j.config.Limits.Deadline)
	}
	// The pipe is gone: the process has ended, or is killed now for babbling.
	timer := time.AfterFunc(time.Second, func() { _ = m.cmd.Process.Kill() })
	state := m.wait()
	timer.Stop()
	line := m.errors.firstLine()
	if errors.Is(err, errNotStarted) {
		return fmt.Errorf("%w: %s: %s", err, state, line)
	}
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return refuse(Exhausted, "the child was ended by signal %d", w.Signal())
	}
	for _, sign := range []string{"out of memory", "cannot allocate", "stack overflow", "stack exceeds", "makeslice"} {
		if strings.Contains(line, sign) {
			return refuse(Exhausted, "%s", line)
		}
	}
	return refuse(Broken, "the child ended: %s: %s", state, line)
}
