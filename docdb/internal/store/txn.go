package store

import (
	"bytes"
	"slices"
	"sync"

	"github.com/RaduBerinde/btreemap"

	"regent/docdb/internal/budget"
)

// Txn is a multi-document transaction: a snapshot, its own writes over it, and a hold on every key it has written. The first
// writer of a key wins; a second transaction fails at once with ErrWriteConflict, and so does a write to what has changed since
// the snapshot. A Txn is for one goroutine at a time, but Abort may come from another one when none is using it.
type Txn struct {
	s    *Store
	snap *SnapshotView
	// Start is the time of the snapshot.
	Start uint64

	over  *btreemap.BTreeMap[[]byte, []byte] // values: 0, or 1 and the value; see set and del
	bytes int64
	// memory counts what the transaction takes, until it has ended.
	memory budget.Share
	colls  map[*Collection]*txnColl
	log    []pending
	keys   map[*Collection][]string
	made   []*Collection // by the transaction
	done   chan struct{}
	mu     sync.Mutex
	ended  bool
}

type txnColl struct {
	def    *Def
	dirty  bool
	dCount int64
	dSize  int64
}

// Start begins a transaction on the present state.
func (s *Store) Start() *Txn {
	snap, at := s.SnapshotAt()
	return &Txn{
		s: s, snap: snap, Start: at, memory: budget.Share{Ledger: s.transactions.Ledger()},
		over:  btreemap.New[[]byte, []byte](16, bytes.Compare),
		colls: map[*Collection]*txnColl{}, keys: map[*Collection][]string{}, done: make(chan struct{}),
	}
}

// Use notes that the transaction uses a collection and gives its definition. ErrWriteConflict when that has changed since the
// snapshot was taken, unless the transaction itself made the collection.
func (t *Txn) Use(c *Collection) (*Def, error) {
	if tc := t.colls[c]; tc != nil {
		if c.def.Load() != tc.def || c.dropped.Load() {
			return nil, ErrWriteConflict
		}
		return tc.def, nil
	}
	d := c.def.Load()
	if c.changed.Load() > t.Start || c.dropped.Load() {
		return nil, ErrWriteConflict
	}
	t.colls[c] = &txnColl{def: d}
	return d, nil
}

// Begin starts a unit of writes inside the transaction.
func (t *Txn) Begin(c *Collection) (*Unit, error) {
	c.mu.Lock()
	d, err := t.Use(c)
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	return &Unit{s: t.s, c: c, def: d, txn: t, view: t, scratch: scratches.Get().(*scratch)}, nil
}

// take keeps a unit's log and counts.
func (t *Txn) take(u *Unit) {
	t.log = append(t.log, u.entries...)
	tc := t.colls[u.c]
	tc.dirty = tc.dirty || u.changed
	tc.dCount += u.dCount
	tc.dSize += u.dSize
}

// Counts gives the change of a collection's count and size by the transaction.
func (t *Txn) Counts(c *Collection) (count, size int64) {
	if tc := t.colls[c]; tc != nil {
		return tc.dCount, tc.dSize
	}
	return 0, 0
}

// Writes reports whether the transaction has written in a collection.
func (t *Txn) Writes(c *Collection) bool { return len(t.keys[c]) > 0 }

func (t *Txn) set(key, value []byte) error {
	kv := make([]byte, len(key)+1+len(value))
	n := copy(kv, key)
	kv[n] = 1
	copy(kv[n+1:], value)
	return t.put(kv[:n:n], kv[n:])
}

func (t *Txn) del(key []byte) error { return t.put(bytes.Clone(key), []byte{0}) }

func (t *Txn) put(k, v []byte) error {
	t.bytes += int64(len(k) + len(v) + 64)
	if t.bytes > t.s.opts.TransactionBytes {
		return ErrTransactionTooLarge
	}
	if !t.memory.Need(int(transactionCopies * t.bytes)) {
		return ErrTransactionsFull
	}
	t.over.ReplaceOrInsert(k, v)
	return nil
}

