package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bench is a tenant with the server and the floor that are measured.
type bench struct {
	options     options
	tenant      *tenant
	ours, floor *child
	floorDB     database
	counts      map[string]count
	cold        [][]byte
	subjects    [][]byte
	rooms       map[int]*room // of b.ours, by number of openers
	twins       map[string]*twin
	papers      []*child // that seals and draws, and what it is held against
	crowd       *client  // many more callers of b.ours
}

// result is a line of the table.
type result struct {
	item
	engine       string
	ours, floor  figures
	ratio        float64
	count, like  *count // nil: not counted; like is the sqlAs item's
	thrown, busy int    // rounds thrown away; rounds used although the machine was busy
}

// figures are medians over the rounds, per request where that makes sense.
type figures struct {
	rate           float64
	p50, p99       time.Duration
	cpu, dbCPU     time.Duration
	objects, bytes float64
	commits        float64 // NaN-free: 0 where not counted
}

// onEngine measures every item on one engine.
func onEngine(ctx context.Context, o options, engine string) (out []result, err error) {
	dir, err := os.MkdirTemp("", "countersign-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	b, err := open(ctx, o, engine, dir)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%s: %d users, %d accounts, set up in %.1f s; an exchange writes %s; a new user %s\n", engine, o.users, o.accounts,
		time.Since(began).Seconds(), tables(b.tenant.exchangeRows), tables(b.tenant.userRows))
	for _, it := range items {
		if !o.wants(it.id) || it.engine(engine) == noEngine && engine != o.engines[0] {
			continue
		}
		r, err := b.measure(ctx, it)
		if errors.Is(err, errMissing) {
			fmt.Fprintf(os.Stderr, "%s left out: %v\n", it.id, err)
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", it.id, err)
		}
		out = append(out, r)
		fmt.Fprintf(os.Stderr, "%s %s: %.0f/s, floor %.0f/s, ratio %.2f\n", it.id, r.engine, r.ours.rate, r.floor.rate, r.ratio)
	}
	if o.wants("B9") {
		r, err := b.seals(ctx)
		if err != nil {
			return out, fmt.Errorf("B9: %w", err)
		}
		out = append(out, r)
	}
	if o.tenfold {
		grown, err := b.tenfold(ctx, dir)
		if out = append(out, grown...); err != nil {
			return out, fmt.Errorf("tenfold: %w", err)
		}
	}
	return out, nil
}

// open sets up; what it returns is to be closed even with an error.
func open(ctx context.Context, o options, engine, dir string) (b *bench, err error) {
	b = &bench{options: o}
	d, err := newDatabase(ctx, engine, dir, "ours")
	if err != nil {
		return b, err
	}
	b.tenant = &tenant{db: d}
	if b.tenant, err = newTenant(ctx, o, d, dir); err != nil {
		return b, err
	}
	if err = b.tenant.pool.Close(); err != nil { // nobody may use a database that PostgreSQL copies
		return b, err
	}
	if b.floorDB, err = d.copy(ctx, "floor"); err != nil {
		return b, err
	}
	if err = b.makeTwins(ctx); err != nil {
		return b, err
	}
	if b.floor, err = startChild("role-floor", floorSpec{b.floorDB, o.conns}, o.conns); err != nil {
		return b, err
	}
	if engine == "postgres" {
		if err = b.countAll(ctx); err != nil {
			return b, fmt.Errorf("count statements: %w", err)
		}
	}
	if b.ours, err = startChild("role-server", b.tenant.config, o.conns); err != nil {
		return b, err
	}
	return b, b.tenant.signIn(b.ours)
}

func (b *bench) close() error {
	var failed []error
	children, databases := append(b.papers, b.ours, b.floor), []database{b.floorDB, b.tenantDB()}
	for _, t := range b.twins {
		children, databases = append(children, t.child), append(databases, t.database)
	}
	if b.crowd != nil {
		failed = append(failed, b.crowd.Close())
	}
	for _, c := range children {
		if c != nil {
			failed = append(failed, c.stop())
		}
	}
	for _, d := range databases {
		if d.Name != "" && d.Engine == "postgres" { // a SQLite database goes with its folder
			failed = append(failed, d.drop())
		}
	}
	return errors.Join(failed...)
}

