package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/keys"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/store"
	"regent/docdb/internal/value"
)

// foreign is what the stages of a pipeline reach the database through. All reads see the pipeline's snapshot.
type foreign struct {
	c *call
	q *query
	// unchecked leaves out the validators of what $out and $merge write to.
	unchecked bool
}

// Resolve implements stage.Collections: it follows views down to their collection.
func (f *foreign) Resolve(_ context.Context, ns stage.Namespace) (stage.Namespace, []bson.Raw, error) {
	var pipeline []bson.Raw
	for depth := 0; ; depth++ {
		coll := f.c.e.st.Collection(ns.DB, ns.Collection)
		if coll == nil || !coll.Def().View {
			return ns, pipeline, nil
		}
		if depth > maxViewDepth {
			return ns, nil, mongoerr.New(mongoerr.ViewDepthLimitExceeded, "View depth limit exceeded; maximum depth is %d", maxViewDepth)
		}
		d := coll.Def()
		if f.q != nil && !sameSpec(d.Collation, f.q.collation) {
			return ns, nil, mongoerr.New(mongoerr.OptionNotSupportedOnView, "Cannot override the default collation of view %s", d.Namespace())
		}
		stages, err := stage.Split(bson.RawValue{Type: bson.TypeArray, Value: d.Pipeline})
		if err != nil {
			return ns, nil, err
		}
		pipeline = append(stages, pipeline...)
		if pipeline == nil {
			pipeline = []bson.Raw{}
		}
		ns = stage.Namespace{DB: ns.DB, Collection: d.On}
	}
}

// Find implements stage.Collections.
func (f *foreign) Find(ctx context.Context, ns stage.Namespace, sq stage.Query) (stage.Iter, error) {
	if f.c.txn != nil && strings.HasPrefix(ns.Collection, "system.") {
		return nil, mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Cannot read from the system collection %s.%s in a multi-document transaction", ns.DB, ns.Collection)
	}
	coll := f.c.e.st.Collection(ns.DB, ns.Collection)
	if coll == nil || coll.Def().View {
		return stage.Documents(), nil
	}
	spec := sq.Collation
	if spec == nil {
		spec = simpleSpec
	}
	q, err := f.c.compileQuery(coll, sq.Filter, spec, bson.RawValue{}, nil)
	if err != nil {
		return nil, err
	}
	src, _, err := f.c.open(ctx, coll, q, openOptions{limit: -1})
	return src, err
}

// Indexed implements stage.Collections.
func (f *foreign) Indexed(_ context.Context, ns stage.Namespace, path string, collation bson.Raw) bool {
	coll := f.c.e.st.Collection(ns.DB, ns.Collection)
	if coll == nil {
		return false
	}
	for _, ix := range coll.Def().Indexes {
		k := ix.Keys.Fields[0]
		if k.Path == path && (k.Kind == keys.Plain || k.Kind == keys.Hashed) && !ix.Hidden && ix.Partial == nil && !ix.Sparse && sameSpec(ix.Collation, collation) {
			return true
		}
	}
	return false
}

// GeoFields implements stage.GeoFields.
func (f *foreign) GeoFields(_ context.Context, ns stage.Namespace) ([]string, error) {
	coll := f.c.e.st.Collection(ns.DB, ns.Collection)
	if coll == nil {
		return nil, nil
	}
	out := []string{}
	for _, ix := range coll.Def().Indexes {
		for _, k := range ix.Keys.Fields {
			if k.Kind == keys.Geo && !ix.Hidden && !slices.Contains(out, k.Path) {
				out = append(out, k.Path)
			}
		}
	}
	return out, nil
}

