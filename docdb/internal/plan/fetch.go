package plan

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
)

// The documents that index entries point to are read in batches: in the order of their records, in which each search begins where the
// last one ended, and given out in the order of the index. A batch is as large as what the reader is known to want, or else twice as
// large as all before it.
const (
	// maxBatch is the most entries of a batch.
	maxBatch = 128
	// batchBytes is how much of a batch is held; what is beyond is read when its turn comes.
	batchBytes = 1 << 20
	// sharedBatch is the least batch that is shared out among processors.
	sharedBatch = 32
)

// fetch reads documents by their records.
type fetch struct {
	*batch
	wanted int // how many documents the reader is known to want
	asked  int // how many entries were read
	end    error
	at     int
	sorted bool // the batch's records ascend: each is read when its turn comes
	index  *store.Index
	by     []*fetcher
	// indexes are those that the entries were found in.
	indexes []*store.Index
	keyed   fetcher // of documents that are found by their keys
	length  int     // of the document that was last taken from the cache

	pack   *store.Pack // the one that documents in the order of their records are taken from, nil when it is not at hand
	packed store.RecordID
	packAt int // the document that is likely next
}

// batch is memory for a batch's entries, used by one scan after the other.
type batch struct {
	entries []entry
	order   []int32 // the entries that iterators are to read
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// entry is an index entry and, once it has been read, where its document lies in the buffer of a fetcher. It has no pointers, so that
// filling and clearing a batch costs the garbage collector nothing.
type entry struct {
	id         store.RecordID
	begin, end int
	by         readBy
	index      int16 // its number in fetch.indexes
	sought     store.Sought
	absent     bool
	kept       bool // likely in the cache of documents, to be taken from there when its turn comes
}

// readBy says whose buffer a document lies in: that of fetch.keyed, or of an iterator by its number from here on.
type readBy int16

const (
	byNone readBy = iota
	byKey
	byIter
)

// fetcher is an iterator over the documents of the collection, with documents that it has read.
type fetcher struct {
	it       store.Iter
	key, buf []byte
	room     *[]byte             // where buf was got
	keep     *store.SnapshotView // what is read is kept for other readers of it
	last     store.RecordID
	err      error
	panicked any
}

// rooms are buffers for batches, which are at most batchBytes and a document large.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// Expect says how many documents will be asked for, as far as there are so many.
func (s *Scan) Expect(n int64) { s.fetch.wanted = int(min(n, maxBatch)) }

// nextFetched gives the document of the next index entry. One from the cache of documents is copied behind dst, which is given back
// with it, and any other stays where it has been read.
func (s *Scan) nextFetched(ctx context.Context, dst []byte) (doc bson.Raw, out []byte, err error) {
	f := &s.fetch
	if f.batch == nil {
		f.batch = batches.Get().(*batch)
		f.entries = f.entries[:0]
	}
	for {
		if f.at == len(f.entries) {
			if err := s.gather(ctx); err != nil {
				return nil, dst, err
			}
		}
		e := &f.entries[f.at]
		f.at++
		if e.absent {
			continue
		}
		out = dst
		if e.kept {
			if next := f.at + 1; next < len(f.entries) {
				f.entries[next].sought.Fetch(f.length)
			}
			view := s.view.(*store.SnapshotView)
			if out, e.kept = view.Take(s.c, e.id, &e.sought, dst); e.kept {
				doc = out[len(dst):]
				f.length = len(doc)
			}
		}
		switch {
		case e.kept:
		case e.by != byNone:
			doc = f.reader(e.by).buf[e.begin:e.end:e.end]
		default:
			by, err := s.fetcher(0)
			if err != nil {
				return nil, dst, err
			}
			if doc, err = s.readPacked(by, e.id); err == store.ErrNotFound {
				continue
			} else if err != nil {
				return nil, dst, err
			}
		}
		s.Stats.Docs++
		s.id, f.index = e.id, f.indexes[e.index]
		return doc, out, nil
	}
}

// gather reads the next batch of index entries, and their documents where that pays; io.EOF when there are none.
func (s *Scan) gather(ctx context.Context) error {
	f := &s.fetch
	n := min(max(f.wanted-f.asked, f.asked, 1), maxBatch)
	f.entries, f.indexes, f.at, f.sorted = slices.Grow(f.entries[:0], n), f.indexes[:0], 0, true
	for f.end == nil && len(f.entries) < n {
		id, err := s.nextKey(ctx)
		if err != nil {
			f.end = err
			break
		}
		if k := len(f.entries); k > 0 && id < f.entries[k-1].id {
			f.sorted = false
		}
		if k := len(f.indexes); k == 0 || f.indexes[k-1] != s.plan.Index {
			f.indexes = append(f.indexes, s.plan.Index)
		}
		f.entries = append(f.entries, entry{id: id, index: int16(len(f.indexes) - 1)})
	}
	f.asked += len(f.entries)
	switch {
	case len(f.entries) == 0:
		return f.end
	case f.asked == 1:
		return s.readAlone(&f.entries[0])
	case f.sorted && f.entries[len(f.entries)-1].id-f.entries[0].id < store.RecordID(2*len(f.entries)):
		return nil // hardly more than a step each
	}
	return s.readBatch()
}

// readAlone reads the first document, which may be the only one: a point read costs less than an iterator.
func (s *Scan) readAlone(e *entry) error {
	by := s.fetch.roomy()
	by.key = s.c.RecordKey(by.key[:0], e.id)
	var err error
	if by.buf, err = s.view.Get(by.key, by.buf[:0]); err == store.ErrNotFound {
		e.absent = true
		return nil
	}
	e.by, e.end = byKey, len(by.buf)
	return err
}

// seekCached finds out which documents of a batch are in memory as they are, and notes the others in order.
func (s *Scan) seekCached(view *store.SnapshotView) {
	f := &s.fetch
	f.order = f.order[:0]
	for i := range f.entries {
		e := &f.entries[i]
		e.sought = view.Seek(s.c, e.id)
	}
	for i := range f.entries {
		if e := &f.entries[i]; !view.Foresee(&e.sought) {
			f.order = append(f.order, int32(i))
		} else {
			e.kept = true
		}
	}
}

// roomy gives a fetcher without an iterator, for what is read by keys.
func (f *fetch) roomy() *fetcher {
	if f.keyed.room == nil {
		f.keyed.getRoom()
	}
	return &f.keyed
}

// readBatch reads the documents of a batch in the order of their records.
func (s *Scan) readBatch() error {
	f := &s.fetch
	view, fixed := s.view.(*store.SnapshotView)
	if fixed {
		s.seekCached(view)
	} else {
		f.order = f.order[:0]
		for i := range f.entries {
			f.order = append(f.order, int32(i))
		}
	}
	if len(f.order) == 0 {
		return nil
	}
	slices.SortFunc(f.order, func(a, b int32) int { return cmp.Compare(f.entries[a].id, f.entries[b].id) })
	n := 1
	if fixed && len(f.order) >= sharedBatch {
		taken := s.c.TakeProcessors()
		defer s.c.GiveProcessors(taken)
		n = min(taken, len(f.order)*2/sharedBatch)
	}
	var others sync.WaitGroup
	for i := range n {
		by, err := s.fetcher(i)
		if err != nil {
			others.Wait()
			return err
		}
		part := f.order[i*len(f.order)/n : (i+1)*len(f.order)/n]
		if by.room == nil {
			by.getRoom()
		}
		by.buf, by.keep = by.buf[:0], view
		if i == n-1 {
			by.readAll(s.c, f.entries, part, byIter+readBy(i), batchBytes/n)
		} else {
			others.Go(func() { by.readAll(s.c, f.entries, part, byIter+readBy(i), batchBytes/n) })
		}
	}
	others.Wait()
	for _, by := range f.by[:n] {
		if by.panicked != nil {
			panic(by.panicked)
		}
		if by.err != nil {
			return by.err
		}
	}
	return nil
}

// reader gives the one in whose buffer a document lies.
func (f *fetch) reader(by readBy) *fetcher {
	if by == byKey {
		return &f.keyed
	}
	return f.by[by-byIter]
}

// fetcher gives iterator number i, which is opened when it is first wanted.
func (s *Scan) fetcher(i int) (*fetcher, error) {
	f := &s.fetch
	if i == len(f.by) {
		s.lower, s.upper = s.c.Bounds()
		it, err := s.view.Iter(s.lower, s.upper)
		if err != nil {
			return nil, err
		}
		f.by = append(f.by, &fetcher{it: it})
	}
	return f.by[i], nil
}

// readAll reads the documents of a part of the entries, which ascend, until it holds so many bytes.
func (by *fetcher) readAll(c *store.Collection, entries []entry, part []int32, me readBy, most int) {
	defer func() { by.panicked = recover() }()
	for _, i := range part {
		e := &entries[i]
		doc, err := by.read(c, e.id)
		switch {
		case err == store.ErrNotFound:
			e.absent = true
			continue
		case err != nil:
			by.err = err
			return
		}
		e.by, e.begin = me, len(by.buf)
		by.buf = append(by.buf, doc...)
		e.end = len(by.buf)
		if by.keep != nil {
			by.keep.Keep(by.key, doc)
		}
		if e.end >= most {
			return
		}
	}
}

// readPacked finds a document in the pack that it is in, if that is at hand or worth making, or else by an iterator.
func (s *Scan) readPacked(by *fetcher, id store.RecordID) ([]byte, error) {
	f := &s.fetch
	view, fixed := s.view.(*store.SnapshotView)
	if !fixed {
		return by.read(s.c, id)
	}
	if first := id / store.PackRecords * store.PackRecords; f.packed != first+1 {
		f.packed = first + 1 // 0 is none
		if err := s.openPack(by, view, first); err != nil {
			return nil, err
		}
	}
	if f.pack == nil {
		return by.read(s.c, id)
	}
	if f.packAt >= f.pack.Len() || f.pack.ID(f.packAt) != id {
		if f.packAt = f.pack.From(id); f.packAt == f.pack.Len() || f.pack.ID(f.packAt) != id {
			return nil, store.ErrNotFound
		}
	}
	_, doc := f.pack.At(f.packAt)
	f.packAt++
	f.pack.Prefetch(f.packAt+1, len(doc))
	return doc, nil
}

// openPack gets the pack from a record on, making it when that is worth its while.
func (s *Scan) openPack(by *fetcher, view *store.SnapshotView, first store.RecordID) error {
	f := &s.fetch
	var wanted bool
	f.packAt = 0
	if f.pack, wanted = view.Pack(s.c, first); !wanted {
		return nil
	}
	var packer store.Packer
	by.last = 0 // the iterator leaves its place
	ok := by.it.SeekGE(s.c.RecordKey(by.key[:0], first))
	for ; ok; ok = by.it.Next() {
		id := store.RecordIDOf(by.it.Key())
		if id >= first+store.PackRecords || !packer.Add(id, by.it.Value()) {
			break
		}
	}
	if err := by.it.Error(); err != nil {
		return err
	}
	packer.Keep(view, s.c, first)
	f.pack, _ = view.Pack(s.c, first)
	return nil
}

// read finds a document: the next one, or one not far from it, is a step and not a search.
func (by *fetcher) read(c *store.Collection, id store.RecordID) ([]byte, error) {
	by.key = c.RecordKey(by.key[:0], id)
	var ok bool
	if id == by.last+1 && by.it.Valid() {
		if ok = by.it.Next(); ok && !bytes.Equal(by.it.Key(), by.key) {
			ok = by.it.SeekGE(by.key)
		}
	} else {
		ok = by.it.SeekGE(by.key)
	}
	by.last = id
	if !ok {
		if err := by.it.Error(); err != nil {
			return nil, err
		}
		return nil, store.ErrNotFound
	}
	if !bytes.Equal(by.it.Key(), by.key) {
		return nil, store.ErrNotFound
	}
	return by.it.Value(), nil
}

func (by *fetcher) getRoom() {
	by.room = rooms.Get().(*[]byte)
	by.buf = (*by.room)[:0]
}

func (by *fetcher) giveRoom() {
	if by.room != nil && cap(by.buf) <= 2*batchBytes {
		*by.room = by.buf
		rooms.Put(by.room)
	}
	by.room, by.buf = nil, nil
}

func (f *fetch) close() error {
	var err error
	for _, by := range f.by {
		if e := by.it.Close(); err == nil {
			err = e
		}
		by.giveRoom()
	}
	f.keyed.giveRoom()
	if f.batch != nil {
		batches.Put(f.batch)
		f.batch = nil
	}
	f.by, f.indexes, f.at, f.end, f.pack = nil, nil, 0, io.EOF, nil
	return err
}
