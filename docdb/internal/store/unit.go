package store

import (
	"bytes"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
)

// Unit is a group of writes to one collection that is applied as a whole. From Begin to Commit or Rollback nobody else writes the
// collection, so it must be short: find out what to write first, then look at the documents again inside.
//
// A unit of BeginOne writes one document. Others of its kind run beside it: each holds its document (Lock) and its unique keys only.
//
// Inside a transaction the writes go into the transaction, and Commit only gives the lock back.
type Unit struct {
	s    *Store
	c    *Collection
	def  *Def
	txn  *Txn
	view View
	b    *pebble.Batch

	entries []pending
	pend    map[string]RecordID // unique keys written (0: removed) in this unit
	dCount  int64
	dSize   int64
	*scratch
	changed bool // the catalogue entry has to be written (new multikey bits)
	one     bool // of BeginOne
	locks   locks
	session []byte
	results []sessionPage
	lsid    bson.Raw
	number  int64
	ended   bool
}

// scratch is memory that units use one after the other.
type scratch struct {
	sets  []keys.Set
	old   keys.Set
	key   []byte
	buf   []byte
	entry []byte // of the oplog
	// first is the memory of the entries of a unit that writes one document.
	first [1]pending
}

// keepEntry bounds the memory for an oplog entry that a scratch keeps.
const keepEntry = 64 << 10

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Begin starts a unit outside transactions. It fails with ErrCollectionGone.
func (s *Store) Begin(c *Collection) (*Unit, error) {
	if err := s.disk.err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.dropped.Load() {
		c.mu.Unlock()
		return nil, ErrCollectionGone
	}
	return newUnit(&Unit{s: s, c: c, def: c.def.Load()}), nil
}

// BeginOne starts a unit outside transactions that inserts, updates or removes one document. A document that is there has to be
// locked before it is read. It fails with ErrCollectionGone.
func (s *Store) BeginOne(c *Collection) (*Unit, error) {
	if err := s.disk.err(); err != nil {
		return nil, err
	}
	c.mu.RLock()
	if c.dropped.Load() {
		c.mu.RUnlock()
		return nil, ErrCollectionGone
	}
	d := c.def.Load()
	if d.Capped {
		// Its order is that of the inserts, and each of them may remove others.
		c.mu.RUnlock()
		return s.Begin(c)
	}
	return newUnit(&Unit{s: s, c: c, def: d, one: true}), nil
}

func newUnit(u *Unit) *Unit {
	u.view, u.b, u.scratch = present{u.s}, u.s.db.NewBatch(), scratches.Get().(*scratch)
	u.entries = u.first[:0]
	return u
}

// Lock makes sure that nobody else changes a document until the unit ends, or locks another one. It need not be there.
func (u *Unit) Lock(id RecordID) {
	if u.one {
		u.locks.lockRecord(&u.s.stripes, u.c, id)
	}
}

// unlock gives back what the unit holds.
func (u *Unit) unlock() {
	if !u.one {
		u.c.mu.Unlock()
		return
	}
	u.locks.release(&u.s.stripes)
	u.c.mu.RUnlock()
}

// View is the state that the unit's writes are checked against.
func (u *Unit) View() View { return u.view }

// Def is the collection's definition while the unit lasts.
func (u *Unit) Def() *Def { return u.def }

// sessionPage is a page of the results of a retryable write.
type sessionPage struct {
	page   int
	result []byte
}

// SetSession makes the unit store a page of the results of a retryable write together with its effects; pages come in their order, the
// last one as often as it grows.
func (u *Unit) SetSession(session []byte, page int, result []byte) {
	u.session = session
	if n := len(u.results); n > 0 && u.results[n-1].page == page {
		u.results = u.results[:n-1]
	}
	u.results = append(u.results, sessionPage{page, result})
}

// SetTxn notes the session and number that change events of these writes carry.
func (u *Unit) SetTxn(lsid bson.Raw, number int64) { u.lsid, u.number = lsid, number }

// Len is the number of documents written so far.
func (u *Unit) Len() int { return len(u.entries) }

// Bytes is the size of the batch so far.
func (u *Unit) Bytes() int {
	if u.b == nil {
		return int(u.txn.bytes)
	}
	return u.b.Len()
}

