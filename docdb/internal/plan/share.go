package plan

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// Sink takes in the documents of a part of a scan, in their order.
type Sink = interface {
	// Add takes in a document, and the members of it that were asked for; all are valid until Add returns. It reports whether the
	// sink has room for more.
	Add(doc bson.Raw, found []value.Found) (more bool, err error)
}

// Finder decides as a Filter does, and finds the members of a document that sinks want. Several goroutines call Match, each with a layout
// of its own.
type Finder struct {
	Fields int // how many members
	Match  func(doc bson.Raw, found []value.Found, layout *value.Layout) (bool, error)
}

// sharing is how an ahead hands documents to sinks.
type sharing struct {
	find  Finder
	begin func() Sink
}

// Share hands the documents of a collection scan that find wants to sinks, several of which work at once, and each sink to
// merge when its part of the scan is over, in the order of the parts. Other scans are left alone. When merge does not want any more,
// or there is nothing left to share out, Share returns, and Next goes on with the first document that no sink has got.
func (s *Scan) Share(ctx context.Context, find Finder, begin func() Sink, merge func(Sink) (more bool, err error)) error {
	view, fixed := s.view.(*store.SnapshotView)
	if !fixed || s.records == nil || s.reverse || s.started || store.Processors() < 2 {
		return nil
	}
	if s.where == nil {
		s.where = func(bson.Raw) (bool, error) { return true, nil }
	}
	more, err := s.alone(ctx, find, begin(), merge)
	if err != nil || !more {
		return err
	}
	if s.ahead, err = newAhead(s, view, &sharing{find, begin}); err != nil || s.ahead == nil {
		return err
	}
	docs, err := s.ahead.drain(ctx, merge)
	s.Stats.Docs += docs
	return err
}

// alone hands the first documents to a sink.
func (s *Scan) alone(ctx context.Context, find Finder, sink Sink, merge func(Sink) (bool, error)) (more bool, err error) {
	found := make([]value.Found, find.Fields)
	var layout value.Layout
	for room := true; room && s.Stats.Docs < aloneDocs; {
		doc, err := s.nextAny(ctx)
		if err == io.EOF {
			_, err = merge(sink)
			return false, err
		}
		if err != nil {
			return false, err
		}
		ok, err := find.Match(doc, found, &layout)
		if err == nil && ok {
			room, err = sink.Add(doc, found)
		}
		if err != nil {
			return false, err
		}
	}
	return merge(sink)
}

// drain merges the sinks of one window after the other while the next window is being walked. When merge does not want more, the
// sinks behind are thrown away, and what they had is for take.
func (a *ahead) drain(ctx context.Context, merge func(Sink) (bool, error)) (docs int64, err error) {
	for {
		for ; a.at < len(a.now); a.at++ {
			g := a.now[a.at]
			for g.sink != nil {
				docs += g.docs
				if g.panicked != nil {
					panic(g.panicked)
				}
				if g.err != nil {
					return docs, g.err
				}
				more, err := merge(g.sink)
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return docs, err
				}
				if !more {
					return docs, a.handOut(g.from)
				}
				g.sink = nil
				if g.from < g.to {
					// It has stopped at its bounds: nothing behind it may be merged before the rest.
					g.reset(a, g.from, g.to)
					g.walk(a)
				}
			}
		}
		if a.now != nil && a.next == nil {
			return docs, nil
		}
		if err := a.turn(); err != nil {
			return docs, err
		}
	}
}

// handOut ends the work of sinks and starts again at a record, for take.
func (a *ahead) handOut(from store.RecordID) error {
	a.stop.Store(true)
	a.running.Wait()
	a.stop.Store(false)
	a.sharing = nil
	a.next = append(a.next, a.now...)
	a.now, a.at, a.from = nil, 0, from
	if a.from >= a.end {
		err := a.closeSegments(a.next)
		a.now, a.next = []*segment{}, nil
		return err
	}
	return a.start()
}
