package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sealings is how many packages are sealed a side for each round of the other items.
const sealings = 6

// seals holds the time from the last signature to the sealed PDF, as the database
// states both, among many finished packages against the time among few.
func (b *bench) seals(ctx context.Context) (r result, err error) {
	it := item{id: "B9", work: fmt.Sprintf("last signature → sealed, 20 pages, %d finished packages / few", b.options.packages),
		goal: always(0.9), within: 250 * time.Millisecond}
	r = result{item: it, engine: b.tenant.db.Engine}
	t, err := b.twin(finished)
	if err != nil {
		return r, err
	}
	many, err := newSealing(t.child, t.database)
	if err != nil {
		return r, err
	}
	defer many.pool.Close()
	few, err := newSealing(b.ours, b.tenant.db)
	if err != nil {
		return r, err
	}
	defer few.pool.Close()
	some := *b
	some.options.rounds *= sealings
	worst := map[*sealing]time.Duration{}
	side := func(s *sealing) (f figures, err error) {
		f, err = s.once(ctx, b.tenant.desk)
		worst[s] = max(worst[s], f.p50)
		return f, err
	}
	err = some.quietest(ctx, &r, func(time.Duration) (x round, err error) {
		return some.watched([]string{b.tenant.db.Name, t.Name}, func() (ours, floor figures, err error) {
			if ours, err = side(many); err == nil {
				floor, err = side(few)
			}
			return ours, floor, err
		})
	})
	r.ours.p99, r.floor.p99 = worst[many], worst[few] // of so few the slowest
	return r, err
}

// sealing is a server and its database, to look when it has sealed.
type sealing struct {
	child *child
	pool  *sql.DB
	db    database
}

func newSealing(c *child, d database) (*sealing, error) {
	pool, err := d.open(1)
	return &sealing{c, pool, d}, err
}

// once sends a package of 20 pages to one signer, who signs, and waits for the seal.
func (s *sealing) once(ctx context.Context, k *desk) (f figures, err error) {
	email := letters(16) + "@example.org"
	id, err := s.child.get(k.send(strings.NewReplacer(`"DRAFT"`, `"SENT"`, payloadEmail, email).Replace(payload), 20), 200, "id")
	if err != nil {
		return f, err
	}
	link, err := s.child.linkTo(ctx, email)
	if err != nil {
		return f, err
	}
	v, _, err := s.child.enter(link)
	if err != nil {
		return f, err
	}
	epoch, err := v.take(s.child)
	if err != nil {
		return f, err
	}
	err = errors.Join(v.post(s.child, "/beat", fmt.Sprintf(`{"epoch":%d}`, epoch), 200), v.post(s.child, "/consent", fmt.Sprintf(`{"epoch":%d}`, epoch), 204))
	if err != nil {
		return f, err
	}
	before, err := s.child.stats()
	if err != nil {
		return f, err
	}
	_, useBefore := s.db.committed()
	if err := v.post(s.child, "/sign", fmt.Sprintf(`{"epoch":%d,"mark":{"kind":"typed"},"initials":{"kind":"typed"}}`, epoch), 204); err != nil {
		return f, err
	}
	took, err := s.sealed(ctx, id)
	if err != nil {
		return f, err
	}
	after, err := s.child.stats()
	_, use := s.db.committed()
	return figures{rate: 1 / took.Seconds(), p50: took, cpu: after.CPU - before.CPU, dbCPU: use - useBefore,
		objects: float64(after.Objects - before.Objects), bytes: float64(after.Bytes - before.Bytes)}, err
}

// sealed waits until a package is completed and returns how long after its last signature that was.
func (s *sealing) sealed(ctx context.Context, id string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		took, err := column(ctx, s.pool, `select p.completed_ms - max(s.signed_ms) from packages p join signatures s on s.package_id = p.id
			where p.outer_id = $1 and p.status = 'COMPLETED' group by p.completed_ms`, id)
		if err != nil {
			return 0, err
		}
		if slices.Contains(took, "0") {
			return time.Millisecond, nil // less than the clock tells
		}
		if len(took) == 1 {
			ms, err := strconv.ParseInt(took[0], 10, 64)
			return time.Duration(ms) * time.Millisecond, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return 0, errors.New("the package was not sealed within a minute")
		}
	}
}
