package limit

import (
	"sync"
	"time"
)

// Memory keeps a policy roughly, in this process alone. It counts the calls of
// the present stretch of time, as long as the window, and of the one before that by the share
// of it that the window still covers.
type Memory struct {
	policy Policy
	most   int
	now    func() time.Time

	mu        sync.Mutex
	start     time.Time // of the present stretch
	this, old map[string]int
}

// NewMemory makes one that remembers at most most keys a stretch. Further ones are counted together, as one.
func NewMemory(p Policy, most int) *Memory {
	return &Memory{policy: p, most: most, now: time.Now, this: map[string]int{}}
}

// Take counts one call of a key, if it is accepted.
func (m *Memory) Take(key string) Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := m.turn()
	if _, known := m.this[key]; !known && len(m.this) >= m.most {
		key = ""
	}
	left := m.policy.Window - gone
	before := int(int64(m.old[key]) * int64(left) / int64(m.policy.Window))
	taken := m.this[key] + before
	if taken >= m.policy.Quota {
		return Decision{Reset: left, Retry: left}
	}
	m.this[key]++
	return Decision{Allowed: true, Remaining: m.policy.Quota - taken - 1, Reset: left}
}

// turn begins a new stretch when it is time, and returns how much of the present one is over.
func (m *Memory) turn() time.Duration {
	now := m.now()
	gone := now.Sub(m.start)
	switch {
	case gone < m.policy.Window:
		return gone
	case gone < 2*m.policy.Window:
		m.old, m.start = m.this, m.start.Add(m.policy.Window)
	default:
		m.old, m.start = nil, now
	}
	m.this = map[string]int{}
	return now.Sub(m.start)
}
