package main

import (
	"context"
	"errors"
	"fmt"
)

// The twins: what was done to their databases.
const (
	untrailed = "untrailed" // drops the rows of the audit log
	finished  = "finished"  // its packages are completed
)

// twin is a copy of our database with a difference, and a server on it.
type twin struct {
	database
	child *child
}

// makeTwins copies the database for what is to be run, before anybody uses it.
func (b *bench) makeTwins(ctx context.Context) error {
	b.twins = map[string]*twin{}
	if b.options.wantsAny(trailItems) {
		if err := b.makeTwin(ctx, untrailed, swallow(b.tenant.db.Engine)); err != nil {
			return err
		}
	}
	if !b.options.wants("B9") {
		return nil
	}
	return b.makeTwin(ctx, finished, []string{
		`update packages set status = 'COMPLETED', completed_ms = created_ms where status = 'DRAFT'`,
		`update package_counts set status = 'COMPLETED' where status = 'DRAFT'`})
}

func (b *bench) makeTwin(ctx context.Context, name string, statements []string) error {
	d, err := b.tenant.db.copy(ctx, name)
	if err != nil {
		return err
	}
	b.twins[name] = &twin{database: d}
	pool, err := d.open(1)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err = pool.ExecContext(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			break
		}
	}
	if err == nil && !b.options.quick {
		err = d.settle(ctx, pool)
	}
	return errors.Join(err, pool.Close())
}

// twin starts a twin's server. It has our documents and keys, so that our tokens hold there.
func (b *bench) twin(name string) (*twin, error) {
	t := b.twins[name]
	if t.child != nil {
		return t, nil
	}
	config := b.tenant.config
	config.Database = t.URL
	var err error
	t.child, err = startChild("role-server", config, b.options.conns)
	return t, err
}
