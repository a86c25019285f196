package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxPrepared bounds the statements kept compiled; our SQL is fixed text, so few databases see so many.
const maxPrepared = 1024

// preparer is a connection or a pool of them.
type preparer interface {
	queryer
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// prepared runs statements that SQLite has compiled before: compiling takes
// longer than running most of ours. (PostgreSQL's driver does the same by itself.)
type prepared struct {
	on   preparer
	mu   sync.RWMutex
	kept map[string]*sql.Stmt
}

func prepare(on preparer) *prepared { return &prepared{on: on, kept: map[string]*sql.Stmt{}} }

// statement is nil when no more are kept.
func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.RLock()
	s, full := p.kept[query], len(p.kept) >= maxPrepared
	p.mu.RUnlock()
	if s != nil || full {
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

// ExecContext runs a statement outside any transaction of database/sql.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.on.ExecContext(ctx, query, args...)
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext asks outside any transaction of database/sql.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.on.QueryContext(ctx, query, args...)
	}
	return s.QueryContext(ctx, args...)
}

// preparedTx runs the statements of a pool within one of its transactions.
type preparedTx struct {
	*sql.Tx
	statements *prepared
}

func (t preparedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.statements.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return t.Tx.QueryContext(ctx, query, args...)
	}
	return t.StmtContext(ctx, s).QueryContext(ctx, args...)
}
