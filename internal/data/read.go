package data

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb/query"
	"regent/internal/rule"
)

// find answers with the documents as one array.
func (r *request) find() (bson.RawValue, error) {
	out := newList()
	b := r.budget("the answer", r.s.limits.FindBytes)
	err := r.each(r.args.limit, func(d bson.Raw) error {
		if err := b.take(d); err != nil {
			return err
		}
		out.document(d)
		return nil
	})
	if err != nil {
		return bson.RawValue{}, err
	}
	return out.end(), nil
}

func (r *request) findOne() (bson.RawValue, error) {
	var found bson.Raw
	err := r.each(1, func(d bson.Raw) error {
		found = append(bson.Raw(nil), d...)
		return nil
	})
	if err != nil {
		return bson.RawValue{}, err
	}
	return documentOrNull(found), nil
}

// each calls yield with what the caller may read of the documents that match, at
// most limit of them (0: all), projected. The document is valid during the call.
func (r *request) each(limit int64, yield func(bson.Raw) error) error {
	if err := r.checkRead(); err != nil {
		return err
	}
	if r.query.None {
		return nil
	}
	inDatabase := r.access == nil
	var proj []*query.Projection
	if !inDatabase {
		// What is projected is what the caller may read, never the stored document.
		var err error
		if proj, err = r.projections(); err != nil {
			return err
		}
	}
	ctx, _, err := r.session()
	if err != nil {
		return err
	}
	ctx, cancel := r.timed(ctx)
	defer cancel()
	exact := inDatabase || r.query.Exact
	skip := r.args.skip
	filter := r.selected(r.args.query)
	if exact && limit == 1 {
		return r.first(ctx, filter, inDatabase, proj, yield)
	}
	opts := options.Find()
	if exact {
		opts.SetSkip(skip).SetLimit(limit)
		skip = 0
	}
	if len(r.args.sort) > 5 {
		opts.SetSort(r.args.sort)
	}
	if inDatabase && len(r.args.projection) > 5 {
		opts.SetProjection(r.args.projection)
	}
	if err := tune(r, opts); err != nil {
		return err
	}
	cursor, err := r.coll.Find(ctx, filter, opts)
	if err != nil {
		return err
	}
	defer cursor.Close(context.WithoutCancel(ctx))
	n := int64(0)
	for cursor.Next(ctx) {
		d := bson.Raw(cursor.Current)
		if !inDatabase {
			if d, err = r.access.Read(d); err != nil {
				return err
			}
			if d == nil {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if d, err = projected(d, proj); err != nil {
				return err
			}
		}
		if err := yield(d); err != nil {
			return err
		}
		if n++; limit > 0 && n == limit {
			return nil
		}
	}
	return cursor.Err()
}

// first is each for one document where the query alone finds it: one round trip,
// no cursor.
func (r *request) first(ctx context.Context, filter bson.Raw, inDatabase bool, proj []*query.Projection, yield func(bson.Raw) error) error {
	opts := options.FindOne()
	if len(r.args.sort) > 5 {
		opts.SetSort(r.args.sort)
	}
	if r.args.skip > 0 {
		opts.SetSkip(r.args.skip)
	}
	if inDatabase && len(r.args.projection) > 5 {
		opts.SetProjection(r.args.projection)
	}
	if err := tune(r, opts); err != nil {
		return err
	}
	d, err := r.coll.FindOne(ctx, filter, opts).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	if err != nil {
		return err
	}
	if !inDatabase {
		if d, err = r.access.Read(d); err != nil || d == nil {
			return err
		}
		if d, err = projected(d, proj); err != nil {
			return err
		}
	}
	return yield(d)
}

// projections are those of filters and then the request's own, each applied to
// what the one before left. Those of filters must be of one kind
// (app-services.md §5.2).
func (r *request) projections() ([]*query.Projection, error) {
	if len(r.query.Projections) == 0 && len(r.args.projection) <= 5 {
		return nil, nil
	}
	var out []*query.Projection
	for _, d := range r.query.Projections {
		p, err := query.CompileProjection(r.ctx, d, emptyDocument)
		if err != nil {
			return nil, mongoFault("the projection of a filter: %v", err)
		}
		if len(out) > 0 && p.Exclusion() != out[0].Exclusion() {
			return nil, mongoFault("the projections of the filters that apply mix inclusion and exclusion")
		}
		out = append(out, p)
	}
	if len(r.args.projection) > 5 {
		if r.access != nil {
			if err := checkProjection(r.args.projection); err != nil {
				return nil, err
			}
		}
		where := r.args.query
		if where == nil {
			where = emptyDocument
		}
		p, err := query.CompileProjection(r.ctx, r.args.projection, where)
		if err != nil {
			return nil, mongoFault("%v", err)
		}
		out = append(out, p)
	}
	return out, nil
}

func projected(d bson.Raw, list []*query.Projection) (bson.Raw, error) {
	var err error
	for _, p := range list {
		if d, err = p.Apply(d); err != nil {
			return nil, mongoFault("%v", err)
		}
	}
	return d, nil
}

// checkProjection judges a user's projection.
func checkProjection(d bson.Raw) error {
	elems, err := d.Elements()
	if err != nil {
		return invalid("the projection is not a valid document")
	}
	for _, e := range elems {
		if sub, ok := e.Value().DocumentOK(); ok && operatorDocument(sub) {
			switch op := sub.Index(0).Key(); op {
			case "$elemMatch":
				if q, ok := sub.Index(0).Value().DocumentOK(); ok {
					if err := checkElemMatch(q, e.Key(), 0, nil); err != nil {
						return err
					}
					continue
				}
			}
		}
		if err := checkExpressions(e.Value(), 2); err != nil {
			return err
		}
	}
	return nil
}

// count answers with a 64-bit integer, as SDKs cast it.
func (r *request) count() (bson.RawValue, error) {
	if err := r.checkRead(); err != nil {
		return bson.RawValue{}, err
	}
	if r.query.None {
		return int64Value(0), nil
	}
	if r.access == nil || r.query.Exact {
		ctx, _, err := r.session()
		if err != nil {
			return bson.RawValue{}, err
		}
		ctx, cancel := r.timed(ctx)
		defer cancel()
		opts := options.Count()
		if r.args.limit > 0 {
			opts.SetLimit(r.args.limit)
		}
		if r.args.skip > 0 {
			opts.SetSkip(r.args.skip)
		}
		if err := tune(r, opts); err != nil {
			return bson.RawValue{}, err
		}
		n, err := r.coll.CountDocuments(ctx, r.judged(r.args.query), opts)
		return int64Value(n), err
	}
	n := int64(0)
	r.args.projection, r.args.sort = nil, nil
	err := r.each(r.args.limit, func(bson.Raw) error { n++; return nil })
	return int64Value(n), err
}

// distinct answers with an array of values; arrays unfold once, as in MongoDB.
func (r *request) distinct() (bson.RawValue, error) {
	if r.args.key == "" {
		return bson.RawValue{}, invalid("the argument \"key\" is missing")
	}
	r.args.projection, r.args.sort, r.args.limit, r.args.skip = nil, nil, 0, 0
	values := rule.Distinct{}
	out := newList()
	b := r.budget("the answer", r.s.limits.FindBytes)
	err := r.each(0, func(d bson.Raw) error {
		for _, v := range rule.Unfolded(d, r.args.key) {
			if !values.Add(v) {
				continue
			}
			if err := b.take(bson.Raw(v.Value)); err != nil {
				return err
			}
			out.value(v)
		}
		return nil
	})
	return out.end(), err
}

func collationOf(d bson.Raw) (*options.Collation, error) {
	c := &options.Collation{}
	if err := bson.Unmarshal(d, c); err != nil {
		return nil, invalid("the collation is not valid: %v", err)
	}
	return c, nil
}
