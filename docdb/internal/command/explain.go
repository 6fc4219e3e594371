package command

import (
	"context"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/plan"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// explain shows the plan of a command, and with verbosity executionStats or allPlansExecution what running it has looked at.
func explain(c *call) error {
	body, ok := c.target.DocumentOK()
	if !ok {
		return wrongType("explain.explain", c.target, object)
	}
	verbosity := c.str("verbosity")
	switch verbosity {
	case "":
		verbosity = "allPlansExecution"
	case "queryPlanner", "executionStats", "allPlansExecution":
	default:
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'explain.verbosity' is not a valid value.", verbosity)
	}
	it := value.Over(body)
	if !it.Next() {
		return mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: ")
	}
	name := string(append([]byte(nil), it.Key()...))
	cmd := c.e.commands[name]
	if cmd == nil {
		return mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: %s", name)
	}
	request := *c.req
	request.Body, request.Sequences = body, nil
	in := &call{e: c.e, c: c.c, cmd: cmd, ctx: c.ctx, req: &request, name: cmd.Name, db: c.db, out: c.out}
	if err := in.parse(body); err != nil {
		return err
	}
	in.db = c.db
	err := in.explain(verbosity)
	c.out = in.out
	return err
}

func (c *call) explain(verbosity string) error {
	if c.cmd.Name == "aggregate" {
		coll, err := "", error(nil)
		if c.target.Type == bson.TypeString {
			if coll, err = c.collName(); err != nil {
				return err
			}
		}
		stages, err := stage.Split(value.Clone(c.arg("pipeline")))
		if err != nil {
			return err
		}
		return c.explainAggregate(coll, stages, verbosity)
	}
	coll, err := c.collName()
	if err != nil {
		return err
	}
	target := c.e.st.Collection(c.db, coll)
	if target != nil && target.Def().View {
		switch c.cmd.Name {
		case "find":
			skip, _ := c.count("skip", 0, 0)
			limit, _ := c.count("limit", 0, 0)
			return c.asAggregate(coll, viewStages(c.doc("filter"), c.doc("sort"), skip, limit, c.doc("projection")), verbosity)
		case "count":
			return c.asAggregate(coll, append(viewStages(c.doc("query"), nil, 0, 0, nil), value.DocOf(value.Field{Name: "$count", Value: value.String("n")})), verbosity)
		}
		return mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s.%s is a view, not a collection", c.db, coll)
	}
	x := &explained{c: c, d: c, coll: target, verbosity: verbosity, ns: c.db + "." + coll}
	switch c.cmd.Name {
	case "find":
		if x.q, err = c.query(target, "filter"); err == nil {
			err = c.sorted(x.q, "sort")
		}
		x.skip, _ = c.count("skip", 0, 0)
		x.limit, _ = c.count("limit", 0, 0)
		x.projected = len(c.doc("projection")) > 5
	case "count", "distinct":
		x.q, err = c.query(target, "query")
		x.counting = c.cmd.Name == "count"
	case "findAndModify":
		if x.q, err = c.query(target, "query"); err == nil {
			err = c.sorted(x.q, "sort")
		}
		x.write1, x.limit = "UPDATE", 1
		if c.on("remove", false) {
			x.write1 = "DELETE"
		}
	case "update", "delete":
		table, field := updateStatement, "updates"
		x.write1 = "UPDATE"
		if c.cmd.Name == "delete" {
			table, field = deleteStatement, "deletes"
			x.write1 = "DELETE"
		}
		n := 0
		err = c.each(field, func(_ int, doc bson.Raw) (bool, error) {
			if n++; n > 1 {
				return false, mongoerr.New(mongoerr.InvalidLength, "explained write batches must be of size 1")
			}
			var args [12]bson.RawValue
			if err := parseStatement(c.cmd.Name+"."+field, table, doc, args[:]); err != nil {
				return false, err
			}
			hint, coll := args[3], args[2]
			if c.cmd.Name == "update" {
				hint, coll = args[7], args[5]
			}
			cs, _ := coll.DocumentOK()
			var err error
			x.q, err = c.compileQuery(target, args[0].Document(), cs, hint, c.doc("let"))
			return true, err
		})
	default:
		return mongoerr.New(mongoerr.CommandNotSupported, "docdb does not explain the command '%s'", c.cmd.Name)
	}
	if err != nil {
		return err
	}
	return x.write()
}

// asAggregate explains a read of a view.
func (c *call) asAggregate(coll string, stages []bson.Raw, verbosity string) error {
	in := *c
	in.cmd = c.e.commands["aggregate"]
	in.args = make([]bson.RawValue, len(in.cmd.Args))
	err := in.explainAggregate(coll, stages, verbosity)
	c.out = in.out
	return err
}

// explained is a query whose plan is shown.
type explained struct {
	c, d        *call
	coll        *store.Collection
	q           *query
	skip, limit int64
	verbosity   string
	ns          string
	projected   bool
	counting    bool
	write1      string
	nearest     *nearest // of a query that orders by distance
}

// write appends the whole reply.
func (x *explained) write() error {
	if err := x.sections(); err != nil {
		return err
	}
	x.tail()
	return nil
}

// sections appends queryPlanner and executionStats.
func (x *explained) sections() error {
	c := x.c
	p := &plan.Plan{Stage: plan.Nothing}
	var view store.View
	if x.coll != nil {
		d, v, at, release, err := x.d.view(x.coll)
		if err != nil {
			return err
		}
		defer release()
		if p, err = x.d.makePlan(d, x.q, at); err != nil {
			return err
		}
		if x.q.near() {
			if x.nearest, err = x.d.openSpecial(x.coll, d, v, x.q, nil); err != nil {
				return err
			}
		}
		view = v
	}
	c.value("explainVersion", "1")
	c.value("queryPlanner", bson.D{{Key: "namespace", Value: x.ns}, {Key: "parsedQuery", Value: x.q.filter}, {Key: "indexFilterSet", Value: false},
		{Key: "maxIndexedOrSolutionsReached", Value: false}, {Key: "maxIndexedAndSolutionsReached", Value: false}, {Key: "maxScansToExplodeReached", Value: false},
		{Key: "winningPlan", Value: x.stages(p, nil, 0)}, {Key: "rejectedPlans", Value: bson.A{}}})
	if x.verbosity == "queryPlanner" {
		return nil
	}
	start := time.Now()
	var stats plan.Stats
	n := int64(0)
	ctx, cancel := c.deadline()
	defer cancel()
	switch {
	case x.nearest != nil && x.nearest.index != nil:
		var err error
		if n, err = x.runNearest(ctx); err != nil {
			return err
		}
		stats = x.nearest.stats
	case x.coll != nil:
		sc, err := p.Open(x.coll, view)
		if err != nil {
			return err
		}
		defer sc.Close()
		if n, err = x.run(ctx, sc, p); err != nil {
			return err
		}
		stats = sc.Stats
	}
	ms := time.Since(start).Milliseconds()
	c.value("executionStats", bson.D{{Key: "executionSuccess", Value: true}, {Key: "nReturned", Value: number(n)}, {Key: "executionTimeMillis", Value: number(ms)},
		{Key: "totalKeysExamined", Value: number(stats.Keys)}, {Key: "totalDocsExamined", Value: number(stats.Docs)}, {Key: "executionStages", Value: x.stages(p, &stats, n)}, {Key: "allPlansExecution", Value: bson.A{}}})
	return nil
}

// run reads what the command would read; nothing is changed.
func (x *explained) run(ctx context.Context, sc *plan.Scan, p *plan.Plan) (int64, error) {
	n := int64(0)
	for {
		if x.limit > 0 && p.Sorted && n >= x.limit+x.skip {
			break
		}
		if x.counting && p.Exact {
			if _, err := sc.NextKey(ctx); err == io.EOF {
				break
			} else if err != nil {
				return 0, err
			}
			n++
			continue
		}
		doc, err := sc.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		ok, err := x.q.matcher().Match(doc)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	if n -= x.skip; n < 0 {
		n = 0
	}
	if x.limit > 0 && n > x.limit {
		n = x.limit
	}
	return n, nil
}

// runNearest walks the rings that the command would walk.
func (x *explained) runNearest(ctx context.Context) (int64, error) {
	n := int64(0)
	for x.limit <= 0 || x.q.sort != nil || n < x.limit+x.skip {
		if _, err := x.nearest.Next(ctx); err == io.EOF {
			break
		} else if err != nil {
			return 0, err
		}
		n++
	}
	if n = max(n-x.skip, 0); x.limit > 0 {
		n = min(n, x.limit)
	}
	return n, nil
}

// describeNear is the stage of a walk in rings through a geo index, or of a sort by distance of what a plan finds.
func (x *explained) describeNear(p *plan.Plan, stats *plan.Stats) bson.D {
	if x.nearest.index == nil {
		return bson.D{{Key: "stage", Value: "SORT"}, {Key: "sortPattern", Value: bson.D{{Key: "$distance", Value: int32(1)}}}, {Key: "type", Value: "simple"}, {Key: "inputStage", Value: describePlan(p, x.q.filter, false, stats)}}
	}
	ix := x.nearest.index
	d := bson.D{{Key: "stage", Value: "GEO_NEAR_2DSPHERE"}, {Key: "keyPattern", Value: ix.Key}, {Key: "indexName", Value: ix.Name}, {Key: "indexVersion", Value: int32(2)}}
	if _, sphere := gridOf(ix.Spec, x.q.special.path.String()); !sphere {
		d[0].Value = "GEO_NEAR_2D"
	}
	if len(x.q.filter) > 5 {
		d = append(d, bson.E{Key: "filter", Value: x.q.filter})
	}
	if stats != nil {
		d = append(d, bson.E{Key: "keysExamined", Value: number(stats.Keys)}, bson.E{Key: "docsExamined", Value: number(stats.Docs)})
	}
	return d
}

// stages describes a plan as nested stages, the last one first.
func (x *explained) stages(p *plan.Plan, stats *plan.Stats, n int64) bson.D {
	out := describePlan(p, x.q.filter, x.counting, stats)
	if x.nearest != nil {
		out = x.describeNear(p, stats)
	}
	wrap := func(d bson.D) {
		if stats != nil {
			d = append(d, bson.E{Key: "nReturned", Value: number(n)})
		}
		out = append(d, bson.E{Key: "inputStage", Value: out})
	}
	if x.q.sort != nil && !p.Sorted && p.Stage != plan.Nothing {
		d := bson.D{{Key: "stage", Value: "SORT"}, {Key: "sortPattern", Value: x.q.sort}, {Key: "memLimit", Value: int64(x.c.e.opts.SortBytes)}, {Key: "type", Value: "simple"}}
		if x.limit > 0 {
			d = append(d, bson.E{Key: "limitAmount", Value: x.limit + x.skip})
		}
		wrap(d)
	}
	if x.skip > 0 {
		wrap(bson.D{{Key: "stage", Value: "SKIP"}, {Key: "skipAmount", Value: x.skip}})
	}
	if x.limit > 0 {
		wrap(bson.D{{Key: "stage", Value: "LIMIT"}, {Key: "limitAmount", Value: x.limit}})
	}
	if x.projected {
		wrap(bson.D{{Key: "stage", Value: "PROJECTION_DEFAULT"}})
	}
	if x.counting {
		wrap(bson.D{{Key: "stage", Value: "COUNT"}})
	}
	if x.write1 != "" {
		wrap(bson.D{{Key: "stage", Value: x.write1}})
	}
	return out
}

func describePlan(p *plan.Plan, filter bson.Raw, counting bool, stats *plan.Stats) bson.D {
	direction := "forward"
	if p.Reverse {
		direction = "backward"
	}
	switch p.Stage {
	case plan.Nothing:
		return bson.D{{Key: "stage", Value: "EOF"}}
	case plan.Union:
		list := bson.A{}
		for _, b := range p.Branches {
			list = append(list, scanOnly(b, nil))
		}
		or := bson.D{{Key: "stage", Value: "OR"}, {Key: "inputStages", Value: list}}
		d := bson.D{{Key: "stage", Value: "FETCH"}, {Key: "filter", Value: filter}}
		return append(withStats(d, stats), bson.E{Key: "inputStage", Value: or})
	case plan.IndexScan:
		ix := scanOnly(p, stats)
		if counting && p.Exact {
			return ix
		}
		d := bson.D{{Key: "stage", Value: "FETCH"}}
		if !p.Exact {
			d = append(d, bson.E{Key: "filter", Value: filter})
		}
		return append(withStats(d, stats), bson.E{Key: "inputStage", Value: ix})
	}
	d := bson.D{{Key: "stage", Value: "COLLSCAN"}}
	if len(filter) > 5 {
		d = append(d, bson.E{Key: "filter", Value: filter})
	}
	return withStats(append(d, bson.E{Key: "direction", Value: direction}), stats)
}

func withStats(d bson.D, stats *plan.Stats) bson.D {
	if stats != nil {
		d = append(d, bson.E{Key: "docsExamined", Value: number(stats.Docs)})
	}
	return d
}

// scannedPattern is the key pattern of an index; that of a wildcard index names the path that is scanned.
func scannedPattern(p *plan.Plan) any {
	at := p.Index.Keys.WildcardAt()
	if at < 0 || len(p.Bounds) <= at+1 {
		return p.Index.Key
	}
	d := bson.D{}
	it := value.Over(p.Index.Key)
	for i := 0; it.Next(); i++ {
		path := it.Key()
		if i == at {
			d = append(d, bson.E{Key: "$_path", Value: int32(1)})
			path = p.Bounds[at+1].Path
		}
		d = append(d, bson.E{Key: path, Value: it.Value()})
	}
	return d
}

func scanOnly(p *plan.Plan, stats *plan.Stats) bson.D {
	if p.Stage != plan.IndexScan {
		return bson.D{{Key: "stage", Value: string(p.Stage)}}
	}
	direction := "forward"
	if p.Reverse {
		direction = "backward"
	}
	bounds := bson.D{}
	for _, b := range p.Described() {
		list := bson.A{}
		for _, s := range b.Intervals(p.Reverse) {
			list = append(list, s)
		}
		bounds = append(bounds, bson.E{Key: b.Path, Value: list})
	}
	d := bson.D{{Key: "stage", Value: "IXSCAN"}, {Key: "keyPattern", Value: scannedPattern(p)}, {Key: "indexName", Value: p.Index.Name}, {Key: "isMultiKey", Value: p.Index.Multikey() != 0},
		{Key: "isUnique", Value: p.Index.Unique}, {Key: "isSparse", Value: p.Index.Sparse}, {Key: "isPartial", Value: p.Index.Partial != nil}, {Key: "indexVersion", Value: int32(2)},
		{Key: "direction", Value: direction}, {Key: "indexBounds", Value: bounds}}
	if stats != nil {
		d = append(d, bson.E{Key: "keysExamined", Value: number(stats.Keys)})
	}
	return d
}

// tail appends what every explain has.
func (x *explained) tail() {
	c := x.c
	c.value("command", c.req.Body)
	c.value("serverInfo", bson.D{{Key: "host", Value: "docdb"}, {Key: "port", Value: int32(27017)}, {Key: "version", Value: Version}, {Key: "gitVersion", Value: "docdb"}})
	i, out := bsoncore.AppendDocumentElementStart(c.out, "serverParameters")
	out = bsoncore.AppendInt32Element(out, "internalQueryMaxBlockingSortMemoryUsageBytes", int32(c.e.opts.SortBytes))
	c.out, _ = bsoncore.AppendDocumentEnd(out, i)
}

// number is an int32 where it fits, as MongoDB writes counts: shells show other integers as Long('1').
func number(n int64) any {
	if n == int64(int32(n)) {
		return int32(n)
	}
	return n
}
