package store

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
)

// stripeCount is the number of locks that documents share, and of those that unique keys share.
const stripeCount = 128

// stripes are the locks of documents and of unique keys that units of BeginOne take. A unit takes at most one document's and then,
// once and in ascending order, its keys', so that none waits for another in a circle.
type stripes struct {
	seed    maphash.Seed
	records [stripeCount]sync.Mutex
	keys    [stripeCount]sync.Mutex
}

// stripeSet is a set of stripes of keys.
type stripeSet [stripeCount / 64]uint64

func (s *stripes) record(c *Collection, id RecordID) int {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], c.ID)
	binary.LittleEndian.PutUint64(b[4:], uint64(id))
	return int(maphash.Bytes(s.seed, b[:]) % stripeCount)
}

// add notes a key of an index.
func (l *stripeSet) add(s *stripes, ix *Index, key []byte) {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.Write(ix.prefix)
	h.Write(key)
	n := h.Sum64() % stripeCount
	l[n/64] |= 1 << (n % 64)
}

// each calls f for the stripes of the set in ascending order.
func (l *stripeSet) each(f func(i int)) {
	for w, set := range l {
		for ; set != 0; set &= set - 1 {
			f(64*w + bits.TrailingZeros64(set))
		}
	}
}

// locks are what a unit holds of the stripes.
type locks struct {
	record int // 0 for none, else the stripe and 1
	keys   stripeSet
}

// lockRecord takes the lock of a document and lets go of the one before.
func (l *locks) lockRecord(s *stripes, c *Collection, id RecordID) {
	n := s.record(c, id) + 1
	if n == l.record {
		return
	}
	if l.record != 0 {
		s.records[l.record-1].Unlock()
	}
	l.record = n
	s.records[n-1].Lock()
}

// lockKeys takes the locks of keys.
func (l *locks) lockKeys(s *stripes, set stripeSet) {
	l.keys = set
	set.each(func(i int) { s.keys[i].Lock() })
}

// release gives everything back.
func (l *locks) release(s *stripes) {
	l.keys.each(func(i int) { s.keys[i].Unlock() })
	if l.record != 0 {
		s.records[l.record-1].Unlock()
	}
	*l = locks{}
}
