package data

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// change is an update of documents, by operators, pipeline or replacement.
type change struct {
	query        bson.Raw
	sort         bson.Raw
	update       bson.RawValue
	kind         updateKind
	arrayFilters []any
	upsert       bool
	multi        bool
	wantAfter    bool // the caller asks for the document after the change
	wantBefore   bool // or for the one before
	first        int  // only so many of the documents that match; 0: all
}

// changed is what a change did.
type changed struct {
	matched, modified int64
	upsertedID        bson.RawValue // type 0: nothing was inserted

	// document is what a findOneAnd* answers with, readable parts only; nil for null.
	document bson.Raw
}

// newChange reads a change from arguments and judges its form.
func (r *request) newChange(query bson.Raw, update, arrayFilters bson.RawValue, upsert, multi bool) (change, error) {
	c := change{query: query, update: update, upsert: upsert, multi: multi}
	if c.query == nil {
		c.query = emptyDocument
	}
	var err error
	if c.kind, err = classify(update, r.access != nil); err != nil {
		return c, err
	}
	if arrayFilters.Type != 0 {
		list, err := elements(arrayFilters, "arrayFilters")
		if err != nil {
			return c, err
		}
		for _, f := range list {
			if r.access != nil {
				if err := checkQuery(f, 0, nil); err != nil {
					return c, err
				}
			}
			c.arrayFilters = append(c.arrayFilters, f)
		}
	}
	if r.access == nil {
		return c, nil
	}
	if err := noDuplicatesAt(update.Type, update.Value, 0); err != nil {
		return c, err
	}
	paths, refused := r.strict()
	if err := checkQuery(c.query, 0, paths); err != nil {
		return c, err
	}
	return c, refusedPath(*refused)
}

// change performs a change on what the caller may see, under roles and schema.
func (r *request) change(c change) (changed, error) {
	direct := r.access == nil && !(c.multi && c.kind == replacement) ||
		r.access != nil && r.query.Exact && r.query.Update && !r.query.None && r.access.Namespace().Schema() == nil &&
			!positional(c.update) && !(c.multi && c.kind == replacement)
	if direct && (r.access == nil || !c.upsert) {
		// Roles are exactly a query here and permit any change: one round trip does
		// both, the check and the act, on the same document.
		ctx, held, err := r.session()
		if err != nil {
			return changed{}, err
		}
		ctx, cancel := r.timed(ctx)
		defer cancel()
		out, err := r.changeDirect(ctx, c)
		if err != nil {
			held.giveUp(ctx)
		}
		return out, err
	}
	out, err := r.changeAtomically(c)
	var stuck *interrupted
	if c.upsert && mongo.IsDuplicateKeyError(err) && !errors.As(err, &stuck) && r.args.transaction == "" {
		// Two upserts raced, or the document appeared meanwhile: now it is there.
		return r.changeAtomically(c)
	}
	return out, err
}

// changeDirect lets the database find and change in one command.
func (r *request) changeDirect(ctx context.Context, c change) (changed, error) {
	filter := r.judged(c.query)
	if c.wantAfter || c.wantBefore {
		d, err := r.findAndChange(ctx, c, filter, c.sort, c.wantAfter, c.upsert)
		if err != nil || d == nil {
			return changed{}, err
		}
		if r.access != nil {
			if d, err = r.access.Read(d); err != nil {
				return changed{}, err
			}
		}
		return changed{matched: 1, document: d}, nil
	}
	var (
		res *mongo.UpdateResult
		err error
	)
	switch {
	case c.kind == replacement:
		opts := options.Replace().SetUpsert(c.upsert)
		if err = tune(r, opts); err == nil {
			res, err = r.coll.ReplaceOne(ctx, filter, bson.Raw(c.update.Value), opts)
		}
	case c.multi:
		opts := options.UpdateMany().SetUpsert(c.upsert)
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err = tune(r, opts); err == nil {
			res, err = r.coll.UpdateMany(ctx, filter, c.document(), opts)
		}
	default:
		opts := options.UpdateOne().SetUpsert(c.upsert)
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err = tune(r, opts); err == nil {
			res, err = r.coll.UpdateOne(ctx, filter, c.document(), opts)
		}
	}
	if err != nil {
		return changed{}, err
	}
	out := changed{matched: res.MatchedCount, modified: res.ModifiedCount}
	if res.UpsertedCount > 0 {
		out.upsertedID, err = raw(res.UpsertedID)
	}
	return out, err
}

// document is the update as the driver takes it: a document or a pipeline.
func (c change) document() any {
	if c.kind != pipeline {
		return bson.Raw(c.update.Value)
	}
	stages, _ := elements(c.update, "update") // classify has looked
	if stages == nil {
		stages = []bson.Raw{}
	}
	return stages
}

// tunable is what the driver's operations take alike; most take a let, too.
type tunable[T any] interface {
	SetCollation(*options.Collation) T
	SetHint(any) T
}

// tune passes on the options that only functions of the system may give.
func tune[T tunable[T]](r *request, opts T) error {
	if len(r.args.collation) > 5 {
		c, err := collationOf(r.args.collation)
		if err != nil {
			return err
		}
		opts.SetCollation(c)
	}
	if r.args.hint.Type != 0 {
		opts.SetHint(r.args.hint)
	}
	if len(r.args.let) > 5 {
		with, ok := any(opts).(interface{ SetLet(any) T })
		if !ok {
			return invalid("this operation takes no let")
		}
		with.SetLet(r.args.let)
	}
	return nil
}

// findAndChange changes one document and gives it, nil when none matched.
func (r *request) findAndChange(ctx context.Context, c change, filter, sort bson.Raw, after, upsert bool) (bson.Raw, error) {
	which := options.Before
	if after {
		which = options.After
	}
	var res *mongo.SingleResult
	if c.kind == replacement {
		opts := options.FindOneAndReplace().SetReturnDocument(which).SetUpsert(upsert)
		if len(sort) > 5 {
			opts.SetSort(sort)
		}
		if err := tune(r, opts); err != nil {
			return nil, err
		}
		res = r.coll.FindOneAndReplace(ctx, filter, bson.Raw(c.update.Value), opts)
	} else {
		opts := options.FindOneAndUpdate().SetReturnDocument(which).SetUpsert(upsert)
		if len(sort) > 5 {
			opts.SetSort(sort)
		}
		if c.arrayFilters != nil {
			opts.SetArrayFilters(c.arrayFilters)
		}
		if err := tune(r, opts); err != nil {
			return nil, err
		}
		res = r.coll.FindOneAndUpdate(ctx, filter, c.document(), opts)
	}
	d, err := res.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return d, err
}
