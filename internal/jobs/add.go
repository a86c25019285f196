package jobs

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// Add queues a job in tx, to be started no sooner than after from now. payload
// is stored as JSON.
//
// There is one live job for each kind and key: while one is ready, adding
// another only makes it due sooner; while one is running, it is done once more
// afterwards, so that nothing added in the meantime is overlooked. The payload
// must therefore follow from the key; that of the first is kept. An empty key
// is a job of its own.
func Add(tx *db.Tx, kind, key string, payload any, after time.Duration) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("add job %s: %w", kind, err)
	}
	id := secret.NewID()
	if key == "" {
		key = id
	}
	_, err = tx.Exec(`insert into jobs (id, kind, key, payload, state, due_ms, created_ms, claim, tries, again, last_error)
		values ($1, $2, $3, $4, 'ready', clock_ms() + $5, clock_ms(), 0, 0, false, '')
		on conflict (kind, key) where state <> 'failed' do update set
			again = (jobs.state = 'running'),
			due_ms = case when jobs.state = 'ready' and jobs.due_ms > excluded.due_ms
				then excluded.due_ms else jobs.due_ms end`,
		id, kind, key, text, after.Milliseconds())
	if err != nil {
		return fmt.Errorf("add job %s: %w", kind, err)
	}
	tx.OnCommit(wakeups.ring)
	return nil
}

// wakeups tells the running queues of this process to look now. It carries
// nothing and decides nothing: a queue that misses it looks again soon anyway.
var wakeups bell

type bell struct {
	mu     sync.Mutex
	queues map[chan struct{}]bool
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.queues {
		poke(c)
	}
}

func (b *bell) hang(c chan struct{}) (remove func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queues == nil {
		b.queues = map[chan struct{}]bool{}
	}
	b.queues[c] = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.queues, c)
	}
}

// poke leaves one signal in a channel of capacity 1.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
