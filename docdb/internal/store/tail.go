package store

import (
	"sync"
	"sync/atomic"
)

// tail tells watchers that there are new oplog entries in what they watch. A watcher of a namespace that nobody writes is never
// woken, and knows without reading the oplog that nothing has happened: idle watchers cost memory only.
type tail struct {
	mu     sync.RWMutex
	scopes map[string]*scope
	n      atomic.Int32
	// visible is the time up to which entries are durable.
	visible atomic.Uint64
	closed  chan struct{}
	once    sync.Once
}

type scope struct {
	last     atomic.Uint64
	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// Watcher waits for oplog entries of one scope: "" for everything, "db." for a database, "db.name" for a collection.
type Watcher struct {
	t     *tail
	key   string
	scope *scope
	wake  chan struct{}
}

func (t *tail) init() {
	t.scopes = map[string]*scope{}
	t.closed = make(chan struct{})
}

func (t *tail) close() { t.once.Do(func() { close(t.closed) }) }

// Watch registers a watcher; close it.
func (s *Store) Watch(db, coll string) *Watcher {
	key := ""
	if db != "" {
		key = db + "." + coll
	}
	t := &s.tail
	// Under the commit lock, so that every write is either before last or marks it.
	s.commit.Lock()
	defer s.commit.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	sc := t.scopes[key]
	if sc == nil {
		sc = &scope{watchers: map[*Watcher]struct{}{}}
		sc.last.Store(s.clock.applied.Load())
		t.scopes[key] = sc
	}
	w := &Watcher{t: t, key: key, scope: sc, wake: make(chan struct{}, 1)}
	sc.watchers[w] = struct{}{}
	t.n.Add(1)
	return w
}

// Close ends the watcher.
func (w *Watcher) Close() {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	if _, ok := w.scope.watchers[w]; !ok {
		return
	}
	w.scope.mu.Lock()
	delete(w.scope.watchers, w)
	n := len(w.scope.watchers)
	w.scope.mu.Unlock()
	w.t.n.Add(-1)
	if n == 0 {
		delete(w.t.scopes, w.key)
	}
}

// Wake receives after new entries in the scope have become durable.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// Last is a time that is not before the last entry in the scope.
func (w *Watcher) Last() uint64 { return w.scope.last.Load() }

// Closed is closed when the store closes.
func (s *Store) Closed() <-chan struct{} { return s.tail.closed }

// Visible is the time up to which the oplog is complete and durable.
func (s *Store) Visible() uint64 { return s.tail.visible.Load() }

// mark notes an entry of a collection; the caller holds the commit lock and has not applied the entry yet.
func (t *tail) mark(d *Def, ts uint64) {
	if t.n.Load() == 0 {
		return
	}
	t.each(d, func(sc *scope) { sc.last.Store(ts) })
}

func (t *tail) each(d *Def, f func(*scope)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if sc := t.scopes[d.DB+"."+d.Name]; sc != nil {
		f(sc)
	}
	if sc := t.scopes[d.DB+"."]; sc != nil {
		f(sc)
	}
	if sc := t.scopes[""]; sc != nil {
		f(sc)
	}
}

// advance makes everything up to ts visible to watchers.
func (t *tail) advance(ts uint64) {
	for {
		v := t.visible.Load()
		if ts <= v || t.visible.CompareAndSwap(v, ts) {
			return
		}
	}
}

// notify wakes the watchers of a collection.
func (t *tail) notify(d *Def) {
	if t.n.Load() == 0 {
		return
	}
	t.each(d, func(sc *scope) {
		sc.mu.Lock()
		for w := range sc.watchers {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
		sc.mu.Unlock()
	})
}

// markScope notes an event under a name that is not the collection's own any more, or not yet.
func (t *tail) markScope(d *Def, ts uint64) { t.mark(d, ts) }
