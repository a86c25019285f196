package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// source is where requests come from: the n-th of a connection, whole as it goes
// over the wire, valid until the connection's next.
type source func(conn, n int) []byte

// client is a set of keep-alive connections to one address.
type client struct {
	wires []*wire
}

// wire is one connection.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	sent int
	took []time.Duration
}

// dial opens so many connections.
func dial(addr string, conns int) (*client, error) {
	c := &client{}
	for range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.wires = append(c.wires, &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)})
	}
	return c, nil
}

// Close closes the connections.
func (c *client) Close() error {
	var failed []error
	for _, w := range c.wires {
		failed = append(failed, w.conn.Close())
	}
	return errors.Join(failed...)
}

// burst is what a slice of load was answered.
type burst struct {
	requests int
	elapsed  time.Duration
	p50, p99 time.Duration
}

// perSecond is the rate.
func (b burst) perSecond() float64 { return float64(b.requests) / b.elapsed.Seconds() }

// run sends requests on every connection, one after the other's answer, for d,
// or until each connection has sent limit when that is not 0.
func (c *client) run(d time.Duration, limit int, want int, next source) (burst, error) {
	start := time.Now()
	failed := make([]error, len(c.wires))
	var group sync.WaitGroup
	for i, w := range c.wires {
		group.Go(func() { failed[i] = w.run(i, start.Add(d), limit, want, next) })
	}
	group.Wait()
	b := burst{elapsed: time.Since(start)}
	var took []time.Duration
	for _, w := range c.wires {
		took = append(took, w.took...)
	}
	b.requests = len(took)
	if err := errors.Join(failed...); err != nil {
		return b, err
	}
	if b.requests == 0 {
		return b, errors.New("no answer in time")
	}
	slices.Sort(took)
	b.p50, b.p99 = took[len(took)/2], took[len(took)*99/100]
	return b, nil
}

func (w *wire) run(conn int, until time.Time, limit int, want int, next source) error {
	w.took = w.took[:0]
	if err := w.conn.SetDeadline(until.Add(30 * time.Second)); err != nil {
		return err
	}
	for at := time.Now(); at.Before(until) && (limit == 0 || len(w.took) < limit); {
		if _, err := w.conn.Write(next(conn, w.sent)); err != nil {
			return err
		}
		w.sent++
		status, body, err := readAnswer(w.in, want)
		if err != nil {
			return err
		}
		if status != want {
			return fmt.Errorf("status %d instead of %d: %.300s", status, want, body)
		}
		now := time.Now()
		w.took = append(w.took, now.Sub(at))
		at = now
	}
	return nil
}

// readAnswer reads an answer off a connection. It keeps the body only of an
// answer that has not the status wanted.
func readAnswer(in *bufio.Reader, want int) (status int, body []byte, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, nil, errors.Join(err, fmt.Errorf("status line %q", line))
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, chunked := 0, false
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if value, ok := headerValue(line, "content-length:"); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return status, nil, err
			}
		}
		if value, ok := headerValue(line, "transfer-encoding:"); ok {
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	if chunked {
		body, err = readChunks(in)
		return status, body, err
	}
	if status == want {
		_, err = in.Discard(length)
		return status, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return status, body, err
}

func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}

// readChunks reads a chunked body (RFC 9112 §7.1) without trailers.
func readChunks(in *bufio.Reader) (body []byte, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return body, err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return body, err
		}
		if len(body) < 4096 { // enough to tell what went wrong
			chunk := make([]byte, size)
			if _, err := io.ReadFull(in, chunk); err != nil {
				return body, err
			}
			body = append(body, chunk...)
		} else if _, err := in.Discard(int(size)); err != nil {
			return body, err
		}
		if _, err := in.Discard(2); err != nil {
			return body, err
		}
		if size == 0 {
			return body, nil
		}
	}
}