func (b *bench) tenantDB() (d database) {
	if b.tenant != nil {
		d = b.tenant.db
	}
	return d
}

// measure holds an item against its floor.
func (b *bench) measure(ctx context.Context, it item) (r result, err error) {
	if it.sides != nil {
		ours, other, err := it.sides(ctx, b)
		if err != nil {
			return r, err
		}
		return b.compare(ctx, it, ours, other)
	}
	next, err := it.requests(b)
	if err != nil {
		return r, err
	}
	sample, err := b.ours.ask(next(0, 1<<20))
	if err != nil || sample.status != it.status {
		return r, errors.Join(err, fmt.Errorf("status %d: %.300s", sample.status, sample.body))
	}
	k, err := it.floor(b, sample)
	if err != nil {
		return r, err
	}
	if _, err := b.floor.control("POST", "/work", k); err != nil {
		return r, err
	}
	return b.compare(ctx, it, b.side(), side{child: b.floor, database: b.floorDB.Name})
}

// side is who is measured, on which database, with which requests (nil: the
// item's, the same for both sides), which status they are answered with (0: the
// item's) and over which connections (nil: the child's).
type side struct {
	child    *child
	database string
	next     source
	status   int
	over     *client
}

// side is our server with the item's requests.
func (b *bench) side() side { return side{child: b.ours, database: b.tenant.db.Name} }

// noEngine is the engine of what needs no database.
const noEngine = "none"

// errMissing is a program to compare with that is not installed.
var errMissing = errors.New("not installed")

func (it item) engine(engine string) string {
	if it.requests == nil {
		return noEngine
	}
	return engine
}

// round is a slice of each side.
type round struct {
	ours, floor figures
	others      float64 // processor time others used, as a share of the round
}

