package plan

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/prefetch"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// A collection scan with a filter looks at its first documents one by one. When it goes on it is shared out: the records are cut
// into segments, a window of segments is filtered by goroutines of its own, and while the caller takes the results of one window,
// in order, the next one is being filtered. Nothing outlives a window: a scan that nobody goes on with holds no goroutine.
const (
	// aloneDocs is how many documents a scan looks at before it is shared out.
	aloneDocs = 1000
	// minSegment and maxSegment bound the records of a segment; it is fitted to what its results take.
	minSegment = store.PackRecords
	maxSegment = 16384
	// segmentBytes and segmentTime bound what a segment gathers and how long it may take before the caller gets what there is.
	segmentBytes = 256 << 10
	segmentTime  = 20 * time.Millisecond
	// firstBytes are fetched of the next document, and of the third from here if all are of one length, while the present one is
	// being looked at: most filters end there.
	firstBytes = 128
	// packAhead is how many documents ahead they are fetched in a pack, where it is known where each lies.
	packAhead = 4
)

// Filter decides whether a document is wanted. Several goroutines call it.
type Filter func(doc bson.Raw) (bool, error)

// ahead filters a collection's records window by window.
type ahead struct {
	c        *store.Collection
	view     *store.SnapshotView
	where    Filter
	*sharing              // nil where results are handed out
	keep     *value.Names // the fields that are wanted of a document; nil for all
	from     store.RecordID
	end      store.RecordID // the record behind the last one
	size     store.RecordID

	now, next []*segment
	at        int // the segment of now whose results are being taken
	running   sync.WaitGroup
	stop      atomic.Bool
	lower     []byte
	upper     []byte
}

// segment is a part of a window with its results.
type segment struct {
	it       store.Iter
	from, to store.RecordID // what is still to be looked at
	beyond   store.RecordID // no record lies between to and this one
	sink     Sink
	found    []value.Found
	layout   value.Layout
	buf      []byte
	hits     []hit
	taken    int
	docs     int64
	packer   store.Packer
	pack     *store.Pack
	err      error
	panicked any
}

// hit is a result: its document ends at end in the segment's buffer and begins where the one before ends.
type hit struct {
	id  store.RecordID
	end int
}

// held is about how much memory the results take.
func (a *ahead) held() (n int) {
	for _, g := range a.now {
		n += cap(g.buf) + 16*cap(g.hits)
	}
	return 2 * n // the next window is being filtered, and may not be looked at
}