// Read gives a document as it is now.
func (u *Unit) Read(id RecordID, dst []byte) (bson.Raw, error) {
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	b, err := u.view.Get(u.key, dst[:0])
	return bson.Raw(b), err
}

// Find gives the record that has the _id.
func (u *Unit) Find(id bson.RawValue) (RecordID, error) {
	return FindValue(u.view, u.def.Indexes[0], id)
}

// FindID gives the record that has the _id, or ErrNotFound. It counts as a use of the index.
func FindID(v View, d *Def, id bson.RawValue) (RecordID, error) {
	d.Indexes[0].Use()
	return FindValue(v, d.Indexes[0], id)
}

// FindValue gives the first record under a value in an index of one field, or ErrNotFound.
func FindValue(v View, ix *Index, val bson.RawValue) (RecordID, error) {
	var kb [64]byte
	key := keys.AppendField(append(kb[:0], ix.prefix...), val, ix.Keys.Fields[0].Desc, ix.Keys.Collator)
	if ix.Unique {
		var rb [8]byte
		b, err := v.Get(key, rb[:0])
		if err != nil {
			return 0, err
		}
		return recordIDOf(b), nil
	}
	it, err := v.Iter(key, successor(key))
	if err != nil {
		return 0, err
	}
	r, found := RecordID(0), false
	if it.First() && len(it.Key()) == len(key)+8 {
		r, found = recordIDOf(it.Key()[len(key):]), true
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, err
	}
	if !found {
		return 0, ErrNotFound
	}
	return r, nil
}

