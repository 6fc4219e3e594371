package stage

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

// sorting is $sort, with the $limit (and $skip) behind it taken in as top.
type sorting struct {
	spec bson.Raw
	keys *expr.SortKeys
	top  int64 // how many rows are wanted; 0 for all
}

func compileSort(c *compiler, _ string, spec bson.RawValue) (*sorting, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15973, "the $sort key specification must be an object")
	}
	keys, err := expr.ParseSortKeys(spec.Value, c.env.collation())
	if err != nil {
		return nil, err
	}
	return &sorting{spec: spec.Value, keys: keys}, nil
}

func (s *sorting) open(r *run, src source) (source, error) {
	return &sorted{src: src, sorter: newSorter(r, "$sort", s.keys, s.top)}, nil
}

// meta reports whether the order is by metadata in part.
func (s *sorting) meta() bool {
	var d expr.Deps
	s.keys.Deps(&d)
	return len(d.Meta) > 0
}

func (s *sorting) deps(d *expr.Deps) bool {
	s.keys.Deps(d)
	return false
}

// sorted reads all of its input into a sorter, then out of it.
type sorted struct {
	src    source
	sorter *sorter
	out    source
}

func (s *sorted) next(ctx context.Context) (row, error) {
	if s.out == nil {
		for {
			r, err := s.src.next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return row{}, err
			}
			if err := s.sorter.add(r); err != nil {
				return row{}, err
			}
		}
		var err error
		if s.out, err = s.sorter.finish(); err != nil {
			return row{}, err
		}
	}
	return s.out.next(ctx)
}

func (s *sorted) close() error {
	s.sorter.close()
	return s.src.close()
}

// maxRuns bounds the sorted runs that are merged at once; more are merged into one first.
const maxRuns = 64

// sorter orders rows by keys; equal rows keep their order. It holds up to the limit of memory, then writes sorted runs to disk and
// merges them. With top set it keeps only that many rows.
type sorter struct {
	stage string
	env   *Env
	keys  *expr.SortKeys
	ev    *expr.Env
	top   int
	rows  []sortRow
	seq   uint64
	bytes int
	arena []byte
	runs  []*spillFile
	heap  bool // rows is a heap with the row to give up first
	mem   held

	scratch []bson.RawValue
}

type sortRow struct {
	keys []bson.RawValue
	row  row
	seq  uint64
}

// rowOverhead is about what a held row costs beside its bytes.
const rowOverhead = 128

func newSorter(r *run, stage string, keys *expr.SortKeys, top int64) *sorter {
	s := &sorter{stage: stage, env: r.env, keys: keys, ev: r.expressions(), mem: r.env.held()}
	if top > 0 && top < 1<<30 {
		s.top = int(top)
	}
	return s
}

func (s *sorter) less(a, b *sortRow) bool {
	if c := s.keys.Compare(a.keys, b.keys); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

// keep copies bytes into chunks, so that a million rows are not a million allocations.
func (s *sorter) keep(b []byte) []byte {
	if cap(s.arena)-len(s.arena) < len(b) {
		s.arena = make([]byte, 0, max(64<<10, len(b)))
	}
	at := len(s.arena)
	s.arena = append(s.arena, b...)
	return s.arena[at:len(s.arena):len(s.arena)]
}

func (s *sorter) add(r row) error {
	s.seq++
	if s.top > 0 && s.heap && len(s.rows) == s.top {
		// Look at the keys before anything is copied: most rows do not make it.
		s.ev.ResetMeta(r.doc, r.meta)
		var err error
		if s.scratch, err = s.keys.Of(s.ev, s.scratch[:0]); err != nil {
			return err
		}
		cand := sortRow{keys: s.scratch, seq: s.seq}
		worst := &s.rows[0]
		if !s.less(&cand, worst) {
			return nil
		}
		// The row that goes gives its space to the one that comes.
		s.bytes -= worst.size()
		kept := row{append(worst.row.doc[:0], r.doc...), r.meta}
		if *worst, err = s.row(kept, worst.keys[:0]); err != nil {
			return err
		}
		heap.Fix((*topHeap)(s), 0)
		return s.watch()
	}
	kept := row{s.keep(r.doc), r.meta}
	if s.top > 0 {
		kept.doc = slices.Clone(r.doc)
	}
	sr, err := s.row(kept, make([]bson.RawValue, 0, s.keys.Len()))
	if err != nil {
		return err
	}
	s.rows = append(s.rows, sr)
	if s.top > 0 && len(s.rows) == s.top && len(s.runs) == 0 {
		s.heap = true
		heap.Init((*topHeap)(s))
	}
	return s.watch()
}

// row computes the keys of a row whose document is kept already, into dst.
func (s *sorter) row(r row, dst []bson.RawValue) (sortRow, error) {
	r.meta = cloneMeta(r.meta)
	s.ev.ResetMeta(r.doc, r.meta)
	keys, err := s.keys.Of(s.ev, dst)
	sr := sortRow{keys, r, s.seq}
	s.bytes += sr.size()
	return sr, err
}

func (r *sortRow) size() int { return len(r.row.doc) + rowOverhead + 40*len(r.keys) }

// watch spills when the limit is reached.
func (s *sorter) watch() error {
	if ok, err := s.mem.fits(s.bytes); ok || err != nil {
		return err
	}
	return s.spill()
}

func (s *sorter) spill() error {
	f, err := newSpillFile(s.env, s.stage)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, f)
	s.sortRows()
	for i := range s.rows {
		if err := f.write(s.rows[i].row); err != nil {
			return err
		}
	}
	if err := f.rewind(); err != nil {
		return err
	}
	clear(s.rows)
	s.rows, s.bytes, s.arena, s.heap = s.rows[:0], 0, nil, false
	s.mem.release()
	if s.crowded() {
		return s.compact()
	}
	return nil
}