// Special implements stage.Collections.
func (f *foreign) Special(_ context.Context, name string, ns stage.Namespace, spec bson.RawValue) (stage.Iter, error) {
	c := f.c
	var docs []bson.Raw
	add := func(d bson.D) error {
		raw, err := bson.Marshal(d)
		docs = append(docs, raw)
		return err
	}
	host := c.e.host
	switch name {
	case "$collStats":
		coll := c.e.st.Collection(ns.DB, ns.Collection)
		if coll != nil && coll.Def().View {
			return nil, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s.%s is a view, not a collection", ns.DB, ns.Collection)
		}
		if coll == nil {
			return nil, mongoerr.New(mongoerr.NamespaceNotFound, "Unable to retrieve storageStats in $collStats stage :: caused by :: Collection [%s.%s] not found.", ns.DB, ns.Collection)
		}
		d := bson.D{{Key: "ns", Value: ns.DB + "." + ns.Collection}, {Key: "host", Value: host}, {Key: "localTime", Value: c.e.opts.Now()}}
		if o, ok := value.Lookup(spec.Value, "storageStats").DocumentOK(); ok {
			scale := int64(1)
			if v := value.Lookup(o, "scale"); v.Type != 0 {
				if n, ok := value.Truncated(v); ok && n >= 1 {
					scale = n
				} else {
					return nil, mongoerr.New(51024, "BSON field 'scale' value must be >= 1, actual value '%s'", v)
				}
			}
			d = append(d, bson.E{Key: "storageStats", Value: storageStats(c.e.st, coll, scale)})
		}
		if value.Lookup(spec.Value, "count").Type != 0 {
			d = append(d, bson.E{Key: "count", Value: coll.Count()})
		}
		if value.Lookup(spec.Value, "latencyStats").Type != 0 {
			d = append(d, bson.E{Key: "latencyStats", Value: latencies(coll)})
		}
		if value.Lookup(spec.Value, "queryExecStats").Type != 0 {
			d = append(d, bson.E{Key: "queryExecStats", Value: bson.D{{Key: "collectionScans", Value: bson.D{{Key: "total", Value: coll.Usage.CollScans.Load()}, {Key: "nonTailable", Value: coll.Usage.CollScans.Load()}}}}})
		}
		if err := add(d); err != nil {
			return nil, err
		}
	case "$indexStats":
		coll := c.e.st.Collection(ns.DB, ns.Collection)
		if coll == nil || coll.Def().View {
			break
		}
		for _, ix := range coll.Def().Indexes {
			ops, since := ix.Uses()
			d := bson.D{{Key: "name", Value: ix.Name}, {Key: "key", Value: ix.Key}, {Key: "host", Value: host},
				{Key: "accesses", Value: bson.D{{Key: "ops", Value: ops}, {Key: "since", Value: since}}}, {Key: "spec", Value: ix.Spec}}
			if err := add(d); err != nil {
				return nil, err
			}
		}
	case "$currentOp":
		ops := c.e.active()
		if value.Truthy(value.Lookup(spec.Value, "idleCursors")) {
			ops = append(ops, c.e.idleCursors()...)
		}
		for _, op := range ops {
			if err := add(op); err != nil {
				return nil, err
			}
		}
	case "$listLocalSessions", "$listSessions":
		c.e.sessions.mu.Lock()
		for _, s := range c.e.sessions.m {
			d := bson.D{{Key: "_id", Value: s.lsid}, {Key: "lastUse", Value: bson.DateTime(s.used.Load())}}
			if err := add(d); err != nil {
				c.e.sessions.mu.Unlock()
				return nil, err
			}
		}
		c.e.sessions.mu.Unlock()
	case "$listCatalog":
		for _, coll := range c.e.st.All() {
			d := coll.Def()
			if ns.Collection != "" && (d.DB != ns.DB || d.Name != ns.Collection) {
				continue
			}
			kind := "collection"
			if d.View {
				kind = "view"
			}
			if err := add(bson.D{{Key: "db", Value: d.DB}, {Key: "name", Value: d.Name}, {Key: "type", Value: kind}, {Key: "md", Value: bson.D{{Key: "options", Value: d.Options}}}}); err != nil {
				return nil, err
			}
		}
	case "$planCacheStats":
		// There is no plan cache: plans are made for each query.
	default:
		return nil, mongoerr.New(mongoerr.NotImplemented, "docdb does not implement the stage %s", name)
	}
	return stage.Documents(docs...), nil
}

// CheckTarget implements stage.Collections.
func (f *foreign) CheckTarget(_ context.Context, name string, ns stage.Namespace) error {
	if err := validDB(ns.DB); err != nil {
		return err
	}
	if err := creatable(ns.DB, ns.Collection); err != nil {
		return err
	}
	coll := f.c.e.st.Collection(ns.DB, ns.Collection)
	if coll == nil {
		return nil
	}
	d := coll.Def()
	if d.View {
		return mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", d.Namespace())
	}
	if d.Capped && name == "$out" {
		return mongoerr.New(17152, "namespace '%s' is capped so it can't be used for $out", d.Namespace())
	}
	return nil
}

