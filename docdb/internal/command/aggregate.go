package command

import (
	"context"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

func aggregate(c *call) error {
	name := ""
	if c.target.Type == bson.TypeString {
		var err error
		if name, err = c.collName(); err != nil {
			return err
		}
	} else if n, ok := value.Float64(c.target); !ok || n != 1 {
		return mongoerr.New(mongoerr.FailedToParse, "Invalid command format: the 'aggregate' field must specify a collection name or 1")
	}
	for _, n := range []string{"fromMongos", "needsMerge"} {
		if c.on(n, false) {
			return mongoerr.New(mongoerr.InvalidOptions, "'%s' is for routers of sharded clusters", n)
		}
	}
	explain := c.on("explain", false)
	batch := int64(defaultBatch)
	if d := c.doc("cursor"); d != nil {
		var err error
		if batch, err = cursorBatchSize(d); err != nil {
			return err
		}
	} else if !explain {
		return mongoerr.New(mongoerr.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	stages, err := stage.Split(value.Clone(c.arg("pipeline")))
	if err != nil {
		return err
	}
	if explain {
		return c.explainAggregate(name, stages, "queryPlanner")
	}
	ns := c.db + "." + name
	if name == "" {
		ns = c.db + ".$cmd.aggregate"
	}
	ctx, cancel := c.deadline()
	defer cancel()
	if len(stages) > 0 {
		if e, err := stages[0].IndexErr(0); err == nil && e.Key() == "$changeStream" {
			return c.openChangeStream(ns, name, e.Value(), stages[1:], batch)
		}
	}
	src, on, atTime, err := c.openPipeline(ctx, name, stages, pipelineOptions{collation: c.doc("collation"), hint: c.arg("hint"), let: c.doc("let"), disk: c.on("allowDiskUse", true), unchecked: c.on("bypassDocumentValidation", false)})
	if err != nil {
		return err
	}
	if src.writes != "" {
		defer src.Close()
		for {
			if _, err := src.Next(ctx); err == io.EOF {
				break
			} else if err != nil {
				return during("PlanExecutor error during aggregation", err)
			}
		}
		if c.sync() {
			if err := c.e.st.Sync(); err != nil {
				return err
			}
		}
		return c.emptyCursor(ns)
	}
	c.e.ops.query.Add(1)
	return during("PlanExecutor error during aggregation", c.openCursor(ctx, &cursor{ns: ns, coll: name, src: src, on: on, limit: -1, atTime: atTime}, batch, false))
}

// pipelineOptions surround a pipeline.
type pipelineOptions struct {
	collation bson.Raw
	hint      bson.RawValue
	let       bson.Raw
	disk      bool
	// unchecked is bypassDocumentValidation.
	unchecked bool
}

// pipelineStream is a running pipeline.
type pipelineStream struct {
	stage.Iter
	writes  string
	release func()
}

func (p *pipelineStream) Close() error {
	err := p.Iter.Close()
	if p.release != nil {
		p.release()
		p.release = nil
	}
	return err
}

// openPipeline starts a pipeline over a collection, a view, or (with no name) nothing. The collection that is read first is on.
func (c *call) openPipeline(ctx context.Context, name string, stages []bson.Raw, o pipelineOptions) (src *pipelineStream, on *store.Collection, atTime uint64, err error) {
	d := c.detached()
	var release func()
	if c.txn == nil {
		if c.readLevel != "snapshot" {
			release = d.fix()
		}
	}
	defer func() {
		if err != nil && release != nil {
			release()
		}
	}()
	base := stage.Namespace{DB: c.db, Collection: name}
	var view []bson.Raw
	collationSpec := o.collation
	top := c.e.st.Collection(c.db, name)
	if top != nil && top.Def().View {
		f := &foreign{c: d}
		if base, view, err = f.Resolve(ctx, base); err != nil {
			return nil, nil, 0, err
		}
		if err := sameViewCollation(top.Def(), collationSpec); err != nil {
			return nil, nil, 0, err
		}
		collationSpec = top.Def().Collation
		if collationSpec == nil {
			collationSpec = simpleSpec
		}
	}
	var coll *store.Collection
	if base.Collection != "" {
		coll = c.e.st.Collection(base.DB, base.Collection)
	}
	q, err := d.compileQuery(coll, nil, collationSpec, o.hint, o.let)
	if err != nil {
		return nil, nil, 0, err
	}
	env := d.stageEnv(q, base.Collection)
	env.AllowDiskUse = o.disk
	env.Collections = &foreign{c: d, q: q, unchecked: o.unchecked}
	if coll != nil {
		env.Match.Text = q.textCompiler(coll)
	}
	all := append(view[:len(view):len(view)], stages...)
	p, err := stage.Compile(all, env)
	if err != nil {
		return nil, nil, 0, err
	}
	writes := p.Writes()
	if c.txn != nil {
		for _, s := range p.Stages() {
			switch s {
			case "$out", "$merge", "$collStats", "$indexStats", "$currentOp", "$listSessions", "$listLocalSessions", "$planCacheStats":
				return nil, nil, 0, mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Operation not permitted in transaction :: caused by :: Stage not supported inside of a multi-document transaction: %s", s)
			}
		}
	}
	var in stage.Iter
	rest := p
	if p.NeedsSource() && coll != nil {
		push := p.Pushdown()
		q.filter = emptyDoc
		if push.Match != nil {
			if q2, err2 := d.compileQuery(coll, push.Match, collationSpec, o.hint, o.let); err2 != nil {
				return nil, nil, 0, err2
			} else {
				q = q2
			}
		}
		if q.text == nil && slices.Contains(push.Meta, "textScore") {
			return nil, nil, 0, noTextScore()
		}
		limit := int64(-1)
		if push.Limit > 0 {
			limit = push.Limit
		}
		q.noDisk = !o.disk
		if push.Near != nil {
			if err := q.byDistance(ctx, env.Collections.(*foreign), base, &push); err != nil {
				return nil, nil, 0, err
			}
		}
		if push.Sort != nil {
			if err := q.setSort(push.Sort); err != nil {
				return nil, nil, 0, err
			}
		} else {
			q.fields = topLevel(push.Fields)
		}
		s, at, err := d.open(ctx, coll, q, openOptions{skip: push.Skip, limit: limit})
		if err != nil {
			return nil, nil, 0, err
		}
		atTime = at
		if limit >= 0 {
			s = &limiting{src: s, n: limit}
		}
		in, rest = s, push.Rest
	} else {
		if c.txn != nil {
			c.txn.begin()
		}
		in = stage.Documents()
	}
	return &pipelineStream{Iter: rest.Run(context.Background(), in), writes: writes, release: release}, coll, atTime, nil
}

// topLevel gives the first parts of dotted paths, each once; nil for nil.
func topLevel(paths []string) []string {
	if paths == nil {
		return nil
	}
	out := []string{}
	for _, p := range paths {
		name, _, _ := strings.Cut(p, ".")
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

var simpleSpec = value.DocOf(value.Field{Name: "locale", Value: value.String("simple")})

// limiting ends after n documents.
type limiting struct {
	src stream
	n   int64
}

func (l *limiting) Next(ctx context.Context) (bson.Raw, error) {
	if l.n == 0 {
		return nil, io.EOF
	}
	l.n--
	return l.src.Next(ctx)
}

func (l *limiting) Close() error { return l.src.Close() }

// detached is a call that lives on in a cursor: it has none of the request's bytes.
func (c *call) detached() *call {
	d := &call{e: c.e, c: c.c, cmd: nil, ctx: &opContext{parent: context.Background()}, db: c.db, name: c.name, sess: c.sess, txn: c.txn, hasTxn: c.hasTxn, inTxn: c.inTxn,
		txnNumber: c.txnNumber, readLevel: c.readLevel, atTime: c.atTime, lazy: c.lazy, noJournal: c.noJournal, running: c.runs()}
	return d
}

// fix makes all reads of a detached call see one snapshot; the result lets go of it.
func (c *call) fix() func() {
	view, at := c.e.st.SnapshotAt()
	c.fixed, c.fixedAt = view, at
	return func() { view.Close() }
}

// explainAggregate shows the plan of a pipeline's beginning and its stages.
func (c *call) explainAggregate(name string, stages []bson.Raw, verbosity string) error {
	d := c.detached()
	release := d.fix()
	defer release()
	base := stage.Namespace{DB: c.db, Collection: name}
	f := &foreign{c: d}
	base, view, err := f.Resolve(c.ctx, base)
	if err != nil {
		return err
	}
	coll := c.e.st.Collection(base.DB, base.Collection)
	q, err := d.compileQuery(coll, nil, c.doc("collation"), c.arg("hint"), c.doc("let"))
	if err != nil {
		return err
	}
	env := d.stageEnv(q, base.Collection)
	f.q = q
	env.Collections = f
	if coll != nil {
		env.Match.Text = q.textCompiler(coll)
	}
	p, err := stage.Compile(append(view[:len(view):len(view)], stages...), env)
	if err != nil {
		return err
	}
	push := p.Pushdown()
	filter := push.Match
	if coll != nil {
		if q, err = d.compileQuery(coll, filter, c.doc("collation"), c.arg("hint"), c.doc("let")); err != nil {
			return err
		}
		if err := q.setSort(push.Sort); err != nil {
			return err
		}
		if push.Near != nil {
			if err := q.byDistance(c.ctx, f, base, &push); err != nil {
				return err
			}
		}
	}
	x := &explained{c: c, d: d, coll: coll, q: q, skip: push.Skip, limit: push.Limit, verbosity: verbosity, ns: c.db + "." + name}
	rest := restOf(view, stages)
	if len(rest) == 0 {
		return x.write()
	}
	if push.Near != nil && len(rest) > 1 {
		// No more is measured than is asked for.
		x.limit, _ = value.Integer(value.Lookup(rest[1], "$limit"))
	}
	a, out := bsoncore.AppendArrayElementStart(c.out, "stages")
	i, out := bsoncore.AppendDocumentElementStart(out, "0")
	j, out := bsoncore.AppendDocumentElementStart(out, "$cursor")
	c.out = out
	if err := x.sections(); err != nil {
		return err
	}
	c.out, _ = bsoncore.AppendDocumentEnd(c.out, j)
	c.out, _ = bsoncore.AppendDocumentEnd(c.out, i)
	for k, st := range rest {
		c.out = value.AppendIndexed(c.out, k+1, value.Doc(st))
	}
	c.out, _ = bsoncore.AppendArrayEnd(c.out, a)
	x.tail()
	return nil
}

// restOf gives the stages behind those that the plan takes over.
func restOf(view, stages []bson.Raw) []bson.Raw {
	all := append(view[:len(view):len(view)], stages...)
	rank := 0
	for i, s := range all {
		it := value.Over(s)
		it.Next()
		r, ok := map[string]int{"$match": 0, "$sort": 1, "$skip": 2, "$limit": 3}[it.Key()]
		if !ok || r < rank && !(r == 0 && rank == 1) {
			return all[i:]
		}
		rank = max(r, rank)
	}
	return nil
}
