package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"io"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"

	"regent/docdb/internal/prefetch"
)

// recordCache keeps values of single keys that have been read: documents, and what unique keys point to. A search in the storage
// engine takes 1.5 to 2 µs, however warm its blocks are; one here takes a tenth of that. Scans neither use nor fill it.
//
// # What a reader may see
//
// Times are those of the store's clock. A reader's time is that of the last applied batch when its view began, so that the view has
// all writes up to it, and perhaps later ones. A batch's keys are taken out before it is applied, and their lines note its time. Then:
//
//   - a reader puts a value in only if no batch after the reader's time has noted itself in the key's line, so that what it
//     has read is what everybody sees who sees all up to the line's time: the entry's time;
//   - an entry serves views of its time or later only. It is gone before anybody can begin a view in which it would be wrong.
//
// # Layout
//
// Nothing in it is a pointer, but for those to the chunks, so that the garbage collector has nothing to walk, and the chunks are not
// on its heap (see arena): what is in them is only looked at under the shard's lock. Each shard has a table of slots
// (hash 32 | entry 32: its place in 8 bytes, and 1; 0: none) with linear probing, and chunks that are filled one after the other
// with entries:
//
//	time 8 | hash 4 | size of the value 4 | size of the key 2 | flags 1 | – 5 | key | value | padding to 8
//
// When all chunks are full the oldest one is filled again: its entries that have been used since it was last looked through stay,
// in at most half of the chunk, and the others are dropped.
type recordCache struct {
	seed   maphash.Seed
	shift  uint // of a hash, to get its shard
	shards []cacheShard
	arena  arena
}

const (
	maxShards  = 64
	chunkBytes = 128 << 10
	// maxCached is the largest value that is kept.
	maxCached = chunkBytes / 8
	// lineCount is the number of lines of a shard.
	lineCount = 256

	entryHead = 24
	flagLive  = 1
	flagUsed  = 2
)

type cacheShard struct {
	mu     sync.Mutex
	slots  []uint64
	shown  atomic.Pointer[[]uint64] // slots, for those who only want to know where they lie
	n      int                      // entries in slots
	chunks [][]byte
	at     int // the chunk that is being filled, or was last
	most   int // bytes of chunks and slots
	arena  *arena
	// lines have the time of the last batch that wrote a key of theirs; floor is the time of the last one that removed a range.
	lines [lineCount]uint64
	floor uint64
	_     [64]byte // shards do not share a cache line
}

// newRecordCache makes a cache of about so many bytes, which it takes as it fills; nil, which keeps nothing, for fewer than a shard needs.
func newRecordCache(size int64) *recordCache {
	n := maxShards
	for n > 1 && size/int64(n) < 8*chunkBytes {
		n /= 2
	}
	if size/int64(n) < 3*chunkBytes {
		return nil
	}
	c := &recordCache{seed: maphash.MakeSeed(), shift: uint(64 - bits.TrailingZeros(uint(n))), shards: make([]cacheShard, n)}
	for i := range c.shards {
		c.shards[i].most, c.shards[i].arena = int(size/int64(n)), &c.arena
	}
	return c
}

// cached reports whether the values of a key's space are kept.
func cached(key []byte) bool { return key[0] == spaceRecord || key[0] == spaceIndex }

func (c *recordCache) shard(key []byte) (*cacheShard, uint64) {
	h := maphash.Bytes(c.seed, key)
	return c.shardOf(h), h
}

func (c *recordCache) shardOf(h uint64) *cacheShard {
	return &c.shards[h>>c.shift%uint64(len(c.shards))]
}

// get appends the value of a key, for a reader of the given time, to dst.
func (c *recordCache) get(key []byte, time uint64, dst []byte) ([]byte, bool) {
	if c == nil {
		return dst, false
	}
	s, h := c.shard(key)
	return c.take(s, key, h, time, dst)
}

