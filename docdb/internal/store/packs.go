package store

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/prefetch"
)

// PackRecords is the number of records of a Pack, which begins with a multiple of it.
const PackRecords = 128

// maxPack is the most bytes of documents of a pack: a scan of large documents takes its time to look at them, not to find them.
const maxPack = 256 << 10

// Pack has all documents of PackRecords consecutive records as some views see them, one behind the other, so that a scan goes from one
// to the next without a search. It does not change. Its documents are valid for as long as somebody holds the pack.
type Pack struct {
	since uint64 // the first time of which it is true
	docs  []packed
	data  []byte
	used  atomic.Int64
}

type packed struct {
	id  RecordID
	end int // of its document in data
}

// Len is the number of documents.
func (p *Pack) Len() int { return len(p.docs) }

// ID is the record of a document.
func (p *Pack) ID(i int) RecordID { return p.docs[i].id }

// At gives a document and its record.
func (p *Pack) At(i int) (RecordID, bson.Raw) {
	begin := 0
	if i > 0 {
		begin = p.docs[i-1].end
	}
	return p.docs[i].id, bson.Raw(p.data[begin:p.docs[i].end:p.docs[i].end])
}

// Prefetch fetches the first n bytes of a document, if there is one of the number.
func (p *Pack) Prefetch(i, n int) {
	if i < len(p.docs) {
		prefetch.Behind(p.data, p.docs[i-1].end, n)
	}
}

// From is the number of documents whose records lie before id.
func (p *Pack) From(id RecordID) int {
	n, _ := slices.BinarySearchFunc(p.docs, id, func(d packed, id RecordID) int {
		if d.id < id {
			return -1
		}
		return int(min(d.id-id, 1))
	})
	return n
}

// packOverhead is about what a pack takes beside its documents.
const packOverhead = 200 + 16*PackRecords

func (p *Pack) size() int64 { return int64(len(p.data)) + packOverhead }

// packKey says which pack: number n has the records from n * PackRecords on.
type packKey struct {
	coll uint32
	n    uint64
}

// packCache keeps packs of what is scanned again and again. Which view may see which pack is decided as in recordCache: what a batch
// writes is taken out before it is applied, and noted with its time in the pack's line.
//
// A pack is made of what the second scan of it reads between two writes to it. When there is no room it takes the place of one that
// nobody has used for keepPack, if there is any: scans of more than there is room for always find the same part of it, where
// throwing out the oldest would have them find nothing.
type packCache struct {
	mu    sync.Mutex
	packs map[packKey]*Pack
	bytes int64
	most  int64
	slab  slab // has the documents of packs, also of those that somebody still holds
	// full is the time until which it is of no use to make packs, as there was no room.
	full int64
	// lines have the time of the last batch that wrote into a pack of theirs; floor is the time of the last one that removed a range.
	lines [packLines]uint64
	floor uint64
	// scanned has, by line, which pack was scanned last and not written since, large which one was found too large to keep.
	scanned, large [packLines]packKey
}

const (
	packLines = 4096
	keepPack  = 10 * time.Second
	// victims is how many packs are looked at for one to throw out.
	victims = 8
)

// newPackCache makes a cache of about so many bytes; nil, which keeps nothing, for too few.
func newPackCache(size int64) *packCache {
	if size < 2*maxPack {
		return nil
	}
	return &packCache{packs: map[packKey]*Pack{}, most: size, slab: slab{most: int((size + size/4 + extent - 1) / extent)}}
}

func (k packKey) line() int {
	return int((k.n + uint64(k.coll)*0x9e3779b97f4a7c15) * 0x9e3779b97f4a7c15 >> 52)
}

// get gives the pack for a view of the given time, or nil and whether it is worth while to make it.
func (c *packCache) get(k packKey, at uint64) (p *Pack, wanted bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[k]; p != nil {
		if p.since > at {
			return nil, false
		}
		p.used.Store(time.Now().UnixNano())
		return p, false
	}
	last := &c.scanned[k.line()]
	wanted = *last == k && c.large[k.line()] != k && (c.full == 0 || time.Now().UnixNano() > c.full)
	*last = k
	return nil, wanted
}

