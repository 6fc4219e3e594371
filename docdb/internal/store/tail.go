package store

import (
	"slices"
	"sync"
	"sync/atomic"
)

// tail tells watchers that there are new oplog entries in what they watch. A watcher of a namespace that nobody writes is never
// woken, and knows without reading the oplog that nothing has happened: idle watchers cost memory only.
type tail struct {
	mu     sync.RWMutex
	scopes map[string]*scope
	narrow []*scope // of one watcher each, who wants only some of the entries
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

	// Of a narrow scope: the database, or "" for all, and what is wanted of it. told is how far the watcher has been woken.
	db      string
	wants   func(d *Def, kind string) bool
	answers map[wanted]bool // of wants; guarded by the store's commit lock
	told    uint64
}

type wanted struct {
	db, name, kind string
}

// maxAnswers bounds what a scope remembers, for collections come and go.
const maxAnswers = 1000

// wanting reports whether the narrow scope's watcher wants entries of a kind in a collection; the caller holds the commit lock.
func (sc *scope) wanting(d *Def, kind string) bool {
	if sc.db != "" && sc.db != d.DB {
		return false
	}
	k := wanted{d.DB, d.Name, kind}
	yes, known := sc.answers[k]
	if !known {
		if len(sc.answers) >= maxAnswers {
			clear(sc.answers)
		}
		yes = sc.wants(d, kind)
		sc.answers[k] = yes
	}
	return yes
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

// Watch registers a watcher; close it. A watcher of a whole database, or of everything, may say by wants that it needs to know of some
// entries only; it must answer alike for the same names and kind.
func (s *Store) Watch(db, coll string, wants func(d *Def, kind string) bool) *Watcher {
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
	if wants != nil && coll == "" {
		sc = newScope(s)
		sc.db, sc.wants, sc.answers, sc.told = db, wants, map[wanted]bool{}, sc.last.Load()
		t.narrow = append(t.narrow, sc)
	} else if sc == nil {
		sc = newScope(s)
		t.scopes[key] = sc
	}
	w := &Watcher{t: t, key: key, scope: sc, wake: make(chan struct{}, 1)}
	sc.watchers[w] = struct{}{}
	t.n.Add(1)
	return w
}

func newScope(s *Store) *scope {
	sc := &scope{watchers: map[*Watcher]struct{}{}}
	sc.last.Store(s.clock.applied.Load())
	return sc
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
	switch {
	case w.scope.wants != nil:
		w.t.narrow = slices.DeleteFunc(w.t.narrow, func(sc *scope) bool { return sc == w.scope })
	case n == 0:
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
func (t *tail) mark(d *Def, kind string, ts uint64) {
	if t.n.Load() == 0 {
		return
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.each(d, func(sc *scope) { sc.last.Store(ts) })
	for _, sc := range t.narrow {
		if sc.wanting(d, kind) {
			sc.last.Store(ts)
		}
	}
}

// each calls f for the scopes that take all of a collection's entries; the caller holds mu.
func (t *tail) each(d *Def, f func(*scope)) {
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
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.each(d, (*scope).wake)
	for _, sc := range t.narrow {
		if last := sc.last.Load(); sc.db == "" || sc.db == d.DB {
			sc.mu.Lock()
			// Woken for what is applied and not yet durable, it will be woken again.
			news := last > sc.told
			sc.told = max(sc.told, min(last, t.visible.Load()))
			sc.mu.Unlock()
			if news {
				sc.wake()
			}
		}
	}
}

func (sc *scope) wake() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for w := range sc.watchers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
