package command

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/store"
)

// tail is a tailable cursor on a capped collection: after the last document it waits for the next.
type tail struct {
	c    *call
	coll *store.Collection
	m    *match.Matcher
	w    *store.Watcher
	last store.RecordID
	it   store.Iter
	view *store.SnapshotView
	seen uint64 // the time up to which documents have been read
}

func (c *call) findTailable(ctx context.Context, ns string, coll *store.Collection, q *query, p *projection, skip, limit, batch int64, awaits bool) error {
	if coll == nil {
		return c.emptyCursor(ns)
	}
	if !coll.Def().Capped {
		return mongoerr.New(mongoerr.BadValue, "error processing query: ns=%s tailable cursor requested on non capped collection", ns)
	}
	if q.sort != nil || q.natural < 0 {
		return mongoerr.New(mongoerr.BadValue, "error processing query: tailable cursors are in natural order only")
	}
	if c.txn != nil {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "tailable cursors are not allowed in transactions")
	}
	if coll.Count() == 0 {
		return c.emptyCursor(ns)
	}
	d := coll.Def()
	t := &tail{c: c.detached(), coll: coll, m: q.matcher(), w: c.e.st.Watch(d.DB, d.Name, nil)}
	var src stream = t
	if skip > 0 {
		src = &skipping{src: src, n: skip}
	}
	if p != nil {
		src = &projected{src: src, p: p}
	}
	cur := &cursor{ns: ns, coll: d.Name, src: src, on: coll, limit: limit, tailable: true, awaits: awaits, tail: t}
	return c.openCursor(ctx, cur, batch, false)
}

func (t *tail) open() error {
	t.seen = t.c.e.st.Applied()
	t.view = t.c.e.st.Snapshot()
	lower, upper := t.coll.Bounds()
	it, err := t.view.Iter(lower, upper)
	if err != nil {
		t.view.Close()
		t.view = nil
		return err
	}
	t.it = it
	return nil
}

func (t *tail) release() {
	if t.it != nil {
		t.it.Close()
		t.view.Close()
		t.it, t.view = nil, nil
	}
}

// Next implements stream; io.EOF says that there is nothing more now.
func (t *tail) Next(ctx context.Context) (bson.Raw, error) {
	if t.coll.Dropped() {
		return nil, mongoerr.New(mongoerr.QueryPlanKilled, "collection dropped")
	}
	fresh := t.it == nil
	if fresh {
		if err := t.open(); err != nil {
			return nil, err
		}
	}
	for {
		var ok bool
		if fresh {
			if t.last != 0 {
				ok = t.it.SeekGE(t.coll.RecordKey(nil, t.last))
				if !ok || store.RecordIDOf(t.it.Key()) != t.last {
					t.release()
					return nil, mongoerr.New(mongoerr.CappedPositionLost, "CollectionScan died due to position in capped collection being deleted. Last seen record id: RecordId(%d)", t.last)
				}
				ok = t.it.Next()
			} else {
				ok = t.it.First()
			}
			fresh = false
		} else {
			ok = t.it.Next()
		}
		if !ok {
			err := t.it.Error()
			t.release()
			if err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		t.last = store.RecordIDOf(t.it.Key())
		doc := bson.Raw(t.it.Value())
		match, err := t.m.Match(doc)
		if err != nil {
			return nil, err
		}
		if match {
			return doc, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// Wait gives a channel that receives when there may be more, or says that there is already.
func (t *tail) Wait() (<-chan struct{}, bool) {
	return t.w.Wake(), t.it != nil || t.coll.LastWrite() > t.seen
}

func (t *tail) Close() error {
	t.release()
	t.w.Close()
	return nil
}
