package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// sameViewCollation refuses a collation that is not the view's own.
func sameViewCollation(d *store.Def, spec bson.Raw) error {
	if spec == nil {
		return nil
	}
	_, full, err := fullCollation(spec)
	if err != nil {
		return err
	}
	if !sameSpec(full, d.Collation) {
		return mongoerr.New(mongoerr.OptionNotSupportedOnView, "Cannot override a view's default collation: %s", d.Namespace())
	}
	return nil
}

// viewStages are the stages that a find on a view is.
func viewStages(filter, sort bson.Raw, skip, limit int64, projection bson.Raw) []bson.Raw {
	var out []bson.Raw
	add := func(name string, v bson.RawValue) {
		out = append(out, value.DocOf(value.Field{Name: name, Value: value.Clone(v)}))
	}
	if len(filter) > 5 {
		add("$match", value.Doc(filter))
	}
	if len(sort) > 5 {
		add("$sort", value.Doc(sort))
	}
	if skip > 0 {
		add("$skip", value.Int64(skip))
	}
	if limit > 0 {
		add("$limit", value.Int64(limit))
	}
	if len(projection) > 5 {
		add("$project", value.Doc(projection))
	}
	return out
}

func (c *call) findView(coll *store.Collection, skip, limit, batch int64, single bool) error {
	d := coll.Def()
	for _, o := range []string{"tailable", "returnKey", "showRecordId"} {
		if c.on(o, false) {
			return mongoerr.New(mongoerr.OptionNotSupportedOnView, "option not supported on a view: %s", o)
		}
	}
	for _, o := range []string{"min", "max"} {
		if len(c.doc(o)) > 5 {
			return mongoerr.New(mongoerr.OptionNotSupportedOnView, "option not supported on a view: %s", o)
		}
	}
	for _, o := range []string{"hint", "sort"} {
		if h := c.arg(o); h.Type == bson.TypeEmbeddedDocument && value.Lookup(h.Value, "$natural").Type != 0 {
			return mongoerr.New(mongoerr.InvalidPipelineOperator, "%s option $natural not supported on a view", o)
		}
	}
	ctx, cancel := c.deadline()
	defer cancel()
	src, on, at, err := c.openPipeline(ctx, d.Name, viewStages(c.doc("filter"), c.doc("sort"), skip, limit, c.doc("projection")),
		pipelineOptions{collation: c.doc("collation"), hint: c.arg("hint"), let: c.doc("let"), disk: c.on("allowDiskUse", true)})
	if err != nil {
		return err
	}
	return c.openCursor(ctx, &cursor{ns: d.Namespace(), coll: d.Name, src: src, on: on, limit: -1, atTime: at, noTimeout: c.on("noCursorTimeout", false)}, batch, single)
}

func (c *call) countView(coll *store.Collection, skip, limit int64) error {
	ctx, cancel := c.deadline()
	defer cancel()
	stages := viewStages(c.doc("query"), nil, skip, limit, nil)
	stages = append(stages, value.DocOf(value.Field{Name: "$count", Value: value.String("n")}))
	src, _, _, err := c.openPipeline(ctx, coll.Def().Name, stages, pipelineOptions{collation: c.doc("collation"), hint: c.arg("hint"), disk: true})
	if err != nil {
		return err
	}
	docs, err := collect(ctx, src)
	if err != nil {
		return err
	}
	n := int64(0)
	if len(docs) > 0 {
		n, _ = value.Integer(value.Lookup(docs[0], "n"))
	}
	c.appendCount(n)
	return nil
}

func (c *call) distinctView(ctx context.Context, coll *store.Collection) (stream, *query, error) {
	q, err := c.compileQuery(nil, nil, coll.Def().Collation, bson.RawValue{}, nil)
	if err != nil {
		return nil, nil, err
	}
	src, _, _, err := c.openPipeline(ctx, coll.Def().Name, viewStages(c.doc("query"), nil, 0, 0, nil), pipelineOptions{collation: c.doc("collation"), hint: c.arg("hint"), disk: true})
	return src, q, err
}

