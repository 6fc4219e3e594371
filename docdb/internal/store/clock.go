package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock gives out times that grow strictly: seconds since 1970 in the upper 32 bits, a counter in the lower ones.
type clock struct {
	now  func() time.Time
	mu   sync.Mutex
	last uint64
	// applied is the time of the last batch that readers can see.
	applied atomic.Uint64
}

// reserve gives the first of n consecutive times.
func (c *clock) reserve(n int) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := uint64(c.now().Unix())<<32 | 1
	if t <= c.last {
		t = c.last + 1
	}
	c.last = t + uint64(n) - 1
	return t
}

// atLeast makes sure that no time up to t is given out again.
func (c *clock) atLeast(t uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t > c.last {
		c.last = t
	}
	if t > c.applied.Load() {
		c.applied.Store(t)
	}
}