func (c *recordCache) take(s *cacheShard, key []byte, h, time uint64, dst []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key, h)
	if i < 0 {
		return dst, false
	}
	e := s.entry(s.slots[i])
	if e.time() > time {
		return dst, false
	}
	e[18] |= flagUsed
	return append(dst, e.value()...), true
}

// Sought is a document that is looked for in the cache, in three steps: Seek, Foresee and Take. A look for what nobody has asked for
// lately waits for memory twice, and longer than it works. Of many documents each step is done for all before the next one, and the
// processor waits for them at once.
type Sought struct {
	hash uint64
	at   uintptr // where the entry lies, or lay; to be fetched, not to be looked at
}

// Seek begins the look for a document.
func (v *SnapshotView) Seek(c *Collection, id RecordID) (x Sought) {
	r := v.s.records
	if r == nil {
		return x
	}
	var kb [16]byte
	s, h := r.shard(appendRecordKey(kb[:0], c.ID, id))
	if p := s.shown.Load(); p != nil {
		prefetch.At(uintptr(unsafe.Pointer(&(*p)[int(uint32(h>>32))&(len(*p)-1)])), 8)
	}
	return Sought{hash: h}
}

// Foresee reports whether the document is likely to be there.
func (v *SnapshotView) Foresee(x *Sought) bool {
	r := v.s.records
	if r == nil {
		return false
	}
	s := r.shardOf(x.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		return false
	}
	h := uint32(x.hash >> 32)
	for i := int(h) & s.mask(); s.slots[i] != 0; i = (i + 1) & s.mask() {
		if uint32(s.slots[i]>>32) == h {
			x.at = uintptr(unsafe.Pointer(unsafe.SliceData(s.entry(s.slots[i]))))
			prefetch.At(x.at, foreseen)
			return true
		}
	}
	return false
}

// Fetch has the processor fetch the rest of a document that will be taken soon and is likely to have n bytes.
func (x *Sought) Fetch(n int) {
	if n = min(n, fetched); x.at != 0 && n > foreseen {
		prefetch.At(x.at+foreseen, n+prefetch.Line-foreseen)
	}
}

// Take appends the document to dst; false if it is not in the cache for this view, whether there is one or not.
func (v *SnapshotView) Take(c *Collection, id RecordID, x *Sought, dst []byte) ([]byte, bool) {
	r := v.s.records
	if r == nil {
		return dst, false
	}
	var kb [16]byte
	return r.take(r.shardOf(x.hash), appendRecordKey(kb[:0], c.ID, id), x.hash, v.at, dst)
}

// Of an entry, so many bytes are fetched when it is foreseen, and so many before it is taken. What lies behind, the processor fetches by
// itself once the value is copied.
const (
	foreseen = 256
	fetched  = 4096
)

// reader is a state of the storage engine.
type reader interface {
	Get(key []byte) (value []byte, done io.Closer, err error)
}

// read appends the value of a key in the state r to dst: from the cache as for a reader of the time sees, or else from r, which has
// all up to the time from and is not older.
func (c *recordCache) read(r reader, key []byte, sees, from uint64, dst []byte) ([]byte, error) {
	keep := c != nil && cached(key)
	if keep {
		if v, ok := c.get(key, sees, dst); ok {
			return v, nil
		}
	}
	v, done, err := r.Get(key)
	if err != nil {
		return dst, err
	}
	if keep {
		c.put(key, from, v)
	}
	dst = append(dst, v...)
	return dst, done.Close()
}

// put keeps a value that a reader of the given time has read.
func (c *recordCache) put(key []byte, time uint64, value []byte) {
	if c == nil || len(value) > maxCached || len(key) > maxCached {
		return
	}
	s, h := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	since := max(s.lines[h%lineCount], s.floor)
	if since > time {
		return
	}
	if i := s.find(key, h); i >= 0 {
		return // an entry that is there is right
	}
	size := entrySize(len(key), len(value))
	chunk := s.room(size)
	at := len(s.chunks[chunk])
	b := s.chunks[chunk][:at+size]
	s.chunks[chunk] = b
	e := entryAt(b[at:])
	binary.LittleEndian.PutUint64(e, since)
	binary.LittleEndian.PutUint32(e[8:], uint32(h>>32))
	binary.LittleEndian.PutUint32(e[12:], uint32(len(value)))
	binary.LittleEndian.PutUint16(e[16:], uint16(len(key)))
	e[18] = flagLive
	copy(e[entryHead:], key)
	copy(e[entryHead+len(key):], value)
	s.add(uint32(h>>32), place(chunk, at))
}

