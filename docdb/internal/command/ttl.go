package command

import (
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// expireDocuments removes the documents whose time is up, by the TTL indexes (mongo-engine.md §3.3).
func (e *Engine) expireDocuments(ctx context.Context) error {
	now := e.opts.Now().UnixMilli()
	for _, coll := range e.st.All() {
		d := coll.Def()
		if d.View {
			continue
		}
		for _, ix := range d.Indexes {
			if ix.ExpireAfter < 0 || len(ix.Keys.Fields) != 1 || ix.Keys.Fields[0].Kind != keys.Plain {
				continue
			}
			if err := e.expireIndex(ctx, coll, d, ix, now-ix.ExpireAfter*1000); err != nil && !errors.Is(err, store.ErrCollectionGone) {
				return err
			}
		}
	}
	return nil
}

// expireIndex removes the documents with a date up to limit (in ms) in a TTL index.
func (e *Engine) expireIndex(ctx context.Context, coll *store.Collection, d *store.Def, ix *store.Index, limit int64) error {
	snap := e.st.Snapshot()
	defer snap.Close()
	f := ix.Keys.Fields[0]
	lo := keys.AppendField(append([]byte(nil), ix.Prefix()...), value.Date(-1<<63), f.Desc, nil)
	hi := keys.AppendField(append([]byte(nil), ix.Prefix()...), value.Date(limit), f.Desc, nil)
	if f.Desc {
		lo, hi = hi, lo
	}
	p := &plan.Plan{Stage: plan.IndexScan, Def: d, Index: ix, Ranges: []plan.Range{{Low: lo, High: append(hi, 0xFF)}}}
	sc, err := p.Open(coll, snap)
	if err != nil {
		return err
	}
	defer sc.Close()
	for {
		doc, err := sc.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := e.expireOne(coll, sc.ID(), append(bson.Raw(nil), doc...)); err != nil {
			return err
		}
	}
}

// expireOne removes a document if it is still as it was seen; one that a transaction holds waits for the next round.
func (e *Engine) expireOne(coll *store.Collection, id store.RecordID, seen bson.Raw) error {
	u, err := e.st.BeginOne(coll)
	if err != nil {
		return err
	}
	defer u.Rollback()
	u.Lock(id)
	doc, err := u.Read(id, nil)
	if errors.Is(err, store.ErrNotFound) || err == nil && string(doc) != string(seen) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := u.Delete(id, doc); err != nil {
		if _, held := store.Held(err); held {
			return nil
		}
		return err
	}
	_, err = u.Commit(false)
	return err
}
