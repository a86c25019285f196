package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxPrepared bounds the statements kept compiled; our SQL is fixed text, so few databases see so many.
const maxPrepared = 1024

// preparer is a connection of database/sql or a pool of them.
type preparer interface {
	sqlRunner
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// sqlRunner is whatever of database/sql runs statements.
type sqlRunner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// prepared runs statements that SQLite has compiled before: compiling takes
// longer than running most of ours. (PostgreSQL's driver does the same by itself.)
type prepared struct {
	on   preparer
	mu   sync.RWMutex
	kept map[string]*sql.Stmt
}

func prepare(on preparer) *prepared { return &prepared{on: on, kept: map[string]*sql.Stmt{}} }

// known is nil for a statement that is not kept, and room whether it could be.
func (p *prepared) known(query string) (s *sql.Stmt, room bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.kept[query], len(p.kept) < maxPrepared
}

// statement is nil when no more are kept. The caller holds no connection of a
// pool, for compiling takes one.
func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s, room := p.known(query)
	if s != nil || !room {
		return s, nil
	}
	s, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.kept[query]; first != nil { // another caller was faster
		return first, s.Close()
	}
	p.kept[query] = s
	return s, nil
}

// Close forgets the statements.
func (p *prepared) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed []error
	for _, s := range p.kept {
		failed = append(failed, s.Close())
	}
	p.kept = map[string]*sql.Stmt{}
	return errors.Join(failed...)
}

func (p *prepared) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return 0, err
	}
	if s == nil {
		return changed(p.on.ExecContext(ctx, query, args...))
	}
	return changed(s.ExecContext(ctx, args...))
}

func (p *prepared) query(ctx context.Context, query string, args ...any) (rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.on.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// later is now: nothing travels that could wait.
func (p *prepared) later(ctx context.Context, query string, args ...any) error {
	_, err := p.exec(ctx, query, args...)
	return err
}

func changed(done sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// looking runs statements in a reader's transaction. It holds a connection of
// the pool already and must not wait for a second one, so what is new is
// compiled when the transaction has ended.
type looking struct {
	*prepared
	in  *sql.Tx
	new []string
}

func (l *looking) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return changed(l.in.ExecContext(ctx, query, args...)) // refused: a reader cannot write
}

func (l *looking) later(ctx context.Context, query string, args ...any) error {
	_, err := l.exec(ctx, query, args...)
	return err
}

func (l *looking) query(ctx context.Context, query string, args ...any) (rows, error) {
	s, room := l.known(query)
	if s != nil {
		return l.in.StmtContext(ctx, s).QueryContext(ctx, args...)
	}
	if room {
		l.new = append(l.new, query)
	}
	return l.in.QueryContext(ctx, query, args...)
}

// end ends the transaction and keeps what was new in it; a statement that does not compile has failed before.
func (l *looking) end() {
	_ = l.in.Rollback() // nothing to keep
	for _, query := range l.new {
		_, _ = l.statement(context.Background(), query)
	}
}