// newAhead shares out the records behind last; nil when there are no processors to spare or there is too little left.
func newAhead(s *Scan, view *store.SnapshotView, sharing *sharing) (*ahead, error) {
	if store.Processors() < 2 {
		return nil, nil
	}
	a := &ahead{c: s.c, view: view, where: s.where, sharing: sharing, keep: s.keep, from: s.id + 1, size: aloneDocs, lower: s.lower, upper: s.upper}
	it, err := view.Iter(a.lower, a.upper)
	if err != nil {
		return nil, err
	}
	if it.Last() {
		a.end = store.RecordIDOf(it.Key()) + 1
	}
	if err := it.Error(); err != nil {
		it.Close()
		return nil, err
	}
	if a.end < a.from+minSegment {
		return nil, it.Close()
	}
	a.next = []*segment{{it: it}}
	if err := a.start(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// start has the next window filtered.
func (a *ahead) start() error {
	n := a.c.TakeProcessors()
	for len(a.next) < n {
		it, err := a.view.Iter(a.lower, a.upper)
		if err != nil {
			a.c.GiveProcessors(n)
			return err
		}
		a.next = append(a.next, &segment{it: it})
	}
	// What is left at the end is divided evenly. A segment left over from a wider window has nothing to do.
	size := max(min(a.size, (a.end-a.from+store.RecordID(n)-1)/store.RecordID(n)), minSegment)
	for i, g := range a.next {
		to := a.from
		if i < n {
			// No pack is read in two parts.
			to = min((to+size+store.PackRecords-1)/store.PackRecords*store.PackRecords, a.end)
		}
		g.reset(a, a.from, to)
		a.from, g.beyond = to, to
	}
	var left atomic.Int32
	left.Store(int32(n))
	for _, g := range a.next[:n] {
		a.running.Go(func() {
			g.walk(a)
			if left.Add(-1) == 0 {
				a.c.GiveProcessors(n)
			}
		})
	}
	return nil
}

func (g *segment) reset(a *ahead, from, to store.RecordID) {
	g.from, g.to, g.buf, g.hits, g.taken, g.docs, g.err, g.sink = from, to, g.buf[:0], g.hits[:0], 0, 0, nil, nil
	g.panicked = nil
	if a.sharing != nil && from < to {
		g.sink = a.begin()
		if g.found == nil {
			g.found = make([]value.Found, a.find.Fields)
		}
	}
}

// walk filters what is left of the segment, until its end or its bounds of memory and time.
func (g *segment) walk(a *ahead) {
	defer func() { g.panicked = recover() }()
	began := time.Now()
	known := g.from // no document from this one on has been passed over
	on := false     // the iterator stands on the first document from g.from on
	for more := true; more && g.from < g.to; {
		end := (g.from/store.PackRecords + 1) * store.PackRecords
		pack, wanted := a.view.Pack(a.c, g.from)
		if g.pack = pack; pack != nil { // held while its documents are looked at
			on = false
			more = g.walkPack(a, pack, end, began)
			g.pack = nil
			continue
		}
		if !on {
			var kb [16]byte
			g.it.SeekGE(a.c.RecordKey(kb[:0], g.from))
		}
		first := end - store.PackRecords
		if wanted = wanted && known <= first; wanted {
			g.packer.Reset()
		}
		on = true
		if more = g.walkRecords(a, min(end, g.to), wanted, began); !more || g.err != nil {
			return
		}
		if wanted && (!g.it.Valid() || store.RecordIDOf(g.it.Key()) >= end) {
			g.packer.Keep(a.view, a.c, first)
		}
	}
}

// walkPack filters the documents of a pack, which ends before end, from g.from on; false when the segment's bounds are reached.
func (g *segment) walkPack(a *ahead, pack *store.Pack, end store.RecordID, began time.Time) bool {
	for i := pack.From(g.from); i < pack.Len(); i++ {
		id, doc := pack.At(i)
		if id >= g.to {
			break
		}
		pack.Prefetch(i+packAhead, firstBytes)
		if !g.look(a, id, doc, began) {
			return false
		}
	}
	g.from = min(end, g.to)
	g.beyond = g.from
	return true
}

// walkRecords filters the documents before end from where the iterator stands, and leaves it on the first one behind; false when the
// segment's bounds are reached, or at a failure. With keep the documents go into the packer.
func (g *segment) walkRecords(a *ahead, end store.RecordID, keep bool, began time.Time) bool {
	for ok := g.it.Valid(); ok; ok = g.it.Next() {
		id := store.RecordIDOf(g.it.Key())
		if id >= end {
			g.from = min(id, g.to)
			g.beyond = id
			return true
		}
		doc := bson.Raw(g.it.Value())
		prefetch.Behind(doc, len(doc), firstBytes)
		prefetch.Behind(doc, 3*len(doc), firstBytes)
		if keep {
			g.packer.Add(id, doc)
		}
		if !g.look(a, id, doc, began) {
			return false
		}
	}
	if g.err = g.it.Error(); g.err != nil {
		return false
	}
	g.from, g.beyond = g.to, a.end
	return true
}

// look filters a document; false when the segment's bounds are reached, or at a failure.
func (g *segment) look(a *ahead, id store.RecordID, doc bson.Raw, began time.Time) bool {
	g.docs++
	var wanted bool
	if g.sink != nil {
		wanted, g.err = a.find.Match(doc, g.found, &g.layout)
	} else {
		wanted, g.err = a.where(doc)
	}
	if g.err != nil {
		return false
	}
	more := true
	switch {
	case !wanted:
	case g.sink != nil:
		if more, g.err = g.sink.Add(doc, g.found); g.err != nil {
			return false
		}
	default:
		if a.keep == nil {
			g.buf = append(g.buf, doc...)
		} else {
			g.buf = appendFields(g.buf, doc, a.keep)
		}
		g.hits = append(g.hits, hit{id, len(g.buf)})
	}
	g.from = id + 1
	return more && len(g.buf) < segmentBytes && (g.docs&63 != 0 || !a.stop.Load() && time.Since(began) <= segmentTime)
}

// appendFields writes a document of those top-level members of doc whose names are in keep.
func appendFields(dst []byte, doc bson.Raw, keep *value.Names) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	m := value.Members(doc)
	var seen uint64
	for {
		i, t, v := m.Find(keep)
		if i < 0 {
			break
		}
		dst = append(append(append(dst, byte(t)), keep.Name(i)...), 0)
		dst = append(dst, v...)
		if seen |= 1 << i; keep.Len() <= 64 && seen == 1<<keep.Len()-1 {
			break
		}
	}
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// take gives the next result; more is false at the end. docs is how many documents have been looked at for it.
func (a *ahead) take(ctx context.Context) (id store.RecordID, doc bson.Raw, docs int64, more bool, err error) {
	for {
		for a.at < len(a.now) {
			g := a.now[a.at]
			docs += g.docs
			g.docs = 0
			if g.taken < len(g.hits) {
				h := g.hits[g.taken]
				begin := 0
				if g.taken > 0 {
					begin = g.hits[g.taken-1].end
				}
				g.taken++
				return h.id, bson.Raw(g.buf[begin:h.end:h.end]), docs, true, nil
			}
			if g.panicked != nil {
				panic(g.panicked)
			}
			if g.err != nil {
				return 0, nil, docs, false, g.err
			}
			if g.from < g.to {
				// It has stopped at its bounds: the rest is for the caller, who is next in line for it.
				if err := ctx.Err(); err != nil {
					return 0, nil, docs, false, err
				}
				g.reset(a, g.from, g.to)
				g.walk(a)
				continue
			}
			a.at++
		}
		if a.now != nil && a.next == nil {
			return 0, nil, docs, false, nil
		}
		err := ctx.Err()
		if err == nil {
			err = a.turn()
		}
		if err != nil {
			return 0, nil, docs, false, err
		}
	}
}

// turn makes the window that was filtered ahead the present one, and starts another on the iterators of the last.
func (a *ahead) turn() error {
	a.running.Wait()
	a.now, a.next, a.at = a.next, a.now, 0
	bytes, whole := 0, true
	for _, g := range a.now {
		bytes = max(bytes, len(g.buf))
		whole = whole && g.from >= g.to
	}
	switch {
	case bytes > segmentBytes/2 || !whole:
		a.size = max(a.size/2, minSegment)
	case bytes < segmentBytes/8:
		a.size = min(a.size*2, maxSegment)
	}
	// Records have gaps where documents were removed; a wide one is left behind in one step.
	for _, g := range a.now {
		if g.to == a.from && g.from >= g.to && g.err == nil {
			a.from = max(a.from, g.beyond)
		}
	}
	if a.from >= a.end {
		a.closeSegments(a.next)
		a.next = nil
		return nil
	}
	return a.start()
}

func (a *ahead) closeSegments(list []*segment) error {
	var err error
	for _, g := range list {
		if e := g.it.Close(); err == nil {
			err = e
		}
	}
	return err
}

// close waits for what runs and ends the walk.
func (a *ahead) close() error {
	a.stop.Store(true)
	a.running.Wait()
	err := a.closeSegments(a.now)
	if e := a.closeSegments(a.next); err == nil {
		err = e
	}
	a.now, a.next = nil, nil
	return err
}