// checkView compiles the pipeline of a view that is to be made or changed, and follows what it reads: no view is on itself, all views of a chain
// have one collation, and no chain is longer than maxViewDepth, seen from above either.
func (c *call) checkView(name, on string, pipeline bson.RawValue, collation bson.Raw) error {
	stages, err := stage.Split(pipeline)
	if err != nil {
		return err
	}
	d := c.detached()
	spec := collation
	if spec == nil {
		spec = simpleSpec
	}
	q, err := d.compileQuery(nil, nil, spec, bson.RawValue{}, nil)
	if err != nil {
		return err
	}
	env := d.stageEnv(q, on)
	env.Context = stage.View
	env.Collections = &foreign{c: d, q: q}
	if _, err := stage.Compile(stages, env); err != nil {
		return err
	}
	g := viewGraph{c: c, name: name, collation: collation, heights: map[string]int{}}
	below := 0
	for _, ref := range viewSources(on, pipeline) {
		n, err := g.follow(ref, 1)
		if err != nil {
			return err
		}
		below = max(below, n)
	}
	if below+1+above(name, c.viewReaders(), map[string]int{}) > maxViewDepth {
		return mongoerr.New(mongoerr.ViewDepthLimitExceeded, "View depth limit exceeded; maximum depth is %d", maxViewDepth)
	}
	return nil
}

// viewSources are the collections and views of its database that a view reads: what it is on, and what its stages name.
func viewSources(on string, pipeline bson.RawValue) []string {
	out := []string{on}
	var walk func(pipeline bson.RawValue)
	source := func(v bson.RawValue) {
		if s, ok := value.Text(v); ok {
			out = append(out, s)
		}
	}
	walk = func(pipeline bson.RawValue) {
		if pipeline.Type != bson.TypeArray {
			return
		}
		for _, s := range value.Elements(pipeline.Value) {
			if s.Type != bson.TypeEmbeddedDocument {
				continue
			}
			it := value.Over(s.Value)
			for it.Next() {
				spec := it.Value()
				switch it.Key() {
				case "$lookup", "$graphLookup":
					if spec.Type == bson.TypeEmbeddedDocument {
						source(value.Lookup(spec.Value, "from"))
						walk(value.Lookup(spec.Value, "pipeline"))
					}
				case "$unionWith":
					source(spec)
					if spec.Type == bson.TypeEmbeddedDocument {
						source(value.Lookup(spec.Value, "coll"))
						walk(value.Lookup(spec.Value, "pipeline"))
					}
				case "$facet":
					if spec.Type == bson.TypeEmbeddedDocument {
						for f := value.Over(spec.Value); f.Next(); {
							walk(f.Value())
						}
					}
				}
			}
		}
	}
	walk(pipeline)
	return out
}

// viewGraph is what the views of a database read, as seen from one that is to be made.
type viewGraph struct {
	c         *call
	name      string
	collation bson.Raw
	heights   map[string]int // of views that have been followed
}

// follow gives the length of the longest chain of views that begins with a name.
func (g *viewGraph) follow(name string, depth int) (int, error) {
	if name == g.name {
		return 0, mongoerr.New(mongoerr.GraphContainsCycle, "View cycle detected: %s.%s", g.c.db, name)
	}
	coll := g.c.e.st.Collection(g.c.db, name)
	if coll == nil || !coll.Def().View {
		return 0, nil
	}
	if n, ok := g.heights[name]; ok {
		return n, nil
	}
	if depth > maxViewDepth {
		return 0, mongoerr.New(mongoerr.ViewDepthLimitExceeded, "View depth limit exceeded; maximum depth is %d", maxViewDepth)
	}
	d := coll.Def()
	if !sameSpec(d.Collation, g.collation) {
		return 0, mongoerr.New(mongoerr.OptionNotSupportedOnView, "View %s.%s has a collation that does not match the collation of view %s", g.c.db, g.name, d.Namespace())
	}
	most := 0
	for _, ref := range viewSources(d.On, bson.RawValue{Type: bson.TypeArray, Value: d.Pipeline}) {
		n, err := g.follow(ref, depth+1)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	g.heights[name] = most + 1
	return most + 1, nil
}

// above gives the length of the longest chain of views that ends above a name. readers are the views that read a name.
func above(name string, readers map[string][]string, known map[string]int) int {
	if n, ok := known[name]; ok {
		return n
	}
	most := 0
	for _, v := range readers[name] {
		most = max(most, 1+above(v, readers, known))
	}
	known[name] = most
	return most
}

// viewReaders are the views of a database by what they read.
func (c *call) viewReaders() map[string][]string {
	out := map[string][]string{}
	for _, v := range c.e.st.Collections(c.db) {
		if d := v.Def(); d.View {
			for _, name := range viewSources(d.On, bson.RawValue{Type: bson.TypeArray, Value: d.Pipeline}) {
				out[name] = append(out[name], d.Name)
			}
		}
	}
	return out
}
