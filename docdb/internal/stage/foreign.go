package stage

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/expr"
	"regent/docdb/internal/mongoerr"
)

func foreignStages() []definition {
	return []definition{
		{"$lookup", "documents of another collection, as an array", 0, single(compileLookup)},
		{"$graphLookup", "documents reached by following a field through another collection", 0, single(compileGraphLookup)},
		{"$unionWith", "documents of another collection behind those of this one", 0, single(compileUnion)},
		{"$out", "writes the documents as a collection's new content", mustBeLast | notInFacet | writes, single(compileOut)},
		{"$merge", "writes the documents into a collection", mustBeLast | notInFacet | writes, single(compileMerge)},
		{"$geoNear", "documents by distance from a point", mustBeFirst | notInFacet, compileGeoNear},
	}
}

// foreign is a collection, or view, that a stage reads beside its own, with the pipeline to run over it.
type foreign struct {
	ns   Namespace
	pipe *Pipeline // the sub-pipeline as written, without that of a view
	env  *Env
	base Namespace // of a view, the collection under it
	view *Pipeline // sees no variables
}

// foreignOf compiles the pipeline over another collection.
func (c *compiler) foreignOf(ns Namespace, pipeline []bson.Raw, where Context, scope *expr.Scope) (*foreign, error) {
	if c.env.Collections == nil {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "other collections cannot be read here")
	}
	env := c.sub(where)
	env.DB, env.Collection = ns.DB, ns.Collection
	p, err := compilePipeline(pipeline, env, scope)
	if err != nil {
		return nil, err
	}
	return &foreign{ns: ns, pipe: p, env: env}, nil
}

// resolve follows a view once per run.
func (f *foreign) resolve(ctx context.Context) error {
	base, pipeline, err := f.env.Collections.Resolve(ctx, f.ns)
	if err != nil {
		return err
	}
	f.base, f.view = base, nil
	if pipeline != nil {
		env := *f.env
		env.DB, env.Collection = base.DB, base.Collection
		if f.view, err = compilePipeline(pipeline, &env, expr.NewScope(env.Options)); err != nil {
			return err
		}
	}
	return nil
}

// find opens the collection's documents that a filter selects, through its view if it is one; filter may be nil.
func (f *foreign) find(ctx context.Context, filter bson.Raw) (source, error) {
	q := Query{Filter: filter, Collation: f.env.CollationSpec}
	if f.view == nil {
		it, err := f.env.Collections.Find(ctx, f.base, q)
		if err != nil {
			return nil, err
		}
		return newInput(it), nil
	}
	// The view's own leading filter is the collection's to answer; the caller's is applied to what the view shows.
	push := f.view.Pushdown()
	nodes := push.Rest.nodes
	q.Filter = push.Match
	if push.Sort != nil || push.Skip > 0 || push.Limit > 0 {
		nodes = f.view.nodes
		q.Filter = nil
	}
	it, err := f.env.Collections.Find(ctx, f.base, q)
	if err != nil {
		return nil, err
	}
	r := &run{ctx: ctx, env: f.view.env}
	src, err := (&Pipeline{nodes: nodes}).start(r, newInput(it))
	if err != nil || filter == nil {
		return src, err
	}
	c := &compiler{env: f.env, scope: expr.NewScope(f.env.Options)}
	m, err := compileMatch(c, "$match", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: filter})
	if err != nil {
		src.close()
		return nil, err
	}
	return m.open(r, src)
}

// run opens the sub-pipeline over what filter selects, with the values of its variables.
func (f *foreign) run(ctx context.Context, filter bson.Raw, vars []bson.RawValue) (source, error) {
	r := &run{ctx: ctx, env: f.env, vars: vars}
	if !f.pipe.NeedsSource() {
		return f.pipe.start(r, newInput(Documents()))
	}
	src, err := f.find(ctx, filter)
	if err != nil {
		return nil, err
	}
	out, err := f.pipe.start(r, src)
	if err != nil {
		src.close()
	}
	return out, err
}

// collectionName reads the name of another collection of the same database, or {db, coll}.
func (c *compiler) collectionName(v bson.RawValue, what string) (Namespace, error) {
	switch v.Type {
	case bson.TypeString:
		if text(v) == "" {
			return Namespace{}, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s.'", c.env.DB)
		}
		return Namespace{c.env.DB, text(v)}, nil
	case bson.TypeEmbeddedDocument:
		db, coll := expr.Lookup(v.Value, "db"), expr.Lookup(v.Value, "coll")
		if db.Type == bson.TypeString && coll.Type == bson.TypeString && (text(db) == c.env.DB || text(db) == "local" || text(db) == "config") {
			return Namespace{text(db), text(coll)}, nil
		}
	}
	return Namespace{}, mongoerr.New(mongoerr.FailedToParse, "%s must be a string, but found: %s", what, typeName(v))
}
