package stage

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/value"
)

// graphLookup is $graphLookup: breadth first, each document once.
type graphLookup struct {
	from       *foreign
	start      expr.Expr
	connect    []string // connectFromField
	to         string
	as         []string
	maxDepth   int64 // -1 for none
	depthField []string
	restrict   bson.Raw
	reads      expr.Deps
}

func compileGraphLookup(c *compiler, _ string, spec bson.RawValue) (*graphLookup, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the $graphLookup stage specification must be an object, but found %s", typeName(spec))
	}
	vs, err := arguments(spec, func(n string) error {
		return mongoerr.New(40104, "Unknown argument to $graphLookup: %s", n)
	}, "from", "startWith", "connectFromField", "connectToField", "as", "maxDepth", "depthField", "restrictSearchWithMatch")
	if err != nil {
		return nil, err
	}
	for i, n := range []string{"from", "startWith", "connectFromField", "connectToField", "as"} {
		if expr.Missing(vs[i]) {
			return nil, mongoerr.New(40105, "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified: %s is missing", n)
		}
	}
	for i, n := range []string{"connectFromField", "connectToField", "as", "", "depthField"} {
		if v := vs[i+2]; n != "" && !expr.Missing(v) && v.Type != bson.TypeString {
			return nil, mongoerr.New(40103, "expected string as argument for %s, found: %s", n, typeName(v))
		}
	}
	g := &graphLookup{maxDepth: -1, to: text(vs[3])}
	if g.start, err = expr.Compile(vs[1], c.scope); err != nil {
		return nil, err
	}
	g.start.Deps(&g.reads)
	if g.connect, err = expr.SplitPath(text(vs[2])); err != nil {
		return nil, err
	}
	if _, err = expr.SplitPath(g.to); err != nil {
		return nil, err
	}
	if g.as, err = expr.SplitPath(text(vs[4])); err != nil {
		return nil, err
	}
	if !expr.Missing(vs[5]) {
		if !value.IsNumber(vs[5]) {
			return nil, mongoerr.New(40100, "maxDepth requires numeric argument, found type: %s", typeName(vs[5]))
		}
		n, ok := isInt(vs[5])
		if !ok {
			return nil, mongoerr.New(40102, "maxDepth could not be represented as a long long: %s", value.Show(vs[5]))
		}
		if n < 0 {
			return nil, mongoerr.New(40101, "maxDepth requires a nonnegative argument, found: %d", n)
		}
		g.maxDepth = n
	}
	if !expr.Missing(vs[6]) {
		if g.depthField, err = expr.SplitPath(text(vs[6])); err != nil {
			return nil, err
		}
	}
	if !expr.Missing(vs[7]) {
		if vs[7].Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(40185, "expected an object as argument for restrictSearchWithMatch, found: %s", typeName(vs[7]))
		}
		g.restrict = vs[7].Value
		var d expr.Deps
		if _, err := c.filter(g.restrict, func() *expr.Env { return nil }, &d); err != nil {
			return nil, err
		}
	}
	ns, err := c.collectionName(vs[0], "$graphLookup argument 'from'")
	if err != nil {
		return nil, err
	}
	var stages []bson.Raw
	if g.restrict != nil {
		stages = []bson.Raw{value.DocOf(value.Field{Name: "$match", Value: vs[7]})}
	}
	g.from, err = c.foreignOf(ns, stages, inLookup, c.scope)
	return g, err
}

func (g *graphLookup) deps(d *expr.Deps) bool {
	for p := range g.reads.Paths {
		d.AddPath(p)
	}
	d.Whole = d.Whole || g.reads.Whole
	return false
}

func (g *graphLookup) open(r *run, src source) (source, error) {
	if err := g.from.resolve(r.ctx); err != nil {
		return nil, err
	}
	return &graphing{g: g, r: r, src: src, env: r.expressions()}, nil
}

type graphing struct {
	g   *graphLookup
	r   *run
	src source
	env *expr.Env
	buf []byte
}

// frontierBatch is how many values one search asks for.
const frontierBatch = 1000

func (s *graphing) next(ctx context.Context) (row, error) {
	r, err := s.src.next(ctx)
	if err != nil {
		return r, err
	}
	s.env.ResetMeta(r.doc, r.meta)
	start, err := s.g.start.Eval(s.env)
	if err != nil {
		return row{}, err
	}
	found, err := s.search(ctx, expr.Clone(start))
	if err != nil {
		return row{}, err
	}
	s.buf = setDeep(s.buf[:0], r.doc, s.g.as, value.ArrayOf(found))
	return row{s.buf, r.meta}, nil
}

func (s *graphing) search(ctx context.Context, start bson.RawValue) ([]bson.RawValue, error) {
	coll := s.r.env.collation()
	asked, seen := expr.NewSet(coll), expr.NewSet(nil)
	var frontier []bson.RawValue
	bytes, mem := 0, s.r.env.held()
	defer mem.release()
	over := mongoerr.New(40099, "$graphLookup reached maximum memory consumption of %d bytes", mem.limit)
	ask := func(v bson.RawValue) {
		if !expr.Nullish(v) && asked.Add(v) {
			frontier = append(frontier, expr.Clone(v))
			bytes += len(v.Value) + rowOverhead
		}
	}
	if start.Type == bson.TypeArray {
		for _, v := range value.Elements(start.Value) {
			ask(v)
		}
	} else {
		ask(start)
	}
	var out []bson.RawValue
	for depth := int64(0); len(frontier) > 0 && (s.g.maxDepth < 0 || depth <= s.g.maxDepth); depth++ {
		now := frontier
		frontier = nil
		for batch := range slices.Chunk(now, frontierBatch) {
			in, err := s.g.from.run(ctx, equalityFilter(s.g.to, batch), s.r.vars)
			if err != nil {
				return nil, err
			}
			for {
				d, err := in.next(ctx)
				if drained(err) {
					break
				}
				if err != nil {
					in.close()
					return nil, err
				}
				if !seen.Add(expr.Lookup(d.doc, "_id")) {
					continue
				}
				for _, v := range localKeys(d.doc, s.g.connect) {
					ask(v)
				}
				doc := slices.Clone(d.doc)
				if s.g.depthField != nil {
					doc = setDeep(nil, doc, s.g.depthField, value.Int64(depth))
				}
				out = append(out, value.Doc(doc))
				bytes += len(doc) + rowOverhead
				if err := mem.bounded(bytes, over); err != nil {
					in.close()
					return nil, err
				}
			}
			in.close()
		}
	}
	return out, nil
}

func (s *graphing) close() error {
	s.env.Release()
	return s.src.close()
}
