package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A batch ends when nobody waits, after this many acts or this long.
const (
	batchActs = 256
	batchTime = 5 * time.Millisecond
)

// store writes rows durably by the driver alone.
type store interface {
	// inserter prepares to write rows; the function it returns writes them once
	// more, with fresh values, and returns when they are durable.
	inserter(rows []row) (func() error, error)
}

func newStore(d database, pool *sql.DB) (store, error) {
	if d.Engine == "postgres" {
		return each{pool}, nil
	}
	conn, err := pool.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	s := &shared{conn: conn, in: make(chan *act, batchActs)}
	go s.run()
	return s, nil
}

// each is BEGIN … COMMIT for every act, on as many connections as there are callers.
type each struct{ pool *sql.DB }

func (s each) inserter(rows []row) (func() error, error) {
	var statements []string
	for _, r := range rows {
		statements = append(statements, r.insert())
	}
	return func() error {
		ctx := context.Background()
		tx, err := s.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // does nothing after a commit
		made := map[int]any{}
		for i, r := range rows {
			if _, err := tx.ExecContext(ctx, statements[i], r.values(made)...); err != nil {
				return err
			}
		}
		return tx.Commit()
	}, nil
}

// shared is one writing connection; acts that arrive together share one durable commit.
type shared struct {
	conn *sql.Conn
	in   chan *act
}

// act is rows to write and who waits for it.
type act struct {
	rows       []row
	statements []*sql.Stmt
	values     [][]any
	end        chan error
}

func (s *shared) inserter(rows []row) (func() error, error) {
	var statements []*sql.Stmt
	for _, r := range rows {
		statement, err := s.conn.PrepareContext(context.Background(), r.insert())
		if err != nil {
			return nil, err
		}
		statements = append(statements, statement)
	}
	return func() error {
		a := &act{rows: rows, statements: statements, end: make(chan error, 1)}
		made := map[int]any{}
		for _, r := range rows {
			a.values = append(a.values, r.values(made))
		}
		s.in <- a
		return <-a.end
	}, nil
}

func (s *shared) run() {
	for first := range s.in {
		acts := []*act{first}
		err := s.batch(&acts)
		for _, a := range acts {
			a.end <- err
		}
	}
}

// batch writes the first act and whoever comes meanwhile.
func (s *shared) batch(acts *[]*act) error {
	ctx, start := context.Background(), time.Now()
	if _, err := s.conn.ExecContext(ctx, "begin immediate"); err != nil {
		return err
	}
	for a := (*acts)[0]; a != nil; {
		for i, statement := range a.statements {
			if _, err := statement.ExecContext(ctx, a.values[i]...); err != nil {
				_, undo := s.conn.ExecContext(ctx, "rollback")
				return errors.Join(fmt.Errorf("insert into %s: %w", a.rows[i].Table, err), undo)
			}
		}
		a = nil
		if len(*acts) < batchActs && time.Since(start) < batchTime {
			select {
			case a = <-s.in:
				*acts = append(*acts, a)
			default:
			}
		}
	}
	_, err := s.conn.ExecContext(ctx, "commit")
	return err
}