// invalidate takes what a batch writes out of the caches, before it is applied at the given time. held reports whether documents that
// it writes were in them.
func (s *Store) invalidate(b *pebble.Batch, time uint64) (held bool, err error) {
	if s.records == nil && s.packs == nil || b.Empty() {
		return false, nil
	}
	for r := b.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		switch {
		case !ok || err != nil:
			return held, err
		case !cached(key):
		case kind == pebble.InternalKeyKindRangeDelete:
			s.records.remove(key, value, time)
			s.packs.remove(key, value, time)
		case key[0] == spaceRecord:
			s.packs.invalidate(key, time)
			held = s.records.invalidate(key, time) || held
		default:
			s.records.invalidate(key, time)
		}
	}
}

// renew puts the documents of a batch that has been applied at the given time, the last one there is, into the cache: who has read a
// document and changed it reads it again, mostly.
func (s *Store) renew(b *pebble.Batch, time uint64) {
	for r := b.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		switch {
		case !ok || err != nil:
			return // it has been read before
		case key[0] != spaceRecord:
		case kind == pebble.InternalKeyKindRangeDelete:
			s.records.remove(key, value, time)
		default:
			// The last of several writes of a key counts.
			s.records.invalidate(key, time)
			if kind == pebble.InternalKeyKindSet {
				s.records.put(key, time, value)
			}
		}
	}
}

// invalidate takes out a key, and reports whether it was there.
func (c *recordCache) invalidate(key []byte, time uint64) bool {
	if c == nil {
		return false
	}
	s, h := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[h%lineCount] = time
	i := s.find(key, h)
	if i >= 0 {
		s.drop(i)
	}
	return i >= 0
}

// remove takes out the keys in [lower, upper).
func (c *recordCache) remove(lower, upper []byte, time uint64) {
	if c == nil {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.floor = time
		for j := 0; j < len(s.slots); j++ {
			// What moves into a slot that gets free has not been looked at.
			for s.slots[j] != 0 {
				if k := s.entry(s.slots[j]).key(); bytes.Compare(k, lower) < 0 || bytes.Compare(k, upper) >= 0 {
					break
				}
				s.drop(j)
			}
		}
		s.mu.Unlock()
	}
}

// close empties the cache for good: whoever still asks finds nothing.
func (c *recordCache) close() {
	if c == nil {
		return
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.slots, s.n, s.chunks, s.floor = nil, 0, nil, math.MaxUint64
		s.mu.Unlock()
	}
	c.arena.close()
}

// bytes is the memory that the cache has taken.
func (c *recordCache) bytes() (n int64) {
	if c == nil {
		return 0
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += int64(len(s.chunks)*chunkBytes + 8*len(s.slots))
		s.mu.Unlock()
	}
	return n
}

// cacheEntry is an entry in a chunk, with what lies behind it.
type cacheEntry []byte

func entryAt(b []byte) cacheEntry { return b }

