package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

const (
	followEvery = 250 * time.Millisecond
	staleAfter  = 5 * time.Second
	sweepEvery  = 10 * time.Minute
)

// Authn authenticates. It may be used by many at once.
type Authn struct {
	db     *db.DB
	box    *secret.Box
	post   *mail.Post
	issuer string
	log    *slog.Logger

	news     atomic.Pointer[news]
	verified *cache
	// sinceStart is monotonic time; tests put their own in its place.
	sinceStart func() time.Duration
}

// news is what this process knows of the database; it is replaced, never changed.
type news struct {
	seen        time.Duration // when, by sinceStart
	now         time.Time     // the database's time then
	cursor      int64
	generations map[holder]int64
	keys        keyring
}

// holder is what a generation belongs to.
type holder struct{ kind, id string }

// New makes the room of a database, and its first key when there is none.
// issuer is the outside URL, which tokens name as issuer and audience. Run must
// be running for Authenticate to answer for longer than five seconds.
func New(ctx context.Context, d *db.DB, box *secret.Box, post *mail.Post, issuer string, log *slog.Logger) (*Authn, error) {
	start := time.Now()
	a := &Authn{
		db: d, box: box, post: post, issuer: issuer, log: log, verified: newCache(),
		sinceStart: func() time.Duration { return time.Since(start) },
	}
	a.news.Store(&news{})
	err := a.follow(ctx)
	if err == nil && len(a.news.Load().keys) == 0 {
		if err = a.renewKeys(ctx, 0); err == nil {
			err = a.follow(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("authn: %w", err)
	}
	return a, nil
}

// Run follows what is taken away, renews the keys and sweeps lapsed browser
// sessions until ctx ends; it returns nil then.
func (a *Authn) Run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var swept time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := a.follow(ctx)
		if err == nil {
			err = a.tendKeys(ctx)
		}
		if at := a.sinceStart(); err == nil && (swept == 0 || at-swept > sweepEvery) {
			swept, err = at, a.sweep(ctx)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			a.log.ErrorContext(ctx, "authn cannot follow the database", "error", err)
		}
	}
}

// follow reads what is new.
func (a *Authn) follow(ctx context.Context) error {
	was := a.news.Load()
	next := &news{seen: a.sinceStart(), cursor: was.cursor, generations: was.generations, keys: was.keys}
	err := a.db.Read(ctx, func(tx *db.Tx) (err error) {
		if next.now, err = tx.Now(); err != nil {
			return err
		}
		raised, cursor, err := directory.ChangedSince(tx, was.cursor)
		if err != nil {
			return err
		}
		if len(raised) > 0 {
			next.cursor, next.generations = cursor, maps.Clone(was.generations)
			if next.generations == nil {
				next.generations = map[holder]int64{}
			}
		}
		for _, r := range raised {
			next.generations[holder{r.Kind, r.ID}] = r.Generation
		}
		next.keys, err = a.readKeys(tx, was.keys)
		return err
	})
	if err == nil {
		a.news.Store(next)
	}
	return err
}

// time is the database's time as far as this process knows it.
func (n *news) time(sinceStart time.Duration) time.Time { return n.now.Add(sinceStart - n.seen) }

// dead reports that something was taken away since.
func (n *news) dead(of holder, generation int64) bool { return generation < n.generations[of] }
