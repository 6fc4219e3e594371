package store

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Collection is a collection or a view. What it is called, its options and its indexes are in its Def, which changes as a whole.
type Collection struct {
	ID   uint32
	UUID [16]byte

	store *Store
	def   atomic.Pointer[Def]
	// mu is held while a write reads the present state, decides, and applies: shared by units of one document.
	mu sync.RWMutex
	// held has the record and unique keys that open transactions have written; guarded by mu.
	held map[string]*Txn
	// last guards what follows, for moments.
	last sync.Mutex
	// nextRecord is the id for the next document; 0 until the last one has been looked up.
	nextRecord RecordID
	// highestID is an upper bound of the keys that the index on _id has, nil until it has been looked up.
	highestID []byte
	dropped   atomic.Bool
	// changed is the time of the last change of the Def.
	changed atomic.Uint64

	// count and size are the number of documents and their bytes; written under the store's commit lock.
	count, size atomic.Int64
	dirty       bool
	// lastWrite is the time of the last event in this collection.
	lastWrite atomic.Uint64
	// Usage counts what the collection is used for.
	Usage Usage
}

// Def is a collection's definition. It does not change; a new one takes its place.
type Def struct {
	DB, Name string
	// Options are those of create, as listCollections shows them.
	Options bson.Raw
	// View says that this is a view: On and Pipeline define it, and there are no indexes.
	View     bool
	On       string
	Pipeline bson.Raw
	// Indexes has the one on _id first.
	Indexes []*Index
	// Capped limits, 0 for none.
	Capped           bool
	MaxSize, MaxDocs int64
	// Images says that pre- and post-images are kept for change streams.
	Images bool
	// Collation is the default collation document, or nil.
	Collation bson.Raw
	// Validate is nil where there is no validator.
	Validate Validator
}

// Namespace is "db.name".
func (d *Def) Namespace() string { return d.DB + "." + d.Name }

// Index finds an index by name.
func (d *Def) Index(name string) *Index {
	for _, ix := range d.Indexes {
		if ix.Name == name {
			return ix
		}
	}
	return nil
}

// Def is the present definition.
func (c *Collection) Def() *Def { return c.def.Load() }

// Dropped reports whether the collection has been dropped.
func (c *Collection) Dropped() bool { return c.dropped.Load() }

// Count is the number of documents, Size their bytes.
func (c *Collection) Count() int64 { return c.count.Load() }

// Size is the number of bytes of all documents.
func (c *Collection) Size() int64 { return c.size.Load() }

// LastWrite is the time of the last event in this collection.
func (c *Collection) LastWrite() uint64 { return c.lastWrite.Load() }

// Changed is the time when the definition last changed.
func (c *Collection) Changed() uint64 { return c.changed.Load() }

// Read gives a snapshot together with the definition that is true for it.
func (c *Collection) Read() (*Def, *SnapshotView) {
	for {
		d := c.def.Load()
		snap := c.store.Snapshot()
		if c.def.Load() == d {
			return d, snap
		}
		snap.Close()
	}
}

// Bounds of the collection's records.
func (c *Collection) Bounds() (lower, upper []byte) {
	lower = append([]byte{spaceRecord}, prefix32(0, c.ID)[1:]...)
	return lower, successor(lower)
}

// RecordKey is the key of a document.
func (c *Collection) RecordKey(dst []byte, id RecordID) []byte { return appendRecordKey(dst, c.ID, id) }

// RecordIDOf gives the record id of a document's key.
func RecordIDOf(key []byte) RecordID { return recordIDOf(key[5:]) }

// above reports whether key lies above all keys that the index on _id has, or will have by an open transaction: then nobody has it
// and nothing needs to be looked up. Ids are mostly given in ascending order. The caller has locked the key.
func (c *Collection) above(ix *Index, key []byte) (bool, error) {
	c.last.Lock()
	defer c.last.Unlock()
	if c.highestID == nil {
		// What is applied now; what open transactions have written is held, and goes through raise when they write more.
		it, err := c.store.Present().Iter(ix.prefix, ix.upper)
		if err != nil {
			return false, err
		}
		highest := ix.prefix
		if it.Last() {
			highest = it.Key()
		}
		c.highestID = bytes.Clone(highest)
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			c.highestID = nil
			return false, err
		}
	}
	return bytes.Compare(key, c.highestID) > 0, nil
}

// raise notes a key of the index on _id; the caller has locked the key and has asked above.
func (c *Collection) raise(key []byte) {
	c.last.Lock()
	defer c.last.Unlock()
	if c.highestID != nil && bytes.Compare(key, c.highestID) > 0 {
		c.highestID = append(c.highestID[:0], key...)
	}
}

// next gives the id of a new document.
func (c *Collection) next() (RecordID, error) {
	c.last.Lock()
	defer c.last.Unlock()
	if c.nextRecord == 0 {
		lower, upper := c.Bounds()
		it, err := c.store.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return 0, err
		}
		c.nextRecord = 1
		if it.Last() {
			c.nextRecord = RecordIDOf(it.Key()) + 1
		}
		if err := it.Close(); err != nil {
			return 0, err
		}
	}
	id := c.nextRecord
	c.nextRecord++
	return id, nil
}
