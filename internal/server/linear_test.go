package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// The lease as a sequential machine: who holds it, and the epoch.
type leaseState struct {
	holder int // -1: nobody
	epoch  int64
}

// leaseOp is one call at the door.
type leaseOp struct {
	kind   string // take, write, leave
	member int
	epoch  int64 // carried by write and leave
}

// leaseAnswer is what the door said.
type leaseAnswer struct {
	ok     bool
	epoch  int64 // of a lease taken
	holder int   // who held it, for a take that was refused
}

var leaseModel = porcupine.Model{
	Init: func() any { return leaseState{holder: -1} },
	Step: func(state, input, output any) (bool, any) {
		s, op, out := state.(leaseState), input.(leaseOp), output.(leaseAnswer)
		mine := s.holder == op.member && s.epoch == op.epoch
		switch {
		case op.kind == "take" && out.ok:
			return (s.holder == -1 || s.holder == op.member) && out.epoch == s.epoch+1, leaseState{op.member, out.epoch}
		case op.kind == "take":
			return s.holder != op.member && s.holder == out.holder, s
		case op.kind == "leave" && out.ok:
			return mine, leaseState{-1, s.epoch}
		default:
			return out.ok == mine, s
		}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// door is where a history is recorded.
type door interface {
	call(op leaseOp) (leaseAnswer, error)
}

// history runs k members at a door, each with n random acts, and returns what was seen.
func history(t *testing.T, d door, k, n int) []porcupine.Operation {
	t.Helper()
	var mu sync.Mutex
	var ops []porcupine.Operation
	start := time.Now()
	var wg sync.WaitGroup
	for m := range k {
		wg.Go(func() {
			var epoch int64
			for range n {
				op := leaseOp{kind: []string{"take", "take", "write", "leave"}[rand.IntN(4)], member: m, epoch: epoch}
				called := time.Since(start)
				out, err := d.call(op)
				if err != nil {
					t.Error(err)
					return
				}
				returned := time.Since(start)
				if op.kind == "take" && out.ok {
					epoch = out.epoch
				}
				mu.Lock()
				ops = append(ops, porcupine.Operation{ClientId: m, Input: op, Output: out, Call: int64(called), Return: int64(returned)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ops
}

// httpDoor is the ceremony of servers.
type httpDoor struct{ members []*member }

func (d httpDoor) call(op leaseOp) (out leaseAnswer, err error) {
	b := d.members[op.member]
	var a answer
	switch op.kind {
	case "take":
		a, err = b.take()
	case "write":
		a, err = b.act("beat", map[string]any{"epoch": op.epoch})
	case "leave":
		a, err = b.act("leave", map[string]any{"epoch": op.epoch})
	}
	switch {
	case err != nil:
		return out, err
	case a.Status < 300:
		return leaseAnswer{ok: true, epoch: a.Epoch}, nil
	case a.Error.What == "lease.held":
		out.holder, err = strconv.Atoi(a.Error.Params["holder"][len("Member Number"):])
		return out, err
	case a.Error.What == "lease.stale":
		return out, nil
	}
	return out, fmt.Errorf("%s: %d %+v", op.kind, a.Status, a.Error)
}

// brokenDoor reads, then writes: what the lease must not do.
type brokenDoor struct{ db *db.DB }

func (d brokenDoor) call(op leaseOp) (out leaseAnswer, err error) {
	type row struct {
		Holder int
		Epoch  int64
	}
	ctx := context.Background()
	var now row
	if err = d.db.Read(ctx, func(tx *db.Tx) (err error) {
		now, err = db.One[row](tx, `select holder, epoch from broken_lease`)
		return err
	}); err != nil {
		return out, err
	}
	mine := now.Holder == op.member && now.Epoch == op.epoch
	next := now
	switch {
	case op.kind == "take" && (now.Holder == -1 || now.Holder == op.member):
		next, out = row{op.member, now.Epoch + 1}, leaseAnswer{ok: true, epoch: now.Epoch + 1}
	case op.kind == "take":
		return leaseAnswer{holder: now.Holder}, nil
	case op.kind == "leave" && mine:
		next.Holder, out.ok = -1, true
	default:
		return leaseAnswer{ok: mine}, nil
	}
	return out, d.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`update broken_lease set holder = $1, epoch = $2`, next.Holder, next.Epoch)
		return err
	})
}

// linearizable judges histories until one is not, or n were.
func linearizable(t *testing.T, make func() door, k, n int) bool {
	t.Helper()
	for range n {
		switch result := porcupine.CheckOperationsTimeout(leaseModel, history(t, make(), k, 12), time.Minute); result {
		case porcupine.Illegal:
			return false
		case porcupine.Unknown:
			t.Fatal("the checker did not come to an end")
		}
	}
	return true
}

// G3, G5: histories of the lease, recorded at the HTTP door, are linearizable: on SQLite with one
// server, on PostgreSQL with two; the variant that reads and then writes is caught.
func TestLinearizableLease(t *testing.T) {
	n := dbtest.Rounds(4, 300)
	t.Run("sqlite", func(t *testing.T) {
		data := t.TempDir()
		c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
		w := newTenant(t, c, 8)
		one := start(t, c, "")
		if !linearizable(t, func() door { return w.door(8, one) }, 8, n) {
			t.Error("a history is not linearizable")
		}
		t.Logf("%d histories, 0 violations", n)
	})
	t.Run("postgres, two servers", func(t *testing.T) {
		c := config(t, dbtest.PostgresURL(t), t.TempDir())
		w := newTenant(t, c, 8)
		one, two := start(t, c, ""), start(t, c, "")
		if !linearizable(t, func() door { return w.door(8, one, two) }, 8, n) {
			t.Error("a history is not linearizable")
		}
		t.Logf("%d histories, 0 violations", n)
	})
	t.Run("the broken variant is caught", func(t *testing.T) {
		d := dbtest.Postgres(t)
		must(t, d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`create table broken_lease as select -1 as holder, cast(0 as bigint) as epoch`)
			return err
		}))
		caught := !linearizable(t, func() door {
			must(t, d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(`update broken_lease set holder = -1, epoch = 0`)
				return err
			}))
			return brokenDoor{d.DB}
		}, 8, 300)
		if !caught {
			t.Error("reading and then writing went unnoticed")
		}
	})
}

