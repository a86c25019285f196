package authn

import "sync"

// Halves of the caches: tokens take up to 1 kB each, clients 2 kB, so that both together stay under 10 MB.
const (
	tokenHalf  = 4096
	clientHalf = 512
)

// cache keeps what was found out. It has two halves: when the young one is full
// it becomes the old one, and what was old is forgotten, so it is bounded and
// what is in use stays.
type cache[K comparable, V any] struct {
	half       int
	mu         sync.Mutex
	young, old map[K]V
}

func newCache[K comparable, V any](half int) *cache[K, V] {
	return &cache[K, V]{half: half, young: map[K]V{}}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[k]
	if !ok {
		if v, ok = c.old[k]; ok {
			c.store(k, v)
		}
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(k, v)
}

func (c *cache[K, V]) store(k K, v V) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, map[K]V{}
	}
	c.young[k] = v
}
