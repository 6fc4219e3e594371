package command

import (
	"context"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/store"
)

// openOptions are what open does beyond filtering.
type openOptions struct {
	skip, limit int64
	// batch is how many documents are wanted at once, 0 where that is not known.
	batch    int64
	unsorted bool
}

// expected is how many documents will be read of a stream in order, as far as there are so many.
func (o *openOptions) expected() int64 {
	n := o.batch
	if o.limit >= 0 && (n == 0 || o.limit < n) {
		n = o.limit
	}
	return n + o.skip
}

// open starts to read the documents of a query: from the transaction, from the session's snapshot, or from a new snapshot.
func (c *call) open(ctx context.Context, coll *store.Collection, q *query, o openOptions) (src stream, atTime uint64, err error) {
	d, view, snapshot, release, err := c.view(coll)
	if err != nil {
		return nil, 0, err
	}
	if c.readLevel == "snapshot" && c.txn == nil {
		atTime = snapshot
	}
	if q.special != nil {
		n, err := c.openSpecial(coll, d, view, q, release)
		if err != nil {
			release()
			return nil, 0, err
		}
		return c.finishOpen(n, q, o, q.sort == nil), atTime, nil
	}
	p, err := c.makePlan(d, q, snapshot)
	if err != nil {
		release()
		return nil, 0, err
	}
	use(coll, p)
	sc, err := p.Open(coll, view)
	if err != nil {
		release()
		return nil, 0, err
	}
	// Where the index alone has decided, there is nothing left to match.
	if !p.Exact && !q.matcher().Always() || q.fields != nil && p.Stage == plan.CollScan {
		sc.Where(q.matcher().Match, q.fields)
	}
	inOrder := p.Sorted || q.sort == nil
	if inOrder {
		sc.Expect(o.expected())
	}
	f := &filtered{scan: sc, m: q.m, release: release, budget: c.e.memory}
	src = f
	if q.text != nil {
		src = &scored{src: f, s: q.text}
	}
	return c.finishOpen(src, q, o, inOrder), atTime, nil
}

// finishOpen sorts and skips.
func (c *call) finishOpen(src stream, q *query, o openOptions, inOrder bool) stream {
	if !inOrder && !o.unsorted {
		n := int64(-1)
		if o.limit >= 0 {
			n = o.limit + o.skip
		}
		src = c.sortStream(src, q, n)
	}
	if o.skip > 0 {
		src = &skipping{src: src, n: o.skip}
	}
	return src
}

// view gives what a read of a collection sees, and how to let go of it.
func (c *call) view(coll *store.Collection) (d *store.Def, v store.View, at uint64, release func(), err error) {
	if c.txn != nil {
		tx := c.txn.begin()
		d, err := tx.Use(coll)
		if err != nil {
			return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Unable to read from a snapshot due to pending collection catalog changes to collection '%s'; please retry the operation.", coll.Def().Namespace())
		}
		return d, tx, tx.Start, func() {}, nil
	}
	if c.fixed != nil {
		return coll.Def(), c.fixed, c.fixedAt, func() {}, nil
	}
	if c.readLevel == "snapshot" {
		return c.snapshotView(coll)
	}
	d, snap := coll.Read()
	return d, snap, 0, func() { snap.Close() }, nil
}

// snapshotView reads at the session's snapshot, which the first read with level snapshot takes; without a session, at one of its own.
func (c *call) snapshotView(coll *store.Collection) (*store.Def, store.View, uint64, func(), error) {
	s := c.sess
	if s == nil && c.atTime == 0 {
		view, at := c.e.st.SnapshotAt()
		if coll.Changed() > at {
			view.Close()
			return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "collection '%s' is being changed; please retry the operation", coll.Def().Namespace())
		}
		return coll.Def(), view, at, func() { view.Close() }, nil
	}
	if s == nil {
		return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Read timestamp is not available; only a session keeps the snapshot of its last read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snap == nil || c.atTime == 0 {
		s.snap.release()
		view, at := c.e.st.SnapshotAt()
		s.snap = &sessionSnapshot{at: at, view: view}
		s.snap.refs.Store(1)
	}
	if c.atTime != 0 && c.atTime != s.snap.at || coll.Changed() > s.snap.at {
		return nil, nil, 0, nil, mongoerr.New(mongoerr.SnapshotUnavailable, "Read timestamp is not available; a session keeps the snapshot of its last read only")
	}
	snap := s.snap
	snap.refs.Add(1)
	return coll.Def(), snap.view, snap.at, snap.release, nil
}