// door sends a new package and brings k members to its page, dealt out over the servers. The lease
// is free and its epoch is 0 when it returns.
func (w *tenant) door(k int, servers ...*process) door {
	w.t.Helper()
	w.send(servers[0].url, 1)
	var d httpDoor
	for i := range k {
		b := w.enter(servers[i%len(servers)].url, i)
		if i == 0 || b.lease() != nil { // pressing the button took it
			b.must("leave", map[string]any{"epoch": b.epoch()})
		}
		b.lobby()
		d.members = append(d.members, b)
	}
	must(w.t, w.rooms.DB.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`update roles set epoch = 0 where holder is null`)
		return err
	}))
	return d
}

// G3 and G5: of all members who take at once, over two servers, exactly one wins.
func TestG5OneWinnerOnTwoServers(t *testing.T) {
	k := dbtest.Rounds(16, 64)
	c := config(t, dbtest.PostgresURL(t), t.TempDir())
	w := newTenant(t, c, k)
	one, two := start(t, c, ""), start(t, c, "")
	d := w.door(k, one, two).(httpDoor)
	n := dbtest.Rounds(10, 1000)
	for round := range n {
		winners := make(chan int, k)
		var wg sync.WaitGroup
		for i := range k {
			wg.Go(func() {
				if out, err := d.call(leaseOp{kind: "take", member: i}); err != nil {
					t.Error(err)
				} else if out.ok {
					winners <- i
				}
			})
		}
		wg.Wait()
		close(winners)
		var won []int
		for i := range winners {
			won = append(won, i)
		}
		if len(won) != 1 {
			t.Fatalf("round %d: winners %v", round, won)
		}
		b := d.members[won[0]]
		b.must("leave", map[string]any{"epoch": b.epoch()})
	}
	t.Logf("%d rounds of %d members on two servers, 0 violations", n, k)
}
