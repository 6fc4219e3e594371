package plan

import (
	"bytes"
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// Stats counts what a scan has looked at.
type Stats struct{ Keys, Docs int64 }

// Scan walks the documents that a plan finds. A document is valid until the next call.
type Scan struct {
	c     *store.Collection
	view  store.View
	Stats Stats

	// walking the collection
	records store.Iter
	started bool
	reverse bool

	// selecting
	where Filter
	keep  *value.Names
	ahead *ahead

	// walking indexes
	plans []*Plan
	plan  *Plan
	it    store.Iter
	at    int // the range
	in    bool
	seen  map[store.RecordID]struct{}
	id    store.RecordID
	steps int
	lower []byte
	upper []byte

	fetch fetch // what index entries point to
}

// Open starts to walk a plan over a view of the collection.
func (p *Plan) Open(c *store.Collection, view store.View) (*Scan, error) {
	s := &Scan{c: c, view: view}
	switch p.Stage {
	case CollScan:
		s.lower, s.upper = c.Bounds()
		it, err := view.Iter(s.lower, s.upper)
		if err != nil {
			return nil, err
		}
		s.records, s.reverse = it, p.Reverse
	case IndexScan:
		s.plans = []*Plan{p}
		if !p.Distinct {
			s.seen = map[store.RecordID]struct{}{}
		}
	case Union:
		s.plans = p.Branches
		s.seen = map[store.RecordID]struct{}{}
	}
	return s, nil
}

// Where makes Next leave out documents that the filter does not want. With fields not nil a document may be reduced to the
// top-level members of these names.
func (s *Scan) Where(f Filter, fields []string) {
	s.where, s.keep = f, nil
	if fields != nil {
		s.keep = value.NewNames(fields...)
	}
}

// Close ends the walk.
func (s *Scan) Close() error {
	var err error
	if s.ahead != nil {
		err = s.ahead.close()
		s.ahead = nil
	}
	if s.records != nil {
		err = s.records.Close()
		s.records = nil
	}
	if s.it != nil {
		if e := s.it.Close(); err == nil {
			err = e
		}
		s.it = nil
	}
	if e := s.fetch.close(); err == nil {
		err = e
	}
	s.plans, s.plan = nil, nil
	return err
}

// Held is about how much memory the walk has taken beside the document that Next gave last.
func (s *Scan) Held() int {
	n := seenRecord * len(s.seen)
	if s.ahead != nil {
		n += s.ahead.held()
	}
	for _, by := range s.fetch.by {
		n += cap(by.buf)
	}
	return n
}

// seenRecord is about what a record costs in the set of those that have been seen.
const seenRecord = 40

// ID is the record of the document that Next gave last.
func (s *Scan) ID() store.RecordID { return s.id }

// Next gives the next document, or io.EOF.
func (s *Scan) Next(ctx context.Context) (bson.Raw, error) {
	for {
		if s.ahead != nil {
			return s.nextAhead(ctx)
		}
		doc, err := s.nextAny(ctx)
		if err != nil || s.where == nil {
			return doc, err
		}
		ok, err := s.where(doc)
		if err != nil {
			return nil, err
		}
		if s.Stats.Docs == aloneDocs && s.records != nil && !s.reverse {
			if view, fixed := s.view.(*store.SnapshotView); fixed {
				if s.ahead, err = newAhead(s, view, nil); err != nil {
					return nil, err
				}
			}
		}
		if ok {
			return doc, nil
		}
	}
}

// nextAhead takes a document from what has been filtered in advance.
func (s *Scan) nextAhead(ctx context.Context) (bson.Raw, error) {
	id, doc, docs, more, err := s.ahead.take(ctx)
	s.Stats.Docs += docs
	if err != nil {
		return nil, err
	}
	if !more {
		return nil, io.EOF
	}
	s.id = id
	return doc, nil
}

// nextAny gives the next document, whether it is wanted or not.
func (s *Scan) nextAny(ctx context.Context) (bson.Raw, error) {
	if s.steps++; s.steps&127 == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if s.records != nil {
		return s.nextRecord()
	}
	by := s.fetch.roomy()
	doc, room, err := s.nextFetched(ctx, by.buf[:0])
	if len(room) > 0 {
		by.buf = room
	}
	return doc, err
}

// AppendNext appends the next document to dst, or answers io.EOF.
func (s *Scan) AppendNext(ctx context.Context, dst []byte) ([]byte, error) {
	var doc bson.Raw
	var err error
	if s.records == nil && s.where == nil {
		if s.steps++; s.steps&127 == 0 {
			if err := ctx.Err(); err != nil {
				return dst, err
			}
		}
		var out []byte
		if doc, out, err = s.nextFetched(ctx, dst); len(out) > len(dst) {
			return out, err
		}
	} else {
		doc, err = s.Next(ctx)
	}
	return append(dst, doc...), err
}

func (s *Scan) nextRecord() (bson.Raw, error) {
	var ok bool
	switch {
	case !s.started && s.reverse:
		ok = s.records.Last()
	case !s.started:
		ok = s.records.First()
	case s.reverse:
		ok = s.records.Prev()
	default:
		ok = s.records.Next()
	}
	s.started = true
	if !ok {
		if err := s.records.Error(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	s.Stats.Docs++
	s.id = store.RecordIDOf(s.records.Key())
	return bson.Raw(s.records.Value()), nil
}

// NextKey moves to the next entry of the index that points to a document not seen yet, and gives its record; io.EOF at the end.
func (s *Scan) NextKey(ctx context.Context) (store.RecordID, error) { return s.nextKey(ctx) }

func (s *Scan) nextKey(ctx context.Context) (store.RecordID, error) {
	for {
		if s.plan == nil {
			if len(s.plans) == 0 {
				return 0, io.EOF
			}
			p := s.plans[0]
			s.plans = s.plans[1:]
			if p.Stage == Nothing || len(p.Ranges) == 0 {
				continue
			}
			s.plan, s.in, s.at = p, false, 0
			if p.Reverse {
				s.at = len(p.Ranges) - 1
			}
			if s.it != nil {
				if err := s.it.Close(); err != nil {
					return 0, err
				}
				s.it = nil
			}
			it, err := s.view.Iter(p.Ranges[0].Low, p.Ranges[len(p.Ranges)-1].High)
			if err != nil {
				return 0, err
			}
			s.it = it
		}
		ok := s.move()
		if !ok {
			if err := s.it.Error(); err != nil {
				return 0, err
			}
			s.plan = nil
			continue
		}
		s.Stats.Keys++
		if s.Stats.Keys&255 == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		id := s.plan.Index.RecordOf(s.it.Key(), s.it.Value())
		if s.seen != nil {
			if _, dup := s.seen[id]; dup {
				continue
			}
			s.seen[id] = struct{}{}
		}
		return id, nil
	}
}

// move goes to the next key inside the ranges.
func (s *Scan) move() bool {
	p := s.plan
	if p.Reverse {
		for s.at >= 0 {
			r := p.Ranges[s.at]
			var ok bool
			if s.in {
				ok = s.it.Prev()
			} else {
				ok = s.it.SeekLT(r.High)
				s.in = true
			}
			if !ok {
				return false
			}
			if bytes.Compare(s.it.Key(), r.Low) >= 0 {
				return true
			}
			s.at--
			s.in = false
		}
		return false
	}
	for s.at < len(p.Ranges) {
		r := p.Ranges[s.at]
		var ok bool
		if s.in {
			ok = s.it.Next()
		} else {
			ok = s.it.SeekGE(r.Low)
			s.in = true
		}
		if !ok {
			return false
		}
		if bytes.Compare(s.it.Key(), r.High) < 0 {
			return true
		}
		s.at++
		s.in = false
	}
	return false
}

// Index is the index through which the document that Next gave last was found, or nil.
func (s *Scan) Index() *store.Index { return s.fetch.index }
