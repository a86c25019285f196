package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// work is what a floor does for each request. What it answers is as many bytes
// as the server's answer to the same request.
type work struct {
	// Kind is answer, form, sign, verify, insert, sign+insert or select.
	Kind   string
	Status int
	Header map[string]string
	Body   []byte
	// Token is the server's token in Body, which sign replaces by its own.
	Token string
	// Rows are what the inserts write durably.
	Rows []row
	// Query is what select reads; with ByPath its one argument is the last segment of the path, else it has Args.
	Query  string
	ByPath bool
	Args   []string
}

// floorSpec starts a floor.
type floorSpec struct {
	Database database
	Conns    int
}

// floor is a plain net/http server that does one work at a time.
type floor struct {
	spec  floorSpec
	pool  *sql.DB
	store store
	now   atomic.Pointer[http.HandlerFunc]
	key   ed25519.PrivateKey
}

// serveFloor is the child that is a floor.
func serveFloor(spec string) error {
	f := &floor{}
	if err := json.Unmarshal([]byte(spec), &f.spec); err != nil {
		return err
	}
	var err error
	if f.pool, err = f.spec.Database.open(f.spec.Conns); err != nil {
		return err
	}
	defer f.pool.Close()
	if f.store, err = newStore(f.spec.Database, f.pool); err != nil {
		return err
	}
	if _, f.key, err = ed25519.GenerateKey(nil); err != nil {
		return err
	}
	main, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_ = http.Serve(main, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f.now.Load())(w, r) }))
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /work", f.take)
	if err := announce(main, mux); err != nil {
		return err
	}
	return waitForEnd()
}

// take begins another work.
func (f *floor) take(w http.ResponseWriter, r *http.Request) {
	var k work
	err := json.NewDecoder(r.Body).Decode(&k)
	var handler http.HandlerFunc
	if err == nil {
		handler, err = f.handler(k)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.now.Store(&handler)
}

func (f *floor) handler(k work) (http.HandlerFunc, error) {
	do, err := f.doer(k)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := do(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		for name, value := range k.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(k.Status)
		_, _ = w.Write(body) // the client went away
	}, nil
}

// doer does the work of one request and returns the body to answer.
type doer func(*http.Request) ([]byte, error)

func (f *floor) doer(k work) (doer, error) {
	switch k.Kind {
	case "answer":
		return func(*http.Request) ([]byte, error) { return k.Body, nil }, nil
	case "form":
		return func(r *http.Request) ([]byte, error) { return k.Body, r.ParseForm() }, nil
	case "sign":
		signer, err := f.signer(k)
		return func(r *http.Request) ([]byte, error) { return signer(), r.ParseForm() }, err
	case "verify":
		check := f.checker(len(k.Token))
		return func(r *http.Request) ([]byte, error) { return k.Body, errors.Join(r.ParseForm(), check()) }, nil
	case "insert":
		insert, err := f.store.inserter(k.Rows)
		return func(r *http.Request) ([]byte, error) {
			_, err := io.Copy(io.Discard, r.Body)
			return k.Body, errors.Join(err, insert())
		}, err
	case "sign+insert":
		signer, err := f.signer(k)
		insert, failed := f.store.inserter(k.Rows)
		return func(r *http.Request) ([]byte, error) { return signer(), errors.Join(r.ParseForm(), insert()) }, errors.Join(err, failed)
	case "select":
		return f.selecter(k), nil
	}
	return nil, errors.New("no such work: " + k.Kind)
}

// signer makes the body with a token of the same size, its claims with a random
// part of 128 bits, signed with Ed25519.
func (f *floor) signer(k work) (func() []byte, error) {
	before, after, ok := strings.Cut(string(k.Body), k.Token)
	parts := strings.Split(k.Token, ".")
	if !ok || len(parts) != 3 {
		return nil, errors.New("the answer holds no token")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	return func() []byte {
		id := make([]byte, 16)
		_, _ = rand.Read(id) // never fails, see crypto/rand
		payload := append([]byte(nil), claims...)
		base64.RawURLEncoding.Encode(payload[len(payload)-24:], id)
		signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
		signature := base64.RawURLEncoding.EncodeToString(ed25519.Sign(f.key, []byte(signed)))
		return []byte(before + signed + "." + signature + after)
	}, nil
}

// checker verifies one Ed25519 signature of a message of that size.
func (f *floor) checker(size int) func() error {
	message := make([]byte, size)
	signature := ed25519.Sign(f.key, message)
	public := f.key.Public().(ed25519.PublicKey)
	return func() error {
		if !ed25519.Verify(public, message, signature) {
			return errors.New("the signature is bad")
		}
		return nil
	}
}

// selecter reads the rows of a query, each column into a value of its own.
func (f *floor) selecter(k work) doer {
	var fixed []any
	for _, a := range k.Args {
		fixed = append(fixed, a)
	}
	statement, failed := f.pool.Prepare(k.Query)
	return func(r *http.Request) ([]byte, error) {
		if failed != nil {
			return nil, failed
		}
		args := fixed
		if k.ByPath {
			args = []any{r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]}
		}
		n, err := readAll(r.Context(), statement, args)
		if err == nil && n == 0 {
			err = errors.New("no row")
		}
		return k.Body, err
	}
}

func readAll(ctx context.Context, statement *sql.Stmt, args []any) (n int, err error) {
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
