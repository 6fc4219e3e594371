package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
)

func find(c *call) error {
	c.e.ops.query.Add(1)
	name, err := c.collName()
	if err != nil {
		return err
	}
	ns := c.db + "." + name
	skip, err := c.count("skip", 0, 0)
	if err != nil {
		return err
	}
	limit, err := c.count("limit", 0, 0)
	if err != nil {
		return err
	}
	batch, err := c.count("batchSize", 0, defaultBatch)
	if err != nil {
		return err
	}
	single := c.on("singleBatch", false)
	if limit == 0 {
		limit = -1
	}
	coll := c.e.st.Collection(c.db, name)
	if coll != nil && coll.Def().View {
		return c.findView(coll, skip, limit, batch, single)
	}
	if done, err := c.findPoint(ns, coll, skip, limit, batch); done || err != nil {
		return err
	}
	ctx, cancel := c.deadline()
	defer cancel()
	q, err := c.query(coll, "filter")
	if err != nil {
		return err
	}
	if q.near() && c.txn != nil {
		return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "geoNear is not supported in a transaction")
	}
	if err := c.sorted(q, "sort"); err != nil {
		return err
	}
	for _, b := range [...]struct {
		name string
		to   *bson.Raw
	}{{"min", &q.min}, {"max", &q.max}} {
		if d := c.doc(b.name); len(d) > 5 {
			*b.to = append(bson.Raw(nil), d...)
		}
	}
	proj, err := c.projection(q, c.doc("projection"))
	if err != nil {
		return err
	}
	tailable, awaits := c.on("tailable", false), c.on("awaitData", false)
	if awaits && !tailable {
		return mongoerr.New(mongoerr.FailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	}
	if tailable {
		if single {
			return mongoerr.New(mongoerr.FailedToParse, "Cannot use tailable option with the 'singleBatch' option")
		}
		return c.findTailable(ctx, ns, coll, q, proj, skip, limit, batch, awaits)
	}
	if coll == nil {
		if c.txn != nil {
			c.txn.begin()
		}
		return c.emptyCursor(ns)
	}
	src, atTime, err := c.open(ctx, coll, q, openOptions{skip: skip, limit: limit, batch: batch})
	if err != nil {
		return err
	}
	if proj != nil {
		src = &projected{src: src, p: proj}
	}
	if c.on("showRecordId", false) || c.on("returnKey", false) {
		src = &decorated{src: src, returnKey: c.on("returnKey", false)}
	}
	cur := &cursor{ns: ns, coll: name, src: src, on: coll, limit: limit, noTimeout: c.on("noCursorTimeout", false), atTime: atTime}
	return c.openCursor(ctx, cur, batch, single)
}

var emptyDoc = bson.Raw{5, 0, 0, 0, 0}
