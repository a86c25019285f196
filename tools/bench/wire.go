package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is a request as it goes over the wire. media and bearer may be "".
func request(method, path, media, bearer, body string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n", method, path)
	if bearer != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", bearer)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", media, len(body))
	}
	b.WriteString("\r\n" + body)
	return []byte(b.String())
}

const (
	formMedia = "application/x-www-form-urlencoded"
	jsonMedia = "application/json"
)

// answer is one read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one request to a child and reads the answer.
func (c *child) ask(raw []byte) (a answer, err error) {
	conn, err := net.Dial("tcp", c.Main)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(raw); err != nil {
		return a, err
	}
	return readWhole(bufio.NewReader(conn))
}

func readWhole(in *bufio.Reader) (a answer, err error) {
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return a, err
	}
	defer r.Body.Close()
	a.status, a.header = r.StatusCode, r.Header
	a.body, err = io.ReadAll(r.Body)
	return a, err
}

// get asks and takes a member of the JSON answer, which must have that status.
func (c *child) get(raw []byte, status int, member string) (string, error) {
	a, err := c.ask(raw)
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(raw, []byte("?")) // secrets may follow
	line, _, _ = bytes.Cut(line, []byte("\r\n"))
	if a.status != status {
		return "", fmt.Errorf("%s: status %d: %.300s", line, a.status, a.body)
	}
	value, err := a.member(member)
	if err != nil {
		err = fmt.Errorf("%s: %w", line, err)
	}
	return value, err
}

// work answers as many bytes as a did, headers included.
func (a answer) work(kind string) work {
	k := work{Kind: kind, Status: a.status, Header: map[string]string{}, Body: a.body}
	for name := range a.header {
		if name != "Date" && name != "Content-Length" {
			k.Header[name] = a.header.Get(name)
		}
	}
	return k
}

// collect sends a request n times over all connections and takes a member of each answer.
func (c *client) collect(raw []byte, n int, member string) ([]string, error) {
	found := make([]string, n)
	failed := make([]error, len(c.wires))
	var group sync.WaitGroup
	for i, w := range c.wires {
		group.Go(func() {
			_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
			for at := i; at < n && failed[i] == nil; at += len(c.wires) {
				found[at], failed[i] = w.get(raw, member)
			}
		})
	}
	group.Wait()
	return found, errors.Join(failed...)
}

func (w *wire) get(raw []byte, member string) (string, error) {
	if _, err := w.conn.Write(raw); err != nil {
		return "", err
	}
	a, err := readWhole(w.in)
	if err != nil {
		return "", err
	}
	return a.member(member)
}

// member takes a text out of a JSON answer.
func (a answer) member(name string) (string, error) {
	var members map[string]any
	err := json.Unmarshal(a.body, &members)
	value, ok := members[name].(string)
	if err == nil && !ok {
		err = errors.New("no " + name + " in the answer")
	}
	return value, err
}
