package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Cache holds the documents of one collection by their ObjectID, at most max of
// them. A value that changed in this process must be evicted by the one who
// changed it; other processes' changes arrive through the Watcher.
type Cache[V any] struct {
	watcher *Watcher
	max     int
	load    func(context.Context, bson.ObjectID) (V, error)
	cancel  func()

	mu      sync.RWMutex
	entries map[bson.ObjectID]*entry[V]
	ring    []bson.ObjectID // of entries, for eviction; forgotten ones stay until the hand comes by
	hand    int
	loading map[bson.ObjectID]*loading[V]
}

type entry[V any] struct {
	value  V
	epoch  uint64
	loaded time.Time
	used   atomic.Bool // since the hand came by
	slot   int         // in ring
}

type loading[V any] struct {
	done  chan struct{}
	value V
	err   error
	stale bool // evicted while the read was under way: the value may be the old one
}

// NewCache returns a cache that reads missing documents with load. Errors are
// not kept. Operations listed in ignore are no reason to forget a document.
func NewCache[V any](w *Watcher, collection string, max int, load func(context.Context, bson.ObjectID) (V, error), ignore ...string) *Cache[V] {
	c := &Cache[V]{
		watcher: w, max: max, load: load,
		entries: map[bson.ObjectID]*entry[V]{},
		loading: map[bson.ObjectID]*loading[V]{},
	}
	c.cancel = w.Subscribe(&Subscriber{
		Collection: collection,
		Changed: func(ch Change) {
			for _, op := range ignore {
				if ch.Operation == op {
					return
				}
			}
			if id, ok := ch.ID.ObjectIDOK(); ok {
				c.Evict(id)
			}
		},
		Reset: c.reset,
	})
	return c
}

// Close stops listening for changes.
func (c *Cache[V]) Close() { c.cancel() }

// Get returns the document, from memory where that is safe.
func (c *Cache[V]) Get(ctx context.Context, id bson.ObjectID) (V, error) {
	now := time.Now()
	c.mu.RLock()
	e := c.entries[id]
	c.mu.RUnlock()
	if e != nil && (c.watcher.trusted(e.epoch, now) || now.Sub(e.loaded) < MaxStale) {
		if !e.used.Load() {
			e.used.Store(true)
		}
		return e.value, nil
	}
	return c.read(ctx, id)
}

func (c *Cache[V]) read(ctx context.Context, id bson.ObjectID) (V, error) {
	c.mu.Lock()
	// Readers that come while another reads wait for it, unless the value
	// changed since it began.
	if l := c.loading[id]; l != nil && !l.stale {
		c.mu.Unlock()
		select {
		case <-l.done:
			// The reader's own cancellation is not ours.
			if l.err == nil || ctx.Err() != nil {
				return l.value, l.err
			}
		case <-ctx.Done():
			var zero V
			return zero, ctx.Err()
		}
		return c.load(ctx, id)
	}
	l := &loading[V]{done: make(chan struct{})}
	c.loading[id] = l
	c.mu.Unlock()

	epoch, began := c.watcher.epoch.Load(), time.Now()
	defer func() {
		c.mu.Lock()
		if c.loading[id] == l {
			delete(c.loading, id)
		}
		if l.err == nil && !l.stale {
			c.put(id, l.value, epoch, began)
		}
		c.mu.Unlock()
		close(l.done)
	}()
	l.err = context.Canceled // for waiters, should load panic
	l.value, l.err = c.load(ctx, id)
	return l.value, l.err
}

// Put stores a document that was just written by this process, as it is in the
// database. Only for documents that nobody else can have changed yet.
func (c *Cache[V]) Put(id bson.ObjectID, v V) {
	epoch, now := c.watcher.epoch.Load(), time.Now()
	c.mu.Lock()
	c.put(id, v, epoch, now)
	c.mu.Unlock()
}

// put takes the place of a document that was not used since the hand of the
// clock came by it last, when the cache is full.
func (c *Cache[V]) put(id bson.ObjectID, v V, epoch uint64, at time.Time) {
	e := &entry[V]{value: v, epoch: epoch, loaded: at}
	switch old := c.entries[id]; {
	case old != nil:
		e.slot = old.slot
	case len(c.ring) < c.max:
		e.slot = len(c.ring)
		c.ring = append(c.ring, id)
	default:
		e.slot = c.free()
		c.ring[e.slot] = id
	}
	c.entries[id] = e
}

// maxTurn bounds how far the hand is turned while everybody waits, when all
// documents are in use.
const maxTurn = 100

// free turns the hand to a slot that it makes free.
func (c *Cache[V]) free() int {
	for turned := 0; ; turned++ {
		slot := c.hand
		c.hand = (c.hand + 1) % len(c.ring)
		e := c.entries[c.ring[slot]]
		if e == nil || e.slot != slot {
			return slot // forgotten, or in another slot by now
		}
		if !e.used.Swap(false) || turned == maxTurn {
			delete(c.entries, c.ring[slot])
			return slot
		}
	}
}

// Evict forgets a document; reads under way will not store it.
func (c *Cache[V]) Evict(id bson.ObjectID) {
	c.mu.Lock()
	delete(c.entries, id)
	if l := c.loading[id]; l != nil {
		l.stale = true
	}
	c.mu.Unlock()
}

// Len counts the documents held.
func (c *Cache[V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries)
}

func (c *Cache[V]) reset() {
	c.mu.Lock()
	clear(c.entries)
	c.ring, c.hand = c.ring[:0], 0
	for _, l := range c.loading {
		l.stale = true
	}
	c.mu.Unlock()
}