// Insert adds a document, which has its _id first. It fails with *DuplicateKeyError, the validator's error, the errors of key
// extraction, ErrWriteConflict or ErrNeedLock (see Held); the unit is as before then.
func (u *Unit) Insert(doc bson.Raw, validate bool) (RecordID, error) {
	if err := u.s.disk.room(); err != nil {
		return 0, err
	}
	if validate && u.def.Validate != nil {
		if err := u.def.Validate(nil, doc); err != nil {
			return 0, err
		}
	}
	n := len(u.def.Indexes)
	if len(u.sets) < n {
		u.sets = make([]keys.Set, n)
	}
	var lock stripeSet
	for i, ix := range u.def.Indexes {
		if err := u.extract(ix, doc, &u.sets[i]); err != nil {
			return 0, err
		}
		if u.one && ix.exclusive() {
			for _, k := range u.sets[i].Keys {
				lock.add(&u.s.stripes, ix, k)
			}
		}
	}
	if u.one {
		u.locks.lockKeys(&u.s.stripes, lock)
	}
	for i, ix := range u.def.Indexes {
		if !ix.exclusive() {
			continue
		}
		for _, k := range u.sets[i].Keys {
			if err := u.checkUnique(ix, k, 0, doc); err != nil {
				return 0, err
			}
		}
	}
	id, err := u.c.next()
	if err != nil {
		return 0, err
	}
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	if err := u.hold(u.key); err != nil {
		return 0, err
	}
	if err := u.set(u.key, doc); err != nil {
		return 0, err
	}
	for i, ix := range u.def.Indexes {
		u.noteMultikey(ix, u.sets[i].Multikey)
		for _, k := range u.sets[i].Keys {
			if err := u.putKey(ix, k, id); err != nil {
				return 0, err
			}
		}
	}
	ch := change{kind: OpInsert, doc: doc, dCount: 1, dSize: int64(len(doc))}
	ch.id, _ = keys.Member(doc, "_id")
	u.log(&ch)
	if u.def.Capped {
		if err := u.trimCapped(); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// Change describes an update for the oplog.
type Change struct {
	// Replace says that the whole document was given; otherwise Description says what changed.
	Replace     bool
	Description bson.Raw
	// Validate runs the collection's validator.
	Validate bool
}

// Update stores doc, which has the _id of old, in the place of old. It fails as Insert does.
func (u *Unit) Update(id RecordID, old, doc bson.Raw, how Change) error {
	if err := u.s.disk.room(); err != nil {
		return err
	}
	if how.Validate && u.def.Validate != nil {
		if err := u.def.Validate(old, doc); err != nil {
			return err
		}
	}
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	if err := u.hold(u.key); err != nil {
		return err
	}
	n := len(u.def.Indexes)
	if len(u.sets) < n {
		u.sets = make([]keys.Set, n)
	}
	// First find every key that is new, so that a failure leaves nothing behind.
	type delta struct{ add, remove [][]byte }
	var deltas [8]delta
	ds := deltas[:0]
	var lock stripeSet
	for i, ix := range u.def.Indexes {
		if ix.IsID() || ix.untouched(old, doc) {
			ds = append(ds, delta{})
			continue
		}
		if err := u.extract(ix, doc, &u.sets[i]); err != nil {
			return err
		}
		if err := u.extract(ix, old, &u.old); err != nil {
			return err
		}
		var d delta
		d.add, d.remove = difference(u.sets[i].Keys, u.old.Keys)
		if len(d.remove) > 0 {
			// u.old is used again for the next index.
			for j, k := range d.remove {
				d.remove[j] = bytes.Clone(k)
			}
		}
		if u.one && ix.exclusive() {
			for _, k := range d.add {
				lock.add(&u.s.stripes, ix, k)
			}
		}
		ds = append(ds, d)
	}
	if u.one {
		u.locks.lockKeys(&u.s.stripes, lock)
	}
	for i, ix := range u.def.Indexes {
		if !ix.exclusive() {
			continue
		}
		for _, k := range ds[i].add {
			if err := u.checkUnique(ix, k, id, doc); err != nil {
				return err
			}
		}
		for _, k := range ds[i].remove {
			if err := u.hold(append(append(u.buf[:0], ix.prefix...), k...)); err != nil {
				return err
			}
		}
	}
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	if err := u.set(u.key, doc); err != nil {
		return err
	}
	for i, ix := range u.def.Indexes {
		for _, k := range ds[i].remove {
			if err := u.removeKey(ix, k, id); err != nil {
				return err
			}
		}
		if len(ds[i].add) > 0 {
			u.noteMultikey(ix, u.sets[i].Multikey)
		}
		for _, k := range ds[i].add {
			if err := u.putKey(ix, k, id); err != nil {
				return err
			}
		}
	}
	ch := change{kind: OpUpdate, description: how.Description, dSize: int64(len(doc)) - int64(len(old))}
	ch.id, _ = keys.Member(doc, "_id")
	if how.Replace {
		ch.kind, ch.doc = OpReplace, doc
	}
	if u.def.Images {
		ch.before, ch.after = old, doc
	}
	u.log(&ch)
	return nil
}

// Delete removes a document.
func (u *Unit) Delete(id RecordID, old bson.Raw) error {
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	if err := u.hold(u.key); err != nil {
		return err
	}
	if err := u.remove(id, old, true); err != nil {
		return err
	}
	u.logDelete(old)
	return nil
}

func (u *Unit) logDelete(old bson.Raw) {
	ch := change{kind: OpDelete, dCount: -1, dSize: -int64(len(old))}
	ch.id, _ = keys.Member(old, "_id")
	if u.def.Images {
		ch.before = old
	}
	u.log(&ch)
}

// remove takes a document and its index entries away.
func (u *Unit) remove(id RecordID, old bson.Raw, hold bool) error {
	if hold {
		for _, ix := range u.def.Indexes {
			if !ix.Unique {
				continue
			}
			if err := u.extract(ix, old, &u.old); err != nil {
				return err
			}
			for _, k := range u.old.Keys {
				if err := u.hold(append(append(u.buf[:0], ix.prefix...), k...)); err != nil {
					return err
				}
			}
		}
	}
	for _, ix := range u.def.Indexes {
		if err := u.extract(ix, old, &u.old); err != nil {
			return err
		}
		for _, k := range u.old.Keys {
			if err := u.removeKey(ix, k, id); err != nil {
				return err
			}
		}
	}
	u.key = appendRecordKey(u.key[:0], u.c.ID, id)
	return u.del(u.key)
}

// trimCapped removes the oldest documents until the collection is within its limits; who follows its changes is told. It sees what has
// been applied, so a unit on a capped collection inserts one document.
func (u *Unit) trimCapped() error {
	within := func() bool {
		count, size := u.c.Count()+u.dCount, u.c.Size()+u.dSize
		return (u.def.MaxDocs == 0 || count <= u.def.MaxDocs) && size <= u.def.MaxSize
	}
	if within() {
		return nil
	}
	lower, upper := u.c.Bounds()
	it, err := u.view.Iter(lower, upper)
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok && !within(); ok = it.Next() {
		old := bson.Raw(it.Value())
		if err := u.remove(RecordIDOf(it.Key()), old, false); err != nil {
			return err
		}
		u.logDelete(old)
	}
	return it.Error()
}

func (u *Unit) set(key, value []byte) error {
	if u.txn != nil {
		return u.txn.set(key, value)
	}
	return u.b.Set(key, value, nil)
}

func (u *Unit) del(key []byte) error {
	if u.txn != nil {
		return u.txn.del(key)
	}
	return u.b.Delete(key, nil)
}

// hold makes sure that no other open transaction has written key, and inside a transaction that it has not changed since.
func (u *Unit) hold(key []byte) error {
	if u.txn != nil {
		return u.txn.hold(u.c, key)
	}
	if len(u.c.held) == 0 {
		return nil
	}
	if t := u.c.held[string(key)]; t != nil {
		return &heldError{t.done}
	}
	return nil
}

// Held gives what to wait for before a write that failed with ErrNeedLock is tried again.
func Held(err error) (<-chan struct{}, bool) {
	if err == nil {
		return nil, false
	}
	var h *heldError
	if errors.As(err, &h) {
		return h.done, true
	}
	return nil, false
}

// log notes the event. Outside transactions it goes into the batch at once, under a key whose time apply sets.
func (u *Unit) log(ch *change) {
	u.dCount += ch.dCount
	u.dSize += ch.dSize
	p := pending{kind: ch.kind, coll: u.c, dCount: ch.dCount, dSize: ch.dSize}
	now := u.s.opts.Now()
	if u.txn != nil {
		size := 192 + len(ch.doc) + len(ch.description) + len(ch.before) + len(ch.after)
		p.doc = appendEntry(make([]byte, 0, size), u.c, u.def, ch, now, u.lsid, u.number)
	} else {
		u.entry = appendEntry(u.entry[:0], u.c, u.def, ch, now, u.lsid, u.number)
		p.at = u.b.Len()
		var kb [oplogKeySize]byte
		u.b.Set(appendOplogKey(kb[:0], 0, 0), u.entry, nil)
	}
	u.entries = append(u.entries, p)
}

// Rollback drops the unit's writes and gives the lock back. After Commit it does nothing. A transaction's writes stay: abort it.
func (u *Unit) Rollback() {
	if u.ended {
		return
	}
	u.ended = true
	u.unlock()
	if u.b != nil {
		u.b.Close()
	}
	u.release()
}

func (u *Unit) release() {
	if cap(u.entry) > keepEntry {
		u.entry = nil
	}
	scratches.Put(u.scratch)
	u.scratch = nil
}

// Commit applies the unit and gives the lock back; with sync it returns after the writes are durable. It answers the time of
// the last write. The unit must not be used afterwards.
func (u *Unit) Commit(sync bool) (uint64, error) {
	if u.ended {
		return 0, ErrTransactionDone
	}
	u.ended = true
	s, def := u.s, u.def
	if u.txn != nil {
		u.txn.take(u)
		u.unlock()
		u.release()
		return s.Applied(), nil
	}
	b := u.b
	for _, p := range u.results {
		b.Set(resultKey(u.session, p.page), p.result, nil)
	}
	if b.Empty() {
		u.unlock()
		b.Close()
		ts := s.Applied()
		u.release()
		if sync {
			return ts, s.Sync()
		}
		return ts, nil
	}
	w := write{b: b, sync: sync, entries: u.entries}
	if u.changed {
		w.catalog = append(w.catalog, catalogWrite{u.c, def})
	}
	ts, err := s.apply(&w)
	u.unlock()
	wrote := len(u.entries) > 0
	u.release()
	if err != nil {
		b.Close()
		return 0, err
	}
	return ts, s.finish(b, sync, ts, def, wrote)
}
