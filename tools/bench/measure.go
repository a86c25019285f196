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
}

// result is a line of the table.
type result struct {
	item
	engine       string
	ours, floor  figures
	ratio        float64
	count        *count // nil: not counted
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
		if !o.wants(it.id) {
			continue
		}
		r, err := b.measure(ctx, it)
		if err != nil {
			return out, fmt.Errorf("%s: %w", it.id, err)
		}
		out = append(out, r)
		fmt.Fprintf(os.Stderr, "%s %s: %.0f/s, floor %.0f/s, ratio %.2f\n", it.id, engine, r.ours.rate, r.floor.rate, r.ratio)
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
	for _, c := range []*child{b.ours, b.floor} {
		if c != nil {
			failed = append(failed, c.stop())
		}
	}
	for _, d := range []database{b.floorDB, b.tenantDB()} {
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
	return b.compare(ctx, it, side{b.floor, b.floorDB.Name, nil})
}

// side is who is measured, on which database, with which requests; nil is the same as the other.
type side struct {
	child    *child
	database string
	next     source
}

// round is a slice of each side.
type round struct {
	ours, floor figures
	others      float64 // processor time others used, as a share of the round
}

// compare runs rounds until there are enough quiet ones.
func (b *bench) compare(ctx context.Context, it item, other side) (r result, err error) {
	r = result{item: it, engine: b.tenant.db.Engine}
	if c, ok := b.counts[it.id]; ok {
		r.count = &c
	}
	if folder := b.options.profiles; folder != "" {
		end, failed := b.ours.profile(filepath.Join(folder, it.id+"-"+r.engine+".pprof"))
		if failed != nil {
			return r, failed
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	var quiet, noisy []round
	if _, err := b.round(it, other, b.options.slice/4); err != nil { // warm up
		return r, err
	}
	for len(quiet) < b.options.rounds && len(quiet)+len(noisy) < b.most() {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		x, err := b.round(it, other, b.options.slice)
		if err != nil {
			return r, err
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
	return r, nil
}

// most is the bound on rounds.
func (b *bench) most() int {
	if b.options.quick {
		return b.options.rounds
	}
	return 3 * b.options.rounds
}

func (b *bench) round(it item, other side, d time.Duration) (x round, err error) {
	next, err := it.requests(b)
	if err != nil {
		return x, err
	}
	if other.next == nil {
		other.next = next
	}
	began := time.Now()
	before, err := processorUse()
	if err != nil {
		return x, err
	}
	if x.ours, err = b.slice(it, side{b.ours, b.tenant.db.Name, next}, d); err != nil {
		return x, err
	}
	if x.floor, err = b.slice(it, other, d); err != nil {
		return x, fmt.Errorf("floor: %w", err)
	}
	after, err := processorUse()
	if err != nil {
		return x, err
	}
	var databases []string
	if b.tenant.db.Engine == "postgres" {
		databases = []string{b.tenant.db.Name, other.database}
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
	db := database{Engine: b.tenant.db.Engine, Name: s.database}
	commits, useBefore := db.committed()
	x, err := s.child.work.run(d, 0, it.status, s.next)
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
	r.ratio = median(rounds, func(x round) float64 { return x.ours.rate / x.floor.rate })
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
