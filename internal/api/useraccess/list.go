package useraccess

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

const (
	// inMemory is how many users are read before the first of them is sent: who reads slowly then holds nothing.
	inMemory = 1000
	// patience is how long a client may take for a piece of a longer list, and streamTime for all of it. As long holds
	// the list its snapshot of the database.
	patience   = 30 * time.Second
	streamTime = 15 * time.Minute
	pieceBytes = 32 << 10
)

// list answers who has which permission sets: a page if a limit was given, else all, streamed.
func (s *surface) list(r *api.Request) (api.Answer, error) {
	q, err := s.listQuery(r)
	if err != nil {
		return api.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamTime)
	l := &listing{surface: s, request: r, query: q}
	var stop func()
	l.next, stop = iter.Pull2(s.entries(ctx, r.Principal, q))
	l.stop = sync.OnceFunc(func() { stop(); cancel() })
	a, err := l.answer()
	if err != nil {
		l.stop()
	}
	return a, asParameter(err)
}

// item is a piece of a list: its head, then its entries, then where it ended.
type item struct {
	head  access.ListHead
	entry *access.Entry
	next  string
}

var errStopped = errors.New("nobody reads on")

// entries are the pieces of a list as the room tells them.
func (s *surface) entries(ctx context.Context, p authz.Principal, q listQuery) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		give := func(i item) error {
			if !yield(i, nil) {
				return errStopped
			}
			return nil
		}
		next, err := s.Access.List(ctx, p, q.filter, q.page,
			func(h access.ListHead) error { return give(item{head: h}) },
			func(e access.Entry) error { return give(item{entry: &e}) })
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(item{}, err)
		case next != "":
			_ = give(item{next: next})
		}
	}
}

// listing is a list on its way to a client.
type listing struct {
	*surface
	request *api.Request
	query   listQuery
	next    func() (item, error, bool)
	stop    func() // ends the room's reading
}

// answer begins to read, and reads to the end what fits in memory.
func (l *listing) answer() (api.Answer, error) {
	first, err, ok := l.next()
	if err != nil {
		return api.Answer{}, err
	}
	if !ok {
		return api.Answer{}, errors.New("the list has no head")
	}
	tag := listTag(l.request, l.query, first.head.Version)
	if unchanged(l.request.HTTP.Header, tag) {
		l.stop()
		return api.Answer{Status: http.StatusNotModified, Header: tagged(tag)}, nil
	}
	a := api.Answer{Header: tagged(tag), File: &api.File{Media: jsonMedia}}
	if l.query.csv {
		a.File.Media, a.File.Name = csvMedia+"; charset=utf-8; header=present", "users.csv"
	}
	switch {
	case l.query.page.Limit > 0 || first.head.Total <= l.whole:
		var b bytes.Buffer
		next, err := l.write(&b, first.head)
		if l.stop(); err != nil {
			return api.Answer{}, err
		}
		a.File.Bytes = b.Bytes()
		if next != "" {
			a.Header["Link"] = nextLink(l.request, next)
		}
	case l.request.HTTP.Method == http.MethodHead:
		l.stop()
		a.File.Write = func(io.Writer) error { return nil }
	default:
		end, ok := l.streams.begin(l.request.Principal.Account)
		if !ok {
			return api.Answer{}, errs.New(errs.Unavailable, "stream.busy", "")
		}
		a.File.Patience = patience
		a.File.Write = func(w io.Writer) error {
			defer end()
			defer l.stop()
			_, err := l.write(w, first.head)
			return err
		}
	}
	return a, nil
}

// write writes the list in the form asked for, and returns the cursor of what comes after it.
func (l *listing) write(to io.Writer, head access.ListHead) (cursor string, err error) {
	w := bufio.NewWriterSize(to, pieceBytes)
	form := form(&jsonForm{w: w})
	if l.query.csv {
		form = newCSVForm(w)
	}
	err = form.begin(head)
	for err == nil {
		i, failed, ok := l.next()
		if !ok {
			break
		}
		switch {
		case failed != nil:
			err = failed
		case i.entry != nil:
			err = form.entry(i.entry)
		default:
			cursor = l.nextCursor(l.request, "users", i.next)
		}
	}
	if err == nil {
		err = form.end(cursor)
	}
	if err == nil {
		err = w.Flush()
	}
	return cursor, err
}

// How many lists that do not fit in memory are sent at once, because each of them holds a connection to the database.
const (
	maxStreams    = 6
	maxStreamsOne = 2 // of one account
)

// streams counts them.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[string]int
}

// begin counts one of an account until end is called.
func (s *streams) begin(account string) (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.of[account] >= maxStreamsOne {
		return nil, false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.all++
	s.of[account]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[account]--; s.of[account] == 0 {
			delete(s.of, account)
		}
	}, true
}