// compare holds two sides against each other.
func (b *bench) compare(ctx context.Context, it item, ours, other side) (r result, err error) {
	r = result{item: it, engine: it.engine(b.tenant.db.Engine)}
	if c, ok := b.counts[it.id]; ok {
		r.count = &c
		if like, ok := b.counts[it.sqlAs]; ok {
			r.like = &like
		}
	}
	if folder := b.options.profiles; folder != "" {
		end, failed := ours.child.profile(filepath.Join(folder, it.id+"-"+r.engine+".pprof"))
		if failed != nil {
			return r, failed
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	return r, b.quietest(ctx, &r, func(d time.Duration) (round, error) { return b.round(it, ours, other, d) })
}

// quietest runs rounds until there are enough quiet ones, after one to warm up.
func (b *bench) quietest(ctx context.Context, r *result, next func(time.Duration) (round, error)) error {
	var quiet, noisy []round
	if _, err := next(b.options.slice / 4); err != nil {
		return err
	}
	for len(quiet) < b.options.rounds && len(quiet)+len(noisy) < b.most() {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, err := next(b.options.slice)
		if err != nil {
			return err
		}
		if x.others > 0.1 {
			noisy = append(noisy, x)
		} else {
			quiet = append(quiet, x)
		}
	}
	slices.SortFunc(noisy, func(x, y round) int { return cmp.Compare(x.others, y.others) })
	r.busy = min(b.options.rounds-len(quiet), len(noisy))
	r.thrown = len(noisy) - r.busy
	r.sum(append(quiet, noisy[:r.busy]...))
	return nil
}

// most is the bound on rounds.
func (b *bench) most() int {
	if b.options.quick {
		return b.options.rounds
	}
	return 3 * b.options.rounds
}

func (b *bench) round(it item, ours, other side, d time.Duration) (x round, err error) {
	if it.requests != nil {
		next, err := it.requests(b)
		if err != nil {
			return x, err
		}
		for _, s := range []*side{&ours, &other} {
			if s.next == nil {
				s.next = next
			}
		}
	}
	return b.watched([]string{ours.database, other.database}, func() (mine, theirs figures, err error) {
		if mine, err = b.slice(it, ours, d); err != nil {
			return mine, theirs, err
		}
		if theirs, err = b.slice(it, other, d); err != nil {
			err = fmt.Errorf("the other side: %w", err)
		}
		return mine, theirs, err
	})
}

// watched is a round during which the processor time of what does not work on these databases is taken.
func (b *bench) watched(databases []string, do func() (ours, floor figures, err error)) (x round, err error) {
	began := time.Now()
	before, err := processorUse()
	if err != nil {
		return x, err
	}
	if x.ours, x.floor, err = do(); err != nil {
		return x, err
	}
	after, err := processorUse()
	if err != nil {
		return x, err
	}
	if b.tenant.db.Engine != "postgres" {
		databases = nil
	}
	x.others = after.others(before, databases...).Seconds() / time.Since(began).Seconds()
	return x, nil
}

// slice measures one side.
func (b *bench) slice(it item, s side, d time.Duration) (f figures, err error) {
	before, err := s.child.stats()
	if err != nil {
		return f, err
	}
	db := database{Engine: it.engine(b.tenant.db.Engine), Name: s.database}
	commits, useBefore := db.committed()
	x, err := cmp.Or(s.over, s.child.work).run(d, 0, cmp.Or(s.status, it.status), s.next)
	if err != nil {
		return f, err
	}
	after, err := s.child.stats()
	if err != nil {
		return f, err
	}
	commitsAfter, useAfter := db.committed()
	n := float64(x.requests)
	each := func(d time.Duration) time.Duration { return time.Duration(float64(d) / n) }
	return figures{rate: x.perSecond(), p50: x.p50, p99: x.p99, cpu: each(after.CPU - before.CPU), dbCPU: each(useAfter - useBefore),
		objects: float64(after.Objects-before.Objects) / n, bytes: float64(after.Bytes-before.Bytes) / n,
		commits: float64(commitsAfter-commits) / n}, nil
}

// committed counts SQLite's commits, and the processor time of PostgreSQL's processes for one database.
func (d database) committed() (commits uint32, used time.Duration) {
	if d.Engine == noEngine {
		return 0, 0
	}
	if d.Engine == "sqlite" {
		commits, _ = d.commits() // none before the first writer opened it
		return commits, 0
	}
	u, _ := processorUse() // read before without error
	for _, p := range u.processes {
		if p.database == d.Name {
			used += p.used
		}
	}
	return 0, used
}

// sum takes medians.
func (r *result) sum(rounds []round) {
	r.ours = medians(rounds, func(x round) figures { return x.ours })
	r.floor = medians(rounds, func(x round) figures { return x.floor })
	r.ratio = median(rounds, func(x round) float64 {
		if r.byCPU {
			return x.floor.cpu.Seconds() / x.ours.cpu.Seconds()
		}
		return x.ours.rate / x.floor.rate
	})
}

func medians(rounds []round, side func(round) figures) figures {
	of := func(f func(figures) float64) float64 {
		return median(rounds, func(x round) float64 { return f(side(x)) })
	}
	span := func(f func(figures) time.Duration) time.Duration {
		return time.Duration(of(func(x figures) float64 { return float64(f(x)) }))
	}
	return figures{
		rate: of(func(f figures) float64 { return f.rate }), objects: of(func(f figures) float64 { return f.objects }),
		bytes: of(func(f figures) float64 { return f.bytes }), commits: of(func(f figures) float64 { return f.commits }),
		p50: span(func(f figures) time.Duration { return f.p50 }), p99: span(func(f figures) time.Duration { return f.p99 }),
		cpu: span(func(f figures) time.Duration { return f.cpu }), dbCPU: span(func(f figures) time.Duration { return f.dbCPU }),
	}
}

func median(rounds []round, f func(round) float64) float64 {
	var all []float64
	for _, x := range rounds {
		all = append(all, f(x))
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