// hold takes a key for the transaction; the caller holds the collection's lock.
func (t *Txn) hold(c *Collection, key []byte) error {
	switch o := c.held[string(key)]; {
	case o == t:
		return nil
	case o != nil:
		return ErrWriteConflict
	}
	// Equal bytes mean an equal document or an equal owner of the key, whatever happened in between.
	now, err := t.s.Present().Get(key, nil)
	if err != nil && !isNotFound(err) {
		return err
	}
	gone := err != nil
	then, err := t.snap.Get(key, nil)
	if err != nil && !isNotFound(err) {
		return err
	}
	if gone != (err != nil) || !bytes.Equal(now, then) {
		return ErrWriteConflict
	}
	if c.held == nil {
		c.held = map[string]*Txn{}
	}
	k := string(key)
	c.held[k] = t
	t.keys[c] = append(t.keys[c], k)
	return nil
}

// Get implements View.
func (t *Txn) Get(key, dst []byte) ([]byte, error) {
	if _, v, ok := t.over.Get(key); ok {
		if v[0] == 0 {
			return dst, ErrNotFound
		}
		return append(dst, v[1:]...), nil
	}
	return t.snap.Get(key, dst)
}

// Iter implements View. The transaction's later writes are not seen by it.
func (t *Txn) Iter(lower, upper []byte) (Iter, error) {
	it, err := t.snap.Iter(lower, upper)
	if err != nil || t.over.Len() == 0 {
		return it, err
	}
	return &overIter{base: it, over: t.over.Clone(), lower: lower, upper: upper}, nil
}

// sorted gives the collections that have been written, in the order in which they are locked.
func (t *Txn) sorted() []*Collection {
	cs := make([]*Collection, 0, len(t.colls))
	for c := range t.colls {
		cs = append(cs, c)
	}
	slices.SortFunc(cs, func(a, b *Collection) int { return int(int64(a.ID) - int64(b.ID)) })
	return cs
}

// end marks the transaction as ended; false when it was already.
func (t *Txn) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.ended = true
	return true
}

// Abort drops the transaction's writes and the collections that it has made, and lets go of what it held. After Commit or Abort it does
// nothing.
func (t *Txn) Abort() {
	if !t.end() {
		return
	}
	for _, c := range t.sorted() {
		c.mu.Lock()
		t.letGo(c)
		c.mu.Unlock()
	}
	t.unmake()
	close(t.done)
	t.memory.Release()
	t.snap.Close()
}

// transactionCopies is how often a transaction has what it writes: for itself, and for the oplog.
const transactionCopies = 2

func (t *Txn) letGo(c *Collection) {
	for _, k := range t.keys[c] {
		if c.held[k] == t {
			delete(c.held, k)
		}
	}
	if len(c.held) == 0 {
		c.held = nil
	}
}

// Commit applies the transaction as a whole. ErrWriteConflict when a collection's definition has changed under it.
func (t *Txn) Commit(sync bool) (uint64, error) {
	if !t.end() {
		return 0, ErrTransactionDone
	}
	cs := t.sorted()
	dead := t.s.disk.err()
	for _, c := range cs {
		c.mu.Lock()
	}
	release := func() {
		for _, c := range cs {
			t.letGo(c)
			c.mu.Unlock()
		}
		close(t.done)
		t.memory.Release()
		t.snap.Close()
	}
	b := t.s.db.NewBatch()
	fail := func(err error) (uint64, error) {
		release()
		t.unmake()
		b.Close()
		return 0, err
	}
	if dead != nil {
		return fail(dead)
	}
	events, err := t.events()
	if err != nil {
		return fail(err)
	}
	w := write{b: b, sync: sync, entries: append(events, t.log...), together: true}
	for _, c := range cs {
		tc := t.colls[c]
		if c.dropped.Load() || c.def.Load() != tc.def {
			return fail(ErrWriteConflict)
		}
		if tc.dirty {
			w.catalog = append(w.catalog, catalogWrite{c, tc.def})
		}
	}
	t.over.AscendFunc(btreemap.Min[[]byte](), btreemap.Max[[]byte](), func(k, v []byte) bool {
		if v[0] == 0 {
			err = b.Delete(k, nil)
		} else {
			err = b.Set(k, v[1:], nil)
		}
		return err == nil
	})
	if err != nil {
		return fail(err)
	}
	if b.Empty() && len(w.entries) == 0 {
		release()
		b.Close()
		return t.s.Applied(), nil
	}
	ts, err := t.s.apply(&w)
	if err != nil {
		return fail(err)
	}
	release()
	if err := t.s.finish(b, sync, ts, nil, false); err != nil {
		return 0, err
	}
	for _, c := range cs {
		t.s.tail.notify(t.colls[c].def)
	}
	return ts, nil
}

// Done is closed when the transaction has ended.
func (t *Txn) Done() <-chan struct{} { return t.done }
