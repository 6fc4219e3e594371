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
	loading map[bson.ObjectID]*loading[V]
}

type entry[V any] struct {
	value  V
	epoch  uint64
	loaded time.Time
	used   atomic.Int64 // unix seconds of the last use, for eviction
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
		if s := now.Unix(); e.used.Load() != s {
			e.used.Store(s)
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

// put drops the least recently used of a few entries when the cache is full.
func (c *Cache[V]) put(id bson.ObjectID, v V, epoch uint64, at time.Time) {
	for len(c.entries) >= c.max {
		var victim bson.ObjectID
		oldest, n := int64(1<<62), 0
		for k, e := range c.entries {
			if u := e.used.Load(); u < oldest {
				victim, oldest = k, u
			}
			if n++; n == 8 {
				break
			}
		}
		delete(c.entries, victim)
	}
	e := &entry[V]{value: v, epoch: epoch, loaded: at}
	e.used.Store(at.Unix())
	c.entries[id] = e
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
	for _, l := range c.loading {
		l.stale = true
	}
	c.mu.Unlock()
}
