package store

import "sync"

// extent is how much memory an arena takes at once.
const extent = 8 << 20

// arena is memory outside of Go's heap for caches that fill up once and stay: on the heap they would make the collector wait for as much
// garbage as they are large, and all that is allocated in between would come from memory that no processor's cache has.
type arena struct {
	mu      sync.Mutex
	extents [][]byte
	rest    []byte
}

// take gives n bytes, all zero; n divides extent.
func (a *arena) take(n int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.rest) == 0 {
		a.rest = mapped(extent)
		a.extents = append(a.extents, a.rest)
	}
	b := a.rest[:n:n]
	a.rest = a.rest[n:]
	return b
}

// close gives everything back. Nobody may have any of it.
func (a *arena) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.extents {
		unmap(e)
	}
	a.extents, a.rest = nil, nil
}
