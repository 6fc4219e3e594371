package command

import (
	"bytes"
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/budget"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// target is a document that a write is about to change, as the unit sees it.
type target struct {
	id  store.RecordID
	doc bson.Raw
	pos int // the element that the positional operator means, or -1
}

// withOne finds the first document of a query and runs f on it inside a unit, with the document locked: f sees it
// as it is now, and it has been matched as it is now. found is false when there is none. f's unit is committed when it
// returns nil. A write that has to wait for a transaction waits and starts again.
func (c *call) withOne(ctx context.Context, coll *store.Collection, q *query, sync bool, f func(u *store.Unit, t target) error) (found bool, err error) {
	for {
		found, again, err := c.tryOne(ctx, coll, q, sync, f)
		if waits(err) {
			if err := c.wait(ctx, err); err != nil {
				return false, err
			}
			continue
		}
		if again && err == nil {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			continue
		}
		return found, err
	}
}

// tryOne is one attempt. again says that a candidate was changed by others before its turn and no other was found.
func (c *call) tryOne(ctx context.Context, coll *store.Collection, q *query, sync bool, f func(u *store.Unit, t target) error) (found, again bool, err error) {
	if id := q.pointID(coll.Def()); id.Type != 0 {
		u, err := c.begin(coll, true)
		if err != nil {
			return false, false, err
		}
		defer u.Rollback()
		u.Def().Indexes[0].Use()
		for {
			rid, err := u.Find(id)
			if errors.Is(err, store.ErrNotFound) {
				return false, false, nil
			}
			if err != nil {
				return false, false, err
			}
			// A document that has the _id now and is there when it is locked is the one: records are not used twice.
			if found, err = c.act(u, q, rid, nil, sync, f); found || err != nil {
				return found, false, err
			}
			if now, err := u.Find(id); errors.Is(err, store.ErrNotFound) || err == nil && now == rid {
				return false, false, nil
			}
		}
	}
	src, _, err := c.open(ctx, coll, q, openOptions{limit: -1})
	if err != nil {
		return false, false, err
	}
	defer src.Close()
	missed := false
	for {
		doc, err := src.Next(ctx)
		if err == io.EOF {
			return false, missed, nil
		}
		if err != nil {
			return false, false, err
		}
		rid := recordOf(src)
		u, err := c.begin(coll, true)
		if err != nil {
			return false, false, err
		}
		if rid == 0 {
			// After a sort the record is found by the _id.
			rid, err = u.Find(value.Lookup(doc, "_id"))
			if errors.Is(err, store.ErrNotFound) {
				u.Rollback()
				missed = true
				continue
			}
			if err != nil {
				u.Rollback()
				return false, false, err
			}
		}
		ok, err := c.act(u, q, rid, doc, sync, f)
		u.Rollback()
		if ok || err != nil {
			return ok, false, err
		}
		missed = true
	}
}

// act reads a candidate again, now that nobody else can change it, and runs f if it still matches. seen is the document as it matched
// before; nil for one that was found by its _id.
func (c *call) act(u *store.Unit, q *query, rid store.RecordID, seen bson.Raw, sync bool, f func(u *store.Unit, t target) error) (bool, error) {
	u.Lock(rid)
	doc, err := u.Read(rid, c.c.docs.before)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.c.docs.before = doc
	if err := c.afford(len(doc)); err != nil {
		return false, err
	}
	t := target{id: rid, doc: doc, pos: -1}
	if q.wantPosition {
		ok, pos, err := q.matcher().MatchPosition(doc)
		if err != nil || !ok {
			return false, err
		}
		t.pos = pos
	} else if seen == nil && !q.onlyID || seen != nil && !bytes.Equal(seen, doc) {
		ok, err := q.matcher().Match(doc)
		if err != nil || !ok {
			return false, err
		}
	}
	if err := f(u, t); err != nil {
		return false, err
	}
	_, err = u.Commit(sync)
	c.synced = c.synced || sync
	return err == nil, err
}

// pointID gives the _id that the filter asks for with equality, if an index read by it is all that is needed to find the document.
func (q *query) pointID(d *store.Def) bson.RawValue {
	if q.sort != nil || q.natural != 0 || q.hint.Type != 0 || q.special != nil {
		return bson.RawValue{}
	}
	v := value.Lookup(q.filter, "_id")
	if v.Type == 0 || !pointValue(v) || !bytes.Equal(q.collation, d.Collation) {
		return bson.RawValue{}
	}
	return v
}

// withMany runs f on every document of a query, each once, in units of bounded size. f sees the document as it is then.
func (c *call) withMany(ctx context.Context, coll *store.Collection, q *query, f func(u *store.Unit, t target) error) error {
	src, _, err := c.open(ctx, coll, q, openOptions{limit: -1, unsorted: true})
	if err != nil {
		return err
	}
	defer src.Close()
	type candidate struct {
		id  store.RecordID
		doc bson.Raw
	}
	var batch []candidate
	size := 0
	memory := budget.Share{Ledger: c.e.memory.Ledger()}
	defer memory.Release()
	flush := func() error {
		for i := 0; i < len(batch); {
			u, err := c.begin(coll, false)
			if err != nil {
				return err
			}
			for ; i < len(batch); i++ {
				doc, e := u.Read(batch[i].id, nil)
				if errors.Is(e, store.ErrNotFound) {
					continue
				}
				if err = e; err != nil {
					break
				}
				t := target{id: batch[i].id, doc: doc, pos: -1}
				if q.wantPosition {
					ok, pos, e := q.matcher().MatchPosition(doc)
					if err = e; err != nil {
						break
					}
					if !ok {
						continue
					}
					t.pos = pos
				} else if !bytes.Equal(doc, batch[i].doc) {
					ok, e := q.matcher().Match(doc)
					if err = e; err != nil {
						break
					}
					if !ok {
						continue
					}
				}
				if err = f(u, t); err != nil {
					break
				}
			}
			// What was done before a failure stays done: an update of many documents is not atomic (mongo-engine.md §3.5).
			if _, e := u.Commit(false); e != nil {
				return e
			}
			if _, held := store.Held(err); held {
				if err := c.wait(ctx, err); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
		}
		batch, size = batch[:0], 0
		return ctx.Err()
	}
	for {
		doc, err := src.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		batch = append(batch, candidate{recordOf(src), append(bson.Raw(nil), doc...)})
		size += len(doc)
		if !memory.Hold(copies * size) {
			if err := flush(); err != nil {
				return err
			}
		} else if len(batch) >= 256 || size > unitBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