// crowded reports whether no more runs should be merged at once: each has a row in memory then.
func (s *sorter) crowded() bool {
	rows := 0
	for _, f := range s.runs {
		rows += f.largest
	}
	return len(s.runs) >= maxRuns || len(s.runs) > 1 && rows > s.env.limit()/2
}

func (s *sorter) sortRows() {
	slices.SortFunc(s.rows, func(a, b sortRow) int {
		if s.less(&a, &b) {
			return -1
		}
		return 1
	})
}

// compact merges all runs into one.
func (s *sorter) compact() error {
	f, err := newSpillFile(s.env, s.stage)
	if err != nil {
		return err
	}
	m, err := s.merge()
	if err != nil {
		f.close()
		return err
	}
	for n := 0; s.top == 0 || n < s.top; n++ {
		r, err := m.next(s.ev.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = f.write(r)
		}
		if err != nil {
			f.close()
			return err
		}
	}
	for _, r := range s.runs {
		r.close()
	}
	s.runs = []*spillFile{f}
	return f.rewind()
}

// finish returns the rows in order.
func (s *sorter) finish() (source, error) {
	if len(s.runs) == 0 {
		s.sortRows()
		return &memoryRows{s: s}, nil
	}
	if len(s.rows) > 0 {
		if err := s.spill(); err != nil {
			return nil, err
		}
	}
	return s.merge()
}

func (s *sorter) close() {
	for _, f := range s.runs {
		f.close()
	}
	s.runs, s.rows = nil, nil
	s.mem.release()
	s.ev.Release()
}

// memoryRows gives out sorted rows.
type memoryRows struct {
	s  *sorter
	at int
}

func (m *memoryRows) next(context.Context) (row, error) {
	if m.at >= len(m.s.rows) {
		return row{}, io.EOF
	}
	r := m.s.rows[m.at].row
	m.at++
	return r, nil
}

func (m *memoryRows) close() error { return nil }

// merging gives out the rows of several sorted runs in order. Runs were written in order of time, so that among equal rows the
// earlier run goes first.
type merging struct {
	s     *sorter
	heads []mergeHead
	used  bool // heads[0] was given out
}

type mergeHead struct {
	sortRow
	f *spillFile
}

func (s *sorter) merge() (*merging, error) {
	m := &merging{s: s}
	for i, f := range s.runs {
		h := mergeHead{f: f}
		h.seq = uint64(i)
		ok, err := m.load(&h)
		if err != nil {
			return nil, err
		}
		if ok {
			m.heads = append(m.heads, h)
		}
	}
	heap.Init((*mergeHeap)(m))
	return m, nil
}

func (m *merging) load(h *mergeHead) (bool, error) {
	r, err := h.f.read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h.row = r
	m.s.ev.ResetMeta(r.doc, r.meta)
	h.keys, err = m.s.keys.Of(m.s.ev, h.keys[:0])
	return true, err
}

func (m *merging) next(ctx context.Context) (row, error) {
	if err := ctx.Err(); err != nil {
		return row{}, err
	}
	if m.used {
		ok, err := m.load(&m.heads[0])
		if err != nil {
			return row{}, err
		}
		if ok {
			heap.Fix((*mergeHeap)(m), 0)
		} else {
			heap.Pop((*mergeHeap)(m))
		}
	}
	if len(m.heads) == 0 {
		m.used = false
		return row{}, io.EOF
	}
	m.used = true
	return m.heads[0].row, nil
}

func (m *merging) close() error { return nil }

type mergeHeap merging

func (h *mergeHeap) Len() int           { return len(h.heads) }
func (h *mergeHeap) Less(i, j int) bool { return h.s.less(&h.heads[i].sortRow, &h.heads[j].sortRow) }
func (h *mergeHeap) Swap(i, j int)      { h.heads[i], h.heads[j] = h.heads[j], h.heads[i] }
func (h *mergeHeap) Push(any)           {}
func (h *mergeHeap) Pop() any {
	h.heads = h.heads[:len(h.heads)-1]
	return nil
}

// topHeap keeps the row that sorts last in front.
type topHeap sorter

func (h *topHeap) Len() int           { return len(h.rows) }
func (h *topHeap) Less(i, j int) bool { return (*sorter)(h).less(&h.rows[j], &h.rows[i]) }
func (h *topHeap) Swap(i, j int)      { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }
func (h *topHeap) Push(any)           {}
func (h *topHeap) Pop() any           { return nil }
