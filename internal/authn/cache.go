package authn

import (
	"crypto/sha256"
	"sync"
)

// cacheHalf is half the number of verified tokens kept, about 3 MB in all.
const cacheHalf = 4096

// cache keeps verified tokens by their digest. It has two halves: when the
// young one is full it becomes the old one, and what was old is forgotten, so it
// is bounded and what is in use stays.
type cache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]verified
}

func newCache() *cache { return &cache{young: map[[sha256.Size]byte]verified{}} }

func (c *cache) get(digest [sha256.Size]byte) (verified, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[digest]
	if !ok {
		if v, ok = c.old[digest]; ok {
			c.store(digest, v)
		}
	}
	return v, ok
}

func (c *cache) put(digest [sha256.Size]byte, v verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(digest, v)
}

func (c *cache) store(digest [sha256.Size]byte, v verified) {
	if len(c.young) >= cacheHalf {
		c.old, c.young = c.young, map[[sha256.Size]byte]verified{}
	}
	c.young[digest] = v
}