// Replace implements stage.Collections: a collection is filled under a name of its own and takes the target's place at the end.
func (f *foreign) Replace(_ context.Context, ns stage.Namespace) (stage.Replacement, error) {
	st := f.c.e.st
	options, specs := bson.Raw(nil), []bson.Raw(nil)
	id := idIndex(nil)
	if old := st.Collection(ns.DB, ns.Collection); old != nil {
		d := old.Def()
		options, id = d.Options, d.Indexes[0].Spec
		for _, ix := range d.Indexes[1:] {
			specs = append(specs, ix.Spec)
		}
	}
	coll, err := st.Create(store.NewCollection{DB: ns.DB, Name: fmt.Sprintf("tmp.agg_out.%s", bson.NewObjectID().Hex()), Options: options, ID: id, Quiet: true})
	if err != nil {
		return nil, err
	}
	return &replacement{f: f, ns: ns, coll: coll, specs: specs}, nil
}

type replacement struct {
	f     *foreign
	ns    stage.Namespace
	coll  *store.Collection
	specs []bson.Raw
}

func (r *replacement) Insert(ctx context.Context, docs []bson.Raw) error {
	return r.f.insert(ctx, r.coll, docs)
}

func (r *replacement) Commit(ctx context.Context) error {
	st := r.f.c.e.st
	if len(r.specs) > 0 {
		if err := st.CreateIndexes(ctx, r.coll, r.specs); err != nil {
			r.Abort()
			if k := keyError(err); k != nil {
				return k
			}
			return err
		}
	}
	return st.Replace(r.coll, r.ns.DB, r.ns.Collection)
}

func (r *replacement) Abort() error {
	err := r.f.c.e.st.Drop(r.coll)
	if errors.Is(err, store.ErrCollectionGone) {
		return nil
	}
	return err
}

// target finds or makes the collection that a stage writes to.
func (f *foreign) target(ns stage.Namespace) (*store.Collection, error) {
	c := *f.c
	c.db = ns.DB
	return c.ensure(ns.Collection)
}

// Insert implements stage.Collections.
func (f *foreign) Insert(ctx context.Context, ns stage.Namespace, docs []bson.Raw) error {
	coll, err := f.target(ns)
	if err != nil {
		return err
	}
	return f.insert(ctx, coll, docs)
}

func (f *foreign) insert(ctx context.Context, coll *store.Collection, docs []bson.Raw) error {
	for _, d := range docs {
		doc, err := withID(nil, d)
		if err == nil {
			err = checkStored(doc, "insert")
		}
		if err == nil {
			err = f.c.insertOne(ctx, coll, doc, !f.unchecked, func(*store.Unit) {})
		}
		if err != nil {
			if k := keyError(err); k != nil {
				return k
			}
			return err
		}
	}
	return nil
}

// Update implements stage.Collections.
func (f *foreign) Update(ctx context.Context, ns stage.Namespace, filter bson.Raw, update bson.RawValue, let []stage.Variable) (bool, error) {
	coll, err := f.target(ns)
	if err != nil {
		return false, err
	}
	q, err := f.c.compileQuery(coll, filter, nil, bson.RawValue{}, nil)
	if err != nil {
		return false, err
	}
	q.let = let
	for _, v := range let {
		q.scope = q.scope.Fix(v.Name, v.Value)
	}
	spec := updateSpec{q: q, validate: !f.unchecked}
	if spec.u, err = f.c.compileUpdate(update, bson.RawValue{}, q, nil); err != nil {
		return false, err
	}
	r, _, _, err := f.c.updateOne(ctx, ns.Collection, coll, &spec, nil)
	if k := keyError(err); k != nil {
		return false, k
	}
	return r.n > 0, err
}

// UniqueIndex implements stage.Collections.
func (f *foreign) UniqueIndex(_ context.Context, ns stage.Namespace, fields []string, collation bson.Raw) (bool, error) {
	if len(fields) == 1 && fields[0] == "_id" {
		return true, nil
	}
	coll := f.c.e.st.Collection(ns.DB, ns.Collection)
	if coll == nil {
		return false, nil
	}
	for _, ix := range coll.Def().Indexes {
		if !ix.Unique || ix.Partial != nil || len(ix.Keys.Fields) != len(fields) || !sameSpec(ix.Collation, collation) {
			continue
		}
		n := 0
		for _, k := range ix.Keys.Fields {
			for _, p := range fields {
				if k.Path == p {
					n++
				}
			}
		}
		if n == len(fields) {
			return true, nil
		}
	}
	return false, nil
}