func (e cacheEntry) time() uint64   { return binary.LittleEndian.Uint64(e) }
func (e cacheEntry) hash() uint32   { return binary.LittleEndian.Uint32(e[8:]) }
func (e cacheEntry) valueSize() int { return int(binary.LittleEndian.Uint32(e[12:])) }
func (e cacheEntry) keySize() int   { return int(binary.LittleEndian.Uint16(e[16:])) }
func (e cacheEntry) key() []byte    { return e[entryHead : entryHead+e.keySize()] }
func (e cacheEntry) value() []byte  { n := entryHead + e.keySize(); return e[n : n+e.valueSize()] }
func (e cacheEntry) size() int      { return entrySize(e.keySize(), e.valueSize()) }
func entrySize(key, value int) int  { return (entryHead + key + value + 7) &^ 7 }
func place(chunk, at int) uint32    { return uint32(chunk*(chunkBytes/8)+at/8) + 1 }
func (s *cacheShard) mask() int     { return len(s.slots) - 1 }
func (s *cacheShard) entry(slot uint64) cacheEntry {
	p := int(uint32(slot) - 1)
	return cacheEntry(s.chunks[p/(chunkBytes/8)][p%(chunkBytes/8)*8:])
}

// find gives the slot of a key, or -1.
func (s *cacheShard) find(key []byte, h uint64) int {
	if s.n == 0 {
		return -1
	}
	for i := int(uint32(h>>32)) & s.mask(); s.slots[i] != 0; i = (i + 1) & s.mask() {
		if uint32(s.slots[i]>>32) == uint32(h>>32) && bytes.Equal(s.entry(s.slots[i]).key(), key) {
			return i
		}
	}
	return -1
}

// add makes a slot for an entry.
func (s *cacheShard) add(hash uint32, place uint32) {
	if 3*len(s.slots) <= 4*(s.n+1) {
		old := s.slots
		s.slots = make([]uint64, max(64, 2*len(old)))
		shown := s.slots
		s.shown.Store(&shown)
		for _, v := range old {
			if v != 0 {
				s.slots[s.free(uint32(v>>32))] = v
			}
		}
	}
	s.slots[s.free(hash)] = uint64(hash)<<32 | uint64(place)
	s.n++
}

func (s *cacheShard) free(hash uint32) int {
	i := int(hash) & s.mask()
	for s.slots[i] != 0 {
		i = (i + 1) & s.mask()
	}
	return i
}

// drop ends the entry of a slot and moves those behind it that are not where they belong into the gap.
func (s *cacheShard) drop(i int) {
	s.entry(s.slots[i])[18] = 0
	s.n--
	for j := i; ; {
		j = (j + 1) & s.mask()
		if s.slots[j] == 0 {
			break
		}
		home := int(uint32(s.slots[j]>>32)) & s.mask()
		if (j-home)&s.mask() >= (j-i)&s.mask() {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = 0
}

// room gives the number of a chunk that has so many bytes left.
func (s *cacheShard) room(size int) int {
	for {
		if s.at < len(s.chunks) && len(s.chunks[s.at])+size <= chunkBytes {
			return s.at
		}
		if (len(s.chunks)+1)*chunkBytes+8*len(s.slots) <= s.most || len(s.chunks) < 2 {
			s.at = len(s.chunks)
			s.chunks = append(s.chunks, s.arena.take(chunkBytes)[:0])
			continue
		}
		s.at = (s.at + 1) % len(s.chunks)
		s.clear(s.at)
	}
}

// clear makes room in a chunk: what has been used lately moves to its beginning.
func (s *cacheShard) clear(chunk int) {
	b := s.chunks[chunk]
	kept := 0
	for at := 0; at < len(b); {
		e := entryAt(b[at:])
		size := e.size()
		switch {
		case e[18]&flagLive == 0:
		case e[18]&flagUsed != 0 && kept+size <= chunkBytes/2:
			i := s.slotOf(e.hash(), place(chunk, at))
			e[18] = flagLive
			copy(b[kept:], e[:size])
			s.slots[i] = s.slots[i]>>32<<32 | uint64(place(chunk, kept))
			kept += size
		default:
			s.drop(s.slotOf(e.hash(), place(chunk, at)))
		}
		at += size
	}
	s.chunks[chunk] = b[:kept]
}

// slotOf gives the slot of a live entry.
func (s *cacheShard) slotOf(hash, place uint32) int {
	i := int(hash) & s.mask()
	for s.slots[i] != uint64(hash)<<32|uint64(place) {
		i = (i + 1) & s.mask()
	}
	return i
}
