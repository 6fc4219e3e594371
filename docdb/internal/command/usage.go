package command

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/plan"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
	"regent/docdb/internal/wire"
)

// tally counts a command that is over, and its answer of n bytes.
func (c *call) tally(n int) {
	e := c.e
	e.ops.bytesIn.Add(int64(c.req.Size))
	e.ops.bytesOut.Add(int64(n + wire.Overhead))
	if c.cmd == nil {
		return
	}
	if c.cmd.Kind == 0 {
		if !c.cmd.Write || c.cmd.Name != "bulkWrite" {
			e.ops.command.Add(1)
		}
		return
	}
	from := c.target
	if c.cmd.Kind == store.GetMore {
		from = c.arg("collection")
	}
	name, ok := value.Text(from)
	if !ok || c.c.op.call != c { // it could not be parsed
		return
	}
	if coll := e.st.Collection(c.db, name); coll != nil {
		coll.Usage.Of(c.cmd.Kind).Add(e.opts.Now().Sub(c.c.op.started))
	}
}

// use counts the indexes that a plan walks, or the walk through the collection.
func use(coll *store.Collection, p *plan.Plan) {
	switch p.Stage {
	case plan.CollScan:
		coll.Usage.CollScans.Add(1)
	case plan.IndexScan:
		p.Index.Use()
	case plan.Union:
		for _, b := range p.Branches {
			use(coll, b)
		}
	}
}

// kinds are the columns of top.
var kinds = []struct {
	name  string
	kinds []store.Kind
}{
	{"total", []store.Kind{store.Query, store.GetMore, store.Insert, store.Update, store.Remove, store.ReadCommand, store.WriteCommand}},
	{"readLock", reading},
	{"writeLock", writing},
	{"queries", []store.Kind{store.Query}},
	{"getmore", []store.Kind{store.GetMore}},
	{"insert", []store.Kind{store.Insert}},
	{"update", []store.Kind{store.Update}},
	{"remove", []store.Kind{store.Remove}},
	{"commands", []store.Kind{store.ReadCommand, store.WriteCommand}},
}

var (
	reading = []store.Kind{store.Query, store.GetMore, store.ReadCommand}
	writing = []store.Kind{store.Insert, store.Update, store.Remove, store.WriteCommand}
)

// top tells what each collection was used for since the server started.
func top(c *call) error {
	totals := bson.D{{Key: "note", Value: "all times in microseconds"}}
	for _, coll := range c.e.st.All() {
		d := bson.D{}
		for _, k := range kinds {
			n, took := coll.Usage.Sum(k.kinds...)
			d = append(d, bson.E{Key: k.name, Value: bson.D{{Key: "time", Value: took.Microseconds()}, {Key: "count", Value: n}}})
		}
		totals = append(totals, bson.E{Key: coll.Def().Namespace(), Value: d})
	}
	c.value("totals", totals)
	return nil
}

// latencies are the figures of $collStats' latencyStats.
func latencies(coll *store.Collection) bson.D {
	d := bson.D{}
	for _, k := range []struct {
		name  string
		kinds []store.Kind
	}{{"reads", reading}, {"writes", writing}, {"commands", nil}, {"transactions", nil}} {
		n, took := coll.Usage.Sum(k.kinds...)
		d = append(d, bson.E{Key: k.name, Value: bson.D{{Key: "latency", Value: took.Microseconds()}, {Key: "ops", Value: n}}})
	}
	return d
}

// timed counts an operation of a statement of bulkWrite.
func (c *call) timed(name string, k store.Kind, began time.Time) {
	if coll := c.e.st.Collection(c.db, name); coll != nil {
		coll.Usage.Of(k).Add(c.e.opts.Now().Sub(began))
	}
}
