package authn

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/outward"
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
	embed  Embed
	log    *slog.Logger

	news      atomic.Pointer[news]
	following sync.Mutex // held while news are read, so that none are replaced by older ones
	makingRSA sync.Mutex
	learning  sync.Mutex
	learnt    time.Duration // when learn last asked, by sinceStart; learning is held
	verified  *cache[[sha256.Size]byte, *verified]
	clients   *cache[string, *clientRecord]
	revoked   *revocations
	limits    *limit.Limiter
	gate      outward.Gate // to identity providers
	providers *providers
	hashing   chan struct{} // one token for each password being hashed
	queueing  chan struct{} // one token for each that waits for that
	argon     argon         // what a password costs
	// sinceStart is monotonic time; tests put their own in its place.
	sinceStart func() time.Duration
}

// news is what this process knows of the database; it is replaced, never changed.
type news struct {
	seen        time.Duration // when, by sinceStart
	now         time.Time     // the database's time then
	cursor      int64
	revocations int64 // the cursor of the revoked tokens
	generations map[holder]int64
	keys        keyring
}

// holder is what a generation belongs to.
type holder struct{ kind, id string }

// Embed is how the tokens of technical accounts and Embed users are labelled.
type Embed struct {
	Issuer   string // claim iss; "oem-prod" when empty
	Audience string // claim aud; "OEM PARTNERS" when empty
	// TokenEndpoints are outside URLs of the token endpoint: a signed subject token names one of
	// them, or the outside URL of the server, as its audience.
	TokenEndpoints []string
}

// Option is an option of New.
type Option func(*Authn)

// WithEmbed says how tokens of technical accounts and Embed users are labelled.
func WithEmbed(e Embed) Option { return func(a *Authn) { a.embed = e } }

// WithGate is the gate through which identity providers are called; without it, those on the internet alone are.
func WithGate(g outward.Gate) Option { return func(a *Authn) { a.gate = g } }

// New makes the room of a database, and its first key when there is none.
// issuer is the outside URL, which tokens of members name as issuer and
// audience. Run must be running for tokens to be given and checked for longer
// than five seconds.
func New(ctx context.Context, d *db.DB, box *secret.Box, post *mail.Post, issuer string, log *slog.Logger, opts ...Option) (*Authn, error) {
	start := time.Now()
	a := &Authn{
		db: d, box: box, post: post, issuer: issuer, log: log,
		verified: newCache[[sha256.Size]byte, *verified](tokenHalf), clients: newCache[string, *clientRecord](clientHalf),
		revoked: &revocations{until: map[string]int64{}},
		learnt:  -followEvery,
		limits:  limit.New(d), providers: &providers{known: map[string]provider{}},
		hashing: make(chan struct{}, hashedAtOnce), queueing: make(chan struct{}, hashedLater), argon: argonNow,
		sinceStart: func() time.Duration { return time.Since(start) },
	}
	for _, o := range opts {
		o(a)
	}
	if a.embed.Issuer == "" {
		a.embed.Issuer = "oem-prod"
	}
	if a.embed.Audience == "" {
		a.embed.Audience = "OEM PARTNERS"
	}
	a.news.Store(&news{})
	err := a.follow(ctx)
	if err == nil && len(a.news.Load().keys) == 0 {
		if err = a.renewKey(ctx, EdDSA); err == nil {
			err = a.follow(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("authn: %w", err)
	}
	return a, nil
}

// Run follows what is taken away, makes and renews the keys and sweeps what has
// lapsed until ctx ends; it returns nil then.
func (a *Authn) Run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var swept time.Duration
	var background sync.WaitGroup
	defer background.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := a.follow(ctx)
		if err == nil {
			err = a.tendKeys(ctx, &background)
		}
		if at := a.sinceStart(); err == nil && (swept == 0 || at-swept > sweepEvery) {
			swept, err = at, a.sweep(ctx)
		}
		a.complain(ctx, err)
	}
}

func (a *Authn) complain(ctx context.Context, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		a.log.ErrorContext(ctx, "authn cannot follow the database", "error", err)
	}
}

// follow reads what is new.
func (a *Authn) follow(ctx context.Context) error {
	a.following.Lock()
	defer a.following.Unlock()
	was := a.news.Load()
	next := *was
	next.seen = a.sinceStart()
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
		if next.revocations, err = a.revoked.follow(tx, was.revocations); err != nil {
			return err
		}
		next.keys, err = a.readKeys(tx, was.keys)
		return err
	})
	if err == nil {
		a.news.Store(&next)
	}
	return err
}

// catchUp makes this process know at once what is new, such as what it has just
// taken away itself. Failing that, Run will tell it soon.
func (a *Authn) catchUp(ctx context.Context) {
	a.complain(ctx, a.follow(context.WithoutCancel(ctx)))
}

// learn is the keys after another look into the database, for a token whose key
// was not heard of: of an algorithm's first key, which signs at once. It looks at
// most as often as Run does, whoever asks.
func (a *Authn) learn(ctx context.Context) keyring {
	a.learning.Lock()
	defer a.learning.Unlock()
	if at := a.sinceStart(); at-a.learnt >= followEvery {
		a.learnt = at
		a.catchUp(ctx)
	}
	return a.news.Load().keys
}

// current is the news and the database's time, unless nothing was heard for too
// long. Unavailable "authn.stale".
func (a *Authn) current() (n *news, now time.Time, err error) {
	n, at := a.news.Load(), a.sinceStart()
	if at-n.seen > staleAfter {
		return nil, now, errs.New(errs.Unavailable, "authn.stale", "The server cannot check credentials at the moment.")
	}
	return n, n.time(at), nil
}

// time is the database's time as far as this process knows it.
func (n *news) time(sinceStart time.Duration) time.Time { return n.now.Add(sinceStart - n.seen) }

// dead reports that something was taken away since.
func (n *news) dead(kind, id string, generation int64) bool {
	return generation < n.generations[holder{kind, id}]
}
