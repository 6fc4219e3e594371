package stage_test

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb/internal/collation"
	"regent/docdb/internal/expr"
	"regent/docdb/internal/match"
	"regent/docdb/internal/mongoerr"
	"regent/docdb/internal/stage"
	"regent/docdb/internal/value"
)

// world is a set of collections in memory, enough of an engine for stages that look elsewhere.
type world struct {
	collections map[string][]bson.Raw
	views       map[string]view
	indexed     map[string]bool // "collection.path"
	finds       int
	written     string // the collection that $out or $merge wrote to
}

type view struct {
	on       string
	pipeline []bson.Raw
}

func newWorld() *world {
	return &world{collections: map[string][]bson.Raw{}, views: map[string]view{}, indexed: map[string]bool{}}
}

func (w *world) put(name string, docs []bson.Raw) { w.collections[name] = docs }

func (w *world) clone() *world {
	c := *w
	c.collections = maps.Clone(w.collections)
	return &c
}

func (w *world) Resolve(_ context.Context, ns stage.Namespace) (stage.Namespace, []bson.Raw, error) {
	if v, ok := w.views[ns.Collection]; ok {
		return stage.Namespace{DB: ns.DB, Collection: v.on}, v.pipeline, nil
	}
	return ns, nil, nil
}

func (w *world) Find(_ context.Context, ns stage.Namespace, q stage.Query) (stage.Iter, error) {
	w.finds++
	docs := w.collections[ns.Collection]
	if q.Filter == nil {
		return stage.Documents(docs...), nil
	}
	opts := match.Options{}
	if q.Collation != nil {
		c, err := collation.Parse(q.Collation)
		if err != nil {
			return nil, err
		}
		opts.Collation = c.Comparer()
	}
	m, err := match.Compile(q.Filter, opts)
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for _, d := range docs {
		ok, err := m.Match(d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return stage.Documents(out...), nil
}

func (w *world) Indexed(_ context.Context, ns stage.Namespace, path string, _ bson.Raw) bool {
	return w.indexed[ns.Collection+"."+path]
}

func (w *world) Special(_ context.Context, name string, ns stage.Namespace, _ bson.RawValue) (stage.Iter, error) {
	return stage.Documents(value.DocOf(value.Field{Name: "stage", Value: value.String(name)}, value.Field{Name: "ns", Value: value.String(ns.Collection)})), nil
}

func (w *world) CheckTarget(_ context.Context, name string, ns stage.Namespace) error {
	if _, ok := w.views[ns.Collection]; ok {
		return mongoerr.New(mongoerr.CommandNotSupportedOnView, "%s to a view", name)
	}
	return nil
}

type replacement struct {
	w    *world
	name string
	docs []bson.Raw
}

func (w *world) Replace(_ context.Context, ns stage.Namespace) (stage.Replacement, error) {
	return &replacement{w: w, name: ns.Collection}, nil
}

func (r *replacement) Insert(_ context.Context, docs []bson.Raw) error {
	for _, d := range docs {
		r.docs = append(r.docs, slices.Clone(d))
	}
	return nil
}

func (r *replacement) Commit(context.Context) error {
	r.w.collections[r.name] = r.docs
	r.w.written = r.name
	return nil
}

func (r *replacement) Abort() error { return nil }

func (w *world) Insert(_ context.Context, ns stage.Namespace, docs []bson.Raw) error {
	w.written = ns.Collection
	for _, d := range docs {
		for _, o := range w.collections[ns.Collection] {
			if value.Equal(expr.Lookup(o, "_id"), expr.Lookup(d, "_id")) {
				return mongoerr.New(11000, "E11000 duplicate key")
			}
		}
		w.collections[ns.Collection] = append(slices.Clip(w.collections[ns.Collection]), slices.Clone(d))
	}
	return nil
}

func (w *world) Update(_ context.Context, ns stage.Namespace, filter bson.Raw, up bson.RawValue, let []stage.Variable) (bool, error) {
	w.written = ns.Collection
	m, err := match.Compile(filter, match.Options{})
	if err != nil {
		return false, err
	}
	docs := slices.Clone(w.collections[ns.Collection])
	for i, d := range docs {
		ok, err := m.Match(d)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		if up.Type == bson.TypeArray {
			u, err := stage.CompileUpdate(up, stage.Env{Let: let})
			if err != nil {
				return false, err
			}
			if docs[i], err = u.Apply(context.Background(), d); err != nil {
				return false, err
			}
			docs[i] = bytes.Clone(docs[i])
		} else {
			docs[i] = bytes.Clone(up.Value)
			if expr.Missing(expr.Lookup(docs[i], "_id")) {
				docs[i] = append(bson.Raw(nil), docs[i]...)
			}
		}
		w.collections[ns.Collection] = docs
		return true, nil
	}
	return false, nil
}

func (w *world) UniqueIndex(_ context.Context, ns stage.Namespace, fields []string, _ bson.Raw) (bool, error) {
	return len(fields) == 1 && (fields[0] == "_id" || w.indexed[ns.Collection+"."+fields[0]]), nil
}
