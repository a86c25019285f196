package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"time"
)

// child is a server or floor in a process of its own.
type child struct {
	addresses
	cmd   *exec.Cmd
	stdin io.WriteCloser
	work  *client
}

// addresses are the first line a child writes.
type addresses struct {
	Main, Control string
}

// startChild runs this program in a role until stop, or until this process ends.
func startChild(role string, spec any, conns int) (*child, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command("/proc/self/exe", role, string(text))}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.addresses)
	}
	if err == nil {
		c.work, err = dial(c.Main, conns)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %w", role, err), c.stop())
	}
	return c, nil
}

// stop ends the child, by force after ten seconds.
func (c *child) stop() error {
	if c.work != nil {
		_ = c.work.Close()
	}
	_ = c.stdin.Close() // the child ends with its input
	force := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer force.Stop()
	return c.cmd.Wait()
}

// stats is what a child has used so far.
type stats struct {
	CPU            time.Duration // of the whole tree
	Objects, Bytes uint64        // allocated by the process itself
}

func (c *child) stats() (s stats, err error) {
	text, err := c.control("GET", "/stats", nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// profile begins a processor profile; end finishes it.
func (c *child) profile(file string) (end func() error, err error) {
	_, err = c.control("POST", "/profile?file="+url.QueryEscape(file), nil)
	return func() error { _, err := c.control("DELETE", "/profile", nil); return err }, err
}

// control calls the child's private endpoint.
func (c *child) control(method, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequest(method, "http://"+c.Control+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, answer)
	}
	return answer, err
}