// put keeps a pack that was read by a view of the given time.
func (c *packCache) put(k packKey, at uint64, p *Pack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.since = max(c.lines[k.line()], c.floor)
	if p.since > at || c.packs[k] != nil || !c.room(p.size()) {
		return
	}
	p.used.Store(time.Now().UnixNano())
	c.packs[k] = p
	c.bytes += p.size()
}

// slabPack is the size from which on the documents of a pack lie outside of Go's heap, where that has them.
const slabPack = 16 << 10

// make makes a pack of what is copied from data. Its place in the slab is given back when nobody holds the pack any more; when much waits
// for that, packs are on the heap, so that the collector sees to it.
func (c *packCache) make(docs []packed, data []byte) *Pack {
	p := &Pack{docs: slices.Clone(docs)}
	if len(data) >= slabPack {
		p.data = c.slab.take(len(data))
	}
	if p.data == nil {
		p.data = bytes.Clone(data)
		return p
	}
	copy(p.data, data)
	runtime.AddCleanup(p, c.slab.give, p.data)
	return p
}

// refuse notes that a pack is too large, so that nobody tries again until it is written.
func (c *packCache) refuse(k packKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.large[k.line()] = k
}

// room throws packs out until there is room for so many bytes, if there are some that nobody uses.
func (c *packCache) room(size int64) bool {
	old := time.Now().Add(-keepPack).UnixNano()
	for c.bytes+size > c.most {
		var victim packKey
		least, n := old, 0
		for k, p := range c.packs {
			if u := p.used.Load(); u < least {
				victim, least = k, u
			}
			if n++; n == victims {
				break
			}
		}
		if least == old {
			c.full = old + 2*int64(keepPack)
			return false
		}
		c.drop(victim)
	}
	return true
}

func (c *packCache) drop(k packKey) {
	if p := c.packs[k]; p != nil {
		c.bytes -= p.size()
		delete(c.packs, k)
	}
}

// invalidate takes out the pack of a document's key.
func (c *packCache) invalidate(key []byte, time uint64) {
	if c == nil {
		return
	}
	k := packKey{binary.BigEndian.Uint32(key[1:]), uint64(RecordIDOf(key)) / PackRecords}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := k.line()
	c.lines[l] = time
	if c.scanned[l] == k {
		c.scanned[l] = packKey{}
	}
	if c.large[l] == k {
		c.large[l] = packKey{}
	}
	c.drop(k)
}

// remove takes out the packs that may have keys in [lower, upper).
func (c *packCache) remove(lower, upper []byte, time uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor = time
	for k := range c.packs {
		first := appendRecordKey(nil, k.coll, RecordID(k.n*PackRecords))
		last := appendRecordKey(nil, k.coll, RecordID(k.n*PackRecords+PackRecords-1))
		if bytes.Compare(last, lower) >= 0 && bytes.Compare(first, upper) < 0 {
			c.drop(k)
		}
	}
}

func (c *packCache) taken() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Pack gives the pack that a record is in, as the view sees it; nil when it is not at hand. wanted says that whoever reads all of its
// records should make it, by a Packer.
func (v *SnapshotView) Pack(c *Collection, id RecordID) (p *Pack, wanted bool) {
	return v.s.packs.get(packKey{c.ID, uint64(id) / PackRecords}, v.at)
}

// Packer makes a Pack of documents in the order of their records, from the first one that the pack may have on.
type Packer struct {
	docs []packed
	data []byte
	full bool
}

// Reset begins another pack.
func (p *Packer) Reset() { p.docs, p.data, p.full = p.docs[:0], p.data[:0], false }

// Add takes in the next document, and reports whether there is room for more.
func (p *Packer) Add(id RecordID, doc []byte) bool {
	if p.full = p.full || len(p.data)+len(doc) > maxPack; p.full {
		return false
	}
	p.data = append(p.data, doc...)
	p.docs = append(p.docs, packed{id, len(p.data)})
	return true
}

// Keep ends the pack, which has all records of the view from that of id on, a multiple of PackRecords.
func (p *Packer) Keep(v *SnapshotView, c *Collection, id RecordID) {
	k := packKey{c.ID, uint64(id) / PackRecords}
	if p.full {
		v.s.packs.refuse(k)
		return
	}
	v.s.packs.put(k, v.at, v.s.packs.make(p.docs, p.data))
}
